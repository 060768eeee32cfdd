//! Columns as kubectl aligns them: cells end at tabs, and lines with as many cells share widths.

/// The least width of a column with its gap.
const MIN_WIDTH: usize = 6;

/// Spaces between two columns.
const GAP: usize = 3;

/// Aligns texts one after another. Columns do not become narrower from one to the next.
#[derive(Debug, Clone, Default)]
pub struct Tabs {
    /// The widest that each column was so far.
    widest: Vec<usize>,
}

impl Tabs {
    /// The lines of a text with blanks in place of their tabs. The last cell of a line belongs to
    /// no column.
    pub fn aligned(&mut self, text: &str) -> String {
        let mut aligned = String::with_capacity(text.len());
        let mut lines = Vec::new();
        for line in text.lines_of_cells() {
            let alone = line.len() == 1;
            lines.push(line);
            // Such a line parts what stands above from what stands below.
            if alone {
                self.write(&std::mem::take(&mut lines), &mut aligned);
            }
        }
        self.write(&lines, &mut aligned);
        aligned
    }

    fn write(&mut self, lines: &[Vec<&str>], text: &mut String) {
        let widths = self.widths(lines);
        for (line, widths) in lines.iter().zip(widths) {
            for (at, cell) in line.iter().enumerate() {
                text.push_str(cell);
                let width = widths.get(at).copied().unwrap_or(0);
                text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
            text.push('\n');
        }
    }

    /// Of each line, the widths of its columns. Lines that follow one another and have a cell in a
    /// column give it one width.
    fn widths(&mut self, lines: &[Vec<&str>]) -> Vec<Vec<usize>> {
        let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
        let columns = lines.iter().map(Vec::len).max().unwrap_or(1) - 1;
        self.widest.resize(self.widest.len().max(columns), MIN_WIDTH);
        for column in 0..columns {
            let has_cell = |line: &Vec<&str>| line.len() > column + 1;
            let mut from = 0;
            for block in lines.chunk_by(|a, b| has_cell(a) == has_cell(b)) {
                let to = from + block.len();
                if has_cell(&block[0]) {
                    let cells = block.iter().map(|line| line[column].chars().count() + GAP);
                    let width = cells.max().unwrap_or(0).max(self.widest[column]);
                    self.widest[column] = width;
                    widths[from..to].iter_mut().for_each(|line| line.push(width));
                }
                from = to;
            }
        }
        widths
    }
}

/// The lines of a text, cut into cells.
trait LinesOfCells {
    fn lines_of_cells(&self) -> impl Iterator<Item = Vec<&str>>;
}

impl LinesOfCells for str {
    fn lines_of_cells(&self) -> impl Iterator<Item = Vec<&str>> {
        let text = self.strip_suffix('\n').unwrap_or(self);
        let lines = (!self.is_empty()).then(|| text.split(['\n', '\u{c}']));
        lines.into_iter().flatten().map(|line| line.split(['\t', '\u{b}']).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_as_many_cells_share_widths() {
        let mut tabs = Tabs::default();
        let text = "NAME\tIMAGE\tAGE\na-longer-name\tx\t5s\nalone\nb\tc\n\n";
        assert_eq!(
            tabs.aligned(text),
            "NAME            IMAGE   AGE\na-longer-name   x       5s\nalone\nb               c\n\n"
        );
        assert_eq!(tabs.aligned("pi\tx\ty\n"), "pi              x       y\n");
        assert_eq!(tabs.aligned(""), "");
    }
}
