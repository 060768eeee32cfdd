//! The ledger: what each shard was given to do, and what it was last seen to have done.

use serde::{Deserialize, Serialize};

use super::{Adoption, Seen};
use crate::{
    job::{Changes, Indexes, Lacks, Lease, Observed, Owner, Size, is_zero},
    seams::{self, Defect},
};

/// One entry of the ledger: one Job in one member.
///
/// The entry is written before its Job is created, and stays after its Job has ended. The methods
/// define the quantities of the ledger; docs/concepts.md has them in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any may be true")]
pub struct Shard {
    /// The member's name in the registry.
    pub cluster: String,
    /// The uid of the cluster that the member's name stood for when the shard was planned. A shard
    /// is only in a member that still has this uid. None in a record of version 1, until the uid is
    /// filled from the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// The name of its Job. None if that is the federated Job's own name, which the first shard in
    /// a member has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `spec.parallelism` of its Job; 0 or more.
    pub parallelism: i32,
    /// The completions that it was planned with; 0 or more, and none for a work queue. It never
    /// changes, because `spec.completions` of a Job is immutable: work is taken off by a credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    /// Of an Indexed Job, the indexes that are its own. Credited indexes are removed from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Indexes>,
    /// Completions that have been taken off it, as its Job's annotation was last seen to say; 0 or
    /// more. It never falls. For a work queue it is 1 once the queue was told to end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credited: i32,
    /// Completions that are to be taken off it in all; `credit_target >= credited`. It never falls.
    /// The shard may end before all of it could be credited, because pods that run are not touched.
    #[serde(default, alias = "credit", skip_serializing_if = "is_zero")]
    pub credit_target: i32,
    /// Whether its Job is to be stopped. It keeps what it achieved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// Whether other shards may do what is left of it, although somebody deleted its Job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// Set once its cluster was declared lost: what it was seen to have achieved by then, 0 or
    /// more. Others do the rest, which may run twice. If its cluster answers again, the shard is
    /// stopped and keeps what it has achieved. It never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<i32>,
    /// The number of the current version of its Job's spec, from 1. The Job has the number of the
    /// version that it was last given in an annotation.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub generation: i32,
    /// Which generation last changed what of the spec. None where the last one may have changed
    /// all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// The generation in which an edit last changed its Job's template; 0 if none has. The Job has
    /// the number of the edit that its template has in an annotation of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub template_generation: i32,
    /// `spec.activeDeadlineSeconds` of its Job. None if it is the federated Job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// The lease that it was planned with, whatever becomes of the member's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Until this second, `status.startTime` of its Job is from before the last resume. The
    /// deadline of the whole Job does not count from such a start. A Job keeps its old `startTime`
    /// if its member was unreachable during the suspension.
    #[serde(default, alias = "oldStart", skip_serializing_if = "Option::is_none")]
    pub start_before_resume: Option<i64>,
    /// Whether its cluster decides when its Job runs: a queueing system owns `spec.suspend`. It
    /// never changes once the Job is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// How far its adoption has come, if its Job was there before the federated Job was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<Adoption>,
    /// Whether what is left of it may have been done since the backup from which its record was
    /// restored: nothing was seen of it since, or it had ended and its work was held back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
    /// Whether only Jobs of other shards say that it has ended, as far as the record knows. It is
    /// believed until its own cluster has been listed, which may have its Job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// Which other federated Job has taken its Job over, if one has. A record in which that was
    /// noted by an early version lacks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_by: Option<Owner>,
    /// How far it got.
    pub phase: Phase,
    /// Why its member refused to create its Job, or to change the Job's template, when that was
    /// last tried, at most `REFUSAL_ROOM` bytes. None once that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// The uid of its Job, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The status of its Job when it was last seen changed. None before it is first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// Room in the ledger for the refusal of a member, in bytes. A shard that has ended has none, and
/// needs as much room for its Job's uid and end.
const REFUSAL_ROOM: usize = 120;

/// How far a shard got. It only moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Its Job is to be created. It may exist already, but has run nothing.
    Planned,
    /// Its Job exists, its uid is recorded, and it is suspended: it has not been started yet.
    Created,
    /// Its Job was started.
    Started,
    /// Its Job is Complete.
    Complete,
    /// Its Job is Failed.
    Failed,
    /// Somebody else deleted its Job before it ended. It is not created again unless the user asks
    /// for it.
    Deleted,
}

