//! A kubelet that plays all nodes.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pods;
use crate::api::{DeleteOptions, Patch, State, WriteOptions};
use crate::clock::later;
use crate::object::{self, items, moment, number, text};
use crate::resource::PODS;
use crate::status::Status;
use crate::store::Key;

/// What plays the nodes of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kubelet {
    succeed_after: Option<Duration>,
    obeys_deadlines: bool,
}

/// How long a pod that does not say may take to end.
const GRACE: i64 = 30;

/// The exit code of a container that was told to end.
const TERMINATED: u8 = 143;

/// When each pod was started, by uid: more exact than the times in its status.
pub(super) type Memory = HashMap<String, Timestamp>;

impl Kubelet {
    /// Nobody: pods stay as they are until a test changes them.
    pub fn none() -> Self {
        Self::default()
    }

    /// Starts each pod at once, and has it succeed after it has run for a time.
    pub fn succeed_after(time: Duration) -> Self {
        Self { succeed_after: Some(time), ..Self::default() }
    }

    /// Nobody but for deadlines: a pod on a node ends by its own `activeDeadlineSeconds`, or
    /// because it is deleted, and takes all of its grace period for it.
    pub fn obeys_deadlines() -> Self {
        Self { obeys_deadlines: true, ..Self::default() }
    }
}

/// When a pod has ended at the latest by its own deadline; none without one, or before it started.
fn pod_deadline(pod: &Value) -> Option<Timestamp> {
    let seconds = number(pod, "/spec/activeDeadlineSeconds")?;
    let grace = number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(GRACE);
    let started = moment(pod, "/status/startTime")?;
    Some(later(started, Duration::from_secs((seconds + grace).max(0) as u64)))
}

impl State {
    /// Does what the kubelet would do at this moment.
    pub(super) fn play_kubelet(&mut self) {
        if self.controllers.kubelet.obeys_deadlines {
            self.end_overdue_pods();
        }
        let Some(time) = self.controllers.kubelet.succeed_after else { return };
        let now = self.now();
        for pod in self.store.list(&PODS, "") {
            let key = Key::of(&pod);
            if object::deleting(&pod) {
                let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
                let _ = self.delete(&PODS, &key, &options);
                continue;
            }
            if pods::ended(&pod) {
                continue;
            }
            let uid = object::uid(&pod).to_owned();
            let known = self.controllers.kubelet_memory.get(&uid).copied();
            let started = known.unwrap_or(now);
            if known.is_none() {
                self.bind(&key);
                self.report(&key, "Running");
                self.controllers.kubelet_memory.insert(uid.clone(), now);
            }
            let end = later(started, time);
            if end <= now {
                self.controllers.kubelet_memory.remove(&uid);
                self.report(&key, "Succeeded");
            } else {
                self.controllers.look_again(end);
            }
        }
    }

    /// Ends the pods on nodes that may not run any longer.
    fn end_overdue_pods(&mut self) {
        for pod in self.store.list(&PODS, "") {
            if pods::ended(&pod) || text(&pod, "/spec/nodeName").is_empty() {
                continue;
            }
            let deleted = moment(&pod, "/metadata/deletionTimestamp");
            let Some(end) = [deleted, pod_deadline(&pod)].into_iter().flatten().min() else {
                continue;
            };
            if end > self.now() {
                self.controllers.look_again(end);
                continue;
            }
            let key = Key::of(&pod);
            if deleted.is_some() {
                let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
                let _ = self.delete(&PODS, &key, &options);
            }
            self.exit(&key, TERMINATED);
            let status = json!({"status": {"reason": "DeadlineExceeded"}});
            let patch = Patch::Strategic(status);
            let _ = self.patch(&PODS, &key, true, &patch, WriteOptions::default());
        }
    }

    /// Puts a pod on the one node that there is.
    pub(super) fn bind(&mut self, key: &Key) {
        let _ = self.bind_to(key, "node");
    }

    /// Puts a pod on a node, where it is on none.
    pub(crate) fn bind_to(&mut self, key: &Key, node: &str) -> Result<(), Status> {
        let on = text(&*self.get(&PODS, key)?, "/spec/nodeName").to_owned();
        if !on.is_empty() {
            let why = format!("pod {} is already assigned to node {on:?}", key.name);
            return Err(Status::conflict(&PODS, &key.name, &why));
        }
        let patch = Patch::Merge(json!({"spec": {"nodeName": node}}));
        self.patch(&PODS, key, false, &patch, WriteOptions::default()).map(drop)
    }

    /// Reports that all containers of a pod have exited with a code.
    pub(super) fn exit(&mut self, key: &Key, code: u8) -> bool {
        let Some(pod) = self.store.get(&PODS, key).cloned() else { return false };
        let now = object::time(self.now());
        let (phase, reason) =
            if code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
        let state = json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": now}});
        let statuses: Vec<_> = items(&pod, "/spec/containers")
            .iter()
            .map(|container| {
                json!({
                    "name": container["name"], "image": container["image"], "imageID": "",
                    "ready": false,
                    "restartCount": 0, "state": state,
                })
            })
            .collect();
        let patch = Patch::Strategic(json!({"status": {"containerStatuses": statuses}}));
        self.patch(&PODS, key, true, &patch, WriteOptions::default()).is_ok()
            && self.report(key, phase)
    }

    /// Reports a pod's phase, with the conditions that go with it.
    pub(super) fn report(&mut self, key: &Key, phase: &str) -> bool {
        let now = object::time(self.now());
        let ready = if phase == "Running" { "True" } else { "False" };
        let conditions: Vec<_> = ["Ready", "ContainersReady"]
            .iter()
            .map(|kind| json!({"type": kind, "status": ready, "lastTransitionTime": now}))
            .collect();
        let mut status = json!({"phase": phase, "conditions": conditions});
        if phase == "Running" {
            status["startTime"] = now;
        }
        let patch = Patch::Strategic(json!({"status": status}));
        self.patch(&PODS, key, true, &patch, WriteOptions::default()).is_ok()
    }
}
