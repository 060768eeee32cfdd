//! What a test does by hand: a look at a Job step by step, and the kubelet's part.

use serde_json::Value;

use super::pods;
use super::sync::{Step, Sync};
use crate::api::DeleteOptions;
use crate::cluster::Cluster;
use crate::object;
use crate::resource::PODS;
use crate::status::Status;
use crate::store::Key;

/// One look of the Job controller at one Job, which a test does step by step: what happens between
/// two steps is what the real controller does not see in time.
#[derive(Debug)]
pub struct JobSync {
    cluster: Cluster,
    sync: Sync,
}

impl JobSync {
    /// Does the next step. Fails where the API server refuses the controller's write, which ends
    /// the look: the controller would begin another.
    pub fn step(&mut self) -> Result<Step, Status> {
        let sync = &mut self.sync;
        self.cluster.write(|state| sync.step(state))
    }

    /// Does the steps that are left.
    pub fn finish(mut self) -> Result<(), Status> {
        while self.step()? != Step::Done {}
        Ok(())
    }
}

impl Cluster {
    /// Begins a look of the Job controller at a Job, on what is stored now. None where the Job is
    /// gone, has ended, or is managed by somebody else.
    pub fn begin_sync(&self, namespace: &str, name: &str) -> Option<JobSync> {
        let sync = self.with(|state| Sync::begin(state, &Key::new(namespace, name)))?;
        Some(JobSync { cluster: self.clone(), sync })
    }

    /// The pods of a Job, by name, also those that have ended.
    pub fn pods_of(&self, namespace: &str, job: &str) -> Vec<Value> {
        let mine = |pod: &Value| object::label(pod, crate::job::NAME_LABEL) == Some(job);
        self.list(&PODS, namespace).into_iter().filter(mine).collect()
    }

    /// Gives a namespace a quota: it may have so many pods that have not ended.
    pub fn limit_pods(&self, namespace: &str, most: usize) {
        self.write(|state| state.pod_quotas.insert(namespace.to_owned(), most));
    }

    /// Puts a pod on a node: when it is deleted, it takes its time to end, until
    /// [`Cluster::remove_pod`].
    pub fn bind_pod(&self, namespace: &str, name: &str) {
        self.write(|state| state.bind(&Key::new(namespace, name)));
    }

    /// Reports a pod as running and ready. False where there is none of that name.
    pub fn run_pod(&self, namespace: &str, name: &str) -> bool {
        self.report(namespace, name, "Running")
    }

    /// Reports a pod as succeeded. False where there is none of that name.
    pub fn succeed_pod(&self, namespace: &str, name: &str) -> bool {
        self.report(namespace, name, "Succeeded")
    }

    /// Reports a pod as failed. False where there is none of that name.
    pub fn fail_pod(&self, namespace: &str, name: &str) -> bool {
        self.report(namespace, name, "Failed")
    }

    /// Reports that all containers of a pod have exited with a code: it succeeded with 0, and
    /// failed with any other. False where there is none of that name.
    pub fn exit_pod(&self, namespace: &str, name: &str, code: u8) -> bool {
        self.write(|state| state.exit(&Key::new(namespace, name), code))
    }

    /// Reports up to so many of a Job's active pods as succeeded, in the order of their names, and
    /// says how many.
    pub fn succeed_pods(&self, namespace: &str, job: &str, count: usize) -> usize {
        self.exit_pods(namespace, job, count, 0)
    }

    /// Reports that the containers of up to so many of a Job's active pods have exited with 1, in
    /// the order of their names, and says how many.
    pub fn fail_pods(&self, namespace: &str, job: &str, count: usize) -> usize {
        self.exit_pods(namespace, job, count, 1)
    }

    /// Ends a pod that takes its time to end.
    pub fn remove_pod(&self, namespace: &str, name: &str) {
        let options = DeleteOptions { grace: Some(0), ..DeleteOptions::default() };
        let _ = self.write(|state| state.delete(&PODS, &Key::new(namespace, name), &options));
    }

    /// Plays the nodes and the clock until a Job has ended: each active pod succeeds as soon as it
    /// is there. Returns the Job, none where it is gone.
    pub fn run_to_end(&self, namespace: &str, job: &str) -> Option<Value> {
        loop {
            self.settle();
            let found = self.get(&crate::resource::JOBS, namespace, job)?;
            if object::finished(&found) || self.succeed_pods(namespace, job, usize::MAX) == 0 {
                return Some(found);
            }
        }
    }

    fn report(&self, namespace: &str, name: &str, phase: &str) -> bool {
        self.write(|state| state.report(&Key::new(namespace, name), phase))
    }

    /// Reports that the containers of up to so many of a Job's active pods have exited with a code,
    /// in the order of their names, and says how many.
    pub fn exit_pods(&self, namespace: &str, job: &str, count: usize, code: u8) -> usize {
        let active = self.pods_of(namespace, job).into_iter().filter(pods::active).take(count);
        active.filter(|pod| self.exit_pod(namespace, object::name(pod), code)).count()
    }
}