impl Phase {
    /// Whether the shard has ended: nothing more happens in it.
    pub fn ended(self) -> bool {
        self >= Self::Complete
    }

    /// Whether its Job is known to exist and has not ended.
    pub fn live(self) -> bool {
        matches!(self, Self::Created | Self::Started)
    }
}

fn one() -> i32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(n: &i32) -> bool {
    *n == 1
}

impl Shard {
    /// A new entry for work that is to be given to a member. The uid of its cluster is set by
    /// [`Record::name_clusters`](super::Record::name_clusters) before the entry is written.
    pub fn planned(cluster: &str, share: Size) -> Self {
        Self {
            cluster: cluster.to_owned(),
            cluster_uid: None,
            name: None,
            parallelism: share.parallelism,
            completions: share.completions,
            indexes: None,
            credited: 0,
            credit_target: 0,
            retired: false,
            reopened: false,
            given_up: None,
            generation: 1,
            changes: None,
            template_generation: 0,
            active_deadline_seconds: None,
            lease: None,
            start_before_resume: None,
            queued: false,
            adoption: None,
            restored: false,
            told: false,
            taken_by: None,
            phase: Phase::Planned,
            refusal: None,
            uid: None,
            seen: None,
        }
    }

    /// A new entry for a set of indexes of an Indexed Job.
    pub fn planned_indexes(cluster: &str, parallelism: i32, indexes: Indexes) -> Self {
        let share = Size { parallelism, completions: Some(indexes.len()) };
        Self { indexes: Some(indexes), ..Self::planned(cluster, share) }
    }

    /// Whether it was given to the cluster with this uid. A shard of version 1, whose uid is not
    /// known, counts as given to it.
    pub fn is_in(&self, uid: &str) -> bool {
        self.cluster_uid.as_deref().is_none_or(|own| own == uid)
    }

    /// What it has to do itself, in all. Its completions are `completions − credited`, at least 0;
    /// a work queue has none.
    pub fn share(&self) -> Size {
        let completions = self.completions.map(|completions| (completions - self.credited).max(0));
        Size { parallelism: self.parallelism, completions }
    }

    /// Whether its Job is Complete because work was taken off it: it was to be stopped, or has done
    /// nothing.
    pub fn stopped(&self) -> bool {
        let taken = self.phase == Phase::Complete && self.credited > 0;
        taken && (self.retired || self.achieved() == 0)
    }

    /// What it has done itself, as far as is known: `min(succeeded, completions) − credited`, at
    /// least 0. `succeeded` is `status.succeeded` of its Job, which includes what was credited and
    /// can exceed the completions. Of an Indexed Job it is the number of its own indexes that
    /// `status.completedIndexes` has; of a work queue, `succeeded − credited`.
    pub fn achieved(&self) -> i32 {
        let Some(seen) = &self.seen else { return 0 };
        match (&self.indexes, self.completions) {
            (Some(own), _) => seen.completed.both(own).len(),
            (None, Some(completions)) => (seen.succeeded.min(completions) - self.credited).max(0),
            (None, None) => (seen.succeeded - self.credited).max(0),
        }
    }

    /// Whether its cluster was declared lost, and it has not been seen to end since.
    pub fn is_lost(&self) -> bool {
        self.given_up.is_some() && !self.phase.ended()
    }

    /// Whether the federated Job waits for it no more: it has ended, or is lost.
    pub fn is_over(&self) -> bool {
        self.given_up.is_some() || self.phase.ended()
    }

    /// Whether others do what is left of it, so that its failure is none of the federated Job.
    pub fn is_replaced(&self) -> bool {
        self.given_up.is_some() || self.has_expired()
    }

    /// How many of its pods have failed, without those that its lease has ended.
    pub fn failed_pods(&self) -> i32 {
        let ended = self.lease.as_ref().and_then(|lease| lease.ended_pods).unwrap_or(0);
        self.seen.as_ref().map_or(0, |seen| seen.failed - ended)
    }

    /// Lets others do what it was not seen to have done, because its cluster was declared lost. It
    /// is stopped once its cluster answers. Its pods are not known to run any more.
    pub(super) fn give_up(&mut self) {
        self.given_up = Some(self.achieved());
        (self.retired, self.reopened) = (true, true);
        if let Some(seen) = &mut self.seen {
            seen.active = 0;
        }
    }

