//! What a format makes of objects.

/// What is printed of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// As far as it went.
    pub text: String,
    /// Why it did not go on.
    pub failed: Option<String>,
}
