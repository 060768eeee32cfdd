//! One cluster of the model: Jobs with their pods, and a Job controller that does what Kubernetes'
//! controller does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kubectl_federate::job::{
    End, EndKind, Indexes, Manifest, Observed, Ownership, Pod, Spec, credit,
    pod::Phase::{self, Failed, Pending, Running, Succeeded},
};
use serde_json::json;

use super::Loss;

/// A cluster.
#[derive(Debug, Default)]
pub struct Member {
    /// The Jobs by name.
    pub jobs: BTreeMap<String, Job>,
    /// What a stale list contains.
    pub old: Vec<Observed>,
    pub unreachable: bool,
    pub loss: Option<Loss>,
    /// Whether its Job controller is stopped.
    pub stalled: bool,
}

/// A Job as its API server has it, its pods, and facts that no server knows.
#[derive(Debug, Clone)]
pub struct Job {
    pub seen: Observed,
    pub pods: Vec<Pod>,
    /// The end that it is about to reach.
    pub target: Option<End>,
    /// The number of its pods that succeeded and were counted, without credits.
    pub done: i32,
    /// The same of an Indexed Job, as indexes.
    pub done_indexes: Indexes,
    /// How often the pods of an index may fail and be replaced, where that is counted per index.
    per_index: Option<i32>,
    /// Somebody else made it.
    pub foreign: bool,
    /// Whether its Job controller made it fail.
    pub gave_up: bool,
    /// Users suspended or resumed it.
    pub touched: bool,
}

impl Job {
    /// The Job of a shard that was just created.
    pub fn new(
        name: &str,
        uid: String,
        owner: Option<Ownership>,
        manifest: &Manifest,
        own: &Spec,
    ) -> Self {
        let mut seen = Observed::from_object(&json!({"metadata": {"name": name, "uid": uid}}));
        seen.owner = owner;
        seen.generation = if manifest.suspended() { own.generation } else { 0 };
        seen.suspended = true;
        seen.parallelism = own.parallelism;
        seen.backoff_limit = own.backoff_limit.or(manifest.backoff_limit()).or(Some(i32::MAX));
        seen.max_failed_indexes = own.max_failed_indexes.or(manifest.max_failed_indexes());
        seen.completions = own.completions;
        seen.indexed = manifest.indexed();
        let per_index = manifest.object()["spec"]["backoffLimitPerIndex"].as_i64();
        let per_index = per_index.and_then(|limit| i32::try_from(limit).ok());
        seen.backoff_limit_per_index = per_index;
        Self {
            seen,
            pods: Vec::new(),
            target: None,
            done: 0,
            done_indexes: Indexes::default(),
            per_index,
            foreign: false,
            gave_up: false,
            touched: false,
        }
    }

    pub fn active(&self) -> i32 {
        count(self.pods.iter().filter(|pod| pod.active()))
    }

    /// Whether it is quiet: it is suspended, and neither it nor its pods change.
    pub fn is_still(&self) -> bool {
        let quiet = self.seen.quiet() || self.seen.untouched();
        self.seen.takes_credit() && quiet && credit::moving(&self.seen, &self.pods) == 0
    }

    /// The indexes of its pods that run.
    pub fn active_indexes(&self) -> Indexes {
        self.pods.iter().filter(|pod| pod.active()).filter_map(|pod| pod.index).collect()
    }

    /// One of its pods ends. The Job controller has not seen that yet.
    pub fn pod_becomes(&mut self, n: usize, phase: Phase) {
        let mut pods: Vec<&mut Pod> = self.pods.iter_mut().filter(|pod| pod.active()).collect();
        let many = pods.len().max(1);
        if let Some(pod) = pods.get_mut(n % many) {
            pod.phase = phase;
        }
    }

    pub fn all_pods_become(&mut self, phase: Phase) {
        self.pods.iter_mut().filter(|pod| pod.active()).for_each(|pod| pod.phase = phase);
    }

    /// The Job controller syncs it.
    pub fn sync(&mut self, now: Timestamp) {
        if self.seen.end.is_some() || self.seen.deleting {
            return;
        }
        if !self.seen.suspended {
            self.seen.start.get_or_insert(now);
        }
        self.count();
        self.judge(now);
        if self.seen.end.is_none() && self.target.is_none() {
            if self.seen.suspended && !self.seen.suspension_seen {
                self.seen.start = None;
            }
            self.seen.suspension_seen = self.seen.suspended;
            self.make_pods();
        }
        self.seen.active = self.active();
        self.seen.ready =
            count(self.pods.iter().filter(|pod| pod.active() && pod.phase == Running));
        self.seen.terminating = count(self.pods.iter().filter(|pod| pod.deleting));
    }

    /// Counts pods that ended. Pods that were stopped are not counted.
    fn count(&mut self) {
        for pod in std::mem::take(&mut self.pods) {
            match (pod.deleting, pod.phase) {
                (true, _) => {}
                (_, Pending | Running) => self.pods.push(pod),
                (_, Succeeded) => self.succeeded(pod.index),
                // It is counted once it has a successor, which it tells how often its index failed.
                (_, Failed) if credit::awaits_successor(&self.seen, &pod) => self.pods.push(pod),
                (_, Failed) => {
                    self.seen.failed += 1;
                    if self.per_index.is_some() {
                        let failed = pod.index.into_iter().collect();
                        self.seen.failed_indexes = self.seen.failed_indexes.with(&failed);
                    }
                }
            }
        }
    }

