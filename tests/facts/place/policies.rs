//! Admission policies on the Jobs of a place.

use libtest_mimic::Failed;
use serde_json::Value;

use super::{Kind, Place};

impl Place {
    /// Has the server set a field of each Job that is created, and of each that is changed too
    /// where `on_update`, by an admission policy. False where the server has no such policies,
    /// which is a real one of the oldest version.
    pub async fn set_on_jobs(
        &self,
        on_update: bool,
        path: &str,
        value: &Value,
    ) -> Result<bool, Failed> {
        match &self.kind {
            Kind::Simulated(server) => {
                let mut operations = vec![sim::Operation::Create];
                operations.extend(on_update.then_some(sim::Operation::Update));
                let rule = sim::Rule::Set { path: path.to_owned(), value: value.clone() };
                self.add_policy(server, "set".to_owned(), operations, rule);
            }
            Kind::Real(_) if !self.is_new() => return Ok(false),
            Kind::Real(cluster) => {
                let operations = if on_update { &["CREATE", "UPDATE"][..] } else { &["CREATE"] };
                cluster.set_on_jobs(&self.namespace, operations, path, value).await?;
            }
        }
        Ok(true)
    }

    /// Has the server refuse each Job whose spec lacks a field, by an admission policy.
    pub async fn require_of_jobs(&self, field: &str, message: &str) -> Result<(), Failed> {
        match &self.kind {
            Kind::Simulated(server) => {
                let operations = vec![sim::Operation::Create, sim::Operation::Update];
                let rule =
                    sim::Rule::Require { field: field.to_owned(), message: message.to_owned() };
                let name = format!("require-{}-{}", self.namespace, field.to_lowercase());
                self.add_policy(server, name, operations, rule);
            }
            Kind::Real(cluster) => {
                cluster.require_of_jobs(&self.namespace, field, message).await?;
            }
        }
        Ok(())
    }

    fn add_policy(
        &self,
        server: &sim::Server,
        name: String,
        operations: Vec<sim::Operation>,
        rule: sim::Rule,
    ) {
        let namespace = self.namespace.clone();
        server.cluster().add_policy(sim::Policy { name, namespace, operations, rule });
    }
}
