//! Where a fact shows: one cluster, a namespace of its own, and the administrator's requests.

mod policies;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use libtest_mimic::Failed;
use real::{Api, Error, Fleet, Kubelet, Pod, Version, until};
use serde_json::{Value, json};

use crate::hold::Held;
use crate::policy;

/// How long anything may take that is waited for.
pub const SOON: Duration = Duration::from_mins(1);

/// The annotation that a credit carries.
pub const LEDGER: &str = "example.com/credited";

/// One cluster and a namespace.
pub struct Place {
    api: Api,
    /// Plays the nodes.
    pub kubelet: Kubelet,
    version: Version,
    namespace: String,
    kind: Kind,
    stopped: AtomicBool,
}

enum Kind {
    Simulated(sim::Server),
    Real(real::Cluster),
}

impl Place {
    /// A simulated cluster of its own, running by itself, with nobody who plays its nodes.
    pub async fn simulated(version: Version) -> Result<Self, Failed> {
        let behaviour = match version {
            Version::V1_30 => sim::Version::V1_30,
            Version::V1_36 => sim::Version::V1_36,
            _ => sim::Version::V1_37,
        };
        let administrator = sim::User::admin("admin", "secret");
        let cluster = sim::Cluster::builder("sim").version(behaviour).user(administrator).build();
        cluster.run_by_itself(sim::Kubelet::none());
        let server = cluster.serve().await?;
        let api = Api::new(&server.url(), server.ca_pem(), "secret")?;
        Ok(Self::with("sim", api, version, "default".to_owned(), Kind::Simulated(server)))
    }

    /// The same, where pods can be scheduled together.
    pub async fn with_gangs() -> Result<Self, Failed> {
        let place = Self::simulated(Version::NEWEST).await?;
        if let Kind::Simulated(server) = &place.kind {
            server.cluster().open_gang_gates();
        }
        Ok(place)
    }

    /// A cluster of the fleet of all facts.
    pub async fn real(fleet: &Fleet, name: &str) -> Result<Self, Failed> {
        let (cluster, namespace) = (fleet.cluster(name), fleet.namespace("fact").await?);
        let (api, version) = (cluster.api().clone(), cluster.version());
        Ok(Self::with(name, api, version, namespace, Kind::Real(cluster.clone())))
    }

    fn with(name: &str, api: Api, version: Version, namespace: String, kind: Kind) -> Self {
        let kubelet = Kubelet::of(name, api.clone());
        Self { api, kubelet, version, namespace, kind, stopped: AtomicBool::new(false) }
    }

    /// Whether it is of 1.36 or newer, else of the oldest version.
    pub fn is_new(&self) -> bool {
        self.version >= Version::V1_36
    }

