//! What is drawn below the lines while something goes on. It is drawn in place, on a terminal only,
//! and nothing of it is left afterwards.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use console::{Term, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::signs::Signs;

/// How often it is looked whether a second is over, or the window has another width.
const LOOK: Duration = Duration::from_millis(250);

/// The room for a view, and what it may use.
#[derive(Debug, Clone, Copy)]
pub struct Canvas {
    /// The columns of the window.
    pub width: usize,
    /// The lines that a view may have.
    pub height: usize,
    /// Whether it has colours.
    pub colours: bool,
    /// The characters of bars and trees.
    pub signs: &'static Signs,
    /// How long it has been shown.
    pub elapsed: Duration,
}

/// What can be drawn.
pub trait View: Send + Sync {
    /// The lines, without ends and hidden characters. What has no room is cut off.
    fn lines(&self, canvas: &Canvas) -> Vec<String>;
}

/// The part of a terminal in which views are drawn, below each other.
pub(super) struct Screen {
    bars: MultiProgress,
    colours: bool,
    signs: &'static Signs,
    /// Whether lines that were drawn are broken anew where the window gets another width.
    reflows: bool,
    /// The width for which was drawn last.
    width: AtomicUsize,
    /// How many lines are drawn.
    lines: AtomicUsize,
}

/// A view that is drawn until this is dropped.
pub struct Live {
    screen: Arc<Screen>,
    bar: ProgressBar,
    view: Arc<Mutex<Drawn>>,
    /// Ends the thread that draws again when time passes, where there is one.
    ticker: Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>,
}

struct Drawn {
    view: Box<dyn View>,
    begun: Instant,
    lines: usize,
}

impl Screen {
    /// The terminal of stderr; or none, where nothing is drawn.
    pub fn new(draws: bool, colours: bool, signs: &'static Signs) -> Self {
        let target =
            if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bars: MultiProgress::with_draw_target(target),
            colours,
            signs,
            // xterm cuts lines where it gets narrower, and does not break them.
            reflows: std::env::var_os("XTERM_VERSION").is_none(),
            width: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
        }
    }

    /// Whether nothing is drawn.
    pub fn is_hidden(&self) -> bool {
        self.bars.is_hidden()
    }

    /// Runs something that writes to the terminal by itself, with nothing drawn on it.
    pub fn suspended<T>(&self, run: impl FnOnce() -> T) -> T {
        self.bars.suspend(run)
    }

    /// What is drawn of a view now.
    fn draw(&self, drawn: &Mutex<Drawn>, text: &mut dyn fmt::Write) {
        let mut drawn = lock(drawn);
        let (width, rows) = size();
        let canvas = Canvas {
            width,
            height: rows - 1,
            colours: self.colours,
            signs: self.signs,
            elapsed: drawn.begun.elapsed(),
        };
        let mut lines = drawn.view.lines(&canvas);
        lines.truncate(canvas.height);
        self.lines.fetch_add(lines.len(), Ordering::SeqCst);
        self.lines.fetch_sub(std::mem::replace(&mut drawn.lines, lines.len()), Ordering::SeqCst);
        self.width.store(width, Ordering::SeqCst);
        for (n, line) in lines.iter().enumerate() {
            let end = if n == 0 { "" } else { "\n" };
            let _ = write!(text, "{end}{}", truncate_str(line, width, self.signs.more));
        }
    }

    /// Takes away what was drawn for a window of another width. The terminal has broken it anew: it
    /// is one line for it, because all drawn lines are filled up to the edge.
    fn resized(&self, before: usize, width: usize) {
        let lines = self.lines.load(Ordering::SeqCst);
        let taken = if self.reflows { (lines * before).div_ceil(width) } else { lines };
        let below = "\n".repeat(lines.saturating_sub(taken));
        let term = Term::stderr();
        // What is taken away goes up from here.
        let _ = term.write_str(&below);
        self.suspended(|| {
            if taken > lines {
                let _ = term.write_str(&format!("\r\u{1b}[{}A\u{1b}[J", taken - lines));
            }
        });
    }
}

impl Live {
    pub(super) fn new(screen: &Arc<Screen>, view: impl View + 'static) -> Self {
        let drawn = Drawn { view: Box::new(view), begun: Instant::now(), lines: 0 };
        let drawn = Arc::new(Mutex::new(drawn));
        let draw = {
            let (screen, drawn) = (screen.clone(), drawn.clone());
            move |_: &_, text: &mut dyn fmt::Write| screen.draw(&drawn, text)
        };
        let style = ProgressStyle::with_template("{view}")
            .expect("the template is well-formed")
            .with_key("view", draw);
        let bar = screen.bars.add(ProgressBar::new(0).with_style(style));
        bar.tick();
        let ticker = (!screen.is_hidden()).then(|| ticker(screen.clone(), bar.clone()));
        Self { screen: screen.clone(), bar, view: drawn, ticker }
    }

    /// Draws another view in its place.
    pub fn show(&self, view: impl View + 'static) {
        lock(&self.view).view = Box::new(view);
        self.bar.tick();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.ticker.take() {
            drop(stop);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
        self.screen.lines.fetch_sub(lock(&self.view).lines, Ordering::SeqCst);
    }
}

/// Draws a bar again each second, and whenever the window gets another width.
fn ticker(screen: Arc<Screen>, bar: ProgressBar) -> (mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut second = Instant::now();
        while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let (before, (width, _)) = (screen.width.load(Ordering::SeqCst), size());
            let is_first = |before| {
                let (set, read) = (Ordering::SeqCst, Ordering::SeqCst);
                screen.width.compare_exchange(before, width, set, read).is_ok()
            };
            if before != width && before > 0 && is_first(before) {
                screen.resized(before, width);
                bar.tick();
            } else if second.elapsed() >= Duration::from_secs(1) {
                second = Instant::now();
                bar.tick();
            }
        }
    });
    (stop, thread)
}

/// The columns and lines of the terminal.
fn size() -> (usize, usize) {
    let (rows, columns) = Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns).max(1), usize::from(rows).max(2))
}

fn lock(drawn: &Mutex<Drawn>) -> std::sync::MutexGuard<'_, Drawn> {
    drawn.lock().unwrap_or_else(PoisonError::into_inner)
}
