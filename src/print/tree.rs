//! A tree with a bar for each branch, and below it what is said of it; pure.

use console::{Style, measure_text_width, truncate_str};

use super::{escape, signs::Signs};

/// Blanks between two columns.
const GAP: usize = 3;

/// The columns of a bar where nothing says how wide the text may be.
const USUAL: usize = 30;

/// The fewest columns of a bar, and the most.
const BAR: (usize, usize) = (8, 40);

/// The names of the columns. The third has the bars.
const HEADERS: [&str; 6] = ["NAME", "STATUS", "PROGRESS", "COMPLETIONS", "ACTIVE", "FAILED"];

/// Which of the columns has the bars.
const BARS: usize = 2;

/// How much of something is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// What is done.
    pub done: u64,
    /// What runs, or waits to run.
    pub running: u64,
    /// What has failed; that is to be done again.
    pub failed: u64,
    /// What is left and does not run.
    pub left: u64,
}

/// One line with a bar.
#[derive(Debug, Clone, Default)]
pub struct Branch {
    /// What it is.
    pub name: String,
    /// How it stands, in a word.
    pub word: String,
    /// Its bar.
    pub share: Share,
    /// How much is done of how much.
    pub completions: String,
    /// What keeps it from going on.
    pub notes: Vec<String>,
}

/// A root and its branches.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The root.
    pub root: Branch,
    /// What is below it.
    pub branches: Vec<Branch>,
}

/// How a tree is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    /// In how many columns lines are seen, if that is limited.
    pub room: Option<usize>,
    /// The characters.
    pub signs: &'static Signs,
    /// Whether it has colours.
    pub colours: bool,
    /// What becomes of notes.
    pub notes: Notes,
    /// Whether the columns have names.
    pub headers: bool,
}

/// What becomes of the notes of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notes {
    /// They go on in another line where they are too wide.
    Wrapped,
    /// They are cut short where they are too wide.
    Cut,
    /// They are left out.
    None,
}

impl Share {
    /// The columns of done, running, failed and left in a bar of so many: in proportion, and one at
    /// least of each that is not 0, as far as there is room.
    fn columns(&self, width: usize) -> [usize; 4] {
        let parts = [self.done, self.running, self.failed, self.left];
        let total: u128 = parts.iter().map(|part| u128::from(*part)).sum();
        if total == 0 {
            return [0; 4];
        }
        let exact = |part: u64| u128::from(part) * width as u128;
        let mut columns = parts.map(|part| (exact(part) / total) as usize);
        let mut in_order = [0, 1, 2, 3];
        in_order.sort_by_key(|n| std::cmp::Reverse(exact(parts[*n]) % total));
        let mut rest = width - columns.iter().sum::<usize>();
        for n in in_order {
            if rest > 0 {
                columns[n] += 1;
                rest -= 1;
            }
        }
        for n in 0..parts.len() {
            let widest = (0..parts.len()).max_by_key(|n| columns[*n]).unwrap_or(0);
            if parts[n] > 0 && columns[n] == 0 && columns[widest] > 1 {
                columns[widest] -= 1;
                columns[n] = 1;
            }
        }
        columns
    }

    fn bar(&self, width: usize, drawing: &Drawing) -> String {
        let Signs { done, running, failed, left, .. } = drawing.signs;
        let styles = [
            (done, Style::new().green()),
            (running, Style::new().cyan()),
            (failed, Style::new().red()),
            (left, Style::new().dim()),
        ];
        let parts = styles.into_iter().zip(self.columns(width));
        let parts = parts.filter(|(_, columns)| *columns > 0);
        parts
            .map(|((sign, style), columns)| {
                let part = sign.to_string().repeat(columns);
                if drawing.colours {
                    style.force_styling(true).apply_to(part).to_string()
                } else {
                    part
                }
            })
            .collect()
    }
}