    /// Its version, such as `1.36`.
    pub fn minor(&self) -> &'static str {
        self.version.minor()
    }

    /// The path of a Job, or of all of them where the name is empty.
    fn path(&self, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("/apis/batch/v1/namespaces/{}/jobs{slash}{name}", self.namespace)
    }

    fn pod_path(&self, pod: &Pod) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, pod.name)
    }

    /// Creates a Job of one container with these fields in its spec.
    pub async fn create(&self, name: &str, spec: Value) -> Result<Value, Error> {
        self.post(manifest(name, spec)).await
    }

    /// The same with writes of the controller held back from the beginning.
    pub async fn create_held(&self, name: &str, spec: Value, held: Held) -> Result<Value, Failed> {
        let mut job = manifest(name, spec);
        match &self.kind {
            Kind::Simulated(server) => server.cluster().hold(Some(held.simulated())),
            Kind::Real(cluster) => {
                policy::install(cluster).await?;
                match held {
                    Held::Status => job["metadata"]["labels"] = json!({policy::LABEL: "yes"}),
                    Held::Finalizers => {
                        // A Job with no labels of its own would take those of its template.
                        job["metadata"]["labels"] = json!({"app": "fact"});
                        job["spec"]["template"]["metadata"]["labels"] =
                            json!({policy::LABEL: "yes"});
                    }
                }
            }
        }
        Ok(self.post(job).await?)
    }

    /// Asks whether a Job of one container with these fields in its spec would be created, and
    /// gives it as it would be.
    pub async fn try_create(&self, name: &str, spec: Value) -> Result<Value, Error> {
        self.api.create(&format!("{}?dryRun=All", self.path("")), &manifest(name, spec)).await
    }

    /// Creates a Job as it is given.
    pub async fn post(&self, job: Value) -> Result<Value, Error> {
        self.api.create(&self.path(""), &job).await
    }

    /// Holds back the controller's writes of a Job's status from now on.
    pub async fn hold_status(&self, name: &str) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated(server) => server.cluster().hold(Some(sim::Held::Status)),
            Kind::Real(cluster) => {
                policy::install(cluster).await?;
                self.patch(name, json!({"metadata": {"labels": {policy::LABEL: "yes"}}})).await?;
            }
        }
        Ok(())
    }

    /// Holds nothing back any more of a Job and its pods.
    pub async fn release(&self, name: &str) -> Result<(), Failed> {
        let free = json!({"metadata": {"labels": {policy::LABEL: null}}});
        match &self.kind {
            Kind::Simulated(server) => server.cluster().hold(None),
            Kind::Real(_) => {
                for pod in self.pods(name).await? {
                    if pod.object["metadata"]["labels"].get(policy::LABEL).is_some() {
                        self.api.patch(&self.pod_path(&pod), &free).await?;
                    }
                }
                self.patch(name, free).await?;
            }
        }
        Ok(())
    }

    /// Kills the controllers, until [`Place::start_controllers`].
    pub fn stop_controllers(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        match &self.kind {
            Kind::Simulated(server) => server.cluster().stop_controllers(),
            Kind::Real(cluster) => cluster.kill_controllers(),
        }
    }

    /// Starts killed controllers.
    pub fn start_controllers(&self) -> Result<(), Error> {
        self.stopped.store(false, Ordering::Relaxed);
        match &self.kind {
            Kind::Simulated(server) => server.cluster().start_controllers(),
            Kind::Real(cluster) => cluster.revive_controllers()?,
        }
        Ok(())
    }

    /// The namespace of this fact's Jobs.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The server's time, as its answers say it.
    pub async fn time(&self) -> Result<Timestamp, Error> {
        self.api.time().await
    }

    /// A Job as it is now.
    pub async fn job(&self, name: &str) -> Result<Value, Error> {
        self.api.get(&self.path(name)).await
    }

    /// Waits until a Job is so, and gives it.
    #[track_caller]
    pub fn until<'a>(
        &'a self,
        name: &'a str,
        what: &'a str,
        holds: impl Fn(&Value) -> bool + Copy + 'a,
    ) -> impl Future<Output = Value> + 'a {
        until(what, SOON, move || async move {
            let job = self.job(name).await.map_err(|error| error.to_string())?;
            if holds(&job) { Ok(job) } else { Err(format!("{name}: {}", job["status"])) }
        })
    }

    /// Waits until a Job has so many active pods by its status.
    #[track_caller]
    pub fn until_active<'a>(
        &'a self,
        name: &'a str,
        count: i64,
    ) -> impl Future<Output = Value> + 'a {
        self.until(name, "active", move |job| number(job, "active") == count)
    }

    /// Waits until a condition of a Job is True.
    #[track_caller]
    pub fn until_true<'a>(
        &'a self,
        name: &'a str,
        kind: &'a str,
    ) -> impl Future<Output = Value> + 'a {
        self.until(name, kind, move |job| is_true(job, kind))
    }

    /// Waits until a Job is gone.
    pub async fn until_gone(&self, name: &str) {
        until(&format!("{name} to be gone"), SOON, || async {
            match self.job(name).await {
                Err(error) if error.code() == Some(404) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Changes a Job by a merge patch.
    pub async fn patch(&self, name: &str, change: Value) -> Result<Value, Error> {
        self.api.patch(&self.path(name), &change).await
    }

    /// Changes a Job by a JSON patch.
    pub async fn patch_json(&self, name: &str, operations: Value) -> Result<Value, Error> {
        self.api.patch_json(&self.path(name), &operations).await
    }

    /// Changes a Job's status, and what else a patch of the status may change, by a merge patch.
    pub async fn patch_status(&self, name: &str, change: Value) -> Result<Value, Error> {
        self.api.patch(&format!("{}/status", self.path(name)), &change).await
    }

    /// Asks whether a merge patch of a Job's status would be accepted, and changes nothing.
    pub async fn try_status(&self, name: &str, change: Value) -> Result<Value, Error> {
        self.api.patch(&format!("{}/status?dryRun=All", self.path(name)), &change).await
    }

    /// The same for a patch of the Job itself.
    pub async fn try_patch(&self, name: &str, change: Value) -> Result<Value, Error> {
        self.api.patch(&format!("{}?dryRun=All", self.path(name)), &change).await
    }

    /// Raises a counter and says so in an annotation, under the version that is read, again after
    /// each conflict. Returns the Job as the write left it.
    pub async fn credit(&self, name: &str, count: i64) -> Result<Value, Failed> {
        self.write_status(name, |job| {
            let succeeded = number(job, "succeeded") + count;
            json!({
                "metadata": {"annotations": {LEDGER: count.to_string()}},
                "status": {"succeeded": succeeded},
            })
        })
        .await
    }

    /// The same for indexes: the completed ones, of which there are so many, are these from now on.
    pub async fn credit_indexes(
        &self,
        name: &str,
        indexes: &str,
        total: i64,
    ) -> Result<Value, Failed> {
        self.write_status(name, |_| {
            json!({
                "metadata": {"annotations": {LEDGER: indexes}},
                "status": {"succeeded": total, "completedIndexes": indexes},
            })
        })
        .await
    }

    async fn write_status(
        &self,
        name: &str,
        change: impl Fn(&Value) -> Value,
    ) -> Result<Value, Failed> {
        loop {
            let job = self.job(name).await?;
            let mut change = change(&job);
            change["metadata"]["resourceVersion"] = job["metadata"]["resourceVersion"].clone();
            match self.patch_status(name, change).await {
                Err(error) if error.code() == Some(409) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Sets a condition of a Job True by a strategic merge patch, with a reason and a message of
    /// ours.
    pub async fn set_condition(&self, name: &str, kind: &str) -> Result<Value, Error> {
        self.end(name, kind, &Value::Null).await
    }

    /// The same with a start time, where it is not null.
    pub async fn end(&self, name: &str, kind: &str, start: &Value) -> Result<Value, Error> {
        let condition =
            json!({"type": kind, "status": "True", "reason": "Ours", "message": "we say so"});
        let mut change = json!({"status": {"conditions": [condition]}});
        if !start.is_null() {
            change["status"]["startTime"] = start.clone();
        }
        self.api.patch_strategic(&format!("{}/status", self.path(name)), &change).await
    }

    /// Deletes a Job with these options.
    pub async fn delete(&self, name: &str, options: Value) -> Result<Value, Error> {
        self.api.delete(&self.path(name), &options).await
    }

    /// The pods of a Job, those that ended included.
    pub async fn pods(&self, name: &str) -> Result<Vec<Pod>, Error> {
        self.kubelet.pods(&self.namespace, name).await
    }

    /// The names of pods that a label selects.
    pub async fn select_pods(&self, label: &str, value: &str) -> Result<Vec<String>, Error> {
        let path =
            format!("/api/v1/namespaces/{}/pods?labelSelector={label}%3D{value}", self.namespace);
        let pods = self.api.list(&path).await?;
        Ok(pods
            .iter()
            .map(|pod| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Waits until so many pods of a Job live, no more and no fewer, and gives them by index, else
    /// by name.
    #[track_caller]
    pub fn live<'a>(&'a self, name: &'a str, count: usize) -> impl Future<Output = Vec<Pod>> + 'a {
        until("so many live pods", SOON, move || async move {
            let mut pods = self.pods(name).await.map_err(|error| error.to_string())?;
            pods.retain(|pod| pod.is_live() && !pod.terminating);
            pods.sort_by_key(|pod| (pod.index, pod.name.clone()));
            if pods.len() == count {
                Ok(pods)
            } else {
                Err(format!("{name} has {}, not {count}", pods.len()))
            }
        })
    }

    /// Puts so many pods of a Job on a node and runs them, once they are there: deleted, they end
    /// when they are released and not before.
    pub async fn run(&self, name: &str, count: usize) -> Result<Vec<Pod>, Failed> {
        let pods = self.live(name, count).await;
        for pod in &pods {
            if !pod.bound {
                self.kubelet.bind(pod).await?;
                self.kubelet.run(pod).await?;
            }
        }
        Ok(pods)
    }

    /// Creates a Job, runs all of its pods on a node, and waits until its status says so: the
    /// controller has nothing left to write.
    pub async fn running(&self, name: &str, spec: Value, count: usize) -> Result<Vec<Pod>, Failed> {
        self.create(name, spec).await?;
        let pods = self.run(name, count).await?;
        let all =
            move |job: &Value| ["active", "ready"].iter().all(|c| number(job, c) == count as i64);
        self.until(name, "all pods active and ready", all).await;
        Ok(pods)
    }

    /// Whether a pod is there, and nobody has deleted it.
    pub async fn is_untouched(&self, pod: &Pod) -> Result<bool, Error> {
        match self.api.get(&self.pod_path(pod)).await {
            Ok(object) => Ok(object["metadata"].get("deletionTimestamp").is_none()),
            Err(error) if error.code() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until a pod is Terminating, or gone.
    pub async fn until_deleted(&self, pod: &Pod) {
        until(&format!("{} to be deleted", pod.name), SOON, || async {
            match self.is_untouched(pod).await {
                Ok(false) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Changes a pod by a merge patch.
    pub async fn patch_pod(&self, pod: &Pod, change: Value) -> Result<Value, Error> {
        self.api.patch(&self.pod_path(pod), &change).await
    }

    /// Changes a pod's status by a merge patch.
    pub async fn patch_pod_status(&self, pod: &Pod, change: Value) -> Result<Value, Error> {
        self.api.patch(&format!("{}/status", self.pod_path(pod)), &json!({"status": change})).await
    }

    /// Deletes a pod: one that is bound is Terminating until it is released.
    pub async fn delete_pod(&self, pod: &Pod) -> Result<Value, Error> {
        self.api.delete(&self.pod_path(pod), &json!({})).await
    }

    /// Waits until so many seconds have passed since a Job's start time.
    pub async fn pass(&self, job: &Value, seconds: i64) -> Result<(), Failed> {
        let start: Timestamp = job["status"]["startTime"].as_str().unwrap_or_default().parse()?;
        until(&format!("{seconds} s to pass"), SOON, || async {
            let passed = Timestamp::now().duration_since(start).as_secs();
            if passed >= seconds { Ok(()) } else { Err(format!("{passed} s")) }
        })
        .await;
        Ok(())
    }
}

impl Drop for Place {
    /// The next fact finds the controllers alive, whatever this one came to.
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Relaxed) {
            let _ = self.start_controllers();
        }
    }
}

/// A Job of one container with these fields in its spec.
pub fn manifest(name: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox"}],
        }}},
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        job["spec"][field] = value.clone();
    }
    job
}

/// A counter of a Job's status, 0 where it is absent.
pub fn number(job: &Value, counter: &str) -> i64 {
    job["status"][counter].as_i64().unwrap_or_default()
}

/// A condition of a Job, null where it has none of that type.
pub fn condition<'a>(job: &'a Value, kind: &str) -> &'a Value {
    let list = job["status"]["conditions"].as_array();
    list.and_then(|list| list.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

/// Whether a condition of a Job is True.
pub fn is_true(job: &Value, kind: &str) -> bool {
    condition(job, kind)["status"] == "True"
}

/// How many pods of a list of uids the status has not counted yet.
pub fn uncounted(job: &Value, list: &str) -> usize {
    job["status"]["uncountedTerminatedPods"][list].as_array().map_or(0, Vec::len)
}

/// The indexes of pods.
pub fn indexes(pods: &[Pod]) -> Vec<u32> {
    pods.iter().filter_map(|pod| pod.index).collect()
}

/// Fails unless the server refused it with this code, saying this.
#[track_caller]
pub fn refused(answer: Result<Value, Error>, code: u16, saying: &str) {
    match answer {
        Err(error) => {
            assert_eq!(error.code(), Some(code), "{error}");
            assert!(error.to_string().contains(saying), "{error}");
        }
        Ok(object) => panic!("accepted: {}", object["status"]),
    }
}
