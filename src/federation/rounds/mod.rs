//! Looking repeatedly, as waiting, watching and reconciling until all is done need it.
//!
//! Each round reads the records and asks the members. The first pause is one second, so that the
//! end of a short Job is seen quickly. Each pause is one second longer than the one before, up to
//! five seconds. After a round that wrote something the pauses start at one second again, because
//! further steps usually follow.
//!
//! That costs each API server a list every five seconds. So what the rounds read is watched
//! meanwhile, where all servers allow that: from the first pause on by those who watch, and after
//! some pauses by those who wait, because a short wait is over before a watch pays. Once the
//! watches hold and nothing is left to be tried again, the next round comes when a watch says that
//! something has changed, or after three minutes. Whatever a watch says, it is the round that reads
//! how things stand.

mod known;
mod watches;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use self::{
    known::{Known, longest_rest},
    watches::{Target, Watches},
};
use super::{
    error::Error,
    event::{Event, Waited},
    key::{Key, key},
    open::{Federation, carrying, concerned},
};
use crate::{
    cluster::{Connection, fan_out, jitter},
    reconcile::{
        Inspection, Meddling, Members, Observations, ShardStatus, Status, inspect, watched,
    },
    state::{self, Member, Record},
};

/// By which it is remembered that somebody was told of a shard that it waits in a queue.
const QUEUED: &str = "queued";

/// The pause after the first round. Each pause is this much longer than the one before.
const STEP: Duration = Duration::from_secs(1);

/// The longest pause where not all is watched.
const LONGEST: Duration = Duration::from_secs(5);

/// The longest pause where all is watched: less than one request a minute, of each cluster.
const WATCHED: Duration = Duration::from_mins(3);

/// How long a change is left alone at most, so that those who wait for it do not ask all at once.
const GATHERED: Duration = Duration::from_millis(500);

/// The same as [`WATCHED`] where somebody wants to know what keeps Jobs from going on. That is
/// asked of pods, which are not watched.
const EXPLAINED: Duration = Duration::from_secs(30);

/// What the host answered in one round.
#[derive(Default)]
pub struct View {
    /// The records that exist.
    pub records: Vec<Record>,
    /// Jobs that do not exist now, and were named or existed in an earlier round.
    pub absent: Vec<Key>,
    /// An error for each record that cannot be read.
    pub errors: Vec<Error>,
}

/// The rounds of one command.
#[expect(clippy::struct_excessive_bools, reason = "they are about different things")]
pub struct Rounds<'f, 'a> {
    /// The federation; its registry is read in each round.
    pub federation: &'f mut Federation<'a>,
    /// Whether it is only about Jobs that are known from the beginning.
    is_named: bool,
    namespace: Option<String>,
    /// The members that were asked last.
    pub members: Members,
    known: BTreeSet<Key>,
    /// Whether the host did not answer in the last round.
    lost: bool,
    /// The members that did not answer in the last round.
    unknown: BTreeSet<String>,
    /// What was said of shards that wait or that members changed.
    told: BTreeSet<String>,
    pause: Duration,
    /// How many rounds there were.
    round: u64,
    watches: Watches,
    /// What is watched from the next pause on; none where that is not known.
    targets: Option<BTreeMap<Target, Connection>>,
    /// What the last round has read.
    seen: Known,
    /// Whether nothing is left to be tried again: the next round may come when something changes.
    is_settled: bool,
    /// How long the next round may be put off.
    longest: Duration,
    /// Whether it is watched from the first pause on.
    is_long: bool,
}

impl<'f, 'a> Rounds<'f, 'a> {
    /// Rounds about the Jobs with these names, or all that there are at each round where there is
    /// none; in one namespace, or in all.
    ///
    /// # Errors
    /// Names are given without a namespace.
    pub fn begin(
        federation: &'f mut Federation<'a>,
        names: &[String],
        namespace: Option<&str>,
    ) -> Result<Self, Error> {
        let known = match namespace {
            None if !names.is_empty() => return Err(Error::NamesAcrossNamespaces),
            None => BTreeSet::new(),
            Some(namespace) => {
                names.iter().map(|name| (namespace.to_owned(), name.clone())).collect()
            }
        };
        let namespace = namespace.map(str::to_owned);
        Ok(Self { is_named: !names.is_empty(), namespace, ..Self::about(federation, known) })
    }