impl Drawing {
    /// Trees below each other, as lines without ends. None is wider than there is room.
    pub fn lines(&self, trees: &[Tree]) -> Vec<String> {
        let rows: Vec<_> = trees.iter().flat_map(|tree| tree.rows(self.signs)).collect();
        let mut cells: Vec<[String; 6]> = Vec::new();
        cells.extend(self.headers.then(|| HEADERS.map(str::to_owned)));
        cells.extend(rows.iter().map(|(before, _, branch)| branch.cells(before)));
        let widths: [usize; 6] = std::array::from_fn(|n| {
            cells.iter().map(|row| measure_text_width(&row[n])).max().unwrap_or(0)
        });
        let (columns, bar) = fit(&widths, self.room);
        let mut lines = Vec::new();
        if self.headers {
            lines.push(join(&cells.remove(0), &widths, &columns, bar));
        }
        for ((_, below, branch), mut row) in rows.into_iter().zip(cells) {
            row[BARS] = branch.share.bar(bar, self);
            lines.push(join(&row, &widths, &columns, bar));
            for note in branch.notes.iter().filter(|_| self.notes != Notes::None) {
                lines.extend(self.noted(&below, &escape::line(note)));
            }
        }
        if let Some(room) = self.room {
            for line in &mut lines {
                *line = truncate_str(line, room, self.signs.more).into_owned();
            }
        }
        lines
    }
}

impl Tree {
    /// Each branch with what stands before its name, and before what is said of it.
    fn rows(&self, signs: &Signs) -> impl Iterator<Item = (String, String, &Branch)> {
        let [branch, last, goes_on, ends] = signs.branches;
        let stem = if self.branches.is_empty() { ends } else { goes_on };
        let root = (String::new(), format!("{stem}  "), &self.root);
        let count = self.branches.len();
        let below = self.branches.iter().enumerate().map(move |(n, it)| {
            let (before, below) = if n + 1 == count { (last, ends) } else { (branch, goes_on) };
            (before.to_owned(), format!("{below}  "), it)
        });
        std::iter::once(root).chain(below)
    }
}

impl Branch {
    /// The cells of its line but for the bar.
    fn cells(&self, before: &str) -> [String; 6] {
        let count = |count: u64| if count == 0 { String::new() } else { count.to_string() };
        [
            format!("{before}{}", escape::line(&self.name)),
            escape::line(&self.word).into_owned(),
            String::new(),
            self.completions.clone(),
            count(self.share.running),
            count(self.share.failed),
        ]
    }
}