    fn succeeded(&mut self, index: Option<i32>) {
        self.done += 1;
        if let Some(index) = index {
            let completed = &self.seen.completed_indexes;
            assert!(!completed.contains(index), "an index that was credited has run: {self:?}");
            self.done_indexes = self.done_indexes.with(&[index].into_iter().collect());
            self.seen.completed_indexes = completed.with(&[index].into_iter().collect());
            self.seen.succeeded = self.seen.completed_indexes.len();
        } else {
            self.seen.succeeded += 1;
        }
        let most = self.seen.completions.unwrap_or(i32::MAX);
        assert!(self.seen.succeeded <= most, "more is credited than there was: {self:?}");
    }

    /// Ends it if it has failed or all its work is done. A server does not let a Job end that has
    /// no `startTime`.
    fn judge(&mut self, now: Timestamp) {
        let failed = |reason: &str| Some(end(EndKind::Failed, reason, now));
        let Observed { succeeded, completions, backoff_limit, max_failed_indexes, .. } = self.seen;
        let failed_indexes = &self.seen.failed_indexes;
        let reached = match completions {
            Some(asked) if self.seen.indexed => Indexes::all(asked)
                .without(&self.seen.completed_indexes)
                .without(failed_indexes)
                .is_empty(),
            Some(asked) => succeeded >= asked,
            None => succeeded > 0 && self.active() == 0,
        };
        if self.target.is_none() {
            self.target = if backoff_limit.is_some_and(|limit| self.seen.failed > limit) {
                failed("BackoffLimitExceeded")
            } else if max_failed_indexes.is_some_and(|limit| failed_indexes.len() > limit) {
                failed("MaxFailedIndexesExceeded")
            } else if reached && !failed_indexes.is_empty() {
                failed("FailedIndexes")
            } else {
                None
            };
            self.gave_up |= self.target.is_some();
            self.seen.ending |= self.target.is_some();
        }
        if self.target.is_none() && reached {
            assert_eq!(self.active(), 0, "a credit kills pods that run: {self:?}");
            self.target = Some(end(EndKind::Complete, "CompletionsReached", now));
        }
        if self.target.is_none() {
            return;
        }
        if !self.seen.suspended {
            self.seen.failed += self.active();
        }
        self.stop(usize::MAX);
        let before = self.pods.len();
        self.pods.retain(|pod| pod.phase != Failed);
        self.seen.failed += i32::try_from(before - self.pods.len()).expect("few");
        if self.pods.is_empty() && self.seen.start.is_some() {
            self.seen.end = self.target.take();
        }
    }

    /// Starts and stops pods, before the status says so.
    pub fn make_pods(&mut self) {
        if self.seen.end.is_some() || self.seen.deleting || self.target.is_some() {
            return;
        }
        if self.seen.suspended {
            return self.stop(usize::MAX);
        }
        let active = self.active();
        let parallelism = self.seen.parallelism;
        let free = self.free_indexes();
        let ended = count(self.pods.iter().filter(|pod| pod.ended()));
        let wanted = match self.seen.completions {
            Some(_) if self.seen.indexed => {
                let completed = &self.seen.completed_indexes;
                assert!(
                    completed.both(&self.active_indexes()).is_empty(),
                    "a running index is credited: {self:?}"
                );
                parallelism.min(active + free.len())
            }
            Some(asked) => {
                let left = asked - self.seen.succeeded - ended;
                assert!(active <= left, "a credit kills pods that run: {self:?}");
                parallelism.min(left)
            }
            None if self.seen.succeeded + ended > 0 => parallelism.min(active),
            None => parallelism,
        };
        self.stop(usize::try_from(active - wanted).unwrap_or(0));
        let (own, _) = free.split(wanted - active);
        for n in 0..own.len().max(if self.seen.indexed { 0 } else { wanted - active }) {
            let index = self.seen.indexed.then(|| own.split(n + 1).0.tail(1).to_string());
            let index = index.and_then(|index| index.parse().ok());
            let name = self.seen.name.clone();
            let before = self.pods.iter().position(|pod| index.is_some() && pod.index == index);
            let before = before.map(|place| self.pods.remove(place));
            self.seen.failed += i32::from(before.is_some());
            self.pods.push(Pod {
                index_failures: before.map_or(0, |pod| pod.index_failures + 1),
                name,
                index,
                tracked: true,
                phase: Pending,
                deleting: false,
                resource_version: String::new(),
            });
        }
    }

    fn free_indexes(&self) -> Indexes {
        let Some(asked) = self.seen.completions.filter(|_| self.seen.indexed) else {
            return Indexes::default();
        };
        let ended = self.pods.iter().filter(|pod| {
            let is_judged = self.per_index.is_none() || credit::awaits_successor(&self.seen, pod);
            pod.phase != Failed || !is_judged
        });
        let taken: Indexes = ended.filter_map(|pod| pod.index).collect();
        let gone = self.seen.completed_indexes.with(&self.seen.failed_indexes).with(&taken);
        Indexes::all(asked).without(&gone)
    }

    /// Stops some of the pods, those first that do not run yet.
    fn stop(&mut self, many: usize) {
        let mut pods: Vec<&mut Pod> = self.pods.iter_mut().filter(|pod| pod.active()).collect();
        pods.sort_by_key(|pod| pod.phase == Running);
        for pod in pods.into_iter().take(many) {
            (pod.deleting, pod.tracked) = (true, false);
        }
    }
}

pub fn end(kind: EndKind, reason: &str, at: Timestamp) -> End {
    End { kind, reason: reason.to_owned(), message: "a message".to_owned(), at: Some(at) }
}

fn count<'a>(pods: impl Iterator<Item = &'a Pod>) -> i32 {
    i32::try_from(pods.count()).unwrap_or(i32::MAX)
}
