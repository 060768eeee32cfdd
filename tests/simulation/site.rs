//! The clusters of one life, the way to them, and the time there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use kubectl_federate::cluster::{
    self, Connection, Dialer, DialerOptions, Endpoint, Kubeconfig, Overrides, WireFactory,
    transport::wire,
};
use kubectl_federate::federation::Access;
use kubectl_federate::state::{Member, Store};
use serde_json::{Value, json};
use sim::{Cluster, Kubelet, Operation, Policy, Rule, User, Version};
use tokio::time::Instant;
use tower::{BoxError, ServiceExt as _};

use super::events::Events;
use super::extras::Extras;
use super::jobs::{NAME, RETRY};
use super::random::Random;
use super::registries::{NAMESPACE, REGISTRY};

/// The names that clusters can have. The first is the host, and a member too.
pub const NAMES: [&str; 4] = ["east", "west", "north", "south"];

/// The people, or processes, that run commands.
pub const PEOPLE: [&str; 2] = ["alice", "bob"];

/// When every life begins.
const START: &str = "2026-01-01T00:00:00Z";

/// The clusters of one life.
pub struct Site {
    /// The first is the host.
    pub clusters: Vec<Cluster>,
    /// The leases of the clusters in seconds. None where nobody thinks of leases.
    pub leases: Option<[Option<i64>; 4]>,
    begun: Instant,
    /// The hosts that people use: the places of their clusters.
    hosts: Mutex<[usize; 2]>,
    /// The backups that were made.
    backups: Mutex<Vec<Value>>,
    /// Whether all clusters are to be registered: the registry was made anew.
    lacks_members: AtomicBool,
    /// How often somebody has tried to mark another host as moved.
    attempts: AtomicUsize,
    passed: Mutex<Vec<Duration>>,
    /// What happens at each request, and what is known of all clusters.
    pub events: Arc<Mutex<Events>>,
}

impl Site {
    /// Clusters with a registry in the first of them, in which all are members.
    pub async fn new(random: &mut Random, trace: bool, extras: &Extras) -> Arc<Self> {
        let count = 1 + random.below(NAMES.len() as u64) as usize;
        let build = |name: &&str| {
            let builder = Cluster::builder(*name).starting_at(start()).seed(random.next());
            let version = if random.one_in(3) { Version::V1_30 } else { Version::V1_36 };
            // No older server has gangs.
            let version = if extras.gangs.is_some() { Version::V1_37 } else { version };
            let people = PEOPLE.iter().fold(builder.version(version), |builder, person| {
                builder.user(User::admin(*person, format!("{name}-{person}")))
            });
            people.build()
        };
        let clusters: Vec<Cluster> = NAMES[..count].iter().map(build).collect();
        if extras.leases.is_some() {
            for (cluster, ahead) in clusters.iter().zip(extras.clocks) {
                cluster.set_kubelet(Kubelet::obeys_deadlines());
                cluster.set_clock_ahead(SignedDuration::from_secs(ahead));
            }
        }
        if extras.gangs.is_some() {
            clusters.iter().for_each(Cluster::open_gang_gates);
        }
        if let Some(seconds) = extras.ttl {
            for cluster in &clusters {
                cluster.add_policy(expiry(seconds));
            }
        }
        let mut events = Events::new(&clusters, random.fork(), trace);
        events.knowledge.has_leases = extras.leases.is_some();
        events.knowledge.has_hosts = extras.hosts.is_some();
        let site = Arc::new(Self {
            passed: Mutex::new(vec![Duration::ZERO; clusters.len()]),
            leases: extras.leases,
            begun: Instant::now(),
            hosts: Mutex::default(),
            backups: Mutex::default(),
            lacks_members: AtomicBool::default(),
            attempts: AtomicUsize::default(),
            clusters,
            events: Arc::new(Mutex::new(events)),
        });
        site.listen();
        let person = Person::new(&site, "alice");
        Store::new(person.host()).init().await.expect("nothing is in the way of a registry");
        site.register_all();
        site
    }

    fn listen(self: &Arc<Self>) {
        for (place, cluster) in self.clusters.iter().enumerate() {
            let events = self.events.clone();
            let here = cluster.clone();
            cluster.on_request(move |request| {
                let mut events = lock(&events);
                events.happen(place, &here, request)
            });
        }
    }

