//! What the simulation knows of its own of every Job, every pod and every record that ever was; and
//! what must hold of them at every moment. Nothing here is taken from what the product says.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use sim::{Cluster, RequestInfo};

use kubectl_federate::federation::Reopen;

use super::evidence::{Ours, ShardKey, named_uid, shard_of};
use super::jobs::RETRY;
use super::ledger::Ledger;
use super::life::{ClusterCommand, Command};
use super::site::NAMES;
use super::work::Job;

const REGISTRY: &str = "federation";
const MEMBER: &str = "member.kubectl-federate.dev/";

/// Everything that is known of one life.
pub struct Knowledge {
    /// The names of the clusters, and the uids that they have by now.
    clusters: Vec<(String, String)>,
    /// What was looked at last, by cluster.
    revisions: Vec<u64>,
    /// Every Job of ours, by its uid.
    pub jobs: BTreeMap<String, Job>,
    /// The Jobs that made pods, by shard.
    ran: BTreeMap<ShardKey, BTreeSet<String>>,
    /// Every federated Job, by its uid.
    pub ledgers: BTreeMap<String, Ledger>,
    /// The uids by which members are registered, by name.
    registered: BTreeMap<String, String>,
    /// The names of the members that the registry has as lost.
    lost: BTreeSet<String>,
    /// Objects whose creation was sent and not answered, with who sent it and where.
    unread: BTreeSet<(usize, String, String)>,
    of_nobody: BTreeSet<String>,
    /// The Jobs that users made anew with the labels of a shard, by uid. Only a recovery takes them
    /// for shards.
    made_anew: BTreeMap<String, Job>,
    suspended_by_users: BTreeSet<String>,
    /// The Jobs that users have ever resumed: that starts their deadlines anew.
    pub restarted_by_users: BTreeSet<String>,
    /// Whether clusters or the Job have leases in this life.
    pub has_leases: bool,
    /// The shards whose work moved because their leases were over.
    pub expired: BTreeSet<ShardKey>,
    /// The time of each cluster when it was looked at last.
    pub times: Vec<Timestamp>,
    scaled_by_users: BTreeSet<String>,
    /// Whether a command is under way.
    busy: bool,
    /// The clusters that were replaced by other ones, by place.
    rebuilt: BTreeSet<usize>,
    /// The clusters that a user has ever declared lost.
    declared_lost: BTreeSet<&'static str>,
    /// Whether a user let work run again that may be done already.
    pub reopened_all: bool,
    broken: Vec<String>,
}

impl Knowledge {
    /// Nothing is known but the clusters.
    pub fn new(clusters: &[Cluster]) -> Self {
        let identity = |cluster: &Cluster| (cluster.name().to_owned(), cluster.kube_system_uid());
        Self {
            clusters: clusters.iter().map(identity).collect(),
            revisions: vec![0; clusters.len()],
            jobs: BTreeMap::new(),
            ran: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            registered: BTreeMap::new(),
            lost: BTreeSet::new(),
            unread: BTreeSet::new(),
            of_nobody: BTreeSet::new(),
            made_anew: BTreeMap::new(),
            suspended_by_users: BTreeSet::new(),
            restarted_by_users: BTreeSet::new(),
            has_leases: false,
            expired: BTreeSet::new(),
            times: clusters.iter().map(Cluster::now).collect(),
            scaled_by_users: BTreeSet::new(),
            busy: false,
            rebuilt: BTreeSet::new(),
            declared_lost: BTreeSet::new(),
            reopened_all: false,
            broken: Vec::new(),
        }
    }

    /// Says that something was broken.
    pub fn accuse(&mut self, what: impl FnOnce() -> String) {
        if self.broken.len() < 20 {
            self.broken.push(what());
        }
    }

    /// The first thing that was broken.
    pub fn first_broken(&self) -> Option<&String> {
        self.broken.first()
    }

    /// Whether a command is under way.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Says whether a command is under way.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// A pod has succeeded.
    pub fn succeeded(&mut self, pod: &Value) {
        let owner = text(&pod["metadata"]["ownerReferences"][0]["uid"]);
        let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
        let index = index.as_str().and_then(|index| index.parse().ok());
        if let Some(job) = self.job_mut(owner) {
            *job.successes.entry(index).or_default() += 1;
        }
    }

    /// The Jobs that users made anew and a recovery took for shards of a federated Job.
    pub fn taken(&self, ledger: &Ledger) -> impl Iterator<Item = &Job> {
        self.made_anew.iter().filter(|(uid, _)| ledger.has_known(uid)).map(|(_, job)| job)
    }

    /// A Job with the labels of a shard, whoever made it.
    fn job_mut(&mut self, uid: &str) -> Option<&mut Job> {
        self.jobs.get_mut(uid).or_else(|| self.made_anew.get_mut(uid))
    }

