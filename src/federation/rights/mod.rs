//! The rights that a user needs who submits Jobs: on the host and in each member.
//!
//! The manifests in docs/operations.md grant these and no others; `tests/commands/rights.rs`
//! compares them.

mod roles;

use crate::{
    cluster::{Attributes, Connection, Error, fan_out},
    state::REGISTRY_NAMESPACE,
};

pub use roles::manifests;

/// The role that grants a right. Each is needed in other namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To learn which cluster it is.
    Identity,
    /// To read the registry.
    Registry,
    /// To read and write the records of federated Jobs.
    Records,
    /// To read and write the shards.
    Shards,
}

/// A right that a user needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    role: Role,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    /// Empty for the resource itself.
    subresource: &'static str,
    /// The only object that it is needed for; empty for all.
    name: &'static str,
    /// What cannot be done without it, a clause.
    pub without: &'static str,
    /// Whether Jobs can be submitted and reconciled without it.
    pub is_optional: bool,
}

/// What is done without a right to watch.
const UNWATCHED: &str = "who waits for jobs asks for them every few seconds";

const IDENTITY: Right = Right {
    role: Role::Identity,
    verb: "get",
    group: "",
    resource: "namespaces",
    subresource: "",
    name: "kube-system",
    without: "it cannot be told which cluster this is",
    is_optional: false,
};

/// The rights that are needed on the host.
pub(super) const ON_HOST: &[Right] = &[
    IDENTITY,
    config_maps(Role::Registry, "get", "the members are not known"),
    optional(config_maps(Role::Registry, "watch", UNWATCHED)),
    config_maps(Role::Records, "get", "nothing can be known of federated jobs"),
    config_maps(Role::Records, "list", "federated jobs cannot be found"),
    optional(config_maps(Role::Records, "watch", UNWATCHED)),
    config_maps(Role::Records, "create", "no federated job can be created"),
    config_maps(Role::Records, "patch", "no federated job can be changed or reconciled"),
    config_maps(Role::Records, "delete", "no federated job can be deleted"),
];

/// The rights that are needed in a member.
pub(super) const IN_MEMBER: &[Right] = &[
    IDENTITY,
    in_member("get", "batch", "jobs", "", "nothing can be known of its jobs"),
    in_member("list", "batch", "jobs", "", "nothing can be known of its jobs"),
    optional(in_member("watch", "batch", "jobs", "", UNWATCHED)),
    in_member("create", "batch", "jobs", "", "it cannot be given work"),
    in_member("patch", "batch", "jobs", "", "its jobs cannot be started"),
    in_member("delete", "batch", "jobs", "", "its jobs cannot be deleted"),
    in_member("patch", "batch", "jobs", "status", "work cannot be taken off it once it runs"),
    in_member("list", "", "pods", "", "its jobs cannot be stopped"),
    optional(in_member("get", "", "pods", "log", "the logs of its pods cannot be read")),
    in_member("list", "", "events", "", "it cannot be told why a job does not start"),
];

const fn optional(right: Right) -> Right {
    Right { is_optional: true, ..right }
}

const fn config_maps(role: Role, verb: &'static str, without: &'static str) -> Right {
    let (group, resource, subresource, name) = ("", "configmaps", "", "");
    Right { role, verb, group, resource, subresource, name, without, is_optional: false }
}

const fn in_member(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    without: &'static str,
) -> Right {
    let (role, name) = (Role::Shards, "");
    Right { role, verb, group, resource, subresource, name, without, is_optional: false }
}

impl Role {
    /// The namespace in which it is needed by somebody whose Jobs are in this one; none for all
    /// namespaces, and for what has none.
    fn namespace(self, jobs: Option<&str>) -> Option<&str> {
        match self {
            Self::Identity => None,
            Self::Registry => Some(REGISTRY_NAMESPACE),
            Self::Records | Self::Shards => jobs,
        }
    }
}

impl Right {
    /// The resource as RBAC's rules have it, such as `jobs/status`.
    fn resource(&self) -> String {
        match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }

    /// In words, such as `patch jobs.batch/status in namespace math`.
    fn words(&self, jobs: Option<&str>) -> String {
        let Self { verb, group, resource, subresource, name, .. } = self;
        let dot = if group.is_empty() { "" } else { "." };
        let slash = if subresource.is_empty() { "" } else { "/" };
        let what = format!("{verb} {resource}{dot}{group}{slash}{subresource}");
        match self.role.namespace(jobs) {
            _ if !name.is_empty() => format!("{what} {name}"),
            Some(namespace) => format!("{what} in namespace {namespace}"),
            None => format!("{what} in all namespaces"),
        }
    }
}

/// A right that was asked for.
#[derive(Debug, Clone)]
pub struct AskedRight {
    /// The right.
    pub right: &'static Right,
    /// The right in words, such as `patch jobs.batch/status in namespace math`.
    pub words: String,
    /// Whether the user has it.
    pub is_granted: bool,
}

/// Asks a cluster, side by side, which of these rights the user has. `jobs` is the namespace of the
/// user's Jobs; none for all.
///
/// # Errors
/// The cluster cannot be asked.
pub(super) async fn ask_rights(
    connection: &Connection,
    rights: &'static [Right],
    jobs: Option<&str>,
) -> Result<Vec<AskedRight>, Error> {
    let ask = async |right: &'static Right| {
        let Right { verb, group, resource, subresource, name, role, .. } = right;
        let namespace = role.namespace(jobs).unwrap_or_default();
        let asked = Attributes { verb, group, resource, subresource, namespace, name };
        let is_granted = connection.allowed(&asked).await?;
        Ok(AskedRight { right, words: right.words(jobs), is_granted })
    };
    fan_out(rights, ask).await.into_iter().collect()
}
