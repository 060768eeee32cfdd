//! What is to be measured.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser};

use crate::Error;

/// What stands before and after the table in a page.
const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

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
    /// Measure only rows whose names contain one of these words, such as wide or silent-get
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How often each row is measured, in turn with the other programs; the median is told
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
    /// The round-trip time to each cluster in milliseconds, which counts for connecting too
    #[arg(long, value_name = "MS", default_value_t = 50)]
    pub round_trip: u64,
    /// Tell only what is the same however busy the machine is: requests and connections
    #[arg(long)]
    pub counts: bool,
    /// Write the table into this page, between its marks, and a picture of the times beside it
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// How large everything is.
    #[command(flatten)]
    pub sizes: Sizes,
}

impl Arguments {
    /// Whether a row of this name is asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| row.contains(word.as_str()))
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
    /// How often each program is started in a round of the row "start"
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub starts: usize,
}

/// A page, and what is to stand in it.
pub(crate) struct Write<'a> {
    /// The page. The picture is beside it, with the ending `svg`.
    pub page: &'a Path,
    /// The table.
    pub text: &'a str,
    /// The picture; none where no times are told.
    pub picture: Option<&'a str>,
}

impl Write<'_> {
    /// Writes them.
    ///
    /// # Errors
    /// The page has no marks, or a file cannot be read or written.
    pub fn write(&self) -> Result<(), Error> {
        let page = fs::read_to_string(self.page)?;
        let marks = page.split_once(BEGIN).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(END)?;
            Some((before, after))
        });
        let (before, after) = marks.ok_or("the page has no marks for the table")?;
        fs::write(self.page, format!("{before}{BEGIN}\n{}\n{END}{after}", self.text))?;
        let picture = self.page.with_extension("svg");
        Ok(self.picture.map_or(Ok(()), |drawn| fs::write(picture, drawn))?)
    }
}
