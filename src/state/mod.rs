//! What is remembered: the registry, and for each federated Job a record with its ledger, all as
//! annotations on ConfigMaps in the host cluster.
//!
//! Every write is a compare-and-swap on `resourceVersion`: two people, or two reconciles, never
//! overwrite each other. Every document carries a version; a newer one than this binary knows is
//! refused, and a damaged one is an error that names the object and the key, never a guess.

mod annotations;
mod ledger;
mod record;
mod registry;
mod store;

pub use annotations::LIMIT;
pub use ledger::{Phase, Seen, Shard};
pub use record::{Cascade, Outcome, Record, State, Verdict};
pub use registry::{Member, MemberState, Registry, member_name};
pub use store::Store;

use crate::cluster;

/// The version of the documents that this binary writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host could not be asked, or refused.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The host holds no registry.
    #[error(
        "cluster {host:?} holds no federation: there is no configmap \"federation\" in namespace \"kubectl-federate\""
    )]
    NoRegistry {
        /// The host that was asked.
        host: String,
    },
    /// An annotation does not hold what this binary wrote there.
    #[error("{object} is damaged: annotation {key:?}: {cause}")]
    Damaged {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// The annotation's key.
        key: String,
        /// What is wrong with its value.
        cause: String,
    },
    /// A newer kubectl-federate wrote it.
    #[error("{object} has version {found}, this kubectl-federate knows versions up to {VERSION}")]
    Newer {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// The version it says.
        found: u32,
    },
    /// Another federation, of another host perhaps, wrote it.
    #[error("{object} belongs to another federation, {federation}")]
    OtherFederation {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// That federation's uid.
        federation: String,
    },
    /// The annotations would not fit into one object.
    #[error("{object} would need {bytes} bytes of annotations, an object can hold {LIMIT}")]
    TooLarge {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// What it would need.
        bytes: usize,
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
