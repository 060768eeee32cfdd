//! Which kind of error an error is.

use std::collections::BTreeSet;

use super::{
    super::{key::Key, refusals::Refusals},
    Error, Existing,
};
use crate::{
    cluster,
    reconcile::EditError,
    state::{self, Store},
};

impl Error {
    /// The error of a comparison of the host's identity.
    pub fn host(error: cluster::Error, remembered: bool) -> Self {
        match error {
            error @ cluster::Error::WrongCluster { .. } => Self::WrongHost { error, remembered },
            error => Self::State(state::Error::Cluster(error)),
        }
    }

    /// The same error on the host that a federation is moved from.
    pub(in crate::federation) fn on_old_host(from: &Store, error: impl Into<Self>) -> Self {
        Self::OldHost { context: from.host().name().to_owned(), error: Box::new(error.into()) }
    }

    /// The federated Jobs, by namespace and name, whose records cannot be read or used.
    pub(in crate::federation) fn unread_jobs(&self) -> Vec<Key> {
        match self {
            Self::State(error) => {
                let job = error.job().into_iter();
                job.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect()
            }
            Self::LeftRecords { jobs, .. } => jobs.clone(),
            _ => Vec::new(),
        }
    }

    /// The error that there is no such federated Job.
    pub fn not_found(namespace: &str, name: &str) -> Self {
        Self::NotFound { namespace: namespace.to_owned(), name: name.to_owned() }
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

    /// These errors without those that say the same as an earlier one.
    pub(in crate::federation) fn each_once(mut errors: Vec<Self>) -> Vec<Self> {
        let mut said = BTreeSet::new();
        errors.retain(|error| said.insert(error.to_string()));
        errors
    }

    /// Ends a request about so many Jobs, of which nothing was done because of these errors. What
    /// holds for all Jobs alike is said once.
    ///
    /// # Errors
    /// There is one.
    pub fn none_done(what: &'static str, of: usize, errors: Vec<Self>) -> Result<(), Self> {
        let count = errors.len();
        let errors = Self::each_once(errors);
        match errors.len() {
            0 => Ok(()),
            1 if of == 1 || count > 1 => Self::all(errors),
            _ => Err(Self::NothingDone { what, count, of, errors }),
        }
    }

    /// Ends a request if members said anything against it.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn of_refusals(refusals: Refusals) -> Result<(), Self> {
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

    /// Whether all is written down that is to be done, and only members did not do their part.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Unfinished(_) => true,
            Self::Several(errors) => errors.iter().all(Self::is_unfinished),
            _ => false,
        }
    }

    /// Whether Jobs have failed that were waited for, and nothing else is wrong.
    pub fn is_of_failed_jobs(&self) -> bool {
        match self {
            Self::Failed { .. } => true,
            Self::Several(errors) => errors.iter().all(Self::is_of_failed_jobs),
            _ => false,
        }
    }

    /// Whether a condition was waited for that did not come in time.
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::NotMet { .. })
    }

    /// Whether a Job was to be created that is there, and goes on.
    pub fn is_in_use(&self) -> bool {
        let there = match self {
            Self::AlreadyExists { there, .. } => *there,
            _ => None,
        };
        matches!(there, Some(Existing::Running | Existing::Unfinished))
    }

    /// Whether the host gave no answer, so that it is not known whether it did what was asked.
    pub fn is_host_unreachable(&self) -> bool {
        matches!(self, Self::State(state::Error::Cluster(error)) if error.is_unreachable())
    }

    /// Whether the user lacks a right on the host that is needed to read the registry.
    pub fn hides_registry(&self) -> bool {
        matches!(self, Self::State(state::Error::Cluster(error)) | Self::Cluster(error)
            if error.is_forbidden())
    }

    /// Whether the host has no such object.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::State(error) if error.is_not_found())
    }
}
