//! YAML byte for byte as kubectl writes it, which uses go-yaml v2: where its emitter
//! (`emitterc.go`) breaks lines and puts quotes, and in which order keys stand (`sorter.go`).
//!
//! Two things differ, for whoever reads it: characters that a terminal shows nothing for are
//! escaped, and the key `<<` is in quotes, without which kubectl itself takes it for a merge.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use super::scalar::{is_text, shortest};
use crate::hidden::is_hidden;

/// A line is broken at the first single space behind so many characters.
const WIDTH: usize = 80;

/// How many bytes a key may have that stands before its colon without a `?`.
const LONGEST_KEY: usize = 128;

/// How much deeper each level stands.
const STEP: usize = 2;

/// Writes a value as one block-style document that ends in a newline, with sorted keys.
///
/// kubectl reads the same value from it. Hidden characters ([`is_hidden`]) other than line breaks
/// are escaped.
pub fn write(value: &Value) -> String {
    let mut writer = Writer { text: String::new(), column: 0, is_separate: true, is_begun: false };
    writer.node(value, None, false);
    writer.begin_line(0);
    writer.text
}

/// What was written, and where the next character stands.
struct Writer {
    text: String,
    column: usize,
    /// Nothing stands before it on the line, or a space does.
    is_separate: bool,
    /// Something besides indentation and signs such as `- ` stands on the line.
    is_begun: bool,
}

impl Writer {
    /// Writes a value below what stands at this indentation; that of a document is below nothing.
    /// `is_field` where it stands behind a key.
    fn node(&mut self, value: &Value, indent: Option<usize>, is_field: bool) {
        match value {
            Value::Null => self.plain("null"),
            Value::Bool(word) => self.plain(if *word { "true" } else { "false" }),
            Value::Number(written) => self.plain(&number(written)),
            Value::String(text) => self.string(text, indent, false),
            Value::Array(items) if items.is_empty() => self.plain("[]"),
            Value::Array(items) => self.list(items, indent, is_field),
            Value::Object(fields) if fields.is_empty() => self.plain("{}"),
            Value::Object(fields) => self.fields(fields, indent),
        }
    }

    fn list(&mut self, items: &[Value], indent: Option<usize>, is_field: bool) {
        // A list behind a key does not stand deeper than the key.
        let step = if is_field && self.is_begun { 0 } else { STEP };
        let indent = indent.map_or(0, |indent| indent + step);
        for item in items {
            self.begin_line(indent);
            self.sign('-');
            self.node(item, Some(indent), false);
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>, indent: Option<usize>) {
        let indent = indent.map_or(0, |indent| indent + STEP);
        for (key, value) in sorted(fields) {
            self.begin_line(indent);
            if key.len() <= LONGEST_KEY && !key.contains(is_break) {
                self.string(key, Some(indent), true);
                self.put(':');
                self.text_ends();
            } else {
                self.sign('?');
                self.string(key, Some(indent), false);
                self.begin_line(indent);
                self.sign(':');
            }
            self.node(value, Some(indent), true);
        }
    }

    fn string(&mut self, text: &str, indent: Option<usize>, is_key: bool) {
        let indent = indent.map_or(STEP, |indent| indent + STEP);
        match Style::of(text, is_key) {
            Style::Plain => {
                self.separate();
                self.words(text, indent, is_key, Style::Plain);
            }
            Style::Single => {
                self.separate();
                self.put('\'');
                self.words(text, indent, is_key, Style::Single);
                self.put('\'');
            }
            Style::Double => {
                self.separate();
                self.put('"');
                self.escaped(text, indent, is_key);
                self.put('"');
            }
            Style::Literal => return self.literal(text, indent),
        }
        self.text_ends();
    }

    /// A text that needs no escapes.
    fn words(&mut self, text: &str, indent: usize, is_key: bool, style: Style) {
        // No line begins with the first space.
        let mut after_space = true;
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            let is_between = rest.peek().is_some_and(|next| *next != ' ') && self.column > WIDTH;
            if c == ' ' && is_between && !is_key && !after_space {
                self.begin_line(indent);
            } else {
                if c == '\'' && style == Style::Single {
                    self.put(c);
                }
                self.put(c);
                self.is_begun |= c != ' ';
            }
            after_space = c == ' ';
        }
    }

