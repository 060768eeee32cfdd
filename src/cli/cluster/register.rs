//! `kubectl federate cluster register`.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;

use super::{Session, label};
use crate::{
    cluster::{Connection, fan_out},
    error::{Error, Result},
    state::{Member, MemberState, Registry, member_name},
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

/// What a member must let us do, as verb, resource and subresource, and what cannot be done without
/// it.
const RIGHTS: [(&str, &str, &str, &str); 6] = [
    ("list", "jobs", "", "nothing can be known of its jobs"),
    ("get", "jobs", "", "nothing can be known of its jobs"),
    ("create", "jobs", "", "it cannot be given work"),
    ("patch", "jobs", "", "its jobs cannot be started"),
    ("delete", "jobs", "", "its jobs cannot be deleted"),
    ("patch", "jobs", "status", "work cannot be taken off it once it runs"),
];

/// How many contexts are shown to somebody who named none.
const SHOWN: usize = 10;

impl Register {
    /// Asks the cluster who it is, then adds it to the registry, or changes what is given anew.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.name.is_none() && self.cluster_context.is_none() {
            return Err(nothing_named(session));
        }
        let name = self.name()?;
        let (store, mut registry) = session.federation().await?;
        let context = match (&self.cluster_context, registry.members.get(&name)) {
            (Some(context), _) => context.clone(),
            (None, Some(member)) => session.context_of(&name, member).to_owned(),
            (None, None) => name.clone(),
        };
        let connection = session.dial_context(&name, &context).map_err(|error| {
            if self.cluster_context.is_some() || !session.lacks_context(&context) {
                return error;
            }
            error.hint(format!(
                "kubectl federate cluster register {name} --cluster-context=CONTEXT, with one of `kubectl config \
                 get-contexts -o name`"
            ))
        })?;
        let uid = connection.identity().await?;
        let missing = missing_rights(&connection).await?;
        let what = loop {
            let (member, what) = self.member(&registry, &name, &context, &uid, session.now())?;
            if what == "unchanged" {
                break what;
            }
            match store.set_member(&registry, &name, Some(&member)).await {
                Err(error) if error.is_conflict() => registry = store.registry().await?,
                done => break done.map(|_| what)?,
            }
        };
        session.output().line(format!("cluster/{name} {what}"));
        for (right, without) in missing {
            session.output().warning(Some(&name), &format!("may not {right}: {without}"));
        }
        Ok(())
    }

    /// The member as it is to be, and what that makes of it.
    fn member(
        &self,
        registry: &Registry,
        name: &str,
        context: &str,
        uid: &str,
        now: Timestamp,
    ) -> Result<(Member, &'static str)> {
        let before = registry.members.get(name);
        if let Some(other) = before.filter(|member| member.uid != uid) {
            let message = format!(
                "another cluster is registered as {name:?} already, with context {:?}",
                other.context
            );
            return Err(Error::new(message).hint(format!(
                "Take another name, or `kubectl federate cluster unregister {name}` first."
            )));
        }
        if let Some((other, _)) = registry.member_by_uid(uid).filter(|(other, _)| *other != name) {
            return Err(Error::new(format!("this cluster is registered already, as {other:?}")));
        }
        let mut member = before.cloned().unwrap_or_else(|| Member {
            context: context.to_owned(),
            uid: uid.to_owned(),
            weight: 1,
            labels: BTreeMap::new(),
            state: MemberState::Ready,
            registered: now.as_second(),
        });
        if let Some(context) = &self.cluster_context {
            member.context.clone_from(context);
        }
        if let Some(weight) = self.weight {
            member.weight = weight;
        }
        member.labels.extend(self.labels.iter().cloned());
        let what = match before {
            None => "registered",
            Some(before) if *before == member => "unchanged",
            Some(_) => "configured",
        };
        Ok((member, what))
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
                "{given:?} cannot be a cluster's name: at most 40 lower-case letters, digits and hyphens, with no \
                 hyphen at either end"
            ));
            let name = member_name(given).unwrap_or_else(|| "NAME".to_owned());
            let context = context.map_or(given, String::as_str);
            error.hint(format!("kubectl federate cluster register {name} --cluster-context={context}"))
        })
    }
}

/// Nothing says which cluster is meant.
fn nothing_named(session: &Session<'_>) -> Error {
    let error = Error::new(
        "must specify a NAME or --cluster-context\nSee 'kubectl federate cluster register --help' for usage.",
    );
    let mut contexts: Vec<_> = session.contexts().collect();
    contexts.sort_unstable();
    let more = contexts.len().saturating_sub(SHOWN);
    contexts.truncate(SHOWN);
    match (contexts.is_empty(), more) {
        (true, _) => error.hint("Your kubeconfig has no contexts: see KUBECONFIG and --kubeconfig."),
        (false, 0) => error.hint(format!("The contexts of your kubeconfig: {}", contexts.join(", "))),
        (false, more) => error.hint(format!(
            "The contexts of your kubeconfig: {} and {more} more, see `kubectl config get-contexts -o name`",
            contexts.join(", ")
        )),
    }
}

/// The rights that we lack there, as words, and what that means.
async fn missing_rights(connection: &Connection) -> Result<Vec<(String, &'static str)>> {
    let ask = async |(verb, resource, subresource, without)| {
        let allowed = connection.allowed(verb, "batch", resource, subresource, "").await?;
        let words = if subresource.is_empty() {
            format!("{verb} {resource}.batch")
        } else {
            format!("{verb} {resource}.batch/{subresource}")
        };
        Ok((!allowed).then_some((words, without)))
    };
    let answers: Result<Vec<_>> = fan_out(RIGHTS, ask).await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}
