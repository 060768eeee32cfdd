//! Progress on a terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::escape;

/// A progress bar below the lines. It is shown on a terminal only, and removed when dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar of `total` steps with the prefix `what`.
    pub(super) fn bar(all: &MultiProgress, what: &str, total: u64) -> Self {
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {wide_msg}")
            .expect("the template is well-formed")
            .progress_chars("=> ");
        let bar = all.add(ProgressBar::new(total).with_style(style));
        bar.set_prefix(escape::line(what).into_owned());
        bar.tick();
        Self { bar }
    }

    /// A line of text in place of a bar.
    pub(super) fn line(all: &MultiProgress) -> Self {
        let style =
            ProgressStyle::with_template("{wide_msg}").expect("the template is well-formed");
        Self { bar: all.add(ProgressBar::new(0).with_style(style)) }
    }

    /// Sets the text of a line.
    pub(super) fn say(&self, text: &str) {
        self.bar.set_message(escape::line(text).into_owned());
        self.bar.tick();
    }

    /// Advances the bar by one step.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    /// Sets how many steps are left of those that the bar began with, and the message beside it.
    pub fn left(&self, left: u64, message: &str) {
        let total = self.bar.length().unwrap_or(0).max(left);
        self.show(total - left, total, message);
    }

    /// Sets the finished and total steps, and the message beside the bar.
    pub fn show(&self, done: u64, total: u64, message: &str) {
        self.bar.set_length(total);
        self.bar.set_position(done.min(total));
        self.bar.set_message(escape::line(message).into_owned());
    }
}
