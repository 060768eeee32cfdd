//! `kubectl federate backup` and `restore`.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;

use super::{
    Host, Session,
    cluster::registrations::changes,
    confirm::Confirmation,
    events::{Reporter, Wording},
    init::remember,
    other_host::{leaves_unnamed, other_host},
    private_file,
    warnings::unknown_shards,
};
use crate::{
    error::{Error, Result},
    federation::{
        self, Comparison, Difference, OtherHost, RecordChange, RecordSource, RegistryChange,
        Replaced, Restore as Plan, Return, last_host,
    },
    os_error,
    print::{counted, federate, federate_line, federate_on_host},
    state::{self, Backup as Saved, Newer, Record, Store},
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
/// answers is left for no host but that of --context. Nothing that is there is overwritten without a confirmation. A backup may
/// be older than the jobs in the clusters. So a restored job opens no work until all clusters have
/// been listed, and the shards that they have are taken in. It can be interrupted at any time and
/// run again.
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
            return Ok(());
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
        Ok(())
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
        let consequences = consequences(&plan, (&name, &context), (other, is_moved), created);
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
        plan.apply(&store, left.as_ref(), &context, &reporter).await?;
        let what = if registry == RegistryChange::Same { "unchanged" } else { "restored" };
        session.output().line(format!("federation {what} on host cluster {name:?}"));
        // The host of the backup is not to be used any more: nothing goes back to it.
        let is_left = |before: &Host| before.uid == saved_host;
        remember(session, session.used_context(), uid, is_left)?;
        if let Some(unmarked) = unmarked {
            session.output().warning(None, &unmarked);
        }
        let next = federate_line("reconcile", ["--all-namespaces"]);
        session.output().note(format!("Next: {next}"));
        Ok(all?)
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

/// What becomes of the host that has the federation. `is` begins the sentence: it says that the
/// backup is of it, or that it is the one to which the federation was moved. `context` is that of
/// the new host.
fn about_other_host(other: &OtherHost, is: &str, context: &str) -> String {
    let finish = |old: &str| federate_on_host("init", [format!("--from={old}")], context);
    match other {
        OtherHost::Left { name, lacking, .. } => {
            let all = format!(
                "{is} host {name:?}, which answers: it is marked as moved, and nothing can use \
                 it afterwards. {} moves the federation as it is now instead.",
                finish(name)
            );
            if lacking.is_empty() {
                return all;
            }
            let jobs = lacking.iter().map(|(namespace, name)| format!("{namespace}/{name}"));
            let jobs = jobs.collect::<Vec<_>>().join(", ");
            format!("{all} It lacks jobs that are there: {jobs}.")
        }
        OtherHost::NotInUse { name } => {
            format!("{is} host {name:?}, which has the federation no more.")
        }
        OtherHost::Moved { name, to, .. } => format!(
            "{is} host {name:?}. The federation was moved from there to another host{}. If \
             that one is used too, both give out the same work.",
            state::by_context(to)
        ),
        OtherHost::Silent { name, why } => format!(
            "{is} host {name:?}, which cannot be marked as moved: {}. If it is used again, both \
             give out the same work. {} marks it then.",
            why.trim_end_matches(['.', '?']),
            finish(name)
        ),
        OtherHost::Unknown => format!(
            "{is} another host, and no context leads there that answers. If that host is used \
             again, both give out the same work. {} marks it then.",
            finish("CONTEXT")
        ),
    }
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

/// What is overwritten, and what is to be thought of: a sentence each. `context` is that of the
/// host.
/// `other` is the context of the host that is remembered, if that is another one. `is_moved` says
/// that the federation has another host than the one that the backup is of.
fn consequences(
    plan: &Plan,
    (host, context): (&str, &str),
    (other, is_moved): (Option<&str>, bool),
    created: i64,
) -> Vec<String> {
    let mut said = vec![format!("The backup was made at {}.", time(created))];
    said.extend(other.map(|other| {
        format!(
            "It is restored on host {host:?}, which all commands use then in place of {other:?}."
        )
    }));
    let is = match &plan.returns {
        Some(Return { is_other_host: true, .. }) => "The federation was moved from here to",
        _ if is_moved => "The federation was moved since to",
        _ => "It is of",
    };
    said.extend(plan.other_host.iter().map(|other| about_other_host(other, is, context)));
    if let Some(Return { moved, is_other_host: false }) = &plan.returns {
        said.push(format!(
            "The federation was moved from here to another host{}. If that one is used too, both \
             give out the same work.",
            state::by_context(&moved.context)
        ));
    }
    if let Some(OtherHost::Left { name, differences, .. }) = &plan.other_host {
        let there = format!("host {name:?}");
        said.extend(differences.iter().map(|(name, how)| difference(name, how, &there)));
    }
    if let RegistryChange::Damaged(why) = &plan.registry {
        said.push(format!("The registry on host {host:?} is replaced: {why}."));
    }
    if let RegistryChange::TakenOver { from } = &plan.registry {
        said.push(format!(
            "The registry on host {host:?} is that of federation {from}, which has no jobs. It \
             becomes the one of the backup."
        ));
    }
    said.extend(plan.differences.iter().map(|(name, how)| difference(name, how, "the host")));
    for (record, change) in &plan.records {
        let job = format!("job.batch/{} in namespace {}", record.name(), record.namespace());
        match change {
            RecordChange::Readable(Comparison::Replaced { on_host, in_backup, newer }) => {
                let which = match newer {
                    Newer::This => "the one on the host is newer",
                    Newer::Other => "the one in the backup is newer",
                    Newer::Neither => "neither is known to be newer",
                };
                let taken_again = match newer {
                    Newer::Other => "",
                    Newer::This | Newer::Neither => {
                        " A newer manifest that a cluster keeps is taken from there again."
                    }
                };
                said.push(format!(
                    "{job}: the record on the host is replaced: {which}{}.{taken_again}",
                    times(*on_host, *in_backup)
                ));
            }
            RecordChange::Damaged(why) => {
                said.push(format!("{job}: the record on the host is replaced: {why}."));
            }
            RecordChange::Readable(Comparison::New) if plan.revives() => match &record.state.outcome
            {
                Some(outcome) => said.push(format!(
                    "{job}: the host has no record of it. It comes back as it was, {}.",
                    outcome.verdict.as_str()
                )),
                None => said.push(format!(
                    "{job}: the host has no record of it. It was deleted or has expired since the \
                 backup, or its record was lost. What no cluster has of it any more may have been \
                 done. {} runs it again.",
                    federate("reconcile", [record.name(), "-n", record.namespace(), "--reopen"])
                )),
            },
            RecordChange::Kept { on_host, in_backup, is_newer, lacking } => {
                let which = if *is_newer { "is" } else { "may be" };
                said.push(format!(
                    "{job}: the record on the host {which} newer than that of the backup, and \
                     stays{}. --replace-newer replaces it.{}",
                    times(*on_host, *in_backup),
                    unknown_shards(lacking, "the backup")
                ));
            }
            RecordChange::Revived(RecordSource::HostAlone) => said.push(format!(
                "{job}: the backup does not have it: it is newer, or was deleted since the \
                 federation left this host. It comes back as it was then. What no cluster has of \
                 it any more may have been done, and is held back."
            )),
            RecordChange::Revived(_) => said.push(format!(
                "{job}: this host has a newer record than the backup. It counts again."
            )),
            RecordChange::Taken => said.push(format!(
                "{job}: the host has another job of this name, which stays. The one of the backup \
                 is not restored."
            )),
            RecordChange::Readable(Comparison::New | Comparison::Same) | RecordChange::Listed => {}
        }
    }
    said
}

/// What becomes of a cluster that a host and the backup do not have alike. `host` names the host.
fn difference(name: &str, difference: &Difference, host: &str) -> String {
    match difference {
        Difference::Changed(registration) => {
            let replaced = "its registration is replaced by the one of the backup";
            format!("cluster {name:?}: {replaced}{}.", settings(registration))
        }
        Difference::Renamed { on_host, registration } => format!(
            "cluster {name:?}: it is {on_host:?} on {host}, and keeps that name. Its registration \
             is the one of the backup{}.",
            settings(registration)
        ),
        Difference::Displaced => format!(
            "cluster {name:?}: another cluster has this name on {host}, and stays. The one of the \
             backup is not registered: what it did since then is not known, and may run twice."
        ),
        Difference::Returns => {
            format!("cluster {name:?}: it is no member on {host}, and becomes one again.")
        }
        Difference::Left => format!(
            "cluster {name:?}: it was registered and unregistered since then. What it still runs \
             is not known, and may run twice."
        ),
        Difference::HostAlone => {
            format!("cluster {name:?}: the backup does not have it. It stays a member.")
        }
        Difference::Superseded => format!(
            "cluster {name:?}: another cluster has this name in the backup, and is the member. The \
             one that {host} has is not registered: what it did since then is not known, and may \
             run twice."
        ),
        Difference::Joined => {
            format!("cluster {name:?}: it was registered on {host} since then, and is a member.")
        }
    }
}

/// Which settings of a cluster change, after a colon.
fn settings(registration: &Replaced) -> String {
    let changes = changes(&registration.before, &registration.after);
    if changes.is_empty() { String::new() } else { format!(": {}", changes.join("; ")) }
}

/// When two records have last changed, in brackets. Which one is newer is told by counts. So
/// nothing is said where the times are the same.
fn times(on_host: i64, in_backup: i64) -> String {
    if on_host == in_backup {
        return String::new();
    }
    format!(" (host: {}, backup: {})", time(on_host), time(in_backup))
}

fn time(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |at| at.to_string())
}

fn unusable(path: &Path, what: &str, cause: &io::Error) -> Error {
    Error::new(format!("cannot {what} {}: {}", path.display(), os_error::words(cause)))
}
