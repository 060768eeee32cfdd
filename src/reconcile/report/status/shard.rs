//! The status of one shard; pure.

use serde_json::Value;

use super::{
    fields::{counts, time},
    predicates::waits_in_queue,
};
use crate::{
    cluster::Denial,
    job::{Indexes, Size},
    reconcile::observe::Observations,
    state::{Phase, Record, Seen},
};

/// What is said of a shard whose Job has lost our labels.
pub const LEFT_ALONE: &str = "its labels were removed: it is left alone, and may run on";

/// The state of a shard that its cluster has not admitted.
const QUEUED: &str = "Queued";

/// The state of a shard that its cluster had admitted, and has stopped.
const EVICTED: &str = "Evicted";

/// The state of a shard whose Job somebody deleted.
pub(super) const DELETED: &str = "Deleted";

/// The state of a shard that was given up and not seen to end.
const LOST: &str = "Lost";

/// The status of one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardStatus {
    /// Its id in the ledger.
    pub id: u32,
    /// The member that has it.
    pub cluster: String,
    /// The name of its Job there.
    pub name: String,
    /// The uid of its Job, once it is known.
    pub uid: Option<String>,
    /// Pending, Suspended, Queued, Evicted, Running, Complete, Stopped, Failed, Expired, Deleted,
    /// Lost, Unknown, Forbidden, or Unauthorized.
    pub state: &'static str,
    /// Its parallelism, and its completions less what was credited.
    pub share: Size,
    /// What its Job said when it was last seen.
    pub seen: Seen,
    /// What it achieved.
    pub achieved: i32,
    /// Completions that were credited to it.
    pub credited: i32,
    /// The queue that it waits in, if it is Queued or Evicted; empty for none.
    pub queue: Option<String>,
    /// Its own indexes, of an Indexed Job.
    pub indexes: Option<Indexes>,
    /// Until when its Job runs without contact, in seconds since 1970; none if not known.
    pub lease_until: Option<i64>,
    /// Why nothing is known of it now, where its member does not answer.
    pub unknown: Option<String>,
    /// How its member keeps this user out, where it answered that: then nothing is known, too.
    pub denial: Option<Denial>,
    /// Whether nothing is known of it because its member gives no answer at all.
    pub silent: bool,
    /// Why its member refused an action of this run, or to create its Job in an earlier one.
    pub refused: Option<String>,
    /// What it waits for before the rest of an action can be done.
    pub waiting: Option<String>,
    /// Whether somebody removed our labels from its Job, so that it is not changed or deleted (G6).
    pub left_alone: bool,
    /// What its cluster changed of its Job when it answered the last write of this run: one
    /// sentence for each difference from what was sent.
    pub altered: Vec<String>,
}

impl ShardStatus {
    /// The status of one shard by the record and the observations.
    pub(super) fn new(record: &Record, id: u32, observations: &Observations) -> Self {
        let shard = &record.shards[&id];
        let seen = shard.seen.clone().unwrap_or_default();
        // A shard that has ended needs no answer, unless it is to be deleted. Nobody waits for a
        // lost one.
        let needs_answer =
            !shard.is_lost() && (!shard.phase.ended() || record.state.deleting.is_some());
        let unknown = observations.unknown(shard).filter(|_| needs_answer);
        let is_never_made = shard.phase == Phase::Planned && record.state.outcome.is_some();
        let denial = observations.denial(shard).filter(|_| unknown.is_some());
        // What an earlier run was refused keeps the shard Pending still.
        let refused = observations.refused(&shard.cluster, id).or(shard.refusal.as_deref());
        let state = if shard.is_lost() {
            LOST
        } else if shard.stopped() || (is_never_made && unknown.is_none()) {
            "Stopped"
        } else if let (Some(denial), true) = (denial, !shard.phase.ended()) {
            denial.as_str()
        } else if unknown.is_none() && waits_in_queue(record, shard) {
            if seen.admitted.is_some() { EVICTED } else { QUEUED }
        } else if shard.has_expired() {
            "Expired"
        } else {
            word_of_shard(shard.phase, seen.suspended, unknown.is_some())
        };
        Self {
            id,
            cluster: shard.cluster.clone(),
            name: record.job_name(id).to_owned(),
            uid: shard.uid.clone(),
            state,
            share: shard.share(),
            achieved: shard.achieved(),
            credited: shard.credited,
            queue: observations.queue(shard, id).filter(|_| [QUEUED, EVICTED].contains(&state)),
            indexes: shard.indexes.clone(),
            lease_until: shard.lease.as_ref().filter(|_| !shard.is_over()).and_then(|it| it.until),
            waiting: observations
                .waiting(&shard.cluster, id)
                .or_else(|| observations.withheld(shard))
                .map(str::to_owned),
            left_alone: observations.is_left_alone(record, id),
            silent: unknown.is_some() && observations.is_silent(shard),
            denial,
            seen,
            unknown,
            refused: refused.map(str::to_owned),
            altered: observations.altered(&shard.cluster, id).to_vec(),
        }
    }

    /// Whether its cluster was declared lost, so that others do its share.
    pub fn is_lost(&self) -> bool {
        self.state == LOST
    }

    /// Whether it was released to its queue, and its cluster has not admitted it, or has evicted
    /// it.
    pub fn waits_in_queue(&self) -> bool {
        [QUEUED, EVICTED].contains(&self.state)
    }

    pub(super) fn to_value(&self) -> Value {
        let mut value = counts(&[
            ("active", self.seen.active),
            ("succeeded", self.achieved),
            ("failed", self.seen.failed),
            ("credited", self.credited),
        ]);
        let mut put = |field: &str, of_shard: Value| value.insert(field.to_owned(), of_shard);
        put("cluster", self.cluster.as_str().into());
        put("name", self.name.as_str().into());
        put("state", self.state.into());
        put("parallelism", self.share.parallelism.into());
        if let Some(completions) = self.share.completions {
            put("completions", completions.into());
        }
        let uid = self.uid.as_deref().map(Value::from);
        let indexes = self.indexes.as_ref().map(|indexes| Value::from(indexes.to_string()));
        let until = self.lease_until.map(time);
        let queue = self.queue.as_deref().filter(|queue| !queue.is_empty()).map(Value::from);
        let texts = [("uid", uid), ("queue", queue), ("indexes", indexes), ("leaseUntil", until)];
        texts
            .into_iter()
            .filter_map(|(field, of_shard)| Some((field, of_shard?)))
            .for_each(|(field, of_shard)| drop(put(field, of_shard)));
        let why = self.unknown.as_ref().or(self.refused.as_ref()).or(self.waiting.as_ref());
        let left_alone = self.left_alone.then_some(LEFT_ALONE);
        if let Some(why) = why.map(String::as_str).or(left_alone) {
            put("message", why.into());
        }
        Value::Object(value)
    }
}

fn word_of_shard(phase: Phase, suspended: bool, unknown: bool) -> &'static str {
    match phase {
        Phase::Complete => "Complete",
        Phase::Failed => "Failed",
        Phase::Deleted => DELETED,
        _ if unknown => "Unknown",
        Phase::Planned => "Pending",
        Phase::Created | Phase::Started if suspended => "Suspended",
        Phase::Created | Phase::Started => "Running",
    }
}
