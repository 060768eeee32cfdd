//! The words of a server that refuses, as far as they are shown.

use kube::core::Status;

use super::redact::printable;
use crate::hidden::{MOST, bounded};

/// From how many characters a cause is shown without the value that it is about.
const LARGE_VALUE: usize = 300;

/// How many causes are shown of an invalid object, each once.
const CAUSES: usize = 32;

/// What is shown of a text of a server.
fn shown(text: &str) -> String {
    printable(&bounded(text, MOST))
}

/// kubectl's sentence for a Status: the message of the server, or the object and the causes if the
/// object is invalid.
pub(super) fn sentence(status: &Status) -> String {
    let details = status.details.as_ref();
    if status.reason == "Unauthorized" {
        return format!("You must be logged in to the server ({})", shown(&status.message));
    }
    if status.reason != "Invalid" {
        return shown(&status.message);
    }
    let Some(details) = details.filter(|d| !d.kind.is_empty() || !d.name.is_empty()) else {
        return format!("The request is invalid: {}", shown(&status.message));
    };
    let what = format!("The {} {:?} is invalid", details.kind, details.name);
    let mut causes = Vec::new();
    for cause in &details.causes {
        let message = without_large_value(&cause.message);
        let text = if cause.field.is_empty() {
            message.to_owned()
        } else {
            format!("{}: {message}", cause.field)
        };
        if !causes.contains(&text) {
            causes.push(text);
        }
        if causes.len() > CAUSES {
            "…".clone_into(&mut causes[CAUSES]);
            break;
        }
    }
    shown(&match causes.as_slice() {
        [] => what,
        [cause] => format!("{what}: {cause}"),
        causes => format!("{what}: \n* {}", causes.join("\n* ")),
    })
}

/// The message of a cause without the value that it is about, if that is large: of an immutable
/// template a server writes the whole template.
fn without_large_value(message: &str) -> &str {
    let is_large = message.starts_with("Invalid value: ") && message.len() > LARGE_VALUE;
    let why = message.rsplit_once("}: ").map(|(_, why)| why);
    why.filter(|_| is_large).unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use crate::cluster::error::tests::status;

    #[test]
    fn the_error_of_an_invalid_object_has_every_cause() {
        let mut json = serde_json::json!({"reason": "Invalid", "code": 422, "message": "long",
            "details": {"kind": "Job", "name": "bad", "causes": [
                {"field": "spec.completions", "message": "Invalid value: -1",
                "reason": "FieldValueInvalid"}]}});
        assert_eq!(
            status(json.clone()).report(),
            "The Job \"bad\" is invalid: spec.completions: Invalid value: -1"
        );
        json["details"]["causes"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({"field": "spec.b", "message": "no"}));
        let text = status(json).report();
        assert_eq!(
            text,
            "The Job \"bad\" is invalid: \n* spec.completions: Invalid value: -1\n* spec.b: no"
        );
    }

    #[test]
    fn a_large_value_is_left_out() {
        let of = |value: &str| {
            let message = format!("Invalid value: {value}: field is immutable");
            let causes = serde_json::json!([{"field": "spec.template", "message": message}]);
            status(serde_json::json!({"reason": "Invalid", "code": 422, "message": "long",
                "details": {"kind": "Job", "name": "pi", "causes": causes}}))
            .report()
        };
        let head = "The Job \"pi\" is invalid: spec.template: ";
        let large = format!("core.PodTemplateSpec{{Labels:{{{}}}}}", "a:b, ".repeat(200));
        assert_eq!(of(&large), format!("{head}field is immutable"));
        assert_eq!(of("{a: 1}"), format!("{head}Invalid value: {{a: 1}}: field is immutable"));
        let text = "x".repeat(500);
        assert_eq!(of(&text), format!("{head}Invalid value: {text}: field is immutable"));
    }

    #[test]
    fn an_error_is_no_longer_than_somebody_reads() {
        let cause = |n: usize| serde_json::json!({"field": format!("f{n}"), "message": "no"});
        let causes: Vec<_> = (0..100_000).map(cause).collect();
        let text = status(serde_json::json!({"reason": "Invalid", "code": 422,
            "details": {"kind": "Job", "name": "bad", "causes": causes}}))
        .report();
        assert!(text.ends_with("\n* f30: no\n* f31: no\n* …"), "{text}");
        let long = "x".repeat(1 << 20);
        for reason in ["Invalid", "Unauthorized", "Forbidden"] {
            let json = serde_json::json!({"reason": reason, "code": 403, "message": long});
            assert!(status(json).report().len() < 10_000, "{reason}");
        }
    }
}
