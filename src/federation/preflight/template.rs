//! What keeps a member from changing the template of a Job that exists, in terms of the fields that
//! the edit changes.

use kube::core::{
    Status,
    response::{StatusCause, StatusDetails, StatusSummary},
};

use crate::{
    cluster::Error,
    job::{Manifest, Mutability, Observed, changes},
};

/// The fields of the template that an edit changes.
pub(super) struct TemplateChange {
    paths: Vec<String>,
    /// Whether a server allows all of them or none.
    is_of_one_kind: bool,
}

impl TemplateChange {
    /// The change from one manifest to the other; none if it leaves the template as it is.
    pub(super) fn between(before: &Manifest, after: &Manifest) -> Option<Self> {
        let (paths, kinds): (Vec<_>, Vec<_>) = changes(before, after)
            .into_iter()
            .filter(|(_, mutability)| *mutability != Mutability::Always)
            .unzip();
        let is_of_one_kind = kinds.windows(2).all(|pair| pair[0] == pair[1]);
        (!paths.is_empty()).then_some(Self { paths, is_of_one_kind })
    }

    /// The answer of a server that does not let the template change. A server names the template as
    /// a whole. Here the answer names the fields, if it is certain which ones are meant.
    pub(super) fn named(&self, error: Error) -> Error {
        let is_template = |field: &str| field.starts_with("spec.template");
        let is_about_template = error.is_invalid()
            && error.invalid_fields().count() > 0
            && error.invalid_fields().all(is_template);
        match error {
            Error::Status { cluster, mut status } if is_about_template && self.is_of_one_kind => {
                if let Some(details) = &mut status.details
                    && details.causes.iter().all(|cause| cause.message.ends_with(IMMUTABLE))
                {
                    details.causes = self.paths.iter().map(|path| cause(path, IMMUTABLE)).collect();
                }
                Error::Status { cluster, status }
            }
            error => error,
        }
    }
}

/// How a server says that a field cannot change.
const IMMUTABLE: &str = "field is immutable";

/// The refusal of a template's change that no server would allow yet, in an API server's form.
pub(super) fn unready(cluster: &str, job: &Observed) -> Error {
    let why = match job.active {
        0 => "the job controller of the cluster has not suspended the job yet".to_owned(),
        1 => "1 pod of the suspended job has not ended yet".to_owned(),
        pods => format!("{pods} pods of the suspended job have not ended yet"),
    };
    let status = Status {
        status: Some(StatusSummary::Failure),
        code: 422,
        reason: "Invalid".to_owned(),
        details: Some(StatusDetails {
            name: job.name.clone(),
            kind: "Job".to_owned(),
            causes: vec![cause("spec.template", &why)],
            group: "batch".to_owned(),
            uid: job.uid.clone(),
            retry_after_seconds: 0,
        }),
        ..Status::default()
    };
    Error::Status { cluster: cluster.to_owned(), status: Box::new(status) }
}

fn cause(field: &str, message: &str) -> StatusCause {
    StatusCause {
        reason: "FieldValueInvalid".to_owned(),
        message: message.to_owned(),
        field: field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(template: Value) -> Manifest {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"template": template}});
        Manifest::new(job, "work", "").expect("valid")
    }

    fn template(cpu: i32, disk: &str) -> Value {
        let container = json!({"name": "pi", "resources": {"limits": {"cpu": cpu}}});
        json!({"spec": {"nodeSelector": {"disk": disk}, "containers": [container]}})
    }

    fn answer(field: &str, message: &str) -> Error {
        let status = json!({"reason": "Invalid", "code": 422, "message": "long", "details": {
            "kind": "Job", "name": "pi", "causes": [{"field": field, "message": message,
            "reason": "FieldValueInvalid"}]}});
        let status = Box::new(serde_json::from_value(status).expect("a status"));
        Error::Status { cluster: "east".to_owned(), status }
    }

    #[test]
    fn the_fields_are_named_where_it_is_certain_which_are_meant() {
        let immutable = "Invalid value: {}: field is immutable";
        let before = manifest(template(1, "ssd"));
        let named = |after: Value, error: Error| {
            let change = TemplateChange::between(&before, &manifest(after)).expect("a change");
            change.named(error).report()
        };
        let head = "The Job \"pi\" is invalid: ";
        assert_eq!(
            named(template(2, "ssd"), answer("spec.template", immutable)),
            format!("{head}spec.template.spec.containers[0].resources: field is immutable")
        );
        assert_eq!(
            named(template(1, "hdd"), answer("spec.template.spec", immutable)),
            format!("{head}spec.template.spec.nodeSelector: field is immutable")
        );
        for (after, field, message) in [
            (template(2, "hdd"), "spec.template", immutable),
            (template(2, "ssd"), "spec.parallelism", immutable),
            (template(2, "ssd"), "spec.template.spec.containers[0].resources", "too much"),
        ] {
            let error = answer(field, message);
            assert_eq!(named(after, error.clone()), error.report());
        }
        assert!(TemplateChange::between(&before, &before).is_none());
    }
}
