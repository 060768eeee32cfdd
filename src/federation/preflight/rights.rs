//! The rights that the Job of a new shard needs after its creation. A missing one would show only
//! when the shard exists.

use crate::{
    cluster::{Attributes, Connection, Error, fan_out},
    state::Record,
};

/// A right in the namespace of the Job.
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// What needs it.
    who: &'static str,
}

/// Asks a member for each right that a new shard needs there (`SelfSubjectAccessReview`).
///
/// # Errors
/// One is missing: a refusal in the words of an API server.
pub(super) async fn check_rights(record: &Record, connection: &Connection) -> Result<(), Error> {
    let namespace = record.namespace();
    let ask = async |right: Right| {
        let Right { verb, group, resource, subresource, .. } = right;
        let asked = Attributes { verb, group, resource, subresource, namespace, name: "" };
        (connection.is_granted(&asked).await, right)
    };
    for (allowed, right) in fan_out(needed(record), ask).await {
        if allowed? {
            continue;
        }
        let Right { verb, group, resource, subresource, who } = right;
        let name = match subresource {
            "" => resource.to_owned(),
            subresource => format!("{resource}/{subresource}"),
        };
        let message = format!(
            "jobs.batch {:?} is forbidden: {who} needs the right to {verb} resource {name:?} in \
             API group {group:?} in the namespace {namespace:?}",
            record.name()
        );
        return Err(Error::refusal(connection.name(), 403, "Forbidden", message));
    }
    Ok(())
}

/// A Job is created suspended, so starting it is a patch. In an Indexed Job over several clusters,
/// each is told by the status which indexes are not its own. A work queue over several clusters
/// ends by the status too, once its pods are listed.
fn needed(record: &Record) -> Vec<Right> {
    let jobs = |subresource, who| Right {
        verb: "patch",
        group: "batch",
        resource: "jobs",
        subresource,
        who,
    };
    let mut needed = vec![jobs("", "starting it")];
    if record.shards.len() < 2 {
        return needed;
    }
    if record.manifest.indexed() {
        needed.push(jobs("status", "an Indexed job over several clusters"));
    } else if record.manifest.size().completions.is_none() {
        let who = "a work queue over several clusters";
        needed.push(jobs("status", who));
        needed.push(Right { verb: "list", group: "", resource: "pods", subresource: "", who });
    }
    needed
}
