//! `--validate`.

use clap::Args;

use crate::{
    cluster::FieldValidation,
    error::{Error, Result},
};

/// The flag, of verbs that read manifests.
#[derive(Debug, Clone, Copy, Args)]
pub struct ValidateFlag {
    /// What becomes of a job with fields that a cluster does not know: strict (or true) refuses it,
    /// warn drops the fields with a warning, ignore (or false) drops them without a word
    #[arg(long = "validate", value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "strict", default_missing_value = "strict", value_parser = validation)]
    pub field_validation: FieldValidation,
}

/// Reads a value of kubectl's `--validate`.
///
/// # Errors
/// It is none, in kubectl's words.
pub(super) fn validation(text: &str) -> Result<FieldValidation> {
    match text {
        "strict" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(FieldValidation::Strict),
        "warn" => Ok(FieldValidation::Warn),
        "ignore" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(FieldValidation::Ignore),
        _ => Err(Error::new(format!(
            "invalid - validate option {text:?}; must be one of: strict (or true), warn, ignore \
             (or false)"
        ))),
    }
}