    /// Rounds about these Jobs.
    pub fn about(federation: &'f mut Federation<'a>, jobs: BTreeSet<Key>) -> Self {
        Self {
            federation,
            is_named: true,
            namespace: None,
            members: Members::default(),
            known: jobs,
            lost: false,
            unknown: BTreeSet::new(),
            told: BTreeSet::new(),
            pause: STEP,
            round: 0,
            watches: Watches::default(),
            targets: None,
            seen: Known::default(),
            is_settled: false,
            longest: Duration::MAX,
            is_long: false,
        }
    }

    /// The same for a command that goes on for long by its nature, so that watches pay from the
    /// beginning.
    #[must_use]
    pub fn at_length(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// Reads the records. None if the host does not answer; an event says so the first time.
    ///
    /// # Errors
    /// The host is another cluster than it was, or refuses.
    pub async fn read(&mut self) -> Result<Option<View>, Error> {
        self.round += 1;
        match self.ask().await {
            Ok(view) => {
                self.lost = false;
                self.is_settled = view.errors.is_empty();
                let registry = &self.federation.registry;
                self.seen = Known::of_host(registry, &view.records, &view.absent, self.is_named);
                self.longest = Duration::MAX;
                Ok(Some(view))
            }
            Err(error) => self.lost(error).map(|()| None),
        }
    }

    /// Accepts an error that says that the host does not answer: it may answer in the next round.
    ///
    /// # Errors
    /// Any other error, as it is.
    pub(super) fn lost(&mut self, error: Error) -> Result<(), Error> {
        let error = match error {
            Error::Interrupted { error, .. } if error.unreachable().is_some() => *error,
            error => error,
        };
        let Some(why) = error.unreachable() else { return Err(error) };
        self.is_settled = false;
        if !std::mem::replace(&mut self.lost, true) {
            let host = self.federation.store.host().name();
            self.federation.notify(Event::HostSilent { host, why: &why });
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<View, Error> {
        let registry = self.federation.store.registry().await?;
        self.federation.store.host().verify_again(&registry.host).await?;
        self.federation.registry = registry.into();
        let mut view = View::default();
        let mut unseen = self.known.clone();
        if !self.is_named {
            let all = self.federation.records(&[], self.namespace.as_deref()).await?;
            for record in &all.records {
                unseen.remove(&key(record));
                self.known.insert(key(record));
            }
            (view.records, view.errors) = (all.records, all.errors);
        }
        // A record that the list lacks is read by name: it may be damaged rather than gone.
        let ask = async |key: Key| {
            let found = self.federation.record(&key.0, &key.1).await;
            (key, found)
        };
        for (key, found) in fan_out(unseen, ask).await {
            match found {
                Ok(record) => view.records.push(record),
                Err(Error::NotFound { .. }) => view.absent.push(key),
                Err(error) if error.unreachable().is_some() => return Err(error),
                // The list has reported this error already.
                Err(_) if !self.is_named => {}
                Err(error) => view.errors.push(error),
            }
        }
        if !self.is_named {
            for key in &view.absent {
                self.known.remove(key);
            }
        }
        Ok(view)
    }

    /// Asks the members of these records: one list each.
    pub async fn observe(&mut self, records: &[&Record]) -> Vec<Observations> {
        let Federation { registry, access, .. } = &*self.federation;
        let names = concerned(registry, records, self.federation.now());
        let members = std::mem::take(&mut self.members);
        let dial = |name: &str, member: &Member| access.dial(name, member);
        self.members = members.reconnect(registry, names, dial).await;
        let observed = if self.is_named {
            self.federation.observe(records, &self.members).await
        } else {
            self.federation.observe_together(records, &self.members).await
        };
        self.federation.name_the_clocks(&self.members);
        self.federation.name_the_astray(&self.members);
        // Of a lost cluster nothing is waited for.
        let is_unknown = |(record, observations): (&&Record, &Observations)| {
            let mut awaited = record.shards.values().filter(|shard| !shard.is_over());
            awaited.any(|shard| observations.is_unknown(&shard.cluster))
        };
        self.is_settled &= !records.iter().zip(&observed).any(is_unknown);
        for (record, observations) in records.iter().zip(&observed) {
            self.know(record, observations);
        }
        self.targets = Some(self.targets(records));
        observed
    }

    /// What is read of the host and of the members in each round about these records.
    fn targets(&self, records: &[&Record]) -> BTreeMap<Target, Connection> {
        let store = &self.federation.store;
        let host = |what| (Target { member: None, what }, store.host().clone());
        let mut targets = BTreeMap::from([host(store.watched_registry())]);
        let all = |namespace| store.watched_records(&self.federation.registry.uid, namespace);
        let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (namespace, name) in self.known.iter().filter(|_| self.is_named) {
            names.entry(namespace).or_default().push(name);
        }
        targets.extend(names.into_iter().map(|(namespace, names)| match names.as_slice() {
            [name] => host(store.watched_record(namespace, name)),
            _ => host(all(Some(namespace))),
        }));
        if !self.is_named {
            targets.extend([host(all(self.namespace.as_deref()))]);
        }
        let mut groups: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in records {
            let group = if self.is_named { record.namespace() } else { "" };
            groups.entry(group).or_default().push(record);
        }
        for records in groups.into_values() {
            let what = watched(&records);
            for name in carrying(&records) {
                let Ok(connection) = self.members.get(&name) else { continue };
                let (member, what) = (Some(name.clone()), what.clone());
                targets.insert(Target { member, what }, connection.clone());
            }
        }
        targets
    }

    /// Notes how a record and its shards are after this round, so that what the round itself wrote
    /// is no news.
    pub(super) fn know(&mut self, record: &Record, observations: &Observations) {
        self.seen.record(record);
        self.seen.observe(record, observations);
        let now = self.federation.now().as_second();
        self.longest = self.longest.min(longest_rest(record, now));
    }

    /// Warns of members that stopped answering, once each time that this happens, of what members
    /// refused, and of what users did to Jobs. What shards wait for, and what members changed, is
    /// said once.
    pub fn tell_failures<'r>(
        &mut self,
        looked: impl IntoIterator<Item = (&'r Record, &'r Status)>,
    ) {
        let mut unknown = BTreeMap::new();
        for (record, status) in looked {
            let tries_again = |shard: &ShardStatus| {
                shard.unknown.is_some()
                    || shard.refused.is_some()
                    || shard.waiting.is_some()
                    || shard.meddling == Some(Meddling::LabelsRemoved)
            };
            self.is_settled &= status.unlisted.is_empty() && !status.shards.iter().any(tries_again);
            unknown.extend(status.unlisted.clone());
            for shard in &status.shards {
                if let Some(why) = &shard.unknown {
                    unknown.insert(shard.cluster.clone(), why.clone());
                } else if let Some(why) = &shard.refused {
                    self.federation.notify(Event::ShardFailed { record, shard, why });
                } else if let Some(why) = &shard.waiting
                    && self.told.insert(told(record, shard, why))
                {
                    self.federation.notify(Event::ShardWaits { record, shard, why });
                }
                self.federation.name_meddling(record, shard);
                for difference in &shard.altered {
                    if self.told.insert(told(record, shard, difference)) {
                        self.federation.notify(Event::ShardAltered { record, shard, difference });
                    }
                }
            }
        }
        for (cluster, why) in &unknown {
            if !self.unknown.contains(cluster) {
                self.federation.notify(Event::MemberSilent { cluster, why });
            }
        }
        self.unknown = unknown.into_keys().collect();
    }

    /// The members of which it was said that they do not answer.
    pub fn silent(&self) -> BTreeSet<String> {
        self.unknown.clone()
    }

    /// Says of each shard that begins to wait in a queue what its cluster says about that. A shard
    /// that was admitted and is evicted begins anew.
    pub async fn tell_queues<'r>(
        &mut self,
        looked: impl IntoIterator<Item = (&'r Record, &'r Status)>,
    ) {
        for (record, status) in looked {
            let (waiting, others): (Vec<_>, Vec<_>) =
                status.shards.iter().partition(|shard| shard.waits_in_queue());
            for shard in others {
                self.told.remove(&told(record, shard, QUEUED));
            }
            let new: Vec<_> = waiting
                .into_iter()
                .filter(|shard| self.told.insert(told(record, shard, QUEUED)))
                .collect();
            if new.is_empty() {
                continue;
            }
            let inspection = inspect(record, &self.members, self.federation.now()).await;
            for shard in new {
                let finding = inspection.shards.get(&shard.id);
                if let Some(queueing) = finding.and_then(|finding| finding.queueing.as_ref()) {
                    let why = &queueing.to_string();
                    self.federation.notify(Event::ShardWaits { record, shard, why });
                }
            }
        }
    }

    /// Says how the Jobs stand that are waited for, and what keeps them from going on where
    /// somebody wants to know.
    pub(super) async fn tell_waiting<'r>(
        &self,
        looked: impl IntoIterator<Item = (&'r Record, &'r Status)>,
    ) {
        let wanted = self.federation.wants_reasons();
        let waited = fan_out(looked, async |(record, status): (&'r Record, &'r Status)| {
            let inspection = if wanted {
                inspect(record, &self.members, self.federation.now()).await
            } else {
                Inspection::default()
            };
            Waited { record, status, inspection }
        });
        self.federation.notify(Event::Waiting(&waited.await));
    }

