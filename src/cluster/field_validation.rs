//! What is done about fields of an object that a server does not know.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::redact::printable;

/// What a server says before the fields that it does not know, or that are there twice.
const STRICT: &str = "strict decoding error: ";

/// What a server does about fields of an object that it does not know: the parameter
/// `fieldValidation` of a write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldValidation {
    /// It refuses the object.
    #[default]
    Strict,
    /// It drops them, with a warning.
    Warn,
    /// It drops them without a word.
    Ignore,
}

impl FieldValidation {
    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Warn => "Warn",
            Self::Ignore => "Ignore",
        }
    }

    /// Whether an unknown field is an error, as it is unless a user says otherwise.
    pub fn is_strict(&self) -> bool {
        *self == Self::Strict
    }

    /// How an object is written after dry runs were judged by this. A server that did not answer
    /// then does not refuse the object later. Where unknown fields pass, nothing that it says of
    /// them is needed: the fields that it does not keep are seen in its answer.
    #[must_use]
    pub fn of_writes(self) -> Self {
        if self.is_strict() { Self::Warn } else { Self::Ignore }
    }
}

impl Error {
    /// What a server has against the fields of an object as such, as it says it: `unknown field
    /// "spec.x"`. None where it says something else.
    pub fn unknown_fields(&self) -> Option<Vec<String>> {
        let Self::Status { status, .. } = self else { return None };
        let (_, said) = status.message.split_once(STRICT).filter(|_| status.code == 400)?;
        let mut fields: Vec<String> = Vec::new();
        for piece in said.split(", ") {
            let begins = ["unknown field ", "duplicate field "];
            match fields.last_mut() {
                // The comma is within a name.
                Some(last) if !begins.iter().any(|begin| piece.starts_with(begin)) => {
                    last.push_str(", ");
                    last.push_str(&printable(piece));
                }
                _ => fields.push(printable(piece)),
            }
        }
        Some(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_read_as_servers_name_them() {
        let job = "Job in version \"v1\" cannot be handled as a Job: ";
        let two = "unknown field \"spec.a, b\", duplicate field \"spec.c\"";
        for (reason, message, fields) in [
            (
                "BadRequest",
                format!("{job}strict decoding error: {two}"),
                Some(vec!["unknown field \"spec.a, b\"", "duplicate field \"spec.c\""]),
            ),
            ("BadRequest", format!("{job}json: cannot unmarshal string"), None),
            ("Invalid", format!("strict decoding error: {two}"), None),
        ] {
            let code = if reason == "BadRequest" { 400 } else { 422 };
            let error = Error::refusal("east", code, reason, message);
            let fields = fields.map(|all| all.into_iter().map(str::to_owned).collect());
            assert_eq!(error.unknown_fields(), fields, "{error}");
        }
    }
}
