//! The logs of the pods of a federated Job.
//!
//! | module | what it holds |
//! |---|---|
//! | `terms` | what is asked for, and who gets the lines |
//! | `error` | why logs cannot be read at all |
//! | `targets` | pure: which containers of which pods are asked |
//! | `cursor` | pure: which lines were read, so that a stream that begins again repeats none |
//! | `stream` | reads one log until it ends or breaks off |
//! | `pods` | the logs that there are in each member |
//! | `ahead` | what is opened in order while one of it is read |
//! | `once` | all logs as they are now, one after another |
//! | `follow` | all logs side by side until the Job has ended |
//! | `last` | the last lines of pods that failed, for `job describe` |

mod ahead;
mod cursor;
mod error;
mod follow;
mod last;
mod once;
mod pods;
mod stream;
mod targets;
mod terms;

pub use error::LogsError;
pub use last::LastLines;
pub(super) use last::last_lines;
pub use terms::{Containers, LogLine, LogReader, LogTerms, LogsRead, Since, Source};
