//! `kubectl federate backup` and `restore`.

mod consequences;

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;

use self::consequences::consequences;
use super::{
    Host, Session,
    confirm::Confirmation,
    events::{Reporter, Wording},
    init::remember,
    left_records::name_left_records,
    named::named_among,
    other_host::{leaves_unnamed, other_host},
    private_file,
};
use crate::{
    error::{Error, Result},
    federation::{self, OtherHost, RegistryChange, Restore as Plan, last_host},
    os_error,
    print::{counted, federate_line, federate_on_host},
    state::{self, Backup as Saved, Record, Store},
    yaml,
};

/// The file name that stands for standard input or output.
const STANDARD: &str = "-";

/// The examples in its help.
const BACKUP_EXAMPLES: &str = "\
Examples:
  # Save the registry and all records to a file that only you can read
  kubectl federate backup ~/federation.yaml

  # Print them
  kubectl federate backup";

/// Save the registry and the records of all jobs to one file
///
/// The file is YAML, or JSON if its name ends in .json. It has no credentials, but it has the
/// manifests of the jobs, with the literal values of env. Only you can read it. An existing file is
/// replaced as a whole.
///
/// A record that cannot be read is left out and named, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_long_help = BACKUP_EXAMPLES)]
pub struct Backup {
    /// The file; standard output if left out, or -
    #[arg(value_name = "FILE", default_value = STANDARD, hide_default_value = true)]
    file: PathBuf,
}

/// The examples in its help.
const RESTORE_EXAMPLES: &str = "\
Examples:
  # Restore a federation on the host that is remembered
  kubectl federate restore ~/federation.yaml

  # Restore it on a new host
  kubectl federate restore ~/federation.yaml --context=spare --yes";

/// Restore the registry and the records of a backup
///
/// The host is the cluster of --context, or the one that is remembered in ~/.kube/federate.yaml, or
/// that of the current context, and is remembered there. Another host that has the federation and
/// answers is left for no host but that of --context. Nothing that is there is overwritten without
/// a confirmation. A backup may be older than the jobs in the clusters. So a restored job opens no
/// work until all clusters have been listed, and the shards that they have are taken in. It can be
/// interrupted at any time and run again.
#[derive(Debug, Args)]
#[command(after_long_help = RESTORE_EXAMPLES)]
pub struct Restore {
    /// The file; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Do not ask before something that the host has is overwritten, or a job comes back
    #[arg(short = 'y', long)]
    yes: bool,
    /// Replace also records that are newer on the host than in the backup, or may be: what was
    /// recorded since is forgotten. Without it they stay
    #[arg(long)]
    replace_newer: bool,
}

impl Backup {
    /// Reads everything, then writes the file.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.check_folder()?;
        session.left().stands(if self.file == Path::new(STANDARD) {
            "nothing was saved".to_owned()
        } else {
            format!("{} was not written", self.file.display())
        });
        let reporter = Reporter::new(session, Wording::new("saved"));
        let federation = session.federation(&reporter).await?;
        let backup = federation.backup().await?;
        let (own, in_use) = (&backup.federation.uid, !backup.jobs.is_empty());
        name_left_records(session, &federation.store, own, in_use).await;
        let document = backup.to_value();
        let is_json = self.file.extension().is_some_and(|extension| extension == "json");
        let text = if is_json {
            format!("{document:#}\n")
        } else {
            let text = yaml::write(&document);
            // A backup that cannot be read is none.
            yaml::read(&text).map_err(|why| {
                Error::new(format!("the backup cannot be written as YAML: {why}"))
                    .hint("Name a file that ends in .json.")
            })?;
            text
        };
        if self.file == Path::new(STANDARD) {
            session.output().block(&text);
            return is_whole(&backup, "the backup");
        }
        private_file::replace(&self.file, text.as_bytes())
            .map_err(|error| unusable(&self.file, "write", &error))?;
        let (members, jobs) = (backup.federation.members.len(), backup.jobs.len());
        session.output().note(format!(
            "{} has the registry with {}, and the records of {}.",
            self.file.display(),
            counted(members, "cluster"),
            counted(jobs, "job")
        ));
        is_whole(&backup, &self.file.display().to_string())
    }
}

