//! What a terminal shows of what is written to it.

/// The columns of a terminal that has no size.
const USUAL: usize = 80;

/// A text whose bytes were taken for characters.
pub fn decoded(seen: &str) -> String {
    let bytes: Vec<_> = seen.chars().map(|c| c as u8).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The lines of a terminal. Of the escape sequences, it knows those that move the cursor and clear.
pub struct Screen {
    /// The lines, without blanks at their ends.
    pub lines: Vec<String>,
    columns: usize,
    row: usize,
    column: usize,
}

impl Screen {
    /// What is seen on a terminal that has no size.
    pub fn after(text: &str) -> Self {
        Self::of(USUAL, text)
    }

    /// What is seen on a terminal of so many columns.
    pub fn of(columns: usize, text: &str) -> Self {
        let mut screen = Self { lines: Vec::new(), columns, row: 0, column: 0 };
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\n' => screen.row += 1,
                '\r' => screen.column = 0,
                '\u{1b}' => {
                    let mut sequence = String::new();
                    for c in chars.by_ref() {
                        sequence.push(c);
                        if c.is_ascii_alphabetic() {
                            break;
                        }
                    }
                    screen.control(&sequence);
                }
                c => screen.put(c),
            }
        }
        while screen.lines.last().is_some_and(|line| line.trim().is_empty()) {
            screen.lines.pop();
        }
        screen.lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        screen
    }

    fn control(&mut self, sequence: &str) {
        let number = sequence.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(1);
        match sequence.chars().last() {
            Some('A') => self.row = self.row.saturating_sub(number),
            Some('B') => self.row += number,
            Some('G') => self.column = number - 1,
            Some('K') => self.line().clear(),
            Some('J') => self.lines.truncate(self.row),
            _ => {}
        }
    }

    fn line(&mut self) -> &mut String {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, String::new());
        }
        &mut self.lines[self.row]
    }

    fn put(&mut self, c: char) {
        // A line that is full goes on in the next one.
        if self.column >= self.columns {
            self.row += 1;
            self.column = 0;
        }
        let column = self.column;
        let line = self.line();
        let mut cells: Vec<char> = line.chars().collect();
        cells.resize(cells.len().max(column + 1), ' ');
        cells[column] = c;
        *line = cells.into_iter().collect();
        self.column += 1;
    }
}
