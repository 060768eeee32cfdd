//! A federation that is open: its host is known to be the right one, and its registry was read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    error::{Error, HostError},
    event::{Event, LeadsTo, Observer},
    key::{Key, key},
};
use crate::{
    cluster::{self, Connection, fan_out},
    reconcile::{
        Members, Observations, TOLERATED_SKEW, join_and_observe, may_open, observe, plausible_skew,
        server_time,
    },
    state::{self, Member, MemberState, Record, Registry, Store},
};

/// How a user reaches the members, and the clock.
pub trait Access: Sync {
    /// A connection to a member, as this user; nothing is sent.
    ///
    /// # Errors
    /// The user's kubeconfig does not lead there.
    fn dial(&self, name: &str, member: &Member) -> Result<Connection, cluster::Error>;

    /// The kubeconfig context by which this user reaches a member.
    fn context<'m>(&'m self, name: &str, member: &'m Member) -> &'m str;

    /// The time.
    fn now(&self) -> Timestamp;
}

/// One federation, as one user reaches it.
pub struct Federation<'a> {
    /// Where the records are.
    pub store: Store,
    /// The members.
    pub registry: Arc<Registry>,
    pub(super) access: &'a dyn Access,
    pub(super) observer: &'a dyn Observer,
    /// The place of the Job that this is about, among those that are settled side by side.
    place: Option<usize>,
    told: Arc<Told>,
    /// The records that were read with the registry, until they are asked for.
    ahead: Arc<Mutex<Ahead>>,
}

/// What a host has answered about federated Jobs.
type Ahead = BTreeMap<Key, Result<Record, state::Error>>;

/// What was said of clusters, which is said once.
#[derive(Default)]
struct Told {
    /// The members whose clocks were said to differ; none stands for the host.
    clocks: Mutex<BTreeSet<Option<String>>>,
    /// The members whose servers were said to be of a version that is not tested.
    untested: Mutex<BTreeSet<String>>,
}

impl<'a> Federation<'a> {
    /// Reads the registry of a host, and makes sure of the host's identity (G7). `remembered` is
    /// the uid that the host has by the user's own configuration, if that is how it was found. The
    /// records of `jobs` are read at the same time, for [`Federation::record`]: it is to be called
    /// at once.
    ///
    /// # Errors
    /// The host is another cluster, cannot be asked, or holds no registry.
    pub async fn open(
        host: Connection,
        remembered: Option<&str>,
        jobs: impl IntoIterator<Item = Key>,
        access: &'a dyn Access,
        observer: &'a dyn Observer,
    ) -> Result<Self, Error> {
        let store = Store::new(host);
        let host = store.host();
        let is_other = |error| Error::host(error, remembered.is_some());
        let read = async |(namespace, name): Key| {
            let record = store.record(&namespace, &name).await;
            ((namespace, name), record)
        };
        let read = fan_out(jobs, read);
        let (registry, ahead) = match remembered {
            // A cluster that is another one by now is none whose registry matters.
            Some(uid) => {
                let verified = async { host.verify(uid).await.map_err(is_other) };
                let others = async { tokio::join!(store.registry(), read) };
                host.beside(verified, others).await?.1
            }
            None => {
                let others = async { tokio::join!(host.identity(), read) };
                match host.beside(store.registry(), others).await {
                    Ok((registry, (identity, ahead))) => {
                        identity.map_err(is_other)?;
                        (Ok(registry), ahead)
                    }
                    Err(error) => return Err(why_not_opened(&store, error).await),
                }
            }
        };
        let registry = match registry {
            Err(error) => return Err(why_not_opened(&store, error).await),
            Ok(registry) => registry,
        };
        let verified = host.verify(&registry.host).await;
        verified.map_err(|error| Error::host(error, false))?;
        let (registry, told) = (Arc::new(registry), Arc::default());
        let ahead = Arc::new(Mutex::new(ahead.into_iter().collect()));
        Ok(Self { store, registry, access, observer, place: None, told, ahead })
    }

    /// Whether the federation has records. It cannot become another one then. It counts as one that
    /// has some where the user may not list them.
    pub async fn is_in_use(&self) -> bool {
        let records = self.store.records(&self.registry.uid, None).await;
        !records.is_ok_and(|records| records.is_empty())
    }

