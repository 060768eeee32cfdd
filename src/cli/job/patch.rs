//! `kubectl federate job patch`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::recreate;
use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Session,
        changing::interruptible,
        events::{Reporter, Wording},
        files::read_text,
        job_name::job_name,
        output::{Several, print_changed},
    },
    error::{Error, Result},
    federation::Request,
    job::{self, Manifest},
    yaml,
};

/// The examples in its help.
const EXAMPLES: &str = r#"Examples:
  # Change a field with a merge patch
  kubectl federate job patch pi -p '{"spec":{"backoffLimit":2}}'

  # The same, written as YAML
  kubectl federate job patch pi -p 'spec: {backoffLimit: 2}'

  # Change a field with a JSON patch
  kubectl federate job patch pi --type=json -p '[{op: add, path: /spec/backoffLimit, value: 2}]'"#;

/// Change fields of a job by a JSON merge patch or a JSON patch
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Patch {
    /// The name of the job
    #[arg(value_parser = job_name)]
    name: String,
    /// The patch, as JSON or YAML
    #[arg(short, long, value_name = "PATCH", allow_hyphen_values = true)]
    patch: Option<String>,
    /// A file that holds the patch
    #[arg(long, value_name = "FILE", conflicts_with = "patch")]
    patch_file: Option<PathBuf>,
    /// What kind of patch it is: merge or json; strategic, kubectl's default, is not supported
    #[arg(long = "type", value_enum, value_name = "TYPE", default_value = "merge")]
    #[arg(hide_possible_values = true)]
    kind: Kind,
    /// Allow changes of fields that a job in a cluster cannot change, such as its template. The
    /// shards are stopped, what has succeeded counts, and the rest runs anew
    #[arg(long)]
    recreate: bool,
    /// Do not ask before pods that run are stopped
    #[arg(short = 'y', long, requires = "recreate")]
    yes: bool,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    output: ChangeFlags,
}

/// The values of `--type`, as kubectl's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Json,
    Merge,
    Strategic,
}

impl Patch {
    /// Patches the Job's manifest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.output.print.format()?;
        let patch = self.read()?;
        let reporter = Reporter::new(session, Wording::new("patched"));
        let reporter = reporter.keeping(format.is_some());
        let namespace = session.namespace()?;
        let names = std::slice::from_ref(&self.name);
        let federation = reporter.opening(session, names, Some(&namespace)).await?;
        let dry_run = self.dry_run.strategy;
        let edit = async |may_stop| {
            let recreate = Some(self.recreate);
            let request = Request { recreate, may_stop, ..Request::new(&self.name, dry_run) };
            let make = |manifest: &Manifest| patch.apply(manifest);
            let patched = federation.edit(&namespace, &self.name, &request, make);
            let printed = (format.as_ref(), Several::Apart);
            interruptible(session, &reporter, printed, Box::pin(patched)).await
        };
        let patched = Box::pin(recreate::asking(session, self.yes, edit)).await?;
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        patched?;
        printed
    }

    fn read(&self) -> Result<job::Patch> {
        let (text, named) = match (&self.patch, &self.patch_file) {
            (Some(text), None) if !text.is_empty() => (text.clone(), format!("{text:?}")),
            (None, Some(file)) => (read_text(file)?, file.display().to_string()),
            _ => {
                return Err(Error::new(
                    "must specify --patch or --patch-file containing the contents of the patch",
                ));
            }
        };
        let unable =
            |why: &dyn std::fmt::Display| Error::new(format!("unable to parse {named}: {why}"));
        let mut documents = yaml::read(&text).map_err(|error| unable(&error))?;
        let (Some(patch), true) = (documents.pop(), documents.is_empty()) else {
            return Err(unable(&"a patch is one document"));
        };
        match self.kind {
            Kind::Merge => job::Patch::merge(patch).map_err(|error| unable(&error)),
            Kind::Json => job::Patch::json(patch).map_err(|error| unable(&error)),
            Kind::Strategic => Err(Error::new("--type=strategic is not supported")
                .hint("--type=merge replaces lists as a whole, --type=json changes single items.")),
        }
    }
}
