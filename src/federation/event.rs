//! What a request says while it is carried out.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{dry_run_strategy::DryRun, error::Error, kept::Kept, key::Key, refusals::Place};
use crate::{
    job::{LostLimit, Manifest},
    reconcile::{Done, Inspection, Meddling, ShardStatus, Status},
    state::{Lacking, Record, Shard},
};

/// Hears what a request says while it is carried out, in the order in which it happens.
pub trait Observer: Sync {
    /// Something happened.
    fn notify(&self, event: Event<'_>);

    /// The same, about the Job at this place among those that are settled side by side. The first
    /// has the place 0. What is told of a Job comes after all that is told of those before it,
    /// unless they are slow.
    fn notify_of(&self, _place: usize, event: Event<'_>) {
        self.notify(event);
    }

    /// Nothing more happens to the Job at this place.
    fn settled(&self, _place: usize) {}

    /// Jobs are settled side by side for a while already; comes again and again.
    fn goes_on(&self) {}

    /// No Jobs are settled side by side any more. Where they were cut off, what has happened to
    /// those that wait for their turn is told now.
    fn all_settled(&self) {}

    /// The time of a wait is over while clusters are asked. Those that have not answered for a
    /// while are told, but for these, of which that was told before.
    fn time_is_over(&self, _told: &BTreeSet<String>) {}

    /// Whether it wants to know, of Jobs that are waited for, what keeps them from going on.
    fn wants_reasons(&self) -> bool {
        false
    }
}

/// A Job that is waited for.
#[derive(Debug)]
pub struct Waited<'a> {
    /// The Job.
    pub record: &'a Record,
    /// How it stands.
    pub status: &'a Status,
    /// What keeps it from going on; empty where nobody wants to know.
    pub inspection: Inspection,
}

/// Nobody hears it.
impl Observer for () {
    fn notify(&self, _: Event<'_>) {}
}

/// What takes a while, and is done in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Shards are created and started: two steps each.
    Creating,
    /// Shards are deleted: one step each.
    Deleting,
    /// Jobs are reconciled.
    Reconciling,
    /// Records are written on a host, one after another.
    Recording,
}

/// Where a context leads that does not lead to its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadsTo<'a> {
    /// Nowhere: there is no such context.
    Nothing,
    /// To a cluster that is registered by this name.
    Member(&'a str),
    /// To the host, which is no member.
    Host,
    /// To a cluster that was a member by this name, and is none any more. It is no successor of a
    /// member: another cluster may have its name by now.
    Former(&'a str),
    /// To a cluster that the federation does not know. It may be the member's successor.
    Stranger,
}

/// What becomes of the edits that a Job had on a host that was used again.
#[derive(Debug, Clone, PartialEq)]
pub enum LateEdit {
    /// There were none.
    None,
    /// They are taken over, in place of this manifest.
    Taken(Manifest),
    /// This manifest is not taken over: the Job has ended, or was edited on both hosts.
    Left(Manifest),
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Its work is being given to others.
    Draining,
    /// Its work was given to others.
    Drained,
    /// What it was not seen to have done is given up.
    Lost,
}

impl Became {
    /// The word for it, a participle.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Lost => "declared lost",
        }
    }
}

