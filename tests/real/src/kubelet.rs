//! The kubelet, played: pods of Jobs run, succeed, fail and take their time to end, when a test
//! says so.

use crate::error::Error;
use crate::logs::Logs;
use crate::until::poll;
use crate::{Api, Cluster, Fleet};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The one node of each cluster. Pods that were bound to a node that does not exist would be
/// collected.
pub(crate) const NODE: &str = "node";

/// How long the Job controller may take to make the pods that are waited for.
const PODS: Duration = Duration::from_mins(1);

/// A pod of a Job, as it was when it was listed.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Pending, Running, Succeeded or Failed.
    pub phase: String,
    /// The completion index, of an Indexed Job's pod.
    pub index: Option<u32>,
    /// Whether it was deleted and has not ended (metadata.deletionTimestamp).
    pub terminating: bool,
    /// Whether it has a node (spec.nodeName).
    pub bound: bool,
    /// The whole object.
    pub object: Value,
}

impl Pod {
    fn parse(object: Value) -> Self {
        let text = |pointer: &str| {
            object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            phase: text("/status/phase"),
            index: text("/metadata/annotations/batch.kubernetes.io~1job-completion-index")
                .parse()
                .ok(),
            terminating: object["metadata"].get("deletionTimestamp").is_some(),
            bound: object["spec"].get("nodeName").is_some(),
            object,
        }
    }

    /// Whether it has not succeeded or failed.
    pub fn is_live(&self) -> bool {
        !["Succeeded", "Failed"].contains(&self.phase.as_str())
    }

    fn path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.name)
    }

    /// When it started, where it did.
    fn started(&self) -> Option<Timestamp> {
        self.object["status"]["startTime"].as_str()?.parse().ok()
    }

    fn started_or(&self, now: &str) -> String {
        self.object["status"]["startTime"].as_str().unwrap_or(now).to_owned()
    }

    fn container_names(&self) -> impl Iterator<Item = &str> {
        let containers = self.object["spec"]["containers"].as_array();
        containers.into_iter().flatten().filter_map(|container| container["name"].as_str())
    }

    /// `containerStatuses` with one state for every container.
    fn containers(&self, state: &Value, running: bool) -> Vec<Value> {
        let containers = self.object["spec"]["containers"].as_array();
        let status = |container: &Value| {
            json!({
                "name": container["name"], "image": container["image"],
                "imageID": container["image"],
                "ready": running, "started": running, "restartCount": 0, "state": state,
            })
        };
        containers.into_iter().flatten().map(status).collect()
    }
}

/// Plays the nodes of one cluster, by patches of the pods' `status` subresource as a kubelet sends
/// them.
///
/// A pod has no node until [`Kubelet::bind`]: deleted, it is gone at once. One that is bound stays
/// Terminating until [`Kubelet::release`].
#[derive(Debug, Clone)]
pub struct Kubelet {
    api: Api,
    cluster: String,
    /// Which containers have run and ended, for who reads their logs.
    logs: Option<Logs>,
}

impl Kubelet {
    /// The nodes of a cluster of this name, by the requests of somebody who may patch the status of
    /// pods, bind and delete them. Any API server will do, also one that is no process of this
    /// crate.
    pub fn of(cluster: &str, api: Api) -> Self {
        Self { api, cluster: cluster.to_owned(), logs: None }
    }

    /// The same, with logs of the containers.
    pub(crate) fn writing(self, logs: Logs) -> Self {
        Self { logs: Some(logs), ..self }
    }

