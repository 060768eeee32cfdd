//! A chart for a terminal; pure.

use console::{measure_text_width, truncate_str};

use super::{
    Chart, Row,
    stretch::{End, pieces},
};
use crate::print::{Table, age, signs::Signs};

/// Columns of a bar where nothing says how wide the text may be.
const USUAL: usize = 48;

/// The fewest columns of a bar before cells are left out.
const LEAST: usize = 16;

/// The most columns of a bar.
const MOST: usize = 120;

impl Chart {
    /// The chart as lines that end in a newline, in so many columns if that is limited.
    pub fn render(&self, width: Option<usize>, signs: &Signs) -> String {
        let (table, left) = self.beside(width, signs);
        let bar = width.map_or(USUAL, |width| width.saturating_sub(left).clamp(1, MOST));
        let legend = format!(
            "{} queued  {} running  {} failed, {}",
            signs.waiting,
            signs.levels[signs.levels.len() - 1],
            signs.failed,
            self.caption()
        );
        let bars = self.rows.iter().map(|row| self.bar(row, bar, signs));
        let bars = std::iter::once(self.axis(bar)).chain(bars);
        let mut text = String::new();
        for (line, bar) in table.lines().zip(bars) {
            let gap = left.saturating_sub(measure_text_width(line));
            push(&mut text, &format!("{line}{:gap$}{bar}", ""), width);
        }
        push(&mut text, "", width);
        push(&mut text, &legend, width);
        text
    }

    /// The cells as lines of a table, and their width: without the last ones, and with the names
    /// cut short, where there would be no room for a bar.
    fn beside(&self, width: Option<usize>, signs: &Signs) -> (String, usize) {
        let most = width.map_or(usize::MAX, |width| width.saturating_sub(LEAST));
        for columns in (1..=self.headers.len()).rev() {
            let mut widths = Vec::new();
            let text = self.table(columns).render_below(&mut widths);
            let taken = widths.iter().sum();
            if taken <= most {
                return (text, taken);
            }
        }
        let mut table = Table::new(self.headers.iter().take(1));
        for row in &self.rows {
            let name = row.cells.first().map_or("", String::as_str);
            table.row([truncate_str(name, most.saturating_sub(3).max(1), signs.more).into_owned()]);
        }
        let mut widths = Vec::new();
        (table.render_below(&mut widths), widths.iter().sum())
    }

    /// What stands above the bars: where they begin and end.
    fn axis(&self, width: usize) -> String {
        let (from, to) = self.span();
        let end = age::human(jiff::SignedDuration::from_secs(to - from));
        let gap = width.saturating_sub(2 + end.len());
        if gap == 0 { String::new() } else { format!("0s{:gap$}{end}", "") }
    }

    /// The bar of a row: how many ran compared with the most that ran at a time, or that some
    /// waited.
    fn bar(&self, row: &Row, width: usize, signs: &Signs) -> String {
        let (from, to) = self.span();
        let pieces = pieces(&row.stretches);
        let most = pieces.iter().map(|piece| piece.running).max().unwrap_or(0).max(1);
        let scale = (to - from) as f64 / width as f64;
        let failures = row.stretches.iter().filter(|stretch| stretch.end == End::Failed);
        // What ends where another cell begins is seen in the cell before.
        let place = |at: i64| (((at - from) as f64 / scale).ceil() as usize).clamp(1, width) - 1;
        let failed: Vec<_> = failures.map(|stretch| place(stretch.to)).collect();
        // The times of pods are whole seconds: many a short one takes none.
        let instants = row.stretches.iter().filter(|stretch| stretch.from == stretch.to);
        let instants: Vec<_> = instants.map(|stretch| place(stretch.to)).collect();
        let cell = |n: usize| {
            if failed.contains(&n) {
                return signs.failed;
            }
            let (begin, end) =
                (from as f64 + n as f64 * scale, from as f64 + (n + 1) as f64 * scale);
            let (mut waited, mut ran, mut covered) = (0.0, 0.0, 0.0);
            for piece in &pieces {
                let overlap = (piece.to as f64).min(end) - (piece.from as f64).max(begin);
                if overlap > 0.0 {
                    waited += overlap * piece.waiting as f64;
                    ran += overlap * piece.running as f64;
                    covered += if piece.running > 0 { overlap } else { 0.0 };
                }
            }
            if ran > 0.0 && (covered > scale / 2.0 || waited < ran) {
                let level = (ran / covered / most as f64 * signs.levels.len() as f64).ceil();
                return signs.levels[(level as usize).clamp(1, signs.levels.len()) - 1];
            }
            if waited > 0.0 {
                return signs.waiting;
            }
            if instants.contains(&n) { signs.levels[0] } else { ' ' }
        };
        (0..width).map(cell).collect()
    }
}

/// Adds a line without blanks at its end, cut short where it would be too wide.
fn push(text: &mut String, line: &str, width: Option<usize>) {
    let line = line.trim_end_matches(' ');
    match width {
        Some(width) => text.push_str(&truncate_str(line, width, "")),
        None => text.push_str(line),
    }
    text.push('\n');
}
