//! The exit codes of the program.

/// How a command can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to.
    Done,
    /// It did not do all of it.
    Failed,
    /// `job diff` found differences.
    Differs,
    /// `job diff` failed.
    DiffFailed,
    /// The program has a defect.
    Defect,
    /// The terminal was closed at a question.
    HungUp,
    /// Ctrl-C ended it.
    Interrupted,
    /// SIGTERM ended it at a question.
    Terminated,
}

impl Exit {
    /// All of them, by their codes.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Failed,
        Self::Differs,
        Self::DiffFailed,
        Self::Defect,
        Self::HungUp,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The code. After a signal it is the one that shells have for it: 128 and its number.
    /// After a defect it is that of Rust's programs.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed | Self::Differs => 1,
            Self::DiffFailed => 2,
            Self::Defect => 101,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What the code says, for the user.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "All was done that was asked for. Also where a state is shown as Unknown because \
                 a cluster does not answer: `job get`, `job describe`, `cluster list`"
            }
            Self::Failed => {
                "An error, also in one cluster or one job of several; a cluster that does not \
                 answer, where something was to be done there, or only it has what was asked for: \
                 logs, events, a timeline, orphans; a mistake in the command line; a condition \
                 that was not met in time; a job that is not Complete after --wait or --logs"
            }
            Self::Differs => "Of `job diff`: something would change",
            Self::DiffFailed => "Of `job diff`: an error",
            Self::Defect => "A defect of this program: whether it did it is not known",
            Self::HungUp => "The terminal was closed at a question: nothing was changed",
            Self::Interrupted => "Ctrl-C; what is written then is finished by `reconcile`",
            Self::Terminated => "SIGTERM at a question: nothing was changed",
        }
    }
}
