//! A model of everything around one federated Job: the host with its record, the members with their
//! Jobs and pods, and processes that can be stopped between two requests. It drives the product's
//! own loop.
//!
//! Each step asserts what must hold after it.

mod checks;
mod member;
mod process;
mod requests;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use jiff::Timestamp;
use kubectl_federate::{
    job::{Indexes, Ownership},
    state::{MemberState, Outcome, Record, Registry, Shard},
};

pub use member::{Job, Member};
pub use process::{Process, Running, Verb, step};

/// The fate of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It does not arrive.
    Request,
    /// It takes effect, and its answer is lost.
    Answer,
}

/// Everything around the processes.
#[derive(Debug)]
pub struct World {
    pub record: Option<Record>,
    version: u64,
    pub registry: Registry,
    /// Counts the changes of the registry.
    registry_version: u64,
    /// All clusters that are or were members, by their uids.
    pub members: BTreeMap<String, Member>,
    /// The Jobs that were deleted.
    pub gone: Vec<Job>,
    pub host_loss: Option<Loss>,
    /// How many writes the host took.
    pub writes: u32,
    /// How many actions changed a member.
    pub changes: u32,
    /// The uid of each shard that some version of the ledger has had.
    known: BTreeMap<u32, String>,
    latched: Option<Outcome>,
    uids: u32,
    seconds: i64,
}

/// The world, shared by the processes.
pub type Shared = Rc<RefCell<World>>;

impl World {
    pub fn new(registry: &Registry, record: &Record) -> Shared {
        let uids = registry.members.values().map(|member| member.uid.clone());
        let members = uids.map(|uid| (uid, Member::default()));
        let world = Self {
            record: None,
            version: 0,
            registry: registry.clone(),
            registry_version: 0,
            members: members.collect(),
            gone: Vec::new(),
            host_loss: None,
            writes: 0,
            changes: 0,
            known: BTreeMap::new(),
            latched: None,
            uids: 0,
            seconds: 1_800_000_000,
        };
        let world = Rc::new(RefCell::new(world));
        world.borrow_mut().store(record);
        world
    }

    pub fn now(&mut self) -> Timestamp {
        self.seconds += 1;
        Timestamp::from_second(self.seconds).expect("in range")
    }

    pub fn uid(&mut self) -> String {
        self.uids += 1;
        format!("u{}", self.uids)
    }

    /// The uid of the cluster that a shard was given to.
    pub fn cluster_of(shard: &Shard) -> &str {
        shard.cluster_uid.as_deref().expect("every shard that is written names its cluster")
    }

    /// Whether the cluster of a shard is no member any more.
    pub fn has_left(&self, shard: &Shard) -> bool {
        let registered = self.registry.members.get(&shard.cluster);
        registered.is_none_or(|member| member.uid != Self::cluster_of(shard))
    }

    /// Asserts that no Job of a recorded shard is created in a cluster that is no member any more.
    fn check_registered(&self, id: u32, cluster: &str) {
        let shard = self.record.as_ref().and_then(|record| record.shards.get(&id));
        if let Some(shard) = shard.filter(|shard| Self::cluster_of(shard) == cluster) {
            assert!(!self.has_left(shard), "shard {id} is made in a cluster that has left");
        }
    }

    /// Marks a member, or takes the mark back.
    fn mark_member(&mut self, name: &str, state: MemberState) {
        self.registry.members.get_mut(name).expect("a member").state = state;
        self.registry_version += 1;
    }

    /// Another cluster takes the name of a member.
    fn replace_member(&mut self, name: &str) {
        let uid = self.uid();
        let member = self.registry.members.get_mut(name).expect("a member");
        (member.uid, member.state) = (uid.clone(), MemberState::Ready);
        self.members.insert(uid, Member::default());
        self.registry_version += 1;
    }

    /// All Jobs that there are, with the uids of their clusters.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &Job)> {
        self.members.iter().flat_map(|(cluster, member)| {
            member.jobs.values().map(move |job| (cluster.as_str(), job))
        })
    }

    pub fn jobs_mut(&mut self) -> impl Iterator<Item = &mut Job> {
        self.members.values_mut().flat_map(|member| member.jobs.values_mut())
    }

    /// A Job by its uid, also if it was deleted.
    pub fn job(&self, uid: &str) -> Option<&Job> {
        self.jobs().map(|(_, job)| job).chain(&self.gone).find(|job| job.seen.uid == uid)
    }

    /// Removes a Job, and its pods.
    pub fn remove(&mut self, cluster: &str, name: &str) {
        let member = self.members.get_mut(cluster).expect("a member");
        if let Some(mut job) = member.jobs.remove(name) {
            job.pods.clear();
            self.gone.push(job);
        }
    }

    /// The Job controllers of all members, or of one member, sync their Jobs.
    pub fn sync(&mut self, only: Option<&str>) {
        let now = self.now();
        let members =
            self.members.iter_mut().filter(|(name, _)| only.is_none_or(|only| only == *name));
        for member in members.map(|(_, member)| member).filter(|member| !member.stalled) {
            member.jobs.values_mut().for_each(|job| job.sync(now));
        }
        self.check_pods();
    }

    /// A Job controller starts and stops pods, and has not written the status yet.
    pub fn make_pods(&mut self, cluster: &str) {
        let now = self.now();
        for job in self.members.get_mut(cluster).expect("a member").jobs.values_mut() {
            if !job.seen.suspended {
                job.seen.start.get_or_insert(now);
            }
            job.make_pods();
        }
        self.check_pods();
    }

    /// Asserts that no index runs twice at once, or again after it succeeded. Jobs that users
    /// created or deleted do not count.
    fn check_pods(&self) {
        let mut running = Indexes::default();
        let ours =
            || self.jobs().map(|(_, job)| job).filter(|job| !job.foreign && job.seen.indexed);
        for job in ours() {
            let own = job.active_indexes();
            assert!(running.both(&own).is_empty(), "indexes {} run twice", running.both(&own));
            running = running.with(&own);
        }
        for job in ours() {
            let others = ours().filter(|other| other.seen.uid != job.seen.uid);
            let done = others.fold(Indexes::default(), |all, other| all.with(&other.done_indexes));
            let again = done.both(&job.active_indexes());
            assert!(again.is_empty(), "indexes {again} run again in {}", job.seen.uid);
        }
    }

    /// Whether a Job is the one that the ledger has under this id.
    fn is_shard(record: &Record, id: u32, name: &str, owner: Option<&Ownership>) -> bool {
        owner == Some(&record.ownership(id)) && name == record.job_name(id)
    }
}
