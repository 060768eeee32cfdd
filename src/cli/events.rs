//! What requests say while they are carried out, in words, on the terminal.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};

use super::{
    Session,
    cluster::became,
    dry_run::suffix,
    kept::{stay, stay_unread},
    left_records::{about, none_found},
    named::are_apart,
    progress::Progress,
    recording::{Recording, Recordings},
    turns::{Said, Turns},
    warnings::{held, job_of, ran_twice, surplus, untaken, warning},
};
use crate::{
    error::{
        Result,
        words::{self, Again},
    },
    federation::{self, DryRun, Event, Key, Observer},
    job::summary,
    print::{Table, counted},
    reconcile::{Done, Status},
    state::Record,
};

/// How the events of one verb are worded.
#[derive(Debug, Clone, Copy)]
pub struct Wording {
    /// What is said of a Job once it is changed: `configured`, `scaled`.
    pub changed: &'static str,
    /// What is said of a Job once it is gone: `deleted`.
    pub deleted: &'static str,
    /// What is said where nothing changes, in place of `job.batch/pi unchanged`.
    pub unchanged: Option<&'static str>,
    /// Whether the fields that change are told.
    pub fields: bool,
    /// Whether what was done in each cluster is told.
    pub done: bool,
    /// Where an action is told as it is taken.
    pub live: Live,
    /// What does the rest where it is ended early.
    pub again: Again,
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
        Self {
            changed,
            deleted: "deleted",
            unchanged: None,
            fields: true,
            done: true,
            live: Live::No,
            again: Again::Same,
        }
    }
}

/// Prints what requests say.
pub struct Reporter<'a> {
    pub(super) session: &'a Session<'a>,
    wording: Wording,
    progress: Progress<'a>,
    recording: Mutex<Recordings>,
    /// Whether the command is about several Jobs, so that what is said of one names it.
    are_several: AtomicBool,
    /// Whether those are in several namespaces.
    pub(super) are_apart: AtomicBool,
    turns: Mutex<Turns>,
    /// The Jobs that are printed as objects, in place of sentences about them.
    kept: Option<Mutex<Vec<Value>>>,
}

impl<'a> Reporter<'a> {
    /// A reporter for one verb.
    pub fn new(session: &'a Session<'a>, wording: Wording) -> Self {
        let (progress, (recording, turns)) = (Progress::new(session.world()), Default::default());
        let (are_several, are_apart) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { session, wording, progress, recording, are_several, are_apart, turns, kept: None }
    }

    /// The same, which says nothing of Jobs on stdout and keeps them, if `keep`.
    #[must_use]
    pub fn keeping(self, keep: bool) -> Self {
        Self { kept: keep.then(Mutex::default), ..self }
    }

    /// The Jobs that were kept.
    pub fn objects(&self) -> Vec<Value> {
        let kept = self.kept.iter();
        kept.flat_map(|kept| std::mem::take(&mut *lock(kept))).collect()
    }

    /// Runs a change until it ends or the user presses Ctrl-C. The change may be cut off between
    /// any two requests (G4). What has happened to Jobs whose turn has not come is told then.
    ///
    /// # Errors
    /// The user ended it: the error says whether the change is recorded.
    pub async fn interruptible<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            done = work => Ok(done),
            () = self.session.world().interrupted() => {
                self.all_settled();
                let again = || self.wording.again.hint();
                Err(lock(&self.recording).interrupted(self.wording.changed, again))
            }
        }
    }

    /// Says something now.
    fn print(&self, said: Said) {
        let output = self.session.output();
        match said {
            Said::Line(text) => output.line(text),
            Said::Note(text) => output.note(text),
            Said::Warning(cluster, text) => output.warning(cluster.as_deref(), &text),
            Said::Table(table) => output.note_table(&table),
            Said::Job(job) => {
                if let Some(kept) = &self.kept {
                    lock(kept).push(job);
                }
            }
        }
    }

    fn print_all(&self, said: Vec<Said>) {
        for said in said {
            self.print(said);
        }
    }
}

/// Says what happens to one Job, in its turn.
struct Voice<'r, 'a> {
    reporter: &'r Reporter<'a>,
    /// The place of the Job among those that are settled side by side.
    place: Option<usize>,
}

impl Voice<'_, '_> {
    fn say(&self, said: Said) {
        let said = match self.place {
            Some(place) => lock(&self.reporter.turns).say(place, said),
            None => Some(said),
        };
        if let Some(said) = said {
            self.reporter.print(said);
        }
    }

