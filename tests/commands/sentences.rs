//! The sentences in the source: the string literals, and where what is printed has them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file, or the files in a folder and below.
pub fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).expect("a folder of the source");
    entries.flat_map(|entry| files(&entry.expect("an entry").path())).collect()
}

/// The string literals of a source file that have a blank in them, as they are at run time.
/// Comments are left out.
pub fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut rest = code.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' && rest.peek() == Some(&'"') {
            rest.next();
        }
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        loop {
            match rest.next().expect("a literal ends") {
                '"' => break,
                '\\' => match rest.next().expect("an escape ends") {
                    '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                c => text.push(c),
            }
        }
        if text.trim().contains(' ') {
            found.push(text);
        }
    }
    found
}

/// What stands between the placeholders of a format string.
pub fn pieces(sentence: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut inside = false;
    for c in sentence.chars() {
        match c {
            '{' => inside = true,
            '}' => {
                inside = false;
                pieces.push(String::new());
            }
            c if !inside => pieces.last_mut().expect("one at least").push(c),
            _ => {}
        }
    }
    pieces
}

/// Whether a text has these pieces, one after another.
pub fn has_in_order(text: &str, pieces: &[String]) -> bool {
    let mut rest = text;
    pieces.iter().all(|piece| {
        let found = rest.split_once(piece.as_str());
        rest = found.map_or(rest, |(_, after)| after);
        found.is_some()
    })
}
