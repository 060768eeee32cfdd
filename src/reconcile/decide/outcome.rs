//! Whether the whole Job has ended; pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    job::{End, EndKind, Indexes, Observed},
    state::{Outcome, Phase, Record, Shard, Verdict},
};

/// The reason of a Job that failed because some of its indexes did, each within limits of its own.
/// The others go on.
pub(crate) const FAILED_INDEXES: &str = "FailedIndexes";

/// How a shard's Job ended, for the shard: one that is Failed with all its work done is done,
/// because deadline and backoff limit are judged first.
pub(in crate::reconcile) fn phase_at_end(shard: &Shard, job: &Observed, end: &End) -> Phase {
    let done = match (&shard.indexes, shard.completions) {
        (Some(own), _) => job.completed_indexes.contains_all(own),
        (None, Some(completions)) => job.succeeded >= completions,
        (None, None) => false,
    };
    if end.kind == EndKind::Complete || done { Phase::Complete } else { Phase::Failed }
}

/// The outcome of the whole, where one shard's failure is that.
pub(in crate::reconcile) fn failure(
    shard: &Shard,
    job: &Observed,
    end: &End,
    now: Timestamp,
) -> Option<Outcome> {
    if end.reason == FAILED_INDEXES {
        return None;
    }
    let message = format!("job {} in cluster {}: {}", job.name, shard.cluster, end.message);
    Some(Outcome::new(Verdict::Failed, &end.reason, &message, end.at.unwrap_or(now).as_second()))
}

/// The outcome of the whole by its sums, where there is one.
pub(in crate::reconcile) fn outcome(record: &Record, now: Timestamp) -> Option<Outcome> {
    let failed = |reason: &str, message: &str| {
        Some(Outcome::new(Verdict::Failed, reason, message, now.as_second()))
    };
    let failures = |shard: &Shard| shard.seen.as_ref().map_or(0, |seen| seen.failed);
    let all: i64 = record.shards.values().map(|shard| i64::from(failures(shard))).sum();
    if record.manifest.backoff_limit().is_some_and(|limit| all > i64::from(limit)) {
        let places = record.shards.values().filter(|shard| failures(shard) > 0);
        let places: Vec<_> = places
            .map(|shard| format!("{} in cluster {}", failures(shard), shard.cluster))
            .collect();
        let message = format!(
            "Job has reached the specified backoff limit: pods failed: {}",
            places.join(", ")
        );
        return failed("BackoffLimitExceeded", &message);
    }
    let failed_indexes = record.failed_indexes();
    if record.manifest.max_failed_indexes().is_some_and(|limit| failed_indexes.len() > limit) {
        let places = record.shards.values().filter_map(|shard| {
            let failed = &shard.seen.as_ref()?.failed_indexes;
            (!failed.is_empty()).then(|| format!("{failed} in cluster {}", shard.cluster))
        });
        let message = format!(
            "Job has exceeded the specified maximal number of failed indexes: {}",
            places.collect::<Vec<_>>().join(", ")
        );
        return failed("MaxFailedIndexesExceeded", &message);
    }
    let all_ended = record.shards.values().all(|shard| shard.phase.ended());
    if let Some(rule) = success_rule(record) {
        let message = format!("Matched rules at index {rule}");
        return Some(Outcome::new(Verdict::Complete, "SuccessPolicy", &message, now.as_second()));
    }
    let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
    let rest = asked.without(&record.carried_indexes()).without(&failed_indexes);
    if all_ended && !failed_indexes.is_empty() && rest.is_empty() {
        return failed(FAILED_INDEXES, &format!("Job has failed indexes: {failed_indexes}"));
    }
    completed(record, all_ended, now)
}

/// The outcome, where all the work is done. Where an edit asks for less than has succeeded, it is
/// done although shards still have work.
fn completed(record: &Record, all_ended: bool, now: Timestamp) -> Option<Outcome> {
    let done = match record.manifest.size().completions {
        Some(asked) => achieved(record) >= asked,
        None => {
            let phases = || record.shards.values().map(|shard| shard.phase);
            record.achieved() > 0 && phases().all(|phase| phase != Phase::Failed)
        }
    };
    let work_left = record.shards.values().any(|shard| shard.remaining() > 0);
    if !done || !(all_ended || work_left) {
        return None;
    }
    let ends = record.shards.values().filter_map(|shard| shard.seen.as_ref()?.end);
    let at = ends.max().filter(|_| all_ended).unwrap_or(now.as_second());
    Some(Outcome::new(
        Verdict::Complete,
        "CompletionsReached",
        "Reached expected number of succeeded pods",
        at,
    ))
}

/// What is achieved, a shard that ended counting for all that needs no other.
fn achieved(record: &Record) -> i32 {
    let Some(asked) = record.manifest.size().completions else { return 0 };
    let ended = record.shards.values().filter(|shard| shard.phase.ended());
    if record.manifest.indexed() {
        let ended =
            ended.fold(record.completed_indexes(), |all, shard| all.with(&shard.carried_indexes()));
        return ended.both(&Indexes::all(asked)).len();
    }
    let running = record.shards.values().filter(|shard| !shard.phase.ended()).map(Shard::achieved);
    ended.map(Shard::carried).chain(running).fold(0, i32::saturating_add)
}

/// The first rule of the success policy that the completed indexes of all shards meet (KEP-3998).
fn success_rule(record: &Record) -> Option<usize> {
    let rules = record.manifest.object()["spec"]["successPolicy"]["rules"].as_array()?;
    let completed = record.completed_indexes();
    rules.iter().position(|rule| {
        let named = rule["succeededIndexes"].as_str().and_then(|text| text.parse::<Indexes>().ok());
        let count = rule.get("succeededCount").and_then(Value::as_i64);
        let met = named.as_ref().map_or(completed.clone(), |named| completed.both(named));
        match (count, &named) {
            (Some(count), _) => i64::from(met.len()) >= count,
            (None, Some(named)) => met.len() == named.len(),
            (None, None) => false,
        }
    })
}
