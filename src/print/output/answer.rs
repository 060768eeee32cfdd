//! A line that is typed on a terminal. Esc ends it, and takes it back.

use std::io::BufRead;

use super::esc::ESC;

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
