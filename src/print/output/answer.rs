//! A line that is typed on a terminal. Esc ends it, and takes it back.

use std::io::{self, BufRead};

use rustix::termios::{self, OptionalActions, SpecialCodeIndex, Termios};

/// What the key Esc sends.
const ESC: u8 = 0x1b;

/// While this lives, Esc ends a line on the terminal that stdin is, as Enter does. Otherwise the
/// terminal would keep it until Enter.
pub struct EscEndsLine {
    /// How the terminal was; none where stdin is not one.
    before: Option<Termios>,
}

impl EscEndsLine {
    /// Sets the terminal so.
    pub(super) fn new() -> Self {
        let before = termios::tcgetattr(io::stdin()).ok();
        if let Some(mut changed) = before.clone() {
            changed.special_codes[SpecialCodeIndex::VEOL] = ESC;
            set(&changed);
        }
        Self { before }
    }
}

impl Drop for EscEndsLine {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            set(before);
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
