//! Why a request was not carried out, or not wholly.

mod causes;
mod hosts;
mod kinds;

pub use causes::{Existing, InUse, NotRetriable, Stopped, Unfinished};
use causes::{creating, idle_sentence, place};
pub use hosts::HostError;

use super::refusals::{Owner, Refusals};
use crate::{
    cluster,
    job::{Misfit, Unpatchable},
    reconcile::{EditError, Idle, NewRecordError},
    state::{self, HeldBack, Outcome},
};

/// Why a request was not carried out, or not wholly.
///
/// `Display` is the bare sentence. What to do about it is in the variants' fields, for
/// [`crate::error`] to put into words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state could not be read or written.
    #[error(transparent)]
    State(#[from] state::Error),
    /// A cluster could not be asked, or refused.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The host is another cluster than it should be.
    #[error("{error}")]
    WrongHost {
        /// The error of the comparison.
        error: cluster::Error,
        /// Whether the user's own configuration names the host, rather than a flag or the current
        /// context.
        remembered: bool,
    },
    /// Something is wrong on the host that a federation is moved from.
    #[error("{error}")]
    OldHost {
        /// The kubeconfig context that leads to it.
        context: String,
        /// What it is.
        error: Box<Error>,
    },
    /// There is no such federated Job.
    #[error("jobs.batch {name:?} not found")]
    NotFound {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// Names were given, and no namespace that they are in.
    #[error("a resource cannot be retrieved by name across all namespaces")]
    NamesAcrossNamespaces,
    /// A manifest is not what it must be.
    #[error("{}{why}", place(source_file))]
    Manifest {
        /// The file, and the place in it; empty where the Job is made of flags.
        source_file: String,
        /// What is wrong, a sentence that names the field.
        why: String,
    },
    /// A manifest is in another namespace than the one that was asked for.
    #[error(
        "the namespace from the provided object {object:?} does not match the namespace {asked:?}. \
        You must pass '--namespace={object}' to perform this operation."
    )]
    OtherNamespace {
        /// The namespace that the manifest names.
        object: String,
        /// The namespace that was asked for.
        asked: String,
    },
    /// A manifest without a name is to be applied.
    #[error("from {prefix}: cannot use generate name with apply")]
    GenerateName {
        /// Its `generateName`.
        prefix: String,
    },
    /// A label of a member has another value.
    #[error("'{key}' already has a value ({value}), and --overwrite is false")]
    LabelTaken {
        /// Its key.
        key: String,
        /// The value that it has.
        value: String,
    },
    /// A new Job cannot be divided over the members.
    #[error("{}job {name:?}: {error}", place(source_file))]
    NotDivisible {
        /// The file, and the place in it; empty where the Job is made of flags.
        source_file: String,
        /// The Job's name.
        name: String,
        /// Why.
        error: NewRecordError,
    },
    /// The host has a federated Job of this name.
    #[error("{}: jobs.batch {name:?} already exists", creating(source_file))]
    AlreadyExists {
        /// The file, and the place in it; empty where the Job is made of flags.
        source_file: String,
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
        /// What is there, as far as it could be read.
        there: Option<Existing>,
    },
    /// The host would not take a record.
    #[error("{error}")]
    HostRefused {
        /// The file, and the place in it; empty where the Job is made of flags.
        source_file: String,
        /// What it said.
        error: cluster::Error,
    },
    /// A change does not apply to the Job.
    #[error("{subject}: {error}")]
    NotApplicable {
        /// What begins the sentence: `job.batch/pi`, or the file.
        subject: String,
        /// Why.
        error: Unpatchable,
    },
    /// A Job cannot be changed so.
    #[error("{subject}: {error}")]
    NotEditable {
        /// What begins the sentence: `job.batch/pi`, or the file.
        subject: String,
        /// Why.
        error: EditError,
        /// Whether a file says what the Job is to be, and not a verb that changes one field.
        from_file: bool,
        /// Whether the request could have been made with `recreate`, and was not.
        may_recreate: bool,
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// Pods that run would be stopped, and the user was not asked. Nothing was written.
    #[error("pods that run would be stopped")]
    StopsWork(Vec<Stopped>),
    /// Members would not take what was to be written, and nothing was.
    #[error("nothing was {}: {} refused", .0.what, .0.count())]
    Refused(Box<Refusals>),
    /// Of several Jobs that were asked for, some cannot be done. So nothing was.
    #[error("nothing was {what}: {count} of {of} jobs cannot be {what}")]
    NothingDone {
        /// What was not done: `created`, `applied`.
        what: &'static str,
        /// How many cannot be done.
        count: usize,
        /// How many were asked for.
        of: usize,
        /// Why, each once.
        errors: Vec<Error>,
    },
    /// What is to be done is written down, and members did not all do their part.
    #[error("job.batch/{}: {}", .0.name, .0.sentence())]
    Unfinished(Box<Unfinished>),
    /// The host did not answer when the request was to be written down.
    #[error("{error}")]
    MaybeRecorded {
        /// What it was.
        error: Box<Error>,
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// The request is written down, and something kept it from being finished.
    #[error("{error}")]
    Interrupted {
        /// What it was.
        error: Box<Error>,
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// The Job is being deleted together with its shards already.
    #[error("job.batch/{name} is being deleted together with its jobs already")]
    DeletedAlready {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// A member would not let go of its shard.
    #[error("{error}")]
    DeletionRefused {
        /// The member.
        cluster: String,
        /// What it said.
        error: cluster::Error,
    },
    /// A Job goes no further unless a user says so.
    #[error("job.batch/{name} {}", idle_sentence(*idle, *unplaced, *asked))]
    Idle {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
        /// Why it goes no further.
        idle: Idle,
        /// How many completions are unplaced.
        unplaced: i32,
        /// How many completions are asked for, if it is a fixed number.
        asked: Option<i32>,
        /// What is known of work that others may do once a user says so; none if there is none.
        held_back: Option<HeldBack>,
    },
    /// A Job that was waited for has failed.
    #[error("job.batch/{name} has failed: {}: {}", outcome.reason, outcome.message)]
    Failed {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A Job that was waited for is complete, and does not meet the condition.
    #[error("job.batch/{name} is complete: the condition can no longer be met")]
    Complete {
        /// The Job's name.
        name: String,
    },
    /// A path that was waited for does not lead to one value.
    #[error("{why}")]
    NotComparable {
        /// Why, in kubectl's words.
        why: String,
    },
    /// There is nothing to wait for.
    #[error("no matching resources found")]
    NothingToWaitFor,
    /// A Job does not meet the condition, and was looked at once.
    #[error("condition not met{}", named(" for ", name.as_deref()))]
    NotMet {
        /// The Job's name; none where the host could not be asked which there are.
        name: Option<String>,
    },
    /// A Job did not meet the condition in time.
    #[error("timed out waiting for the condition{}", named(" on ", name.as_deref()))]
    TimedOut {
        /// The Job's name; none where the host could not be asked which there are.
        name: Option<String>,
    },
    /// No cluster of this name is registered.
    #[error("cluster {name:?} is not registered{meant}")]
    NotRegistered {
        /// The name.
        name: String,
        /// A question that names the registered cluster that may be meant; empty where none is like
        /// it.
        meant: String,
    },
    /// A cluster in which a Job is to be looked at has no shard of it.
    #[error("job.batch/{name} has no shard in cluster {cluster}")]
    NoShardThere {
        /// The Job.
        name: String,
        /// The cluster.
        cluster: String,
    },
    /// A member that is to be written is none that could be read again.
    #[error("cluster {name:?}: {why}")]
    InvalidMember {
        /// Its name.
        name: String,
        /// What is wrong with it, a sentence that begins with the field.
        why: String,
    },
    /// Another cluster has the name.
    #[error("another cluster is registered as {name:?} already, with context {context:?}")]
    NameTaken {
        /// The name.
        name: String,
        /// The other cluster's context.
        context: String,
    },
    /// The cluster has another name.
    #[error("this cluster is registered already, as {name:?}")]
    RegisteredAs {
        /// Its name.
        name: String,
    },
    /// A cluster cannot be unregistered while it carries shards.
    #[error("cluster {name:?} carries a shard of {}", listed(jobs))]
    CarriesShards {
        /// Its name.
        name: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
        /// Whether it gives no answer, so that it cannot be drained.
        silent: bool,
    },
    /// Nothing keeps what is needed to rebuild the record of a Job.
    #[error(
        "no cluster has a shard from which the record of job {name:?} can be rebuilt{}",
        why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
    )]
    NothingToRecover {
        /// The Job's name.
        name: String,
        /// Why a Job that seems to be a shard of it is of no use, or which members did not answer,
        /// if there are any.
        why: Option<String>,
        /// The namespace of the Job, where all members answered and the host has a record that is
        /// damaged.
        damaged_in: Option<String>,
    },
    /// A record could not be rebuilt.
    #[error("job.batch/{name} was not recovered: {error}")]
    NotRecovered {
        /// The Job's name.
        name: String,
        /// Why.
        error: Box<Error>,
    },
    /// Another federated Job on the host has the name of one that is to be written.
    #[error("the host has another federated job {name:?}")]
    OtherJob {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
    },
    /// A host cannot be what it was asked to be.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A record on a new host is in the way of what is to be written there.
    #[error("{error}")]
    InTheWay {
        /// What is wrong with it.
        error: String,
        /// The context of the new host, if its records are the newer ones and its registry is gone.
        moved: Option<String>,
    },
    /// Shards of several federations were found, and it was not said which is meant.
    #[error("the clusters have jobs of several federations: {}", found.join(", "))]
    SeveralFederations {
        /// Their uids.
        found: Vec<String>,
    },
    /// The registry is in use, so it cannot become another federation.
    #[error("the registry is that of federation {own}, which {by}{}", those(jobs))]
    FederationInUse {
        /// The uid of the registry.
        own: String,
        /// By what.
        by: InUse,
        /// The Jobs, by namespace and name, as far as they are known.
        jobs: Vec<(String, String)>,
    },
    /// Clusters that were unregistered had the same name.
    #[error(
        "{} clusters had the name {name:?} when they were unregistered: name one of them by its \
        uid: {}", uids.len(), uids.join(", ")
    )]
    SeveralFormer {
        /// The name.
        name: String,
        /// Their uids.
        uids: Vec<String>,
    },
    /// No cluster has a shard of the federation that was named.
    #[error("no cluster has a job of federation {federation}")]
    NoShardsOf {
        /// The uid that was named.
        federation: String,
        /// The uids that were found.
        found: Vec<String>,
    },
    /// A Job cannot be retried.
    #[error("job.batch/{name} cannot be retried: {why}")]
    NotRetriable {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
        /// Why.
        why: NotRetriable,
    },
    /// A Job in a cluster cannot be adopted.
    #[error("job.batch/{name} in cluster {cluster} cannot be adopted: {why}")]
    NotAdoptable {
        /// The Job's namespace.
        namespace: String,
        /// The Job's name.
        name: String,
        /// Its cluster.
        cluster: String,
        /// Why.
        why: Box<Misfit>,
        /// Whose shard it is, if it is one.
        owner: Box<Owner>,
    },
    /// No cluster of this name was unregistered and may still have Jobs of the federation.
    #[error("no cluster {name:?} is known that was unregistered and is not clean yet")]
    NotFormer {
        /// The name.
        name: String,
    },
    /// An orphan was not deleted.
    #[error("job.batch/{name} in cluster {cluster} was not deleted: {why}")]
    OrphanKept {
        /// Its cluster.
        cluster: String,
        /// Its name.
        name: String,
        /// Why, a sentence.
        why: String,
    },
    /// The shards of a drained member have not ended in time.
    #[error("timed out waiting for the shards in cluster {name:?} to end")]
    DrainTimedOut {
        /// The member.
        name: String,
    },
    /// A drain was begun, and something keeps it from being finished.
    #[error("cluster {name:?} stays Draining")]
    StaysDraining {
        /// The member.
        name: String,
        /// What it was.
        error: Box<Error>,
    },
    /// A member cannot be drained because it was declared lost.
    #[error("cluster {name:?} was declared lost: its work is given to others already")]
    DeclaredLost {
        /// The member.
        name: String,
    },
    /// The name of a lost member cannot stand for another cluster yet.
    #[error(
        "cluster {name:?} was declared lost, and has yet to give up the work of {}",
        listed(jobs)
    )]
    NotGivenUp {
        /// The member.
        name: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
    },
    /// Nobody else may take the work of a drained member: it stays there.
    #[error(
        "no other cluster may take the work of cluster {name:?}, which stays: {}",
        listed(jobs)
    )]
    NobodyTakes {
        /// The member.
        name: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
    },
    /// Records were moved to another host, and are left on this one, whose registry is used again.
    #[error(
        "the records of {} were moved to another host{}: they have no effect on host {host:?}",
        listed(jobs),
        state::by_context(context)
    )]
    LeftRecords {
        /// The host.
        host: String,
        /// The kubeconfig context by which whoever moved them reached the other host.
        context: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
    },
    /// Several requests, or parts of one, were not carried out.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
}

fn named(before: &str, name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("{before}jobs/{name}"))
}

/// What names these Jobs after their mention, if there are any.
fn those(jobs: &[(String, String)]) -> String {
    if jobs.is_empty() { String::new() } else { format!(": {}", listed(jobs)) }
}

fn listed(jobs: &[(String, String)]) -> String {
    let names = jobs.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
    names.collect::<Vec<_>>().join(", ")
}