impl Drawing {
    /// A note as lines behind the same beginning.
    fn noted(&self, before: &str, note: &str) -> Vec<String> {
        let taken = measure_text_width(before);
        let room = self.room.filter(|room| self.notes == Notes::Wrapped && *room > taken + 10);
        let Some(room) = room.map(|room| room - taken) else {
            return vec![format!("{before}{note}")];
        };
        let mut lines = vec![String::new()];
        for word in note.split(' ') {
            let line = lines.last_mut().expect("there is one always");
            if line.is_empty() {
                line.push_str(word);
            } else if measure_text_width(line) + 1 + measure_text_width(word) <= room {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines.into_iter().map(|line| format!("{before}{line}")).collect()
    }
}

/// Which columns are shown, and how wide a bar is. Where there is little room, the last columns are
/// left out first, and the bar is the last but two.
fn fit(widths: &[usize; 6], room: Option<usize>) -> (Vec<usize>, usize) {
    let (least, most) = BAR;
    let Some(room) = room else { return ((0..widths.len()).collect(), USUAL) };
    for count in (BARS + 1..=widths.len()).rev() {
        let columns: Vec<_> = (0..count).collect();
        let others: usize = (0..count).filter(|n| *n != BARS).map(|n| widths[n]).sum();
        let left = room.saturating_sub(others + GAP * (count - 1));
        if left >= least {
            return (columns, left.min(most));
        }
    }
    (vec![0, 1], 0)
}

fn join(cells: &[String; 6], widths: &[usize; 6], columns: &[usize], bar: usize) -> String {
    let mut line = String::new();
    let mut gap = 0;
    for n in columns {
        let width = if *n == BARS { bar } else { widths[*n] };
        let cell = truncate_str(&cells[*n], width, "");
        line.push_str(&" ".repeat(gap));
        line.push_str(&cell);
        gap = GAP + width.saturating_sub(measure_text_width(&cell));
    }
    line.truncate(line.trim_end_matches(' ').len());
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Drawing = Drawing {
        room: None,
        signs: &Signs::BLOCKS,
        colours: false,
        notes: Notes::Wrapped,
        headers: true,
    };

    fn tree() -> Tree {
        let branch = |name: &str, word: &str, share: [u64; 4], completions: &str| {
            let [done, running, failed, left] = share;
            Branch {
                name: name.to_owned(),
                word: word.to_owned(),
                share: Share { done, running, failed, left },
                completions: completions.to_owned(),
                notes: Vec::new(),
            }
        };
        let mut west = branch("west", "Running", [1, 2, 1, 3], "1/6");
        west.notes = vec!["2 pods: Unschedulable: 0/3 nodes are available\u{1b}[2J".to_owned()];
        Tree {
            root: branch("pi", "Running", [7, 4, 1, 7], "7/18"),
            branches: vec![branch("east", "Complete", [6, 0, 0, 0], "6/6"), west],
        }
    }

    #[test]
    fn each_branch_has_a_bar_and_its_notes() {
        let lines = Drawing { room: Some(70), ..PLAIN }.lines(&[tree()]);
        assert_eq!(
            lines.join("\n"),
            "\
NAME      STATUS     PROGRESS            COMPLETIONS   ACTIVE   FAILED
pi        Running    ██████▒▒▒▒✗······   7/18          4        1
├─ east   Complete   █████████████████   6/6
└─ west   Running    ███▒▒▒▒▒✗✗·······   1/6           2        1
     2 pods: Unschedulable: 0/3 nodes are available^[[2J"
        );
    }

    #[test]
    fn a_terminal_without_blocks_gets_none() {
        let lines = Drawing { signs: &Signs::ASCII, ..PLAIN }.lines(&[tree()]);
        assert!(lines.iter().all(|line| line.is_ascii()), "{lines:?}");
    }

    #[test]
    fn colours_change_nothing_but_the_colours() {
        let plain = Drawing { room: Some(90), ..PLAIN };
        let coloured = Drawing { colours: true, ..plain }.lines(&[tree()]).join("\n");
        let plain = plain.lines(&[tree()]).join("\n");
        assert_ne!(coloured, plain);
        assert_eq!(console::strip_ansi_codes(&coloured), plain);
    }

    fn shares() -> impl Strategy<Value = Share> {
        let count = || prop_oneof![Just(0), 0..10_u64, any::<u64>()];
        (count(), count(), count(), count()).prop_map(|(done, running, failed, left)| Share {
            done,
            running,
            failed,
            left,
        })
    }

    fn branches() -> impl Strategy<Value = Branch> {
        let notes = prop::collection::vec(any::<String>(), 0..3);
        (any::<[String; 3]>(), shares(), notes).prop_map(
            |([name, word, completions], share, notes)| Branch {
                name,
                word,
                share,
                completions: completions.replace(char::is_control, ""),
                notes,
            },
        )
    }

    proptest! {
        #[test]
        fn a_bar_is_full_and_shows_each_part_that_is_not_nothing(
            share in shares(), width in 0..60_usize,
        ) {
            let columns = share.columns(width);
            let parts = [share.done, share.running, share.failed, share.left];
            let is_empty = parts.iter().all(|part| *part == 0);
            prop_assert_eq!(columns.iter().sum::<usize>(), if is_empty { 0 } else { width });
            if width >= parts.len() {
                for (part, columns) in parts.into_iter().zip(columns) {
                    prop_assert_eq!(part > 0, columns > 0);
                }
            }
        }

        #[test]
        fn no_line_is_wider_than_the_window(
            root in branches(), branches in prop::collection::vec(branches(), 0..4),
            width in 1..150_usize, cuts: bool, colours: bool,
        ) {
            let trees = [Tree { root, branches }, Tree::default()];
            let notes = if cuts { Notes::Cut } else { Notes::Wrapped };
            let drawing = Drawing { room: Some(width), notes, colours, ..PLAIN };
            for line in drawing.lines(&trees) {
                prop_assert!(measure_text_width(&line) <= width, "{line:?}");
                prop_assert!(!line.contains('\n'));
            }
        }
    }
}
