//! Admission: what a cluster adds to the Jobs that are written to it, and what it demands of them.

use serde_json::{Value, json};

use super::State;
use crate::object;
use crate::patch;
use crate::resource::{JOBS, Resource};
use crate::status::Status;

/// A write that a policy applies to. A policy never applies to a write of a Job's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A Job is created.
    Create,
    /// A Job is replaced or patched.
    Update,
}

/// A policy on the Jobs of one namespace.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name, which a refusal says.
    pub name: String,
    /// The namespace whose Jobs it applies to.
    pub namespace: String,
    /// The writes that it applies to.
    pub operations: Vec<Operation>,
    /// What it does.
    pub rule: Rule,
}

/// What a policy does with a Job that is written.
#[derive(Clone, Debug)]
pub enum Rule {
    /// Sets a field before the Job is validated, as a `MutatingAdmissionPolicy` or a mutating
    /// webhook does.
    Set {
        /// The field as a JSON pointer, such as `/spec/ttlSecondsAfterFinished`. What it is in
        /// must be there.
        path: String,
        /// Its value.
        value: Value,
    },
    /// Refuses a Job that lacks a field of its spec, as a `ValidatingAdmissionPolicy` does.
    Require {
        /// The field, such as `ttlSecondsAfterFinished`.
        field: String,
        /// What the refusal says.
        message: String,
    },
}

impl State {
    /// Changes an object as the policies want it. This comes before defaults and validation.
    pub(super) fn mutate(
        &self,
        resource: &Resource,
        operation: Operation,
        body: &mut Value,
    ) -> Result<(), Status> {
        let policies: Vec<&Policy> = self.policies(resource, operation, body).collect();
        for policy in policies {
            if let Rule::Set { path, value } = &policy.rule {
                let step = json!([{"op": "add", "path": path, "value": value}]);
                patch::json(body, &step)
                    .map_err(|why| denied(resource, object::name(body), &policy.name, &why))?;
            }
        }
        Ok(())
    }

    /// Refuses an object that a policy does not admit. This comes after validation.
    pub(super) fn check_policies(
        &self,
        resource: &Resource,
        operation: Operation,
        body: &Value,
    ) -> Result<(), Status> {
        for policy in self.policies(resource, operation, body) {
            let Rule::Require { field, message } = &policy.rule else { continue };
            if body["spec"][field].is_null() {
                return Err(denied(resource, object::name(body), &policy.name, message));
            }
        }
        Ok(())
    }

    fn policies(
        &self,
        resource: &Resource,
        operation: Operation,
        body: &Value,
    ) -> impl Iterator<Item = &Policy> {
        let is_job = resource.plural == JOBS.plural;
        let namespace = object::namespace(body).to_owned();
        self.policies.iter().filter(move |policy| {
            is_job && policy.namespace == namespace && policy.operations.contains(&operation)
        })
    }
}

/// The refusal of a `ValidatingAdmissionPolicy` that gives no reason. Its binding has its name.
fn denied(resource: &Resource, name: &str, policy: &str, message: &str) -> Status {
    let why = format!(
        "ValidatingAdmissionPolicy '{policy}' with binding '{policy}' denied request: {message}"
    );
    let mut status = Status::forbidden(resource, name, &why);
    status.code = 422;
    "Invalid".clone_into(&mut status.reason);
    status.details["causes"] = json!([{ "message": why }]);
    status
}
