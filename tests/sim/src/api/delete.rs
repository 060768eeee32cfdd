//! Deleting objects: at once, in a while, or when what they own is gone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::State;
use crate::object;
use crate::resource::Resource;
use crate::status::{FieldError, Status};
use crate::store::Key;

/// What becomes of the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    Orphan,
    Background,
    Foreground,
}

/// The options of a delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) propagation: Option<Propagation>,
    /// Seconds that a pod may take to end.
    pub(crate) grace: Option<i64>,
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads the body and the query of a request.
    pub(crate) fn read(
        body: &Value,
        query: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Status> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let policy = text("/propagationPolicy").or_else(|| query("propagationPolicy"));
        let propagation = match policy.as_deref() {
            Some("Orphan") => Some(Propagation::Orphan),
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            None => None,
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                let error = FieldError::not_supported("propagationPolicy", other, &supported);
                return Err(Status::invalid_options("DeleteOptions", &error));
            }
        };
        Ok(Self {
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            propagation,
            grace: object::number(body, "/gracePeriodSeconds")
                .or_else(|| query("gracePeriodSeconds").and_then(|g| g.parse().ok())),
            dry_run: !object::items(body, "/dryRun").is_empty() || query("dryRun").is_some(),
        })
    }
}

/// The finalizer that keeps an owner until what it owns is gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that keeps an owner until what it owns is released.
pub(crate) const ORPHAN: &str = "orphan";

const JOB_WARNING: &str = "child pods are preserved by default when jobs are deleted; set \
    propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this \
    warning";

impl State {
    /// Deletes an object. Returns what the client gets, a `Status` or the object that is still
    /// there, and warnings.
    pub(crate) fn delete(
        &mut self,
        resource: &'static Resource,
        key: &Key,
        options: &DeleteOptions,
    ) -> Result<(Value, Vec<String>), Status> {
        let Some(old) = self.store.get(resource, key).cloned() else {
            return Err(Status::not_found(resource, &key.name));
        };
        preconditions(resource, &old, options)?;
        let mut warnings = Vec::new();
        let propagation = options.propagation.unwrap_or_else(|| {
            if resource.kind == "Job" {
                warnings.push(JOB_WARNING.to_owned());
                Propagation::Orphan
            } else {
                Propagation::Background
            }
        });
        let mut body = (*old).clone();
        let mut finalizers: Vec<Value> = object::items(&body, "/metadata/finalizers")
            .iter()
            .filter(|f| *f != FOREGROUND && *f != ORPHAN)
            .cloned()
            .collect();
        match propagation {
            Propagation::Orphan => finalizers.push(ORPHAN.into()),
            Propagation::Foreground => finalizers.push(FOREGROUND.into()),
            Propagation::Background => {}
        }
        let grace = if resource.kind == "Pod" { pod_grace(&body, options.grace) } else { 0 };
        let vanishes = finalizers.is_empty() && grace == 0 && resource.kind != "Namespace";
        if vanishes {
            if !options.dry_run {
                self.store.remove(resource, key);
            }
            return Ok((gone(resource, &old), warnings));
        }
        self.mark(&mut body, finalizers, grace);
        if resource.kind == "Namespace" {
            object::put(&mut body, &["status", "phase"], "Terminating");
        }
        if !options.dry_run && body != *old {
            body = (*self.store.put(resource, body)).clone();
        }
        Ok((body, warnings))
    }

    fn mark(&self, body: &mut Value, finalizers: Vec<Value>, grace: i64) {
        let now = self.now();
        let ends = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(Timestamp::MAX);
        let sooner =
            object::number(body, "/metadata/deletionGracePeriodSeconds").is_none_or(|g| grace < g);
        if !object::deleting(body)
            && let Some(generation) = object::number(body, "/metadata/generation")
        {
            object::put(body, &["metadata", "generation"], generation + 1);
        }
        if !object::deleting(body) || sooner {
            object::put(body, &["metadata", "deletionTimestamp"], object::time(ends));
            object::put(body, &["metadata", "deletionGracePeriodSeconds"], grace);
        }
        if finalizers.is_empty() {
            object::take(body, &["metadata", "finalizers"]);
        } else {
            object::put(body, &["metadata", "finalizers"], finalizers);
        }
    }
}

/// A pod that no node has, or that has ended, needs no time to end.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let ended = matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed");
    if ended || object::text(pod, "/spec/nodeName").is_empty() {
        return 0;
    }
    asked
        .or_else(|| object::number(pod, "/spec/terminationGracePeriodSeconds"))
        .unwrap_or(30)
        .max(0)
}

fn preconditions(
    resource: &Resource,
    old: &Arc<Value>,
    options: &DeleteOptions,
) -> Result<(), Status> {
    let real = object::uid(old);
    if let Some(wanted) = options.uid.as_deref().filter(|w| *w != real) {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({real}). \
             The object might have been deleted and then recreated"
        );
        return Err(Status::precondition(resource, object::name(old), &why));
    }
    let real = object::text(old, "/metadata/resourceVersion");
    if let Some(wanted) = options.version.as_deref().filter(|w| *w != real) {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion \
             in record ({real}). The object might have been modified"
        );
        return Err(Status::precondition(resource, object::name(old), &why));
    }
    Ok(())
}

/// What the client gets for an object that is gone: pods are returned, all else is confirmed.
fn gone(resource: &Resource, old: &Value) -> Value {
    if resource.kind == "Pod" {
        return old.clone();
    }
    let mut details =
        json!({"name": object::name(old), "kind": resource.plural, "uid": object::uid(old)});
    if !resource.group.is_empty() {
        details["group"] = resource.group.into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details})
}
