//! Text from servers and files, made harmless for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal might act on the character instead of showing it: control characters, and the
/// marks that reorder text, which can make one name look like another.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line: control characters become visible, line breaks too.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, &[])
}

/// Several lines: control characters other than line feeds and tabs become visible.
pub(super) fn block(text: &str) -> Cow<'_, str> {
    escape(text, &['\n', '\t'])
}

fn escape<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let harmful = |c: char| steers(c) && !kept.contains(&c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' if !kept.contains(&c) => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' if !kept.contains(&c) => shown.push_str("\\t"),
            // As kubectl shows it.
            '\u{1b}' => shown.push_str("^["),
            c if harmful(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// JSON text in which no string holds a control character, a mark that reorders text, or one of
/// `<>&`, which kubectl escapes too.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') || (steers(c) && c != '\n') {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_is_not_steered() {
        assert_eq!(line("a\x1b[31mb\nc\rd\te"), "a^[[31mb\\nc\\rd\\te");
        assert_eq!(line("\u{9b}2J\u{202e}x\u{7f}"), "\\u{9b}2J\\u{202e}x\\u{7f}");
        assert_eq!(block("a\n\tb\r\n\x07"), "a\n\tb\\r\n\\u{7}");
        assert_eq!(line("grüße, 世界"), "grüße, 世界");
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).contains(steers));
            prop_assert!(!block(&text).chars().any(|c| steers(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let value = serde_json::Value::String(text);
            let safe = json(&value.to_string());
            prop_assert!(!safe.contains(steers));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
        }
    }
}