    /// What no other shard has to do: `share`, or `min(achieved, share)` if it is Failed, Deleted
    /// or lost. 0 for a work queue.
    pub fn carried(&self) -> i32 {
        let share = self.share().completions.unwrap_or(0);
        if self.leaves_its_rest() { self.achieved().min(share) } else { share }
    }

    /// Whether others do what is left of it.
    fn leaves_its_rest(&self) -> bool {
        let is_early = self.retired && seams::has(Defect::OpenBeforeStopped);
        self.is_lost() || matches!(self.phase, Phase::Failed | Phase::Deleted) || is_early
    }

    /// Of an Indexed Job, the indexes that no other shard has to do: its own, or the completed ones
    /// among them if it is Failed, Deleted or lost. Their number is [`Shard::carried`].
    pub fn carried_indexes(&self) -> Indexes {
        let own = self.indexes.clone().unwrap_or_default();
        match &self.seen {
            _ if !self.leaves_its_rest() => own,
            Some(seen) => seen.completed.both(&own),
            None => Indexes::default(),
        }
    }

    /// Pods that run in it: `status.active` of its Job, as far as is known.
    pub fn active(&self) -> i32 {
        self.seen.as_ref().map_or(0, |seen| seen.active)
    }

    /// What it still has to do: `share − achieved`. 0 if it has ended or is lost, and for a work
    /// queue.
    pub fn remaining(&self) -> i32 {
        if self.is_over() {
            0
        } else {
            self.share().completions.map_or(0, |share| share - self.achieved())
        }
    }

    /// What is still to be taken off it: `min(credit_target − credited, remaining)`, at least 0.
    pub fn outstanding(&self) -> i32 {
        (self.credit_target - self.credited).clamp(0, self.remaining())
    }

    /// What remains in it once that is taken off: `remaining − outstanding`.
    pub fn retained(&self) -> i32 {
        self.remaining() - self.outstanding()
    }

    /// What can be taken off it without touching a pod that runs: `retained − active`, at least 0.
    pub fn unstarted(&self) -> i32 {
        (self.retained() - self.active()).max(0)
    }

    /// Whether somebody else took work off it, which is held back until users say that it is to run
    /// again: its Job was deleted, or ended without some of the shard's indexes although none of
    /// these failed.
    pub fn is_cut_short(&self) -> bool {
        match self.phase {
            Phase::Deleted => true,
            Phase::Failed => !self.missing_indexes().is_empty(),
            _ => false,
        }
    }

    /// Of an Indexed Job, the indexes of an ended shard that neither succeeded nor failed for good.
    pub fn missing_indexes(&self) -> Indexes {
        let (Some(own), Some(seen)) = (&self.indexes, &self.seen) else {
            return Indexes::default();
        };
        own.without(&seen.completed).without(&seen.failed_indexes)
    }

    /// How many of its indexes have failed for good: no pod runs for them any more.
    pub fn failed_indexes(&self) -> i32 {
        self.seen.as_ref().map_or(0, |seen| seen.failed_indexes.len())
    }

    /// Records why its member refused to create its Job.
    pub fn refuse(&mut self, why: &str) {
        self.refusal = Some(why[..why.floor_char_boundary(REFUSAL_ROOM)].to_owned());
    }

    /// Marks its Job's spec as changed: the next reconcile writes all of it, and resumes a Job that
    /// is to run.
    pub fn change(&mut self) {
        self.generation = self.generation.saturating_add(1);
        self.changes = None;
    }

    /// Changes how many pods its Job may run, and marks that as changed. Nothing else of the Job is
    /// written for it.
    pub fn set_parallelism(&mut self, pods: i32) {
        if self.parallelism != pods {
            self.parallelism = pods;
            let (changes, generation) = self.change_part();
            changes.parallelism = generation;
        }
    }

    /// Marks the `activeDeadlineSeconds` of its Job as changed. Nothing else of the Job is written
    /// for it.
    pub fn change_deadline(&mut self) {
        let (changes, generation) = self.change_part();
        changes.deadline = generation;
    }

    /// Begins a new generation, which is given, that does not change all of the spec.
    fn change_part(&mut self) -> (&mut Changes, i32) {
        let before = self.generation;
        self.generation = before.saturating_add(1);
        (self.changes.get_or_insert(Changes::all(before)), self.generation)
    }

