//! `kubectl federate job edit`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::recreate;
use crate::{
    cli::{
        Document, Session,
        changing::interruptible,
        editor::Editor,
        events::{Reporter, Wording},
        files,
        job_name::job_name,
        output::{Several, print_changed},
        validate::validation,
    },
    cluster::FieldValidation,
    error::{Error, Result},
    federation::{self, DryRun, Federation, Request},
    job::{Manifest, Patch},
    print::{
        Format,
        format::{self, Asked},
    },
    state::Record,
};

/// What stands above the Job, as in kubectl. JSON has no comments.
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
/// again, with the error at its head; of JSON, which has no comments, the error is printed.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Edit {
    /// The name of the job
    #[arg(value_parser = job_name)]
    name: String,
    /// How the job is written, and printed afterwards in place of a sentence: yaml, kyaml or json;
    /// if left out, as yaml, and not printed
    #[arg(short, long, value_name = "FORMAT", value_parser = syntax)]
    output: Option<Format>,
    /// What becomes of fields that a cluster does not know: strict (or true) refuses the change,
    /// warn drops the fields with a warning, ignore (or false) drops them without a word; if left
    /// out, those that the job was submitted with pass, and others are refused
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "strict", value_parser = validation)]
    validate: Option<FieldValidation>,
    /// Allow changes of fields that a job in a cluster cannot change, such as its template. The
    /// shards are stopped, what has succeeded counts, and the rest runs anew
    #[arg(long)]
    recreate: bool,
    /// Do not ask before pods that run are stopped
    #[arg(short = 'y', long, requires = "recreate")]
    yes: bool,
    /// Taken as kubectl takes it: `job apply` needs no annotation to change a job later
    #[arg(long)]
    save_config: bool,
    /// Taken as kubectl takes it: what is printed here has no managed fields
    #[arg(long)]
    show_managed_fields: bool,
}

/// Reads a value of `-o`.
fn syntax(text: &str) -> Result<Format> {
    let asked = Asked { output: text, template: "", allow_missing_keys: true, headers: true };
    let allowed = ["json", "kyaml", "yaml"];
    let format = Format::choose(asked, &allowed, |_| Err(String::new())).map_err(Error::new)?;
    format.ok_or_else(|| Error::new("--output needs a format"))
}

/// What came of an editor.
enum Edited {
    /// Nothing is to be changed, for this reason.
    Cancelled(&'static str),
    /// The Job is to be this.
    Changed(Box<Manifest>),
    /// What keeps it from being one Job at all.
    Wrong(String),
    /// It is another Job by now.
    Another,
    /// What the Job has that it cannot have.
    Invalid(String),
}

impl Edit {
    /// Has the Job edited until it is valid, or the user gives up, and then changed.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let wording = Wording { unchanged: Some(NO_CHANGES), ..Wording::new("edited") };
        let reporter = Reporter::new(session, wording).keeping(self.output.is_some());
        let namespace = session.namespace()?;
        let names = std::slice::from_ref(&self.name);
        let federation = reporter.opening(session, names, Some(&namespace)).await?;
        let before = federation.editable(&namespace, &self.name).await?;
        let editor = Editor::from_environment(session.world());
        let original = before.manifest.sized();
        let mut body = self.write(&original);
        let mut reasons: Vec<String> = Vec::new();
        let draft = Draft { session, file: Some(self.file(&temporary(session))?) };
        loop {
            let written = self.with_header(&reasons, &body);
            let text = match open(&editor, draft.path(), &written).await {
                Ok(text) => text,
                Err(error) => {
                    if reasons.is_empty() && draft.holds(&written) {
                        draft.discard();
                    }
                    return Err(error);
                }
            };
            let edited = without_header(&text);
            if !reasons.is_empty() && edited == body {
                if !self.is_json() {
                    tell(session, &reasons);
                }
                return Err(Error::new("Edit cancelled, no valid changes were saved."));
            }
            let wrong = match understand(edited, &before, &original) {
                Edited::Cancelled(why) => {
                    draft.discard();
                    session.output().note(why);
                    return Ok(());
                }
                Edited::Wrong(why) => vec![why],
                Edited::Another => {
                    let why = "At least one of apiVersion, kind and name was changed";
                    return Err(Error::new(why));
                }
                Edited::Invalid(why) => self.refused(session, [why]),
                Edited::Changed(manifest) => {
                    let change = Patch::between(&original, manifest.object());
                    let edit = async |may_stop| {
                        let changed = self.change(&federation, &before, &change, may_stop);
                        let printed = (self.output.as_ref(), Several::Apart);
                        interruptible(session, &reporter, printed, Box::pin(changed)).await
                    };
                    let changed = Box::pin(recreate::asking(session, self.yes, edit)).await?;
                    let (format, jobs) = (self.output.as_ref(), reporter.objects());
                    let printed = print_changed(session.world(), format, jobs, Several::Apart);
                    let printed = printed.await;
                    match changed {
                        Ok(()) => {
                            draft.discard();
                            return printed;
                        }
                        Err(error) if error.is_refusal() => {
                            self.refused(session, reasons_of(error))
                        }
                        Err(error) => {
                            // Then it is written.
                            if matches!(error, federation::Error::Unfinished(_)) {
                                draft.discard();
                            }
                            return Err(error.into());
                        }
                    }
                }
            };
            edited.clone_into(&mut body);
            reasons = wrong;
            if self.is_json() {
                tell(session, &reasons);
            }
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
        let request = Request {
            recreate,
            may_stop,
            field_validation: self.validate,
            ..Request::new(&self.name, DryRun::None)
        };
        let (namespace, name) = (before.namespace(), before.name());
        let edited = federation.edit(namespace, name, &request, |manifest| change.apply(manifest));
        edited.await.map(drop)
    }

