//! `kubectl federate job delete`.

mod asked;
mod which;

use std::fmt::Write as _;

use clap::{ArgAction, Args};
use tokio::time::Instant;

use self::{
    asked::asked,
    which::{Found, Which},
};
use crate::{
    cli::{
        Session, World,
        changing::interruptible,
        duration::timeout,
        events::{Reporter, Wording},
        left_records::none_found,
        left_shards::hinted,
        output::{Several, print_changed},
    },
    error::{Error, Exit, Result},
    federation::{self, Deletion, DryRun, Patience, Timeout},
    print::Format,
    state,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Delete a job and its shards in all clusters
  kubectl federate job delete pi --cascade=background

  # Delete the jobs of a file, and wait until their pods have ended
  kubectl federate job delete -f pi.yaml --cascade=foreground

  # Delete the jobs that have a label
  kubectl federate job delete --selector=team=math --cascade=background

  # Delete all jobs of the namespace only if you confirm
  kubectl federate job delete --all --cascade=background --interactive

  # Forget a job, and leave its shards running
  kubectl federate job delete pi --cascade=orphan";

/// Delete a federated job
///
/// By default only the federated job is forgotten: its shards stay in the clusters and keep
/// running. On a terminal you are asked whether to delete them too. A job whose record is damaged
/// is forgotten by its name with --cascade=orphan; `job recover` rebuilds the record from its
/// shards.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Delete {
    #[command(flatten)]
    which: Which,
    /// What becomes of the shards in the clusters: orphan (they stay), background (they are
    /// deleted, their pods after them), foreground (their pods are deleted first, and waited for)
    #[arg(long, value_parser = cascade, value_name = "HOW", num_args = 0..=1)]
    #[arg(require_equals = true, default_missing_value = "background")]
    cascade: Option<Deletion>,
    /// Wait until what is deleted is gone; else `reconcile` finishes what is left
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "true", default_missing_value = "true", action = ArgAction::Set)]
    #[arg(hide_possible_values = true)]
    wait: bool,
    /// How long to wait at most; 0 is without a limit
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = timeout)]
    #[arg(allow_hyphen_values = true)]
    timeout: Timeout,
    #[command(flatten)]
    grace: Grace,
    /// Delete the jobs only if the user confirms
    #[arg(short, long)]
    interactive: bool,
    /// none, client (find the jobs) or server (have the host and every cluster check it too)
    #[arg(long, value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    dry_run: DryRun,
    /// How to print: name, for the jobs' names in place of sentences
    #[arg(short, long, value_name = "FORMAT", value_parser = names)]
    output: Option<()>,
}

/// What kubectl gives to objects that end slowly. A Job does not: its pods have the grace period of
/// their template, also with kubectl.
#[derive(Debug, Args)]
struct Grace {
    /// Taken as kubectl takes it: a job has no grace period, and its pods have their own
    #[arg(long, value_name = "SECONDS", default_value_t = -1, hide_default_value = true)]
    grace_period: i64,
    /// Taken as kubectl takes it: the same as --grace-period=1
    #[arg(long)]
    now: bool,
    /// Taken as kubectl takes it: the job is deleted as without it, and its pods end by themselves
    #[arg(long)]
    force: bool,
}

/// What kubectl says of `--force`.
const FORCED: &str = "Immediate deletion does not wait for confirmation that the running resource \
    has been terminated. The resource may continue to run on the cluster indefinitely.";

impl Grace {
    fn check(&self) -> Result<()> {
        let why = if self.now && self.grace_period >= 0 {
            "--now and --grace-period cannot be specified together"
        } else if self.force && self.grace_period > 0 {
            "--force and --grace-period greater than 0 cannot be specified together"
        } else {
            return Ok(());
        };
        Err(Error::new(why))
    }
}

/// Reads the one format that kubectl's `delete` has.
fn names(text: &str) -> Result<()> {
    match text {
        "name" => Ok(()),
        mode => {
            let why = format!("unexpected -o output mode: {mode}. We only support '-o name'");
            Err(Error::new(why))
        }
    }
}

/// Reads a value of `--cascade` as kubectl does.
fn cascade(text: &str) -> Result<Deletion> {
    match text {
        "orphan" | "false" => Ok(Deletion::Abandon),
        "background" | "true" => Ok(Deletion::Cascade(state::Cascade::Background)),
        "foreground" => Ok(Deletion::Cascade(state::Cascade::Foreground)),
        _ => Err(Error::new(format!(
            "invalid cascade value ({text}). Must be \"background\", \"foreground\", or \"orphan\""
        ))),
    }
}

