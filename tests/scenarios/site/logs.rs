//! What the pods of a cluster write.

use libtest_mimic::Failed;
use serde_json::json;

use super::{Kind, Site};

/// The container of all pods.
const CONTAINER: &str = "pi";

impl Site {
    /// Has a pod write a line. Before the pod is on a node, nobody gets it.
    pub fn write(&self, pod: &str, text: &str) {
        match &self.kind {
            Kind::Simulated { server, .. } => {
                server.cluster().write_log(&self.namespace, pod, CONTAINER, text);
            }
            Kind::Real(cluster) => cluster.write_log(&self.namespace, pod, CONTAINER, text),
        }
    }

    /// Ends all streams of logs between the server and its node.
    pub fn cut_logs(&self) {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().cut_logs(),
            Kind::Real(cluster) => cluster.cut_logs(),
        }
    }

    /// Puts a pod on the node, where it does not run yet.
    pub async fn bind(&self, pod: &str) -> Result<(), Failed> {
        let binding =
            json!({"metadata": {"name": pod}, "target": {"kind": "Node", "name": "node"}});
        let path = format!("{}/{pod}/binding", self.path("pods"));
        Ok(self.api.create(&path, &binding).await.map(drop)?)
    }

    /// Puts the pod of a Job on the node and runs it.
    pub async fn start(&self, job: &str, pod: &str) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => {
                server.cluster().bind_pod(&self.namespace, pod);
                server.cluster().run_pod(&self.namespace, pod);
            }
            Kind::Real(cluster) => {
                let kubelet = cluster.kubelet();
                for found in kubelet.pods(&self.namespace, job).await? {
                    if found.name == pod {
                        kubelet.bind(&found).await?;
                        kubelet.run(&found).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of the pods of a Job that have not ended.
    pub async fn live_pods(&self, job: &str) -> Result<Vec<String>, Failed> {
        let mut pods = self.pods(job).await?;
        pods.retain(|pod| !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")));
        let name = |pod: &serde_json::Value| pod["metadata"]["name"].as_str().map(str::to_owned);
        Ok(pods.iter().filter_map(name).collect())
    }
}