/// Something that happened while a request was carried out.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A new Job was divided: the record says what each member is to get.
    Planned(&'a Record),
    /// A container of an Indexed Job sets the index's variable itself, at this path.
    OwnIndex {
        /// The Job.
        record: &'a Record,
        /// The path of the environment entry.
        path: &'a str,
    },
    /// A limit of the Job does not hold in its clusters.
    LostLimit {
        /// The Job.
        record: &'a Record,
        /// The limit.
        limit: LostLimit,
    },
    /// A queue decides when the Job runs, so it gets no lease in these members, which give leases.
    NoLease {
        /// The Job.
        record: &'a Record,
        /// The members.
        clusters: &'a BTreeSet<String>,
    },
    /// These members take work, and none of the Job: its pods may run longer than their leases.
    ShortLease {
        /// The Job.
        record: &'a Record,
        /// The members.
        clusters: &'a BTreeSet<String>,
    },
    /// The servers of these members would drop a field without a word.
    Dropped {
        /// The Job.
        record: &'a Record,
        /// The field's path.
        path: &'a str,
        /// The members.
        clusters: &'a BTreeSet<String>,
    },
    /// These members do not know a field, and drop it, which the user lets them.
    UnknownField {
        /// What they say: `unknown field "spec.x"`.
        field: &'a str,
        /// The members.
        clusters: &'a BTreeSet<String>,
    },
    /// A member could not be asked about any of its Jobs. It is said of the member, and not of each
    /// Job.
    Silent {
        /// The member.
        cluster: &'a str,
        /// Why.
        why: &'a str,
    },
    /// What is in a member is left as it is.
    Unasked {
        /// The Job.
        record: &'a Record,
        /// The member.
        cluster: &'a str,
        /// Why.
        why: &'a str,
    },
    /// Work begins on all shards of a Job.
    Began(Work, &'a Record),
    /// So many Jobs of a request about several are done, of so many, and the one of this name is
    /// next.
    Turn(Work, &'a str, usize, usize),
    /// One action was taken in a member; told as it happens, in no certain order.
    Acted(&'a Done),
    /// The work that began has ended, for better or worse.
    Ended,
    /// What was, or would be, done in members, in order.
    Done(&'a [Done], DryRun),
    /// A Job was created.
    Created(&'a Record, DryRun),
    /// Jobs were adopted: their federated Job.
    Adopted(&'a Record, DryRun),
    /// The record of a change is about to be written.
    Recording(&'a Record),
    /// The record of a change is written. Whatever happens now, a reconcile finishes the change.
    Recorded(&'a Record),
    /// A Job was changed: as it was, and as it is to be.
    Changed {
        /// The record before.
        before: &'a Record,
        /// The record after.
        after: &'a Record,
        /// Whether it was.
        dry_run: DryRun,
    },
    /// The record of a Job was rebuilt.
    Recovered(&'a Record),
    /// The record of a Job was restored from a backup.
    Restored(&'a Record),
    /// What was asked for is so already.
    Unchanged(&'a Record, DryRun),
    /// An earlier request was interrupted, and a reconcile finishes it.
    Unfinished(&'a Record),
    /// As much has succeeded as is asked for by now, or more: the Job is complete.
    Surplus {
        /// The Job.
        record: &'a Record,
        /// How many completions have succeeded.
        succeeded: i32,
        /// How many are asked for.
        asked: i32,
        /// How many running pods are stopped because of it.
        stopped: i32,
    },
    /// How a Job stands after a request; some of its work may be unplaced.
    Stands(&'a Record, &'a Status),
    /// The member of a shard refused what was asked.
    ShardFailed {
        /// The Job.
        record: &'a Record,
        /// The shard.
        shard: &'a ShardStatus,
        /// Why.
        why: &'a str,
    },
    /// A member has not been listed since a record was recovered, restored or moved: it may have
    /// shards of the Job, and none is opened elsewhere.
    Unlisted {
        /// The member.
        cluster: &'a str,
        /// Why it was not listed.
        why: &'a str,
    },
    /// A record that was recovered or restored took a newer manifest from the Jobs in a member.
    ManifestTaken {
        /// The record before.
        before: &'a Record,
        /// The record after.
        after: &'a Record,
        /// The member.
        cluster: &'a str,
    },
    /// Members keep different manifests of one edit, and none of them is taken.
    Disputed {
        /// The Job.
        record: &'a Record,
        /// The number of the edit.
        edit: u32,
        /// The members.
        clusters: &'a BTreeSet<String>,
    },
    /// A shard waits for something before the rest of what is to be done there can be done.
    ShardWaits {
        /// The Job.
        record: &'a Record,
        /// The shard.
        shard: &'a ShardStatus,
        /// What it waits for.
        why: &'a str,
    },
    /// Somebody did something to a shard's Job in its cluster, and that is not undone.
    ShardMeddled {
        /// The federated Job.
        record: &'a Record,
        /// The shard.
        shard: &'a ShardStatus,
        /// What they did.
        how: Meddling,
        /// Where its Job is.
        place: &'a Place,
    },
    /// A member changed a shard's Job when it answered a write.
    ShardAltered {
        /// The Job.
        record: &'a Record,
        /// The shard.
        shard: &'a ShardStatus,
        /// What is different from what was sent, a sentence.
        difference: &'a str,
    },
    /// The context by which this user reaches a member does not lead to it.
    ContextAstray {
        /// The member's name.
        cluster: &'a str,
        /// The context.
        context: &'a str,
        /// Where it leads.
        leads_to: LeadsTo<'a>,
    },
    /// Work was credited to a Job on a server whose version of Kubernetes is not tested.
    UntestedServer {
        /// The member's name.
        cluster: &'a str,
        /// The server's version, such as `v1.29.4`.
        version: &'a str,
    },
    /// The host's clock differs from the local one by more than is tolerated.
    HostClockDiffers {
        /// Its name.
        host: &'a str,
        /// By how many seconds the host's clock is ahead; negative where it is behind.
        ahead: i64,
    },
    /// A member's clock differs from the host's by more than is tolerated.
    MemberClockDiffers {
        /// Its name.
        cluster: &'a str,
        /// By how many seconds the member's clock is ahead; negative where it is behind.
        ahead: i64,
    },
    /// A Job was reconciled; `changed` says whether there was anything to do.
    Reconciled {
        /// The Job.
        record: &'a Record,
        /// How it stands.
        status: &'a Status,
        /// Whether anything was written or done.
        changed: bool,
    },
    /// A member was changed in the registry.
    MemberChanged {
        /// The member.
        cluster: &'a str,
        /// What it is now.
        what: Became,
        /// Whether it was not so already.
        changed: bool,
    },
    /// How far a drain is.
    Draining {
        /// The member.
        cluster: &'a str,
        /// How many shards there have not ended.
        shards: usize,
        /// How many pods of them are pending or running; none where the member does not answer.
        pods: Option<i32>,
        /// The work queues that go on there until they end.
        queues: &'a BTreeSet<Key>,
    },
    /// What a cluster that was declared lost was not seen to have done is done by others.
    GivenUp {
        /// The Job.
        record: &'a Record,
        /// The member.
        cluster: &'a str,
        /// How much, a phrase such as `6 completions of cluster west`.
        work: &'a str,
    },
    /// The lease of a shard is over, and nobody reaches its cluster: others do its work.
    LeaseOver {
        /// The Job.
        record: &'a Record,
        /// How much, where, and since when, a phrase such as
        /// `6 completions of cluster west since 2026-11-28T12:00:00Z`.
        work: &'a str,
    },
    /// The lease of a shard has ended its Job, because no command renewed it in time.
    Expired {
        /// The federated Job.
        record: &'a Record,
        /// The shard's id.
        id: u32,
        /// The member.
        cluster: &'a str,
    },
    /// A shard that was given up has ended: its cluster answers again.
    Returned {
        /// The Job.
        record: &'a Record,
        /// The shard, which says what it had achieved when it was given up.
        shard: &'a Shard,
    },
    /// More has succeeded twice because a cluster was declared lost, or it is known now that
    /// nothing more has ([`Record::knows_what_ran_twice`]).
    RanTwice {
        /// The Job.
        record: &'a Record,
    },
    /// More pods may run than were asked for: each shard that has something to do keeps one.
    Crowded {
        /// The Job.
        record: &'a Record,
        /// How many pods may run.
        pods: i32,
        /// How many were asked for.
        asked: i32,
        /// Whether that is so, or would be.
        dry_run: DryRun,
    },
    /// How a Job would stand after a request.
    Foreseen(&'a Record, &'a Status, DryRun),
    /// A cluster that was declared lost answers again, and still gets no new work.
    LostAnswers {
        /// The member.
        cluster: &'a str,
    },
    /// A Job was deleted, with its shards or without.
    Deleted(&'a Key, DryRun),
    /// A Job is being deleted, and not all of it could be done.
    Deleting(&'a Key),
    /// The deletion waits for pods to end.
    PodsEnding,
    /// A Job was forgotten, and its shards stay: their number, and where they are.
    Kept(&'a Record, &'a Kept),
    /// A Job was forgotten whose record is damaged: it is not known what clusters have of it.
    KeptUnread(&'a Key),
    /// A shard was left behind in a member that does not answer, and may run there.
    LeftBehind {
        /// The shard.
        shard: &'a ShardStatus,
        /// Why the member could not be asked.
        why: &'a str,
    },
    /// The host does not answer, from now on.
    HostSilent {
        /// Its name.
        host: &'a str,
        /// Why.
        why: &'a str,
    },
    /// Nothing is known of a member's Jobs, from now on.
    MemberSilent {
        /// Its name.
        cluster: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A Job meets the condition that is waited for; as it was seen last.
    ConditionMet(&'a str, &'a Value),
    /// A Job that is waited for goes no further unless a user says so: [`Error::Idle`].
    Rests(&'a Error),
    /// Records that cannot be read: what is said and done leaves their Jobs out.
    Unread(&'a Error),
    /// How the Jobs stand that are waited for.
    Waiting(&'a [Waited<'a>]),
    /// There is no Job that the request could be about: in this namespace, or in none at all.
    NoneFound(Option<&'a str>),
    /// The host before this one was used again, and has done something that the record of this one
    /// does not know.
    UsedAgain {
        /// The record.
        record: &'a Record,
        /// The name of the host before.
        host: &'a str,
        /// The shards that it has given out. The record lists its clusters.
        lacking: &'a Lacking,
        /// How it has edited the Job.
        edit: &'a LateEdit,
        /// Whether it has begun to delete the Job.
        is_deleted: bool,
    },
    /// The host has records of a federation whose registry is gone, and this one could take over
    /// its Jobs.
    LeftRecords {
        /// Its uid.
        federation: &'a str,
        /// How many Jobs these are.
        jobs: usize,
    },
    /// What follows is about these Jobs, in their order: those that are settled side by side have
    /// the same places.
    Jobs(&'a [Key], DryRun),
    /// These Jobs were not begun, because the host has refused another.
    NotBegun(&'a [Record]),
}