    /// What a Job of this shard lacks of the changes of its spec.
    pub fn lacks(&self, job: &Observed) -> Lacks {
        let changes = self.changes.unwrap_or(Changes::all(self.generation));
        changes.lacked_by(job.generation)
    }

    /// Marks its Job's spec as changed, and its template too.
    pub fn change_template(&mut self) {
        self.change();
        self.template_generation = self.generation;
    }

    /// Whether a Job of this shard lacks the last edit of the template.
    pub fn awaits_template(&self, job: &Observed) -> bool {
        !self.phase.ended() && job.template_generation < self.template_generation
    }

    /// Marks its Job as deleted by somebody else. What it achieved stays; none of its pods run.
    pub fn delete(&mut self) {
        self.phase = Phase::Deleted;
        self.refusal = None;
        if let Some(seen) = &mut self.seen {
            seen.active = 0;
        }
    }

    /// Checks that the entry is one that this program can have written.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let counts = [self.parallelism, self.credited, self.credit_target, self.generation];
        if counts.into_iter().chain(self.completions).any(|count| count < 0) {
            return Err("a count is negative");
        }
        if self.indexes.as_ref().is_some_and(|own| self.share().completions != Some(own.len())) {
            return Err("its indexes are not as many as its completions");
        }
        if self.lease.as_ref().is_some_and(|lease| !lease.is_valid()) {
            return Err("its lease is none");
        }
        match (self.phase, &self.uid) {
            (Phase::Planned, Some(_)) => Err("it is planned, and has a uid already"),
            (Phase::Planned, None) | (_, Some(_)) => Ok(()),
            (_, None) => Err("its Job was made, and has no uid"),
        }
    }

    /// Records what its Job says.
    ///
    /// Successes, failures and credits never fall, because what the Job is seen to say may be older
    /// than what is recorded. `at` moves only if something else changed, so that observing the same
    /// Job twice writes nothing.
    pub fn see(&mut self, job: &Observed, now: i64) {
        match &mut self.indexes {
            Some(own) => {
                let taken = own.both(&job.credited_indexes());
                self.credited += taken.len();
                *own = own.without(&taken);
            }
            None => self.credited = self.credited.max(job.credited_count()),
        }
        self.credit_target = self.credit_target.max(self.credited);
        self.queued |= job.queue.is_some();
        if !self.awaits_template(job) || job.end.is_some() {
            self.refusal = None;
        }
        let own = self.indexes.clone().unwrap_or_default();
        let seen = Seen::of(job, &own, self.seen.as_ref(), now);
        let before = self.seen.as_ref().and_then(|before| before.start);
        // Since 1.36 a suspension clears the start. What was read before must not be taken for a
        // start after the resume.
        if let (Some(start), None, None) = (before, seen.start, &job.end) {
            self.start_before_resume = self.start_before_resume.max(Some(start));
        }
        self.seen = Some(seen);
    }

    /// This entry as long as it can become, without its sets of indexes. `seed` differs from entry
    /// to entry, so that they are no more alike than those of real Jobs when they are compressed.
    pub(super) fn grown(&self, seed: u32) -> Self {
        let most = self.completions.unwrap_or(self.parallelism).max(9_999);
        let mut state = u64::from(seed);
        let mut noise = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        };
        let mut uid = || Some(uuid::Uuid::from_u64_pair(noise(), noise()).to_string());
        let (cluster_uid, job_uid) = (uid(), uid());
        // Numbers of as many digits.
        let mut below = |most: i64| most - (noise() % (most as u64 / 2)) as i64;
        let [succeeded, failed, given_up] = [most; 3].map(|most| below(i64::from(most)) as i32);
        let [end, at] = [9_999_999_999; 2].map(below);
        Self {
            generation: 99,
            changes: Some(Changes::grown(99)),
            template_generation: 99,
            given_up: Some(given_up),
            lease: self.lease.as_ref().map(Lease::grown),
            cluster_uid,
            queued: true,
            phase: Phase::Complete,
            indexes: self.indexes.as_ref().map(|_| Indexes::default()),
            refusal: None,
            uid: job_uid,
            seen: Some(Seen {
                active: 0,
                succeeded,
                failed,
                completed: Indexes::default(),
                failed_indexes: Indexes::default(),
                suspended: false,
                start: None,
                end: Some(end),
                foreign_ttl: None,
                admitted: None,
                at,
            }),
            ..self.clone()
        }
    }
}
