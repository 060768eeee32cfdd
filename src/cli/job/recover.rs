//! `kubectl federate job recover`.

use clap::Args;

use crate::{
    cli::{
        Session,
        confirm::Confirmation,
        events::{Reporter, Wording},
        job_name::job_name,
        left_records::{name_left_records, none_found},
        named::named_among,
        orphans::take_over,
    },
    error::{Error, Result},
    federation::{self, Federation, HostError, Newest, Recoverable, Survey, Unusable},
    print::{Table, counted, federate, federate_on_host},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Rebuild the record of one job from its shards, without a question
  kubectl federate job recover pi --yes

  # Rebuild all records of the federation, after all clusters were registered
  kubectl federate job recover --all --all-namespaces --yes";

/// Rebuild the records of jobs from their shards
///
/// For when the ConfigMap of a job was deleted or damaged, or when the host was lost and init has
/// made another. Register all clusters first: a cluster that is not registered is not asked, and
/// what it runs may run twice. The shards keep their federation's uid, and a registry without jobs
/// takes it over: on a terminal that is asked, elsewhere --federation has to name it. No work is
/// opened before every cluster was listed. It can be interrupted at any time and run again.
///
/// A job that was deleted while its shards were kept cannot be told from one whose record was lost:
/// --all brings it back, too. NAME says which jobs are meant.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Recover {
    /// The names of the jobs
    #[arg(value_name = "NAME", value_parser = job_name)]
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// All jobs that have shards in the clusters
    #[arg(long)]
    all: bool,
    /// The jobs of all namespaces
    #[arg(short = 'A', long, requires = "all")]
    all_namespaces: bool,
    /// The uid of the federation whose jobs are meant, if it is another one than that of the host's
    /// registry
    #[arg(long, value_name = "UID")]
    federation: Option<String>,
    /// The cluster whose manifest counts where clusters keep different ones of one edit
    #[arg(long, value_name = "CLUSTER")]
    manifest_of: Option<String>,
    /// Do not ask before the records are rebuilt: work in clusters that are not registered may run
    /// twice
    #[arg(short = 'y', long)]
    yes: bool,
}

impl Recover {
    /// Shows what was found, asks, and rebuilds the records.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let reporter = Reporter::new(session, Wording::new("recovered"));
        let mut federation = reporter.opening(session, &[], None).await?;
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let chosen = self.federation.as_deref();
        let manifest_of = self.manifest_of.as_deref();
        let survey = federation.survey(&self.names, namespace.as_deref(), chosen, manifest_of);
        let survey = reporter.interruptible(Box::pin(survey)).await??;
        let output = session.output();
        for unusable in &survey.unusable {
            let Unusable { cluster, namespace, name, why } = unusable;
            let text = format!("job {name} in namespace {namespace} is left as it is: {why}");
            output.warning(Some(cluster), &text);
        }
        for (cluster, why) in &survey.silent {
            output.warning(Some(cluster), &format!("its jobs are not known: {why}"));
        }
        if survey.jobs.is_empty() && !survey.revives() {
            match survey.whole.len() {
                0 => {
                    output.note(none_found(namespace.as_deref()));
                    let own = &federation.registry.uid;
                    name_left_records(session, &federation.store, own, survey.in_use).await;
                }
                1 => output.note("The record of 1 job is there. Nothing is to be recovered."),
                jobs => {
                    output.note(format!(
                        "The records of {jobs} jobs are there. Nothing is to be recovered."
                    ));
                }
            }
            if survey.in_use && !survey.own_jobs.is_empty() {
                output.note(about_own(&survey));
            }
            for uid in &survey.others {
                let take_over = take_over(survey.in_use, namespace.as_deref(), uid);
                output.note(format!(
                    "The clusters have jobs of another federation, {uid}. If its host is gone for \
                     good, {take_over} rebuilds its records."
                ));
            }
            return Ok(());
        }
        if !survey.jobs.is_empty() {
            output.note_table(&table(&survey.jobs));
        }
        self.must_name(session, &federation, &survey)?;
        let consequences = consequences(&survey, federation.store.host().name());
        let mut question = "Recover these jobs?".to_owned();
        if survey.takes_over {
            question = format!("Take over federation {}, with these jobs?", survey.federation);
        }
        let confirmation = Confirmation {
            consequences: &consequences,
            question: &question,
            flag: "--yes",
            unchanged: "nothing was recovered",
        };
        let is_written =
            |job: &Recoverable| !job.is_stored || job.damage.is_some() || !job.lacking.is_empty();
        if survey.jobs.iter().any(is_written) || survey.takes_over {
            confirmation.ask(session.world(), self.yes).await?;
        }
        session.left().begin(
            "nothing was recovered",
            "some records may be rebuilt. Run the same command again: it rebuilds the rest",
        );
        federation.recover(survey).await.map_err(Error::from)
    }

    /// Makes sure that the user knows which federation the registry takes over: they name it, or
    /// are asked.
    ///
    /// # Errors
    /// Neither is so.
    fn must_name(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        survey: &Survey,
    ) -> Result<()> {
        let is_asked = !self.yes && session.output().can_ask();
        if !survey.takes_over || self.federation.is_some() || is_asked {
            return Ok(());
        }
        let not_named = HostError::NotNamed {
            federation: survey.federation.clone(),
            own: federation.registry.uid.clone(),
            host: federation.store.host().name().to_owned(),
            typed: self.typed(),
            is_agreed: self.yes,
        };
        Err(federation::Error::from(not_named).into())
    }

    /// The words that say which jobs are meant, as they were typed. The namespace is not among
    /// them: each line that is offered repeats it.
    fn typed(&self) -> Vec<String> {
        let flags = [("--all", self.all), ("--all-namespaces", self.all_namespaces)];
        let flags = flags.into_iter().filter(|(_, is_given)| *is_given);
        let manifest_of = self.manifest_of.iter().map(|name| format!("--manifest-of={name}"));
        let names = self.names.iter().cloned();
        names.chain(flags.map(|(flag, _)| flag.to_owned())).chain(manifest_of).collect()
    }
}

