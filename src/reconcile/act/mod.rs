//! The actions: the one place that writes to members.
//!
//! Every change of an existing Job is one PATCH under the uid and the resourceVersion that were
//! read. So nobody overwrites what somebody else did meanwhile, not even a process that was frozen
//! for an hour. A Job that was created just now has another resourceVersion by the time it is to
//! start: its controller has written its status. It is not read again. The PATCH that starts it
//! compares all that is decided on with what was stored when it was created
//! ([`bodies::while_as_created`]).
//!
//! | action | file |
//! |---|---|
//! | all of a decision, all members at once; questions by name | [`perform`] |
//! | the bodies of all writes, and of the dry runs before them | [`bodies`] |
//! | how each action reads and writes a Job | [`target`] |
//! | create a Job, and assign indexes | [`make`] |
//! | label a Job that was there before | [`adopt`] |
//! | change a spec, and start a Job | [`mod@change`] |
//! | credit completions | [`mod@credit`] |
//! | whether a Job and its pods stay unchanged | [`change_watch`] |
//! | stop a Job: retire, fail, wind down | [`stop`] |
//! | wait a moment for the Job controller | [`wait`] |
//! | delete a Job | [`remove`] |
//! | what is told of an action | [`done`] |

mod adopt;
pub(crate) mod bodies;
pub(crate) mod change;
mod change_watch;
pub(crate) mod credit;
mod done;
pub(crate) mod make;
mod perform;
mod remove;
mod stop;
mod target;
mod wait;

#[cfg(feature = "test-seams")]
pub use credit::{Credited, Measure, Wanted, credit};
pub use done::Done;
pub(super) use perform::act;
pub(crate) use perform::confirm;
pub(super) use remove::retract;
pub use remove::{DeleteIf, delete_if};