impl Backup {
    /// Makes sure that the folder of the file is there, before any cluster is asked.
    ///
    /// # Errors
    /// It is not.
    fn check_folder(&self) -> Result<()> {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        match folder.filter(|folder| !folder.is_dir()) {
            Some(folder) => Err(Error::new(format!(
                "cannot write {}: there is no folder {}",
                self.file.display(),
                folder.display()
            ))),
            None => Ok(()),
        }
    }
}

impl Restore {
    /// Compares the file with the host, asks where something is overwritten or the federation gets
    /// another host, and writes.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        session.left().begin(
            "nothing was restored",
            "some of it may be restored. Run the same command again: it restores the rest",
        );
        let (backup, records) = self.read(session)?;
        let host = session.host()?.clone();
        if let Some(uid) = session.remembered_host() {
            let verified = host.verify(uid).await;
            verified.map_err(|error| federation::Error::host(error, true))?;
        }
        let uid = host.identity().await?;
        let store = Store::new(host);
        let (created, saved_host) = (backup.created, Plan::host_now(&store, &backup).await);
        let of_backup = backup.federation.host.clone();
        let (federation, left_out) = (backup.federation.uid.clone(), backup.left_out.clone());
        let find = async |uid: &str| other_host(session, uid).await;
        let (saved_host, left) = last_host(saved_host, &uid, &backup.federation.uid, find).await?;
        let now = (session.world().now)();
        let (there, newer) = (left.as_ref(), self.replace_newer);
        let plan = Plan::plan(&store, backup, records, there, now, newer, &saved_host).await?;
        if let Some(OtherHost::Left { name, .. }) = &plan.other_host
            && !session.names_host()
        {
            return Err(leaves_unnamed(name, store.host().name()));
        }
        let name = store.host().name().to_owned();
        let context = session.used_context().unwrap_or_default().to_owned();
        let other = session.config().host.as_ref().filter(|host| host.uid != uid);
        let other = other.map(|host| host.context.as_str());
        let is_moved = of_backup != saved_host;
        let of_backup = (created, left_out.as_slice());
        let consequences = consequences(&plan, (&name, &context), (other, is_moved), of_backup);
        match question(&plan) {
            Some(question) => {
                let confirmation = Confirmation {
                    consequences: &consequences,
                    question: &question,
                    flag: "--yes",
                    unchanged: "nothing was restored",
                };
                confirmation.ask(session.world(), self.yes).await?;
            }
            None => {
                for consequence in &consequences {
                    session.output().note(consequence);
                }
            }
        }
        let (registry, all) = (plan.registry.clone(), plan.every_name_is_free());
        let unmarked = plan.other_host.as_ref().and_then(|other| about_unmarked(other, &context));
        let reporter = Reporter::new(session, Wording::new("restored"));
        let unwritten = plan.apply(&store, left.as_ref(), &context, &reporter).await?;
        let what = match unwritten.len() {
            0 if registry == RegistryChange::Same => "unchanged",
            0 => "restored",
            _ => "partly restored",
        };
        session.output().line(format!("federation {what} on host cluster {name:?}"));
        // The host of the backup is not to be used any more: nothing goes back to it.
        let is_left = |before: &Host| before.uid == saved_host;
        remember(session, session.used_context(), uid, &federation, is_left).await?;
        if let Some(unmarked) = unmarked {
            session.output().warning(None, &unmarked);
        }
        let next = federate_line("reconcile", ["--all-namespaces"]);
        session.output().note(format!("Next: {next}"));
        federation::Error::all(unwritten.into_iter().chain(all.err()).collect())?;
        Ok(())
    }

    fn read(&self, session: &Session<'_>) -> Result<(Saved, Vec<Record>)> {
        let mut bytes = Vec::new();
        let read = if self.file == Path::new(STANDARD) {
            session.world().stdin().read_to_end(&mut bytes).map(drop)
        } else {
            fs::read(&self.file).map(|content| bytes = content)
        };
        read.map_err(|error| unusable(&self.file, "read", &error))?;
        let invalid = |why: &dyn std::fmt::Display| {
            Error::new(format!("{} is no backup: {why}", self.file.display()))
        };
        let text = String::from_utf8(bytes).map_err(|_| invalid(&"it is not UTF-8"))?;
        // JSON has no limit but memory.
        let mut documents = match serde_json::from_str(&text) {
            Ok(document) => vec![document],
            Err(_) => yaml::read(&text).map_err(|why| invalid(&why))?,
        };
        match (documents.pop(), documents.is_empty()) {
            (Some(document), true) => match Saved::newer(&document) {
                Some(found) => {
                    let object = self.file.display().to_string();
                    Err(state::Error::Newer { object, found }.into())
                }
                None => Saved::read(document).map_err(|why| invalid(&why)),
            },
            (None, _) => Err(invalid(&"it is empty")),
            (Some(_), false) => Err(invalid(&"it has several documents")),
        }
    }
}

