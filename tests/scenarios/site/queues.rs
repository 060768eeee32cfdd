//! The queues of a cluster with a queueing system.

use libtest_mimic::Failed;
use real::until;

use super::{Kind, Site};
use crate::stage::SOON;

impl Site {
    /// Adds a queue for the stage's namespace, or changes how many pods the Jobs in it may have
    /// together. A real cluster must have Kueue.
    pub async fn set_queue(&self, name: &str, pods: usize) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().set_queue(name, pods),
            Kind::Real(cluster) => cluster.set_queue(&self.namespace, name, pods).await?,
        }
        Ok(())
    }

    /// Stops a queue, in either of its two objects, or lets it go on: `Hold`, `HoldAndDrain` or
    /// `None`.
    pub async fn stop_queue(
        &self,
        name: &str,
        which: real::Stopped,
        policy: &str,
    ) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().stop_queue(name, policy),
            Kind::Real(cluster) => {
                cluster.stop_queue(&self.namespace, name, which, policy).await?;
            }
        }
        Ok(())
    }

    /// Takes the queueing system out of the cluster. Of a real one no other test may run on it.
    pub async fn remove_queues(&self) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().remove_queues(),
            Kind::Real(cluster) => cluster.remove_kueue().await?,
        }
        Ok(())
    }

    /// Whether the queueing system says why a Job waits. The simulated one does not.
    pub fn gives_reasons(&self) -> bool {
        matches!(self.kind, Kind::Real(_))
    }

    /// Says whether the queueing system may admit a Job. One that runs is evicted if it may not.
    pub async fn activate(&self, job: &str, active: bool) -> Result<(), Failed> {
        let job = self.job(job).await?;
        let uid = job["metadata"]["uid"].as_str().unwrap_or_default();
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().activate(uid, active),
            Kind::Real(cluster) => cluster.activate(&self.namespace, uid, active).await?,
        }
        Ok(())
    }

    /// Waits until events say that so many pods of a Job have been made. They come late.
    pub async fn until_pods_made(&self, job: &str, count: usize) {
        until(&format!("{count} pods of {job} made in {}", self.name), SOON, || async {
            let made = self.pods_made(job).await.map_err(|error| format!("{error:?}"))?;
            if made == count { Ok(()) } else { Err(format!("{made} pods")) }
        })
        .await;
    }

    /// How many pods of a Job have been made, those that are gone included.
    pub async fn pods_made(&self, job: &str) -> Result<usize, Failed> {
        let events = self.api.list(&self.path("events")).await?;
        let is_creation = |event: &&serde_json::Value| {
            event["reason"] == "SuccessfulCreate" && event["involvedObject"]["name"] == job
        };
        Ok(events.iter().filter(is_creation).count())
    }
}
