//! What requests say while they are carried out, in words, on the terminal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    Session,
    dry_run::suffix,
    warnings::{surplus, warning},
};
use crate::{
    error::words,
    federation::{DryRun, Event, Observer, Place, Work},
    job::labels,
    print::{Progress, Table, command, federate},
    reconcile::{Done, Status},
    state::Record,
};

/// Columns that the clusters may take beside a progress bar, on a terminal of the usual 80, before
/// they are only counted.
const ROOM: usize = 36;

/// How the events of one verb are worded.
#[derive(Debug, Clone, Copy)]
pub struct Wording {
    /// What is said of a Job once it is changed: `configured`, `scaled`.
    pub changed: &'static str,
    /// What is said where nothing changes, in place of `job.batch/pi unchanged`.
    pub unchanged: Option<&'static str>,
    /// Whether what was done in each cluster is told.
    pub done: bool,
    /// Where an action is told as it is taken.
    pub live: Live,
}

/// Where an action is told as it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Nowhere.
    No,
    /// On stdout.
    Stdout,
    /// On stderr.
    Stderr,
}

impl Wording {
    /// The wording of a verb that changes Jobs, such as `scaled`.
    pub fn new(changed: &'static str) -> Self {
        Self { changed, unchanged: None, done: true, live: Live::No }
    }
}

/// Prints what requests say.
pub struct Reporter<'a> {
    session: &'a Session<'a>,
    wording: Wording,
    progress: Mutex<Option<Progress>>,
}

impl<'a> Reporter<'a> {
    /// A reporter for one verb.
    pub fn new(session: &'a Session<'a>, wording: Wording) -> Self {
        Self { session, wording, progress: Mutex::new(None) }
    }

    fn line(&self, text: String) {
        self.session.output().line(text);
    }

    fn note(&self, text: String) {
        self.session.output().note(text);
    }

    fn warn(&self, cluster: Option<&str>, text: &str) {
        self.session.output().warning(cluster, text);
    }

    fn progress(&self) -> MutexGuard<'_, Option<Progress>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acted(&self, done: &Done) {
        if let Some(progress) = &*self.progress() {
            progress.step();
        }
        match self.wording.live {
            Live::No => {}
            Live::Stdout => self.line(done.to_string()),
            Live::Stderr => self.note(done.to_string()),
        }
    }

    fn began(&self, work: Work, steps: usize) {
        let what = match work {
            Work::Creating => "creating",
            Work::Deleting => "deleting",
        };
        *self.progress() = Some(self.session.output().progress(what, steps as u64));
    }

    fn planned(&self, record: &Record) {
        let mut table = Table::new(["CLUSTER", "PARALLELISM", "COMPLETIONS"]);
        for shard in record.shards.values() {
            let completions = shard
                .completions
                .map_or("<none>".to_owned(), |completions| completions.to_string());
            table.row([shard.cluster.clone(), shard.parallelism.to_string(), completions]);
        }
        self.session.output().note_table(&table);
    }

    fn job(&self, record: &Record, what: &str, dry_run: DryRun) {
        self.line(format!("job.batch/{} {what}{}", record.name(), suffix(dry_run)));
    }

    fn unchanged(&self, record: &Record, dry_run: DryRun) {
        match self.wording.unchanged {
            Some(text) => self.note(text.to_owned()),
            None => self.job(record, "unchanged", dry_run),
        }
    }

    fn reconciled(&self, record: &Record, status: &Status, changed: bool) {
        let what = if changed { "reconciled" } else { "unchanged" };
        let stands = format!("{} {}", status.word(), status.completions());
        self.line(format!("job.batch/{} {what}: {stands}", record.name()));
    }

    /// Prints how many completions are unplaced, and the command that has them run. They are
    /// unplaced because somebody deleted their shard, or because all pods that may run are in use.
    fn stands(&self, record: &Record, status: &Status) {
        let (name, namespace) = (record.name(), record.namespace());
        let say = |count: i32, [one, more]: [&str; 2], hint: &str| {
            let what = if count == 1 { one } else { more };
            self.note(format!("job.batch/{name}: {count} {what}. {hint}"));
        };
        let held = status.unplaced - status.waiting;
        if held > 0 && record.holds_back() {
            let reopen = words::reopen(namespace, name);
            say(held, ["completion is unplaced", "completions are unplaced"], &reopen);
        }
        if status.waiting > 0 {
            let waits = ["completion is not assigned yet", "completions are not assigned yet"];
            let watch = federate("reconcile", [name, "-n", namespace, "--watch"]);
            let them = if status.waiting == 1 { "it" } else { "them" };
            let hint = format!("{watch} starts {them} as running pods finish.");
            say(status.waiting, waits, &hint);
        }
    }

    /// Where the Jobs of a record that is gone stay, and the commands that delete them. They select
    /// by label, so that no Job of the same name that somebody else made is deleted.
    fn kept(&self, record: &Record, places: &[Place]) {
        let selector = format!("--selector={}={}", labels::JOB, record.state.uid);
        let mut told = BTreeSet::new();
        self.note("The jobs in the clusters stay. To delete them:".to_owned());
        for Place { cluster, context, namespace, job } in places {
            let text = match context {
                Some(context) => command([
                    "kubectl",
                    &format!("--context={context}"),
                    &format!("--namespace={namespace}"),
                    "delete",
                    "jobs",
                    &selector,
                ]),
                None => format!(
                    "job.batch/{job} in namespace {namespace} of cluster {cluster}, which no known \
                    context leads to"
                ),
            };
            if told.insert(text.clone()) {
                self.note(format!("  {text}"));
            }
        }
    }

    fn silent(&self, cluster: &str, what: &str, why: &str) {
        // With the time in it the next one of the same words is another.
        let since = self.session.now().strftime("%FT%TZ");
        self.warn(Some(cluster), &format!("{what} since {since}: {why}"));
    }

    /// Completions done of those asked for, and how each cluster stands.
    fn waiting(&self, looked: &[(Record, Status)]) {
        let asked = |record: &Record| i64::from(record.manifest.size().completions.unwrap_or(1));
        let done =
            |(record, status): &(Record, Status)| i64::from(status.succeeded).min(asked(record));
        let total: i64 = looked.iter().map(|(record, _)| asked(record)).sum();
        let succeeded: i64 = looked.iter().map(done).sum();
        self.progress().get_or_insert_with(|| self.session.output().progress("waiting", 0)).show(
            succeeded as u64,
            total as u64,
            &states(looked),
        );
    }
}

