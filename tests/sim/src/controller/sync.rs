//! One look at one Job, in the steps in which the real controller writes: it creates and deletes
//! pods, writes the status, takes the finalizers off the pods that are counted, and writes the
//! status again. What it knows it reads once, at the beginning; a status that somebody else has
//! changed meanwhile makes the look fail.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Held;
use super::backoff::Record;
use super::indexes::Intervals;
use super::pods::{self, Pod};
use super::policy::{self, Action};
use crate::api::{State, WriteOptions};
use crate::job::{indexed, suspended};
use crate::object::{self, finished, has_condition, items, number, put, take, text};
use crate::resource::{JOBS, PODS};
use crate::status::Status;
use crate::store::Key;

/// What a step of a look at a Job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Pods were created or deleted, or none had to be.
    Pods,
    /// The status was written, if it had to be.
    Status,
    /// Finalizers were taken off the pods that the status now counts.
    Finalizers,
    /// The status was written once more, if it had to be; the look is over.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Pods,
    Status,
    Finalizers,
    Final,
    Over,
}

/// A condition to be set.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) kind: &'static str,
    pub(super) reason: String,
    pub(super) message: String,
}

impl Condition {
    pub(super) fn new(
        kind: &'static str,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, reason: reason.into(), message: message.into() }
    }

    pub(super) fn write(&self, status: &str, now: Timestamp) -> Value {
        let mut condition = json!({
            "type": self.kind, "status": status,
            "lastProbeTime": object::time(now), "lastTransitionTime": object::time(now),
        });
        for (field, value) in [("reason", &self.reason), ("message", &self.message)] {
            if !value.is_empty() {
                condition[field] = value.as_str().into();
            }
        }
        condition
    }
}

/// One look at one Job.
#[derive(Debug)]
pub(super) struct Sync {
    stage: Stage,
    pub(super) key: Key,
    /// The Job as it was read, with the status as it is to be written.
    pub(super) job: Value,
    pub(super) pods: Vec<Pod>,
    pub(super) active_pods: Vec<Pod>,
    pub(super) active: i64,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) before_indexes: Intervals,
    pub(super) succeeded_indexes: Intervals,
    pub(super) failed_indexes: Option<Intervals>,
    /// The failed pods that are kept until they are replaced, by index.
    pub(super) kept: BTreeMap<i64, Pod>,
    pub(super) backoff: Record,
    pub(super) ending: Option<Condition>,
    pub(super) changed: bool,
    /// The name of the `PodGroup` of the Job's pods.
    pub(super) group: Option<String>,
    release: Vec<Pod>,
    tracked: HashSet<String>,
}

impl Sync {
    /// Begins a look; none where the Job is gone, has ended, or is somebody else's.
    pub(super) fn begin(state: &State, key: &Key) -> Option<Self> {
        let mut job = (**state.store.get(&JOBS, key)?).clone();
        let manager = text(&job, "/spec/managedBy");
        if finished(&job) || !matches!(manager, "" | "kubernetes.io/job-controller") {
            return None;
        }
        object::put_default(&mut job, &["status", "uncountedTerminatedPods"], json!({}));
        let uid = object::uid(&job).to_owned();
        let mine =
            |pod: &Pod| object::controller(pod).is_some_and(|owner| text(owner, "/uid") == uid);
        let pods: Vec<Pod> =
            state.store.list(&PODS, &key.namespace).into_iter().filter(mine).collect();
        let active_pods: Vec<Pod> = pods.iter().filter(|p| pods::active(p)).cloned().collect();
        Some(Self {
            stage: Stage::Pods,
            key: key.clone(),
            active: active_pods.len() as i64,
            ready: active_pods.iter().filter(|p| pods::ready(p)).count() as i64,
            terminating: pods.iter().filter(|p| pods::terminating(p)).count() as i64,
            succeeded: 0,
            failed: 0,
            before_indexes: Intervals::default(),
            succeeded_indexes: Intervals::default(),
            failed_indexes: None,
            kept: BTreeMap::new(),
            backoff: Record::default(),
            ending: None,
            changed: false,
            group: None,
            release: Vec::new(),
            tracked: pods
                .iter()
                .filter(|p| pods::tracked(p))
                .map(|p| object::uid(p).to_owned())
                .collect(),
            job,
            pods,
            active_pods,
        })
    }

