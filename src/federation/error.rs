//! Why a request was not carried out, or not wholly.

use super::refusals::{Refusals, some_clusters};
use crate::{
    cluster,
    job::Unpatchable,
    reconcile::{EditError, Idle, NewRecordError},
    state::{self, Outcome},
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
    /// There is no such federated Job.
    #[error("jobs.batch {name:?} not found")]
    NotFound {
        /// The Job's name.
        name: String,
    },
    /// Names were given, and no namespace that they are in.
    #[error("a resource cannot be retrieved by name across all namespaces")]
    NamesAcrossNamespaces,
    /// A manifest is not what it must be.
    #[error("{source_file}: {why}")]
    Manifest {
        /// The file, and the place in it.
        source_file: String,
        /// What is wrong, a sentence that names the field.
        why: String,
    },
    /// A manifest is in another namespace than the one that was asked for.
    #[error(
        "the namespace from the provided object {object:?} does not match the namespace {asked:?}. \
        You must pass \
         '--namespace={object}' to perform this operation."
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
    /// A new Job cannot be divided over the members.
    #[error("{source_file}: job {name:?}: {error}")]
    NotDivisible {
        /// The file, and the place in it.
        source_file: String,
        /// The Job's name.
        name: String,
        /// Why.
        error: NewRecordError,
    },
    /// The host has a federated Job of this name.
    #[error("error when creating {source_file:?}: jobs.batch {name:?} already exists")]
    AlreadyExists {
        /// The file, and the place in it.
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
        /// The file, and the place in it.
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
        /// Whether the request could have been made with `recreate`, and was not.
        may_recreate: bool,
    },
    /// Members would not take what was to be written, and nothing was.
    #[error("nothing was {}: {} refused", .0.what, .0.count())]
    Refused(Box<Refusals>),
    /// What is to be done is written down, and members did not all do their part.
    #[error("job.batch/{}: {}", .0.name, .0.sentence())]
    Unfinished(Unfinished),
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
        /// Whether shards were deleted whose work may be done by others once a user says so.
        reopens: bool,
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
    #[error("cluster {name:?} is not registered")]
    NotRegistered {
        /// The name.
        name: String,
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
    },
    /// Several requests, or parts of one, were not carried out.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<Error>),
}

/// A federated Job that has the name that a new one should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It belongs to another federation.
    OfAnotherFederation,
    /// It is being deleted.
    Deleting,
    /// It has ended.
    Ended,
    /// It was created, and not all of its shards were.
    Unfinished,
    /// It runs.
    Running,
}

/// How many members did not do their part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The Job's namespace.
    pub namespace: String,
    /// The Job's name.
    pub name: String,
    /// How many members carry shards of it.
    pub clusters: usize,
    /// How many of them could not be asked.
    pub unknown: usize,
    /// How many of them refused.
    pub refused: usize,
}

impl Unfinished {
    fn sentence(&self) -> String {
        let Self { clusters, unknown, refused, .. } = self;
        match (unknown, refused) {
            (unknown, 0) => {
                format!("{} could not be asked", some_clusters(*unknown, *clusters))
            }
            (0, refused) => format!("{} refused", some_clusters(*refused, *clusters)),
            _ => {
                format!(
                    "of {clusters} clusters, {unknown} could not be asked and {refused} refused"
                )
            }
        }
    }
}

impl Error {
    /// The error of a comparison of the host's identity.
    pub(super) fn host(error: cluster::Error, remembered: bool) -> Self {
        match error {
            error @ cluster::Error::WrongCluster { .. } => Self::WrongHost { error, remembered },
            error => Self::Cluster(error),
        }
    }

    /// One error of several: none is success, one is itself.
    ///
    /// # Errors
    /// There is one.
    pub fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.pop() {
            None => Ok(()),
            Some(last) if errors.is_empty() => Err(last),
            Some(last) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }

    /// Ends a request if members said anything against it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(super) fn of_refusals(refusals: Refusals) -> Result<(), Self> {
        let refused = refusals.sentences().next().is_some();
        if refused { Err(Self::Refused(Box::new(refusals))) } else { Ok(()) }
    }

    /// Whether what was asked for is wrong, so that the user may ask for something else: nothing
    /// was written.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NotApplicable { .. } | Self::Refused(_) => true,
            Self::NotEditable { error, .. } => {
                !matches!(error, EditError::Finished(_) | EditError::Deleting)
            }
            _ => false,
        }
    }

    /// Whether the host has no such object.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::State(error) if error.is_not_found())
    }
}

fn named(before: &str, name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("{before}jobs/{name}"))
}

fn listed(jobs: &[(String, String)]) -> String {
    let names = jobs.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
    names.collect::<Vec<_>>().join(", ")
}

fn idle_sentence(idle: Idle, unplaced: i32, asked: Option<i32>) -> String {
    match (idle, asked) {
        (Idle::Suspended, _) => "is suspended".to_owned(),
        (Idle::Paused, _) => "is paused: its parallelism is 0".to_owned(),
        (Idle::Stopped, Some(asked)) if unplaced > 0 => format!(
            "is stopped: {unplaced} of {asked} completions are unplaced, and no shard is running"
        ),
        (Idle::Stopped, _) => "is stopped: no shard is running".to_owned(),
    }
}
