//! Roles and bindings for [`LIMITED`].

use kubectl_federate::yaml;
use libtest_mimic::Failed;
use serde_json::Value;

use super::{Kind, LIMITED, Site};

impl Site {
    /// Applies roles and bindings as the administrator: a real cluster by kubectl.
    pub async fn apply(&self, manifests: &str) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { grants, .. } => {
                let documents = yaml::read(manifests)?;
                let mut grants = grants.lock().expect("nobody panics with it");
                for binding in documents.iter().filter(|it| it.get("roleRef").is_some()) {
                    assert_eq!(binding["subjects"][0]["name"], LIMITED, "{manifests}");
                    let role = &binding["roleRef"];
                    let is_bound = |it: &&Value| {
                        it["kind"] == role["kind"] && it["metadata"]["name"] == role["name"]
                    };
                    let role = documents.iter().find(is_bound).expect("the role is there");
                    let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
                    grants.push((LIMITED, namespace, role["rules"].clone()));
                }
            }
            Kind::Real(cluster) => {
                let directory = tempfile::tempdir()?;
                let file = directory.path().join("roles.yaml");
                std::fs::write(&file, manifests)?;
                let arguments = ["apply".as_ref(), "-f".as_ref(), file.as_os_str()];
                let applied = cluster.kubectl(arguments).await?;
                let said = String::from_utf8_lossy(&applied.stderr).into_owned();
                assert!(applied.status.success(), "{manifests}\n{said}");
            }
        }
        Ok(())
    }
}
