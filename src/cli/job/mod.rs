//! `kubectl federate job …`: federated Jobs.

mod adopt;
mod apply;
mod create;
mod delete;
mod describe;
mod diff;
mod edit;
mod events;
mod get;
mod logs;
mod patch;
mod recover;
mod recreate;
mod retry;
mod scale;
mod suspend;
mod timeline;
mod tree;
mod until_ended;
mod wait;

use clap::Subcommand;

pub(super) use tree::tree;

use crate::{
    cli::Session,
    error::{Exit, Result},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Divide a job over the clusters, and look at it
  kubectl federate job create -f pi.yaml
  kubectl federate job get pi

  # Delete it with its shards in all clusters
  kubectl federate job delete pi --cascade=background";

/// Create, change, look at, wait for and delete federated jobs
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Job {
    Create(create::Create),
    Apply(apply::Apply),
    Diff(diff::Diff),
    Get(get::Get),
    Describe(describe::Describe),
    Logs(logs::Logs),
    Events(events::Events),
    Timeline(timeline::Timeline),
    Wait(wait::Wait),
    Scale(scale::Scale),
    Suspend(suspend::Suspend),
    Resume(suspend::Resume),
    Edit(edit::Edit),
    Patch(patch::Patch),
    Retry(retry::Retry),
    Delete(delete::Delete),
    Adopt(adopt::Adopt),
    Recover(recover::Recover),
}

impl Job {
    /// Whether the verb writes to no cluster, and tries no write. What `diff` says holds for a
    /// write, which waits longer for a cluster.
    pub fn only_looks(&self) -> bool {
        match self {
            Self::Get(_)
            | Self::Describe(_)
            | Self::Logs(_)
            | Self::Events(_)
            | Self::Timeline(_) => true,
            Self::Wait(verb) => verb.only_looks(),
            _ => false,
        }
    }

    /// The exit code of a failure.
    pub fn failure(&self) -> u8 {
        let exit = if matches!(self, Self::Diff(_)) { Exit::DiffFailed } else { Exit::Failed };
        exit.code()
    }

    /// Runs the verb.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let world = session.world();
        match self {
            Self::Create(verb) => Box::pin(verb.run(session)).await,
            Self::Apply(verb) => Box::pin(verb.run(session)).await,
            Self::Diff(verb) => Box::pin(verb.run(session)).await,
            Self::Scale(verb) => verb.run(session).await,
            Self::Suspend(verb) => verb.run(session).await,
            Self::Resume(verb) => verb.run(session).await,
            Self::Edit(verb) => verb.run(session).await,
            Self::Patch(verb) => verb.run(session).await,
            Self::Retry(verb) => Box::pin(verb.run(session)).await,
            Self::Get(verb) => Box::pin(verb.run(session)).await,
            Self::Describe(verb) => Box::pin(verb.run(session)).await,
            Self::Logs(verb) if verb.follows() => {
                world.interruptible(Box::pin(verb.run(session))).await
            }
            Self::Logs(verb) => Box::pin(verb.run(session)).await,
            Self::Events(verb) if verb.watches() => {
                world.interruptible(Box::pin(verb.run(session))).await
            }
            Self::Events(verb) => Box::pin(verb.run(session)).await,
            Self::Timeline(verb) => Box::pin(verb.run(session)).await,
            Self::Wait(verb) => verb.run(session).await,
            Self::Delete(verb) => verb.run(session).await,
            Self::Adopt(verb) => Box::pin(verb.run(session)).await,
            Self::Recover(verb) => verb.run(session).await,
        }
    }
}