    /// Says that the Job was refused, and gives what the file says of it.
    fn refused(&self, session: &Session<'_>, why: impl IntoIterator<Item = String>) -> Vec<String> {
        let invalid = format!("jobs.batch {:?} is invalid", self.name);
        session.output().error(&Error::new(invalid).to_string(), &[]);
        let head = format!("jobs.batch {:?} was not valid:", self.name);
        std::iter::once(head).chain(why.into_iter().map(|why| format!("* {why}"))).collect()
    }
}

/// Reads what was edited.
fn understand(text: &str, before: &Record, original: &Value) -> Edited {
    if !text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#')) {
        return Edited::Cancelled("Edit cancelled, saved file was empty.");
    }
    let documents = match files::parse("it", text) {
        Ok(documents) => documents,
        Err(error) => {
            let why = error.message();
            return Edited::Wrong(format!("The edited file had a syntax error: {why}"));
        }
    };
    let Ok([Document { object, .. }]) = <[Document; 1]>::try_from(documents) else {
        return Edited::Wrong("The edited file must hold one object".to_owned());
    };
    if object == *original {
        return Edited::Cancelled(NO_CHANGES);
    }
    let identity = ["/apiVersion", "/kind", "/metadata/name"];
    if identity.iter().any(|field| object.pointer(field) != original.pointer(field)) {
        return Edited::Another;
    }
    match Manifest::new(object, before.namespace(), "") {
        Ok(manifest) => Edited::Changed(Box::new(manifest)),
        Err(error) => Edited::Invalid(error.to_string()),
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
            std::iter::once(why).chain(Error::from(error).hints()).collect()
        }
        error => vec![error.to_string()],
    }
}

const NO_CHANGES: &str = "Edit cancelled, no changes made.";

impl Edit {
    fn is_json(&self) -> bool {
        self.output == Some(Format::Json)
    }

    fn write(&self, object: &Value) -> String {
        match self.output {
            Some(Format::Json) => format::json(object),
            Some(Format::Kyaml) => format::kyaml(object),
            _ => format::yaml(object),
        }
    }

    /// What is edited, with what was wrong with it above.
    fn with_header(&self, reasons: &[String], body: &str) -> String {
        if self.is_json() { body.to_owned() } else { format!("{HEADER}{}{body}", comment(reasons)) }
    }

    /// A file that only the user can read.
    fn file(&self, directory: &Path) -> Result<NamedTempFile> {
        let suffix = if self.is_json() { ".json" } else { ".yaml" };
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

/// Says what is wrong with what was edited.
fn tell(session: &Session<'_>, reasons: &[String]) {
    for reason in reasons.iter().flat_map(|reason| reason.lines()) {
        session.output().note(reason);
    }
}

/// The file that is edited. However the command ends, also early, it stays, and the user is told
/// where; unless it is discarded.
struct Draft<'s> {
    session: &'s Session<'s>,
    /// None once it is discarded.
    file: Option<NamedTempFile>,
}

impl Draft<'_> {
    fn path(&self) -> &Path {
        self.file.as_ref().map_or(Path::new(""), NamedTempFile::path)
    }

    /// Whether this is what is in it.
    fn holds(&self, text: &str) -> bool {
        fs::read(self.path()).is_ok_and(|bytes| bytes == text.as_bytes())
    }

    /// Removes it: nothing that the user wrote is in it, or nothing that is still needed.
    fn discard(mut self) {
        self.file = None;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some((_, path)) = self.file.take().and_then(|file| file.keep().ok()) {
            self.session.output().note(format!(
                "A copy of your changes has been stored to {:?}",
                path.display().to_string()
            ));
        }
    }
}