    /// How many records the host has of each federation whose registry is gone, by its uid, while
    /// this one could take them over but for the Jobs that are being created, by namespace and
    /// name. Whoever may not list them is told of none.
    pub async fn left_to_take_over(&self, begun: &[Key]) -> BTreeMap<String, usize> {
        let own = &self.registry.uid;
        let left = self.store.left_behind(Some(own)).await.unwrap_or_default();
        if left.jobs.is_empty() {
            return left.jobs;
        }
        let is_begun = |record: &Record| begun.contains(&key(record));
        let records = self.store.records(own, None).await.unwrap_or_default();
        let is_alone = records.iter().all(|record| record.as_ref().is_ok_and(is_begun));
        if is_alone { left.jobs } else { BTreeMap::new() }
    }

    /// Says which Jobs this federation could take over, where it has none itself: whoever finds
    /// none may look for these.
    pub async fn name_left_to_take_over(&self) {
        for (federation, jobs) in self.left_to_take_over(&[]).await {
            self.notify(Event::LeftRecords { federation: &federation, jobs });
        }
    }

    /// What the host has answered about a federated Job while the federation was opened, once.
    pub(super) fn take_ahead(&self, job: &Key) -> Option<Result<Record, state::Error>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).remove(job)
    }

    /// The same federation for the Job at this place among those that are settled side by side.
    pub(super) fn at(&self, place: usize) -> Self {
        Self {
            store: self.store.clone(),
            registry: self.registry.clone(),
            access: self.access,
            observer: self.observer,
            place: Some(place),
            told: self.told.clone(),
            ahead: self.ahead.clone(),
        }
    }

    pub(super) fn notify(&self, event: Event<'_>) {
        match self.place {
            Some(place) => self.observer.notify_of(place, event),
            None => self.observer.notify(event),
        }
    }

    /// Whether somebody wants to know what keeps Jobs from going on that are waited for.
    pub(super) fn wants_reasons(&self) -> bool {
        self.observer.wants_reasons()
    }

    /// The time by the host's clock: what is recorded and compared must not depend on the clock of
    /// whoever runs a command.
    pub(super) fn now(&self) -> Timestamp {
        server_time(self.store.host(), self.access.now())
    }

    /// Says which clocks differ by more than is tolerated, each once.
    pub(super) fn name_the_clocks(&self, members: &Members) {
        let mut told = self.told.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        let host = self.store.host();
        let ahead = plausible_skew(host).unwrap_or(SignedDuration::ZERO);
        if ahead.abs() > TOLERATED_SKEW && told.insert(None) {
            self.notify(Event::HostClockDiffers { host: host.name(), ahead: ahead.as_secs() });
        }
        for (cluster, ahead) in members.clocks(host).skewed() {
            if told.insert(Some(cluster.to_owned())) {
                self.notify(Event::MemberClockDiffers { cluster, ahead });
            }
        }
    }

    /// Says which servers were given credits although their version is not tested, each once.
    pub(super) fn name_the_untested(&self, observations: &Observations) {
        let mut told = self.told.untested.lock().unwrap_or_else(PoisonError::into_inner);
        for (cluster, version) in &observations.untested {
            if told.insert(cluster.clone()) {
                self.notify(Event::UntestedServer { cluster, version });
            }
        }
    }

    /// Says to which members the user's contexts do not lead.
    pub(super) fn name_the_astray(&self, members: &Members) {
        for (cluster, member) in &self.registry.members {
            if let Some(error) = members.lasting_error(cluster) {
                self.name_if_astray(cluster, member, error);
            }
        }
    }

    /// Says that the user's context does not lead to a member, if that is why it cannot be asked.
    pub(super) fn name_if_astray(&self, cluster: &str, member: &Member, error: &cluster::Error) {
        if !error.is_astray() {
            return;
        }
        let context = self.access.context(cluster, member);
        let leads_to = match error {
            cluster::Error::WrongCluster { found, .. } => self.leads_to(found),
            _ => LeadsTo::Nothing,
        };
        self.notify(Event::ContextAstray { cluster, context, leads_to });
    }

    /// Which cluster of the federation has this uid.
    pub(super) fn leads_to(&self, uid: &str) -> LeadsTo<'_> {
        let member = self.registry.members.iter().find(|(_, member)| member.uid == uid);
        match member {
            Some((name, _)) => LeadsTo::Member(name),
            None if self.registry.host == uid => LeadsTo::Host,
            None => match self.registry.former.get(uid) {
                Some(former) => LeadsTo::Former(&former.name),
                None => LeadsTo::Stranger,
            },
        }
    }

    /// What the members say of these records, one answer for each record: one list of each member
    /// and namespace. Whoever works on Jobs in several namespaces may have no rights in others.
    pub(super) async fn observe(
        &self,
        records: &[&Record],
        members: &Members,
    ) -> Vec<Observations> {
        let mut namespaces: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, record) in records.iter().enumerate() {
            namespaces.entry(record.namespace()).or_default().push(place);
        }
        let observe = async |places: Vec<usize>| {
            let there: Vec<_> = places.iter().map(|place| records[*place]).collect();
            let observed = self.observe_together(&there, members).await;
            places.into_iter().zip(observed).collect::<Vec<_>>()
        };
        let observed = fan_out(namespaces.into_values(), observe).await;
        let by_place: BTreeMap<_, _> = observed.into_iter().flatten().collect();
        by_place.into_values().collect()
    }

    /// The same with one list of each member, of all namespaces where the records are in several:
    /// for who works on all namespaces. With how far the members' clocks differ from the host's.
    pub(super) async fn observe_together(
        &self,
        records: &[&Record],
        members: &Members,
    ) -> Vec<Observations> {
        let mut observed = observe(records, members).await;
        self.compare_clocks(&mut observed, members);
        observed
    }

    fn compare_clocks(&self, observed: &mut [Observations], members: &Members) {
        let clocks = members.clocks(self.store.host());
        for observations in observed {
            observations.clocks.clone_from(&clocks);
        }
    }

    /// The kubeconfig context by which this user reaches a member; none for a cluster that is not
    /// registered.
    pub(super) fn context(&self, cluster: &str) -> Option<String> {
        let member = self.registry.members.get(cluster)?;
        Some(self.access.context(cluster, member).to_owned())
    }

    /// The members, of which none is talked to yet.
    pub(super) fn unasked(&self) -> Members {
        Members::of(&self.registry)
    }

    /// Connects to more members: those of these names that `members` has not talked to yet.
    pub(super) async fn join(&self, members: &Members, names: BTreeSet<String>) {
        let dial = |name: &str, member: &Member| self.access.dial(name, member);
        members.join(&self.registry, names, dial).await;
        self.name_the_astray(members);
    }

    /// Connects to members, as [`Self::join`] does, and asks each that carries shards of these
    /// records what it says of them while its identity is being checked.
    pub(super) async fn join_and_observe(
        &self,
        records: &[&Record],
        members: &Members,
        names: BTreeSet<String>,
    ) -> Vec<Observations> {
        let dial = |name: &str, member: &Member| self.access.dial(name, member);
        let mut observed = join_and_observe(records, members, &self.registry, names, dial).await;
        self.name_the_astray(members);
        self.compare_clocks(&mut observed, members);
        observed
    }

    /// Connects to the members that carry shards of these records.
    pub async fn members_of(&self, records: &[&Record]) -> Members {
        let members = self.unasked();
        self.join(&members, carrying(records)).await;
        members
    }

    /// Connects to the members that reconciling these records may concern.
    pub(super) async fn members_to_reconcile(&self, records: &[&Record]) -> Members {
        let members = self.unasked();
        self.join(&members, concerned(&self.registry, records, self.now())).await;
        members
    }

    /// Connects to all members.
    pub(super) async fn all_members(&self) -> Members {
        let members = self.unasked();
        self.join(&members, self.registry.members.keys().cloned().collect()).await;
        members
    }
}

