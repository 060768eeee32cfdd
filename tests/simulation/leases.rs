//! What must hold of leases: nobody is asked before their work moves, so nothing of it may run any
//! more by then.

use jiff::Timestamp;
use serde_json::Value;
use sim::Cluster;

use super::evidence::ShardKey;
use super::knowledge::Knowledge;
use super::work::Job;

/// What a Job and its pods say about how long they may run.
#[derive(Debug, Default)]
pub struct Reach {
    /// How many of its pods are on a node and have not ended.
    pub running: usize,
    /// When its cluster says that it started.
    start: Option<Timestamp>,
    /// Until when it was to run by the last start that its cluster has told.
    ends: Option<i64>,
    /// Its `activeDeadlineSeconds`.
    deadline: Option<i64>,
    /// Whether its pods have one, too.
    pub bounds_pods: bool,
}

impl Reach {
    /// Takes over what the Job says.
    pub fn see(&mut self, job: &Value) {
        self.start = job["status"]["startTime"].as_str().and_then(|start| start.parse().ok());
        self.deadline = job["spec"]["activeDeadlineSeconds"].as_i64();
        self.bounds_pods = !job["spec"]["template"]["spec"]["activeDeadlineSeconds"].is_null();
        self.ends = self.until().or(self.ends);
    }

    /// Whether its own deadline has ended a pod after that of the Job.
    pub fn outlasts(&self, pod: &Value) -> bool {
        let status = &pod["status"];
        let at = &status["containerStatuses"][0]["state"]["terminated"]["finishedAt"];
        let at = at.as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let is_by_deadline = status["reason"] == "DeadlineExceeded" && self.bounds_pods;
        is_by_deadline && at.zip(self.ends).is_some_and(|(at, ends)| at.as_second() >= ends)
    }

    /// Until when it may start pods, by the clock of its cluster. None where that is not bounded.
    fn until(&self) -> Option<i64> {
        Some(self.start?.as_second() + self.deadline?).filter(|_| self.bounds_pods)
    }
}

/// Whether a pod that no node has may get one: the scheduler of a cluster whose Job controller
/// stands still starts none after the deadline of the Job, or once somebody has deleted a Job that
/// had one, though a real one may.
pub fn may_start(cluster: &Cluster, pod: &Value) -> bool {
    let (Some(namespace), Some(owner)) = (
        pod["metadata"]["namespace"].as_str(),
        pod["metadata"]["ownerReferences"][0]["name"].as_str(),
    ) else {
        return false;
    };
    let Some(job) = cluster.get(&sim::JOBS, namespace, owner) else {
        return pod["spec"]["activeDeadlineSeconds"].is_null();
    };
    let mut reach = Reach::default();
    reach.see(&job);
    reach.until().is_none_or(|until| until > cluster.now().as_second())
}

impl Knowledge {
    /// A shard was given up, and nobody has declared its cluster lost: only a lease allows that, and
    /// only once nothing of the shard runs (G8).
    pub fn check_expiry(&mut self, key: ShardKey, shard: &Value) -> Option<String> {
        if self.expired.contains(&key) {
            return None;
        }
        let id = &key.1;
        if shard["lease"].is_null() {
            return Some(format!("G8: shard {id} is given up, nobody has asked for it: {shard}"));
        }
        let mut jobs = self
            .jobs
            .iter()
            .filter(|(uid, job)| job.shard == key && !self.restarted_by_users.contains(*uid));
        if let Some((_, job)) = jobs.find(|(_, job)| job.may_run(self.times[job.place])) {
            let reach = &job.lease;
            return Some(format!("G8: shard {id} is given up, and may run: {reach:?} {shard}"));
        }
        self.expired.insert(key);
        None
    }

    /// Nothing of a shard runs after its lease was over (G8).
    pub fn check_expired(&mut self, place: usize) {
        let is_restarted = |uid: &String| self.restarted_by_users.contains(uid);
        let late = self.jobs.iter().find(|(uid, job)| {
            job.place == place
                && job.lease.running > 0
                && !is_restarted(uid)
                && self.expired.contains(&job.shard)
        });
        if let Some((_, job)) = late {
            let what = format!("G8: pods of shard {} run though its lease is over", job.shard.1);
            self.accuse(|| what);
        }
    }
}

impl Job {
    /// Whether a pod of it runs, or may be started at this time of its cluster.
    fn may_run(&self, now: Timestamp) -> bool {
        let starts = !(self.over || self.gone || self.lost || self.suspended);
        let is_within = self.lease.until().is_none_or(|until| until > now.as_second());
        (self.lease.running > 0 && !self.lost) || (starts && is_within)
    }
}
