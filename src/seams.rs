//! Time and chance. A process takes both from the system. A simulation gives both, so that each of
//! its runs can be repeated exactly, and it switches on a defect to see that it finds it.
//!
//! Nothing can be replaced without the feature `test-seams`: the product has neither a simulated
//! clock nor a defect.

use jiff::Timestamp;
use uuid::Uuid;

/// The local time.
pub(crate) fn now() -> Timestamp {
    #[cfg(feature = "test-seams")]
    if let Some(now) = simulated::now() {
        return now;
    }
    Timestamp::now()
}

/// A UUID of version 4.
pub(crate) fn uuid() -> Uuid {
    #[cfg(feature = "test-seams")]
    if let Some(bits) = simulated::number() {
        let bits = (u128::from(bits) << 64) | u128::from(simulated::number().unwrap_or(bits));
        return uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
    }
    Uuid::new_v4()
}

/// A random number of 64 bits.
pub(crate) fn number() -> u64 {
    #[cfg(feature = "test-seams")]
    if let Some(number) = simulated::number() {
        return number;
    }
    Uuid::new_v4().as_u64_pair().0
}

/// A deliberate mistake in the product. Each breaks a guarantee that the simulation has to see
/// broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A record is written whether or not somebody has changed it since it was read.
    BlindReplace,
    /// Members are written before the record says what is about to be written.
    NoWriteAhead,
    /// A credit does not say that it is one.
    UnmarkedCredit,
    /// A request that creates is sent again although it may have arrived.
    RepeatedPost,
    /// A cluster that does not answer counts as having failed.
    UnknownFails,
    /// A shard of an Indexed Job starts before it is told which indexes belong to others.
    StartUnassigned,
    /// A shard with a gang is credited before its cluster has made the group of its pods.
    CreditUngrouped,
    /// A gang is not made smaller where fewer pods than that are left to do.
    GangKept,
    /// A Job is taken for that of a shard by its name and labels, whatever uid it has.
    LedgerByName,
    /// Work that may have been done in a Job which expired is opened without a question.
    ReopenExpired,
    /// A Job is started although it may not be any more as this command has created it.
    UncomparedStart,
    /// A lease counts as over as soon as its cluster does not answer, though its pods may run.
    GiveUpEarly,
    /// Pods that a lease has ended count as failed.
    ExpiryFails,
    /// What a cluster does that was declared lost goes on there when it is back.
    ReturnNotStopped,
    /// What has run twice is not said.
    TwiceUnreported,
    /// What is left of a shard that is to be stopped is given to others before its Job has stopped.
    OpenBeforeStopped,
    /// A recovery passes over Jobs that have ended.
    RecoverBlind,
    /// Work is opened although a cluster that may do it was not listed since a recovery.
    OpenBeforeListed,
    /// A cluster is written to whether or not it is the one that was registered.
    WriteUnverified,
    /// A record does not say which entries its ledger must have.
    LedgerUnlisted,
    /// A retry asks for all completions, also for those that have succeeded.
    RetryWhole,
}

/// Whether a deliberate mistake is to be made.
#[cfg(feature = "test-seams")]
pub(crate) fn has(defect: Defect) -> bool {
    simulated::has(defect)
}

/// Whether a deliberate mistake is to be made: never in the product.
#[cfg(not(feature = "test-seams"))]
pub(crate) const fn has(_: Defect) -> bool {
    false
}

#[cfg(feature = "test-seams")]
pub use simulated::{Simulated, simulate};

#[cfg(feature = "test-seams")]
mod simulated {
    use std::cell::RefCell;

    use jiff::Timestamp;

    use super::Defect;

    /// What a simulation gives in place of the system.
    pub struct Simulated {
        /// The local time.
        pub now: Box<dyn Fn() -> Timestamp>,
        /// Random numbers of 64 bits.
        pub number: Box<dyn FnMut() -> u64>,
        /// A mistake that is to be made.
        pub defect: Option<Defect>,
    }

    thread_local! {
        static SIMULATED: RefCell<Option<Simulated>> = const { RefCell::new(None) };
    }

    /// Takes time and chance from a simulation, in this thread and from now on; or from the system
    /// again.
    pub fn simulate(simulated: Option<Simulated>) {
        SIMULATED.with_borrow_mut(|slot| *slot = simulated);
    }

    pub(super) fn now() -> Option<Timestamp> {
        SIMULATED.with_borrow(|slot| slot.as_ref().map(|simulated| (simulated.now)()))
    }

    pub(super) fn number() -> Option<u64> {
        SIMULATED.with_borrow_mut(|slot| slot.as_mut().map(|simulated| (simulated.number)()))
    }

    pub(super) fn has(defect: Defect) -> bool {
        SIMULATED
            .with_borrow(|slot| slot.as_ref().is_some_and(|given| given.defect == Some(defect)))
    }
}