/// Whether the user confirms with a line on standard input that these Jobs are deleted; the words
/// are kubectl's.
///
/// # Errors
/// The user presses Ctrl-C.
async fn is_confirmed(world: &World, jobs: &[String]) -> Result<bool> {
    let mut text = format!("You are about to delete the following {} resource(s):\n", jobs.len());
    for name in jobs {
        let _ = writeln!(text, "job.batch/{name}");
    }
    text.push_str("Do you want to continue? (y/N): ");
    let line = world.asking_stdin("nothing was deleted", text).await?;
    Ok(line.trim().eq_ignore_ascii_case("y"))
}

impl Delete {
    /// Deletes side by side; what fails does not stop the rest. All questions are asked before.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.which.check()?;
        self.grace.check()?;
        let mut wording = Wording { again: self.which.again(), ..Wording::new("deleted") };
        if self.grace.force {
            wording.deleted = "force deleted";
            session.output().warning(None, FORCED);
        }
        let format = self.output.map(|()| Format::Name);
        let reporter = Reporter::new(session, wording).keeping(format.is_some());
        let namespace = session.namespace()?;
        let names = self.which.names();
        let federation = reporter.opening(session, names, Some(&namespace)).await?;
        let found = Box::pin(self.which.find(session, &federation));
        let Found { names, records, mut errors } = reporter.interruptible(found).await??;
        if names.is_empty() && errors.is_empty() {
            // On stdout, as kubectl.
            session.output().line(none_found(None));
        }
        let asks_first = self.interactive && !names.is_empty();
        if asks_first && !is_confirmed(session.world(), &names).await? {
            session.output().line("deletion is cancelled");
            return Ok(federation::Error::all(errors)?);
        }
        let asks = self.cascade.is_none() && self.dry_run == DryRun::None;
        let (records, missing) = if asks && session.output().can_ask() {
            records.into_iter().partition(Result::is_ok)
        } else {
            (records, Vec::new())
        };
        let lacks = self.say(session, missing.into_iter().filter_map(Result::err)).await;
        let there: Vec<_> = records.iter().flatten().collect();
        let deletions = match self.cascade {
            Some(deletion) => vec![deletion; there.len()],
            None if self.dry_run != DryRun::None => vec![Deletion::Orphan; there.len()],
            None => asked(session, &there).await?,
        };
        let mut deletions = deletions.into_iter();
        let mut and_deletion = |record| (record, deletions.next().unwrap_or(Deletion::Orphan));
        let jobs = records.into_iter().map(|record| record.map(&mut and_deletion)).collect();
        let delete = async {
            let jobs = match self.cascade {
                Some(Deletion::Abandon) => federation.forget_damaged(jobs, self.dry_run).await,
                _ => jobs,
            };
            match self.dry_run {
                DryRun::None => federation.delete(jobs, self.patience()).await,
                dry_run => federation.check_deletions(jobs, dry_run).await,
            }
        };
        let printed = (format.as_ref(), Several::Apart);
        let mut left = interruptible(session, &reporter, printed, Box::pin(delete)).await?;
        left.retain(|error| !self.which.forgives(error));
        errors.extend(left);
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        federation::Error::all(errors)?;
        printed?;
        if lacks { Err(Error::silent(Exit::Failed.code())) } else { Ok(()) }
    }

    /// Says before a question what is wrong with Jobs that it is not about. Gives whether anything
    /// is.
    async fn say(
        &self,
        session: &Session<'_>,
        errors: impl Iterator<Item = federation::Error>,
    ) -> bool {
        let errors = errors.filter(|error| !self.which.forgives(error));
        let Err(error) = federation::Error::all(errors.collect()) else { return false };
        let error = Box::pin(hinted(session, error.into())).await;
        session.output().error(&error.to_string(), &error.hints());
        true
    }

    /// How long is waited for all.
    fn patience(&self) -> Patience {
        match self.timeout {
            _ if !self.wait => Patience::None,
            Timeout::Once => Patience::Endless,
            Timeout::After(time) => {
                Instant::now().checked_add(time).map_or(Patience::Endless, Patience::Until)
            }
        }
    }
}