impl Observer for Reporter<'_> {
    fn notify(&self, event: Event<'_>) {
        if let Some((cluster, text)) = warning(&event) {
            return self.warn(cluster, &text);
        }
        match event {
            Event::OwnIndex { .. }
            | Event::Dropped { .. }
            | Event::Unasked { .. }
            | Event::ShardFailed { .. }
            | Event::ShardAltered { .. }
            | Event::HostClockDiffers { .. }
            | Event::MemberClockDiffers { .. }
            | Event::LeftBehind { .. } => {}
            Event::Planned(record) => self.planned(record),
            Event::Began(work, steps) => self.began(work, steps),
            Event::Acted(done) => self.acted(done),
            Event::Ended => *self.progress() = None,
            Event::Done(done, dry_run) => {
                for done in done.iter().filter(|_| self.wording.done) {
                    self.line(format!("{done}{}", suffix(dry_run)));
                }
            }
            Event::Created(record, dry_run) => self.job(record, "created", dry_run),
            Event::Changed { after, dry_run, .. } => {
                self.job(after, self.wording.changed, dry_run);
            }
            Event::Unchanged(record, dry_run) => self.unchanged(record, dry_run),
            Event::Unfinished(record) => {
                self.note(words::finish_begun(record.namespace(), record.name()));
            }
            Event::Surplus { record, succeeded, asked, stopped } => {
                self.note(surplus(record, succeeded, asked, stopped));
            }
            Event::Stands(record, status) => self.stands(record, status),
            Event::ShardWaits { record, shard, why } => {
                self.note(format!(
                    "job.batch/{} in cluster {}: \
                {why}",
                    record.name(),
                    shard.cluster
                ));
            }
            Event::Reconciled { record, status, changed } => {
                self.reconciled(record, status, changed);
            }
            Event::Deleted(name, dry_run) => {
                self.line(format!("job.batch {name:?} deleted{}", suffix(dry_run)));
            }
            Event::Deleting(name) => self.line(format!("job.batch {name:?} is being deleted")),
            Event::PodsEnding => self.note("waiting for pods to end".to_owned()),
            Event::Kept(record, places) => self.kept(record, places),
            Event::HostSilent { host, why } => self.silent(host, "the host does not answer", why),
            Event::MemberSilent { cluster, why } => {
                self.silent(cluster, "nothing is known of its jobs", why);
            }
            Event::ConditionMet(name) => self.line(format!("job.batch/{name} condition met")),
            Event::Waiting(looked) => self.waiting(looked),
            Event::NoneFound(namespace) => self.note(none_found(namespace)),
        }
    }
}

/// What kubectl says where there is nothing to show.
pub fn none_found(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }
}

/// Names each shard of which nothing is known, with what was known last.
pub fn name_the_unknown(session: &Session<'_>, record: &Record, status: &Status) {
    for shard in &status.shards {
        let Some(why) = &shard.unknown else { continue };
        let known = match shard.seen.at {
            // Only what has a uid on the host is ever started.
            _ if shard.uid.is_none() => "it is not created yet, or has run nothing".to_owned(),
            0 => "nothing is known of it".to_owned(),
            at => format!("{} succeeded as of {} ago", shard.achieved, session.age(at)),
        };
        let share = shard
            .share
            .completions
            .map_or(String::new(), |completions| format!(" of {completions} completions"));
        let job = record.name();
        session.output().warning(
            Some(&shard.cluster),
            &format!("job.batch/{job}: its share{share} is Unknown ({known}): {why}"),
        );
    }
}

/// `east: Running, west: Complete`; or, where that is long, `clusters: 3 Running, 1 Complete`.
fn states(looked: &[(Record, Status)]) -> String {
    let shards: Vec<_> = looked.iter().flat_map(|(_, status)| &status.shards).collect();
    let each: Vec<_> =
        shards.iter().map(|shard| format!("{}: {}", shard.cluster, shard.state)).collect();
    let named = each.join(", ");
    if looked.len() == 1 && named.len() <= ROOM {
        return named;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for shard in shards {
        *counts.entry(shard.state).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("clusters: {}", counts.join(", "))
}
