//! `kubectl federate job diff`.

use std::{fs, path::Path};

use clap::Args;
use serde_json::Value;
use similar::TextDiff;
use tokio::process::Command;

use super::apply::Terms;
use crate::{
    cli::{
        Filenames, Session,
        events::{Reporter, Wording},
    },
    error::{Error, Exit, Result},
    federation::Step,
    job::spelt_as,
    yaml,
};

/// The variable that names another program to show differences with, as kubectl's.
const EXTERNAL: &str = "KUBECTL_EXTERNAL_DIFF";

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show what apply would change
  kubectl federate job diff -f pi.yaml

  # Show it for a job on standard input
  cat pi.yaml | kubectl federate job diff -f -

  # Show it with another program
  KUBECTL_EXTERNAL_DIFF=meld kubectl federate job diff -f pi.yaml";

/// Show what apply would change
///
/// The change of the job is shown as a unified diff, or by the program that KUBECTL_EXTERNAL_DIFF
/// names. What would be done in each cluster follows. The clusters are asked by dry run, as
/// --dry-run=server does: what they would refuse is an error. What somebody changed of a shard in
/// its cluster is no difference; 'kubectl federate job describe' shows it. The exit code is 0 if
/// nothing would change, 1 if something would, and greater than 1 on an error. That a cluster
/// cannot be asked is one.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Diff {
    #[command(flatten)]
    filenames: Filenames,
    #[command(flatten)]
    terms: Terms,
}

/// One Job as it is and as it would be; none where there is none.
struct Pair<'a> {
    file: String,
    live: Option<Value>,
    merged: &'a Value,
}

impl Diff {
    /// Finds out what is to be done, and shows it.
    ///
    /// # Errors
    /// There are differences: exit code 1 and nothing to say. Or it failed, with a greater one.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let differs =
            self.show(session).await.map_err(|error| error.exit(Exit::DiffFailed.code()))?;
        if differs { Err(Error::silent(Exit::Differs.code())) } else { Ok(()) }
    }

    async fn show(self, session: &Session<'_>) -> Result<bool> {
        let documents = self.filenames.read("diff", session.world()).await?;
        let reporter = Reporter::new(session, Wording::new("configured"));
        let federation = session.federation(&reporter).await?;
        let sources = session.manifests(documents, |rules, objects| rules.read_named(objects))?;
        let show = async |steps: &[Step]| {
            let pairs: Vec<_> = steps.iter().filter_map(Pair::new).collect();
            let external = session.world().var(EXTERNAL).filter(|program| !program.is_empty());
            match external {
                Some(program) if !pairs.is_empty() => compare_with(&program, &pairs).await,
                _ => {
                    for pair in &pairs {
                        session.output().block(&pair.unified());
                    }
                    Ok(!pairs.is_empty())
                }
            }
        };
        let (differs, unasked) = federation.diff(sources, self.terms.into(), show).await?;
        if unasked.is_empty() {
            return Ok(differs);
        }
        let clusters = unasked.into_iter().collect::<Vec<_>>().join(", ");
        Err(Error::new(format!("what would be done in {clusters} is not known")))
    }
}

impl<'a> Pair<'a> {
    fn new(step: &'a Step) -> Option<Self> {
        let (live, merged) = step.difference()?;
        let file = format!("batch.v1.Job.{}.{}", merged.namespace(), merged.name());
        // What is only written in another way is no difference.
        let live = live.map(|live| spelt_as(&live.manifest, &merged.manifest));
        Some(Self { file, live, merged: merged.manifest.object() })
    }

    fn texts(&self) -> (String, String) {
        (self.live.as_ref().map(yaml::write).unwrap_or_default(), yaml::write(self.merged))
    }

    /// As `diff -u -N` prints it.
    fn unified(&self) -> String {
        let (live, merged) = self.texts();
        let names = (format!("LIVE/{}", self.file), format!("MERGED/{}", self.file));
        let diff = TextDiff::from_lines(&live, &merged);
        let unified = diff.unified_diff().header(&names.0, &names.1).to_string();
        format!("diff -u -N {} {}\n{unified}", names.0, names.1)
    }
}

/// Has a program compare a directory of what is with one of what would be, and says whether they
/// differ. By its exit code: 0 where they are the same, 1 where they differ.
async fn compare_with(program: &str, pairs: &[Pair<'_>]) -> Result<bool> {
    let directory = |name: &str| {
        let made = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir();
        made.map_err(|error| Error::new(format!("making a directory for {name}: {error}")))
    };
    let (live, merged) = (directory("LIVE")?, directory("MERGED")?);
    for pair in pairs {
        let (before, after) = pair.texts();
        if pair.live.is_some() {
            write(live.path(), &pair.file, &before)?;
        }
        write(merged.path(), &pair.file, &after)?;
    }
    let mut words = program.split(' ');
    let name = words.next().unwrap_or_default();
    // As kubectl: what could name a file, or mean something to a shell, is not passed on.
    let harmless =
        |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '='));
    let mut command = Command::new(name);
    command
        .args(words.filter(|word| !word.is_empty()).filter(harmless))
        .arg(live.path())
        .arg(merged.path());
    let failed = |why: &dyn std::fmt::Display| Error::new(format!("failed to run {name:?}: {why}"));
    let status = command.status().await.map_err(|error| failed(&error))?;
    match status.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(failed(&status)),
    }
}

fn write(directory: &Path, file: &str, text: &str) -> Result<()> {
    fs::write(directory.join(file), text)
        .map_err(|error| Error::new(format!("writing {file}: {error}")))
}
