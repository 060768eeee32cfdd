//! Each action as requests to one member. An action reads a Job and writes it on the condition that
//! it is unchanged. So it is one step here.

use jiff::Timestamp;
use kubectl_federate::{
    job::{
        EndKind, Indexes, Manifest,
        credit::{self, Credit},
    },
    reconcile::{Action, Answer},
    state::{Phase, Record},
};

use super::{
    Job, Process, World,
    member::end,
    process::{known_uid, look},
};

/// How often a process reads a Job that it waits for.
const PATIENCE: usize = 3;

/// A shard's Job, as the requests of an action address it.
#[derive(Clone, Copy)]
struct Target<'a> {
    record: &'a Record,
    id: u32,
    uid: Option<&'a str>,
    cluster: &'a str,
}

impl Process {
    pub(super) async fn perform(&self, record: &Record, action: &Action) -> (String, u32, Answer) {
        let id = action.shard();
        let cluster = match action {
            Action::Delete { cluster, .. } => cluster.clone(),
            _ => record.shards[&id].cluster.clone(),
        };
        let connected = self.connected(&cluster);
        let own = record.shards.get(&id).filter(|shard| shard.cluster == cluster);
        if own.is_some_and(|shard| World::cluster_of(shard) != connected) {
            return (cluster, id, Answer::Unknown("registered anew".into()));
        }
        let target = Target { record, id, uid: action.uid(), cluster: &connected };
        let answer = match action {
            Action::Create { .. } => self.create(target).await,
            Action::Adopt { .. } => {
                let labelled = |job: &mut Job| {
                    job.seen.owner = Some(record.ownership(id));
                    job.seen.generation = job.seen.generation.max(1);
                    true
                };
                self.update(target, labelled).await
            }
            Action::Assign { .. } => {
                let now = self.world.borrow_mut().now();
                self.update(target, |job| assign(record, id, job, now)).await
            }
            Action::Change { .. } => self.change(target).await,
            Action::Renew { .. } => {
                let renewed = |job: &mut Job| {
                    job.seen.active_deadline_seconds = record.spec(id).active_deadline_seconds;
                    true
                };
                self.update(target, renewed).await
            }
            Action::Credit { .. } => self.credit(target).await,
            Action::WindDown { .. } => self.wind_down(target).await,
            Action::Retire { .. } => self.retire(target).await,
            Action::Fail { .. } => self.fail(target).await,
            Action::SetStart { .. } => {
                let now = self.world.borrow_mut().now();
                self.update(target, |job| set_start(job, now)).await
            }
            Action::Delete { .. } => self.delete(target).await,
        };
        (cluster, id, answer)
    }

    async fn create(&self, target: Target<'_>) -> Answer {
        let Target { record, id, cluster, .. } = target;
        self.ask_member(cluster, |world| {
            world.check_registered(id, cluster);
            let name = record.job_name(id);
            if world.members[cluster].jobs.contains_key(name) {
                return match look(world, record, id) {
                    Answer::Gone => Answer::NameTaken("exists already".into()),
                    found => found,
                };
            }
            let owner = Some(record.ownership(id));
            let job = Job::new(name, world.uid(), owner, &record.manifest, &record.spec(id));
            let answer = Answer::Job(Box::new(job.seen.clone()));
            world.members.get_mut(cluster).expect("a member").jobs.insert(name.to_owned(), job);
            world.changes += 1;
            answer
        })
        .await
    }

    async fn delete(&self, target: Target<'_>) -> Answer {
        let Target { record, id, uid, cluster } = target;
        self.ask_member(cluster, |world| {
            let name = record.job_name(id);
            match world.members[cluster].jobs.get(name) {
                Some(job) if Some(job.seen.uid.as_str()) == uid => {
                    world.remove(cluster, name);
                    world.changes += 1;
                    Answer::Gone
                }
                _ => look(world, record, id),
            }
        })
        .await
    }

    /// Changes the Job if it exists. `change` returns whether it changed anything.
    async fn update(&self, target: Target<'_>, change: impl FnOnce(&mut Job) -> bool) -> Answer {
        let Target { record, id, uid, cluster } = target;
        let answer = self.ask_member(cluster, |world| match look(world, record, id) {
            Answer::Job(seen) if uid.is_none_or(|uid| uid == seen.uid) => {
                let member = world.members.get_mut(cluster).expect("a member");
                let job = member.jobs.get_mut(record.job_name(id)).expect("it was seen");
                let changed = change(job);
                let answer = Answer::Job(Box::new(job.seen.clone()));
                world.changes += u32::from(changed);
                answer
            }
            Answer::Job(_) => Answer::Gone,
            other => other,
        });
        answer.await
    }

