//! What an API server does with a request once it is understood: the registry over the store.

mod admission;
mod create;
mod delete;
mod read;
mod update;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Clock;
use crate::controller::{Controllers, Gangs, Queues};
use crate::logs::Logs;
use crate::random::Random;
use crate::resource::Resource;
use crate::status::Status;
use crate::store::Store;
use crate::version::Version;

pub use admission::{Operation, Policy, Rule};
pub(crate) use delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
pub(crate) use read::{ListOptions, Selection};
pub(crate) use update::Patch;

/// All that a cluster knows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) kubernetes: Version,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) controllers: Controllers,
    /// How many pods a namespace may have at most, where it has a quota of them.
    pub(crate) pod_quotas: BTreeMap<String, usize>,
    /// The admission policies, in the order in which they apply.
    pub(crate) policies: Vec<Policy>,
    /// The queueing system, where the cluster has one.
    pub(crate) queues: Option<Queues>,
    /// What containers wrote.
    pub(crate) logs: Logs,
    /// The groups of pods, where the gates for them are open.
    pub(crate) gangs: Option<Gangs>,
}

impl State {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// What a server does with fields that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Validation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// How a write is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteOptions {
    /// Nothing is stored.
    pub(crate) dry_run: bool,
    pub(crate) validation: Validation,
}

/// An object as a write left it, and the warnings for the client.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Value,
    pub(crate) warnings: Vec<String>,
    /// Whether the object was made by this write.
    pub(crate) created: bool,
}

/// Reads an object that a client sent, dropping what its kind does not know.
fn decode(
    resource: &Resource,
    object: &mut Value,
    validation: Validation,
    warnings: &mut Vec<String>,
) -> Result<(), Status> {
    let kind = object["kind"].as_str().unwrap_or(resource.kind).to_owned();
    let version = object["apiVersion"].as_str().unwrap_or(resource.api_version());
    let short = version.rsplit_once('/').map_or(version, |(_, v)| v).to_owned();
    let refuse = |why: String| {
        let target = resource.kind;
        Err(Status::bad_request(format!(
            "{kind} in version {short:?} cannot be handled as a {target}: {why}"
        )))
    };
    if kind != resource.kind || version != resource.api_version() {
        let why = format!(
            "no kind {kind:?} is registered for version {version:?} in \
             scheme \"pkg/runtime/scheme.go:111\""
        );
        return refuse(why);
    }
    match crate::schema::decode(resource.kind, object) {
        Err(why) => return refuse(why),
        Ok(strict) if strict.is_empty() || validation == Validation::Ignore => {}
        Ok(strict) if validation == Validation::Warn => warnings.extend(strict),
        Ok(strict) => return refuse(format!("strict decoding error: {}", strict.join(", "))),
    }
    crate::object::take(object, &["metadata", "managedFields"]);
    object["kind"] = resource.kind.into();
    object["apiVersion"] = resource.api_version().into();
    Ok(())
}
