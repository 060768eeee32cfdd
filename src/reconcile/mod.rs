//! Brings the ledger and the members together.
//!
//! ```text
//! observe   one LIST per member, by label, for all federated Jobs in scope
//! decide    a pure function: (record, observations, now) -> (new record, actions)
//! record    compare-and-swap the intents into the host
//! act       the actions, all members side by side; what they answer are further observations
//! ```
//!
//! The last three repeat until [`decide`] asks for nothing more, so there is no other place that
//! knows what comes after what. Every verb that changes something changes the record and then runs
//! this: it is the one path that writes to members.
//!
//! # Where what is
//!
//! | step | modules |
//! |---|---|
//! | the record of a new Job, and after an edit | `propose`, `amend` |
//! | before a submission or a deletion: would the members take it? | `rehearse` |
//! | observe | `members`: the connections; `observe`: what is known |
//! | decide: each shard's next step | `decide` |
//! | decide: how the whole has ended | `judge` |
//! | decide: work that is opened, and work that is taken off | `spread` |
//! | decide: how many pods each shard may run | `parallelism` |
//! | decide: one backoff limit and one deadline for all | `limits` |
//! | act | `act`, with a file for each kind of action |
//! | the loop, and where it would lead with nothing written | `settle`, `forecast` |
//! | what users are told | `status`, and after a closer look `inspect`: `drift` and `stall` |
//!
//! `spread` and `parallelism` divide by what is in `division`.
//!
//! # How a shard comes to be, once
//!
//! 1. The ledger says `planned`. The Job may or may not exist.
//! 2. It is POSTed under its deterministic name, **suspended**. That it exists already is no error
//!    if its labels say that it is this shard: an earlier run was killed after the POST.
//! 3. The ledger records its uid: `created`.
//! 4. It is resumed, on the condition that it has that uid: `started`.
//!
//! A Job has run pods only if the ledger knows its uid. So a Job whose uid the ledger knows and
//! that is gone was deleted by somebody, and is not made again; and one whose uid the ledger does
//! not know has run nothing, and making it again runs nothing twice. A process that is killed, or
//! frozen for an hour, between any two of these steps changes nothing of that.

pub(crate) mod act;
mod allocate;
pub(crate) mod decide;
mod observe;
mod report;
mod run;

pub use act::{Done, Measure, Taken, Wanted, credit};
pub use allocate::may_open;
pub use decide::{Action, Decision, EditError, NewRecordError, decide, edit_record, new_record};
pub use observe::{Answer, Members, Observation, Observations, Place, observe};
pub use report::{Finding, Idle, Inspection, ShardStatus, Stall, Status, inspect};
pub use run::{Backend, Reconciled, preview, run, run_on};

/// The path of the Jobs of a namespace.
pub(crate) fn jobs_path(namespace: &str) -> String {
    format!("/apis/batch/v1/namespaces/{namespace}/jobs")
}

/// The path of one Job.
pub(crate) fn job_path(namespace: &str, name: &str) -> String {
    format!("{}/{name}", jobs_path(namespace))
}
