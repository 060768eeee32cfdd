//! Work is taken off a Job that may be running: a credit. The rules are those of
//! [`crate::job::credit`].

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ATTEMPTS, CHANGING, Performed, Target, failed, job_path};
use crate::{
    cluster::{Connection, Error},
    job::{
        Indexes, Observed, Pod,
        credit::{self as rules, Credit},
        labels,
    },
    reconcile::{Answer, decide::has_lost_credit, observe::shard_id},
    state::Record,
};

/// What was read of a Job and its pods must not be older than this when a credit is sent.
const FRESH: Duration = Duration::from_secs(1);

/// How it is measured what may be taken off a Job. The default is [`crate::job::credit`]; a stress
/// test puts in careless ones, to show that it finds them out.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// How many completions; the flag says whether nothing has changed for [`rules::STILL`].
    pub room: fn(&Observed, &[Pod], bool) -> i32,
    /// Which indexes, of an Indexed Job.
    pub free_indexes: fn(&Observed, &[Pod]) -> Indexes,
}

impl Default for Measure {
    fn default() -> Self {
        Self { room: rules::room, free_indexes: rules::free_indexes }
    }
}

/// What is to be taken off a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many completions more.
    pub count: i32,
    /// Of an Indexed Job, those that it may be, and at most how many of each: first those that come
    /// first here, each from its end.
    pub from: Vec<(Indexes, i32)>,
}

/// What a credit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The Job as it is now.
    pub job: Observed,
    /// How many completions were taken off it.
    pub count: i32,
    /// How many more were wanted, and have started or may be about to.
    pub kept: i32,
    /// Indexes that were credited, and that a pod was found on afterwards: they may run twice.
    pub doubled: Indexes,
}

