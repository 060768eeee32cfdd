//! Why a host cannot be what it was asked to be.

use super::listed;
use crate::state::{self, LeftBehind};

/// Why a host cannot be made, moved to, used or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The registry of a host is gone, and records of its federation are left.
    #[error(
        "cluster {host:?} has lost the registry of a federation: there is no configmap \
        \"federation\" in namespace \"kubectl-federate\", but the records of {left}"
    )]
    LostRegistry {
        /// The host.
        host: String,
        /// What is left there.
        left: LeftBehind,
    },
    /// A federation is to be moved from a cluster that has none.
    #[error("host {from:?} has no federation that could be moved{}", lost(left))]
    NothingToMove {
        /// The name of the host that it was to be moved from.
        from: String,
        /// The kubeconfig context of the one to move to.
        context: String,
        /// What is left on the first one of a federation whose registry is gone.
        left: LeftBehind,
        /// Whether the second one has a federation.
        is_host: bool,
    },
    /// The registry would become a federation that the user did not name.
    #[error(
        "the jobs are of federation {federation}, and the registry on host {host:?} is that of \
        {own}, which has no jobs"
    )]
    NotNamed {
        /// The uid of the federation whose Jobs were found.
        federation: String,
        /// The uid of the registry.
        own: String,
        /// The host.
        host: String,
        /// The words of the command that was typed, except `--federation` and `--yes`.
        typed: Vec<String>,
        /// Whether `--yes` was.
        is_agreed: bool,
    },
    /// The registry would become a federation that has a host, which acts for it.
    #[error("cluster {name:?} is the host of federation {federation}, and gives out its work")]
    ActsElsewhere {
        /// The name of the cluster, which is a member.
        name: String,
        /// The user's kubeconfig context for it.
        context: String,
        /// The uid of the federation.
        federation: String,
    },
    /// A host is to be forgotten that answers, and acts for the federation.
    #[error(
        "host {name:?} answers, and gives out the work of this federation: it is not forgotten"
    )]
    StillActs {
        /// The kubeconfig context that leads to it.
        name: String,
        /// The present host.
        host: String,
    },
    /// A host is to become that of another federation, and it is not known that the one before has
    /// left it wholly.
    #[error("it is not known that the federation of host {host:?} was moved away wholly: {why}")]
    Unfinished {
        /// The host.
        host: String,
        /// The kubeconfig context of the host to which it was moved; empty where that is not known.
        context: String,
        /// Why, a sentence.
        why: String,
        /// Whether all records there are known to be marked as moved, and nothing comes back: what
        /// is left has no effect, whatever becomes of its registry.
        is_marked: bool,
    },
    /// A host is to become that of another federation, and the new host of the one before does not
    /// have all of it.
    #[error(
        "the federation of host {host:?} was moved to host {new:?}, which lacks, or has older \
        records of, {}",
        listed(jobs)
    )]
    NotThere {
        /// The host.
        host: String,
        /// The name of the new one.
        new: String,
        /// The kubeconfig context of the new one, of whoever moved the federation.
        context: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
    },
    /// A host is to become that of another federation, and a restore on the new host of the one
    /// before is not finished.
    #[error("a restore on host {host:?} was interrupted: run it again, it restores the rest")]
    PartlyRestored {
        /// The name of the new host.
        host: String,
    },
    /// A restore could not write a record.
    #[error("job.batch/{name} was not restored: {error}")]
    NotRestored {
        /// The Job's name.
        name: String,
        /// Why.
        error: Box<state::Error>,
    },
    /// A record cannot be read on a host from which the federation was moved away.
    #[error("{error}. The federation of host {host:?} was moved away: no record is rebuilt there")]
    LeftDamaged {
        /// The Job, by namespace and name.
        job: (String, String),
        /// The host.
        host: String,
        /// The kubeconfig context of the new one; empty where that is not known.
        context: String,
        /// What is wrong with the record, a sentence.
        error: String,
    },
    /// A federation is to be moved to the host that it has.
    #[error("{name:?} is the host of the federation already")]
    SameHost {
        /// The host's name.
        name: String,
    },
    /// A federation is to be moved to a host that has it already, and that host does not have all
    /// its Jobs.
    #[error("host {host:?} has the federation already, and lacks {}", listed(jobs))]
    LacksJobs {
        /// The host's name.
        host: String,
        /// The name of the old host.
        from: String,
        /// The kubeconfig context of the new one.
        context: String,
        /// The Jobs, by namespace and name.
        jobs: Vec<(String, String)>,
    },
    /// A federation is to be moved to a host that has it already, and that host does not have
    /// clusters in which the old one has given out work.
    #[error(
        "host {host:?} has the federation already, and lacks clusters in which host {from:?} has \
        given out work: {}",
        names(clusters)
    )]
    LacksClusters {
        /// The host's name.
        host: String,
        /// The name of the old host.
        from: String,
        /// The kubeconfig context of the new one.
        context: String,
        /// The names that the clusters have on the old host, and the kubeconfig contexts of whoever
        /// registered them.
        clusters: Vec<(String, String)>,
    },
    /// A federation is to be moved to a host that it was on before, and that could not be marked as
    /// moved when the federation was restored on the present one.
    #[error("host {host:?} has the federation as it was before it was restored on host {from:?}")]
    StaleHost {
        /// The host's name.
        host: String,
        /// The name of the present host.
        from: String,
        /// The kubeconfig context of the one to move to.
        context: String,
    },
    /// A federation is to be moved to a host that has left the present one, which has left that one
    /// too: what was done on each, the other does not know.
    #[error(
        "hosts {host:?} and {from:?} have the same federation, and neither has what was done on \
        the other"
    )]
    BothLeft {
        /// The name of the host to move to.
        host: String,
        /// The name of the present one.
        from: String,
        /// The kubeconfig context of the one to move to.
        context: String,
    },
}

/// What is added where the registry of a host is gone.
fn lost(left: &LeftBehind) -> String {
    if left.is_empty() {
        return String::new();
    }
    format!(": its registry is gone, but not the records of {left}")
}

fn names(clusters: &[(String, String)]) -> String {
    clusters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}