    async fn change(&self, target: Target<'_>) -> Answer {
        let Target { record, id, cluster, .. } = target;
        let (own, shard) = (record.spec(id), &record.shards[&id]);
        let known = known_uid(&self.world.borrow(), id);
        self.update(target, |job| {
            if shard.phase.ended() {
                let outdated = job.seen.generation < own.generation;
                job.seen.generation = job.seen.generation.max(own.generation);
                return outdated;
            }
            let manifest: &Manifest = &record.manifest;
            let exceeds = own
                .backoff_limit
                .is_some_and(|most| job.seen.backoff_limit.is_none_or(|has| has > most))
                || own
                    .max_failed_indexes
                    .is_some_and(|most| job.seen.max_failed_indexes.is_none_or(|has| has > most));
            let waits =
                shard.phase == Phase::Created && job.seen.suspended && !manifest.suspended();
            let outdated = job.seen.generation < own.generation || exceeds || waits;
            if !outdated || job.seen.end.is_some() || !is_assigned(record, id, job) {
                return false;
            }
            assert_eq!(
                known.as_ref(),
                Some(&job.seen.uid),
                "a Job in {cluster} runs that nobody knows (G3)"
            );
            job.seen.suspended = manifest.suspended();
            job.seen.parallelism = own.parallelism;
            job.seen.backoff_limit = own.backoff_limit.or(manifest.backoff_limit());
            job.seen.max_failed_indexes = own.max_failed_indexes.or(manifest.max_failed_indexes());
            job.seen.generation = own.generation;
            true
        })
        .await
    }

    async fn credit(&self, target: Target<'_>) -> Answer {
        let Target { record, id, .. } = target;
        let shard = &record.shards[&id];
        let mut kept = 0;
        let now = self.world.borrow_mut().now();
        let answer = self.update(target, |job| {
            let (wanted, credit) = match &shard.indexes {
                None => {
                    let wanted =
                        shard.credit_target - shard.credited.max(job.seen.credited_count());
                    let count = credit::room(&job.seen, &job.pods, false).min(wanted).max(0);
                    (wanted, Credit::Count(count))
                }
                Some(own) => {
                    let own = own.without(&job.seen.credited_indexes());
                    let wanted = shard.credit_target - (shard.completions.unwrap_or(0) - own.len());
                    let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
                    let free = credit::free_indexes(&job.seen, &job.pods);
                    let beyond = free.both(&own.without(&asked)).tail(wanted);
                    let least = own.without(&asked).without(&job.seen.completed_indexes).len();
                    let most = (wanted - beyond.len()).min(wanted - least);
                    let within = free.both(&own.both(&asked)).tail(most.max(0));
                    (wanted, Credit::Indexes(beyond.with(&within)))
                }
            };
            kept = wanted - credit.count();
            if credit.count() == 0 {
                return false;
            }
            assert!(job.seen.end.is_none(), "a Job that has ended is credited");
            give(job, &credit, now);
            true
        });
        match answer.await {
            Answer::Job(job) if kept > 0 => Answer::Waiting(job, "more is to be taken off".into()),
            answer => answer,
        }
    }

    async fn wind_down(&self, target: Target<'_>) -> Answer {
        let mut running = 0;
        let shrunk = self.update(target, |job| {
            running = i32::try_from(job.pods.iter().filter(|pod| pod.runs()).count()).expect("few");
            let shrinks = running > 0
                && job.seen.takes_credit()
                && job.seen.succeeded == 0
                && job.seen.parallelism > running;
            if shrinks {
                job.seen.parallelism = running;
            }
            shrinks
        });
        let shrunk = shrunk.await;
        let Answer::Job(job) = shrunk else { return shrunk };
        if running == 0 {
            return self.retire(target).await;
        }
        if job.takes_credit() && job.succeeded > 0 {
            return Answer::Waiting(job, "waiting for pods to end".into());
        }
        let counted =
            self.until(target, |job| job.seen.end.is_some() || job.seen.active <= running).await;
        if !matches!(counted, Answer::Job(_)) {
            return counted;
        }
        let now = self.world.borrow_mut().now();
        self.update(target, |job| {
            let credits = job.seen.takes_credit() && job.seen.succeeded == 0;
            if credits {
                give(job, &Credit::Count(1), now);
            }
            credits
        })
        .await
    }

