//! One process: a verb that sends its requests one by one.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use kubectl_federate::{
    cluster,
    job::Manifest,
    reconcile::{
        Action, Answer, Backend, Clocks, Done, Observation, Observations, Place, Places, decide,
        edit_record, run_on,
    },
    state::{Cascade, Error, MemberState, Record},
};
use serde_json::Value;

use super::{Loss, Shared, World};

/// Its view of the world, and the version of the record that it read last.
pub struct Process {
    pub(super) world: Shared,
    read: Cell<u64>,
    /// The uids of the clusters that it is connected to, by the members' names.
    connected: BTreeMap<String, String>,
}

/// A running process. It is killed when it is dropped.
pub type Running = Pin<Box<dyn Future<Output = ()>>>;

/// The verb of a process. Every verb ends with a reconcile.
#[derive(Debug, Clone)]
pub enum Verb {
    Reconcile,
    /// `job delete`.
    Delete(Cascade),
    /// `reconcile --reopen`.
    Reopen,
    /// An edit: `apply` of the manifest with these changes of its spec and of one annotation.
    Edit {
        spec: Vec<(&'static str, Value)>,
        annotation: Option<(&'static str, Value)>,
        recreate: bool,
    },
}

/// Yields once. Then other events can happen between two requests, or the process can be killed.
async fn pause() {
    let mut paused = false;
    poll_fn(|_| if std::mem::replace(&mut paused, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Lets a process send its next request. Returns whether the process has ended.
pub fn step(process: &mut Running) -> bool {
    process.as_mut().poll(&mut Context::from_waker(futures::task::noop_waker_ref())).is_ready()
}

fn status(code: u16, reason: &str) -> Error {
    let status =
        serde_json::json!({"code": code, "reason": reason, "message": reason, "status": "Failure"});
    let status = serde_json::from_value(status).expect("a status");
    cluster::Error::Status { cluster: "host".into(), status: Box::new(status) }.into()
}

impl Verb {
    /// The record after the change. None if it would not change, or must not.
    fn apply(&self, record: &Record, world: &mut World) -> Option<Record> {
        let mut changed = record.clone();
        match self {
            Self::Reconcile => {}
            Self::Delete(cascade) => changed.state.deleting = Some(*cascade),
            Self::Reopen => {
                changed.reopen(&[]);
            }
            Self::Edit { spec, annotation, recreate } => {
                let mut object = record.manifest.object().clone();
                for (field, value) in spec {
                    object["spec"][*field] = value.clone();
                }
                if let Some((key, value)) = annotation {
                    object["metadata"]["annotations"][*key] = value.clone();
                    if value.is_null() {
                        object["metadata"].as_object_mut().expect("a map").remove("annotations");
                    }
                }
                let manifest = Manifest::new(object, "work", "").expect("valid");
                let now = world.now();
                changed = edit_record(
                    record,
                    &world.registry,
                    manifest,
                    *recreate,
                    &Clocks::default(),
                    now,
                )
                .ok()?;
            }
        }
        (changed != *record).then_some(changed)
    }
}

impl Process {
    /// A process that has read the registry and connected to the members.
    fn new(world: &Shared) -> Self {
        let members = world.borrow().registry.members.clone();
        let connected = members.into_iter().map(|(name, member)| (name, member.uid)).collect();
        Self { world: world.clone(), read: Cell::new(0), connected }
    }

    /// The uid of the cluster that it is connected to under a member's name.
    pub(super) fn connected(&self, name: &str) -> String {
        self.connected[name].clone()
    }

    /// `cluster unregister`, and a registration of another cluster under the same name: the mark,
    /// then a look at the record, then the removal, unless somebody changed the registry since.
    pub fn unregister(world: &Shared, n: usize) -> Running {
        let process = Self::new(world);
        Box::pin(async move {
            let names: Vec<_> = process.connected.keys().cloned().collect();
            let name = &names[n % names.len()];
            let mark = |world: &mut World| {
                world.mark_member(name, MemberState::Leaving);
                Ok(world.registry_version)
            };
            let Ok(version) = process.ask_host(mark).await else { return };
            let needs = |world: &mut World| {
                let member = &world.registry.members[name];
                Ok(world.record.as_ref().is_some_and(|record| record.needs(name, member)))
            };
            let Ok(needed) = process.ask_host(needs).await else { return };
            let end = |world: &mut World| {
                match needed {
                    _ if world.registry_version != version => {}
                    true => world.mark_member(name, MemberState::Ready),
                    false => world.replace_member(name),
                }
                Ok(())
            };
            drop(process.ask_host(end).await);
        })
    }

    /// Runs a verb. With `stale` its lists are old ones.
    pub fn run(world: &Shared, stale: bool, verb: Verb) -> Running {
        let process = Self::new(world);
        Box::pin(async move {
            let Ok(mut record) = process.current().await else { return };
            loop {
                let Some(changed) = verb.apply(&record, &mut process.world.borrow_mut()) else {
                    break;
                };
                match process.replace(&changed).await {
                    Ok(written) => {
                        record = written;
                        break;
                    }
                    Err(error) if error.is_conflict() => match process.current().await {
                        Ok(current) => record = current,
                        Err(_) => return,
                    },
                    Err(_) => return,
                }
            }
            let observations = process.list(&record, stale).await;
            let now = || process.world.borrow_mut().now();
            let Ok(settled) = run_on(&process, record, observations, now).await else { return };
            if let Some(record) = settled.record {
                let again = decide(&record, &settled.observations, now());
                assert_eq!(
                    (&again.record, again.actions.len()),
                    (&record, 0),
                    "settled is settled"
                );
            }
        })
    }

    /// Sends a request to the host. The request or its answer may be lost.
    async fn ask_host<T>(
        &self,
        request: impl FnOnce(&mut World) -> Result<T, Error>,
    ) -> Result<T, Error> {
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

    /// Sends a request to a member. The request or its answer may be lost.
    pub(super) async fn ask_member(
        &self,
        cluster: &str,
        request: impl FnOnce(&mut World) -> Answer,
    ) -> Answer {
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

    /// As [`kubectl_federate::reconcile::observe`]: one list per member that the ledger names.
    async fn list(&self, record: &Record, stale: bool) -> Observations {
        let mut places = Place::all(&self.world.borrow().registry);
        for (name, place) in places.iter_mut() {
            place.uid = self.connected(name);
        }
        let mut observations = Observations { places, ..Observations::default() };
        let clusters: BTreeSet<_> = record.shards.values().map(|shard| &shard.cluster).collect();
        for cluster in clusters {
            let mut listed = Vec::new();
            let connected = self.connected(cluster);
            let answer = self.ask_member(&connected, |world| {
                let member = &world.members[&connected];
                listed = if stale {
                    member.old.clone()
                } else {
                    member.jobs.values().map(|job| job.seen.clone()).collect()
                };
                Answer::Gone
            });
            let observation = match answer.await {
                Answer::Unknown(why) => Observation::Unknown { why },
                _ => {
                    let id =
                        |owner: &kubectl_federate::job::Ownership| owner.shard.parse::<u32>().ok();
                    let jobs = listed.into_iter().filter_map(|job| {
                        let id = id(job.owner.as_ref()?)?;
                        World::is_shard(record, id, &job.name, job.owner.as_ref())
                            .then(|| (id, Box::new(job)))
                    });
                    Observation::known(jobs.collect())
                }
            };
            observations.members.insert(cluster.clone(), observation);
        }
        observations
    }
}

/// What a GET by name answers about a shard.
pub fn look(world: &World, record: &Record, id: u32) -> Answer {
    let Some(shard) = record.shards.get(&id) else { return Answer::Gone };
    let name = record.job_name(id);
    match world.members[World::cluster_of(shard)].jobs.get(name).map(|job| &job.seen) {
        Some(job)
            if shard.uid.as_ref() == Some(&job.uid)
                || World::is_shard(record, id, name, job.owner.as_ref()) =>
        {
            Answer::Job(Box::new(job.clone()))
        }
        _ => Answer::Gone,
    }
}

impl Backend for Process {
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

    async fn places(&self, _: &Record) -> Result<Places, Error> {
        self.ask_host(|world| Ok(Place::all(&world.registry))).await
    }

    async fn confirm(&self, record: &Record, shards: &[u32], observations: &mut Observations) {
        for id in shards {
            let (shard, cluster) = (&record.shards[id], &record.shards[id].cluster);
            assert_eq!(World::cluster_of(shard), self.connected(cluster), "another cluster");
            let connected = self.connected(cluster);
            let answer = self.ask_member(&connected, |world| look(world, record, *id)).await;
            observations.add(cluster, *id, answer);
        }
    }

    async fn act(
        &self,
        record: &Record,
        actions: Vec<Action>,
        observations: &mut Observations,
    ) -> Vec<Done> {
        let now = self.world.borrow_mut().now();
        let again = decide(record, observations, now);
        assert_eq!((&again.record, &again.actions), (record, &actions), "decide is not idempotent");
        for action in &actions {
            Self::may(record, action, observations);
        }
        for action in &actions {
            let (cluster, id, answer) = self.perform(record, action).await;
            observations.add(&cluster, id, answer);
        }
        Vec::new()
    }

    async fn retract(&self, record: &Record, observations: &Observations) -> Vec<Done> {
        for (cluster, id, _) in observations.jobs() {
            if record.shards.get(&id).is_none_or(|shard| shard.uid.is_some()) {
                continue;
            }
            let connected = self.connected(cluster);
            let take_back = |world: &mut World| {
                let name = record.job_name(id);
                let job = world.members[&connected].jobs.get(name).map(|job| &job.seen);
                let unstarted = job.is_some_and(|job| {
                    World::is_shard(record, id, name, job.owner.as_ref()) && job.has_run_nothing()
                });
                if unstarted {
                    world.remove(&connected, name);
                }
                Answer::Gone
            };
            self.ask_member(&connected, take_back).await;
        }
        Vec::new()
    }
}

impl Process {
    /// Asserts that the record allows an action: nothing is started once the outcome is latched,
    /// and Jobs that are not ours are left alone (G6).
    fn may(record: &Record, action: &Action, observations: &Observations) {
        let id = action.shard();
        if let Some(uid) = action.uid() {
            let seen = observations.jobs().find(|(_, of, job)| *of == id && job.uid == *uid);
            let owner = seen.and_then(|(_, _, job)| job.owner.clone());
            assert_eq!(owner, Some(record.ownership(id)), "a Job that is not ours is changed (G6)");
        }
        if record.state.deleting.is_some() {
            assert!(matches!(action, Action::Delete { .. }), "{action:?} while it is deleted");
        } else if record.state.outcome.is_some() {
            let ended = record.shards[&id].phase.ended();
            let ends = matches!(action, Action::Fail { .. } | Action::Retire { .. });
            assert!(
                ends || (ended && matches!(action, Action::Change { .. })),
                "{action:?} after the end"
            );
        }
    }
}

/// The uid that some version of the ledger has had for a shard.
pub fn known_uid(world: &World, id: u32) -> Option<String> {
    world.known.get(&id).cloned()
}
