//! `kubectl federate cluster register`.

use clap::Args;

use super::Session;
use crate::{
    cluster::{Connection, fan_out},
    error::{Error, Result},
    state::{Member, MemberState, Registry, member_name},
};

/// Make a cluster a member of the federation
///
/// The cluster is the one that the context leads to. It is known by the uid of its kube-system namespace from
/// then on: when the context leads somewhere else one day, nothing is sent there.
#[derive(Debug, Args)]
pub struct Register {
    /// The member's name, a DNS label of at most 40 characters; made from the context's name if left out
    #[arg(required_unless_present = "cluster_context")]
    name: Option<String>,
    /// The kubeconfig context that leads to the cluster; the member's name if left out
    #[arg(long, value_name = "CONTEXT")]
    cluster_context: Option<String>,
    /// The cluster's share of a job beside the others'
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    weight: i32,
    /// A label of the cluster, can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
}

/// What a member must let us do, as verb, resource and subresource, and what cannot be done without it.
const RIGHTS: [(&str, &str, &str, &str); 6] = [
    ("list", "jobs", "", "nothing can be known of its jobs"),
    ("get", "jobs", "", "nothing can be known of its jobs"),
    ("create", "jobs", "", "it cannot be given work"),
    ("patch", "jobs", "", "its jobs cannot be started"),
    ("delete", "jobs", "", "its jobs cannot be deleted"),
    ("patch", "jobs", "status", "work cannot be taken off it once it runs"),
];

impl Register {
    /// Asks the cluster who it is, then adds it to the registry.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (name, context) = self.names()?;
        let (store, mut registry) = session.federation().await?;
        check(&registry, &name)?;
        let connection = session.dial_context(&name, &context).map_err(|error| match &self.cluster_context {
            None if session.lacks_context(&context) => error.hint(format!(
                "kubectl federate cluster register {name} --cluster-context=CONTEXT, with one of `kubectl config \
                 get-contexts -o name`"
            )),
            _ => error,
        })?;
        let uid = connection.identity().await?;
        let missing = missing_rights(&connection).await?;
        let member = Member {
            context,
            uid,
            weight: self.weight,
            labels: self.labels.into_iter().collect(),
            state: MemberState::Ready,
            registered: session.now().as_second(),
        };
        loop {
            check(&registry, &name)?;
            if let Some((other, _)) = registry.member_by_uid(&member.uid) {
                return Err(Error::new(format!("this cluster is registered already, as {other:?}")));
            }
            match store.set_member(&registry, &name, Some(&member)).await {
                Err(error) if error.is_conflict() => registry = store.registry().await?,
                done => break drop(done?),
            }
        }
        session.output().line(format!("cluster/{name} registered"));
        for (right, without) in missing {
            session.output().warning(Some(&name), &format!("may not {right}: {without}"));
        }
        Ok(())
    }

    fn names(&self) -> Result<(String, String)> {
        let name = match (&self.name, &self.cluster_context) {
            (Some(name), _) => Some(name.clone()),
            (None, context) => context.as_deref().and_then(member_name),
        };
        let name = name.filter(|name| member_name(name).as_ref() == Some(name)).ok_or_else(|| {
            let given = self.name.as_ref().or(self.cluster_context.as_ref()).map_or("", String::as_str);
            let error = Error::new(format!(
                "{given:?} cannot be a cluster's name: at most 40 lower-case letters, digits and hyphens, with no \
                 hyphen at either end"
            ));
            error.hint(match member_name(given) {
                Some(name) => format!("kubectl federate cluster register {name} --cluster-context={given}"),
                None => format!("kubectl federate cluster register NAME --cluster-context={given}"),
            })
        })?;
        let context = self.cluster_context.clone().unwrap_or_else(|| name.clone());
        Ok((name, context))
    }
}

fn check(registry: &Registry, name: &str) -> Result<()> {
    match registry.members.get(name) {
        None => Ok(()),
        Some(member) => Err(Error::new(format!(
            "a cluster named {name:?} is registered already, with context {:?}",
            member.context
        ))),
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

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
