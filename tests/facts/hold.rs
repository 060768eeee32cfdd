//! Holding back a write of the Job controller: on simulated clusters a switch, on real ones an
//! admission policy ([`crate::policy`]).

/// Which write of the Job controller is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// That of the Job's status.
    Status,
    /// That which takes the finalizer off a pod.
    Finalizers,
}

impl Held {
    /// As the simulation calls it.
    pub fn simulated(self) -> sim::Held {
        match self {
            Self::Status => sim::Held::Status,
            Self::Finalizers => sim::Held::Finalizers,
        }
    }
}
