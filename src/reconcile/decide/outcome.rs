//! The outcome: whether and how the federated Job as a whole has ended; pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    job::{End, EndKind, Indexes, Observed},
    reconcile::observe::Clocks,
    state::{Outcome, Phase, Record, Shard, Verdict},
};

/// The reason of a Job that failed because some of its indexes failed, each by its own limit
/// (`backoffLimitPerIndex`). Such a failure does not stop the other shards.
pub(crate) const FAILED_INDEXES: &str = "FailedIndexes";

/// The reason of a Job that failed by a rule of its `podFailurePolicy` (KEP-3329).
const POD_FAILURE_POLICY: &str = "PodFailurePolicy";

/// The phase of a shard whose Job ended. A Job that is Failed with all its work done counts as
/// Complete: the Job controller checks the deadline and the backoff limit first. A Job that is
/// Complete without all indexes of the shard, because its cluster lowered its completions, counts
/// as Failed: it did not do the rest.
pub(super) fn phase_at_end(shard: &Shard, job: &Observed, end: &End) -> Phase {
    let is_done = match (&shard.indexes, shard.completions) {
        (Some(own), _) => job.completed_indexes.contains_all(own),
        (None, Some(completions)) => job.succeeded >= completions,
        (None, None) => false,
    };
    let is_complete = end.kind == EndKind::Complete && shard.indexes.is_none();
    if is_complete || is_done { Phase::Complete } else { Phase::Failed }
}

/// The outcome of the federated Job, if the failure of one shard decides it. A Job that is Complete
/// has not failed, whatever its shard lacks.
pub(super) fn failure(
    shard: &Shard,
    job: &Observed,
    end: &End,
    clocks: &Clocks,
    now: Timestamp,
) -> Option<Outcome> {
    // Others do the work of a shard that was given up. Only a rule of the user's decides then, and
    // the pods that failed in all shards together: those of this one count. A rule does not know
    // which pods were ended by a lease.
    let is_by_rule = end.reason == POD_FAILURE_POLICY && !shard.has_expired();
    let is_replaced = shard.is_replaced() && !is_by_rule;
    if end.reason == FAILED_INDEXES || end.kind == EndKind::Complete || is_replaced {
        return None;
    }
    let message = format!("job {} in cluster {}: {}", job.name, shard.cluster, end.message);
    // The Job expires by this time, so a member's clock that is behind must not make it earlier.
    let at = end.at.map(|at| clocks.host_time(&shard.cluster, at.as_second()));
    Some(Outcome::new(Verdict::Failed, &end.reason, &message, at.unwrap_or(now.as_second())))
}

/// The outcome of the federated Job by the sums over all shards, if they decide it.
pub(super) fn outcome(record: &Record, clocks: &Clocks, now: Timestamp) -> Option<Outcome> {
    let failed = |reason: &str, message: &str| {
        Some(Outcome::new(Verdict::Failed, reason, message, now.as_second()))
    };
    if let Some(message) = backoff_limit_exceeded(record) {
        return failed("BackoffLimitExceeded", &message);
    }
    if let Some(message) = failed_indexes_exceeded(record) {
        return failed("MaxFailedIndexesExceeded", &message);
    }
    if let Some(rule) = success_rule(record) {
        let message = format!("Matched rules at index {rule}");
        return Some(Outcome::new(Verdict::Complete, "SuccessPolicy", &message, now.as_second()));
    }
    let all_ended = record.shards.values().all(Shard::is_over);
    let failed_indexes = record.failed_indexes();
    let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
    let rest = asked.without(&record.carried_indexes()).without(&failed_indexes);
    if all_ended && !failed_indexes.is_empty() && rest.is_empty() {
        return failed(FAILED_INDEXES, &format!("Job has failed indexes: {failed_indexes}"));
    }
    completed(record, all_ended, clocks, now)
}

/// The message of the outcome, if more pods of all shards have failed than `backoffLimit` allows.
fn backoff_limit_exceeded(record: &Record) -> Option<String> {
    let total = record.failed_pods();
    record.manifest.backoff_limit().filter(|limit| total > *limit)?;
    let folded = record.state.folded.clusters.iter().map(|(name, totals)| (name, totals.failed));
    let places = record.shards.values().map(|shard| (&shard.cluster, shard.failed_pods()));
    let places = folded.chain(places).filter(|(_, failed)| *failed > 0);
    let places: Vec<_> =
        places.map(|(cluster, failed)| format!("{failed} in cluster {cluster}")).collect();
    let places = places.join(", ");
    Some(format!("Job has reached the specified backoff limit: pods failed: {places}"))
}

/// The message of the outcome, if more indexes have failed than `maxFailedIndexes` allows.
fn failed_indexes_exceeded(record: &Record) -> Option<String> {
    let failed = record.failed_indexes().len();
    record.manifest.max_failed_indexes().filter(|limit| failed > *limit)?;
    let places = record.shards.values().filter_map(|shard| {
        let failed = &shard.seen.as_ref()?.failed_indexes;
        (!failed.is_empty()).then(|| format!("{failed} in cluster {}", shard.cluster))
    });
    let folded = &record.state.folded.failed_indexes;
    let folded = (!folded.is_empty()).then(|| format!("{folded} in jobs that are gone"));
    let places = folded.into_iter().chain(places).collect::<Vec<_>>().join(", ");
    Some(format!("Job has exceeded the specified maximal number of failed indexes: {places}"))
}

/// The outcome, if all the work is done. If an edit asks for less than has succeeded, the work is
/// done although shards have some left.
fn completed(record: &Record, all_ended: bool, clocks: &Clocks, now: Timestamp) -> Option<Outcome> {
    let done = match record.manifest.size().completions {
        Some(asked) => achieved(record) >= asked,
        None => {
            let failed = |shard: &Shard| shard.phase == Phase::Failed && !shard.is_replaced();
            record.achieved() > 0 && !record.shards.values().any(failed)
        }
    };
    let work_left = record.shards.values().any(|shard| shard.remaining() > 0);
    if !done || !(all_ended || work_left) {
        return None;
    }
    let ends = record.shards.values().filter_map(|shard| {
        let end = shard.seen.as_ref()?.end?;
        Some(clocks.host_time(&shard.cluster, end))
    });
    let at =
        ends.chain(record.state.folded.end).max().filter(|_| all_ended).unwrap_or(now.as_second());
    Some(Outcome::new(
        Verdict::Complete,
        "CompletionsReached",
        "Reached expected number of succeeded pods",
        at,
    ))
}

/// The completions that are done: all that a shard carries if it has ended, and what it has
/// achieved so far otherwise.
fn achieved(record: &Record) -> i32 {
    let Some(asked) = record.manifest.size().completions else { return 0 };
    let ended = record.shards.values().filter(|shard| shard.phase.ended());
    if record.manifest.indexed() {
        let done = record.completed_indexes().with(&record.state.folded.carried_indexes);
        let ended = ended.fold(done, |all, shard| all.with(&shard.carried_indexes()));
        return ended.both(&Indexes::all(asked)).len();
    }
    let running = record.shards.values().filter(|shard| !shard.phase.ended()).map(Shard::achieved);
    let folded = record.state.folded.sum(|totals| totals.carried);
    ended.map(Shard::carried).chain(running).fold(folded, i32::saturating_add)
}

/// The first rule of the success policy that the completed indexes of all shards together meet
/// (KEP-3998).
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
