//! `kubectl federate cluster match`.

use clap::Args;

use crate::{
    cli::Session,
    error::{Error, Result},
    federation::{self, Way, some_clusters, ways},
    print::kubectl_line,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Find your contexts for all members
  kubectl federate cluster match

  # Find your context for one member
  kubectl federate cluster match west";

/// Find which of your contexts lead to the members, and remember them for you
///
/// The name of a context is your own: the member that others reach by gce-west may be west in your
/// kubeconfig. This asks the clusters of all your contexts which they are, side by side. One that
/// does not answer within 10 seconds is passed over. A member is found by the uid of its
/// kube-system namespace. Of several contexts that lead to it, the one is taken whose user has the
/// most of the rights that are needed there in your namespace. What is found is remembered in
/// ~/.kube/federate.yaml, and used by all commands. The registry is not changed.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Match {
    /// The members' names; all of them if left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Match {
    /// Asks the clusters, and remembers what is found.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        session.left().stands("no context was remembered");
        match_contexts(session, &self.names).await
    }
}

/// Names the other contexts that lead to a member.
fn also(name: &str, others: &[String]) -> String {
    let names: Vec<_> = others.iter().map(|other| format!("{other:?}")).collect();
    let lead = if names.len() == 1 { "context {} leads" } else { "contexts {} lead" };
    let lead = lead.replace("{}", &names.join(", "));
    format!("cluster/{name}: {lead} to it, too")
}

/// Finds contexts that lead to these members, or to all where none is named, and remembers them.
///
/// # Errors
/// There is no such member, or no context leads to one.
pub async fn match_contexts(session: &Session<'_>, names: &[String]) -> Result<()> {
    let registry = session.federation(&()).await?.registry;
    if let Some(name) = names.iter().find(|name| !registry.members.contains_key(*name)) {
        return Err(federation::Error::not_registered(name, &registry).into());
    }
    let output = session.output();
    if registry.members.is_empty() {
        output.note("No clusters registered.");
        return Ok(());
    }
    let asked = session.ask_contexts(Some(&session.namespace()?)).await;
    let used = |name: &str, member: &_| session.context_of(name, member).to_owned();
    let mut found = Vec::new();
    let (mut missing, mut all) = (0, 0);
    for (name, way) in ways(&registry.members, &asked, used) {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        all += 1;
        match way {
            Way::Used => output.line(format!("cluster/{name} unchanged")),
            Way::Found(context, others) => {
                output.line(format!("cluster/{name} matched by context {context:?}"));
                if !others.is_empty() {
                    output.note(also(&name, &others));
                }
                let is_registered = registry.members[&name].context == context;
                found.push((name, (!is_registered).then_some(context)));
            }
            Way::None => {
                let own = used(&name, &registry.members[&name]);
                let silent = asked.iter().find(|it| it.name == own && it.cluster.is_err());
                output.warning(Some(&name), &match silent {
                    Some(_) => format!(
                        "your context {own:?} may lead to it, and gives no answer; no other one \
                         leads there"
                    ),
                    None => "none of your contexts leads to it".to_owned(),
                });
                missing += 1;
            }
        }
    }
    session.remember(found)?;
    if missing == 0 {
        return Ok(());
    }
    for context in &asked {
        if let Err(why) = &context.cluster {
            output.note(format!("context {:?}: {why}", context.name));
        }
    }
    let clusters = some_clusters(missing, all);
    Err(Error::new(format!("{clusters} cannot be reached by your contexts")).hint(format!(
        "Add a context for it to your kubeconfig; `{}` says how.",
        kubectl_line(None, &["config", "--help"])
    )))
}
