//! What the simulation knows of its own of every Job, every pod and every record that ever was; and
//! what must hold of them at every moment. Nothing here is taken from what the product says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sim::Cluster;

use super::evidence::{Ours, ShardKey, shard_of};
use super::jobs::RETRY;
use super::ledger::Ledger;
use super::registries::{NAMESPACE, REGISTRY, Registries};
use super::site::NAMES;
use super::work::Job;

/// What a command may do that others may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It rebuilds or restores records, or moves them to another host: one that it removes comes
    /// again.
    Rebuilds,
    /// It deletes orphans.
    Cleans,
    /// It does neither.
    Neither,
}

/// The objects of one cluster that were looked at last: what has not changed is not read again.
#[derive(Default)]
struct Read {
    jobs: Vec<Arc<Value>>,
    pods: Vec<Arc<Value>>,
    /// The ConfigMaps, and the uid of the federated Job whose record each is.
    maps: Vec<(Arc<Value>, Option<String>)>,
}

/// Everything that is known of one life.
pub struct Knowledge {
    /// The names of the clusters, and the uids that they have by now.
    pub clusters: Vec<(String, String)>,
    /// What was looked at last, by cluster.
    revisions: Vec<u64>,
    read: Vec<Read>,
    /// Every Job of ours, by its uid.
    pub jobs: BTreeMap<String, Job>,
    /// The Jobs that made pods, by shard.
    ran: BTreeMap<ShardKey, BTreeSet<String>>,
    /// Every federated Job, by its uid.
    pub ledgers: BTreeMap<String, Ledger>,
    /// What the registries of all hosts say.
    pub registries: Registries,
    /// Whether the federation may get another host in this life.
    pub has_hosts: bool,
    /// How many commands were given so far.
    step: u64,
    /// What people do now.
    pub doing: BTreeMap<&'static str, Doing>,
    /// Objects whose creation was sent and not answered, with who sent it and where.
    pub unread: BTreeSet<(usize, String, String)>,
    of_nobody: BTreeSet<String>,
    /// The Jobs that users made anew with the labels of a shard, by uid. Only a recovery takes them
    /// for shards.
    made_anew: BTreeMap<String, Job>,
    suspended_by_users: BTreeSet<String>,
    /// The Jobs that users have ever resumed: that starts their deadlines anew.
    pub restarted_by_users: BTreeSet<String>,
    /// Whether clusters or the Job have leases in this life.
    pub has_leases: bool,
    /// The shards whose work moved because their leases were over.
    pub expired: BTreeSet<ShardKey>,
    /// The time of each cluster when it was looked at last.
    pub times: Vec<Timestamp>,
    scaled_by_users: BTreeSet<String>,
    /// Whether a command is under way.
    busy: bool,
    /// The clusters that were replaced by other ones, by place.
    rebuilt: BTreeSet<usize>,
    broken: Vec<String>,
}

impl Knowledge {
    /// Nothing is known but the clusters.
    pub fn new(clusters: &[Cluster]) -> Self {
        let identity = |cluster: &Cluster| (cluster.name().to_owned(), cluster.kube_system_uid());
        Self {
            clusters: clusters.iter().map(identity).collect(),
            revisions: vec![0; clusters.len()],
            read: clusters.iter().map(|_| Read::default()).collect(),
            jobs: BTreeMap::new(),
            ran: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            registries: Registries::default(),
            has_hosts: false,
            step: 0,
            doing: BTreeMap::new(),
            unread: BTreeSet::new(),
            of_nobody: BTreeSet::new(),
            made_anew: BTreeMap::new(),
            suspended_by_users: BTreeSet::new(),
            restarted_by_users: BTreeSet::new(),
            has_leases: false,
            expired: BTreeSet::new(),
            times: clusters.iter().map(Cluster::now).collect(),
            scaled_by_users: BTreeSet::new(),
            busy: false,
            rebuilt: BTreeSet::new(),
            broken: Vec::new(),
        }
    }

