//! A line that is typed on a terminal. Esc ends it, and takes it back.

use std::io::{self, BufRead};
use std::sync::{Mutex, Once};

use rustix::termios::{self, OptionalActions, SpecialCodeIndex, Termios};
use tokio::{
    runtime::Handle,
    signal::unix::{SignalKind, signal},
};

use super::lock;

/// What the key Esc sends.
const ESC: u8 = 0x1b;

/// How the terminal was before the first change of those that have not been undone.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// While this lives, Esc ends a line on the terminal that stdin is, as Enter does. Otherwise the
/// terminal would keep it until Enter.
pub struct EscEndsLine {
    /// How the terminal was; none where stdin is not one.
    before: Option<Termios>,
    /// Whether this made the first change.
    is_first: bool,
}

impl EscEndsLine {
    /// Sets the terminal so.
    pub(super) fn new() -> Self {
        let before = termios::tcgetattr(io::stdin()).ok();
        let Some(mut changed) = before.clone() else { return Self { before, is_first: false } };
        restore_at_the_end();
        let mut first = lock(&BEFORE);
        let is_first = first.is_none();
        if is_first {
            first.clone_from(&before);
        }
        changed.special_codes[SpecialCodeIndex::VEOL] = ESC;
        set(&changed);
        Self { before, is_first }
    }
}

/// Has the terminal be as it was when SIGTERM or SIGHUP ends the process during a question. From
/// the first question on, such a signal is heard here, and ends the process with the exit code that
/// shells have for it.
fn restore_at_the_end() {
    static HEARS: Once = Once::new();
    let Ok(runtime) = Handle::try_current() else { return };
    HEARS.call_once(|| {
        for kind in [SignalKind::terminate(), SignalKind::hangup()] {
            let Ok(mut heard) = signal(kind) else { continue };
            runtime.spawn(async move {
                if heard.recv().await.is_some() {
                    if let Some(before) = &*lock(&BEFORE) {
                        set(before);
                    }
                    std::process::exit(128 + kind.as_raw_value());
                }
            });
        }
    });
}

impl Drop for EscEndsLine {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            set(before);
        }
        if self.is_first {
            *lock(&BEFORE) = None;
        }
    }
}

/// Where this fails, Esc works once Enter follows.
fn set(termios: &Termios) {
    let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, termios);
}

/// Reads a line that Enter ended. None where Esc or the end of input came first: then the cursor
/// stands behind what was typed.
pub(super) fn read(input: &mut dyn BufRead) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let typed = input.fill_buf().ok()?;
        let end = typed.iter().position(|byte| [b'\n', ESC].contains(byte));
        let taken = end.unwrap_or(typed.len());
        line.extend_from_slice(&typed[..taken]);
        let last = end.map(|end| typed[end]);
        let is_over = typed.is_empty();
        input.consume(end.map_or(taken, |end| end + 1));
        match last {
            Some(b'\n') => return Some(String::from_utf8_lossy(&line).into_owned()),
            None if !is_over => {}
            _ => return None,
        }
    }
}