    fn recorded(&self, recording: Recording) {
        lock(&self.reporter.recording).note(self.place, recording);
    }

    fn line(&self, text: String) {
        self.say(Said::Line(text));
    }

    fn note(&self, text: String) {
        self.say(Said::Note(text));
    }

    fn warn(&self, cluster: Option<&str>, text: &str) {
        self.say(Said::Warning(cluster.map(str::to_owned), text.to_owned()));
    }

    fn unread(&self, error: &federation::Error) {
        for line in words::in_lines(error) {
            self.warn(None, &line);
        }
    }

    fn acted(&self, done: &Done) {
        self.reporter.progress.acted(done);
        match self.reporter.wording.live {
            Live::No => {}
            Live::Stdout => self.line(done.to_string()),
            Live::Stderr => self.note(done.to_string()),
        }
    }

    fn planned(&self, record: &Record) {
        let name = self.reporter.are_several.load(Relaxed).then(|| ("NAME", record.name()));
        let is_apart = self.reporter.are_apart.load(Relaxed);
        let namespace = is_apart.then(|| ("NAMESPACE", record.namespace()));
        let key: Vec<_> = namespace.into_iter().chain(name).collect();
        let headers = key.iter().map(|(header, _)| *header);
        let mut table = Table::new(headers.chain(["CLUSTER", "PARALLELISM", "COMPLETIONS"]));
        for shard in record.shards.values() {
            let completions = shard
                .completions
                .map_or("<none>".to_owned(), |completions| completions.to_string());
            let row = [shard.cluster.clone(), shard.parallelism.to_string(), completions];
            table.row(key.iter().map(|(_, text)| (*text).to_owned()).chain(row));
        }
        self.say(Said::Table(table));
    }

    fn job(&self, record: &Record, what: &str, dry_run: DryRun) {
        let sentence = format!("job.batch/{} {what}{}", record.name(), suffix(dry_run));
        self.tell(sentence, || Status::submitted(record));
    }

    /// As [`Self::job`], of a Job that is made. As in kubectl, one that no server has seen has no
    /// uid.
    fn made(&self, record: &Record, what: &str, dry_run: DryRun) {
        if dry_run != DryRun::Client {
            return self.job(record, what, dry_run);
        }
        let sentence = format!("job.batch/{} {what}{}", record.name(), suffix(dry_run));
        self.tell(sentence, || record.manifest.object().clone());
    }

    /// Prints a sentence about a Job, or keeps the Job.
    fn tell(&self, sentence: String, job: impl FnOnce() -> Value) {
        self.say(match self.reporter.kept {
            Some(_) => Said::Job(job()),
            None => Said::Line(sentence),
        });
    }

    fn deleted(&self, (namespace, name): &Key, what: &str, dry_run: DryRun) {
        let suffix = suffix(dry_run);
        let sentence = format!("job.batch {name:?} {what} from {namespace} namespace{suffix}");
        self.tell(sentence, || json!({ "metadata": { "name": name } }));
    }

    fn changed(&self, before: &Record, after: &Record, dry_run: DryRun) {
        self.recorded(Recording::None);
        let fields = summary(&before.manifest, &after.manifest);
        if self.reporter.wording.fields && self.reporter.kept.is_none() && !fields.is_empty() {
            let (name, suffix) = (after.name(), suffix(dry_run));
            self.line(format!("job.batch/{name}: {}{suffix}", fields.join(", ")));
        }
        let changed = self.reporter.wording.changed;
        if before.state.uid == after.state.uid {
            self.job(after, changed, dry_run);
        } else {
            self.made(after, changed, dry_run);
        }
    }

    fn unchanged(&self, record: &Record, dry_run: DryRun) {
        match self.reporter.wording.unchanged {
            Some(text) => self.note(text.to_owned()),
            None => self.job(record, "unchanged", dry_run),
        }
    }

    fn unfinished(&self, record: &Record) {
        self.note(words::finish_begun(record.namespace(), record.name()));
    }

    fn jobs(&self, jobs: &[Key], dry_run: DryRun) {
        let names = jobs.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        self.reporter.are_several.store(jobs.len() > 1, Relaxed);
        self.reporter.are_apart.store(are_apart(names), Relaxed);
        let changed = if dry_run == DryRun::None { jobs } else { &[] };
        lock(&self.reporter.recording).begin(changed);
    }

    fn not_begun(&self, jobs: &[Record]) {
        let were = if jobs.len() == 1 { "was" } else { "were" };
        let (jobs, names) = (counted(jobs.len(), "job"), self.reporter.names(jobs));
        self.note(format!("{jobs} {were} not begun: {names}"));
    }

