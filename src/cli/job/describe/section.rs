//! A part of a description that has a title.

use crate::{cli::Session, print::Table};

/// Prints a table under a title, if it has rows.
pub(super) fn print(session: &Session<'_>, title: &str, table: Table) {
    if table.is_empty() {
        return;
    }
    session.output().line(format!("{title}:"));
    for line in table.render().lines() {
        session.output().line(format!("  {line}"));
    }
}
