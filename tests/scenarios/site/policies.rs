//! Admission policies on the Jobs of the stage's namespace.

use libtest_mimic::Failed;
use serde_json::Value;

use super::{Kind, Site};

/// The writes of Jobs that a policy applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Creations.
    Creation,
    /// Creations and changes.
    EachWrite,
}

impl Site {
    /// Has the server set a field, given as a JSON pointer, in the Jobs that are written. A real
    /// server of the oldest version cannot do it: see [`crate::scenarios::Scenarios::both_new_east`].
    pub async fn set_on_jobs(&self, on: On, path: &str, value: &Value) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => {
                let mut operations = vec![sim::Operation::Create];
                operations.extend((on == On::EachWrite).then_some(sim::Operation::Update));
                server.cluster().add_policy(sim::Policy {
                    name: "set".to_owned(),
                    namespace: self.namespace.clone(),
                    operations,
                    rule: sim::Rule::Set { path: path.to_owned(), value: value.clone() },
                });
            }
            Kind::Real(cluster) => {
                let operations: &[&str] = match on {
                    On::Creation => &["CREATE"],
                    On::EachWrite => &["CREATE", "UPDATE"],
                };
                cluster.set_on_jobs(&self.namespace, operations, path, value).await?;
            }
        }
        Ok(())
    }

    /// Has the server refuse the Jobs that are written whose spec lacks a field.
    pub async fn require_of_jobs(&self, field: &str, message: &str) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated { server, .. } => server.cluster().add_policy(sim::Policy {
                name: "require".to_owned(),
                namespace: self.namespace.clone(),
                operations: vec![sim::Operation::Create, sim::Operation::Update],
                rule: sim::Rule::Require { field: field.to_owned(), message: message.to_owned() },
            }),
            Kind::Real(cluster) => {
                cluster.require_of_jobs(&self.namespace, field, message).await?;
            }
        }
        Ok(())
    }
}
