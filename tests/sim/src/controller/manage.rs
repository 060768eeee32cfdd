//! The first step of a look at a Job: is it about to end, and which pods does it want?

use std::time::Duration;

use serde_json::json;

use super::Held;
use super::backoff;
use super::indexes::Intervals;
use super::pods::{self, FAILURES, IGNORED, Pod};
use super::policy::{self, Action};
use super::sync::{Condition, Sync};
use crate::api::{DeleteOptions, Propagation, State, WriteOptions};
use crate::clock::later;
use crate::job::indexed;
use crate::object::{self, has_condition, items, moment, number, put, take, text};
use crate::resource::{PODS, Resource};
use crate::status::Status;
use crate::store::Key;
use crate::version::Version;

/// At most so many pods are created or deleted at one look.
const MOST_PODS: usize = 500;

/// The condition that a failure brings first.
fn failure(version: Version) -> &'static str {
    if version.announces_ends() { "FailureTarget" } else { "Failed" }
}

/// The condition that the last success brings first.
fn success(version: Version) -> Condition {
    if version.announces_ends() {
        let why = "Reached expected number of succeeded pods";
        Condition::new("SuccessCriteriaMet", "CompletionsReached", why)
    } else {
        Condition::new("Complete", "", "")
    }
}

impl Sync {
    /// Counts what the pods have done since the last look, and decides whether the Job is about to
    /// end.
    pub(super) fn judge(&mut self, state: &mut State) {
        let now = state.now();
        let new = |sync: &Self, list: &str, test: &dyn Fn(&Pod) -> bool| -> Vec<Pod> {
            let counted = items(&sync.job, &format!("/status/uncountedTerminatedPods/{list}"));
            let fresh = |pod: &&Pod| {
                pods::tracked(pod)
                    && !counted.iter().any(|u| u == object::uid(pod))
                    && (!indexed(&sync.job) || pods::valid_index(pod, &sync.job).is_some())
                    && test(pod)
            };
            sync.pods.iter().filter(fresh).cloned().collect()
        };
        let succeeded = new(self, "succeeded", &|pod| pods::phase(pod) == "Succeeded");
        let failed = new(self, "failed", &|pod| pods::failed(pod, &self.job));
        let uncounted = |list: &str| {
            items(&self.job, &format!("/status/uncountedTerminatedPods/{list}")).len() as i64
        };
        let counted = failed.iter().filter(|p| policy::counts(&self.job, p)).count() as i64;
        self.succeeded = self.status("succeeded") + succeeded.len() as i64 + uncounted("succeeded");
        self.failed = self.status("failed") + counted + uncounted("failed");
        if self.job["status"]["startTime"].is_null() && !self.paused() {
            put(&mut self.job, &["status", "startTime"], object::time(now));
        }
        let record =
            state.controllers.backoff.get(object::uid(&self.job)).copied().unwrap_or_default();
        self.backoff = record.after(&succeeded, &failed);
        self.ending = self.told_to_end().or_else(|| self.beyond_limits(state));
        if indexed(&self.job) {
            self.judge_indexes(state.kubernetes);
        }
    }

    /// The ending that the status already holds, or that a pod failure policy asks for.
    fn told_to_end(&self) -> Option<Condition> {
        let held = |kind: &'static str, becomes: &'static str| {
            let list = items(&self.job, "/status/conditions");
            let found = list.iter().find(|c| c["type"] == kind && c["status"] == "True")?;
            Some(Condition::new(becomes, text(found, "/reason"), text(found, "/message")))
        };
        held("SuccessCriteriaMet", "SuccessCriteriaMet")
            .or_else(|| held("FailureTarget", "Failed"))
            .or_else(|| {
                self.policy_failure()
                    .map(|why| Condition::new("FailureTarget", "PodFailurePolicy", why))
            })
    }