    /// Enters the clusters that are not in the registry, as `cluster register` does.
    pub fn register_all(&self) {
        let host = &self.clusters[self.home()];
        let registry =
            host.get(&sim::CONFIG_MAPS, NAMESPACE, REGISTRY).expect("the registry is there");
        let key = |cluster: &Cluster| format!("member.kubectl-federate.dev/{}", cluster.name());
        let is_new =
            |cluster: &&Cluster| registry["metadata"]["annotations"][key(cluster)].is_null();
        let member = |cluster: &Cluster| {
            let mut entry = json!({
                "context": cluster.name(), "uid": cluster.kube_system_uid(), "weight": 1,
                "state": "ready", "registered": 0,
            });
            if let Some(seconds) = self.lease(cluster.name()) {
                let consent = json!({"who": PEOPLE[0], "when": 0});
                entry["lease"] = json!({"seconds": seconds, "consent": consent});
            }
            (key(cluster), entry.to_string())
        };
        let members: BTreeMap<String, String> =
            self.clusters.iter().filter(is_new).map(member).collect();
        let patch = json!({"metadata": {"annotations": members}});
        host.patch(&sim::CONFIG_MAPS, NAMESPACE, REGISTRY, patch).expect("the registry is there");
    }

    /// The place of the host that counts: the one that the first of the people uses.
    pub fn home(&self) -> usize {
        lock(&self.hosts)[0]
    }

    /// The place of the host that a person uses.
    pub fn host_of(&self, person: &str) -> usize {
        let who = PEOPLE.iter().position(|other| *other == person);
        lock(&self.hosts)[who.expect("one of the people")]
    }

    /// A person uses another host from now on.
    pub fn uses(&self, person: &'static str, place: usize) {
        if self.host_of(person) == place {
            return;
        }
        let who = PEOPLE.iter().position(|other| *other == person);
        lock(&self.hosts)[who.expect("one of the people")] = place;
        let home = self.home();
        let mut events = self.events();
        events.knowledge.registries.used_by(person, place);
        events.note(|| format!("    {person} uses {}", NAMES[place]));
        events.knowledge.moves_to(home, &self.clusters[home]);
    }

    /// Everybody uses another host from now on.
    pub fn all_use(&self, place: usize) {
        for person in PEOPLE {
            self.uses(person, place);
        }
    }

    /// The place of the cluster with a uid, if there is one.
    pub fn place_of(&self, uid: &str) -> Option<usize> {
        self.clusters.iter().position(|cluster| cluster.kube_system_uid() == uid)
    }

    /// Keeps a backup.
    pub fn keep_backup(&self, document: Value) {
        lock(&self.backups).push(document);
    }

    /// How many backups there are.
    pub fn backups(&self) -> usize {
        lock(&self.backups).len()
    }

    /// The backup with this number, from 0.
    pub fn backup(&self, number: usize) -> Value {
        lock(&self.backups)[number].clone()
    }

    /// The registry is made anew: all clusters are to be registered.
    pub fn lack_members(&self) {
        self.lacks_members.store(true, Ordering::Relaxed);
    }

    /// All clusters are registered, as far as they are to be.
    pub fn have_members(&self) {
        self.lacks_members.store(false, Ordering::Relaxed);
    }

    /// Whether all clusters are to be registered.
    pub fn lacks_members(&self) -> bool {
        self.lacks_members.load(Ordering::Relaxed)
    }

    /// How often this was asked before.
    pub fn attempts(&self) -> usize {
        self.attempts.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes what a cluster stores now.
    pub fn look(&self, place: usize) {
        self.events().look(place, &self.clusters[place]);
    }

    /// The lease that a cluster has from the beginning, in seconds.
    pub fn lease(&self, name: &str) -> Option<i64> {
        let place = NAMES.iter().position(|other| *other == name)?;
        self.leases?[place]
    }

    /// What happens and what is known.
    pub fn events(&self) -> MutexGuard<'_, Events> {
        lock(&self.events)
    }

    /// The local time.
    pub fn now(&self) -> Timestamp {
        now(self.begun)
    }

    /// Brings the clock of a cluster to the time that has passed here, and has its controllers do
    /// what they would have done meanwhile.
    pub fn pass(&self, place: usize) {
        let elapsed = self.begun.elapsed();
        let before = std::mem::replace(&mut lock(&self.passed)[place], elapsed);
        match elapsed.saturating_sub(before) {
            Duration::ZERO => self.clusters[place].settle(),
            time => self.clusters[place].advance(time),
        }
        self.events().look(place, &self.clusters[place]);
    }

    /// The same for all clusters.
    pub fn pass_everywhere(&self) {
        for place in (0..self.clusters.len()).rev() {
            self.pass(place);
        }
    }