    /// Says that something was broken.
    pub fn accuse(&mut self, what: impl FnOnce() -> String) {
        if self.broken.len() < 20 {
            self.broken.push(what());
        }
    }

    /// The first thing that was broken.
    pub fn first_broken(&self) -> Option<&String> {
        self.broken.first()
    }

    /// Whether a command is under way.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Says whether a command is under way.
    pub fn set_busy(&mut self, busy: bool) {
        self.step += u64::from(busy && !self.busy);
        self.busy = busy;
        if !busy {
            self.doing.clear();
        }
    }

    /// Another host counts from now on.
    pub fn moves_to(&mut self, home: usize, cluster: &Cluster) {
        if self.registries.home == home {
            return;
        }
        let both_act = !self.registries.is_left(self.registries.home);
        self.registries.home = home;
        self.ledgers.values_mut().for_each(|ledger| ledger.moves(both_act));
        self.look_at_records(home, cluster);
    }

    /// Somebody deletes or damages records, and not federated Jobs: these are to come back.
    pub fn records_are_lost(&mut self) {
        let there = self.ledgers.values_mut().filter(|ledger| !ledger.gone);
        there.for_each(|ledger| ledger.removed = false);
    }

    /// Whether there is nothing left of a federated Job that nobody has deleted.
    pub fn is_lost_for_good(&self) -> bool {
        self.ledgers.values().any(|ledger| ledger.gone && !ledger.removed)
    }

    /// A federated Job whose record was lost and can be rebuilt: it still has Jobs, and no other one
    /// has its name.
    pub fn lost_record(&self) -> Option<&Ledger> {
        let there = |name: &str| self.ledgers.values().any(|it| !it.gone && it.name == name);
        let has_jobs = |uid: &String| {
            let mut jobs = self.jobs.values().filter(|job| job.shard.0 == *uid);
            jobs.any(|job| !job.gone && !job.lost)
        };
        let mut lost = self.ledgers.iter().filter(|(uid, ledger)| {
            ledger.gone && !ledger.removed && !there(&ledger.name) && has_jobs(uid)
        });
        lost.next().map(|(_, ledger)| ledger)
    }

    /// A pod has succeeded.
    pub fn succeeded(&mut self, pod: &Value) {
        let owner = text(&pod["metadata"]["ownerReferences"][0]["uid"]);
        let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
        let index = index.as_str().and_then(|index| index.parse().ok());
        if let Some(job) = self.job_mut(owner) {
            *job.successes.entry(index).or_default() += 1;
        }
    }

    /// The Jobs that users made anew and a recovery took for shards of a federated Job.
    pub fn taken(&self, ledger: &Ledger) -> impl Iterator<Item = &Job> {
        self.made_anew.iter().filter(|(uid, _)| ledger.has_known(uid)).map(|(_, job)| job)
    }

    /// A Job with the labels of a shard, whoever made it.
    fn job_mut(&mut self, uid: &str) -> Option<&mut Job> {
        self.jobs.get_mut(uid).or_else(|| self.made_anew.get_mut(uid))
    }

    /// The cluster is another one from now on.
    pub fn rebuilt(&mut self, place: usize) {
        self.rebuilt.insert(place);
        self.clusters[place].1.clear();
        self.revisions[place] = 0;
        for job in self.jobs.values_mut().filter(|job| job.place == place) {
            job.lost |= !job.gone;
        }
    }