    fn beyond_limits(&self, state: &mut State) -> Option<Condition> {
        let limit = number(&self.job, "/spec/backoffLimit").unwrap_or(6);
        let kind = failure(state.kubernetes);
        if self.failed > limit || self.restarted_too_often(limit) {
            let why = "Job has reached the specified backoff limit";
            return Some(Condition::new(kind, "BackoffLimitExceeded", why));
        }
        let deadline =
            number(&self.job, "/spec/activeDeadlineSeconds").filter(|_| !self.paused())?;
        let start = moment(&self.job, "/status/startTime")?;
        let end = later(start, Duration::from_secs(deadline.max(0) as u64));
        if end <= state.now() {
            let why = "Job was active longer than specified deadline";
            return Some(Condition::new(kind, "DeadlineExceeded", why));
        }
        state.controllers.look_again(end);
        None
    }

    /// Whether containers that are restarted in their pods have used up the limit.
    fn restarted_too_often(&self, limit: i64) -> bool {
        if text(&self.job, "/spec/template/spec/restartPolicy") != "OnFailure" {
            return false;
        }
        let restarts: i64 = self
            .pods
            .iter()
            .filter(|p| matches!(pods::phase(p), "Running" | "Pending"))
            .flat_map(|p| {
                items(p, "/status/containerStatuses")
                    .iter()
                    .chain(items(p, "/status/initContainerStatuses"))
            })
            .filter_map(|status| number(status, "/restartCount"))
            .sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    fn judge_indexes(&mut self, version: Version) {
        let completions = number(&self.job, "/spec/completions").unwrap_or_default();
        self.before_indexes =
            Intervals::parse(text(&self.job, "/status/completedIndexes"), completions);
        let new = self
            .pods
            .iter()
            .filter(|p| pods::phase(p) == "Succeeded" && pods::tracked(p))
            .filter_map(|p| pods::valid_index(p, &self.job));
        self.succeeded_indexes = self.before_indexes.with(new);
        self.succeeded = self.succeeded_indexes.total();
        if let Some(limit) = number(&self.job, "/spec/backoffLimitPerIndex") {
            self.judge_failed_indexes(version, limit, completions);
        }
        if self.ending.is_none()
            && let Some(why) = policy::success(&self.job, &self.succeeded_indexes)
        {
            self.ending = Some(Condition::new("SuccessCriteriaMet", "SuccessPolicy", why));
        }
    }

    fn judge_failed_indexes(&mut self, version: Version, limit: i64, completions: i64) {
        let used_up = |pod: &&Pod| {
            pods::tracked(pod)
                && pods::failed(pod, &self.job)
                && match policy::action(&self.job, pod) {
                    Action::FailIndex => true,
                    Action::Ignore => false,
                    _ => i64::from(pods::failures(pod, FAILURES)) >= limit,
                }
        };
        let new = self.pods.iter().filter(used_up).filter_map(|p| pods::valid_index(p, &self.job));
        let failed =
            Intervals::parse(text(&self.job, "/status/failedIndexes"), completions).with(new);
        if self.ending.is_none() {
            let most = number(&self.job, "/spec/maxFailedIndexes");
            if most.is_some_and(|most| failed.total() > most) {
                let why = "Job has exceeded the specified maximal number of failed indexes";
                self.ending =
                    Some(Condition::new(failure(version), "MaxFailedIndexesExceeded", why));
            } else if failed.total() > 0
                && failed.total() + self.succeeded_indexes.total() >= completions
            {
                let why = "Job has failed indexes";
                self.ending = Some(Condition::new(failure(version), "FailedIndexes", why));
            }
        }
        let active: Vec<i64> = self.active_pods.iter().filter_map(|p| pods::index(p)).collect();
        let progress = |pod: &Pod| {
            (
                pods::failures(pod, FAILURES) + pods::failures(pod, IGNORED),
                backoff::finish_time(pod),
            )
        };
        for pod in self.pods.iter().filter(|p| pods::tracked(p) && pods::failed(p, &self.job)) {
            let Some(index) = pods::valid_index(pod, &self.job) else { continue };
            if self.succeeded_indexes.has(index) || failed.has(index) || active.contains(&index) {
                continue;
            }
            if self.kept.get(&index).is_none_or(|kept| progress(kept) <= progress(pod)) {
                self.kept.insert(index, pod.clone());
            }
        }
        self.failed_indexes = Some(failed);
    }

    /// Creates and deletes pods.
    pub(super) fn manage(&mut self, state: &mut State) {
        let now = state.now();
        let mut condition_changed = false;
        if self.ending.is_some() {
            for pod in self.active_pods.clone() {
                self.delete(state, &pod);
            }
        } else {
            let managed = !object::deleting(&self.job);
            if managed {
                self.bring_to_size(state);
            }
            let complete = match number(&self.job, "/spec/completions") {
                None => self.succeeded > 0 && self.active == 0,
                Some(completions) => self.succeeded >= completions && self.active == 0,
            };
            if complete {
                self.ending = Some(success(state.kubernetes));
            } else if managed && self.paused() {
                condition_changed = self.set(
                    &Condition::new("Suspended", "JobSuspended", "Job suspended"),
                    "True",
                    now,
                );
                if condition_changed {
                    state.record(&self.job, "Normal", "Suspended", "Job suspended");
                    if state.kubernetes.frees_suspended_jobs() {
                        take(&mut self.job, &["status", "startTime"]);
                    }
                }
            } else if managed {
                condition_changed = self.set(
                    &Condition::new("Suspended", "JobResumed", "Job resumed"),
                    "False",
                    now,
                );
                if condition_changed {
                    state.record(&self.job, "Normal", "Resumed", "Job resumed");
                    put(&mut self.job, &["status", "startTime"], object::time(now));
                }
            }
        }
        let same = self.status("active") == self.active
            && self.job["status"]["ready"] == self.ready
            && self.job["status"]["terminating"] == self.terminating;
        self.changed |= condition_changed || !same;
        for (counter, value) in
            [("active", self.active), ("ready", self.ready), ("terminating", self.terminating)]
        {
            put(&mut self.job, &["status", counter], value);
        }
    }

    fn bring_to_size(&mut self, state: &mut State) {
        let parallelism = number(&self.job, "/spec/parallelism").unwrap_or(1);
        let wanted = match number(&self.job, "/spec/completions") {
            _ if self.paused() => 0,
            None if self.succeeded > 0 => self.active,
            None => parallelism,
            Some(completions) => (completions - self.succeeded).min(parallelism).max(0),
        };
        let at_least = (self.active - wanted).max(0) as usize;
        let mut surplus = pods::surplus(&self.job, &self.active_pods, at_least);
        if !self.paused() {
            surplus.truncate(MOST_PODS);
        }
        if !surplus.is_empty() || self.paused() {
            for pod in surplus {
                if state.release(&Key::of(&pod)).is_ok() {
                    self.delete(state, &pod);
                }
            }
            return;
        }
        let ending = if pods::replaces_failed_only(&self.job) { self.terminating } else { 0 };
        let missing = (wanted - ending - self.active).max(0) as usize;
        if missing > 0 {
            self.create(state, missing.min(MOST_PODS));
        }
    }

    fn delete(&mut self, state: &mut State, pod: &Pod) {
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            ..DeleteOptions::default()
        };
        if state.delete(&PODS, &Key::of(pod), &options).is_ok() {
            let message = format!("Deleted pod: {}", object::name(pod));
            state.record(&self.job, "Normal", "SuccessfulDelete", &message);
        }
        self.active -= 1;
        if state.kubernetes.counts_deletions_at_once() {
            self.terminating += 1;
            self.ready -= i64::from(pods::ready(pod));
        }
    }

