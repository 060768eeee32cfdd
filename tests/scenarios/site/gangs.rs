//! The groups of pods of a cluster.

use libtest_mimic::Failed;

use super::{Kind, Site};

impl Site {
    /// The `minCount` of the `PodGroup` of a Job. None where it has none.
    pub async fn min_count(&self, job: &str) -> Result<Option<i64>, Failed> {
        if let Kind::Simulated { server, .. } = &self.kind {
            return Ok(server.cluster().min_count(&self.namespace, job));
        }
        let path =
            format!("/apis/scheduling.k8s.io/v1beta1/namespaces/{}/podgroups", self.namespace);
        let groups = self.api.list(&path).await?;
        let is_its = |group: &&serde_json::Value| {
            let owners = group["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            owners.into_iter().any(|owner| owner["kind"] == "Job" && owner["name"] == job)
        };
        let group = groups.iter().find(is_its);
        Ok(group.and_then(|group| group["spec"]["schedulingPolicy"]["gang"]["minCount"].as_i64()))
    }
}