/// Takes completions off a Job, as many of those wanted as can be without touching what runs.
/// `wanted` is asked of the Job as it is read, each time it is. None where the Job is not there or
/// has another uid.
///
/// # Errors
/// The cluster's. A conflict where the Job changes faster than it can be read.
pub async fn credit(
    connection: &Connection,
    namespace: &str,
    name: &str,
    uid: &str,
    wanted: impl Fn(&Observed) -> Wanted,
    measure: &Measure,
) -> Result<Option<Taken>, Error> {
    let path = job_path(namespace, name);
    let mut attempt = 0;
    let mut looks = Looks::default();
    loop {
        attempt += 1;
        let read = Instant::now();
        let job = match connection.get(&path).await {
            Ok(job) => Observed::of(&job),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if job.uid != uid {
            return Ok(None);
        }
        let wanted = wanted(&job);
        let pods = if wanted.count > 0 && job.takes_credit() {
            pods(connection, namespace, uid).await?
        } else {
            Vec::new()
        };
        let still = looks.were_still(&job, &pods, read);
        let credit = takable(&job, &pods, &wanted, measure, still);
        let count = credit.count();
        // Once: they may never be.
        if takable(&job, &pods, &wanted, measure, true).count() > count && !looks.waited {
            looks.waited = true;
            tokio::time::sleep(rules::STILL).await;
            continue;
        }
        let taken = |job, count, doubled| Taken {
            job,
            count,
            kept: (wanted.count - count).max(0),
            doubled,
        };
        if count == 0 {
            return Ok(Some(taken(job, 0, Indexes::default())));
        }
        if read.elapsed() > FRESH {
            if attempt < ATTEMPTS {
                continue;
            }
            return Ok(Some(taken(job, 0, Indexes::default())));
        }
        match connection.patch(&format!("{path}/status"), &patch(&job, &credit)).await {
            Ok(job) => {
                let doubled = match &credit {
                    Credit::Count(_) => Indexes::default(),
                    Credit::Indexes(indexes) => {
                        occupied(&self::pods(connection, namespace, uid).await?).both(indexes)
                    }
                };
                return Ok(Some(taken(Observed::of(&job), count, doubled)));
            }
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a Job and its pods looked like, so that it shows whether they stay so.
#[derive(Default)]
struct Looks {
    first: Option<(Instant, String, Vec<Pod>)>,
    waited: bool,
}

impl Looks {
    /// Whether they look as they did [`rules::STILL`] before `read`, when they began to be read.
    fn were_still(&mut self, job: &Observed, pods: &[Pod], read: Instant) -> bool {
        let same =
            |seen: &&(Instant, String, Vec<Pod>)| seen.1 == job.resource_version && seen.2 == pods;
        match self.first.as_ref().filter(same) {
            Some((since, ..)) => read.duration_since(*since) >= rules::STILL,
            None => {
                self.first = Some((Instant::now(), job.resource_version.clone(), pods.to_vec()));
                false
            }
        }
    }
}

/// Takes off a shard what its ledger says is to be.
pub(super) async fn take_off(target: &Target<'_>) -> Performed {
    let wanted = |job: &Observed| wanted(target.record, target.id, job);
    let (record, uid) = (target.record, target.uid.unwrap_or_default());
    let (namespace, name) = (record.namespace(), record.job_name(target.id));
    match credit(target.connection, namespace, name, uid, wanted, &Measure::default()).await {
        Ok(None) => (Answer::Gone, None),
        Ok(Some(taken)) => {
            let what = (taken.count > 0).then(|| named(taken.count));
            let job = Box::new(taken.job);
            let why = match (taken.kept, taken.doubled.is_empty()) {
                (0, true) => return (Answer::Job(job), what),
                (_, false) => format!(
                    "its indexes {} were credited while they started: they may run twice",
                    taken.doubled
                ),
                (kept, true) => {
                    format!("{} more to be taken off, which may have started", completions(kept))
                }
            };
            (Answer::Waiting(job, why), what)
        }
        Err(error) if error.is_conflict() => match target.look().await {
            Answer::Job(job) => (Answer::Waiting(job, CHANGING.to_owned()), None),
            other => (other, None),
        },
        Err(error) => (failed(&error), None),
    }
}

/// What the ledger says is to be taken off a shard's Job.
pub(crate) fn wanted(record: &Record, id: u32, job: &Observed) -> Wanted {
    let shard = &record.shards[&id];
    match &shard.indexes {
        _ if shard_id(record, job) != Some(id) || has_lost_credit(shard, job) => Wanted::default(),
        None => Wanted {
            count: shard.credit_target - shard.credited.max(job.credited_count()),
            from: Vec::new(),
        },
        Some(own) => {
            let own = own.without(&job.credited_indexes());
            let taken = shard.completions.unwrap_or(0) - own.len();
            let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
            let count = shard.credit_target - taken;
            let (beyond, within) = (own.without(&asked), own.both(&asked));
            // What runs beyond what is asked for ends by itself: nothing that is asked for is taken
            // in its place.
            let least = beyond.without(&job.completed_indexes).len();
            Wanted { count, from: vec![(beyond, count), (within, (count - least).max(0))] }
        }
    }
}

/// What of what is wanted can be taken off a Job now, given its pods, and whether both have been as
/// they are for [`rules::STILL`].
pub(crate) fn takable(
    job: &Observed,
    pods: &[Pod],
    wanted: &Wanted,
    measure: &Measure,
    still: bool,
) -> Credit {
    if job.indexed {
        return Credit::Indexes(choose(&(measure.free_indexes)(job, pods), wanted));
    }
    Credit::Count((measure.room)(job, pods, still).min(wanted.count).max(0))
}

/// What a credit is called.
pub(crate) fn named(count: i32) -> String {
    format!("credited {}", completions(count))
}

fn completions(count: i32) -> String {
    format!("{count} {}", if count == 1 { "completion" } else { "completions" })
}

/// The pods of a Job, whoever else has pods with its name.
pub(crate) async fn pods(
    connection: &Connection,
    namespace: &str,
    uid: &str,
) -> Result<Vec<Pod>, Error> {
    let selector = format!("batch.kubernetes.io/controller-uid={uid}");
    let pods = connection.list(&format!("/api/v1/namespaces/{namespace}/pods"), &selector).await?;
    Ok(pods.iter().map(Pod::of).collect())
}

fn occupied(pods: &[Pod]) -> Indexes {
    pods.iter().filter_map(|pod| pod.index).collect()
}

fn choose(free: &Indexes, wanted: &Wanted) -> Indexes {
    wanted.from.iter().fold(Indexes::default(), |chosen, (from, most)| {
        chosen.with(&free.both(from).tail((wanted.count - chosen.len()).min(*most)))
    })
}

/// The write of a credit to the status of a Job as it was read, and of what was credited to its
/// annotation.
pub(super) fn patch(job: &Observed, credit: &Credit) -> Value {
    let after = credit.given(job, Timestamp::now());
    let mut status = json!({ "succeeded": after.succeeded });
    if let Credit::Indexes(_) = credit {
        status["completedIndexes"] = after.completed_indexes.to_string().into();
    }
    if let Some(start) = after.start.filter(|_| job.start.is_none()) {
        status["startTime"] = written_time(start).into();
    }
    json!({
        "metadata": {
            "uid": job.uid,
            "resourceVersion": job.resource_version,
            "annotations": { labels::CREDITED: after.credited },
        },
        "status": status,
    })
}

/// A moment as the API writes times: to the second.
pub(super) fn written_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{Manifest, labels::CREDITED},
        state::Shard,
    };

    #[test]
    fn what_runs_beyond_an_edit_ends_and_no_index_that_is_asked_for_is_taken_in_its_place() {
        let spec = json!({"parallelism": 2, "completions": 4, "completionMode": "Indexed"});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let mut shard = Shard::planned_indexes("east", 2, Indexes::all(6));
        (shard.uid, shard.credit_target) = (Some("u1".into()), 2);
        let record = Record::new("f", manifest, vec![shard], jiff::Timestamp::UNIX_EPOCH);
        let mut job = Observed::of(&json!({
            "metadata": {"name": "pi", "uid": "u1", "annotations": {CREDITED: ""}},
            "spec": {"parallelism": 2, "completions": 6, "completionMode": "Indexed"},
            "status": {"active": 2, "succeeded": 2, "completedIndexes": "1,4"},
        }));
        job.owner = Some(record.ownership(1));
        let pods = [2, 5].map(|index| {
            let index = json!({"batch.kubernetes.io/job-completion-index": index.to_string()});
            Pod::of(&json!({"metadata": {"annotations": index}, "status": {"phase": "Running"}}))
        });
        let wanted = wanted(&record, 1, &job);
        let credit = takable(&job, &pods, &wanted, &Measure::default(), true);
        assert_eq!(credit, Credit::Indexes(Indexes::default()), "0 and 3 are to be run");
    }
}