/// Which Jobs keep a registry from taking over another federation.
fn about_own(Survey { own_jobs, .. }: &Survey) -> String {
    let jobs: Vec<_> = own_jobs.iter().map(|(it, name)| (it.as_str(), name.as_str())).collect();
    let are = if jobs.len() == 1 { "a job" } else { "jobs" };
    format!(
        "This federation takes over no other one while it has {are}: {}.",
        named_among(&jobs, true)
    )
}

/// What was found of each Job.
fn table(jobs: &[Recoverable]) -> Table {
    let mut table = Table::new(["NAMESPACE", "NAME", "STATUS", "COMPLETIONS", "SHARDS"]);
    for Recoverable { record, status, shards, .. } in jobs {
        table.row([
            record.namespace().to_owned(),
            record.name().to_owned(),
            status.word().to_owned(),
            status.completions(),
            shards.to_string(),
        ]);
    }
    table
}

/// What is assumed, and what cannot be known: a sentence each.
fn consequences(survey: &Survey, host: &str) -> Vec<String> {
    let mut said = Vec::new();
    if survey.takes_over {
        said.push(format!(
            "The jobs are of federation {}. The registry on host {host:?} has no jobs, and becomes \
             that federation. If it has another host, do not use that one any more. Should that \
             host answer again, {} marks it as moved, and nothing can use it then.",
            survey.federation,
            federate_on_host("init", ["--from=CONTEXT"], host)
        ));
    }
    if survey.takes_over {
        said.push(format!(
            "The weights, labels and leases of its clusters were in the registry that is gone. \
             {}, {} and {} set them again.",
            federate("cluster weight", ["NAME", "N"]),
            federate("cluster label", ["NAME", "KEY=VALUE"]),
            federate("cluster lease", ["NAME", "30m"])
        ));
    }
    if !survey.unregistered.is_empty() {
        let register = |name: &String| {
            federate("cluster register", [name.as_str(), "--cluster-context=CONTEXT"])
        };
        let commands: Vec<_> = survey.unregistered.iter().map(register).collect();
        let names: Vec<_> = survey.unregistered.iter().map(String::as_str).collect();
        said.push(format!(
            "The records have shards in clusters that are not registered: {}. Register them \
             first: {}.",
            names.join(", "),
            commands.join(", ")
        ));
    }
    if !survey.others.is_empty() {
        let uids: Vec<_> = survey.others.iter().map(String::as_str).collect();
        said.push(format!("Jobs of other federations are left as they are: {}.", uids.join(", ")));
    }
    if survey.revives() {
        let jobs: Vec<_> =
            survey.whole.iter().map(|(_, name)| format!("job.batch/{name}")).collect();
        said.push(format!(
            "The host has records of that federation, which count again: {}.",
            jobs.join(", ")
        ));
    }
    said.extend(survey.jobs.iter().flat_map(about));
    if !survey.silent.is_empty() {
        let names: Vec<_> = survey.silent.keys().map(String::as_str).collect();
        said.push(format!("No work is opened before {} was listed.", names.join(", ")));
    }
    said.push(
        "What runs in a cluster that is not registered is not known, and may run twice.".to_owned(),
    );
    said
}

/// What is assumed of one Job: a sentence each.
fn about(job: &Recoverable) -> Vec<String> {
    let Recoverable { record, anew, missing, newest, damage, lacking, is_stored, .. } = job;
    let job = format!("job.batch/{}", record.name());
    let mut said = Vec::new();
    if let Some(damage) = damage {
        let becomes = if *is_stored { "gets its label again" } else { "is replaced" };
        said.push(format!("{job}: the record {becomes}: {damage}."));
    }
    if !lacking.is_empty() {
        let names: Vec<_> = lacking.iter().map(String::as_str).collect();
        said.push(format!(
            "{job}: its record lacks jobs of cluster {}. What they have done counts, and they are \
             stopped: others were given their work.",
            names.join(", ")
        ));
    }
    if let Some(Newest { cluster, changes }) = newest {
        said.push(format!(
            "{job}: its manifest is the one of cluster {cluster}, which others do not have yet: \
             {}.",
            changes.join(", ")
        ));
    }
    match missing.len() {
        0 => {}
        1 => said.push(format!(
            "{job}: shard {missing} was not found. Its job was deleted, or is in a cluster that \
             is not registered or did not answer."
        )),
        _ => said.push(format!(
            "{job}: shards {missing} were not found. Their jobs were deleted, or are in clusters \
             that are not registered or did not answer."
        )),
    }
    if *anew > 0 {
        let completions = counted(*anew, "completion");
        said.push(format!("{job}: {completions} will run in new shards."));
    }
    said
}
