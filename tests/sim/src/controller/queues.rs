//! A queueing system that owns `spec.suspend`, as Kueue 0.17 does: it suspends the Jobs that are
//! created, resumes those that it admits, and undoes what others do about it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Cluster;
use crate::api::{Patch, State, WriteOptions};
use crate::job::suspended;
use crate::object::{self, number, put};
use crate::resource::{JOBS, Resource};
use crate::status::Status;
use crate::store::Key;

/// The label that names the queue of a Job.
const QUEUE_NAME: &str = "kueue.x-k8s.io/queue-name";

/// What an admission sets in a Job's template, and a stop takes away.
const WORKLOAD: &str = "kueue.x-k8s.io/workload";

/// The annotation on a Job that is being stopped, until its template is put back.
const STOPPING: &str = "kueue.x-k8s.io/stopping";

/// The queue of Jobs that name none, where there is a queue of this name.
const DEFAULT: &str = "default";

/// The queueing system of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    /// How many pods the admitted Jobs of each queue may have together.
    quotas: BTreeMap<String, i64>,
    /// The queues that are stopped, and whether the Jobs that they had admitted are stopped, too.
    stopped: BTreeMap<String, bool>,
    /// The queues whose Jobs are handed to another cluster.
    dispatching: Vec<String>,
    /// Whether Jobs that name no queue are suspended too.
    takes_all: bool,
    /// What is known of each Job, by its uid.
    workloads: BTreeMap<String, Workload>,
}

/// What the queueing system knows of a Job.
#[derive(Clone, Copy, Debug)]
struct Workload {
    admitted: bool,
    /// The pods that it was queued with.
    pods: i64,
    /// Whether it may be admitted (`spec.active`).
    active: bool,
}

impl Cluster {
    /// Adds a queue to the cluster's queueing system, or changes how many pods the Jobs in it may
    /// have together. Jobs that name a queue are suspended until they are admitted. Those that name
    /// none go to the queue `default`, where there is one.
    pub fn set_queue(&self, name: &str, pods: usize) {
        self.write(|state| {
            state.queues.get_or_insert_default().quotas.insert(name.to_owned(), pods as i64);
            state.settle();
        });
    }

    /// Stops a queue, as `spec.stopPolicy` of Kueue does: `Hold`, `HoldAndDrain` or `None`.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn stop_queue(&self, name: &str, policy: &str) {
        self.write(|state| {
            let stopped = &mut state.queues.get_or_insert_default().stopped;
            if policy == "None" {
                stopped.remove(name);
            } else {
                stopped.insert(name.to_owned(), policy == "HoldAndDrain");
            }
            state.settle();
        });
    }

    /// Takes the queueing system out of the cluster. What it suspended stays so.
    pub fn remove_queues(&self) {
        self.write(|state| state.queues = None);
    }

    /// Has the queueing system suspend Jobs that name no queue, too. Nothing admits them.
    pub fn queue_all_jobs(&self) {
        self.write(|state| state.queues.get_or_insert_default().takes_all = true);
    }

    /// Has the queueing system hand the Jobs of a queue to another cluster.
    pub fn dispatch_queue(&self, name: &str) {
        self.write(|state| {
            state.queues.get_or_insert_default().dispatching.push(name.to_owned());
        });
    }

    /// Says whether the queueing system may admit a Job, by its uid. One that runs is evicted if it
    /// may not.
    ///
    /// # Panics
    /// If the controllers never come to rest.
    pub fn activate(&self, uid: &str, active: bool) {
        self.write(|state| {
            let workloads = state.queues.as_mut().map(|queues| &mut queues.workloads);
            if let Some(workload) = workloads.and_then(|workloads| workloads.get_mut(uid)) {
                workload.active = active;
            }
            state.settle();
        });
    }
}

impl State {
    /// What the webhook does with a Job that is created: it suspends one that is to be queued.
    pub(crate) fn queue_new(&self, resource: &Resource, job: &mut Value) {
        let Some(queues) = self.queues.as_ref().filter(|_| resource.plural == JOBS.plural) else {
            return;
        };
        if object::label(job, QUEUE_NAME).is_none() && queues.quotas.contains_key(DEFAULT) {
            put(job, &["metadata", "labels", QUEUE_NAME], DEFAULT);
        }
        let queue = object::label(job, QUEUE_NAME).map(str::to_owned);
        if queue.is_some() || queues.takes_all {
            put(job, &["spec", "suspend"], true);
        }
        if queue.is_some_and(|queue| queues.dispatching.contains(&queue)) {
            object::put_default(job, &["spec", "managedBy"], "kueue.x-k8s.io/multikueue");
        }
    }

    /// What the webhook has against a change of a Job: the queue of one that runs, or that is being
    /// stopped, cannot change.
    pub(crate) fn check_queue(
        &self,
        resource: &Resource,
        job: &Value,
        old: &Value,
    ) -> Result<(), Status> {
        let queue = |job| object::label(job, QUEUE_NAME).unwrap_or_default();
        let is_job = self.queues.is_some() && resource.plural == JOBS.plural;
        let is_at_rest = suspended(job) && !is_stopping(job);
        if !is_job || is_at_rest || queue(job) == queue(old) {
            return Ok(());
        }
        let why = format!(
            "admission webhook \"vjob.kb.io\" denied the request: metadata.labels[{QUEUE_NAME}]: \
             Invalid value: {:?}: field is immutable",
            queue(job)
        );
        Err(Status::new(403, "Forbidden", why))
    }

