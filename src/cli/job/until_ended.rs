//! `--wait` and `--logs` of verbs that submit Jobs: the command goes on until the Jobs have ended.

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use serde_json::Value;

use super::logs::Lines;
use crate::{
    cli::{
        Session,
        duration::timeout,
        events::{Live, Reporter, Wording},
        output::{Several, print_changed},
    },
    error::{Error, Result, words},
    federation::{self, Containers, DryRun, Goal, Key, LogTerms, Source, Timeout, WaitTerms},
    print::{Format, federate},
};

/// The most logs that are followed side by side: a server has room for other requests beside.
const MOST: usize = 50;

/// Whether the command goes on, and how long.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct UntilEnded {
    /// Wait until the jobs have ended, and reconcile them meanwhile; the exit code is 0 if all are
    /// Complete, and 1 otherwise
    #[arg(long)]
    wait: bool,
    /// Wait, and print the logs of all pods meanwhile, as `job logs --follow` does
    #[arg(long)]
    logs: bool,
    /// How long to wait at most: 0 checks once, a negative time is a week; if left out, until the
    /// jobs have ended
    #[arg(long, value_name = "DURATION", value_parser = timeout, allow_hyphen_values = true)]
    timeout: Option<Timeout>,
}

/// What a verb has submitted.
pub(super) struct Submission<'f> {
    /// Which Jobs.
    pub jobs: Vec<Key>,
    /// What came of it.
    pub submitted: Result<(), federation::Error>,
    /// The Jobs as they are printed in a format.
    pub objects: Vec<Value>,
    /// The format; none for sentences, which were printed already.
    pub format: Option<&'f Format>,
    /// How several are printed.
    pub several: Several,
}

impl UntilEnded {
    /// Checks the flags against each other.
    ///
    /// # Errors
    /// There is nothing to wait for.
    pub fn check(self, dry_run: DryRun) -> Result<()> {
        let waits = self.wait || self.logs;
        if waits && dry_run != DryRun::None {
            return Err(Error::new("--wait and --logs cannot be used with --dry-run"));
        }
        if self.timeout.is_some() && !waits {
            return Err(Error::new("--timeout needs --wait or --logs"));
        }
        Ok(())
    }

    /// Prints the Jobs that were submitted, and waits for them, if that is asked for. Where members
    /// have yet to do their part of the submission, that is waited for, too.
    ///
    /// # Errors
    /// They were not submitted, did not become Complete, or a template does not fit one.
    pub async fn finish(self, session: &Session<'_>, submission: Submission<'_>) -> Result<()> {
        let Submission { jobs, submitted, objects, format, several } = submission;
        let printed = print_changed(session.world(), format, objects, several).await;
        self.wait(session, jobs, submitted, format.is_some()).await?;
        printed
    }

    async fn wait(
        self,
        session: &Session<'_>,
        jobs: Vec<Key>,
        submitted: Result<(), federation::Error>,
        is_quiet: bool,
    ) -> Result<()> {
        match submitted {
            submitted if !self.wait && !self.logs => return Ok(submitted?),
            Err(error) if error.is_unfinished() => {
                for line in words::in_lines(&error) {
                    session.output().note(line);
                }
            }
            submitted => submitted?,
        }
        let left = (jobs.len() == 1, again(&jobs));
        let until_ended = Box::pin(self.until_ended(session, jobs, is_quiet));
        session.world().waiting(until_ended, || left).await
    }

    async fn until_ended(
        self,
        session: &Session<'_>,
        jobs: Vec<Key>,
        is_quiet: bool,
    ) -> Result<()> {
        let wording = Wording { live: Live::Stderr, ..Wording::new("reconciled") };
        // What is met is said below the logs.
        let reporter = Reporter::new(session, wording).keeping(true);
        let timeout = self.timeout.unwrap_or(Timeout::After(Duration::MAX));
        let names: Vec<_> = jobs.iter().map(|(_, name)| name.clone()).collect();
        let opening = Box::pin(session.federation(&reporter));
        let (mut federation, timeout) = timeout.begin(&reporter, &names, opening).await?;
        let terms =
            WaitTerms { goals: vec![Goal::complete()], timeout, reconcile: true, goes_on: true };
        let waiting = federation.wait_for(jobs.clone(), &terms);
        let waited =
            if self.logs { beside_logs(session, jobs, waiting).await } else { waiting.await };
        for job in reporter.objects().iter().filter(|_| !is_quiet) {
            let name = job["metadata"]["name"].as_str().unwrap_or_default();
            session.output().line(format!("job.batch/{name} condition met"));
        }
        Ok(waited?)
    }
}

/// What waits for these Jobs again.
fn again(jobs: &[Key]) -> String {
    const FOR: &str = "--for=condition=complete";
    let Some((namespace, _)) = jobs.first() else { return String::new() };
    let wait = if jobs.iter().all(|(other, _)| other == namespace) {
        let names = jobs.iter().map(|(_, name)| name.as_str());
        federate("job wait", names.chain(["-n", namespace.as_str(), FOR]))
    } else {
        federate("job wait", ["-f", "FILE", FOR])
    };
    format!("{wait} waits again.")
}

/// The Jobs of these manifests.
pub(super) fn keys(sources: &[Source]) -> Vec<Key> {
    let key = |Source { manifest, .. }: &Source| {
        (manifest.namespace().to_owned(), manifest.name().to_owned())
    };
    sources.iter().map(key).collect()
}

/// Prints the logs of Jobs until the wait is over. Those of Jobs that have ended are printed to
/// their ends.
async fn beside_logs(
    session: &Session<'_>,
    jobs: Vec<Key>,
    waiting: impl Future<Output = Result<(), federation::Error>>,
) -> Result<(), federation::Error> {
    let logs = futures::future::join_all(jobs.into_iter().map(|job| follow(session, job)));
    let (mut waiting, mut logs) = (Box::pin(waiting), Box::pin(logs));
    tokio::select! {
        waited = &mut waiting => {
            let has_ended = waited.as_ref().err().is_none_or(federation::Error::is_of_failed_jobs);
            if has_ended {
                logs.await;
            }
            waited
        }
        _ = &mut logs => waiting.await,
    }
}

/// Prints the logs of one Job until it has ended. That they cannot be read is no failure of the
/// Job.
async fn follow(session: &Session<'_>, (namespace, name): Key) {
    let output = session.output();
    let lines = Lines { output, is_named: true, timestamps: false };
    let terms = LogTerms {
        namespace,
        name,
        clusters: BTreeSet::new(),
        containers: Containers::Default,
        since: None,
        tail: None,
        limit: None,
        patience: Duration::ZERO,
        previous: false,
        failed: false,
        index: None,
        most: MOST,
        waits: true,
    };
    let warn = |why: &str| {
        for why in why.lines() {
            let text = format!("job.batch/{}: its logs are not read: {why}", terms.name);
            output.warning(None, &text);
        }
    };
    match session.federation(&()).await {
        Err(error) => warn(error.message()),
        Ok(mut federation) => {
            if let Err(error) = federation.follow_logs(&terms, &lines).await {
                warn(&error.to_string());
            }
        }
    }
}
