//! The state of a federation: the registry, and for each federated Job a record with its ledger.
//! All are ConfigMaps in the host cluster.
//!
//! Every write is a compare-and-swap on `resourceVersion`, so that two processes never overwrite
//! each other's changes. The registry and each record have the version of their format. An older
//! version is read, and written as the current one. A newer one is refused. A damaged document is
//! an error that names the ConfigMap and the document's key.

mod documents;
mod ledger;
mod record;
mod registry;
mod store;

pub use ledger::{Phase, Seen, Shard};
pub use record::{Cascade, Outcome, Record, State, Verdict};
pub use registry::{Member, MemberState, Registry, member_name};
pub use store::{Change, MAX_CONFLICTS, MemberChange, Store};

use crate::cluster;

/// The version of the state that this program writes, and the newest that it reads. Since version 2
/// a shard names its cluster by uid, and large documents are compressed.
pub const VERSION: u32 = 2;

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host does not answer, or refuses.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The host holds no registry.
    #[error(
        "cluster {host:?} holds no federation: there is no configmap \"federation\" in namespace \
        \"kubectl-federate\""
    )]
    NoRegistry {
        /// The host that was asked.
        host: String,
    },
    /// A document is not one that this program can have written.
    #[error("{object} is damaged: annotation {key:?}: {cause}")]
    Damaged {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// The annotation's key.
        key: String,
        /// What is wrong with its value.
        cause: String,
    },
    /// A newer kubectl-federate wrote the object.
    #[error("{object} has version {found}, this kubectl-federate knows versions up to {VERSION}")]
    Newer {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// The version it says.
        found: u32,
    },
    /// The object belongs to another federation.
    #[error("{object} belongs to another federation, {federation}")]
    OtherFederation {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// That federation's uid.
        federation: String,
    },
    /// Another federated Job has taken the name since the record was read.
    #[error("jobs.batch {job:?} was deleted and made anew meanwhile: the new one stays")]
    Replaced {
        /// The Job's name.
        job: String,
    },
    /// Documents would not fit into one ConfigMap, or may not fit in a later state.
    #[error("{object} would be too large: {what} would have {bytes} bytes, {limit} are allowed")]
    TooLarge {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// What of it, such as `the compressed manifest`.
        what: &'static str,
        /// What it would have.
        bytes: usize,
        /// What it may have.
        limit: usize,
    },
}

impl Error {
    /// Whether somebody else changed the object since it was read: read it again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_conflict())
    }

    /// Whether an object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_already_exists())
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Cluster(error) if error.is_not_found())
    }
}
