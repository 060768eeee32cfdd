//! What is to be measured.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser};

use crate::{Error, rows::Table};

/// How fast kubectl-federate is, beside an older build and what else people use
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// The build to measure; if left out, one is built with the profile "bench"
    #[arg(long, value_name = "PATH")]
    pub ours: Option<PathBuf>,
    /// An older build to compare it with
    #[arg(long, value_name = "PATH")]
    pub baseline: Option<PathBuf>,
    /// The kubectl to compare it with; if left out, the one that the tests build
    #[arg(long, value_name = "PATH")]
    pub kubectl: Option<PathBuf>,
    /// Measure only rows whose names contain one of these words, such as wide or silent-get. Those
    /// beside Karmada are measured only if a word begins with "karmada"
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How often each row is measured, in turn with the other programs; the median is told
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// The round-trip time to each cluster in milliseconds, which counts for connecting too
    #[arg(long, value_name = "MS", default_value_t = 50)]
    pub round_trip: u64,
    /// How many requests a second Karmada's processes may send to an API server, in place of their
    /// own default, which is 40
    #[arg(long, value_name = "N")]
    pub karmada_qps: Option<u32>,
    /// Tell only what is the same however busy the machine is: requests and connections
    #[arg(long)]
    pub counts: bool,
    /// Write each table that has rows now into this page, between its marks, and a picture of the
    /// times on simulated clusters beside it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// How large everything is.
    #[command(flatten)]
    pub sizes: Sizes,
}

impl Arguments {
    /// Whether a row of this name is asked for.
    pub fn wants(&self, row: &str) -> bool {
        let is_named = |word: &String| row.contains(word.as_str());
        match Table::of(row) {
            Table::Simulated => self.only.is_empty() || self.only.iter().any(is_named),
            // Only times are measured there.
            Table::Karmada if self.counts => false,
            Table::Karmada => {
                let asks = |word: &&String| Table::of(word) == Table::Karmada;
                self.only.iter().filter(asks).any(is_named)
            }
        }
    }

    /// The round-trip time.
    pub fn round_trip(&self) -> Duration {
        Duration::from_millis(self.round_trip)
    }
}

/// How many members and Jobs each row has.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sizes")]
pub struct Sizes {
    /// Jobs in one command, of the rows "jobs-…"
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub jobs: usize,
    /// Members of the rows "jobs-…"
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub jobs_members: usize,
    /// Members of the rows "wide-…"
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub wide_members: usize,
    /// Members of the rows "silent-…", one of which does not answer
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub silent_members: usize,
    /// Jobs of the row "all-reconcile"
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub all_jobs: usize,
    /// Members of the row "all-reconcile"
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub all_members: usize,
    /// Members of the row "kubectl-create"
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub kubectl_members: usize,
    /// Members of the row "client-go-create"
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub client_go_members: usize,
    /// Members of the row "plan"
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub plan_members: usize,
    /// Jobs in one command, of the row "karmada-many-3"
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub karmada_jobs: usize,
    /// How long nothing is done in the row "karmada-idle-6", in seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub karmada_idle: u64,
    /// How often each program is started in a round of the row "start"
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub starts: usize,
}

/// A table that is to stand in a page.
pub(crate) struct Write<'a> {
    /// The page. The picture is beside it, with the ending `svg`.
    pub page: &'a Path,
    /// Which table it is.
    pub table: Table,
    /// The table.
    pub text: &'a str,
    /// The picture; none where none is drawn.
    pub picture: Option<&'a str>,
}

impl Write<'_> {
    /// Writes them.
    ///
    /// # Errors
    /// The page has no marks, or a file cannot be read or written.
    pub fn write(&self) -> Result<(), Error> {
        let page = fs::read_to_string(self.page)?;
        let written = self.placed_in(&page).ok_or("the page has no marks for the table")?;
        fs::write(self.page, written)?;
        let picture = self.page.with_extension("svg");
        Ok(self.picture.map_or(Ok(()), |drawn| fs::write(picture, drawn))?)
    }

    /// The page with the table between its marks; none where there are no marks.
    fn placed_in(&self, page: &str) -> Option<String> {
        let name = match self.table {
            Table::Simulated => "table",
            Table::Karmada => "karmada",
        };
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n{}\n{end}{after}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_itself_and_no_other() {
        let page = "a\n<!-- table: begin -->\nold\n<!-- table: end -->\nb\n\
                    <!-- karmada: begin -->\nold\n<!-- karmada: end -->\nc\n";
        let write = |table, page: &str| {
            Write { page: Path::new("page.md"), table, text: "new\n", picture: None }
                .placed_in(page)
        };
        let expected = "a\n<!-- table: begin -->\nold\n<!-- table: end -->\nb\n\
                        <!-- karmada: begin -->\n\nnew\n\n<!-- karmada: end -->\nc\n";
        assert_eq!(write(Table::Karmada, page).as_deref(), Some(expected));
        let both = write(Table::Simulated, expected);
        assert_eq!(both.map(|text| text.matches("\nnew\n").count()), Some(2));
        assert_eq!(write(Table::Karmada, "no marks"), None);
    }
}
