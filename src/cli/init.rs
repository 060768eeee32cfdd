//! `kubectl federate init`.

use std::path::Path;

use clap::Args;

use super::{Config, Host, Session};
use crate::{error::Result, print::federate, state::Store};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Make the cluster of the context \"east\" the host
  kubectl federate init --context=east

  # Make the cluster of the current context the host
  kubectl federate init";

/// Make a cluster the host of a federation, and remember it
///
/// The host holds the federation's ConfigMaps, in the namespace kubectl-federate and in the
/// namespaces of the jobs. Nothing runs there. It is the cluster of --context, or of the current
/// context, and is remembered in ~/.kube/federate.yaml. A cluster that is a host already is not
/// changed.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Init {}

impl Init {
    /// Makes the registry, then remembers the host.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let host = session.dial_named()?;
        let uid = host.identity().await?;
        let store = Store::new(host);
        let (registry, made) = store.init().await?;
        store.host().verify(&registry.host).await?;
        let mut config = session.config().clone();
        if let Some(context) = session.named_context() {
            let path = session.config_path()?;
            let before = config.host.replace(Host { context: context.to_owned(), uid });
            Config::save(&config, &path)?;
            if let (Some(before), Some(host)) = (before, config.host)
                && before.uid != host.uid
            {
                session.output().warning(None, &moved(&before, &host, &path));
            }
        }
        let what = if made { "initialized" } else { "unchanged" };
        session
            .output()
            .line(format!("federation {what} in host cluster {:?}", store.host().name()));
        if registry.members.is_empty() {
            session
                .output()
                .note("Next: kubectl federate cluster register NAME --cluster-context=CONTEXT");
        }
        Ok(())
    }
}

/// A user who meant to do something in the federation there was would otherwise not know where it
/// went.
fn moved(before: &Host, host: &Host, path: &Path) -> String {
    let (before, after) = (&before.context, &host.context);
    format!(
        "the host was {before:?} until now, {} names {after:?} from now on: a federation with \
        clusters and jobs of its own. \
         {} goes back.",
        path.display(),
        federate("init", [format!("--context={before}")])
    )
}
