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
mod output;
mod printed;
mod progress;
mod signs;

pub mod sort;
pub mod table;
mod tabs;
mod tree;
mod waiting;

pub use columns::CustomColumns;
pub use command::{
    Repeated, command, federate, federate_line, federate_on_host, kubectl_line, repeating,
};
pub use counted::counted;
pub use error::Error;
pub use format::Format;
pub use output::{ATTEMPTS, Captured, Colour, LogText, Output, UnknownColour, choice, selection};
pub use printed::Printed;
pub use progress::Progress;
pub use signs::Signs;

pub use table::Table;
pub use tabs::Tabs;
pub use tree::{Branch, Drawing, Share, Tree};
pub use waiting::Waiting;
