//! `-v`: what is told of requests, to stderr.

use std::{io, sync::Arc};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry,
};

use crate::{cluster::log, print::Output};

/// Starts to tell as much as `-v` asks for: of what we do, and never of what libraries do. See
/// [`log`].
pub fn start(level: u8, output: &Arc<Output>) {
    let (ours, bodies) = match level {
        0 => return,
        1..6 => (LevelFilter::WARN, LevelFilter::OFF),
        6 => (LevelFilter::INFO, LevelFilter::OFF),
        7 => (LevelFilter::DEBUG, LevelFilter::OFF),
        8 => (LevelFilter::TRACE, LevelFilter::DEBUG),
        9.. => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let targets =
        Targets::new().with_target("kubectl_federate", ours).with_target(log::BODIES, bodies);
    let lines = fmt::layer()
        .with_target(false)
        .with_level(false)
        .with_ansi(false)
        .with_writer(Notes(output.clone()));
    let told = tracing::subscriber::set_global_default(registry().with(targets).with(lines));
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
