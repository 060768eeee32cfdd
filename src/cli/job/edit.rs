//! `kubectl federate job edit`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::recreate;
use crate::{
    cli::{
        Document, Session,
        editor::Editor,
        events::{Reporter, Wording},
        files,
        job_name::job_name,
    },
    error::{Error, Result},
    federation::{self, DryRun, Federation, Request},
    job::{Manifest, Patch},
    print::format,
    state::Record,
};

/// What stands above the Job, as in kubectl.
const HEADER: &str = "\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
";

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Edit a job
  kubectl federate job edit pi

  # Edit it as JSON
  kubectl federate job edit pi -o json

  # Edit it in another editor
  KUBE_EDITOR=nano kubectl federate job edit pi";

/// Edit a job in your editor
///
/// The editor is the one that KUBE_EDITOR or EDITOR names, or vi. A file that is invalid is opened
/// again, with the error at its head.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Edit {
    /// The name of the job
    #[arg(value_parser = job_name)]
    name: String,
    /// How the job is written: yaml, kyaml or json
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "yaml")]
    #[arg(hide_possible_values = true)]
    output: Syntax,
    /// Allow changes of fields that a job in a cluster cannot change, such as its template. The
    /// shards are stopped, what has succeeded counts, and the rest runs anew
    #[arg(long)]
    recreate: bool,
    /// Do not ask before pods that run are stopped
    #[arg(short = 'y', long, requires = "recreate")]
    yes: bool,
}

/// The values of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Syntax {
    Json,
    Kyaml,
    Yaml,
}

/// What came of an editor.
enum Edited {
    /// Nothing is to be changed, for this reason.
    Cancelled(&'static str),
    /// The Job is to be this.
    Changed(Box<Manifest>),
    /// What is wrong with it.
    Wrong(Vec<String>),
}

impl Edit {
    /// Has the Job edited until it is valid, or the user gives up, and then changed.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let wording = Wording { unchanged: Some(NO_CHANGES), ..Wording::new("edited") };
        let reporter = Reporter::new(session, wording);
        let federation = session.federation(&reporter).await?;
        let before = federation.editable(&session.namespace()?, &self.name).await?;
        let editor = Editor::from_environment(session.world());
        let original = before.manifest.sized();
        let mut body = self.output.write(&original);
        let mut reasons: Vec<String> = Vec::new();
        let file = self.output.file(&temporary(session))?;
        loop {
            let text =
                match open(&editor, file.path(), &format!("{HEADER}{}{body}", comment(&reasons)))
                    .await
                {
                    Ok(text) => text,
                    Err(error) if reasons.is_empty() => return Err(error),
                    Err(error) => return Err(preserved(session, file, error)),
                };
            let edited = without_header(&text);
            if !reasons.is_empty() && edited == body {
                for reason in reasons.iter().flat_map(|reason| reason.lines()) {
                    session.output().note(reason);
                }
                let error = Error::new("Edit cancelled, no valid changes were saved.");
                return Err(preserved(session, file, error));
            }
            let wrong = match self.understand(edited, &before, &original) {
                Edited::Cancelled(why) => {
                    session.output().note(why);
                    return Ok(());
                }
                Edited::Wrong(why) => why,
                Edited::Changed(manifest) => {
                    let change = Patch::between(&original, manifest.object());
                    let edit = async |may_stop| {
                        let changed = self.change(&federation, &before, &change, may_stop);
                        reporter.interruptible(Box::pin(changed)).await
                    };
                    let changed = match Box::pin(recreate::asking(session, self.yes, edit)).await {
                        Ok(changed) => changed,
                        Err(error) => return Err(preserved(session, file, error)),
                    };
                    match changed {
                        Ok(()) => return Ok(()),
                        Err(error) if error.is_refusal() => {
                            let invalid = format!("jobs.batch {:?} is invalid", self.name);
                            session.output().error(&Error::new(invalid).to_string(), &[]);
                            self.invalid(reasons_of(error))
                        }
                        // It is written.
                        Err(error @ federation::Error::Unfinished(_)) => return Err(error.into()),
                        Err(error) => return Err(preserved(session, file, error.into())),
                    }
                }
            };
            edited.clone_into(&mut body);
            reasons = wrong;
        }
    }