/// Why the registry of a host could not be read: where there is none, also whether records say that
/// there was one. Whoever may not list these is told nothing of them.
async fn why_not_opened(store: &Store, error: state::Error) -> Error {
    if !matches!(error, state::Error::NoRegistry { .. }) {
        return error.into();
    }
    match store.left_behind(None).await {
        Ok(left) if !left.is_empty() => {
            HostError::LostRegistry { host: store.host().name().to_owned(), left }.into()
        }
        _ => error.into(),
    }
}

/// The members that carry shards of these records, or may carry some.
pub(super) fn carrying(records: &[&Record]) -> BTreeSet<String> {
    records.iter().flat_map(|record| record.clusters()).map(str::to_owned).collect()
}

/// The members that reconciling these records may concern: those that carry shards, and where work
/// is to be opened all that take it.
pub(super) fn concerned(
    registry: &Registry,
    records: &[&Record],
    now: Timestamp,
) -> BTreeSet<String> {
    // The work of these is opened elsewhere once that is decided.
    let is_left =
        |member: &Member| matches!(member.state, MemberState::Lost | MemberState::Draining);
    let left = || registry.members.iter().filter(|(_, member)| is_left(member));
    let moves = |record: &Record| {
        record.may_expire(now.as_second())
            || left().any(|(name, member)| record.live_in(name, &member.uid).next().is_some())
    };
    let opens = records
        .iter()
        .any(|record| may_open(record) || moves(record) || !record.state.unlisted.is_empty());
    let taking = registry.members.iter().filter(|(_, member)| opens && member.state.takes_work());
    carrying(records).into_iter().chain(taking.map(|(name, _)| name.clone())).collect()
}
