//! The clusters of the demo, simulated or real.

use std::time::Duration;

use real::{Fleet, Player};

use super::Error;

/// Clusters whose pods succeed by themselves; they end when it is dropped.
pub struct Clusters {
    fleet: Fleet,
    _player: Player,
}

impl Clusters {
    /// Starts clusters of these names, in which each pod runs for `pod` and succeeds.
    pub async fn start(_real: bool, names: &[&str], pod: Duration) -> Result<Self, Error> {
        let fleet = Fleet::start(names).await?;
        let player = real::Kubelet::run_all(&fleet, pod);
        Ok(Self { fleet, _player: player })
    }

    /// A kubeconfig with a context for each, named as the cluster.
    pub fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.fleet.kubeconfig()).unwrap_or_default()
    }

    /// What `kubectl get job` prints for a Job in one of them.
    pub async fn job(&self, cluster: &str, name: &str) -> Result<String, Error> {
        let output = self.fleet.cluster(cluster).kubectl(["get", "job", name]).await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}
