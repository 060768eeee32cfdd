//! What people ask for, and how the engine carries it out.

use std::sync::Arc;
use std::time::Duration;

use kubectl_federate::federation::{
    self, Deletion, DrainTerms, DryRun, Federation, Manifests, Patience, Registration, Reopen,
    Request, Scope, SubmitTerms,
};
use kubectl_federate::job::Patch;
use kubectl_federate::state::RanTwice;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::hosts::HostCommand;
use super::jobs::{NAME, RETRY};
use super::knowledge::Doing;
use super::site::{PEOPLE, Person, Site};

const NAMESPACE: &str = "default";

/// How long a command may take before its user presses Ctrl-C.
const PATIENCE: Duration = Duration::from_mins(10);

/// What someone asks for.
#[derive(Clone, Debug)]
pub enum Command {
    Create,
    Reconcile(Reopen),
    Edit(Value, bool),
    Delete(Deletion),
    Look,
    Rebalance,
    Recover,
    Retry,
    Unregister(&'static str),
    Host(HostCommand),
    Cluster(ClusterCommand, &'static str),
}

impl Command {
    /// What it may do that others may not.
    pub fn doing(&self) -> Doing {
        match self {
            Self::Host(HostCommand::Clean { .. }) => Doing::Cleans,
            Self::Recover | Self::Host(_) => Doing::Rebuilds,
            _ => Doing::Neither,
        }
    }
}

/// What someone asks for of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterCommand {
    Register,
    Cordon,
    Uncordon,
    Drain,
    DrainNow,
    Lost,
    /// A lease of so many seconds, or none.
    Lease(Option<i64>),
}

/// Runs a command to its end, or until its process is killed, or until its user has no patience.
/// Says how it ended: `done`, or why not.
pub async fn run(
    site: &Arc<Site>,
    person: &'static str,
    manifest: &Value,
    command: Command,
    killed: Arc<Notify>,
) -> String {
    let process = Person::new(site, person);
    let work = Box::pin(carry_out(&process, manifest, command));
    let ended = tokio::select! {
        biased;
        () = killed.notified() => "killed".to_owned(),
        done = tokio::time::timeout(PATIENCE, work) => match done {
            Ok(Ok(())) => "done".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "interrupted".to_owned(),
        },
    };
    let mut events = site.events();
    if let Some(dump) = dump(&ended) {
        events.knowledge.accuse(|| format!("an error dumps {dump:?}: {ended}"));
    }
    events.note(|| format!("{person}: {ended}"));
    ended
}

/// What no error shows.
fn dump(text: &str) -> Option<&'static str> {
    let dumps =
        ["Some(", "Err(", "Ok(", "None,", " { cluster:", "Custom {", "Os {", "Kind(", "Status {"];
    dumps.into_iter().find(|dump| text.contains(dump))
}

async fn carry_out(
    process: &Person,
    manifest: &Value,
    command: Command,
) -> Result<(), federation::Error> {
    if let Command::Host(command) = command {
        return command.carry_out(process).await;
    }
    let mut federation = Federation::open(process.host(), None, [], process, &()).await?;
    let name = process.subject();
    match command {
        Command::Create => {
            let rules = Manifests { default_namespace: NAMESPACE, asked_namespace: None };
            let sources = rules.read([("life.yaml".to_owned(), manifest.clone())])?;
            federation.submit(sources, SubmitTerms::default(), DryRun::None).await
        }
        Command::Reconcile(reopen) => {
            let scope = Scope { names: &[], namespace: Some(NAMESPACE) };
            federation.reconcile(scope, reopen).await
        }
        Command::Edit(patch, recreate) => {
            let mut request = Request::new(name, DryRun::None);
            request.recreate = Some(recreate);
            let patch = Patch::merge(patch).expect("it is an object");
            federation.edit(NAMESPACE, name, &request, |old| patch.apply(old)).await.map(drop)
        }
        Command::Delete(deletion) => {
            let record = federation.record(NAMESPACE, name).await?;
            let jobs = vec![Ok((record, deletion))];
            federation::Error::all(federation.delete(jobs, Patience::Endless).await)
        }
        Command::Look => {
            let record = federation.record(NAMESPACE, name).await?;
            federation.describe(vec![record]).await;
            Ok(())
        }
        Command::Rebalance => {
            federation.rebalance(Scope { names: &[], namespace: Some(NAMESPACE) }).await
        }
        Command::Recover => {
            let survey = federation.survey(&[], Some(NAMESPACE), None, None).await?;
            federation.recover(survey).await
        }
        Command::Retry => {
            let record = federation.record(NAMESPACE, NAME).await?;
            let retry = federation.propose_retry(record, Some(RETRY)).await?;
            federation.retry(retry, "what failed", DryRun::None).await
        }
        Command::Unregister(name) => federation.unregister(name).await.map(drop),
        Command::Host(_) => Ok(()),
        Command::Cluster(command, name) => {
            carry_out_on_cluster(process, &mut federation, command, name).await
        }
    }
}

async fn carry_out_on_cluster(
    process: &Person,
    federation: &mut Federation<'_>,
    command: ClusterCommand,
    name: &'static str,
) -> Result<(), federation::Error> {
    let terms = |now| DrainTerms { now, timeout: Some(Duration::from_mins(2)) };
    match command {
        ClusterCommand::Register => {
            let registration = Registration {
                name: name.to_owned(),
                context: name.to_owned(),
                context_given: false,
                lease: None,
                weight: None,
                labels: Vec::new(),
            };
            let clusters = [(process.connection(name, name)?, registration)];
            for registered in federation.register(&clusters, NAMESPACE).await? {
                registered?;
            }
            Ok(())
        }
        ClusterCommand::Cordon => federation.cordon(name).await.map(drop),
        ClusterCommand::Uncordon => federation.uncordon(name).await.map(drop),
        ClusterCommand::Drain => federation.drain(name, terms(false)).await,
        ClusterCommand::DrainNow => federation.drain(name, terms(true)).await,
        ClusterCommand::Lost => federation.declare_lost(name).await,
        ClusterCommand::Lease(seconds) => federation.lease(name, seconds).await.map(drop),
    }
}

/// What has run twice in all, as the product says: how much, and of an Indexed Job which indexes.
/// None where it cannot say.
pub async fn ran_twice(site: &Arc<Site>) -> Option<RanTwice> {
    let process = Person::new(site, PEOPLE[0]);
    let federation = Federation::open(process.host(), None, [], &process, &()).await.ok()?;
    Some(federation.record(NAMESPACE, NAME).await.ok()?.ran_twice())
}

/// A change that lets a Job go on.
pub fn resumption() -> Command {
    Command::Edit(json!({"spec": {"suspend": false, "parallelism": 3}}), false)
}
