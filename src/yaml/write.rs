//! From values to text, in the bytes that `kubectl -o yaml` prints.
//!
//! The style of each scalar and the folding at 80 columns follow go-yaml v2 (`encode.go`, `emitterc.go`). One
//! thing differs: strings with the Unicode line and paragraph separators are escaped, which other readers need.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::resolve::{Tag, resolve};

/// Text that is longer is folded at the next space.
const WIDTH: usize = 80;

/// The indentation of a collection in another, in spaces.
const INDENT: usize = 2;

/// The longest key that is written in one line with its value, in bytes.
const MAX_SIMPLE_KEY: usize = 128;

/// Writes a value as one block-style document that ends in a newline.
///
/// Keys are sorted as kubectl sorts them: letters as they are, runs of digits by their number.
pub fn write(value: &Value) -> String {
    let mut writer = Writer { text: String::new(), column: 0, spaced: true, fresh: true };
    writer.node(value, None, Place::Document);
    writer.start_line(0);
    writer.text
}

/// Where a node stands, which decides about the indentation of what is in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    /// Behind `- `, `? `, or the `: ` of a key that did not fit into a line.
    Indicator,
    /// Behind `key:`.
    Value,
}

struct Writer {
    text: String,
    /// Characters in the last line.
    column: usize,
    /// Nothing needs a space before it: the line ends in white space.
    spaced: bool,
    /// The last line has indentation and indicators only.
    fresh: bool,
}

impl Writer {
    fn put(&mut self, c: char) {
        self.text.push(c);
        self.column = if c == '\n' { 0 } else { self.column + 1 };
    }

    fn indicator(&mut self, text: &str, space_before: bool) {
        if space_before && !self.spaced {
            self.put(' ');
        }
        for c in text.chars() {
            self.put(c);
        }
        self.spaced = false;
    }

    /// An indicator after which a nested collection may begin in the same line.
    fn opening(&mut self, text: &str) {
        let fresh = self.fresh;
        self.indicator(text, true);
        self.fresh = fresh;
    }

    fn start_line(&mut self, indent: usize) {
        if !self.fresh || self.column > indent || (self.column == indent && !self.spaced) {
            self.put('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.spaced = true;
        self.fresh = true;
    }

    /// Writes a node in a collection that is indented by `outer`.
    fn node(&mut self, value: &Value, outer: Option<usize>, place: Place) {
        let inner = outer.map_or(0, |outer| outer + INDENT);
        match value {
            Value::Object(fields) if fields.is_empty() => self.word("{}"),
            Value::Array(items) if items.is_empty() => self.word("[]"),
            Value::Object(fields) => {
                for (key, value) in in_natural_order(fields) {
                    self.field(key, value, inner);
                }
            }
            Value::Array(items) => {
                let indent = if place == Place::Value { outer.unwrap_or(0) } else { inner };
                for item in items {
                    self.start_line(indent);
                    self.opening("-");
                    self.node(item, Some(indent), Place::Indicator);
                }
            }
            Value::String(text) => self.string(text, outer.map_or(INDENT, |outer| outer + INDENT), false),
            Value::Null => self.word("null"),
            Value::Bool(value) => self.word(if *value { "true" } else { "false" }),
            Value::Number(number) => self.word(&decimal(number)),
        }
    }

    fn field(&mut self, key: &str, value: &Value, indent: usize) {
        self.start_line(indent);
        if key.len() <= MAX_SIMPLE_KEY && !key.contains(is_break) {
            self.string(key, indent + INDENT, true);
            self.indicator(":", false);
            self.fresh = false;
            self.node(value, Some(indent), Place::Value);
        } else {
            self.opening("?");
            self.string(key, indent + INDENT, false);
            self.start_line(indent);
            self.opening(":");
            self.node(value, Some(indent), Place::Indicator);
        }
    }

    fn word(&mut self, text: &str) {
        self.indicator(text, true);
        self.fresh = false;
    }

    fn string(&mut self, text: &str, indent: usize, key: bool) {
        match style(text, key) {
            Style::Plain => self.unquoted(text, indent, key),
            Style::Single => self.single_quoted(text, indent, key),
            Style::Literal if !key => self.literal(text, indent),
            Style::Literal | Style::Double => self.double_quoted(text, indent, key),
        }
    }

    fn unquoted(&mut self, text: &str, indent: usize, key: bool) {
        self.indicator("", true);
        self.folded(text, indent, key, None);
        self.spaced = false;
        self.fresh = false;
    }

    fn single_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.indicator("'", true);
        self.folded(text, indent, key, Some('\''));
        self.indicator("'", false);
        self.fresh = false;
    }

    /// Writes text without line breaks, folded at single spaces, with the quote doubled.
    fn folded(&mut self, text: &str, indent: usize, key: bool, quote: Option<char>) {
        let mut after_space = false;
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                let inside = quote.is_none() || (at > 0 && next.is_some());
                if !key && !after_space && self.column > WIDTH && inside && next != Some(' ') {
                    self.fresh = false;
                    self.start_line(indent);
                } else {
                    self.put(' ');
                }
                after_space = true;
            } else {
                if Some(c) == quote {
                    self.put(c);
                }
                self.put(c);
                self.fresh = false;
                after_space = false;
            }
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, key: bool) {
        self.indicator("\"", true);
        self.fresh = false;
        let mut after_space = false;
        let mut chars = text.chars().enumerate().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            if c == ' ' {
                if !key && !after_space && self.column > WIDTH && at > 0 && next.is_some() {
                    self.start_line(indent);
                    if next == Some(' ') {
                        self.put('\\');
                    }
                    self.fresh = false;
                } else {
                    self.put(' ');
                }
                after_space = true;
                continue;
            }
            after_space = false;
            if needs_escape(c) || matches!(c, '\n' | '"' | '\\') {
                for c in escape(c).chars() {
                    self.put(c);
                }
            } else {
                self.put(c);
            }
        }
        self.indicator("\"", false);
        self.fresh = false;
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true);
        if text.starts_with([' ', '\n']) {
            self.indicator(&INDENT.to_string(), false);
        }
        if !text.ends_with('\n') {
            self.indicator("-", false);
        } else if text == "\n" || text.ends_with("\n\n") {
            self.indicator("+", false);
        }
        self.put('\n');
        for line in text.split_inclusive('\n') {
            let (line, ended) = line.strip_suffix('\n').map_or((line, false), |line| (line, true));
            if !line.is_empty() {
                self.fresh = true;
                self.start_line(indent);
                for c in line.chars() {
                    self.put(c);
                }
            }
            if ended {
                self.put('\n');
            }
        }
        self.fresh = self.column == 0;
        self.spaced = true;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// The style of a string. A key that reads as a merge is quoted, which go-yaml forgets.
