//! What a request is refused with: a `Status` object, in the words of a real API server.

use serde_json::{Value, json};

use crate::resource::Resource;

/// A refusal, printed to clients as a v1 `Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The HTTP code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// The object's name, group and kind, and the causes; null where there are none.
    pub details: Value,
    /// Where a list that expired can be gone on with; empty otherwise.
    pub token: String,
}

impl Status {
    /// A refusal with no details.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            message: message.into(),
            details: Value::Null,
            token: String::new(),
        }
    }

    fn about(resource: &Resource, name: &str, code: u16, reason: &str, message: String) -> Self {
        Self {
            details: details(resource.group, resource.plural, name),
            ..Self::new(code, reason, message)
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::about(resource, name, 404, "NotFound", message)
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::about(resource, name, 409, "AlreadyExists", message)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::about(resource, name, 409, "Conflict", message)
    }

    /// A delete's precondition that does not hold; a real server names the kind here, not the
    /// resource.
    pub(crate) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let kind = resource.qualified_kind();
        let message = format!("Operation cannot be fulfilled on {kind} {name:?}: {why}");
        let details = details(resource.group, resource.kind, name);
        Self { details, ..Self::new(409, "Conflict", message) }
    }

    /// Options of a request that a server does not take.
    pub(crate) fn invalid_options(kind: &str, error: &FieldError) -> Self {
        let message =
            format!("{kind}.meta.k8s.io \"\" is invalid: {}: {}", error.field, error.body());
        let mut details = details("meta.k8s.io", kind, "");
        details["causes"] =
            json!([{"reason": error.kind.cause(), "message": error.body(), "field": error.field}]);
        Self { details, ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try \
             again",
        )
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", resource.qualified())
        } else {
            format!("{} {name:?} is forbidden: {why}", resource.qualified())
        };
        Self::about(resource, name, 403, "Forbidden", message)
    }

    pub(crate) fn expired(message: &str) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut status = Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        );
        status.details = json!({});
        status
    }

    /// What a server answers when an object breaks the rules of its kind. `errors` is not empty.
    pub(crate) fn invalid(resource: &Resource, name: &str, errors: &[FieldError]) -> Self {
        let mut sentences: Vec<String> = Vec::new();
        for error in errors {
            let sentence = format!("{}: {}", error.field, error.body());
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        let all = match sentences.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let kind = resource.qualified_kind();
        let mut details = details(resource.group, resource.kind, name);
        details["causes"] = errors
            .iter()
            .map(|e| json!({"reason": e.kind.cause(), "message": e.body(), "field": e.field}))
            .collect();
        Self { details, ..Self::new(422, "Invalid", format!("{kind} {name:?} is invalid: {all}")) }
    }

    /// The `Status` object.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.token.is_empty() {
            body["metadata"]["continue"] = self.token.clone().into();
        }
        if !self.reason.is_empty() {
            body["reason"] = self.reason.clone().into();
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({});
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details[key] = value.into();
        }
    }
    details
}

/// How a field breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Required,
    Invalid,
    NotSupported,
    TooLong,
    Forbidden,
    Duplicate,
}

impl Fault {
    fn cause(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TooLong => "FieldValueTooLong",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }
}

/// One field that breaks the rules of its kind.
#[derive(Clone, Debug)]
pub(crate) struct FieldError {
    kind: Fault,
    field: String,
    value: Option<Value>,
    detail: String,
}

impl FieldError {
    fn new(kind: Fault, field: &str, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self { kind, field: field.to_owned(), value, detail: detail.into() }
    }

    pub(crate) fn required(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Fault::Required, field, None, detail)
    }

    pub(crate) fn invalid(field: &str, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Fault::Invalid, field, Some(value.into()), detail)
    }

    /// An invalid field whose value is not worth printing, such as a list of conditions.
    pub(crate) fn invalid_unprinted(field: &str, detail: &str) -> Self {
        Self::new(Fault::Invalid, field, None, detail)
    }

    pub(crate) fn not_supported(field: &str, value: impl Into<Value>, supported: &[&str]) -> Self {
        let listed: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = format!("supported values: {}", listed.join(", "));
        Self::new(Fault::NotSupported, field, Some(value.into()), detail)
    }

    pub(crate) fn too_long(field: &str, bytes: usize) -> Self {
        Self::new(Fault::TooLong, field, None, format!("may not be more than {bytes} bytes"))
    }

    pub(crate) fn forbidden(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Fault::Forbidden, field, None, detail)
    }

    pub(crate) fn duplicate(field: &str, value: impl Into<Value>) -> Self {
        Self::new(Fault::Duplicate, field, Some(value.into()), "")
    }

    fn body(&self) -> String {
        let title = match self.kind {
            Fault::Required => "Required value",
            Fault::Invalid => "Invalid value",
            Fault::NotSupported => "Unsupported value",
            Fault::TooLong => "Too long",
            Fault::Forbidden => "Forbidden",
            Fault::Duplicate => "Duplicate value",
        };
        let mut body = title.to_owned();
        if let Some(value) = &self.value {
            body.push_str(": ");
            body.push_str(&value.to_string());
        }
        if !self.detail.is_empty() {
            body.push_str(": ");
            body.push_str(&self.detail);
        }
        body
    }
}
