//! The one owner of stdout, stderr, the terminal and colour.

mod answer;
mod esc;
mod log;
mod questions;

#[cfg(unix)]
pub use esc::is_terminal_changed;
pub use esc::{ESC, leave_terminal_as_it_was};
pub use log::LogText;
pub use questions::{ATTEMPTS, choice, not_understood, selection};

use std::collections::HashSet;
use std::env;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::{Style, Term};

use super::{Error, Live, Signs, Table, View, Waiting, escape, live::Screen, waiting::WaitingLine};
use crate::{
    hidden::{MOST, bounded},
    os_error,
};

/// The most that is shown of a line of an error or a warning, in bytes: what somebody else says in
/// it has less.
const LINE: usize = 2 * MOST;

/// The value of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// A value of `--color` that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--color must be auto, always or never, not {0:?}")]
pub struct UnknownColour(String);

impl Colour {
    /// Whether to colour a stream. `no_color` and `term` are the environment variables `NO_COLOR`
    /// and `TERM`.
    fn applies(self, terminal: bool, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

impl FromStr for Colour {
    type Err = UnknownColour;

    fn from_str(text: &str) -> Result<Self, UnknownColour> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownColour(text.to_owned())),
        }
    }
}

/// Where everything is printed.
///
/// Lines, blocks and tables go to stdout; notes, warnings and errors go to stderr. Hidden
/// characters are escaped, so that text from servers and files can be passed as it is. A failed
/// write does not stop the command: [`Output::finish`] reports it at the end. Threads share an
/// `Output` by reference.
pub struct Output {
    streams: Mutex<Streams>,
    screen: Arc<Screen>,
    waiting: Arc<WaitingLine>,
    answers: Answers,
    stdout_terminal: bool,
    colour: bool,
    /// Whether stdout is coloured, too: only logs are there.
    stdout_colour: bool,
    signs: &'static Signs,
}

struct Streams {
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    warned: HashSet<String>,
    failure: Option<io::Error>,
    /// Whose line of a log stdout ends with, if it has no end yet.
    unended: Option<u64>,
}

/// The source of answers, line by line; `None` if nobody can be asked.
type Answers = Option<Mutex<Box<dyn BufRead + Send>>>;

/// The text that a captured [`Output`] has printed so far.
#[derive(Clone, Default)]
pub struct Captured {
    stdout: Buffer,
    stderr: Buffer,
}

impl Captured {
    /// All of stdout.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// All of stderr.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thread that panicked while printing leaves the streams usable, so that poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Output {
    /// The streams of this process. Of what goes to stdout, only logs are coloured.
    pub fn process(colour: Colour) -> Self {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let term = env::var("TERM").ok();
        let draws = stderr.is_terminal() && term.as_deref() != Some("dumb");
        let no_color = env::var("NO_COLOR").ok();
        let colours = |terminal| colour.applies(terminal, no_color.as_deref(), term.as_deref());
        let signs = if term.as_deref() == Some("dumb") { &Signs::ASCII } else { &Signs::BLOCKS };
        let colour = colours(stderr.is_terminal());
        Self {
            screen: Arc::new(Screen::new(draws, colour, signs)),
            answers: (stdin.is_terminal() && stderr.is_terminal())
                .then(|| reader(io::BufReader::new(stdin))),
            stdout_terminal: stdout.is_terminal(),
            colour,
            stdout_colour: colours(stdout.is_terminal()),
            signs,
            ..Self::over(stdout, stderr)
        }
    }

