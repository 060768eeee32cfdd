//! A model of one federated Job's surroundings: a host with its record, members with a Job each, and processes that
//! can be stopped between any two requests. The loop that is driven is the product's own.
//!
//! What must hold at every step is asserted where the step is made.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use jiff::Timestamp;
use kubectl_federate::{
    cluster,
    job::{End, EndKind, Observed, Ownership},
    reconcile::{Action, Answer, Done, Ground, Observation, Observations, decide, settle_on},
    state::{Cascade, Error, Outcome, Phase, Record, Verdict},
};

/// What one request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It never arrives.
    Request,
    /// It takes effect, and the answer never arrives.
    Answer,
}

/// One cluster: the Job under the federated Job's name, if there is one.
#[derive(Debug, Default)]
pub struct Member {
    pub job: Option<Observed>,
    /// What a stale list says.
    pub old: Option<Observed>,
    pub unreachable: bool,
    pub loss: Option<Loss>,
}

/// The world around the processes.
#[derive(Debug)]
pub struct World {
    pub record: Option<Record>,
    version: u64,
    pub members: BTreeMap<String, Member>,
    pub host_loss: Option<Loss>,
    /// How many writes the host took.
    pub writes: u32,
    /// How many actions changed a member.
    pub changes: u32,
    /// The uid of each shard that any version of the ledger ever knew.
    known: BTreeMap<u32, String>,
    /// Jobs of ours that were resumed, by shard: at most one each.
    pub ran: BTreeMap<u32, String>,
    /// What each Job has really achieved.
    truth: BTreeMap<String, i32>,
    latched: Option<Outcome>,
    uids: u32,
    seconds: i64,
}

/// The world as processes share it.
pub type Shared = Rc<RefCell<World>>;

impl World {
    pub fn new(record: &Record) -> Shared {
        let clusters = record.shards.values().map(|shard| (shard.cluster.clone(), Member::default()));
        Rc::new(RefCell::new(Self {
            record: Some(record.clone()),
            version: 0,
            members: clusters.collect(),
            host_loss: None,
            writes: 0,
            changes: 0,
            known: BTreeMap::new(),
            ran: BTreeMap::new(),
            truth: BTreeMap::new(),
            latched: None,
            uids: 0,
            seconds: 1_800_000_000,
        }))
    }

    pub fn now(&mut self) -> Timestamp {
        self.seconds += 1;
        Timestamp::from_second(self.seconds).expect("in range")
    }

    pub fn uid(&mut self) -> String {
        self.uids += 1;
        format!("u{}", self.uids)
    }

    /// A pod of a Job succeeds; the last one completes it.
    pub fn succeed(&mut self, cluster: &str, completions: Option<i32>, all: bool) {
        let now = self.now();
        let Some(job) = self.running(cluster) else { return };
        job.succeeded = match completions {
            Some(completions) if all => completions,
            None if all => job.succeeded.max(1),
            _ => job.succeeded + 1,
        };
        job.start = job.start.or(Some(now));
        if all || completions == Some(job.succeeded) {
            job.active = 0;
            job.end = Some(end(EndKind::Complete, now));
        }
        let (uid, succeeded) = (job.uid.clone(), job.succeeded);
        self.truth.insert(uid, succeeded);
    }

    pub fn fail(&mut self, cluster: &str) {
        let now = self.now();
        let Some(job) = self.running(cluster) else { return };
        job.failed += 1;
        job.active = 0;
        job.end = Some(end(EndKind::Failed, now));
    }

    fn running(&mut self, cluster: &str) -> Option<&mut Observed> {
        let job = self.members.get_mut(cluster)?.job.as_mut()?;
        (!job.suspended && !job.deleting && job.end.is_none()).then_some(job)
    }