    fn reconciled(&self, record: &Record, status: &Status, changed: bool) {
        let what = if changed { "reconciled" } else { "unchanged" };
        let stands = format!("{} {}", status.word(), status.completions());
        self.line(format!("job.batch/{} {what}: {stands}", record.name()));
    }

    /// Prints how many completions are unplaced and why, and the command that places them.
    fn stands(&self, record: &Record, status: &Status) {
        let (name, namespace) = (record.name(), record.namespace());
        let say = |count: i32, why: &str, hint: &str| {
            let are = if count == 1 { "is" } else { "are" };
            let what = counted(count, "completion");
            self.note(format!("job.batch/{name}: {what} {are} unplaced {why}. {hint}"));
        };
        let held_back = record.held_back().filter(|_| status.held_back() > 0);
        if let Some(held_back) = held_back {
            let why = format!("because {}", held(held_back));
            say(status.held_back(), &why, &words::reopen(held_back, namespace, name));
        }
        let no_place = record.state.outcome.is_none() && !record.holds_back();
        if status.held_back() > 0 && no_place {
            let why = format!("because {}", untaken(&status.idle_members));
            say(status.held_back(), &why, &words::about_untaken(status.all_members_closed()));
        }
        if status.waiting > 0 {
            let (why, hint) = words::about_waiting(&record.manifest, namespace, name);
            say(status.waiting, why, &hint);
        }
    }

    /// Prints how many completions would be unplaced, and why.
    fn foreseen(&self, record: &Record, status: &Status, dry_run: DryRun) {
        let (waits, _) = words::about_waiting(&record.manifest, "", "");
        let untaken = format!("because {}", untaken(&status.idle_members));
        let held = record.held_back().map(|held_back| format!("because {}", held(held_back)));
        let held = held.as_deref().unwrap_or(&untaken);
        for (count, why) in [(status.held_back(), held), (status.waiting, waits)] {
            if count > 0 && record.state.outcome.is_none() {
                let (name, what) = (record.name(), counted(count, "completion"));
                let suffix = suffix(dry_run);
                self.note(format!("job.batch/{name}: {what} would be unplaced {why}{suffix}"));
            }
        }
    }

    /// Prints that more pods may run than were asked for, and why.
    fn crowded(&self, record: &Record, pods: i32, asked: i32, dry_run: DryRun) {
        let (name, suffix) = (record.name(), suffix(dry_run));
        let (may, keeps) =
            if dry_run == DryRun::None { ("may", "keeps") } else { ("might", "would keep") };
        let (pods, were) = (counted(pods, "pod"), if asked == 1 { "was" } else { "were" });
        self.note(format!(
            "job.batch/{name}: {pods} {may} run at a time, and {asked} {were} asked for: each \
             shard {keeps} one until it ends{suffix}"
        ));
    }

    fn silent(&self, cluster: &str, what: &str, why: &str) {
        // With the time in it the next one of the same words is another.
        let since = self.reporter.session.now().strftime("%FT%TZ");
        self.warn(Some(cluster), &format!("{what} since {since}: {why}"));
    }

