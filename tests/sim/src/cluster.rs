//! A simulated cluster.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::api::{DeleteOptions, Patch, Policy, Propagation, State, WriteOptions, Written};
use crate::clock::Clock;
use crate::controller::{Controllers, Gangs, Held, Kubelet};
use crate::http::{Hook, RequestInfo, Service, Verdict};
use crate::logs::Logs;
use crate::object;
use crate::random::Random;
use crate::resource::{NAMESPACES, Resource};
use crate::status::Status;
use crate::store::{Key, Store};
use crate::users::User;
use crate::version::Version;

/// The namespaces that every cluster has from the start.
const FIRST_NAMESPACES: [&str; 4] = ["kube-system", "default", "kube-public", "kube-node-lease"];

/// A simulated cluster: an API server, its storage and its controllers. Clones are the same
/// cluster.
#[derive(Clone)]
pub struct Cluster(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    name: String,
    users: Vec<User>,
    pub(crate) state: Mutex<State>,
    gone: AtomicBool,
    changed: watch::Sender<u64>,
    hook: Mutex<Option<Hook>>,
    log: Mutex<Vec<RequestInfo>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// What a cluster is made of.
#[derive(Debug)]
pub struct Builder {
    name: String,
    users: Vec<User>,
    now: Option<Timestamp>,
    seed: Option<u64>,
    version: Version,
}

impl Builder {
    /// Adds a user. From the first one on, every request needs a user's token.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Makes it behave as another version of Kubernetes than the newest.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Sets the time at which the cluster's clock stands; the system's present time otherwise.
    #[must_use]
    pub fn starting_at(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Makes names and uids the same again for the same seed; they are random otherwise.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The cluster.
    pub fn build(self) -> Cluster {
        let now = self.now.unwrap_or_else(Timestamp::now);
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let seed = self.seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
        let state = fresh(self.version, Clock::driven(now), Random::new(seed));
        let (changed, _) = watch::channel(state.store.version());
        Cluster(Arc::new(Inner {
            name: self.name,
            users: self.users,
            state: Mutex::new(state),
            gone: AtomicBool::new(false),
            changed,
            hook: Mutex::new(None),
            log: Mutex::new(Vec::new()),
        }))
    }
}

/// The state of a cluster that was just made.
fn fresh(kubernetes: Version, clock: Clock, random: Random) -> State {
    let mut state = State {
        kubernetes,
        store: Store::new(),
        clock,
        random,
        controllers: Controllers::default(),
        pod_quotas: BTreeMap::new(),
        policies: Vec::new(),
        queues: None,
        logs: Logs::default(),
        gangs: None,
    };
    for name in FIRST_NAMESPACES {
        let namespace = json!({"metadata": {"name": name}});
        let made = state.create(&NAMESPACES, "", namespace, WriteOptions::default());
        debug_assert!(made.is_ok(), "a new cluster has none of these namespaces yet");
    }
    state
}

/// A test that panicked while it held a lock must not hide why behind another panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in the log of requests.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Cluster {
    /// A cluster with no users, so that requests need no token.
    pub fn new(name: impl Into<String>) -> Self {
        Self::builder(name).build()
    }

    /// A cluster to be made.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder {
            name: name.into(),
            users: Vec::new(),
            now: None,
            seed: None,
            version: Version::default(),
        }
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The version of Kubernetes that it behaves as.
    pub fn version(&self) -> Version {
        self.with(|state| state.kubernetes)
    }

    /// The uid of the namespace `kube-system`, by which a cluster is known.
    pub fn kube_system_uid(&self) -> String {
        let namespace = self.get(&NAMESPACES, "", "kube-system");
        namespace.map(|namespace| object::uid(&namespace).to_owned()).unwrap_or_default()
    }

    /// The API server as a tower service, for a client in the same process.
    pub fn service(&self) -> Service {
        Service(self.clone())
    }

    /// The users.
    pub fn users(&self) -> Vec<User> {
        self.0.users.clone()
    }

    /// The time by the cluster's clock.
    pub fn now(&self) -> Timestamp {
        self.with(|state| state.now())
    }

    /// Has each request, from now on, judged by a hook; it replaces the one before. It is called
    /// before the request takes effect, and must not send requests to the cluster itself; it may
    /// play the nodes and let the controllers work ([`Cluster::settle`]), so that they come first.
    pub fn on_request(&self, hook: impl Fn(&RequestInfo) -> Verdict + Send + Sync + 'static) {
        *lock(&self.0.hook) = Some(Arc::new(hook));
    }

    /// Lets requests pass again.
    pub fn clear_hook(&self) {
        *lock(&self.0.hook) = None;
    }

    /// All requests of clients so far, refused ones too, but not those with a wrong token.
    pub fn requests(&self) -> Vec<RequestInfo> {
        lock(&self.0.log).clone()
    }

    /// Forgets the requests so far, and the marks among them: for clusters that get very many.
    pub fn forget_requests(&self) {
        lock(&self.0.log).clear();
    }

    /// The present place in the log of requests.
    pub fn mark(&self) -> Mark {
        Mark(lock(&self.0.log).len())
    }

    /// The requests since a mark.
    pub fn requests_since(&self, mark: Mark) -> Vec<RequestInfo> {
        lock(&self.0.log)[mark.0..].to_vec()
    }

    /// The requests since a mark that change what is stored: no reads, no dry runs, no reviews.
    pub fn mutations_since(&self, mark: Mark) -> Vec<RequestInfo> {
        lock(&self.0.log)[mark.0..].iter().filter(|r| r.mutating).cloned().collect()
    }

    /// Forgets the history of changes: lists cannot be continued any more, nor old versions be
    /// watched from.
    pub fn compact(&self) {
        self.with(|state| state.store.compact());
    }

    /// Has a kubelet of this kind play all nodes from now on.
    pub fn set_kubelet(&self, kubelet: Kubelet) {
        self.write(|state| state.controllers.kubelet = kubelet);
    }

    /// Has the cluster run by itself, on the system's clock: the controllers react to each change
    /// at once. It ends when the last clone of the cluster is dropped.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    pub fn run_by_itself(&self, kubelet: Kubelet) {
        self.write(|state| {
            state.clock = Clock::system();
            state.controllers.kubelet = kubelet;
        });
        let (inner, mut changed) = (Arc::downgrade(&self.0), self.subscribe());
        tokio::spawn(async move {
            loop {
                changed.mark_unchanged();
                let Some(cluster) = inner.upgrade().map(Cluster) else { return };
                cluster.settle();
                let wait = cluster.with(|state| {
                    let due = state.controllers.next_due()?;
                    Some(Duration::try_from(due.duration_since(state.now())).unwrap_or_default())
                });
                drop(cluster);
                let alarm = async {
                    match wait {
                        Some(wait) => tokio::time::sleep(wait).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    change = changed.changed() => if change.is_err() { return },
                    () = alarm => {}
                }
            }
        });
    }

    /// Stops the controllers, as if the controller manager were killed: Jobs stand still, while
    /// requests are answered and a kubelet goes on. A look at a Job can still be done by hand
    /// ([`Cluster::begin_sync`]).
    pub fn stop_controllers(&self) {
        self.with(|state| state.controllers.stop());
    }

    /// Starts the controllers anew: they have forgotten when pods failed, and do what there is to
    /// do.
    ///
    /// # Panics
    /// If they never come to rest.
    pub fn start_controllers(&self) {
        self.write(|state| {
            state.controllers.start();
            state.settle();
        });
    }

    /// Refuses a kind of writes to the Job controller from now on, or none any more; the
    /// controllers look again at once. So what is stored stays as the controller finds it between
    /// two of its writes, for as long as a test needs, also in a cluster that runs by itself.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn hold(&self, held: Option<Held>) {
        self.write(|state| {
            state.controllers.held = held;
            state.settle();
        });
    }

    /// Adds an admission policy, which applies after those that are there.
    pub fn add_policy(&self, policy: Policy) {
        self.write(|state| state.policies.push(policy));
    }

    /// Takes all admission policies away.
    pub fn clear_policies(&self) {
        self.write(|state| state.policies.clear());
    }

    /// Puts the clock ahead of where the test drives it, or of the system's clock in a cluster that
    /// runs by itself; a negative time puts it behind. Times in objects and the header `Date`
    /// follow.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn set_clock_ahead(&self, time: SignedDuration) {
        self.write(|state| {
            state.clock.set_ahead(time);
            state.settle();
        });
    }

    /// Has the API server go away: it refuses connections until it is back. What runs in the
    /// cluster goes on.
    pub fn go_away(&self) {
        self.0.gone.store(true, Ordering::Relaxed);
        self.announce();
    }

    /// Has the API server come back.
    pub fn come_back(&self) {
        self.0.gone.store(false, Ordering::Relaxed);
    }

    /// Whether the API server is away.
    pub fn is_away(&self) -> bool {
        self.0.gone.load(Ordering::Relaxed)
    }

    /// Replaces the cluster by a new, empty one at the same address: another uid of `kube-system`,
    /// and nothing that was stored.
    pub fn rebuild(&self) {
        self.write(|state| {
            let (kubernetes, clock) = (state.kubernetes, state.clock);
            let random = Random::new(state.random.number());
            let gangs = state.gangs.as_ref().map(|_| Gangs::default());
            *state = fresh(kubernetes, clock, random);
            state.gangs = gangs;
        });
    }

    /// Deletes an object as a client with all rights would, what it owns after it.
    pub fn delete(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
    ) -> Result<(), Status> {
        let propagation = Some(Propagation::Background);
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        self.write(|state| state.delete(resource, &Key::new(namespace, name), &options)).map(drop)
    }

    /// Creates an object as a client with all rights would.
    pub fn create(
        &self,
        resource: &'static Resource,
        namespace: &str,
        object: Value,
    ) -> Result<Value, Status> {
        let options = WriteOptions::default();
        self.write(|state| state.create(resource, namespace, object, options))
            .map(|written: Written| written.object)
    }

    /// Changes an object by a JSON merge patch, as a client with all rights would.
    pub fn patch(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        change: Value,
    ) -> Result<Value, Status> {
        self.merge(resource, &Key::new(namespace, name), false, change)
    }

    /// The same for its status: what is `Unschedulable`, say, or how many pods a Job has finished.
    /// Labels and annotations in the patch are written too.
    pub fn patch_status(
        &self,
        resource: &'static Resource,
        namespace: &str,
        name: &str,
        change: Value,
    ) -> Result<Value, Status> {
        self.merge(resource, &Key::new(namespace, name), true, change)
    }

    fn merge(
        &self,
        resource: &'static Resource,
        key: &Key,
        status: bool,
        change: Value,
    ) -> Result<Value, Status> {
        let options = WriteOptions::default();
        self.write(|state| state.patch(resource, key, status, &Patch::Merge(change), options))
            .map(|written| written.object)
    }

    /// An object as it is stored.
    pub fn get(&self, resource: &'static Resource, namespace: &str, name: &str) -> Option<Value> {
        self.with(|state| {
            state.store.get(resource, &Key::new(namespace, name)).map(|o| (**o).clone())
        })
    }

    /// The objects of a resource in a namespace, or in all where that is empty, by name.
    pub fn list(&self, resource: &'static Resource, namespace: &str) -> Vec<Value> {
        self.with(|state| {
            state.store.list(resource, namespace).iter().map(|o| (**o).clone()).collect()
        })
    }

    /// The same as they are stored, without copies: for tests that look at all of them again and
    /// again.
    pub fn stored(&self, resource: &'static Resource, namespace: &str) -> Vec<Arc<Value>> {
        self.with(|state| state.store.list(resource, namespace))
    }

    /// The version of the last change of anything that is stored.
    pub fn revision(&self) -> u64 {
        self.with(|state| state.store.version())
    }

    pub(crate) fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        run(&mut lock(&self.0.state))
    }

    /// Runs what may change something, and tells those who watch.
    pub(crate) fn write<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        self.play(|state| {
            state.controllers.look_at_all();
            run(state)
        })
    }

    /// The same where nothing but the controllers and the clock may change something.
    pub(crate) fn play<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        let mut state = lock(&self.0.state);
        let before = state.store.version();
        let result = run(&mut state);
        let after = state.store.version();
        drop(state);
        if after != before {
            self.0.changed.send_replace(after);
        }
        result
    }

    /// Tells those who watch that something has changed beside what is stored.
    pub(crate) fn announce(&self) {
        self.0.changed.send_modify(|_| ());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    pub(crate) fn log(&self, info: &RequestInfo) {
        lock(&self.0.log).push(info.clone());
    }

    pub(crate) fn ask(&self, info: &RequestInfo) -> Verdict {
        let hook = lock(&self.0.hook).clone();
        hook.map_or(Verdict::Pass, |hook| hook(info))
    }
}