    fn create(&mut self, state: &mut State, count: usize) {
        let now = state.now();
        let per_index = !self.job["spec"]["backoffLimitPerIndex"].is_null();
        if !per_index && let Some(until) = self.backoff.until(now) {
            state.controllers.look_again(until);
            self.wait(state.kubernetes);
            return;
        }
        let indexes: Vec<Option<i64>> = if indexed(&self.job) {
            let mut indexes = self.pending_indexes(count);
            if per_index {
                indexes.retain(|index| self.may_create(state, *index));
                if indexes.is_empty() {
                    self.wait(state.kubernetes);
                }
            }
            indexes.into_iter().map(Some).collect()
        } else {
            vec![None; count]
        };
        let refused = state.controllers.refused.get(object::uid(&self.job));
        if let Some(until) = refused.copied().filter(|until| *until > now) {
            state.controllers.look_again(until);
            return;
        }
        for index in indexes {
            let replaced = index.and_then(|index| self.kept.get(&index));
            let mut pod = pods::make(&self.job, index, replaced.map(|p| &**p));
            if let Some(group) = &self.group {
                put(&mut pod, &["spec", "schedulingGroup", "podGroupName"], group.as_str());
            }
            match state.create(&PODS, &self.key.namespace, pod, WriteOptions::default()) {
                Ok(written) => {
                    self.active += 1;
                    let message = format!("Created pod: {}", object::name(&written.object));
                    state.record(&self.job, "Normal", "SuccessfulCreate", &message);
                }
                Err(refusal) => {
                    let message = format!("Error creating: {refusal}");
                    state.record(&self.job, "Warning", "FailedCreate", &message);
                    let until = later(now, Duration::from_secs(10));
                    state.controllers.refused.insert(object::uid(&self.job).to_owned(), until);
                    state.controllers.look_again(until);
                    return;
                }
            }
        }
    }