    /// Reads what was edited.
    fn understand(&self, text: &str, before: &Record, original: &Value) -> Edited {
        if !text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#')) {
            return Edited::Cancelled("Edit cancelled, saved file was empty.");
        }
        let documents = match files::parse("it", text) {
            Ok(documents) => documents,
            Err(error) => {
                let why = error.message();
                return Edited::Wrong(vec![format!("The edited file had a syntax error: {why}")]);
            }
        };
        let Ok([Document { object, .. }]) = <[Document; 1]>::try_from(documents) else {
            return Edited::Wrong(vec!["The edited file must hold one object".to_owned()]);
        };
        if object == *original {
            return Edited::Cancelled(NO_CHANGES);
        }
        match Manifest::new(object, before.namespace(), "") {
            Ok(manifest) => Edited::Changed(Box::new(manifest)),
            Err(error) => Edited::Wrong(self.invalid([error.to_string()])),
        }
    }

    async fn change(
        &self,
        federation: &Federation<'_>,
        before: &Record,
        change: &Patch,
        may_stop: bool,
    ) -> Result<(), federation::Error> {
        let recreate = Some(self.recreate);
        let request = Request { recreate, may_stop, ..Request::new(&self.name, DryRun::None) };
        let (namespace, name) = (before.namespace(), before.name());
        let edited = federation.edit(namespace, name, &request, |manifest| change.apply(manifest));
        edited.await.map(drop)
    }

    fn invalid(&self, why: impl IntoIterator<Item = String>) -> Vec<String> {
        let head = format!("jobs.batch {:?} was not valid:", self.name);
        std::iter::once(head).chain(why.into_iter().map(|why| format!("* {why}"))).collect()
    }
}

/// What stands at the head of the file when it is opened again.
fn reasons_of(error: federation::Error) -> Vec<String> {
    use federation::Error as E;
    match &error {
        E::Refused(refusals) => refusals.sentences().collect(),
        E::NotApplicable { error, .. } => vec![error.to_string()],
        E::NotEditable { error: why, .. } => {
            let why = why.to_string();
            std::iter::once(why).chain(Error::from(error).hints().iter().cloned()).collect()
        }
        error => vec![error.to_string()],
    }
}

const NO_CHANGES: &str = "Edit cancelled, no changes made.";

impl Syntax {
    fn write(self, object: &Value) -> String {
        match self {
            Self::Json => format::json(object),
            Self::Kyaml => format::kyaml(object),
            Self::Yaml => format::yaml(object),
        }
    }

    /// A file that only the user can read.
    fn file(self, directory: &Path) -> Result<NamedTempFile> {
        let suffix = match self {
            Self::Json => ".json",
            Self::Kyaml | Self::Yaml => ".yaml",
        };
        let file = tempfile::Builder::new()
            .prefix("kubectl-federate-edit-")
            .suffix(suffix)
            .tempfile_in(directory);
        file.map_err(|error| Error::new(format!("making a file to edit: {error}")))
    }
}

/// Where files for a while are.
fn temporary(session: &Session<'_>) -> PathBuf {
    session
        .world()
        .var("TMPDIR")
        .filter(|path| !path.is_empty())
        .map_or_else(std::env::temp_dir, PathBuf::from)
}

/// Writes the file, has it edited, and reads it. An editor may have put another file in its place.
async fn open(editor: &Editor, file: &Path, text: &str) -> Result<String> {
    let failed = |error: std::io::Error| Error::new(format!("the edited file: {error}"));
    fs::write(file, text).map_err(failed)?;
    editor.edit(file).await?;
    files::read_text(file)
}

/// The text without the comments that it begins with.
fn without_header(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

/// Lines of a comment, with an empty one at the end; nothing of none.
fn comment(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut comment = String::new();
    for line in lines.iter().flat_map(|text| text.lines()) {
        let _ = writeln!(comment, "# {line}");
    }
    comment.push_str("#\n");
    comment
}

/// Leaves the file where it is, and says where that is.
fn preserved(session: &Session<'_>, file: NamedTempFile, error: Error) -> Error {
    if let Ok((_, path)) = file.keep() {
        session.output().note(format!(
            "A copy of your changes has been stored to {:?}",
            path.display().to_string()
        ));
    }
    error
}
