//! What a reconcile would do, with nothing written anywhere. The product's own loop runs on a
//! backend that answers each action as a member would.

mod writes;

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use writes::{Creation, Write, Writes};

use crate::{
    cluster,
    job::{End, EndKind, Observed, Pod, credit::Credit, labels::QUEUE_NAME},
    reconcile::{
        Action, Answer, Backend, Done, Members, Observations, Places, Reconciled, act, act::bodies,
        act::credit::Measure, decide::FAILED_INDEXES, job_path, run_on,
    },
    state::{Error, Record},
};

/// Simulates a reconcile: the record as it would be afterwards, and what would be done in the
/// members, in order. Nothing is written.
///
/// The simulation does not know which writes a member would refuse, and knows nothing of a member
/// that does not answer. Pods that start or end meanwhile change how much can be credited. None if
/// the simulation fails.
pub async fn simulate(
    record: &Record,
    observations: Observations,
    members: &Members,
    now: Timestamp,
) -> Option<Reconciled> {
    simulate_writes(record, observations, members, now).await.0
}

/// The same, with the writes that the reconcile would send to members.
pub(super) async fn simulate_writes(
    record: &Record,
    observations: Observations,
    members: &Members,
    now: Timestamp,
) -> (Option<Reconciled>, Writes) {
    let places = observations.places.clone();
    let simulated = Simulated { members, places, now, writes: Mutex::default() };
    // The future holds the state of every action. Boxing it keeps the callers' futures small.
    let reconciled = Box::pin(run_on(&simulated, record.clone(), observations, || now)).await.ok();
    let writes = simulated.writes.into_inner().unwrap_or_else(PoisonError::into_inner);
    (reconciled, writes)
}

/// A host that accepts every write, and members that do what is asked. Their Jobs and pods are
/// read, and nothing is written.
struct Simulated<'a> {
    members: &'a Members,
    places: Places,
    now: Timestamp,
    writes: Mutex<Writes>,
}

impl Backend for Simulated<'_> {
    async fn replace(&self, record: &Record) -> Result<Record, Error> {
        Ok(record.clone())
    }

    async fn remove(&self, _: &Record) -> Result<(), Error> {
        Ok(())
    }

    async fn read(&self, record: &Record) -> Result<Record, Error> {
        Ok(record.clone())
    }

    async fn places(&self, _: &Record) -> Result<Places, Error> {
        Ok(self.places.clone())
    }

    async fn confirm(&self, record: &Record, shards: &[u32], observations: &mut Observations) {
        act::confirm(record, shards, self.members, observations).await;
    }

    async fn act(
        &self,
        record: &Record,
        actions: Vec<Action>,
        observations: &mut Observations,
    ) -> Vec<Done> {
        let mut done = Vec::new();
        for action in actions {
            let (id, cluster) = (action.shard(), action.cluster(record).to_owned());
            let job = observations
                .jobs()
                .find(|(member, shard, _)| *member == cluster && *shard == id)
                .map(|(_, _, job)| job.clone());
            let (answer, what) = self.simulate(record, &action, job).await;
            observations.add(&cluster, id, answer);
            let name = record.job_name(id).to_owned();
            done.extend(what.map(|what| Done { cluster, name, what }));
        }
        done
    }

    async fn retract(&self, _: &Record, _: &Observations) -> Vec<Done> {
        Vec::new()
    }
}

/// The uid of a Job that would be created.
const TO_BE_CREATED: &str = "to be created";