    /// Does the next step.
    pub(super) fn step(&mut self, state: &mut State) -> Result<Step, Status> {
        match self.stage {
            Stage::Pods => {
                self.group(state);
                self.judge(state);
                self.manage(state);
                self.stage = Stage::Status;
                Ok(Step::Pods)
            }
            Stage::Status => {
                self.count(state.now());
                self.flush(state)?;
                self.stage = Stage::Finalizers;
                Ok(Step::Status)
            }
            Stage::Finalizers => {
                self.take_finalizers(state)?;
                self.stage = Stage::Final;
                Ok(Step::Finalizers)
            }
            Stage::Final => {
                self.stage = Stage::Over;
                if self.clean() {
                    self.changed = true;
                }
                self.finish(state);
                let ended = finished(&self.job);
                self.flush(state)?;
                if ended {
                    self.announce(state);
                }
                Ok(Step::Done)
            }
            Stage::Over => Ok(Step::Done),
        }
    }

    /// Writes the status where it has changed, under the version that was read.
    fn flush(&mut self, state: &mut State) -> Result<(), Status> {
        if self.changed {
            state.refuse(Held::Status, &JOBS, &self.key)?;
            let body = self.job.clone();
            let written = state.replace(&JOBS, &self.key, true, body, WriteOptions::default())?;
            self.job = written.object;
            object::put_default(&mut self.job, &["status", "uncountedTerminatedPods"], json!({}));
            state.controllers.backoff.insert(object::uid(&self.job).to_owned(), self.backoff);
            self.changed = false;
        }
        Ok(())
    }

    pub(super) fn status(&self, counter: &str) -> i64 {
        number(&self.job, &format!("/status/{counter}")).unwrap_or_default()
    }

    /// Sets a condition; true where that is news. A condition that was never true is not set to
    /// false.
    pub(super) fn set(&mut self, condition: &Condition, status: &str, now: Timestamp) -> bool {
        let mut list = items(&self.job, "/status/conditions").to_vec();
        match list.iter_mut().find(|c| c["type"] == condition.kind) {
            Some(old)
                if old["status"] == status
                    && text(old, "/reason") == condition.reason
                    && text(old, "/message") == condition.message =>
            {
                return false;
            }
            Some(old) => *old = condition.write(status, now),
            None if status == "False" => return false,
            None => list.push(condition.write(status, now)),
        }
        put(&mut self.job, &["status", "conditions"], list);
        true
    }

    /// Enters the pods that have ended into the status: successes of an Indexed Job by their index,
    /// all others by their uid until their finalizer is off.
    fn count(&mut self, now: Timestamp) {
        let is_indexed = indexed(&self.job);
        if is_indexed {
            self.pods.sort_by_key(|pod| pods::index(pod));
        }
        if self.clean() {
            self.changed = true;
        }
        let failing = self.ending.as_ref().is_some_and(|e| e.kind != "SuccessCriteriaMet");
        let (mut succeeded, mut failed, mut new_indexes) = (Vec::new(), Vec::new(), Vec::new());
        for pod in &self.pods {
            if !pods::tracked(pod) || !self.releasable(pod) {
                continue;
            }
            self.release.push(pod.clone());
            let (uid, valid) = (object::uid(pod), pods::valid_index(pod, &self.job));
            if pods::phase(pod) == "Succeeded" && !self.uncounted_as("failed", uid) {
                if is_indexed {
                    new_indexes.extend(valid.filter(|index| !self.before_indexes.has(*index)));
                } else if !self.uncounted_as("succeeded", uid) {
                    succeeded.push(Value::from(uid));
                }
            } else if (failing || pods::failed(pod, &self.job))
                && !self.uncounted_as("failed", uid)
                && (!is_indexed || valid.is_some())
                && policy::counts(&self.job, pod)
            {
                failed.push(Value::from(uid));
            }
        }
        self.changed |= !(succeeded.is_empty() && failed.is_empty() && new_indexes.is_empty());
        for (list, new) in [("succeeded", succeeded), ("failed", failed)] {
            if !new.is_empty() {
                let mut all =
                    items(&self.job, &format!("/status/uncountedTerminatedPods/{list}")).to_vec();
                all.extend(new);
                put(&mut self.job, &["status", "uncountedTerminatedPods", list], all);
            }
        }
        if is_indexed {
            self.enter_indexes(new_indexes);
        }
        self.enter_ending(now);
    }

    fn uncounted_as(&self, list: &str, uid: &str) -> bool {
        items(&self.job, &format!("/status/uncountedTerminatedPods/{list}"))
            .iter()
            .any(|u| u == uid)
    }

    /// Whether a pod's finalizer may go.
    fn releasable(&self, pod: &Pod) -> bool {
        if object::deleting(&self.job) || self.ending.is_some() || pods::phase(pod) == "Succeeded" {
            return true;
        }
        let kept =
            |index| self.kept.get(&index).is_some_and(|k| object::uid(k) == object::uid(pod));
        pods::failed(pod, &self.job) && !pods::index(pod).is_some_and(kept)
    }