    /// An output that keeps what is printed, as a process without a terminal prints it.
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        (Self::over(captured.stdout.clone(), captured.stderr.clone()), captured)
    }

    /// The same output with the lines that answer [`Output::choose`], as if typed on a terminal.
    #[must_use]
    pub fn answering(mut self, lines: &str) -> Self {
        self.answers = Some(reader(io::Cursor::new(lines.to_owned())));
        self
    }

    fn over(stdout: impl Write + Send + 'static, stderr: impl Write + Send + 'static) -> Self {
        let streams = Streams {
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            warned: HashSet::new(),
            failure: None,
            unended: None,
        };
        Self {
            streams: Mutex::new(streams),
            screen: Arc::new(Screen::new(false, false, &Signs::BLOCKS)),
            waiting: Arc::default(),
            answers: None,
            stdout_terminal: false,
            colour: false,
            stdout_colour: false,
            signs: &Signs::BLOCKS,
        }
    }

    /// Whether stdout is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.stdout_terminal
    }

    /// The width of the terminal in columns; 80 without a terminal.
    pub fn width(&self) -> usize {
        self.room().unwrap_or(80)
    }

    /// In how many columns lines of stdout are seen, if that is a terminal.
    pub fn room(&self) -> Option<usize> {
        let size = if self.stdout_terminal { Term::stdout().size_checked() } else { None };
        size.map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
    }

    /// What bars and trees are drawn with.
    pub fn signs(&self) -> &'static Signs {
        self.signs
    }

    /// Whether stdout is closed, for example by `| head`. A command that watches can stop then.
    pub fn is_closed(&self) -> bool {
        lock(&self.streams).failure.is_some()
    }

    /// Prints one line to stdout.
    pub fn line(&self, text: impl Display) {
        self.to_stdout(&format!("{}\n", escape::line(&text.to_string())));
    }

    /// Prints lines to stdout. A missing newline at the end is added.
    pub fn block(&self, text: &str) {
        self.to_stdout(&ended(&escape::block(text)));
    }

    /// Prints text to stdout as it is, without another end: it is for a program. On a terminal
    /// hidden characters are escaped.
    pub fn exactly(&self, text: &str) {
        if self.stdout_terminal {
            self.to_stdout(&escape::block(text));
        } else {
            self.to_stdout(text);
        }
    }

    /// Prints a question to stdout at once: the line has no end before it is answered.
    pub fn prompt(&self, text: &str) {
        self.exactly(text);
        self.suspended(|| drop(lock(&self.streams).stdout.flush()));
    }

    /// Prints a table to stdout.
    pub fn table(&self, table: &Table) {
        self.to_stdout(&table.render());
    }

    /// Prints one line to stderr.
    pub fn note(&self, text: impl Display) {
        self.to_stderr(&format!("{}\n", escape::line(&text.to_string())));
    }

    /// Prints a table to stderr.
    pub fn note_table(&self, table: &Table) {
        self.to_stderr(&table.render());
    }

    /// Prints `Warning: TEXT`, or `Warning: [CLUSTER] TEXT`, to stderr. The same warning is printed
    /// once in the life of the process.
    pub fn warning(&self, cluster: Option<&str>, text: &str) {
        let text = &bounded(text, LINE);
        let said = match cluster {
            Some(cluster) => escape::line(&format!("[{cluster}] {text}")).into_owned(),
            None => escape::line(text).into_owned(),
        };
        let line = format!("{} {said}\n", self.mark("Warning:", &Style::new().yellow().bold()));
        self.suspended(|| {
            let mut streams = lock(&self.streams);
            if streams.warned.insert(said) {
                streams.stderr(&line);
            }
        });
    }

    /// Prints an error to stderr, and each of its hints as `hint: …`.
    pub fn error(&self, message: &str, hints: &[String]) {
        let mut text = String::new();
        for line in ended(message).lines() {
            let line = bounded(line, LINE);
            let line = escape::block(&line);
            match line.strip_prefix("error:") {
                Some(rest) => {
                    text.push_str(&self.mark("error:", &Style::new().red().bold()));
                    text.push_str(rest);
                }
                None => text.push_str(&line),
            }
            text.push('\n');
        }
        for hint in hints {
            text.push_str(&self.mark("hint:", &Style::new().cyan()));
            text.push(' ');
            text.push_str(&ended(&escape::block(hint)));
        }
        self.to_stderr(&text);
    }

    /// Whether views are drawn on stderr: it is a terminal that can move its cursor.
    pub fn draws(&self) -> bool {
        !self.screen.is_hidden()
    }

    /// Draws a view on stderr, below the lines, until the result is dropped; nothing where nothing
    /// is drawn.
    pub fn live(&self, view: impl View + 'static) -> Live {
        Live::new(&self.screen, view)
    }

    /// The same in place of what is drawn already, if anything is.
    pub fn draw(&self, live: &mut Option<Live>, view: impl View + 'static) {
        match live {
            Some(live) => live.show(view),
            None => *live = Some(self.live(view)),
        }
    }

    /// Shows on stderr that somebody is waited for until the result is dropped, if that is a
    /// terminal.
    pub fn wait_for(&self, name: &str) -> Waiting {
        Waiting::begin(&self.waiting, &self.screen, name)
    }

    /// The names of all who are waited for now, shown or not.
    pub fn waited_for(&self) -> Vec<String> {
        self.waiting.names()
    }

    /// Runs something that writes to the terminal by itself, such as a credential plugin, with no
    /// bar on it.
    pub fn suspended<T>(&self, run: impl FnOnce() -> T) -> T {
        self.screen.suspended(run)
    }

    /// Flushes the streams, and fails if a write to stdout failed.
    ///
    /// A closed pipe, as with `… | head`, is not a failure.
    pub fn finish(&self) -> Result<(), Error> {
        let mut streams = lock(&self.streams);
        if let Err(error) = streams.stdout.flush() {
            streams.failure.get_or_insert(error);
        }
        match streams.failure.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Write(os_error::words(&error)))
            }
            _ => Ok(()),
        }
    }

    fn mark(&self, word: &str, style: &Style) -> String {
        if self.colour {
            style.clone().force_styling(true).apply_to(word).to_string()
        } else {
            word.to_owned()
        }
    }

    fn to_stdout(&self, text: &str) {
        self.suspended(|| lock(&self.streams).stdout(text.as_bytes()));
    }

    fn to_stderr(&self, text: &str) {
        self.suspended(|| lock(&self.streams).stderr(text));
    }
}

impl Streams {
    fn stdout(&mut self, bytes: &[u8]) {
        if self.failure.is_none()
            && let Err(error) = self.stdout.write_all(bytes)
        {
            self.failure = Some(error);
        }
    }

    /// A failed write to stderr cannot be reported.
    fn stderr(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes()).and_then(|()| self.stderr.flush());
    }
}

fn reader(input: impl BufRead + Send + 'static) -> Mutex<Box<dyn BufRead + Send>> {
    Mutex::new(Box::new(input))
}

fn ended(text: &str) -> String {
    if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests;