    /// Makes the next pause the shortest one: something was done.
    pub(super) fn soon(&mut self) {
        self.tries_again();
        self.pause = STEP;
    }

    /// Has the next round come after a pause, whatever changes: something is tried again then.
    pub(super) fn tries_again(&mut self) {
        self.is_settled = false;
    }

    /// Waits for the next round, at most for this long.
    pub async fn pause(&mut self, most: Duration) {
        sleep(self.pause.min(most)).await;
        self.pause = (self.pause + STEP).min(LONGEST);
    }

    /// The same; where all is watched and nothing is to be tried again, until something changes.
    /// It is for those who learn everything from the records and from the members' Jobs.
    pub async fn rest(&mut self, most: Duration) {
        let begun = Instant::now();
        // A short wait is over before a watch pays.
        let is_short = !self.is_long && self.pause < LONGEST && self.watches.is_empty();
        if let Some(targets) = self.targets.take().filter(|_| !is_short) {
            self.watches.aim(targets);
        }
        let longest = if self.federation.wants_reasons() { EXPLAINED } else { WATCHED };
        let longest = begun + longest.min(self.longest).min(most);
        let pause = begun + self.pause.min(most);
        self.pause = (self.pause + STEP).min(LONGEST);
        sleep_until(pause).await;
        let may_rest = self.watches.hold_since_before(self.round) && self.is_settled;
        if self.watches.have_news(&self.seen) || !may_rest {
            return;
        }
        let has_news = timeout_at(longest, self.watches.news(&self.seen)).await.is_ok();
        if begun.elapsed() >= LONGEST {
            self.pause = STEP;
        }
        if has_news {
            // One change seldom comes alone, and others may wait for the same.
            sleep_until(longest.min(Instant::now() + GATHERED.mul_f64(jitter()))).await;
        }
    }
}

/// What is said of a shard, so that it is said once.
fn told(record: &Record, shard: &ShardStatus, text: &str) -> String {
    let (namespace, job) = (record.namespace(), record.name());
    format!("{namespace}/{job} {}/{}: {text}", shard.cluster, shard.name)
}

impl Error {
    /// Why the host cannot be reached, if that is what the error says.
    fn unreachable(&self) -> Option<String> {
        match self {
            Self::State(state::Error::Cluster(error)) | Self::Cluster(error)
                if error.is_unreachable() =>
            {
                Some(error.to_string())
            }
            _ => None,
        }
    }
}
