//! How far something is: a bar, and a line for each that is still busy; pure.

use super::{
    age, escape,
    live::{Canvas, View},
};

/// The columns of a bar.
const BAR: usize = 30;

/// Something that is done in steps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// What is done, such as `creating`.
    pub what: String,
    /// How many steps are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// Who is still busy, and with what.
    pub busy: Vec<(String, String)>,
    /// How many others are busy.
    pub unnamed: usize,
}

impl View for Steps {
    fn lines(&self, canvas: &Canvas) -> Vec<String> {
        let (done, total) = (self.done.min(self.total), self.total);
        let full = BAR * done / total.max(1);
        let bar = format!("{:<BAR$}", "=".repeat(full) + if full < BAR { ">" } else { "" });
        let time = elapsed(canvas);
        let what = escape::line(&self.what);
        let mut lines = vec![format!("{what} [{bar}] {done}/{total}  {time}")];
        let most = canvas.height.saturating_sub(2);
        let width = self.busy.iter().take(most).map(|(name, _)| console::measure_text_width(name));
        let width = width.max().unwrap_or(0);
        for (name, with) in self.busy.iter().take(most) {
            let gap = width.saturating_sub(console::measure_text_width(name));
            let (name, with) = (escape::line(name), escape::line(with));
            lines.push(format!("  {name}{:gap$}  {with}", ""));
        }
        lines.extend(more(self.busy.len().saturating_sub(most) + self.unnamed, canvas));
        lines
    }
}

/// How long a view has been shown.
pub(super) fn elapsed(canvas: &Canvas) -> String {
    let seconds = i64::try_from(canvas.elapsed.as_secs()).unwrap_or(i64::MAX);
    age::human(jiff::SignedDuration::from_secs(seconds))
}

/// A line that says how many others have no room, if there are any.
pub(super) fn more(count: usize, canvas: &Canvas) -> Option<String> {
    (count > 0).then(|| format!("  {} and {count} more", canvas.signs.more))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::print::Signs;

    fn canvas(height: usize) -> Canvas {
        let elapsed = Duration::from_secs(72);
        Canvas { width: 80, height, colours: false, signs: &Signs::BLOCKS, elapsed }
    }

    #[test]
    fn who_is_busy_has_a_line_as_far_as_there_is_room() {
        let busy = ["east", "north", "west"].map(|name| (name.to_owned(), "1 of 2".to_owned()));
        let what = "creating".to_owned();
        let steps = Steps { what, done: 3, total: 6, busy: busy.into(), unnamed: 0 };
        let head = "creating [===============>              ] 3/6  72s";
        let [east, north, west] = ["  east   1 of 2", "  north  1 of 2", "  west   1 of 2"];
        assert_eq!(steps.lines(&canvas(9)), [head, east, north, west]);
        assert_eq!(steps.lines(&canvas(4)), [head, east, north, "  … and 1 more"]);
        let steps = Steps { unnamed: 5, ..steps };
        assert_eq!(steps.lines(&canvas(9)), [head, east, north, west, "  … and 5 more"]);
        assert_eq!(steps.lines(&canvas(4)), [head, east, north, "  … and 6 more"]);
    }

    proptest! {
        #[test]
        fn any_steps_have_a_bar(done: usize, total in 0..usize::MAX / BAR, height in 1..40_usize) {
            let steps = Steps { done: done % (total + 1), total, ..Steps::default() };
            let lines = steps.lines(&canvas(height));
            let inside = lines[0].split(['[', ']']).nth(1).map(str::len);
            prop_assert_eq!((lines.len(), inside), (1, Some(BAR)));
        }
    }
}