    fn enter_indexes(&mut self, new: Vec<i64>) {
        self.succeeded_indexes = self.succeeded_indexes.with(new);
        let list = self.succeeded_indexes.to_string();
        if list != text(&self.job, "/status/completedIndexes") {
            self.changed = true;
        }
        put(&mut self.job, &["status", "succeeded"], self.succeeded_indexes.total());
        put(&mut self.job, &["status", "completedIndexes"], list);
        let failed = self.failed_indexes.as_ref().map_or(Value::Null, |f| f.to_string().into());
        if self.job["status"]["failedIndexes"] != failed {
            self.changed = true;
            if failed.is_null() {
                take(&mut self.job, &["status", "failedIndexes"]);
            } else {
                put(&mut self.job, &["status", "failedIndexes"], failed);
            }
        }
    }

    /// Writes down that the Job is about to end before any finalizer goes, and turns to the
    /// condition it ends with.
    fn enter_ending(&mut self, now: Timestamp) {
        let Some(ending) = self.ending.clone() else { return };
        let end = match ending.kind {
            "SuccessCriteriaMet" => "Complete",
            "FailureTarget" => "Failed",
            _ => return,
        };
        if !has_condition(&self.job, ending.kind, "True") {
            let mut list = items(&self.job, "/status/conditions").to_vec();
            list.push(ending.write("True", now));
            put(&mut self.job, &["status", "conditions"], list);
            self.changed = true;
        }
        self.ending = Some(Condition { kind: end, ..ending });
    }

    fn take_finalizers(&mut self, state: &mut State) -> Result<(), Status> {
        for pod in std::mem::take(&mut self.release) {
            state.release(&Key::of(&pod))?;
            self.tracked.remove(object::uid(&pod));
        }
        Ok(())
    }

    /// Counts the pods whose finalizers are off. True where there were any.
    fn clean(&mut self) -> bool {
        let mut any = false;
        for counter in ["succeeded", "failed"] {
            let list =
                items(&self.job, &format!("/status/uncountedTerminatedPods/{counter}")).to_vec();
            let left: Vec<Value> = list
                .iter()
                .filter(|u| u.as_str().is_some_and(|u| self.tracked.contains(u)))
                .cloned()
                .collect();
            if left.len() == list.len() {
                continue;
            }
            any = true;
            let count = self.status(counter) + (list.len() - left.len()) as i64;
            put(&mut self.job, &["status", counter], count);
            if left.is_empty() {
                take(&mut self.job, &["status", "uncountedTerminatedPods", counter]);
            } else {
                put(&mut self.job, &["status", "uncountedTerminatedPods", counter], left);
            }
        }
        any
    }

    /// Sets the condition that the Job ends with, once all its pods are counted and gone.
    fn finish(&mut self, state: &State) {
        let now = state.now();
        let Some(ending) = self.ending.clone() else { return };
        let uncounted = ["succeeded", "failed"].iter().any(|list| {
            !items(&self.job, &format!("/status/uncountedTerminatedPods/{list}")).is_empty()
        });
        if uncounted || (state.kubernetes.announces_ends() && self.terminating > 0) {
            return;
        }
        self.set(&ending, "True", now);
        if ending.kind == "Complete" {
            put(&mut self.job, &["status", "completionTime"], object::time(now));
        }
        self.changed = true;
    }

    fn announce(&self, state: &mut State) {
        state.controllers.backoff.remove(object::uid(&self.job));
        let Some(ending) = &self.ending else { return };
        if ending.kind == "Complete" {
            if number(&self.job, "/spec/completions")
                .is_some_and(|wanted| self.status("succeeded") > wanted)
            {
                let why = "Too many succeeded pods running after completion count reached";
                state.record(&self.job, "Warning", "TooManySucceededPods", why);
            }
            state.record(&self.job, "Normal", "Completed", "Job completed");
        } else {
            state.record(&self.job, "Warning", &ending.reason, &ending.message);
        }
    }

    /// Whether the Job wants no pods for now.
    pub(super) fn paused(&self) -> bool {
        suspended(&self.job)
    }

    /// The reason to fail that a pod failure policy gives, if any.
    pub(super) fn policy_failure(&self) -> Option<String> {
        let failed = self.pods.iter().filter(|p| pods::failed(p, &self.job));
        failed.map(|p| policy::action(&self.job, p)).find_map(|action| match action {
            Action::FailJob(why) => Some(why),
            _ => None,
        })
    }
}
