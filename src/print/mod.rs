//! Tables, ages, formats, progress and prompts, by kubectl's conventions.
//!
//! [`Output`] owns the streams, and everything is printed through it. So text from servers and
//! files cannot control the terminal, a progress bar never mixes with lines, and a test can run a
//! command and read its output.

pub mod age;
pub mod chart;
mod columns;
mod command;
mod counted;
mod error;
mod escape;
pub mod format;
mod kyaml;
mod live;
mod output;
mod printed;
mod signs;
mod steps;

pub mod sort;
pub mod table;
mod tabs;
mod tree;
mod trees;
mod waiting;

pub use columns::CustomColumns;
pub use command::{
    Repeated, about_host_of, command, federate, federate_line, federate_on_host, kubectl_line,
    repeating,
};
pub use counted::{counted, listed};
pub use error::Error;
pub use format::Format;
pub use live::{Canvas, Live, View};
#[cfg(unix)]
pub use output::is_terminal_changed;
pub use output::{
    ATTEMPTS, Captured, Colour, ESC, LogText, Output, UnknownColour, choice,
    leave_terminal_as_it_was, not_understood, selection,
};
pub use printed::Printed;
pub use signs::Signs;
pub use steps::Steps;

pub use table::Table;
pub use tabs::Tabs;
pub use tree::{Branch, Drawing, Notes, Share, Tree};
pub use trees::Trees;
pub use waiting::Waiting;
