//! `kubectl federate job edit`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::{
    Federation, Session,
    change::{How, amended, carry_out, check_open, check_unended, read, understood},
    submission::Rehearsal,
};
use crate::{
    cli::{Document, DryRun, editor::Editor, files},
    error::{Error, Result},
    job::{Manifest, Patch},
    print::Format,
    reconcile::Members,
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
    name: String,
    /// How the job is written: yaml or json
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "yaml")]
    #[arg(hide_possible_values = true)]
    output: Syntax,
    /// Allow changes of fields that a job in a cluster cannot change, such as its template. The
    /// shards are stopped, what has succeeded counts, and the rest runs anew
    #[arg(long)]
    recreate: bool,
}

/// The values of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Syntax {
    Json,
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

/// A change that can be written.
struct Accepted {
    after: Record,
    members: Members,
}

impl Edit {
    /// Has the Job edited until it is valid, or the user gives up, and then changed.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (store, registry) = session.federation().await?;
        let federation = Federation { store: &store, registry: &registry };
        let before = read(&federation, &session.namespace()?, &self.name).await?;
        check_open(session, &registry, &before)?;
        let members = session.members_to_settle(&registry, &[&before]).await;
        check_unended(session, &federation, &before, &members, DryRun::None, &self.subject())
            .await?;
        drop(members);
        let editor = Editor::of(session.world());
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
                    match self.accept(session, &federation, &before, *manifest).await {
                        Ok(None) => {
                            session.output().note(NO_CHANGES);
                            return Ok(());
                        }
                        Ok(Some(accepted)) => {
                            let done =
                                self.carry_out(session, &federation, &before, accepted, &change);
                            return match done.await {
                                Ok(trouble) => trouble.map_or(Ok(()), Err),
                                Err(error) => Err(preserved(session, file, error)),
                            };
                        }
                        Err(why) => {
                            session.output().error(&Error::new(format!(
                                "jobs.batch {:?} is invalid",
                                self.name
                            )));
                            why
                        }
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
                let text = error.to_string();
                let why = text.strip_prefix("error: ").unwrap_or(&text);
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

    /// Whether the Job can be changed so, and its clusters would take it; none where that is no
    /// change.
    ///
    /// # Errors
    /// What stands at the head of the file when it is opened again.
    async fn accept(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        before: &Record,
        manifest: Manifest,
    ) -> Result<Option<Accepted>, Vec<String>> {
        let recreate = Some(self.recreate);
        let subject = self.subject();
        let after =
            understood(session, federation, before, manifest, recreate, (&subject, None)).await;
        let after = after.map_err(|error| {
            let text = error.to_string();
            let why = text
                .strip_prefix(&format!("error: {}: ", self.subject()))
                .unwrap_or(&text)
                .to_owned();
            self.invalid([why].into_iter().chain(error.hints().iter().cloned()))
        })?;
        let Some(after) = after else { return Ok(None) };
        let mut members = session.members_to_settle(federation.registry, &[&after]).await;
        let mut rehearsal = Rehearsal::default();
        rehearsal.change(session, federation, (before, &after), None, &mut members).await;
        let refusals: Vec<_> = rehearsal.refusals().collect();
        if refusals.is_empty() {
            Ok(Some(Accepted { after, members }))
        } else {
            Err(self.invalid(refusals))
        }
    }

    async fn carry_out(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        before: &Record,
        Accepted { after, mut members }: Accepted,
        change: &Patch,
    ) -> Result<Option<Error>> {
        let subject = self.subject();
        // It may have ended while it was edited.
        let seen =
            check_unended(session, federation, before, &members, DryRun::None, &subject).await?;
        let how = How {
            what: "edited",
            rehearsed: true,
            dry_run: DryRun::None,
            recreate: Some(self.recreate),
            open_only: false,
        };
        let remake = |record: &Record| {
            let manifest = change.apply(&record.manifest);
            let manifest = manifest.map_err(|error| Error::new(format!("{subject}: {error}")))?;
            amended(session, federation.registry, record, manifest, how.recreate, &subject)
        };
        let after = remake(&seen)?.unwrap_or(after);
        carry_out(session, federation, after, &mut members, how, &subject, remake).await
    }

    fn subject(&self) -> String {
        format!("job.batch/{}", self.name)
    }

    fn invalid(&self, why: impl IntoIterator<Item = String>) -> Vec<String> {
        let head = format!("jobs.batch {:?} was not valid:", self.name);
        std::iter::once(head).chain(why.into_iter().map(|why| format!("* {why}"))).collect()
    }
}

const NO_CHANGES: &str = "Edit cancelled, no changes made.";

impl Syntax {
    fn write(self, object: &Value) -> String {
        let format = match self {
            Self::Json => Format::Json,
            Self::Yaml => Format::Yaml,
        };
        format.text(object, "job.batch").expect("these formats have a text")
    }

    /// A file that only the user can read.
    fn file(self, directory: &Path) -> Result<NamedTempFile> {
        let suffix = match self {
            Self::Json => ".json",
            Self::Yaml => ".yaml",
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