    /// Checks a write to the host against what was there (G1, and what only ever moves forward), and takes it.
    fn store(&mut self, new: &Record) {
        let old = self.record.as_ref().expect("only what exists is replaced");
        assert!(old.state.deleting.is_none() || new.state.deleting.is_some(), "a deletion is taken back");
        for (id, before) in &old.shards {
            let Some(after) = new.shards.get(id) else {
                assert!(new.state.deleting.is_some(), "shard {id} is forgotten");
                continue;
            };
            assert!(before.phase <= after.phase, "shard {id} goes from {before:?} to {after:?}");
            assert!(
                before.achieved() <= after.achieved(),
                "shard {id} forgets work: {before:?} to {after:?}"
            );
            assert!(after.parallelism > 0, "shard {id} is stuck");
            let Some(uid) = &after.uid else { continue };
            assert_eq!(self.known.entry(*id).or_insert_with(|| uid.clone()), uid, "shard {id} has two Jobs");
            assert!(
                after.achieved() <= self.truth.get(uid).copied().unwrap_or(0),
                "shard {id} has done less: {after:?}"
            );
            if before.phase != Phase::Deleted && after.phase == Phase::Deleted {
                let there = self.members[&after.cluster].job.as_ref();
                assert!(there.is_none_or(|job| job.uid != *uid), "shard {id} is not deleted: {there:?}");
            }
        }
        if new.state.deleting.is_none() && new.state.outcome.is_none() {
            conserved(new);
        }
        if let Some(latched) = &self.latched {
            assert_eq!(new.state.outcome.as_ref(), Some(latched), "the outcome changes");
        }
        let size = new.manifest.size();
        if self.latched.is_none()
            && new.state.outcome.as_ref().is_some_and(|it| it.verdict == Verdict::Complete)
        {
            let done = new.shards.values().filter_map(|shard| self.truth.get(shard.uid.as_ref()?));
            let done: i32 = done.sum();
            assert!(
                size.completions.map_or(done > 0, |asked| done == asked),
                "Complete with {done} of {size:?}"
            );
        }
        self.latched.clone_from(&new.state.outcome);
        self.record = Some(new.clone());
        self.version += 1;
        self.writes += 1;
    }
}

/// What live shards have to do, what ended ones achieved, and what is unplaced is what was asked for (G1).
fn conserved(record: &Record) {
    let Some(asked) = record.manifest.size().completions else { return };
    let carried = record
        .shards
        .values()
        .map(|shard| if shard.phase.ended() { shard.achieved() } else { shard.completions.unwrap_or(0) });
    assert_eq!(carried.sum::<i32>() + record.unplaced(), asked, "{:?}", record.shards);
}

fn end(kind: EndKind, at: Timestamp) -> End {
    End { kind, reason: "Reason".into(), message: "a message".into(), at: Some(at) }
}

/// A Job as it is when it was just made.
pub fn new_job(uid: String, owner: Option<Ownership>, suspended: bool) -> Observed {
    Observed {
        name: "pi".into(),
        uid,
        owner,
        deleting: false,
        suspended,
        active: 0,
        ready: 0,
        terminating: 0,
        succeeded: 0,
        failed: 0,
        start: None,
        end: None,
    }
}

/// One process: its view of the world, and the version of the record that it read last.
pub struct Process {
    world: Shared,
    read: Cell<u64>,
}

/// A running process; dropping it is killing it.
pub type Running = Pin<Box<dyn Future<Output = ()>>>;

/// Gives way once, so that everything else can happen between two requests, or the process ends here.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Lets a process make its next request; says whether it has ended.
pub fn step(process: &mut Running) -> bool {
    process.as_mut().poll(&mut Context::from_waker(futures::task::noop_waker_ref())).is_ready()
}

fn status(code: u16, reason: &str) -> Error {
    let status = serde_json::json!({"code": code, "reason": reason, "message": reason, "status": "Failure"});
    let status = serde_json::from_value(status).expect("a status");
    cluster::Error::Status { cluster: "host".into(), status: Box::new(status) }.into()
}

