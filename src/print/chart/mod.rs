//! A chart of what waited and ran when: a bar for each row, over one axis of time; pure.
//!
//! | module | what it holds |
//! |---|---|
//! | `stretch` | what one thing did, and how many did it at a time |
//! | `axis` | where times are on an axis, and which are written there |
//! | `text` | the chart for a terminal |
//! | `svg` | the chart as a picture |

mod axis;
mod stretch;
mod svg;
mod text;

use jiff::Timestamp;

use super::{Table, age};

pub use stretch::{End, Stretch};

/// Rows of cells, each with a bar.
#[derive(Debug, Clone)]
pub struct Chart {
    title: String,
    headers: Vec<&'static str>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    cells: Vec<String>,
    stretches: Vec<Stretch>,
}

impl Chart {
    /// A chart without rows.
    pub fn new(title: impl Into<String>, headers: impl IntoIterator<Item = &'static str>) -> Self {
        Self { title: title.into(), headers: headers.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row: its cells, the first of which names it, and what its bar shows.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>, stretches: Vec<Stretch>) {
        self.rows.push(Row { cells: cells.into_iter().collect(), stretches });
    }

    /// From when to when anything was done, in seconds since 1970; at least a second.
    fn span(&self) -> (i64, i64) {
        let all = || self.rows.iter().flat_map(|row| &row.stretches);
        let from = all().map(|stretch| stretch.from).min().unwrap_or(0);
        let to = all().map(|stretch| stretch.to).max().unwrap_or(from);
        (from, to.max(from + 1))
    }

    /// What is said of the whole: from when to when it is.
    fn caption(&self) -> String {
        let (from, to) = self.span();
        let time = |second| Timestamp::from_second(second).unwrap_or_default();
        let lasts = age::age(time(to), time(from));
        format!("from {} to {}: {lasts}", time(from), time(to))
    }

    /// The first columns of cells as a table.
    fn table(&self, columns: usize) -> Table {
        let mut table = Table::new(self.headers.iter().take(columns));
        for row in &self.rows {
            table.row(row.cells.iter().take(columns).cloned());
        }
        table
    }
}

#[cfg(test)]
mod tests;