    /// The cluster is another one from now on.
    pub fn rebuilt(&mut self, place: usize) {
        self.rebuilt.insert(place);
        self.clusters[place].1.clear();
        self.revisions[place] = 0;
        for job in self.jobs.values_mut().filter(|job| job.place == place) {
            job.lost |= !job.gone;
        }
    }

    /// The names of the clusters that were replaced by other ones.
    pub fn rebuilt_clusters(&self) -> Vec<&'static str> {
        self.rebuilt.iter().map(|place| NAMES[*place]).collect()
    }

    /// Whether a cluster was replaced, and the registry has the old one and not as lost: what it
    /// had stays unknown.
    pub fn waits_for_a_cluster(&self) -> bool {
        self.rebuilt.iter().any(|place| {
            let (name, identity) = &self.clusters[*place];
            !self.lost.contains(name)
                && self.registered.get(name).is_some_and(|uid| uid != identity)
        })
    }

    /// A user gives a command, and so accepts what may come of it.
    pub fn asked(&mut self, command: &Command) {
        self.reopened_all |= matches!(command, Command::Reconcile(Reopen::All));
        if let Command::Cluster(ClusterCommand::Lost, name) = command {
            self.declared_lost.insert(name);
        }
    }

    /// A Job that no federation made.
    pub fn of_nobody(&mut self, job: &Value) {
        self.of_nobody.insert(text(&job["metadata"]["uid"]).to_owned());
    }

    /// Whether no federation made a Job.
    pub fn is_of_nobody(&self, job: &Value) -> bool {
        self.of_nobody.contains(text(&job["metadata"]["uid"]))
    }

    /// Whether a Job is left of a federated Job without a record, and there is another one that may
    /// need its name.
    pub fn is_in_the_way(&self, job: &Value) -> bool {
        let is_gone = |uid: &String| self.ledgers.get(uid).is_none_or(|ledger| ledger.gone);
        let ours = self.jobs.get(text(&job["metadata"]["uid"]));
        ours.is_some_and(|job| is_gone(&job.shard.0))
            && self.ledgers.values().any(|ledger| !ledger.gone)
    }

    /// Whether the federated Job has failed, and nobody has retried it.
    pub fn has_failed(&self) -> bool {
        let mut there = self.ledgers.values().filter(|ledger| !ledger.gone);
        there.any(|ledger| ledger.verdict() == Some("failed")) && !self.is_retried()
    }

    /// Whether there is a federated Job that retries another one.
    pub fn is_retried(&self) -> bool {
        self.ledgers.values().any(|ledger| !ledger.gone && ledger.name == RETRY)
    }

    /// Whether a shard that could do something is in a cluster that is no member. Who unregistered it
    /// read records that were stale.
    pub fn lacks_a_member(&self) -> bool {
        let there = self.ledgers.values().filter(|ledger| !ledger.gone);
        there.flat_map(Ledger::live_clusters).any(|name| !self.registered.contains_key(name))
    }

    /// How many clusters are registered.
    pub fn members(&self) -> usize {
        self.registered.len()
    }

    /// Whether the cluster at a place is registered: only then it is asked for what it did.
    pub fn is_member(&self, place: usize) -> bool {
        self.registered.contains_key(&self.clusters[place].0)
    }

    /// A user has suspended a Job, or resumed it.
    pub fn suspended_by_users(&mut self, job: &Value, suspended: bool) {
        let uid = text(&job["metadata"]["uid"]).to_owned();
        if suspended {
            self.suspended_by_users.insert(uid);
        } else {
            self.suspended_by_users.remove(&uid);
            self.restarted_by_users.insert(uid);
        }
    }

    /// Whether it was a user who suspended a Job.
    pub fn is_suspended_by_users(&self, job: &Value) -> bool {
        self.suspended_by_users.contains(text(&job["metadata"]["uid"]))
    }

    /// A user has deleted a pod.
    pub fn deleted_by_users(&mut self, pod: &Value) {
        if let Some(job) = self.job_mut(text(&pod["metadata"]["ownerReferences"][0]["uid"])) {
            job.failures.insert(text(&pod["metadata"]["uid"]).to_owned());
        }
    }

    /// A user has given a Job another parallelism.
    pub fn scaled_by_users(&mut self, job: &Value) {
        self.scaled_by_users.insert(text(&job["metadata"]["uid"]).to_owned());
    }

    /// Whether a user has ever given a Job another parallelism.
    pub fn is_scaled_by_users(&self, job: &Value) -> bool {
        self.scaled_by_users.contains(text(&job["metadata"]["uid"]))
    }

    /// Whether a Job of ours has ever made a pod.
    pub fn has_run(&self, job: &Value) -> bool {
        self.jobs.get(text(&job["metadata"]["uid"])).is_some_and(|job| job.ran)
    }

    /// Takes over what a cluster stores now, and looks whether that may be.
    pub fn look(&mut self, place: usize, cluster: &Cluster) {
        self.times[place] = cluster.now();
        let revision = cluster.revision();
        if self.revisions[place] == revision {
            return;
        }
        self.revisions[place] = revision;
        if self.clusters[place].1.is_empty() {
            self.clusters[place].1 = cluster.kube_system_uid();
        }
        self.look_at_jobs(place, cluster);
        self.look_at_pods(place, cluster);
        if place == 0 {
            self.look_at_records(cluster);
        }
        self.check_work();
    }

    fn look_at_jobs(&mut self, place: usize, cluster: &Cluster) {
        let mut there = BTreeSet::new();
        for object in cluster.stored(&sim::JOBS, "") {
            let Some(ours) = Ours::read(cluster.name(), &object) else { continue };
            there.insert(ours.uid.clone());
            let is_of_nobody = self.is_of_nobody(&object);
            self.check_group(cluster, &object);
            let jobs = if is_of_nobody { &mut self.made_anew } else { &mut self.jobs };
            jobs.entry(ours.uid.clone())
                .or_insert_with(|| Job::new(place, ours.shard, &object))
                .see(&object);
        }
        for (uid, job) in self.jobs.iter_mut().filter(|(_, job)| job.place == place) {
            job.gone |= !there.contains(uid);
        }
    }

    fn look_at_pods(&mut self, place: usize, cluster: &Cluster) {
        for job in self.jobs.values_mut().filter(|job| job.place == place) {
            job.lease.running = 0;
        }
        for pod in cluster.stored(&sim::PODS, "") {
            let (Some(shard), owner) =
                (shard_of(&pod), text(&pod["metadata"]["ownerReferences"][0]["uid"]))
            else {
                continue;
            };
            if let Some(job) = self.job_mut(owner) {
                job.see_pod(&pod);
            }
            let Some(job) = self.jobs.get_mut(owner).filter(|job| !job.ran) else { continue };
            job.ran = true;
            let jobs = self.ran.entry(shard.clone()).or_default();
            jobs.insert(owner.to_owned());
            if jobs.len() > 1 {
                self.accuse(|| format!("G4: shard {} has run in two Jobs", shard.1));
            }
        }
        self.check_expired(place);
    }

    fn look_at_records(&mut self, cluster: &Cluster) {
        let mut there = BTreeSet::new();
        for map in cluster.stored(&sim::CONFIG_MAPS, "") {
            if text(&map["metadata"]["name"]) == REGISTRY {
                self.look_at_registry(&map);
                continue;
            }
            let Some(uid) = Ledger::uid_of(&map) else { continue };
            let ledger = self.ledgers.entry(uid.clone()).or_default();
            let mut broken = ledger.see(&map, (&self.jobs, &self.made_anew), &uid);
            let retried = ledger.retries.clone().filter(|_| ledger.done_before.is_none());
            if let Some(retried) = retried {
                let before = self.known_done(&retried);
                let ledger = self.ledgers.entry(uid.clone()).or_default();
                broken.extend(ledger.begin_retry(before));
            }
            let ledger = self.ledgers.entry(uid.clone()).or_default();
            broken.extend(ledger.of_users(&self.of_nobody));
            for (id, shard) in ledger.given_up_unasked(&self.declared_lost) {
                broken.extend(self.check_expiry((uid.clone(), id), &shard));
            }
            self.see_consents(&uid);
            there.insert(uid);
            for what in broken {
                self.accuse(|| what);
            }
        }
        for (uid, ledger) in &mut self.ledgers {
            ledger.gone |= !there.contains(uid);
        }
    }

    /// What a federated Job that was retried had done, as far as its record knows: how much is left
    /// of it, and which indexes are done.
    fn known_done(&self, uid: &str) -> (i64, BTreeSet<i64>) {
        let Some(ledger) = self.ledgers.get(uid) else { return (i64::MAX, BTreeSet::new()) };
        let jobs = self.jobs.values().filter(|job| job.shard.0 == uid && ledger.has_ended(job));
        let jobs: Vec<&Job> = jobs.collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let indexes = jobs.iter().flat_map(|job| job.successes.keys().filter_map(|index| *index));
        (ledger.asked().map_or(i64::MAX, |asked| asked - done), indexes.collect())
    }

    fn look_at_registry(&mut self, map: &Value) {
        self.registered.clear();
        self.lost.clear();
        for (key, value) in map["metadata"]["annotations"].as_object().into_iter().flatten() {
            let Some(name) = key.strip_prefix(MEMBER) else { continue };
            let member: Value = serde_json::from_str(text(value)).unwrap_or_default();
            self.registered.insert(name.to_owned(), text(&member["uid"]).to_owned());
            if member["state"] == "lost" {
                self.lost.insert(name.to_owned());
            }
        }
    }

    /// Work is nowhere twice: what all Jobs of a federated Job together can do by themselves, and
    /// what they have done, is no more than was ever asked for (G1, G8).
    fn check_work(&mut self) {
        let mut broken = Vec::new();
        for (uid, ledger) in &self.ledgers {
            let jobs = self.jobs.values().filter(|job| job.shard.0 == *uid);
            broken.extend(ledger.work_twice(jobs, self.reopened_all));
        }
        for what in broken {
            self.accuse(|| what);
        }
    }

    /// What a request is about to do, the host has said before (G3); it is done to what is ours
    /// (G6), in the cluster that is meant (G7), and it is sent once (G4).
    pub fn judge(&mut self, place: usize, cluster: &Cluster, request: &RequestInfo) {
        if !(request.mutating || request.dry_run) {
            return;
        }
        self.look(place, cluster);
        let (name, identity) = self.clusters[place].clone();
        if self.registered.get(&name).is_some_and(|uid| *uid != identity) {
            self.accuse(|| format!("G7: {} in another cluster than {name}", request.verb));
        }
        if !request.mutating {
            return;
        }
        let body = request.json();
        let created = created(request, &body);
        if let Some(what) = created
            && self.unread.contains(&(place, request.user.clone(), what.clone()))
        {
            self.accuse(|| {
                format!("G4: the creation of {what} is sent again with no read between")
            });
        }
        match request.resource.as_str() {
            "configmaps" => self.judge_host(request, &body),
            "jobs" => self.judge_member(place, cluster, request, &body),
            _ => {}
        }
    }

    fn judge_host(&mut self, request: &RequestInfo, body: &Value) {
        let version = match request.verb {
            "patch" => &body["metadata"]["resourceVersion"],
            "delete" => &body["preconditions"]["resourceVersion"],
            _ => return,
        };
        if !version.is_string() {
            self.accuse(|| format!("G3: {} is no compare-and-swap", request.path));
        }
    }

    fn judge_member(
        &mut self,
        place: usize,
        cluster: &Cluster,
        request: &RequestInfo,
        body: &Value,
    ) {
        let (name, identity) = &self.clusters[place];
        if request.verb == "create" {
            let named = shard_of(body).is_some_and(|(uid, id)| {
                self.ledgers.get(&uid).is_some_and(|ledger| ledger.named(&id, name, identity))
            });
            if !named || body["spec"]["suspend"] != true {
                let path = request.path.clone();
                self.accuse(|| format!("G3: {path} makes a Job in no ledger, or not suspended"));
            }
            return;
        }
        let uid = named_uid(body);
        let Some(there) = cluster.get(&sim::JOBS, &request.namespace, &request.name) else {
            return;
        };
        if uid.is_empty() {
            self.accuse(|| format!("G6: {} names no uid", request.path));
        }
        if !uid.is_empty() && text(&there["metadata"]["uid"]) != uid {
            return;
        }
        let Some((federated, id)) = shard_of(&there) else {
            self.accuse(|| format!("G6: {} of a Job that is nobody's", request.verb));
            return;
        };
        let ledger = self.ledgers.get(&federated);
        let unstarted = there["spec"]["suspend"] == true && !self.has_run(&there);
        let fine = match request.verb {
            "patch" => ledger.is_some_and(|ledger| ledger.knows(&id, &uid)),
            _ => unstarted || ledger.is_some_and(|ledger| ledger.deleting),
        };
        if !fine {
            self.accuse(|| {
                format!("G3: {} {} that no record has said", request.verb, request.path)
            });
        }
    }

    /// A request was sent, and its sender does not know what became of it.
    pub fn lost(&mut self, place: usize, request: &RequestInfo) {
        if let Some(what) = created(request, &request.json()) {
            self.unread.insert((place, request.user.clone(), what));
        }
    }

    /// A request is answered: a read says what there is.
    pub fn answered(&mut self, place: usize, request: &RequestInfo) {
        if matches!(request.verb, "get" | "list") {
            let kind = &request.resource;
            self.unread.retain(|(where_, user, what)| {
                *where_ != place || *user != request.user || !what.starts_with(kind.as_str())
            });
        }
    }
}

/// What a request creates: a Job by its name, and the federated Job that it is of. One that was made
/// anew under the same name sends a creation of its own.
fn created(request: &RequestInfo, body: &Value) -> Option<String> {
    let creates = request.mutating && request.verb == "create" && request.resource == "jobs";
    let (name, labels) = (&body["metadata"]["name"], &body["metadata"]["labels"]);
    let of = text(&labels["kubectl-federate.dev/job"]);
    creates.then(|| format!("{}/{} of {of}", request.resource, text(name)))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