impl Process {
    /// `kubectl federate reconcile`, or, with a way to delete, `job delete`.
    pub fn run(world: &Shared, stale: bool, deleting: Option<Cascade>) -> Running {
        let process = Self { world: world.clone(), read: Cell::new(0) };
        Box::pin(async move {
            let Ok(mut record) = process.current().await else { return };
            while deleting.is_some() && record.state.deleting != deleting {
                record.state.deleting = deleting;
                match process.replace(&record).await {
                    Ok(written) => record = written,
                    Err(error) if error.is_conflict() => match process.current().await {
                        Ok(current) => record = current,
                        Err(_) => return,
                    },
                    Err(_) => return,
                }
            }
            let observations = process.list(&record, stale).await;
            let now = || process.world.borrow_mut().now();
            let Ok(settled) = settle_on(&process, record, observations, now).await else { return };
            if let Some(record) = settled.record {
                let again = decide(&record, &settled.observations, now());
                assert_eq!((&again.record, again.actions.len()), (&record, 0), "settled is settled");
            }
        })
    }

    /// A request to the host, with what may be lost of it.
    async fn ask_host<T>(&self, request: impl FnOnce(&mut World) -> Result<T, Error>) -> Result<T, Error> {
        pause().await;
        let answer = {
            let mut world = self.world.borrow_mut();
            match world.host_loss.take() {
                Some(Loss::Request) => Err(status(503, "ServiceUnavailable")),
                Some(Loss::Answer) => {
                    drop(request(&mut world));
                    Err(status(503, "ServiceUnavailable"))
                }
                None => request(&mut world),
            }
        };
        pause().await;
        answer
    }

    async fn current(&self) -> Result<Record, Error> {
        self.ask_host(|world| {
            self.read.set(world.version);
            world.record.clone().ok_or_else(|| status(404, "NotFound"))
        })
        .await
    }

    /// Whether the record is as this process read it.
    fn unchanged(&self, world: &World) -> Result<(), Error> {
        match &world.record {
            None => Err(status(404, "NotFound")),
            Some(_) if world.version != self.read.get() => Err(status(409, "Conflict")),
            Some(_) => Ok(()),
        }
    }

    /// A request to a member, with what may be lost of it.
    async fn ask_member(&self, cluster: &str, request: impl FnOnce(&mut World) -> Answer) -> Answer {
        pause().await;
        let answer = {
            let mut world = self.world.borrow_mut();
            let member = world.members.get_mut(cluster).expect("a member");
            let lost = if member.unreachable { Some(Loss::Request) } else { member.loss.take() };
            match lost {
                Some(Loss::Request) => Answer::Unknown("refused".into()),
                Some(Loss::Answer) => {
                    drop(request(&mut world));
                    Answer::Unknown("timeout".into())
                }
                None => request(&mut world),
            }
        };
        pause().await;
        answer
    }

    async fn list(&self, record: &Record, stale: bool) -> Observations {
        let mut observations = Observations::default();
        for (id, shard) in &record.shards {
            let listed = Cell::new(None);
            let answer = self.ask_member(&shard.cluster, |world| {
                let member = &world.members[&shard.cluster];
                let job = if stale { member.old.clone() } else { member.job.clone() };
                listed.set(job.filter(|job| job.owner == Some(record.ownership(*id))));
                Answer::Gone
            });
            let observation = match answer.await {
                Answer::Unknown(why) => Observation::Unknown { why },
                _ => Observation::known(listed.take().map(|job| (*id, job)).into_iter().collect()),
            };
            observations.members.insert(shard.cluster.clone(), observation);
        }
        observations
    }

