//! kubectl's tables.

use console::measure_text_width;

use super::escape;

/// The text of a cell without a value.
pub const NONE: &str = "<none>";

/// Spaces between two columns.
const GAP: usize = 3;

/// The least width of a column with its gap, as in kubectl.
const MIN_WIDTH: usize = 6;

/// Rows under upper-case headers, in columns as wide as their widest cell.
#[derive(Debug, Clone)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    show_headers: bool,
    /// How many of the last columns may have empty cells.
    bare: usize,
}

impl Table {
    /// An empty table. The headers are printed in upper case.
    pub fn new<H: AsRef<str>>(headers: impl IntoIterator<Item = H>) -> Self {
        let headers = headers.into_iter().map(|header| header.as_ref().to_uppercase()).collect();
        Self { headers, rows: Vec::new(), show_headers: true, bare: 0 }
    }

    /// The same table without its headers (`--no-headers`), if `hidden`.
    #[must_use]
    pub fn no_headers(mut self, hidden: bool) -> Self {
        self.show_headers = !hidden;
        self
    }

    /// The same table with more columns on the right, whose empty cells stay empty.
    #[must_use]
    pub fn and_bare<H: AsRef<str>>(mut self, headers: impl IntoIterator<Item = H>) -> Self {
        let before = self.headers.len();
        self.headers.extend(headers.into_iter().map(|header| header.as_ref().to_uppercase()));
        self.bare += self.headers.len() - before;
        self
    }

    /// Adds a row. Cells that are missing, and cells that are empty, print as `<none>`.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.headers.len(), String::new());
        let bare = self.headers.len() - self.bare;
        for (column, cell) in cells.iter_mut().enumerate() {
            if cell.is_empty() && column < bare {
                NONE.clone_into(cell);
            } else {
                *cell = escape::line(cell).into_owned();
            }
        }
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines that end in a newline, without trailing spaces.
    pub fn render(&self) -> String {
        self.render_below(&mut Vec::new())
    }

    /// The table as lines that continue a table rendered before with these widths. Columns do not
    /// become narrower, and `widths` is updated.
    pub fn render_below(&self, widths: &mut Vec<usize>) -> String {
        let lines = || self.show_headers.then_some(&self.headers).into_iter().chain(&self.rows);
        widths.resize(self.headers.len(), MIN_WIDTH);
        for (column, width) in widths.iter_mut().enumerate() {
            let widest = lines().map(|line| measure_text_width(&line[column])).max().unwrap_or(0);
            *width = (widest + GAP).max(*width);
        }
        let mut text = String::new();
        for line in lines() {
            let mut padding = 0;
            for (cell, width) in line.iter().zip(widths.iter()) {
                text.extend(std::iter::repeat_n(' ', padding));
                text.push_str(cell);
                padding = width - measure_text_width(cell);
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jobs() -> Table {
        let mut table = Table::new(["name", "status", "Up", "AGE"]);
        table.row(["pi", "Running", "1", "5s"]);
        table.row(["a-longer-name", "", "12"]);
        table
    }

    #[test]
    fn columns_align_as_kubectls_do() {
        assert_eq!(
            jobs().render(),
            "NAME            STATUS    UP    AGE\n\
             pi              Running   1     5s\n\
             a-longer-name   <none>    12    <none>\n"
        );
    }

    #[test]
    fn without_headers_columns_are_as_wide_as_their_cells() {
        assert_eq!(
            jobs().no_headers(true).render(),
            "pi              Running   1     5s\na-longer-name   <none>    12    <none>\n"
        );
    }

    #[test]
    fn rows_that_follow_keep_to_the_columns() {
        let mut widths = Vec::new();
        let above = jobs().render_below(&mut widths);
        let mut row = Table::new(["name", "status", "up", "age"]).no_headers(true);
        row.row(["pi", "SuccessCriteriaMet", "2", "6s"]);
        assert_eq!(
            above
                + &row.render_below(&mut widths)
                + &jobs().no_headers(true).render_below(&mut widths),
            "NAME            STATUS    UP    AGE\n\
             pi              Running   1     5s\n\
             a-longer-name   <none>    12    <none>\n\
             pi              SuccessCriteriaMet   2     6s\n\
             pi              Running              1     5s\n\
             a-longer-name   <none>               12    <none>\n"
        );
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        let mut table = Table::new(["NAME", "AGE"]);
        table.row(["世界世界", "5s"]);
        assert_eq!(table.render(), "NAME       AGE\n世界世界   5s\n");
    }

    #[test]
    fn a_cell_cannot_leave_its_line_or_steer_the_terminal() {
        let mut table = Table::new(["NAME", "AGE"]);
        table.row(["a\nb\x1b[2J", "5s"]);
        assert_eq!(table.render(), "NAME        AGE\na\\nb^[[2J   5s\n");
    }

    proptest! {
        #[test]
        fn every_row_is_one_line_without_trailing_spaces(
            rows in prop::collection::vec(prop::collection::vec(any::<String>(), 0..4), 0..6),
        ) {
            let mut table = Table::new(["A", "B", "C"]);
            for row in &rows {
                table.row(row.iter().map(String::as_str).take(3));
            }
            let text = table.render();
            prop_assert_eq!(text.lines().count(), rows.len() + 1);
            prop_assert!(text.lines().all(|line| !line.ends_with(' ')));
        }
    }
}
