//! What is said of federated Jobs that go no further unless a user says so.

use super::Session;
use crate::{
    error::Error,
    reconcile::{Idle, Status},
    state::Record,
};

/// The error of a command that would wait for a Job that rests, with what lets it go on.
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
                        "{unplaced} of {asked} completions are unplaced, and no cluster works on it any more"
                    )
                }
                _ => "no cluster works on it any more".to_owned(),
            };
            let hint = match reopens(record) {
                Some(hint) => hint,
                None => format!("{} shows what became of it.", command("job describe", "")),
            };
            (format!("is stopped: {what}"), hint)
        }
    };
    Error::new(format!("job.batch/{name} {why}")).hint(hint)
}

/// Says what work is unplaced, and how it is done all the same: because somebody deleted the shard
/// that had it, or because no pod more may run at present.
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
        let waits = [
            "completion waits until a pod ends elsewhere",
            "completions wait until pods end elsewhere",
        ];
        let watch = format!(
            "`kubectl federate reconcile {name} -n {namespace} --watch` has them done then."
        );
        say(status.waiting, waits, &watch);
    }
}

/// How what is left of deleted shards is done by others, where there are any.
fn reopens(record: &Record) -> Option<String> {
    let (name, namespace) = (record.name(), record.namespace());
    record.holds_back().then(|| {
        format!(
            "`kubectl federate reconcile {name} -n {namespace} --reopen` has what is left of deleted parts done by others."
        )
    })
}
