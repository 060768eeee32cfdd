//! The status of one shard; pure.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fields::{completions, counts, submitted, time},
    meddling::{Meddling, job_of},
    predicates::waits_in_queue,
};
use crate::{
    cluster::Denial,
    job::{Indexes, Size},
    reconcile::observe::Observations,
    state::{Phase, Record, Seen, Shard},
};

/// The state of a shard whose Job has done all of its share.
const COMPLETE: &str = "Complete";

/// The state of a shard that is in no record yet.
pub(super) const FORESEEN: &str = "Foreseen";

/// The state of a shard that its cluster has not admitted.
const QUEUED: &str = "Queued";

/// The state of a shard that its cluster had admitted, and has stopped.
const EVICTED: &str = "Evicted";

/// The state of a shard whose Job somebody deleted.
pub(super) const DELETED: &str = "Deleted";

/// The state of a shard that was given up and not seen to end.
const LOST: &str = "Lost";

/// The times of a shard's Job by the host's clock, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobTimes {
    /// When it was created; none where its cluster does not say.
    pub created: Option<Timestamp>,
    /// When it started; none where it has ended, and nobody knows when.
    pub start: Option<Timestamp>,
    /// When it ended.
    pub end: Option<Timestamp>,
}

impl JobTimes {
    /// What the Job says; of a start and an end, else what the record has.
    fn new(shard: &Shard, id: u32, observations: &Observations) -> Self {
        let seen = shard.seen.as_ref();
        let job = job_of(shard, id, observations);
        let host_time = |at: Option<i64>| {
            let at = observations.clocks.host_time(&shard.cluster, at?);
            Timestamp::from_second(at).ok()
        };
        let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        let start = second(job.and_then(|job| job.start));
        let end = second(job.and_then(|job| job.end.as_ref()?.at));
        let start = host_time(start.or(seen.and_then(|seen| seen.start)));
        let end = host_time(end.or(seen.and_then(|seen| seen.end)));
        // What has ended at a time that nobody knows does not run on.
        let runs = end.is_some() || !shard.phase.ended();
        let created = host_time(second(job.and_then(|job| job.created)));
        Self { created, start: start.filter(|_| runs), end }
    }
}

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
    /// When its Job was created, started and ended.
    pub times: JobTimes,
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
    /// What somebody did to its Job in its cluster, and that is not undone.
    pub meddling: Option<Meddling>,
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
                .map(str::to_owned)
                .or_else(|| observations.overdue.get(&id).map(|since| awaits_its_end(*since))),
            meddling: Meddling::of(record, id, observations, refused.is_some()),
            silent: unknown.is_some() && observations.is_silent(shard),
            denial,
            times: JobTimes::new(shard, id, observations),
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

    /// Its completions, as kubectl prints them for a Job. The share of a lost shard is that of
    /// others by now.
    pub fn completions(&self) -> String {
        if self.is_lost() {
            return self.achieved.to_string();
        }
        completions(self.share, self.achieved)
    }

    /// Why it is not as it should be, if it says so.
    pub fn message(&self) -> Option<&str> {
        let why = self.unknown.as_ref().or(self.refused.as_ref()).or(self.waiting.as_ref());
        why.map(String::as_str).or(self.meddling.map(Meddling::as_str))
    }

    /// Whether somebody keeps its Job from running pods in its cluster.
    pub fn is_halted(&self) -> bool {
        self.meddling.is_some_and(Meddling::halts)
    }

    /// The federated Job as far as this shard is it: the spec with the shard's share, and the
    /// status of the shard.
    pub fn to_job(&self, record: &Record) -> Value {
        let mut job = submitted(record);
        let at = |at: Option<Timestamp>| at.map(|at| time(at.as_second()));
        job["metadata"]["name"] = self.name.as_str().into();
        job["metadata"]["uid"] = self.uid.as_deref().into();
        job["metadata"]["creationTimestamp"] = at(self.times.created).into();
        job["spec"]["parallelism"] = self.share.parallelism.into();
        if let Some(completions) = self.share.completions {
            job["spec"]["completions"] = completions.into();
        }
        job["status"] = self.to_value();
        let end = self.times.end.filter(|_| self.state == COMPLETE);
        for (field, time) in [("startTime", self.times.start), ("completionTime", end)] {
            if let Some(time) = at(time) {
                job["status"][field] = time;
            }
        }
        job
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
        if let Some(why) = self.message() {
            put("message", why.into());
        }
        Value::Object(value)
    }
}

/// Why a shard does not go on whose lease has passed.
fn awaits_its_end(since: i64) -> String {
    let since = Timestamp::from_second(since).unwrap_or_default();
    format!(
        "its lease has passed at {since}, and the Job controller of its cluster has yet to end its \
         job. Then its work is opened again"
    )
}

fn word_of_shard(phase: Phase, suspended: bool, unknown: bool) -> &'static str {
    match phase {
        Phase::Complete => COMPLETE,
        Phase::Failed => "Failed",
        Phase::Deleted => DELETED,
        _ if unknown => "Unknown",
        Phase::Planned => "Pending",
        Phase::Created | Phase::Started if suspended => "Suspended",
        Phase::Created | Phase::Started => "Running",
    }
}