fn style(text: &str, key: bool) -> Style {
    let mut indicator = text.starts_with("---") || text.starts_with("...");
    let mut special = text.contains(needs_escape);
    let (mut space_after_break, mut previous) = (false, None);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let before_blank = chars.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
        indicator |= match (previous, c) {
            (
                None,
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@'
                | '`',
            ) => true,
            (None, '?' | '-') | (_, ':') => before_blank,
            (Some(previous), '#') => matches!(previous, ' ' | '\t' | '\n'),
            _ => false,
        };
        special |= c == '\n' && previous == Some(' ');
        space_after_break |= c == ' ' && previous == Some('\n');
        previous = Some(c);
    }
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve(text).tag != Tag::Str || (key && text == "<<") || is_base_60(text) {
        Style::Double
    } else if indicator || text.starts_with(' ') || text.ends_with(' ') {
        Style::Single
    } else {
        Style::Plain
    };
    match wanted {
        Style::Literal if text.ends_with(' ') => Style::Double,
        Style::Single if space_after_break => Style::Double,
        _ if special => Style::Double,
        wanted => wanted,
    }
}

/// Numbers in base 60 of YAML 1.1, which kubectl does not read and quotes all the same.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = number.split(':');
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let first = parts.next().is_some_and(|s| s.starts_with(|c: char| c.is_ascii_digit()) && digits(s));
    let mut rest = parts.peekable();
    first
        && rest.peek().is_some()
        && digits(fraction)
        && rest.all(|part| match part.as_bytes() {
            [unit] => unit.is_ascii_digit(),
            [ten, unit] => (b'0'..=b'5').contains(ten) && unit.is_ascii_digit(),
            _ => false,
        })
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character may stand in double quotes only, and escaped there.
fn needs_escape(c: char) -> bool {
    !matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn escape(c: char) -> String {
    let short = match c {
        '\0' => "\\0",
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{b}' => "\\v",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\u{1b}' => "\\e",
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{85}' => "\\N",
        '\u{2028}' => "\\L",
        '\u{2029}' => "\\P",
        _ => {
            return match u32::from(c) {
                code @ ..=0xff => format!("\\x{code:02X}"),
                code @ ..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    short.to_owned()
}

/// A number as Go prints it: floats in the shortest form that reads back, with an exponent from seven digits on.
fn decimal(number: &Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let Some(value) = number.as_f64() else { return number.to_string() };
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// Sorts by insertion: go-yaml's comparison is no total order, and the library's sort may panic on such a one.
fn in_natural_order(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut sorted: Vec<(&String, &Value)> = Vec::with_capacity(fields.len());
    for field in fields {
        let at = sorted.partition_point(|(key, _)| natural(key, field.0) != Ordering::Greater);
        sorted.insert(at, field);
    }
    sorted
}

/// go-yaml's order of keys: letters after all else, and runs of digits by their number.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len().cmp(&b.len()) };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at].cmp(&b[at]),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let in_number = (a[at] == '0' || b[at] == '0')
        && a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let run = |chars: &[char]| {
        let digits = chars[at..].iter().map_while(|c| c.to_digit(10));
        digits.fold((u64::from(in_number), 0_usize), |(value, length), digit| {
            (value.wrapping_mul(10).wrapping_add(u64::from(digit)), length + 1)
        })
    };
    run(&a).cmp(&run(&b)).then(a[at].cmp(&b[at]))
}
