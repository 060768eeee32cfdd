//! Numbers that are not written where they are zero; pure.

/// Whether a number is zero: what serde asks of a field that it may leave out.
pub(crate) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}
