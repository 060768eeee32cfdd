//! The state of a federation: the registry, and for each federated Job a record with its ledger.
//! All are ConfigMaps in the host cluster.
//!
//! Every write is a compare-and-swap on `resourceVersion`, so that two processes never overwrite
//! each other's changes. The registry and each record have the version of their format. An older
//! version is read, and written as the current one. A newer one is refused. A damaged document is
//! an error that names the ConfigMap and the document's key.

mod acceptance;
mod adoption;
mod backup;
mod compressed;
mod documents;
mod ids;
mod ledger;
mod left_behind;
mod member;
mod record;
mod recovery;
mod registry;
mod seen;
mod shards;
mod store;
mod summary;

pub use acceptance::{Acceptance, Accepted, Consent};
pub use adoption::Adoption;
pub use backup::{Backup, LeftOut};
pub use ids::LAST_TAKEN_IN;
pub use ledger::{Phase, Shard};
pub use left_behind::LeftBehind;
pub use member::{
    Member, MemberLease, MemberState, NAME_RULE, check_label, is_member_name, member_name,
};
pub use record::{
    Cascade, Folded, Heard, HeldBack, Lacking, MISSED_IDS, Newer, Origin, Outcome, RanTwice,
    Record, State, Totals, Verdict, Withheld,
};
pub use recovery::{Recovery, annotate};
pub use registry::{
    Former, Gap, MemberChange, Moved, Registry, Restores, Salvaged, SavedRegistry, Unmarked,
};
pub use registry::{NAME as REGISTRY_NAME, NAMESPACE as REGISTRY_NAMESPACE};
pub use seen::Seen;
pub use shards::Shards;
pub use store::{Change, MAX_CONFLICTS, Store};

use crate::{cluster, job::labels};

/// The version of the state that this program writes, and the newest that it reads. Since version 2
/// a shard names its cluster by uid, and large documents are compressed. Since version 3 members
/// can be cordoned, drained and lost, and records remember what users accepted. Since version 4
/// entries are compressed together where there are many. Since version 5 records remember what is
/// done about fields that a member does not know. Since version 6 a registry knows hosts that could
/// not be marked as moved. Since version 7 it counts on which hosts it was restored. Since version
/// 8 a record says which entries its ledger must have.
pub const VERSION: u32 = 8;

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
    /// The federation of the host has another host by now.
    #[error("the federation of host {host:?} was moved to another host{}", by_context(context))]
    Moved {
        /// The host that was asked.
        host: String,
        /// The uid of the new one.
        uid: String,
        /// The kubeconfig context by which whoever moved it reached the new one; empty where no
        /// context alone led there.
        context: String,
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
    /// The object has the name of a record, and is none.
    #[error("{object} is no record of a federated job: it has no label {:?}", labels::FEDERATION)]
    NoRecord {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
    },
    /// The object belongs to another federation.
    #[error("{object} belongs to another federation, {federation}")]
    OtherFederation {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
        /// That federation's uid.
        federation: String,
    },
    /// The host does not keep what is written to the object.
    #[error("{object} is never as it was written: something in the host changes it each time")]
    Restless {
        /// The ConfigMap, as `configmap NAMESPACE/NAME`.
        object: String,
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
    /// The error that a host does not keep what is written to a ConfigMap.
    pub fn restless(namespace: &str, name: &str) -> Self {
        Self::Restless { object: format!("configmap {namespace}/{name}") }
    }

    /// The namespace of the ConfigMap that it is about, if it is about one.
    pub fn namespace(&self) -> Option<&str> {
        Some(self.object()?.strip_prefix("configmap ")?.split_once('/')?.0)
    }

    /// The federated Job, by its namespace and name, whose record it is about, if it is about one.
    pub fn job(&self) -> Option<(&str, &str)> {
        Record::job_of(self.object()?)
    }

    fn object(&self) -> Option<&str> {
        let (Self::Damaged { object, .. }
        | Self::Restless { object }
        | Self::Newer { object, .. }
        | Self::NoRecord { object }
        | Self::OtherFederation { object, .. }
        | Self::TooLarge { object, .. }) = self
        else {
            return None;
        };
        Some(object)
    }

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

/// How a host is named to others by a user's context for it, a phrase after its mention; nothing
/// where no context alone leads there.
pub(crate) fn by_context(context: &str) -> String {
    if context.is_empty() { String::new() } else { format!(", context {context:?}") }
}