    async fn perform(&self, record: &Record, action: &Action) -> (String, u32, Answer) {
        let (id, cluster) = match action {
            Action::Create { shard } | Action::Start { shard, .. } => (*shard, &record.shards[shard].cluster),
            Action::Delete { shard, cluster, .. } => (*shard, cluster),
        };
        let answer = self.ask_member(cluster, |world| {
            let there = world.members[cluster].job.clone();
            match (action, there) {
                (Action::Create { .. }, None) => {
                    let job = new_job(world.uid(), Some(record.ownership(id)), true);
                    set(world, cluster, Some(job))
                }
                (Action::Create { .. }, Some(_)) => match look(world, record, id) {
                    Answer::Gone => Answer::Refused("exists already".into()),
                    found => found,
                },
                (Action::Start { uid, .. }, Some(mut job)) if job.uid == *uid => {
                    assert!(!record.manifest.suspended(), "a suspended Job is started");
                    assert_eq!(
                        world.known.get(&id),
                        Some(uid),
                        "the ledger does not know a Job that runs (G3)"
                    );
                    let ran = world.ran.entry(id).or_insert_with(|| uid.clone());
                    assert_eq!(ran, uid, "shard {id} runs twice");
                    job.suspended = false;
                    job.active = i32::from(job.end.is_none());
                    set(world, cluster, Some(job))
                }
                (Action::Delete { uid, .. }, Some(job)) if job.uid == *uid => set(world, cluster, None),
                (Action::Start { .. } | Action::Delete { .. }, _) => look(world, record, id),
            }
        });
        (cluster.clone(), id, answer.await)
    }
}

fn set(world: &mut World, cluster: &str, job: Option<Observed>) -> Answer {
    world.members.get_mut(cluster).expect("a member").job.clone_from(&job);
    world.changes += 1;
    job.map_or(Answer::Gone, |job| Answer::Job(Box::new(job)))
}

/// What a GET by name says of a shard.
fn look(world: &World, record: &Record, id: u32) -> Answer {
    let Some(shard) = record.shards.get(&id) else { return Answer::Gone };
    match &world.members[&shard.cluster].job {
        Some(job) if shard.uid.as_ref() == Some(&job.uid) || job.owner == Some(record.ownership(id)) => {
            Answer::Job(Box::new(job.clone()))
        }
        _ => Answer::Gone,
    }
}

impl Ground for Process {
    async fn replace(&self, record: &Record) -> Result<Record, Error> {
        self.ask_host(|world| {
            self.unchanged(world)?;
            world.store(record);
            self.read.set(world.version);
            Ok(record.clone())
        })
        .await
    }

    async fn remove(&self, _: &Record) -> Result<(), Error> {
        self.ask_host(|world| {
            match self.unchanged(world) {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => world.record = None,
            }
            world.version += 1;
            world.writes += 1;
            Ok(())
        })
        .await
    }

    async fn read(&self, _: &Record) -> Result<Record, Error> {
        self.current().await
    }

    async fn confirm(&self, record: &Record, shards: &[u32], observations: &mut Observations) {
        for id in shards {
            let cluster = &record.shards[id].cluster;
            let answer = self.ask_member(cluster, |world| look(world, record, *id)).await;
            observations.take(cluster, *id, answer);
        }
    }

    async fn act(&self, record: &Record, actions: Vec<Action>, observations: &mut Observations) -> Vec<Done> {
        let now = self.world.borrow_mut().now();
        let again = decide(record, observations, now);
        assert_eq!((&again.record, &again.actions), (record, &actions), "decide is not idempotent");
        assert!(
            record.state.deleting.is_some() || record.state.outcome.is_none(),
            "an ended Job is worked on"
        );
        for action in &actions {
            if let Action::Start { shard, uid } | Action::Delete { shard, uid, .. } = action {
                let seen = observations.jobs().find(|(_, id, job)| id == shard && job.uid == *uid);
                let owner = seen.and_then(|(_, _, job)| job.owner.clone());
                assert_eq!(owner, Some(record.ownership(*shard)), "a Job that is not ours is changed (G6)");
            }
            let (cluster, id, answer) = self.perform(record, action).await;
            observations.take(&cluster, id, answer);
        }
        Vec::new()
    }

    async fn retract(&self, record: &Record, observations: &Observations) -> Vec<Done> {
        for (cluster, id, _) in observations.jobs() {
            if record.shards.get(&id).is_none_or(|shard| shard.uid.is_some()) {
                continue;
            }
            let take_back = |world: &mut World| {
                let job = world.members[cluster].job.as_ref();
                let unstarted =
                    job.is_some_and(|job| job.owner == Some(record.ownership(id)) && job.has_run_nothing());
                if unstarted { set(world, cluster, None) } else { Answer::Gone }
            };
            self.ask_member(cluster, take_back).await;
        }
        Vec::new()
    }
}
