//! What can be asked of a federation, without a terminal.

mod preflight;
mod simulate;

pub use preflight::{Preflight, Refusal, preflight, preflight_deletion};
pub use simulate::simulate;