    async fn retire(&self, target: Target<'_>) -> Answer {
        if let Err(answer) = self.quiet(target).await {
            return answer;
        }
        let now = self.world.borrow_mut().now();
        let told = self.update(target, |job| {
            if !job.is_still() {
                return false;
            }
            let rest = Credit::rest(&job.seen);
            give(job, &rest, now);
            true
        });
        self.ended(target, told.await).await
    }

    async fn fail(&self, target: Target<'_>) -> Answer {
        if let Err(answer) = self.quiet(target).await {
            return answer;
        }
        let now = self.world.borrow_mut().now();
        let told = self.update(target, |job| {
            if !job.is_still() {
                return false;
            }
            job.seen.start.get_or_insert(now);
            job.seen.ending = true;
            job.target = Some(end(EndKind::Failed, "Told", now));
            true
        });
        self.ended(target, told.await).await
    }

    async fn quiet(&self, target: Target<'_>) -> Result<(), Answer> {
        let suspended = self.update(target, |job| {
            let suspends = job.seen.takes_credit() && !job.seen.suspended;
            job.seen.suspended |= suspends;
            suspends
        });
        match suspended.await {
            Answer::Job(job) if !job.takes_credit() => return Err(Answer::Job(job)),
            Answer::Job(_) => {}
            other => return Err(other),
        }
        let still = |job: &Job| !job.seen.takes_credit() || job.is_still();
        match self.until(target, still).await {
            Answer::Job(job) if job.takes_credit() => Ok(()),
            other => Err(other),
        }
    }

    async fn ended(&self, target: Target<'_>, told: Answer) -> Answer {
        match told {
            Answer::Job(job) if job.end.is_none() => {
                self.until(target, |job| job.seen.end.is_some()).await
            }
            told => told,
        }
    }

    /// Reads a Job until a condition holds. Its Job controller works meanwhile.
    async fn until(&self, target: Target<'_>, met: impl Fn(&Job) -> bool) -> Answer {
        for _ in 0..PATIENCE {
            let mut is_met = false;
            let look = |job: &mut Job| {
                is_met = met(job);
                false
            };
            match self.update(target, look).await {
                Answer::Job(job) if is_met => return Answer::Job(job),
                Answer::Job(_) => {}
                other => return other,
            }
            World::sync(&mut self.world.borrow_mut(), Some(target.cluster));
        }
        match self.update(target, |_| false).await {
            Answer::Job(job) => Answer::Waiting(job, "waiting for pods to end".into()),
            other => other,
        }
    }
}

/// Whether the Job of an Indexed shard was told which indexes are not its own, where there are any.
fn is_assigned(record: &Record, id: u32, job: &Job) -> bool {
    let Some(own) = &record.shards[&id].indexes else { return true };
    job.seen.credited.is_some()
        || own.contains_all(&Indexes::all(job.seen.completions.unwrap_or(0)))
}

fn assign(record: &Record, id: u32, job: &mut Job, now: Timestamp) -> bool {
    if job.seen.credited.is_some() || !job.seen.has_run_nothing() {
        return false;
    }
    let own = record.shards[&id].indexes.clone().unwrap_or_default();
    let others = Indexes::all(job.seen.completions.unwrap_or(0)).without(&own);
    give(job, &Credit::Indexes(others), now);
    true
}

fn set_start(job: &mut Job, now: Timestamp) -> bool {
    let sets = job.seen.ends_only_with_start();
    if sets {
        job.seen.start = Some(now);
    }
    sets
}

/// Writes a credit to a Job as the product does. The server validates it.
fn give(job: &mut Job, credit: &Credit, now: Timestamp) {
    if let Credit::Indexes(indexes) = credit {
        let failed = job.seen.failed_indexes.both(indexes);
        assert!(failed.is_empty(), "no server lets an index have failed and be done");
    }
    job.seen = credit.given(&job.seen, now);
}
