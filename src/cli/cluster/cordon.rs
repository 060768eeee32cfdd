//! `kubectl federate cluster cordon` and `uncordon`.

use clap::Args;

use super::steps;
use crate::{
    cli::{Session, warnings::stray_jobs},
    error::Result,
    federation::{self, Federation},
    state::MemberState,
};

/// The examples in the help of `cordon`.
const CORDON_EXAMPLES: &str = "\
Examples:
  # Give a cluster no new work
  kubectl federate cluster cordon west";

/// The examples in the help of `uncordon`.
const UNCORDON_EXAMPLES: &str = "\
Examples:
  # Give a cluster new work again
  kubectl federate cluster uncordon west";

/// Give clusters no new work
///
/// The work that a cluster has goes on. Only the registry is changed: the cluster need not answer.
/// This ends a drain; a cluster that was declared lost stays so.
#[derive(Debug, Args)]
#[command(after_long_help = CORDON_EXAMPLES)]
pub struct Cordon {
    /// The members' names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Give clusters new work again
///
/// It does not matter why a cluster gets none: it was cordoned, drained or declared lost. Only the
/// registry is changed: the cluster need not answer.
#[derive(Debug, Args)]
#[command(after_long_help = UNCORDON_EXAMPLES)]
pub struct Uncordon {
    /// The members' names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Cordon {
    /// Cordons one after another; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let cordon =
            async |federation: &mut Federation<'_>, name: &str| federation.cordon(name).await;
        each(session, &self.names, "cordoned", cordon).await
    }
}

impl Uncordon {
    /// Uncordons one after another; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let uncordon = async |federation: &mut Federation<'_>, name: &str| {
            let member = federation.registry.members.get(name);
            let was_lost = member.is_some_and(|member| member.state == MemberState::Lost);
            let changed = federation.uncordon(name).await?;
            if was_lost {
                session.output().note(format!("cluster/{name}: {}", stray_jobs(name)));
            }
            Ok::<_, federation::Error>(changed)
        };
        each(session, &self.names, "uncordoned", uncordon).await
    }
}

async fn each(
    session: &Session<'_>,
    names: &[String],
    what: &str,
    change: impl AsyncFn(&mut Federation<'_>, &str) -> Result<bool, federation::Error>,
) -> Result<()> {
    let mut errors = Vec::new();
    let begin = |place: usize| {
        let rest = names[place + 1..].iter().map(String::as_str);
        steps::begin(session, &names[place], rest, what);
    };
    begin(0);
    let mut federation = session.federation(&()).await?;
    for (place, name) in names.iter().enumerate() {
        begin(place);
        match change(&mut federation, name).await {
            Ok(true) => session.output().line(format!("cluster/{name} {what}")),
            Ok(false) => session.output().line(format!("cluster/{name} already {what}")),
            Err(error) => errors.push(error),
        }
    }
    Ok(federation::Error::all(errors)?)
}