    /// Takes the start of Jobs away that are evicted. That is faster than the Job controller.
    pub(super) fn keep_evicted(&mut self) {
        let Some(queues) = self.queues.take() else { return };
        for job in self.store.list(&JOBS, "") {
            let is_active = |uid| queues.workloads.get(uid).is_none_or(|known| known.active);
            let is_started = suspended(&job) && !job["status"]["startTime"].is_null();
            let is_left = object::finished(&job) || object::deleting(&job) || !queues.has(&job);
            if is_started && !is_left && !is_active(object::uid(&job)) {
                write(self, &Key::of(&job), true, json!({"status": {"startTime": null}}));
            }
        }
        self.queues = Some(queues);
    }

    /// One look at all Jobs. The Job controller is faster: it has made the pods of a Job that
    /// somebody resumed when that is undone here.
    pub(super) fn run_queues(&mut self) {
        let Some(mut queues) = self.queues.take() else { return };
        for job in self.store.list(&JOBS, "") {
            let is_queued = queues.has(&job);
            if object::finished(&job) || object::deleting(&job) {
                queues.workloads.remove(object::uid(&job));
            } else if is_queued {
                queues.look_at(self, &job);
            }
        }
        self.queues = Some(queues);
    }
}

impl Queues {
    /// Whether it decides about a Job.
    fn has(&self, job: &Value) -> bool {
        object::label(job, QUEUE_NAME).is_some() || self.takes_all
    }

    fn look_at(&mut self, state: &mut State, job: &Value) {
        let pods = count(job);
        let known = self.workloads.get(object::uid(job)).copied();
        let mut workload = known.unwrap_or(Workload { admitted: false, pods, active: true });
        let queue = object::label(job, QUEUE_NAME).unwrap_or_default();
        let is_drained = self.stopped.get(queue) == Some(&true);
        workload.admitted &= workload.pods == pods && workload.active && !is_drained;
        workload.pods = pods;
        self.workloads.insert(object::uid(job).to_owned(), workload);
        let key = Key::of(job);
        if !suspended(job) {
            if !workload.admitted {
                let stopping = json!({"metadata": {"annotations": {STOPPING: "true"}},
                    "spec": {"suspend": true}});
                write(state, &key, false, stopping);
            }
            return;
        }
        if is_stopping(job) {
            write(state, &key, true, json!({"status": {"startTime": null}}));
            // The server allows it once the Job controller has seen that the Job is suspended.
            write(state, &key, false, stopped());
            return;
        }
        if workload.admitted || self.has_room(state, job, workload) {
            workload.admitted = true;
            self.workloads.insert(object::uid(job).to_owned(), workload);
            let queue = object::label(job, QUEUE_NAME).unwrap_or_default();
            write(state, &key, false, started(&format!("job-{}", key.name), queue));
        } else if object::annotation(&job["spec"]["template"], WORKLOAD).is_some()
            && known.is_some()
        {
            write(state, &key, false, stopped());
        }
    }

    /// Whether a Job that waits may be admitted.
    fn has_room(&self, state: &State, job: &Value, workload: Workload) -> bool {
        let queue = object::label(job, QUEUE_NAME).unwrap_or_default();
        let is_open = workload.active && !self.stopped.contains_key(queue);
        let Some(quota) = self.quotas.get(queue).filter(|_| is_open) else { return false };
        let uses = |other: &Value| {
            let is_here = object::label(other, QUEUE_NAME) == Some(queue);
            let known = self.workloads.get(object::uid(other)).filter(|known| known.admitted);
            known.filter(|_| is_here && !object::finished(other)).map_or(0, |known| known.pods)
        };
        let used: i64 = state.store.list(&JOBS, "").iter().map(|other| uses(other)).sum();
        used + workload.pods <= *quota
    }
}

/// Whether a Job is being stopped.
fn is_stopping(job: &Value) -> bool {
    object::annotation(job, STOPPING) == Some("true")
}

/// The pods that a Job is queued with.
fn count(job: &Value) -> i64 {
    let parallelism = number(job, "/spec/parallelism").unwrap_or(1);
    number(job, "/spec/completions").unwrap_or(parallelism).min(parallelism)
}

/// The patch of a Job that was admitted.
fn started(workload: &str, queue: &str) -> Value {
    json!({"spec": {"suspend": false, "template": {
        "metadata": {
            "annotations": {WORKLOAD: workload},
            "labels": {"kueue.x-k8s.io/podset": "main", "kueue.x-k8s.io/local-queue-name": queue},
        },
        "spec": {"nodeSelector": {"flavor": "spot"}},
    }}})
}

/// The patch that puts back the template of a Job that was stopped.
fn stopped() -> Value {
    json!({"metadata": {"annotations": {STOPPING: null}}, "spec": {"template": {
        "metadata": {
            "annotations": {WORKLOAD: null},
            "labels": {"kueue.x-k8s.io/podset": null, "kueue.x-k8s.io/local-queue-name": null},
        },
        "spec": {"nodeSelector": {"flavor": null}},
    }}})
}

/// Writes a patch. A refused one is tried again at the next look.
fn write(state: &mut State, key: &Key, is_status: bool, patch: Value) {
    let patch = Patch::Merge(patch);
    let _ = state.patch(&JOBS, key, is_status, &patch, WriteOptions::default());
}