    /// Creates nothing for now.
    fn wait(&mut self, version: Version) {
        if !version.counts_active_in_backoff() {
            self.active = 0;
        }
    }

    /// The first indexes that are neither done nor being done.
    fn pending_indexes(&self, count: usize) -> Vec<i64> {
        let completions = number(&self.job, "/spec/completions").unwrap_or_default();
        let busy = |pod: &&Pod| {
            pods::active(pod) || (pods::replaces_failed_only(&self.job) && pods::terminating(pod))
        };
        let taken = self.pods.iter().filter(busy).filter_map(|p| pods::index(p));
        let mut taken = self.succeeded_indexes.with(taken);
        if let Some(failed) = &self.failed_indexes {
            taken = taken.and(failed);
        }
        taken.first_missing(count, completions)
    }

    /// Whether an index has waited long enough since its last failure.
    fn may_create(&self, state: &mut State, index: i64) -> bool {
        let Some(failed) = self.kept.get(&index) else { return true };
        let count = pods::failures(failed, FAILURES) + pods::failures(failed, IGNORED) + 1;
        let Some(until) = backoff::until(count, backoff::finish_time(failed), state.now()) else {
            return true;
        };
        state.controllers.look_again(until);
        false
    }
}

impl State {
    /// Takes the tracking finalizer off a pod; a pod that is being deleted and that nothing else
    /// holds goes away.
    pub(super) fn release(&mut self, key: &Key) -> Result<(), Status> {
        if !self.store.get(&PODS, key).is_some_and(|pod| pods::tracked(pod)) {
            return Ok(());
        }
        self.refuse(Held::Finalizers, &PODS, key)?;
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [pods::TRACKING]}});
        let patch = crate::api::Patch::Strategic(patch);
        self.patch(&PODS, key, false, &patch, WriteOptions::default()).map(drop)
    }

    /// Refuses the Job controller a write that a test holds back.
    pub(super) fn refuse(&self, write: Held, resource: &Resource, key: &Key) -> Result<(), Status> {
        if self.controllers.held == Some(write) {
            return Err(Status::forbidden(resource, &key.name, "a test holds it back"));
        }
        Ok(())
    }

    /// Takes the tracking finalizer off the pods that no unfinished Job tracks.
    pub(super) fn release_orphans(&mut self) {
        for pod in self.store.list(&PODS, "").into_iter().filter(|p| pods::tracked(p)) {
            let tracked = object::controller(&pod).is_some_and(|owner| {
                let key = Key::new(object::namespace(&pod), text(owner, "/name"));
                let job = self.store.get(&crate::resource::JOBS, &key);
                text(owner, "/kind") != "Job"
                    || job.is_some_and(|job| {
                        object::uid(job) == text(owner, "/uid")
                            && !has_condition(job, "Complete", "True")
                            && !has_condition(job, "Failed", "True")
                    })
            });
            if !tracked {
                let _ = self.release(&Key::of(&pod));
            }
        }
    }
}