impl Simulated<'_> {
    /// What a member would answer to an action, given the shard's Job, and what would be done
    /// there.
    async fn simulate(
        &self,
        record: &Record,
        action: &Action,
        job: Option<Observed>,
    ) -> (Answer, Option<String>) {
        let id = action.shard();
        let mut job = match (action, job) {
            (Action::Create { .. }, _) => return self.create(record, id).await,
            (Action::Delete { cluster, uid, .. }, _) => {
                let path = job_path(record.namespace(), record.job_name(id));
                self.writes().deletions.push((cluster.clone(), path, uid.clone()));
                return (Answer::Gone, Some("deleted".to_owned()));
            }
            (_, None) => return (Answer::Gone, None),
            (_, Some(job)) => job,
        };
        let what = match action {
            Action::Create { .. } | Action::Delete { .. } => None,
            Action::Change { .. } if act::change::is_unready(record, id, &job) => {
                if !job.is_held() {
                    self.note(record, id, &job, "", bodies::suspension(&job));
                    job.suspended = true;
                }
                let cluster = record.shards[&id].cluster.clone();
                self.writes().unready.push((cluster, job.clone()));
                return (
                    Answer::Waiting(Box::new(job), "waiting for pods to end".to_owned()),
                    None,
                );
            }
            Action::Change { .. } => {
                let patch = bodies::change(record, id, &job);
                let what = act::change::description(record, id, &job, &patch).to_owned();
                self.note(record, id, &job, "", patch.clone());
                change(record, id, &mut job, patch);
                Some(what)
            }
            Action::Renew { .. } => {
                self.note(record, id, &job, "", bodies::renewal(record, id));
                job.active_deadline_seconds = record.spec(id).active_deadline_seconds;
                Some("given a new lease".to_owned())
            }
            Action::Adopt { .. } => {
                self.note(record, id, &job, "", bodies::adoption(record, id, &job));
                (job.owner, job.generation) = (Some(record.ownership(id)), 1);
                job.ttl_seconds = None;
                Some("adopted".to_owned())
            }
            Action::SetStart { .. } => {
                self.note(record, id, &job, "/status", bodies::start(self.now));
                job.start = Some(self.now);
                Some("given a start time".to_owned())
            }
            _ if !job.takes_credit() => {
                return (Answer::Waiting(Box::new(job), "it is about to end".to_owned()), None);
            }
            Action::Assign { .. } => {
                let assignment = bodies::assignment(record, id, &job, self.now);
                self.note(record, id, &job, "/status", assignment);
                job = bodies::others(record, id, &job).given(&job, self.now);
                Some("assigned its indexes".to_owned())
            }
            Action::Credit { .. } => return self.credit(record, id, job).await,
            Action::WindDown { .. } => return self.wind_down(record, id, job).await,
            Action::Retire { .. } => Some(self.stop(record, id, &mut job).to_owned()),
            Action::Fail { .. } => {
                let outcome = record.state.outcome.as_ref();
                if let Some(outcome) = outcome {
                    self.note_stop(record, id, &job, bodies::failure(outcome, &job, self.now));
                }
                let said = outcome.map(|outcome| (outcome.reason.clone(), outcome.message.clone()));
                job.end = Some(self.end(EndKind::Failed, said.unwrap_or_default()));
                Some("stopped".to_owned())
            }
        };
        (Answer::Job(Box::new(job)), what)
    }

    async fn credit(&self, record: &Record, id: u32, job: Observed) -> (Answer, Option<String>) {
        let wanted = act::credit::wanted(record, id, &job);
        let pods = match self.pods(record, id, &job).await {
            Ok(pods) => pods.unwrap_or_default(),
            Err(error) => return (Answer::Refused(error.to_string()), None),
        };
        let credit = act::credit::creditable(&job, &pods, &wanted, &Measure::default(), true);
        let count = credit.count();
        if count > 0 {
            self.note(record, id, &job, "/status", bodies::credit(&job, &credit, self.now));
        }
        let job = Box::new(credit.given(&job, self.now));
        let what = (count > 0).then(|| act::credit::description(count));
        match what {
            Some(what) if count >= wanted.count => (Answer::Job(job), Some(what)),
            what => (Answer::Waiting(job, "pods may be running for the rest".to_owned()), what),
        }
    }

    async fn wind_down(
        &self,
        record: &Record,
        id: u32,
        mut job: Observed,
    ) -> (Answer, Option<String>) {
        let running = |pods: Vec<Pod>| {
            i32::try_from(pods.iter().filter(|pod| pod.runs()).count()).unwrap_or(i32::MAX)
        };
        let running = match self.pods(record, id, &job).await {
            Ok(pods) => pods.map_or(job.active, running),
            Err(error) => return (Answer::Refused(error.to_string()), None),
        };
        if running == 0 {
            let what = self.stop(record, id, &mut job).to_owned();
            return (Answer::Job(Box::new(job)), Some(what));
        }
        if job.succeeded > 0 {
            return (Answer::Waiting(Box::new(job), "waiting for pods to end".to_owned()), None);
        }
        if job.parallelism > running && job.queue.is_none() {
            self.note(record, id, &job, "", bodies::parallelism(running, &job));
        }
        let credit = Credit::Count(1);
        self.note(record, id, &job, "/status", bodies::credit(&job, &credit, self.now));
        job.parallelism = job.parallelism.min(running);
        (job.active, job.ready) = (running, running);
        let job = credit.given(&job, self.now);
        (Answer::Job(Box::new(job)), Some("wound down".to_owned()))
    }

    /// Credits all that a Job has left, so that it ends: Complete, unless an index of it has
    /// failed.
    fn stop(&self, record: &Record, id: u32, job: &mut Observed) -> &'static str {
        self.note_stop(record, id, job, bodies::completion(job, self.now));
        *job = Credit::rest(job).given(job, self.now);
        (job.suspended, job.active, job.ready) = (true, 0, 0);
        job.end = Some(if job.failed_indexes.is_empty() {
            self.end(EndKind::Complete, (String::new(), String::new()))
        } else {
            self.end(EndKind::Failed, (FAILED_INDEXES.to_owned(), String::new()))
        });
        "stopped"
    }

    fn end(&self, kind: EndKind, (reason, message): (String, String)) -> End {
        End { kind, reason, message, at: Some(self.now) }
    }

    /// A Job that would be created. Where a supplement's name is taken by another Job, the
    /// reconcile takes the next one.
    async fn create(&self, record: &Record, id: u32) -> (Answer, Option<String>) {
        let name = record.job_name(id);
        if let (true, Ok(connection)) =
            (name != record.name(), self.members.of_shard(&record.shards[&id]))
            && let Ok(job) = connection.get(&job_path(record.namespace(), name)).await
        {
            let job = Observed::from_object(&job);
            let answer = if job.owner == Some(record.ownership(id)) {
                Answer::Job(Box::new(job))
            } else {
                Answer::NameTaken(format!("jobs.batch {name:?} exists already"))
            };
            return (answer, None);
        }
        self.writes().create(record, id);
        (Answer::Job(Box::new(created(record, id))), Some("created".to_owned()))
    }

    /// The pods of a Job; none where its member cannot be asked.
    ///
    /// # Errors
    /// The member refuses. That is noted too.
    async fn pods(
        &self,
        record: &Record,
        id: u32,
        job: &Observed,
    ) -> Result<Option<Vec<Pod>>, cluster::Error> {
        if job.uid == TO_BE_CREATED {
            return Ok(Some(Vec::new()));
        }
        let shard = &record.shards[&id];
        let Ok(connection) = self.members.of_shard(shard) else { return Ok(None) };
        match act::credit::pods(connection, record.namespace(), &job.uid).await {
            Ok(pods) => Ok(Some(pods)),
            Err(error) if error.is_unreachable() => Ok(None),
            Err(error) => {
                self.writes().refuse(&shard.cluster, error.clone());
                Err(error)
            }
        }
    }

    /// Notes the patch of a Job, or of a subresource of it, unless the Job is yet to be created.
    fn note(&self, record: &Record, id: u32, job: &Observed, subresource: &str, body: Value) {
        let shard = &record.shards[&id];
        if job.uid == TO_BE_CREATED || self.members.of_shard(shard).is_err() {
            return;
        }
        let path = job_path(record.namespace(), record.job_name(id));
        self.writes().patch(Write {
            cluster: shard.cluster.clone(),
            path: format!("{path}{subresource}"),
            body: bodies::conditional(body, job),
        });
    }

    /// Notes the two patches that stop a Job: it is suspended, then its status says how it ended.
    fn note_stop(&self, record: &Record, id: u32, job: &Observed, status: Value) {
        if !job.is_held() {
            self.note(record, id, job, "", bodies::suspension(job));
        }
        self.note(record, id, job, "/status", status);
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shard's Job as its member would create it.
fn created(record: &Record, id: u32) -> Observed {
    let mut job = bodies::creation(record, id);
    job["metadata"]["uid"] = TO_BE_CREATED.into();
    Observed::from_object(&job)
}

/// Changes a shard's Job as its member would, given the patch.
fn change(record: &Record, id: u32, job: &mut Observed, mut patch: Value) {
    let own = record.spec(id);
    job.generation = own.generation;
    if record.shards[&id].phase.ended() {
        return;
    }
    job.template_generation = own.template_generation;
    // What a patch leaves out stays.
    let keeps_queue = patch["metadata"]["labels"].get(QUEUE_NAME).is_none();
    let labels = json!({ "labels": patch["metadata"]["labels"] });
    let mut spec = patch["spec"].take();
    for (field, own) in [
        ("suspend", job.suspended.into()),
        ("parallelism", job.parallelism.into()),
        ("backoffLimit", job.backoff_limit.into()),
        ("maxFailedIndexes", job.max_failed_indexes.into()),
    ] {
        if spec.get(field).is_none() {
            spec[field] = own;
        }
    }
    let changed = Observed::from_object(&json!({ "metadata": labels, "spec": spec }));
    job.suspended = changed.suspended;
    job.in_hold_queue = changed.in_hold_queue || (job.in_hold_queue && keeps_queue);
    job.parallelism = changed.parallelism;
    job.min_count = changed.min_count.or(job.min_count);
    job.backoff_limit = changed.backoff_limit;
    job.max_failed_indexes = changed.max_failed_indexes;
}

#[cfg(test)]
mod tests;