    /// The ways to the clusters: the host of an address is a cluster's name. What is on its way
    /// arrives, whatever becomes of the process that sent it.
    fn wires(self: &Arc<Self>) -> WireFactory {
        let site = self.clone();
        Arc::new(move |endpoint: &Endpoint| {
            let name = endpoint.host().split(':').next().unwrap_or_default();
            let place = site.clusters.iter().position(|cluster| cluster.name() == name);
            let (site, place) = (site.clone(), place.expect("only these clusters are dialled"));
            wire(tower::service_fn(move |request: http::Request<Body>| {
                let site = site.clone();
                async move {
                    let arrives = tokio::spawn(async move {
                        site.pass(place);
                        let answer = site.clusters[place].service().oneshot(request).await;
                        // What the host says of leases is compared with all clusters as they are.
                        if place == site.home() && site.leases.is_some() {
                            site.pass_everywhere();
                        }
                        site.pass(place);
                        answer
                    });
                    arrives.await?.map_err(BoxError::from)
                }
            }))
        })
    }
}

/// A policy of administrators who have ended Jobs deleted after so many seconds.
fn expiry(seconds: u64) -> Policy {
    let path = "/spec/ttlSecondsAfterFinished".to_owned();
    Policy {
        name: "expiry".to_owned(),
        namespace: "default".to_owned(),
        operations: vec![Operation::Create],
        rule: Rule::Set { path, value: seconds.into() },
    }
}

/// A test that panicked while it held a lock must not hide why behind another panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start() -> Timestamp {
    START.parse().expect("a time")
}

/// The local time of a life that began then.
pub fn now(begun: Instant) -> Timestamp {
    let elapsed = SignedDuration::try_from(begun.elapsed()).unwrap_or_default();
    start().checked_add(elapsed).unwrap_or(Timestamp::MAX)
}

/// Someone who runs commands: a process of its own, with connections of its own.
pub struct Person {
    site: Arc<Site>,
    name: &'static str,
    dialer: Dialer,
}

impl Person {
    /// One of the [`PEOPLE`].
    pub fn new(site: &Arc<Site>, name: &'static str) -> Self {
        let dialer = Dialer::in_process(DialerOptions::default(), site.wires());
        Self { site: site.clone(), name, dialer }
    }

    /// The federated Job that commands are about: the one that retries another, once it is there.
    pub fn subject(&self) -> &'static str {
        if self.site.events().knowledge.is_retried() { RETRY } else { NAME }
    }

    /// Who it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The clusters.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// A connection to the host that this person uses.
    pub fn host(&self) -> Connection {
        self.host_at(self.site.host_of(self.name))
    }

    /// A connection to a cluster as a host.
    pub fn host_at(&self, place: usize) -> Connection {
        self.connection(NAMES[place], NAMES[place]).expect("nothing is read from files")
    }

    /// A connection to a cluster by its context, which has its name.
    pub fn connection(&self, name: &str, context: &str) -> Result<Connection, cluster::Error> {
        let known = endpoints().get(&(context.to_owned(), self.name));
        let endpoint = known.expect("every cluster has a context");
        self.dialer.dial(name, endpoint)
    }
}

impl Access for Person {
    fn dial(&self, name: &str, member: &Member) -> Result<Connection, cluster::Error> {
        self.connection(name, &member.context)
    }

    fn context<'m>(&'m self, _: &str, member: &'m Member) -> &'m str {
        &member.context
    }

    fn now(&self) -> Timestamp {
        self.site.now()
    }
}

/// The endpoints of all clusters for all people, read once from a kubeconfig.
fn endpoints() -> &'static BTreeMap<(String, &'static str), Endpoint> {
    static ENDPOINTS: OnceLock<BTreeMap<(String, &'static str), Endpoint>> = OnceLock::new();
    ENDPOINTS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config");
        let all = || NAMES.iter().flat_map(|name| PEOPLE.iter().map(move |person| (name, person)));
        let user = |(name, person): (&&str, &&str)| {
            json!({"name": format!("{name}-{person}"),
                "user": {"token": format!("{name}-{person}")}})
        };
        let server = |name: &&str| {
            json!({"name": name, "cluster": {"server": format!("https://{name}:6443")}})
        };
        let context = |(name, person): (&&str, &&str)| {
            let user = format!("{name}-{person}");
            json!({"name": user, "context": {"cluster": name, "user": user}})
        };
        let config = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": NAMES.iter().map(server).collect::<Vec<_>>(),
            "users": all().map(user).collect::<Vec<_>>(),
            "contexts": all().map(context).collect::<Vec<_>>(),
        });
        std::fs::write(&path, config.to_string()).expect("written");
        let config = Kubeconfig::load(Some(&path), |_| None).expect("a kubeconfig");
        let endpoint = |(name, person): (&&str, &&'static str)| {
            let context = format!("{name}-{person}");
            let endpoint = config.endpoint(Some(&context), &Overrides::default());
            (((*name).to_owned(), *person), endpoint.expect("an endpoint"))
        };
        all().map(endpoint).collect()
    })
}
