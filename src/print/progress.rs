//! Progress on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::time::Duration;

use super::escape;

/// A bar or spinner below the lines, on a terminal; nothing elsewhere. It vanishes when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar of `total` steps.
    pub(super) fn bar(all: &MultiProgress, what: &str, total: u64) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {wide_msg}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
        let bar = all.add(ProgressBar::new(total).with_style(style));
        bar.set_prefix(escape::line(what).into_owned());
        bar.tick();
        Self { bar }
    }

    /// A spinner, for work whose steps cannot be counted.
    pub(super) fn spinner(all: &MultiProgress, what: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {prefix} {wide_msg}")
            .expect("the template is well-formed");
        let bar = all.add(ProgressBar::new_spinner().with_style(style));
        bar.set_prefix(escape::line(what).into_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    /// One more step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// So many steps are done.
    pub fn set(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Says what is being done.
    pub fn message(&self, text: &str) {
        self.bar.set_message(escape::line(text).into_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
