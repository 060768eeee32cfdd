//! identity.

use crate::scenarios::Scenarios;

pub fn scenarios() -> Scenarios {
    Scenarios::of("identity")
}