/// That a backup has all records. `what` is how it is called.
///
/// # Errors
/// It lacks some: why, was told. A script that makes backups must not go on as if it had all.
fn is_whole(backup: &Saved, what: &str) -> Result<()> {
    if backup.left_out.is_empty() {
        return Ok(());
    }
    let lacking = backup.left_out.iter().map(|it| (it.namespace.as_str(), it.name.as_str()));
    let jobs = named_among(&lacking.collect::<Vec<_>>(), true);
    Err(Error::new(format!("{what} lacks the records that cannot be read: {jobs}")))
}

/// What is asked before a restore, if it overwrites something or makes another host.
fn question(plan: &Plan) -> Option<String> {
    let newer = plan.replaced_newer();
    if !newer.is_empty() {
        let jobs: Vec<_> =
            newer.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
        return Some(format!("Forget what was recorded since of {}?", jobs.join(", ")));
    }
    let question = match &plan.other_host {
        Some(OtherHost::Left { .. }) if plan.returns.is_some() => Some("Leave the other host?"),
        _ if plan.returns.is_some() => Some("Is the other host gone for good?"),
        _ if plan.overwrites() => Some("Overwrite what the host has?"),
        Some(OtherHost::Left { .. }) => Some("Leave the other host?"),
        Some(_) => Some("Is the other host gone for good?"),
        None if plan.revives() => Some("Bring back the jobs that the host does not have?"),
        None => None,
    };
    question.map(str::to_owned)
}

/// What is to be done about a host that could not be marked as moved, once all is restored. Nothing
/// else can tell that two hosts act for one federation. `context` is that of the new host.
fn about_unmarked(other: &OtherHost, context: &str) -> Option<String> {
    let (host, old) = match other {
        OtherHost::Silent { name, .. } => (format!("host {name:?}"), name.as_str()),
        OtherHost::Moved { to, .. } if !to.is_empty() => (format!("host {to:?}"), to.as_str()),
        OtherHost::Unknown | OtherHost::Moved { .. } => ("the host before".to_owned(), "CONTEXT"),
        OtherHost::Left { .. } | OtherHost::NotInUse { .. } => return None,
    };
    let marks = federate_on_host("init", [format!("--from={old}")], context);
    Some(format!(
        "{host} is not marked as moved, and would give out the same work: once it answers again, \
         run {marks} before anything else"
    ))
}

fn unusable(path: &Path, what: &str, cause: &io::Error) -> Error {
    Error::new(format!("cannot {what} {}: {}", path.display(), os_error::words(cause)))
}
