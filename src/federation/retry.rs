//! What did not succeed of a Failed federated Job is run again, as a new one.

use super::{
    dry_run_strategy::DryRun,
    error::{Error, NotRetriable},
    open::Federation,
    records::Records,
    submit::Proposal,
};
use crate::{
    job::Manifest,
    reconcile::retry_record,
    seams::{self, Defect},
    state::{self, Accepted, Phase, Record, Shard, Verdict},
};

/// How many names are tried for a Job that gets none.
const NAMES: u32 = 99;

/// A new federated Job that would do what did not succeed of another one.
#[derive(Debug)]
pub struct Retry {
    pub(super) proposal: Proposal,
    /// How many completions did not succeed; none for a work queue.
    pub left: Option<i32>,
    /// Which of them may run twice: it is not known whether they were done.
    pub uncertain: Vec<UnknownWork>,
    /// The names of the Jobs that retry the Failed one already: they run the same work.
    pub earlier: Vec<String>,
    /// The name of the Failed Job.
    pub failed: String,
}

/// Work of which it is not known whether it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownWork {
    /// What a shard has not been seen to do.
    Shard {
        /// Its cluster.
        cluster: String,
        /// How many completions; none for a work queue.
        left: Option<i32>,
        /// Whether somebody deleted its Job.
        deleted: bool,
    },
    /// What a cluster may have done that has yet to be listed.
    Unlisted {
        /// The cluster.
        cluster: String,
    },
    /// What may have been done since the backup that its record was restored from.
    Withheld {
        /// How much, a phrase such as `4 completions`.
        work: String,
    },
}

impl Federation<'_> {
    /// Divides what did not succeed of a Failed Job over the members. Nothing is written. `name` is
    /// that of the new Job; by default `NAME-retry`, or the first of `NAME-retry-2` and so on that
    /// the host does not have.
    ///
    /// # Errors
    /// The Job is not Failed, or has not stopped in a member that answers; or what is left cannot
    /// be divided.
    pub async fn propose_retry(&self, record: Record, name: Option<&str>) -> Result<Retry, Error> {
        let refused = |why| Error::NotRetriable {
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
            why,
        };
        match &record.state.outcome {
            _ if record.state.deleting.is_some() => return Err(refused(NotRetriable::Deleting)),
            Some(outcome) if outcome.verdict == Verdict::Failed => {}
            _ => return Err(refused(NotRetriable::NotFailed)),
        }
        let failed = record.name().to_owned();
        let Some(look) = self.look(vec![record.clone()]).await.pop() else {
            return Err(Error::not_found(record.namespace(), record.name()));
        };
        let known = look.record;
        let answers = |shard: &Shard| look.observations.unknown(shard).is_none();
        if known.shards.values().any(|shard| shard.phase.live() && answers(shard)) {
            return Err(refused(NotRetriable::NotStopped));
        }
        let uncertain = uncertain_work(&known);
        let earlier = self.retries(&known).await?;
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.free_name(&known).await?,
        };
        let left = known.manifest.size().completions.map(|asked| asked - known.achieved());
        if left.is_some_and(|left| left <= 0) {
            return Err(refused(NotRetriable::Succeeded));
        }
        let source = format!("job.batch/{failed}");
        let manifest = manifest(&known, &name, left)
            .map_err(|why| Error::Manifest { source_file: source.clone(), why })?;
        let divided = retry_record(&self.registry, &known, manifest, self.now());
        let mut new = divided.map_err(|error| Error::NotDivisible {
            source_file: source.clone(),
            name,
            error,
        })?;
        new.state.create_namespace = known.state.create_namespace;
        new.state.field_validation = known.state.field_validation;
        new.state.retries = Some(known.state.uid);
        Ok(Retry { proposal: Proposal { record: new, source }, left, uncertain, earlier, failed })
    }

    /// Submits the new Job. Its record remembers who asked for it, and `detail`, a phrase that says
    /// what for, such as `6 completions of job pi`. The Failed Job stays as it is.
    ///
    /// # Errors
    /// As [`Federation::submit`].
    pub async fn retry(&self, retry: Retry, detail: &str, dry_run: DryRun) -> Result<(), Error> {
        let is_certain = retry.uncertain.is_empty() && retry.earlier.is_empty();
        let what = if is_certain { Accepted::Retried } else { Accepted::RetriedUncertain };
        let mut proposal = retry.proposal;
        proposal.record.accept(self.acceptance(what, detail).await);
        self.submit_all(vec![proposal], dry_run).await
    }

    /// The names of the Jobs that retry this one already. A record that cannot be read is none.
    ///
    /// # Errors
    /// The host cannot be read.
    async fn retries(&self, record: &Record) -> Result<Vec<String>, Error> {
        let Records { records, .. } = self.records(&[], Some(record.namespace())).await?;
        let retries = |other: &&Record| other.state.retries.as_ref() == Some(&record.state.uid);
        Ok(records.iter().filter(retries).map(|other| other.name().to_owned()).collect())
    }

    /// The first name for a retry that the host has no record under.
    async fn free_name(&self, record: &Record) -> Result<String, Error> {
        let mut name = String::new();
        for n in 1..=NAMES {
            name = match n {
                1 => format!("{}-retry", record.name()),
                n => format!("{}-retry-{n}", record.name()),
            };
            match self.store.record(record.namespace(), &name).await {
                Err(error) if error.is_not_found() => break,
                Err(state::Error::Cluster(error)) => return Err(error.into()),
                // It is there, whatever is in it.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(name)
    }
}

/// What is not known to be done or not: of each shard that has not been seen to end, of each member
/// that has yet to be listed, and what was withheld after a restore.
fn uncertain_work(record: &Record) -> Vec<UnknownWork> {
    let is_uncertain = |shard: &&Shard| shard.phase.live() || shard.may_have_ended();
    let shards = record.shards.values().filter(is_uncertain).map(unknown_work);
    let unlisted = record.state.unlisted.iter().chain(record.state.missed.values());
    let unlisted = unlisted.map(|name| UnknownWork::Unlisted { cluster: name.clone() });
    let withheld = record.withheld_work().map(|work| UnknownWork::Withheld { work });
    shards.chain(unlisted).chain(withheld).collect()
}

/// What is not known of a shard.
fn unknown_work(shard: &Shard) -> UnknownWork {
    UnknownWork::Shard {
        cluster: shard.cluster.clone(),
        left: shard.share().completions.map(|share| share - shard.achieved()),
        deleted: shard.phase == Phase::Deleted,
    }
}

/// The manifest of the new Job: that of the Failed one, under another name. One that is not Indexed
/// asks for what is left.
fn manifest(failed: &Record, name: &str, left: Option<i32>) -> Result<Manifest, String> {
    let mut object = failed.manifest.object().clone();
    object["metadata"]["name"] = name.into();
    let is_whole = failed.manifest.indexed() || seams::has(Defect::RetryWhole);
    if let (Some(left), false) = (left, is_whole) {
        object["spec"]["completions"] = left.into();
    }
    Manifest::recorded(object).map_err(|error| error.to_string())
}