    fn hear(&self, event: Event<'_>) {
        if let Event::ContextAstray { cluster, .. } = event {
            self.reporter.session.note_astray(cluster);
        }
        if let Some((cluster, text)) = warning(&event) {
            return self.warn(cluster, &text);
        }
        match event {
            Event::OwnIndex { .. }
            | Event::LostLimit { .. }
            | Event::NoLease { .. }
            | Event::ShortLease { .. }
            | Event::Dropped { .. }
            | Event::UnknownField { .. }
            | Event::Silent { .. }
            | Event::Unasked { .. }
            | Event::ShardFailed { .. }
            | Event::Unlisted { .. }
            | Event::ManifestTaken { .. }
            | Event::Disputed { .. }
            | Event::ShardAltered { .. }
            | Event::ContextAstray { .. }
            | Event::UntestedServer { .. }
            | Event::HostClockDiffers { .. }
            | Event::MemberClockDiffers { .. }
            | Event::GivenUp { .. }
            | Event::LeaseOver { .. }
            | Event::Expired { .. }
            | Event::Returned { .. }
            | Event::LostAnswers { .. }
            | Event::ShardMeddled { .. }
            | Event::UsedAgain { .. }
            | Event::LeftBehind { .. } => {}
            Event::RanTwice { record } => self.note(ran_twice(record)),
            Event::Crowded { record, pods, asked, dry_run } => {
                self.crowded(record, pods, asked, dry_run);
            }
            Event::Foreseen(record, status, dry_run) => self.foreseen(record, status, dry_run),
            Event::Recording(record) => self.recorded(Recording::begun(record)),
            Event::Recorded(record) => self.recorded(Recording::done(record)),
            Event::Draining { cluster, shards, pods, queues } => {
                self.reporter.progress.draining(cluster, shards, pods, queues);
            }
            Event::MemberChanged { cluster, what, changed } => {
                let already = if changed { "" } else { "already " };
                self.line(format!("cluster/{cluster} {already}{}", what.as_str()));
                became(self.reporter.session, cluster, what);
            }
            Event::Planned(record) => self.planned(record),
            Event::Began(work, record) => self.reporter.progress.began(work, record),
            Event::Turn(work, job, at, total) => self.reporter.progress.turn(work, job, at, total),
            Event::Acted(done) => self.acted(done),
            Event::Ended => self.reporter.progress.ended(),
            Event::Done(done, dry_run) => {
                let tells = self.reporter.wording.done && self.reporter.kept.is_none();
                for done in done.iter().filter(|_| tells) {
                    self.line(format!("{done}{}", suffix(dry_run)));
                }
            }
            Event::Created(record, dry_run) => self.made(record, "created", dry_run),
            Event::Adopted(record, dry_run) => self.made(record, "adopted", dry_run),
            Event::Changed { before, after, dry_run } => self.changed(before, after, dry_run),
            Event::Restored(record) => self.job(record, "restored", DryRun::None),
            Event::Recovered(record) => self.job(record, "recovered", DryRun::None),
            Event::Unchanged(record, dry_run) => self.unchanged(record, dry_run),
            Event::Unfinished(record) => self.unfinished(record),
            Event::Surplus { record, succeeded, asked, stopped } => {
                self.note(surplus(record, succeeded, asked, stopped));
            }
            Event::Stands(record, status) => self.stands(record, status),
            Event::ShardWaits { shard, why, .. } => {
                self.note(format!("{} in cluster {}: {why}", job_of(shard), shard.cluster));
            }
            Event::Reconciled { record, status, changed } => {
                self.reconciled(record, status, changed);
            }
            Event::Deleted(job, dry_run) => {
                self.deleted(job, self.reporter.wording.deleted, dry_run);
            }
            Event::Deleting(job) => self.deleted(job, "is being deleted", DryRun::None),
            Event::PodsEnding => self.note("waiting for pods to end".to_owned()),
            Event::Kept(record, kept) => {
                self.note(stay(self.reporter.session.output(), record, kept));
            }
            Event::KeptUnread(job) => self.note(stay_unread(job)),
            Event::HostSilent { host, why } => self.silent(host, "the host does not answer", why),
            Event::MemberSilent { cluster, why } => {
                self.silent(cluster, "nothing is known of its jobs", why);
            }
            Event::ConditionMet(name, job) => {
                self.tell(format!("job.batch/{name} condition met"), || job.clone());
            }
            Event::Rests(error) => words::in_lines(error).into_iter().for_each(|it| self.note(it)),
            Event::Unread(error) => self.unread(error),
            Event::Waiting(waited) => self.reporter.progress.waiting(waited),
            Event::NoneFound(namespace) => self.note(none_found(namespace)),
            Event::LeftRecords { federation, jobs } => self.note(about(federation, jobs, false)),
            Event::Jobs(jobs, dry_run) => self.jobs(jobs, dry_run),
            Event::NotBegun(jobs) => self.not_begun(jobs),
        }
    }
}

impl Observer for Reporter<'_> {
    fn time_is_over(&self, told: &BTreeSet<String>) {
        self.name_the_awaited(told);
    }

    fn wants_reasons(&self) -> bool {
        self.session.output().draws()
    }

    fn notify(&self, event: Event<'_>) {
        Voice { reporter: self, place: None }.hear(event);
    }

    fn notify_of(&self, place: usize, event: Event<'_>) {
        Voice { reporter: self, place: Some(place) }.hear(event);
    }

    fn settled(&self, place: usize) {
        lock(&self.recording).settled(place);
        let said = lock(&self.turns).settled(place);
        self.print_all(said);
    }

    fn goes_on(&self) {
        // What is printed at the end only is not held back by the order.
        if self.kept.is_none() {
            let said = lock(&self.turns).goes_on();
            self.print_all(said);
        }
    }

    fn all_settled(&self) {
        let said = lock(&self.turns).end();
        self.print_all(said);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
