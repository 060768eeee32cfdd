//! What does the rest of a command about several Jobs.

use crate::print::federate;

/// What does the rest of a command about several Jobs that was ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The same command: it passes over what is done.
    Same,
    /// The same command, for which what is done is not there any more.
    IgnoringNotFound,
    /// A command that takes what is there: the Jobs were to be created.
    Apply,
    /// A command about the rest alone: the names of Jobs are made anew each time.
    Apart,
}

impl Again {
    /// The sentence.
    pub fn hint(self) -> String {
        match self {
            Self::Same => "The same command does the rest.".to_owned(),
            Self::IgnoringNotFound => {
                "The same command does the rest, with --ignore-not-found.".to_owned()
            }
            Self::Apply => about_apply(),
            Self::Apart => about_generated(),
        }
    }
}

/// How Jobs are created of which some are there already.
pub(super) fn about_apply() -> String {
    let apply = federate("job apply", ["-f", "FILE"]);
    format!("{apply} creates those that are not there, and has the others do what the file says.")
}

/// How Jobs are created whose names are made anew each time.
pub(super) fn about_generated() -> String {
    let create = federate("job create", ["-f", "FILE"]);
    format!(
        "{create} creates jobs with a generateName, each time anew: let FILE hold only those that \
         are still to be created."
    )
}
