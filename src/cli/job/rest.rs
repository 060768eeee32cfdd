//! Messages about federated Jobs that do not go on by themselves.

use super::Session;
use crate::{
    error::Error,
    reconcile::{Idle, Status},
    state::Record,
};

/// The error of a command that waits for a Job that does not go on by itself. The hint is the
/// command that lets it go on.
pub(in crate::cli) fn resting(record: &Record, status: &Status, rest: Idle) -> Error {
    let (name, namespace) = (record.name(), record.namespace());
    let command =
        |verb: &str, flag: &str| format!("`kubectl federate {verb} {name} -n {namespace}{flag}`");
    let (why, hint) = match rest {
        Idle::Suspended => {
            ("is suspended".to_owned(), format!("{} lets it go on.", command("job resume", "")))
        }
        Idle::Paused => (
            "is paused: its parallelism is 0".to_owned(),
            format!("{} lets it go on.", command("job scale", " --parallelism=N")),
        ),
        Idle::Stopped => {
            let what = match (status.unplaced, record.manifest.size().completions) {
                (unplaced @ 1.., Some(asked)) => {
                    format!(
                        "{unplaced} of {asked} completions are unplaced, and no shard is running"
                    )
                }
                _ => "no shard is running".to_owned(),
            };
            let hint = match reopens(record) {
                Some(hint) => hint,
                None => format!("{} shows what happened.", command("job describe", "")),
            };
            (format!("is stopped: {what}"), hint)
        }
    };
    Error::new(format!("job.batch/{name} {why}")).hint(hint)
}

/// Prints how many completions are unplaced, and the command that has them run. They are unplaced
/// because somebody deleted their shard, or because all pods that may run are in use.
pub(in crate::cli) fn name_the_unplaced(session: &Session<'_>, record: &Record, status: &Status) {
    let (name, namespace) = (record.name(), record.namespace());
    let say = |count: i32, [one, more]: [&str; 2], hint: &str| {
        let what = if count == 1 { one } else { more };
        session.output().note(format!("job.batch/{name}: {count} {what}. {hint}"));
    };
    let held = status.unplaced - status.waiting;
    if let Some(hint) = reopens(record).filter(|_| held > 0) {
        say(held, ["completion is unplaced", "completions are unplaced"], &hint);
    }
    if status.waiting > 0 {
        let waits = ["completion is not assigned yet", "completions are not assigned yet"];
        let watch = format!(
            "`kubectl federate reconcile {name} -n {namespace} --watch` starts them as running pods finish."
        );
        say(status.waiting, waits, &watch);
    }
}

/// The hint that names the command which runs what is left of deleted shards, if there is any.
fn reopens(record: &Record) -> Option<String> {
    let (name, namespace) = (record.name(), record.namespace());
    record.holds_back().then(|| {
        format!(
            "`kubectl federate reconcile {name} -n {namespace} --reopen` runs what is left of deleted shards in other shards."
        )
    })
}
