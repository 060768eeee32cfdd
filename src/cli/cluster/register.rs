//! `kubectl federate cluster register`.

use clap::Args;

use super::label;
use crate::{
    cli::Session,
    error::{Error, Result},
    federation::{Registered, Registration},
    print::federate,
    state::member_name,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Register the cluster of the context \"spare\" under the same name
  kubectl federate cluster register spare

  # Register it under a name of its own, with twice the share of the others
  kubectl federate cluster register london --cluster-context=spare --weight=2

  # Change the weight of a member and add a label
  kubectl federate cluster register west --weight=3 --label=region=eu";

/// Make a cluster a member of the federation
///
/// The cluster is the one that the context leads to. It is identified by the uid of its kube-system
/// namespace: if the context leads to another cluster later, nothing is sent there.
///
/// If the cluster is a member already, its weight and its context are changed where they are given,
/// and labels are added to those it has.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Register {
    /// The member's name, a DNS label of at most 40 characters; made from the context's name if
    /// left out
    name: Option<String>,
    /// The kubeconfig context that leads to the cluster; if left out, the member's, or the one of
    /// the same name
    #[arg(long, value_name = "CONTEXT")]
    cluster_context: Option<String>,
    /// The cluster's share of a job relative to those of the other clusters; 1 unless set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    weight: Option<i32>,
    /// A label of the cluster, can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label::parse)]
    labels: Vec<(String, String)>,
}

/// How many contexts are shown to somebody who named none.
const SHOWN: usize = 10;

impl Register {
    /// Asks the cluster who it is, then adds it to the registry, or changes what is given anew.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.name.is_none() && self.cluster_context.is_none() {
            return Err(nothing_named(session));
        }
        let name = self.name()?;
        let federation = session.federation(&()).await?;
        let context = match (&self.cluster_context, federation.registry.members.get(&name)) {
            (Some(context), _) => context.clone(),
            (None, Some(member)) => session.context_of(&name, member).to_owned(),
            (None, None) => name.clone(),
        };
        let connection = session.dial_context(&name, &context).map_err(|error| {
            if self.cluster_context.is_some() || !session.lacks_context(&context) {
                return error;
            }
            error.hint(format!(
                "{}, with one of `kubectl config get-contexts -o name`",
                federate("cluster register", [&*name, "--cluster-context=CONTEXT"])
            ))
        })?;
        let registration = Registration {
            name,
            context,
            context_given: self.cluster_context.is_some(),
            weight: self.weight,
            labels: self.labels,
        };
        let (registered, missing) = federation.register(&connection, &registration).await?;
        let name = &registration.name;
        session.output().line(format!("cluster/{name} {}", past_participle(registered)));
        for (right, without) in missing {
            session.output().warning(Some(name), &format!("may not {right}: {without}"));
        }
        Ok(())
    }

    /// The member's name: as given, or made from the context's.
    fn name(&self) -> Result<String> {
        let name = match (&self.name, &self.cluster_context) {
            (Some(name), _) => Some(name.clone()),
            (None, context) => context.as_deref().and_then(member_name),
        };
        name.filter(|name| member_name(name).as_ref() == Some(name)).ok_or_else(|| {
            let context = self.cluster_context.as_ref();
            let given = self.name.as_ref().or(context).map_or("", String::as_str);
            let error = Error::new(format!(
                "{given:?} cannot be a cluster's name: at most 40 lower-case letters, digits and \
                hyphens, with no \
                 hyphen at either end"
            ));
            let name = member_name(given).unwrap_or_else(|| "NAME".to_owned());
            let context = context.map_or(given, String::as_str);
            let context = format!("--cluster-context={context}");
            error.hint(federate("cluster register", [name, context]))
        })
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
            "The contexts of your kubeconfig: {} and {more} more, see `kubectl config get-contexts \
            -o name`",
            contexts.join(", ")
        )),
    }
}

/// What happened to a cluster, as kubectl says it.
fn past_participle(registered: Registered) -> &'static str {
    match registered {
        Registered::New => "registered",
        Registered::Changed => "configured",
        Registered::Unchanged => "unchanged",
    }
}