    /// The names of the clusters that were replaced by other ones.
    pub fn rebuilt_clusters(&self) -> Vec<&'static str> {
        let is_told = |place: &&usize| !self.has_hosts || self.is_another(**place);
        self.rebuilt.iter().filter(is_told).map(|place| NAMES[*place]).collect()
    }

    /// Whether another cluster is registered under the name of the one at a place.
    fn is_another(&self, place: usize) -> bool {
        let (name, identity) = &self.clusters[place];
        let registered = self.registries.current().and_then(|it| it.members.get(name));
        registered.is_some_and(|uid| uid != identity)
    }

    /// Whether a cluster was replaced, and the registry has the old one and not as lost: what it
    /// had stays unknown.
    pub fn waits_for_a_cluster(&self) -> bool {
        let is_lost = |name: &String| {
            self.registries.current().is_some_and(|registry| registry.lost.contains(name))
        };
        let mut rebuilt = self.rebuilt.iter();
        rebuilt.any(|place| self.is_another(*place) && !is_lost(&self.clusters[*place].0))
    }

    /// A Job that no federation made.
    pub fn of_nobody(&mut self, job: &Value) {
        self.of_nobody.insert(text(&job["metadata"]["uid"]).to_owned());
    }

    /// Whether no federation made a Job.
    pub fn is_of_nobody(&self, job: &Value) -> bool {
        self.of_nobody.contains(text(&job["metadata"]["uid"]))
    }

    /// Whether a Job is left of a federated Job without a record, and there is another one that may
    /// need its name.
    pub fn is_in_the_way(&self, job: &Value) -> bool {
        let is_gone = |uid: &String| self.ledgers.get(uid).is_none_or(|ledger| ledger.gone);
        let ours = self.jobs.get(text(&job["metadata"]["uid"]));
        ours.is_some_and(|job| is_gone(&job.shard.0))
            && self.ledgers.values().any(|ledger| !ledger.gone)
    }

    /// Whether the federated Job has failed, and nobody has retried it.
    pub fn has_failed(&self) -> bool {
        let mut there = self.ledgers.values().filter(|ledger| !ledger.gone);
        there.any(|ledger| ledger.verdict() == Some("failed")) && !self.is_retried()
    }

    /// Whether there is a federated Job that retries another one.
    pub fn is_retried(&self) -> bool {
        self.ledgers.values().any(|ledger| !ledger.gone && ledger.name == RETRY)
    }

    /// Whether a shard that could do something is in a cluster that is no member. Who unregistered it
    /// read records that were stale.
    pub fn lacks_a_member(&self) -> bool {
        let there = self.ledgers.values().filter(|ledger| !ledger.gone);
        there.flat_map(Ledger::live_clusters).any(|name| !self.is_registered(name))
    }

    /// Whether somebody rebuilds a record, or one waits for clusters to be listed.
    pub fn is_rebuilt(&self) -> bool {
        let rebuilds = self.doing.values().any(|doing| *doing == Doing::Rebuilds);
        rebuilds || self.ledgers.values().any(Ledger::awaits_lists)
    }

    /// How many clusters are registered.
    pub fn members(&self) -> usize {
        self.registries.current().map_or(0, |registry| registry.members.len())
    }

    /// Whether the cluster at a place is registered: only then it is asked for what it did.
    pub fn is_member(&self, place: usize) -> bool {
        self.is_registered(&self.clusters[place].0)
    }

    fn is_registered(&self, name: &str) -> bool {
        self.registries.current().is_some_and(|registry| registry.members.contains_key(name))
    }

    /// A user has suspended a Job, or resumed it.
    pub fn suspended_by_users(&mut self, job: &Value, suspended: bool) {
        let uid = text(&job["metadata"]["uid"]).to_owned();
        if suspended {
            self.suspended_by_users.insert(uid);
        } else {
            self.suspended_by_users.remove(&uid);
            self.restarted_by_users.insert(uid);
        }
    }

    /// Whether it was a user who suspended a Job.
    pub fn is_suspended_by_users(&self, job: &Value) -> bool {
        self.suspended_by_users.contains(text(&job["metadata"]["uid"]))
    }

    /// A user has deleted a pod.
    pub fn deleted_by_users(&mut self, pod: &Value) {
        if let Some(job) = self.job_mut(text(&pod["metadata"]["ownerReferences"][0]["uid"])) {
            job.failures.insert(text(&pod["metadata"]["uid"]).to_owned());
        }
    }

    /// A user has given a Job another parallelism.
    pub fn scaled_by_users(&mut self, job: &Value) {
        self.scaled_by_users.insert(text(&job["metadata"]["uid"]).to_owned());
    }

    /// Whether a user has ever given a Job another parallelism.
    pub fn is_scaled_by_users(&self, job: &Value) -> bool {
        self.scaled_by_users.contains(text(&job["metadata"]["uid"]))
    }

    /// Whether a Job of ours has ever made a pod.
    pub fn has_run(&self, job: &Value) -> bool {
        self.jobs.get(text(&job["metadata"]["uid"])).is_some_and(|job| job.ran)
    }

    /// Takes over what a cluster stores now, and looks whether that may be.
    pub fn look(&mut self, place: usize, cluster: &Cluster) {
        self.times[place] = cluster.now();
        let revision = cluster.revision();
        if self.revisions[place] == revision {
            return;
        }
        self.revisions[place] = revision;
        if self.clusters[place].1.is_empty() {
            self.clusters[place].1 = cluster.kube_system_uid();
        }
        let jobs = cluster.stored(&sim::JOBS, "");
        let pods = cluster.stored(&sim::PODS, "");
        let read = &self.read[place];
        if !(are_same(&read.jobs, &jobs) && are_same(&read.pods, &pods)) {
            self.look_at_jobs(place, cluster, &jobs);
            self.look_at_pods(place, &pods);
            (self.read[place].jobs, self.read[place].pods) = (jobs, pods);
        }
        self.check_expired(place);
        if place == self.registries.home || self.has_hosts {
            self.look_at_records(place, cluster);
        }
        self.check_work();
    }

    fn look_at_jobs(&mut self, place: usize, cluster: &Cluster, jobs: &[Arc<Value>]) {
        let mut there = BTreeSet::new();
        for object in jobs {
            let Some(ours) = Ours::read(cluster.name(), object) else { continue };
            there.insert(ours.uid.clone());
            let is_of_nobody = self.is_of_nobody(object);
            self.check_group(cluster, object);
            let jobs = if is_of_nobody { &mut self.made_anew } else { &mut self.jobs };
            jobs.entry(ours.uid.clone())
                .or_insert_with(|| Job::new(place, ours.shard, object))
                .see(object);
        }
        for (uid, job) in self.jobs.iter_mut().filter(|(_, job)| job.place == place) {
            job.gone |= !there.contains(uid);
        }
    }

    fn look_at_pods(&mut self, place: usize, pods: &[Arc<Value>]) {
        for job in self.jobs.values_mut().filter(|job| job.place == place) {
            job.lease.running = 0;
        }
        for pod in pods {
            let (Some(shard), owner) =
                (shard_of(pod), text(&pod["metadata"]["ownerReferences"][0]["uid"]))
            else {
                continue;
            };
            if let Some(job) = self.job_mut(owner) {
                job.see_pod(pod);
            }
            let Some(job) = self.jobs.get_mut(owner).filter(|job| !job.ran) else { continue };
            job.ran = true;
            let jobs = self.ran.entry(shard.clone()).or_default();
            jobs.insert(owner.to_owned());
            // A recovery gives the number of a shard again that it found nowhere. So does a restore
            // where the cluster of the other one is not registered.
            let registry = self.registries.current();
            let is_unknown = |job: &Job| {
                let name = &self.clusters[job.place].0;
                registry.is_none_or(|registry| !registry.members.contains_key(name))
            };
            let is_forgotten = |uid: &String| {
                let ledger = self.ledgers.get(&shard.0);
                let is_past = |job: &&Job| job.gone || job.may_repeat || is_unknown(job);
                let job = self.jobs.get(uid).filter(is_past);
                job.is_some() && ledger.is_some_and(|ledger| ledger.rebuilt)
            };
            if jobs.iter().any(|uid| uid != owner && !is_forgotten(uid)) {
                self.accuse(|| format!("G4: shard {} has run in two Jobs", shard.1));
            }
        }
    }

    fn look_at_records(&mut self, place: usize, cluster: &Cluster) {
        let maps = cluster.stored(&sim::CONFIG_MAPS, "");
        let is_registry = |map: &Value| {
            let metadata = &map["metadata"];
            metadata["name"] == REGISTRY && metadata["namespace"] == NAMESPACE
        };
        let registry = maps.iter().find(|map| is_registry(map));
        self.registries.see(place, registry, self.step);
        let counts = place == self.registries.home && !self.registries.is_left(place);
        let read = std::mem::take(&mut self.read[place].maps);
        let mut there = BTreeSet::new();
        for map in maps.iter().filter(|map| !is_registry(map)) {
            let known = read.iter().find(|(known, _)| Arc::ptr_eq(known, map));
            let uid = known.map_or_else(|| Ledger::uid_of(map), |(_, uid)| uid.clone());
            self.read[place].maps.push((map.clone(), uid.clone()));
            let Some(uid) = uid else { continue };
            let ledger = self.ledgers.entry(uid.clone()).or_default();
            // What is of another federation has no effect on this host.
            let is_ours = self.registries.on(place).is_none_or(|it| it.has(map));
            let at = (place, counts && is_ours, self.step);
            let broken = ledger.see(map, at, (&self.jobs, &self.made_anew), &uid);
            for what in broken {
                self.accuse(|| what);
            }
            if counts && is_ours {
                self.look_at_record(&uid);
            }
            there.insert(uid);
        }
        for (uid, ledger) in self.ledgers.iter_mut().filter(|_| counts) {
            if !there.contains(uid) {
                (ledger.gone, ledger.moved_to) = (true, None);
            }
        }
    }

    /// Looks at what the host that counts says of one federated Job.
    fn look_at_record(&mut self, uid: &str) {
        let mut broken = Vec::new();
        let Some(ledger) = self.ledgers.get(uid) else { return };
        let retried = ledger.retries.clone().filter(|_| ledger.done_before.is_none());
        if let Some(retried) = retried {
            let before = self.known_done(&retried);
            let ledger = self.ledgers.entry(uid.to_owned()).or_default();
            broken.extend(ledger.begin_retry(before));
        }
        self.see_consents(uid);
        let ledger = self.ledgers.entry(uid.to_owned()).or_default();
        broken.extend(ledger.of_users(&self.of_nobody));
        for (id, shard) in ledger.given_up_unasked(&self.registries) {
            broken.extend(self.check_expiry((uid.to_owned(), id), &shard));
        }
        for what in broken {
            self.accuse(|| what);
        }
    }

    /// What a federated Job that was retried had done, as far as its record knows: how much is left
    /// of it, and which indexes are done.
    fn known_done(&self, uid: &str) -> (i64, BTreeSet<i64>) {
        let Some(ledger) = self.ledgers.get(uid) else { return (i64::MAX, BTreeSet::new()) };
        let ended =
            |(job_uid, job): &(&String, &Job)| job.shard.0 == uid && ledger.has_ended(job_uid, job);
        let all = self.jobs.iter().chain(&self.made_anew);
        let jobs: Vec<&Job> = all.filter(ended).map(|(_, job)| job).collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let indexes = jobs.iter().flat_map(|job| ledger.own_done(job)).collect();
        (ledger.asked().map_or(i64::MAX, |asked| asked - done), indexes)
    }

    /// Work is nowhere twice: what all Jobs of a federated Job together can do by themselves, and
    /// what they have done, is no more than was ever asked for (G1, G8).
    fn check_work(&mut self) {
        let mut broken = Vec::new();
        for (uid, ledger) in &self.ledgers {
            let jobs = self.jobs.values().filter(|job| job.shard.0 == *uid);
            broken.extend(ledger.work_twice(jobs));
        }
        for what in broken {
            self.accuse(|| what);
        }
    }
}

/// Whether nothing has changed of some objects.
fn are_same(before: &[Arc<Value>], now: &[Arc<Value>]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(one, other)| Arc::ptr_eq(one, other))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
