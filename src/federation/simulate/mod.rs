//! What a reconcile would do, with nothing written anywhere. The product's own loop runs on a
//! backend that answers each action as a member would.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    job::{End, EndKind, Indexes, Observed, Pod, change as change_patch, credit::Credit, shard},
    reconcile::{
        Action, Answer, Backend, Done, Members, Observations, Places, Reconciled, act,
        act::credit::Measure, decide::FAILED_INDEXES, run_on,
    },
    state::{Error, Record},
};

/// Simulates a reconcile: the record as it would be afterwards, and what would be done in the
/// members, in order. Nothing is written.
///
/// The simulation does not know what a member would refuse, and knows nothing of a member that does
/// not answer. Pods that start or end meanwhile change how much can be credited. None if the
/// simulation fails.
pub async fn simulate(
    record: &Record,
    observations: Observations,
    members: &Members,
    now: Timestamp,
) -> Option<Reconciled> {
    let simulated = Simulated { members, places: observations.places.clone(), now };
    run_on(&simulated, record.clone(), observations, || now).await.ok()
}

/// A host that accepts every write, and members that do what is asked. Their Jobs and pods are
/// read, and nothing is written.
struct Simulated<'a> {
    members: &'a Members,
    places: Places,
    now: Timestamp,
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
            (Action::Create { .. }, _) => {
                return (Answer::Job(Box::new(created(record, id))), Some("created".to_owned()));
            }
            (Action::Delete { .. }, _) => return (Answer::Gone, Some("deleted".to_owned())),
            (_, None) => return (Answer::Gone, None),
            (_, Some(job)) => job,
        };
        let what = match action {
            Action::Create { .. } | Action::Delete { .. } => None,
            Action::Change { .. } => {
                change(record, id, &mut job);
                Some(act::change::description(record, id).to_owned())
            }
            _ if !job.takes_credit() => {
                return (Answer::Waiting(Box::new(job), "it is about to end".to_owned()), None);
            }
            Action::Assign { .. } => {
                let own = record.shards[&id].indexes.clone().unwrap_or_default();
                let others = Indexes::all(job.completions.unwrap_or(0)).without(&own);
                job = Credit::Indexes(others).given(&job, self.now);
                Some("assigned its indexes".to_owned())
            }
            Action::Credit { .. } => return self.credit(record, id, job).await,
            Action::WindDown { .. } => return self.wind_down(record, job).await,
            Action::Retire { .. } => Some(self.stop(&mut job).to_owned()),
            Action::Fail { .. } => {
                let outcome = record.state.outcome.as_ref();
                let said = outcome.map(|outcome| (outcome.reason.clone(), outcome.message.clone()));
                job.end = Some(self.end(EndKind::Failed, said.unwrap_or_default()));
                Some("stopped".to_owned())
            }
        };
        (Answer::Job(Box::new(job)), what)
    }

    async fn credit(&self, record: &Record, id: u32, job: Observed) -> (Answer, Option<String>) {
        let wanted = act::credit::wanted(record, id, &job);
        let pods = self.pods(record, &job).await.unwrap_or_default();
        let credit = act::credit::creditable(&job, &pods, &wanted, &Measure::default(), true);
        let count = credit.count();
        let job = Box::new(credit.given(&job, self.now));
        let what = (count > 0).then(|| act::credit::description(count));
        match what {
            Some(what) if count >= wanted.count => (Answer::Job(job), Some(what)),
            what => (Answer::Waiting(job, "the rest may have started".to_owned()), what),
        }
    }

    async fn wind_down(&self, record: &Record, mut job: Observed) -> (Answer, Option<String>) {
        let running = |pods: Vec<Pod>| {
            i32::try_from(pods.iter().filter(|pod| pod.runs()).count()).unwrap_or(i32::MAX)
        };
        let running = self.pods(record, &job).await.map_or(job.active, running);
        if running == 0 {
            let what = self.stop(&mut job).to_owned();
            return (Answer::Job(Box::new(job)), Some(what));
        }
        if job.succeeded > 0 {
            return (Answer::Waiting(Box::new(job), "waiting for pods to end".to_owned()), None);
        }
        job.parallelism = job.parallelism.min(running);
        (job.active, job.ready) = (running, running);
        let job = Credit::Count(1).given(&job, self.now);
        (Answer::Job(Box::new(job)), Some("wound down".to_owned()))
    }

    /// Credits all that a Job has left, so that it ends: Complete, unless an index of it has
    /// failed.
    fn stop(&self, job: &mut Observed) -> &'static str {
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

    /// The pods of a Job; none where its member cannot be asked.
    async fn pods(&self, record: &Record, job: &Observed) -> Option<Vec<Pod>> {
        if job.uid == TO_BE_CREATED {
            return Some(Vec::new());
        }
        let shard = record.shards.values().find(|shard| shard.uid.as_ref() == Some(&job.uid))?;
        let connection = self.members.of_shard(shard).ok()?;
        act::credit::pods(connection, record.namespace(), &job.uid).await.ok()
    }
}

/// A shard's Job as its member would create it.
fn created(record: &Record, id: u32) -> Observed {
    let mut job =
        shard(&record.manifest, record.job_name(id), &record.spec(id), &record.ownership(id));
    job["metadata"]["uid"] = TO_BE_CREATED.into();
    Observed::of(&job)
}

fn change(record: &Record, id: u32, job: &mut Observed) {
    let own = record.spec(id);
    job.generation = own.generation;
    if record.shards[&id].phase.ended() {
        return;
    }
    let spec = change_patch(&record.manifest, &own, &record.state.removed)["spec"].take();
    let changed = Observed::of(&json!({ "spec": spec }));
    job.suspended = changed.suspended;
    job.parallelism = changed.parallelism;
    job.backoff_limit = changed.backoff_limit;
    job.max_failed_indexes = changed.max_failed_indexes;
}

#[cfg(test)]
mod tests;