    /// A text as it stands in double quotes.
    fn escaped(&mut self, text: &str, indent: usize, is_key: bool) {
        // go-yaml takes each character for the byte-order mark that the text begins with.
        let has_mark = text.starts_with('\u{feff}');
        // No line begins with the first space.
        let mut after_space = true;
        let mut rest = text.chars().peekable();
        self.is_begun = true;
        while let Some(c) = rest.next() {
            if has_mark || is_escaped(c) || matches!(c, '"' | '\\') {
                self.escape(c);
            } else if c == ' ' && !is_key && !after_space && self.column > WIDTH {
                match rest.peek() {
                    None => self.put(c),
                    Some(next) => {
                        let is_space = *next == ' ';
                        self.begin_line(indent);
                        if is_space {
                            self.put('\\');
                        }
                    }
                }
            } else {
                self.put(c);
            }
            after_space = c == ' ' && !has_mark;
        }
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = match u32::from(c) {
                    code @ ..=0xff => format!("\\x{code:02X}"),
                    code @ ..=0xffff => format!("\\u{code:04X}"),
                    code => format!("\\U{code:08X}"),
                };
                return code.chars().for_each(|c| self.put(c));
            }
        };
        self.put('\\');
        self.put(short);
    }

    /// A text whose lines stand below each other as they are.
    fn literal(&mut self, text: &str, indent: usize) {
        self.separate();
        self.put('|');
        if text.starts_with([' ', '\n']) {
            let _ = write!(self.text, "{STEP}");
        }
        if !text.ends_with('\n') {
            self.put('-');
        } else if text == "\n" || text.ends_with("\n\n") {
            self.put('+');
        }
        self.break_line();
        for c in text.chars() {
            if c == '\n' {
                self.break_line();
                continue;
            }
            if !self.is_begun {
                self.begin_line(indent);
            }
            self.put(c);
            self.is_begun = true;
        }
    }

    /// A text that is no string.
    fn plain(&mut self, text: &str) {
        self.separate();
        text.chars().for_each(|c| self.put(c));
        self.text_ends();
    }

    /// A sign that may have further signs behind it on its line.
    fn sign(&mut self, sign: char) {
        self.separate();
        self.put(sign);
        self.is_separate = false;
    }

    fn separate(&mut self) {
        if !self.is_separate {
            self.put(' ');
        }
    }

    fn text_ends(&mut self) {
        self.is_separate = false;
        self.is_begun = true;
    }

    /// Goes on at this indentation: on a new line, except behind signs that leave room.
    fn begin_line(&mut self, indent: usize) {
        let is_behind = self.column > indent || (self.column == indent && !self.is_separate);
        if self.is_begun || is_behind {
            self.break_line();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.is_separate = true;
        self.is_begun = false;
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.column = 0;
        self.is_separate = true;
        self.is_begun = false;
    }

    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column += 1;
    }
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

impl Style {
    /// Without quotes where that means the same; with single ones where a sign would be taken for
    /// syntax; with double ones where it would be another type, or has to be escaped.
    fn of(text: &str, is_key: bool) -> Self {
        if text.chars().any(|c| is_escaped(c) && c != '\n') || (is_key && text == "<<") {
            Self::Double
        } else if text.contains('\n') {
            let fits = !is_key && !text.ends_with(' ') && !text.contains(" \n");
            if fits { Self::Literal } else { Self::Double }
        } else if !is_text(text) {
            Self::Double
        } else if has_signs(text) || text.starts_with(' ') || text.ends_with(' ') {
            Self::Single
        } else {
            Self::Plain
        }
    }
}

/// Whether something in the text is syntax where no quotes are.
fn has_signs(text: &str) -> bool {
    let signs = ['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];
    let is_mark = text.starts_with("---") || text.starts_with("...");
    let is_indicator =
        matches!(text, "?" | "-") || text.starts_with("? ") || text.starts_with("- ");
    let has_colon = text.ends_with(':') || text.contains(": ");
    text.starts_with(signs) || is_mark || is_indicator || has_colon || text.contains(" #")
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether it is escaped in double quotes: go-yaml prints none of these, and none beyond 16 bits.
fn is_escaped(c: char) -> bool {
    let is_printed = matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}');
    !is_printed || is_hidden(c)
}

/// A number as Go reads it from JSON: a float that is whole is an integer if it fits into 64 bits.
fn number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let digits = float.to_string();
    let is_whole = digits.parse::<i64>().is_ok() || digits.parse::<u64>().is_ok();
    match digits.as_str() {
        "-0" => "0".to_owned(),
        _ if is_whole => digits,
        _ => shortest(float),
    }
}

/// The fields in go-yaml's order, in which `a2` stands before `a10`. It is no order of a whole: of
/// `2`, `10` and `1a`, each stands before the next, and the last before the first. So they are put
/// in one by one; what sorts in the library may panic then.
fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<(&String, Vec<char>, &Value)> = Vec::with_capacity(fields.len());
    for (key, value) in fields {
        let chars: Vec<char> = key.chars().collect();
        let place = sorted.partition_point(|(_, other, _)| !stands_before(&chars, other));
        sorted.insert(place, (key, chars, value));
    }
    sorted.into_iter().map(|(key, _, value)| (key, value)).collect()
}

fn stands_before(one: &[char], other: &[char]) -> bool {
    let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) else {
        return one.len() < other.len();
    };
    match (one[at].is_alphabetic(), other[at].is_alphabetic()) {
        (true, true) => return one[at] < other[at],
        (false, false) => {}
        (_, is_letter) => return is_letter,
    }
    let is_zero = one[at] == '0' || other[at] == '0';
    let digits_before = one[..at].iter().rev().take_while(|c| c.is_ascii_digit());
    // Zeros count behind other digits.
    let begun = i64::from(is_zero && digits_before.clone().any(|c| *c != '0'));
    let run = |key: &[char]| {
        let digits = key[at..].iter().map_while(|c| c.to_digit(10));
        digits.fold((begun, 0_usize), |(number, count), digit| {
            (number.wrapping_mul(10).wrapping_add(i64::from(digit)), count + 1)
        })
    };
    let (one_run, other_run) = (run(one), run(other));
    if one_run == other_run { one[at] < other[at] } else { one_run < other_run }
}
