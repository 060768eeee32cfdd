//! The questions about the shards of Jobs that are deleted: one for all Jobs.

use std::collections::BTreeSet;

use crate::{
    cli::{
        Session,
        confirm::choose_on_terminal,
        named::{are_apart, named},
    },
    error::{Error, Result},
    federation::Deletion,
    print::{Table, federate},
    state::{Cascade, Phase, Record},
};

/// What becomes of each of these Jobs, as the user says when asked; without a terminal, they are
/// forgotten and their shards stay.
///
/// # Errors
/// The user cancels, which is what Enter alone does: none of the Jobs is deleted.
pub(super) async fn asked(session: &Session<'_>, records: &[&Record]) -> Result<Vec<Deletion>> {
    if !session.output().can_ask() {
        return Ok(vec![Deletion::Orphan; records.len()]);
    }
    let with_shards = records.iter().copied().filter(|record| !record.shards.is_empty());
    let (begun, open): (Vec<_>, Vec<_>) =
        with_shards.partition(|record| record.state.deleting.is_some());
    let begun = if begun.is_empty() { true } else { goes_on(session, &begun).await? };
    let open = if open.is_empty() {
        Deletion::Orphan
    } else {
        cascade(session, &open, records.len()).await?
    };
    let of_one = |record: &&Record| match record.state.deleting {
        _ if record.shards.is_empty() => Deletion::Orphan,
        Some(cascade) if begun => Deletion::Cascade(cascade),
        Some(_) => Deletion::Abandon,
        None => open,
    };
    Ok(records.iter().map(of_one).collect())
}

/// Whether deletions that were begun go on.
///
/// # Errors
/// The user cancels: they stay as they are.
async fn goes_on(session: &Session<'_>, begun: &[&Record]) -> Result<bool> {
    let (are, unchanged) = match begun {
        [one] => {
            let job = format!("job.batch/{}", one.name());
            (format!("{job} is"), format!("{job} is being deleted as before"))
        }
        several => {
            let are = format!("{} jobs ({}) are", several.len(), named(&keys(several)));
            (are, format!("{} jobs are being deleted as before", several.len()))
        }
    };
    let question = format!(
        "{are} being deleted already. Continue, or abandon what is in clusters that do not answer?"
    );
    let words = &["continue", "abandon"];
    match choose_on_terminal(session.world(), &question, words, &unchanged).await? {
        Some(answer) => Ok(answer == 0),
        None => Err(Error::new(format!("cancelled: {unchanged}"))),
    }
}

/// What becomes of the shards of Jobs.
///
/// # Errors
/// The user cancels: none of `count` Jobs is deleted.
async fn cascade(session: &Session<'_>, open: &[&Record], count: usize) -> Result<Deletion> {
    let (question, hint) = match open {
        [one] => {
            let (name, clusters) = (one.name(), clusters(one));
            let what = format!("Delete the jobs {name:?} in {clusters} too");
            (format!("{what}, or keep them running?"), of_one(one))
        }
        several => {
            let are_apart = are_apart(keys(several));
            let namespace = are_apart.then_some("NAMESPACE");
            let headers = namespace.into_iter().chain(["NAME", "STATUS", "SHARDS IN"]);
            let mut table = Table::new(headers);
            for record in several {
                let namespace = are_apart.then(|| record.namespace().to_owned());
                let row = [record.name().to_owned(), status(record).to_owned(), clusters(record)];
                table.row(namespace.into_iter().chain(row));
            }
            session.output().note_table(&table);
            let what = format!("Delete the shards of these {} jobs too", several.len());
            (format!("{what}, or keep them running?"), of_several())
        }
    };
    let unchanged = match (open, count) {
        ([one], 1) => format!("job.batch/{} was not deleted", one.name()),
        _ => format!("none of the {count} jobs was deleted"),
    };
    let words = &["delete", "keep"];
    match choose_on_terminal(session.world(), &question, words, &unchanged).await? {
        Some(0) => Ok(Deletion::Cascade(Cascade::Background)),
        Some(_) => Ok(Deletion::Orphan),
        None => Err(Error::new(format!("cancelled: {unchanged}")).hint(hint)),
    }
}

/// The namespaces and the names of Jobs.
fn keys<'r>(records: &[&'r Record]) -> Vec<(&'r str, &'r str)> {
    records.iter().map(|record| (record.namespace(), record.name())).collect()
}

/// Where the shards of a Job are.
fn clusters(record: &Record) -> String {
    let clusters: BTreeSet<_> =
        record.shards.values().map(|shard| shard.cluster.as_str()).collect();
    clusters.into_iter().collect::<Vec<_>>().join(", ")
}

/// Whether its shards run on if they are kept, as far as that was recorded.
fn status(record: &Record) -> &'static str {
    let runs = |phase| record.shards.values().any(|shard| shard.phase == phase);
    match &record.state.outcome {
        Some(outcome) => outcome.verdict.as_str(),
        None if record.manifest.suspended() => "Suspended",
        None if runs(Phase::Started) => "Running",
        None => "Pending",
    }
}

/// The commands that delete a Job without a question.
fn of_one(record: &Record) -> String {
    let delete =
        |cascade| federate("job delete", [record.name(), "-n", record.namespace(), cascade]);
    format!(
        "{} deletes the jobs too, {} keeps them running.",
        delete("--cascade=background"),
        delete("--cascade=orphan")
    )
}

/// The flags that delete Jobs without a question.
fn of_several() -> String {
    "--cascade=background deletes the shards too, --cascade=orphan keeps them running.".to_owned()
}
