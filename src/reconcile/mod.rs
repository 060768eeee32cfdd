//! Brings the ledger and the members together.
//!
//! ```text
//! observe   one LIST per member, by label, for all federated Jobs in scope
//! decide    a pure function: (record, observations, now) -> (new record, actions)
//! record    compare-and-swap the new record into the host
//! act       the actions, all members at once; their answers are further observations
//! ```
//!
//! The last three repeat until [`decide()`] asks for nothing more. Every verb that changes a Job
//! changes the record and then runs this loop. Nothing else writes to members.
//!
//! # Map
//!
//! | step | module |
//! |---|---|
//! | the loop | `run` |
//! | what the members say, and the connections to them | `observe` |
//! | the next action of each shard, the outcome, limits, new and edited records | `decide` |
//! | which shard gets which work, and how many pods | `allocate` |
//! | the actions | `act` |
//! | what users are told: status, drift, stalls | `report` |
//! | the API paths of Jobs, pods and events | `paths` |
//!
//! # How the Job of a shard is created once
//!
//! 1. The ledger says `planned`. The Job may or may not exist.
//! 2. The Job is POSTed **suspended**, under the name that the ledger gives it. If a Job of that
//!    name exists already, its labels tell whether it is this shard: an earlier process may have
//!    been killed after the POST.
//! 3. The ledger records its uid: `created`.
//! 4. The Job is resumed, on the condition that it has that uid: `started`.
//!
//! A Job has run pods only if the ledger knows its uid. If such a Job is gone, somebody deleted it
//! or it expired, and it is not created again. A Job whose uid the ledger does not know has run
//! nothing, and creating it again runs nothing twice. This holds even if a process is killed, or
//! frozen for an hour, between any two steps.

pub(crate) mod act;
mod allocate;
pub(crate) mod decide;
mod observe;
mod paths;
mod report;
mod run;

pub use act::Done;
#[cfg(feature = "test-seams")]
pub use act::{Credited, Measure, Wanted, credit};
pub(crate) use act::{DeleteIf, delete_if};
pub use allocate::{may_open, rebalance_now};
pub(crate) use decide::runs_on;
pub use decide::{
    Action, Candidate, Decision, EditError, NewRecordError, adopted_record, decide, edit_record,
    new_record, retry_record, take_edits,
};
pub use observe::{
    Answer, Clocks, Found, Members, Observation, Observations, Place, Places, QueueAnswer,
    TOLERATED_SKEW, host_time, join_and_observe, observe, plausible_skew, server_time, watched,
};
pub(crate) use paths::{events_path, job_path, jobs_path, pods_path};
pub use report::{
    Finding, Idle, Inspection, JobTimes, Meddling, Queueing, ShardStatus, Stall, Status, inspect,
    last_seen,
};
pub use run::{Backend, Reconciled, preview, run, run_on};
