//! `-v`: what is told of requests, to stderr.

use std::{io, sync::Arc};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::print::Output;

/// The levels of `-v` at which requests, and more of them, are told; kubectl's.
const REQUESTS: u8 = 6;
const DETAILS: u8 = 7;

/// Starts to tell as much as `-v` asks for. Tokens and bodies are never told.
pub fn start(level: u8, output: &Arc<Output>) {
    let filter = match level {
        0..REQUESTS => return,
        REQUESTS..DETAILS => LevelFilter::INFO,
        DETAILS.. => LevelFilter::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(Notes(output.clone()));
    let told = tracing::subscriber::set_global_default(subscriber.finish());
    told.expect("a process starts to tell once");
}

/// Lines for stderr, by way of the one that owns it.
struct Notes(Arc<Output>);

impl<'a> MakeWriter<'a> for Notes {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines(&self.0)
    }
}

struct Lines<'a>(&'a Output);

impl io::Write for Lines<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.note(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
