//! Tables, ages, formats, progress and prompts, by kubectl's conventions.
//!
//! [`Output`] owns the streams, and everything is printed through it. So text from servers and files
//! cannot control the terminal, a progress bar never mixes with lines, and a test can run a command
//! and read its output.

pub mod age;
mod escape;
pub mod format;
mod output;
mod progress;
mod some_of;
pub mod table;

pub use format::Format;
pub use output::{Captured, Colour, Output};
pub use progress::Progress;
pub use some_of::some_of;
pub use table::Table;