    fn logs_of<'k>(&'k self, pod: &'k Pod) -> impl Iterator<Item = (&'k Logs, &'k str)> {
        let containers = pod.container_names();
        containers.filter_map(|container| Some((self.logs.as_ref()?, container)))
    }

    /// The pods of a Job, by name, those that ended included.
    pub async fn pods(&self, namespace: &str, job: &str) -> Result<Vec<Pod>, Error> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods?labelSelector=batch.kubernetes.io/job-name%3D{job}"
        );
        Ok(self.api.list(&path).await?.into_iter().map(Pod::parse).collect())
    }

    /// The live pods of a Job that are not Terminating, once there are `count` of them or more.
    pub async fn live_pods(
        &self,
        namespace: &str,
        job: &str,
        count: usize,
    ) -> Result<Vec<Pod>, Error> {
        poll(PODS, || async {
            let mut pods = self.pods(namespace, job).await.map_err(|error| error.to_string())?;
            pods.retain(|pod| pod.is_live() && !pod.terminating);
            if pods.len() >= count { Ok(pods) } else { Err(format!("{} live pods", pods.len())) }
        })
        .await
        .map_err(|seen| self.waited(&format!("{count} live pods of {job}"), &seen))
    }

    /// Gives a pod a node, as the scheduler does.
    pub async fn bind(&self, pod: &Pod) -> Result<(), Error> {
        let binding =
            json!({"metadata": {"name": pod.name}, "target": {"kind": "Node", "name": NODE}});
        self.api.create(&format!("{}/binding", pod.path()), &binding).await.map(drop)
    }

    /// Ends a Terminating pod for good (grace period 0), or any other.
    pub async fn release(&self, pod: &Pod) -> Result<(), Error> {
        self.api.delete(&pod.path(), &json!({"gracePeriodSeconds": 0})).await.map(drop)
    }

    /// Running, its containers ready.
    pub async fn run(&self, pod: &Pod) -> Result<(), Error> {
        let now = now();
        let containers = pod.containers(&json!({"running": {"startedAt": now}}), true);
        for (logs, container) in self.logs_of(pod) {
            logs.begin([&pod.namespace, &pod.name, container]);
        }
        self.set(pod, "Running", &now, &containers).await
    }

    /// Succeeded: every container has exited with 0.
    pub async fn succeed(&self, pod: &Pod) -> Result<(), Error> {
        self.end(pod, "Succeeded", 0, "Completed").await
    }

    /// Failed: every container has exited with this code, from 1 to 255.
    pub async fn fail(&self, pod: &Pod, exit_code: u8) -> Result<(), Error> {
        self.end(pod, "Failed", exit_code, "Error").await
    }

    /// Lets `count` pods of a Job succeed, as they come, and returns them. What the Job's
    /// controller makes of it comes a moment later.
    pub async fn succeed_n(
        &self,
        namespace: &str,
        job: &str,
        count: usize,
    ) -> Result<Vec<Pod>, Error> {
        let mut ended: Vec<Pod> = Vec::new();
        while ended.len() < count {
            let known: BTreeSet<String> = ended.iter().map(|pod| pod.name.clone()).collect();
            for pod in self.live_pods(namespace, job, 1).await? {
                if ended.len() < count && !known.contains(&pod.name) {
                    self.succeed(&pod).await?;
                    ended.push(pod);
                }
            }
        }
        Ok(ended)
    }

    /// Plays all nodes of a fleet until the answer is dropped: every pod of every Job runs as soon
    /// as it is there, and succeeds when it has run for `lifetime`; a bound one that is deleted
    /// ends. Clusters that do not answer are tried again.
    pub fn run_all(fleet: &Fleet, lifetime: Duration) -> Player {
        let run = |cluster: &Cluster| cluster.kubelet().run_pods(lifetime);
        Player { tasks: fleet.clusters().iter().map(run).collect() }
    }

    /// Plays the nodes of this cluster, as [`Kubelet::run_all`] plays those of a fleet.
    pub fn play(self, lifetime: Duration) -> Player {
        Player { tasks: vec![self.run_pods(lifetime)] }
    }

    fn run_pods(self, lifetime: Duration) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_millis(100));
            loop {
                beat.tick().await;
                // A cluster may be frozen or dead, a pod gone: the next beat sees what there is
                // then.
                let _ = self.play_once(lifetime).await;
            }
        })
    }

    async fn play_once(&self, lifetime: Duration) -> Result<(), Error> {
        let path = "/api/v1/pods?labelSelector=batch.kubernetes.io/job-name";
        for pod in self.api.list(path).await?.into_iter().map(Pod::parse) {
            let ran = pod.started().map(|started| Timestamp::now().duration_since(started));
            let step = match ran {
                _ if pod.terminating && pod.bound => self.release(&pod).await,
                _ if pod.terminating || !pod.is_live() => Ok(()),
                None => self.run(&pod).await,
                Some(ran) if ran.unsigned_abs() >= lifetime => self.succeed(&pod).await,
                Some(_) => Ok(()),
            };
            match step {
                Err(Error::Status { code: 404 | 409, .. }) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn end(&self, pod: &Pod, phase: &str, exit_code: u8, reason: &str) -> Result<(), Error> {
        let now = now();
        let state = json!({"terminated": {
            "exitCode": exit_code, "reason": reason, "startedAt": pod.started_or(&now),
            "finishedAt": now,
        }});
        for (logs, container) in self.logs_of(pod) {
            logs.end([&pod.namespace, &pod.name, container]);
        }
        self.set(pod, phase, &now, &pod.containers(&state, false)).await
    }

    async fn set(
        &self,
        pod: &Pod,
        phase: &str,
        now: &str,
        containers: &[Value],
    ) -> Result<(), Error> {
        let ready = if phase == "Running" { "True" } else { "False" };
        let condition =
            |kind: &str| json!({"type": kind, "status": ready, "lastTransitionTime": now});
        let status = json!({
            "phase": phase,
            "startTime": pod.started_or(now),
            "conditions": [condition("Ready"), condition("ContainersReady")],
            "containerStatuses": containers,
        });
        self.api
            .patch(&format!("{}/status", pod.path()), &json!({"status": status}))
            .await
            .map(drop)
    }

    fn waited(&self, what: &str, seen: &str) -> Error {
        let cluster = &self.cluster;
        Error::Harness(format!("waited {PODS:?} in {cluster} for {what}; last seen: {seen}"))
    }
}

/// Plays nodes in the background, until it is dropped.
#[derive(Debug)]
#[must_use = "the nodes stand still when it is dropped"]
pub struct Player {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Player {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn now() -> String {
    let whole = Timestamp::now().round(Unit::Second).unwrap_or_default();
    whole.to_string()
}
