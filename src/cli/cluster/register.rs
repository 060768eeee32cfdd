//! `kubectl federate cluster register`.

use std::collections::BTreeSet;

use clap::Args;

use super::{
    label,
    lease::{self, Length},
    pick,
    registrations::{register, valid_name},
    steps,
};
use crate::{
    cli::{Session, number::natural},
    error::{Error, Result},
    federation::{Federation, Registration},
    print::kubectl_line,
    state::member_name,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Register the cluster of the context \"spare\" under the same name
  kubectl federate cluster register spare

  # Register the clusters of several contexts, or of all that the kubeconfig has
  kubectl federate cluster register west north
  kubectl federate cluster register --all-contexts

  # Register it under a name of its own, with twice the share of the others
  kubectl federate cluster register london --cluster-context=spare --weight=2

  # Change the weight of a member and add a label
  kubectl federate cluster register west --weight=3 --label=region=eu";

/// Make clusters members of the federation
///
/// The cluster is the one that the context leads to. It is identified by the uid of its kube-system
/// namespace: if the context leads to another cluster later, nothing is written there.
///
/// If the cluster is a member already, its weight, its lease and its context are changed where they
/// are given, and labels are added to those it has. Such a change is for everybody who uses the
/// federation; `cluster match` changes a context for you alone.
///
/// Rights to jobs that you lack in the namespace are reported.
///
/// On a terminal, without a NAME or a flag, it shows your contexts and asks which of their clusters
/// to register.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Register {
    /// The members' names, DNS labels of at most 40 characters; made from the context's name if
    /// left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The kubeconfig context that leads to the cluster; if left out, the member's, or the one of
    /// the same name
    #[arg(long, value_name = "CONTEXT")]
    cluster_context: Option<String>,
    /// Register the clusters of all contexts of the kubeconfig, each once
    #[arg(long)]
    all_contexts: bool,
    /// The cluster's share of a job relative to those of the other clusters; 1 unless set
    #[arg(long, value_name = "N", value_parser = natural)]
    weight: Option<i32>,
    /// How long its shards may run without contact, such as 30m, or none; see `cluster lease`
    #[arg(long, value_name = "DURATION", value_parser = lease::length)]
    lease: Option<Length>,
    /// A label of the cluster, can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label::parse)]
    labels: Vec<(String, String)>,
}

/// How many contexts are shown to somebody who named none.
const SHOWN: usize = 10;

impl Register {
    /// Asks each cluster who it is, then adds it to the registry, or changes what is given anew.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let names_one = self.cluster_context.is_some();
        if self.all_contexts && (names_one || !self.names.is_empty()) {
            return Err(Error::new(
                "NAME and --cluster-context cannot be provided when --all-contexts is specified",
            ));
        }
        if names_one && self.names.len() > 1 {
            return Err(Error::new("--cluster-context is for one NAME"));
        }
        if self.all_contexts {
            return self.all(session).await;
        }
        if self.names.is_empty() && !names_one {
            return self.ask(session).await;
        }
        if self.names.len() <= 1 {
            let name = self.name()?;
            steps::begin_together(session, [&*name], "registered");
            let federation = session.federation(&()).await?;
            let registration = self.registration(session, &federation, name);
            return register(session, &federation, [registration], 0).await;
        }
        let federation = session.federation(&()).await?;
        let registrations =
            self.names.iter().map(|name| self.registration(session, &federation, name.clone()));
        register(session, &federation, registrations, 0).await
    }

    /// Registers the cluster of each context, each once.
    async fn all(&self, session: &Session<'_>) -> Result<()> {
        let federation = session.federation(&()).await?;
        let (mut registrations, mut errors) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for context in session.ask_contexts(None).await {
            match &context.cluster {
                Ok(cluster) if !seen.insert(cluster.uid.clone()) => {
                    let text = "leads to the same cluster as an earlier one";
                    session.output().note(format!("context {:?} {text}", context.name));
                }
                Ok(_) => {
                    let member = context.member(&federation.registry).map(str::to_owned);
                    let given = member.is_none().then(|| context.name.clone());
                    let name = member.or_else(|| member_name(&context.name));
                    let name = name.unwrap_or_else(|| context.name.clone());
                    let registration = self.registration(session, &federation, name);
                    registrations.push(match given {
                        Some(context) => Registration { context, ..registration },
                        None => registration,
                    });
                }
                Err(why) => errors.push(Error::new(format!("context {:?}: {why}", context.name))),
            }
        }
        let registered = register(session, &federation, registrations, errors.len()).await;
        Error::all([registered].into_iter().chain(errors.into_iter().map(Err)))
    }

    /// Asks which clusters to register.
    async fn ask(&self, session: &Session<'_>) -> Result<()> {
        if !session.output().can_ask() {
            return Err(nothing_named(session));
        }
        let federation = session.federation(&()).await?;
        let (weight, lease) = (self.weight, self.lease);
        let given = pick::Given { weight, lease, labels: &self.labels };
        let picked = pick::ask(session, Some(&federation.registry), given).await?;
        register(session, &federation, picked, 0).await
    }

    /// What is asked for under this name.
    fn registration(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        name: String,
    ) -> Registration {
        let context = match (&self.cluster_context, federation.registry.members.get(&name)) {
            (Some(context), _) => context.clone(),
            (None, Some(member)) => session.context_of(&name, member).to_owned(),
            (None, None) => name.clone(),
        };
        Registration {
            name,
            context,
            context_given: self.cluster_context.is_some(),
            weight: self.weight,
            lease: self.lease.map(|Length(lease)| lease),
            labels: self.labels.clone(),
        }
    }

    /// The member's name: as given, or made from the context's.
    fn name(&self) -> Result<String> {
        match (self.names.first(), &self.cluster_context) {
            (Some(name), context) => valid_name(name, context.as_deref()),
            (None, context) => {
                let context = context.as_deref().unwrap_or_default();
                member_name(context).map_or_else(|| valid_name(context, Some(context)), Ok)
            }
        }
    }
}

/// Nothing says which cluster is meant.
fn nothing_named(session: &Session<'_>) -> Error {
    let error = Error::new(
        "must specify a NAME or --cluster-context\nSee 'kubectl federate cluster register --help' \
        for usage.",
    );
    let mut contexts: Vec<_> = session.contexts().collect();
    contexts.sort_unstable();
    let more = contexts.len().saturating_sub(SHOWN);
    contexts.truncate(SHOWN);
    match (contexts.is_empty(), more) {
        (true, _) => error.hint(
            "Your kubeconfig has no contexts: see KUBECONFIG and \
        --kubeconfig.",
        ),
        (false, 0) => error.hint(format!(
            "The contexts of your kubeconfig: {}",
            contexts.join(
                ", \
        "
            )
        )),
        (false, more) => error.hint(format!(
            "The contexts of your kubeconfig: {} and {more} more, see `{}`",
            contexts.join(", "),
            kubectl_line(None, &["config", "get-contexts", "-o", "name"])
        )),
    }
}
