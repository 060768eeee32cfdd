//! Text from servers and files, made safe to print on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::hidden::is_hidden;

/// Escapes hidden characters in text for one line, line breaks and tabs among them.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escape(text, &[])
}

/// Escapes hidden characters in text of several lines, but not line feeds and tabs.
pub(super) fn block(text: &str) -> Cow<'_, str> {
    escape(text, &['\n', '\t'])
}

fn escape<'t>(text: &'t str, kept: &[char]) -> Cow<'t, str> {
    let escaped = |c: char| is_hidden(c) && !kept.contains(&c);
    if !text.contains(escaped) {
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
            c if escaped(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Escapes what a terminal would act on in a line of a log, but not tabs. Sequences that only set
/// colours pass, and are undone at the end; without `colours` they are left out.
pub(super) fn log(text: &str, colours: bool) -> Cow<'_, str> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let Some(mut start) = text.find('\u{1b}') else { return escape(text, &['\t']) };
    let (mut shown, mut rest, mut is_coloured) = (String::new(), text, false);
    loop {
        shown.push_str(&escape(&rest[..start], &['\t']));
        rest = &rest[start..];
        let length = match colour_sequence(rest) {
            Some(length) => {
                if colours {
                    shown.push_str(&rest[..length]);
                    is_coloured = true;
                }
                length
            }
            None => {
                shown.push_str("^[");
                1
            }
        };
        rest = &rest[length..];
        let Some(next) = rest.find('\u{1b}') else { break };
        start = next;
    }
    shown.push_str(&escape(rest, &['\t']));
    if is_coloured {
        shown.push_str("\u{1b}[0m");
    }
    Cow::Owned(shown)
}

/// The length of a sequence at the beginning that sets colours (SGR), if there is one.
fn colour_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && !matches!(c, ';' | ':'))?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// Escapes hidden characters in JSON text, and `<`, `>` and `&`, which kubectl escapes too. The
/// text stays the same JSON value.
pub(super) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '<' | '>' | '&') || (is_hidden(c) && c != '\n') {
            // JSON has characters beyond U+FFFF as two escapes.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
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
    fn control_characters_are_escaped() {
        assert_eq!(line("a\x1b[31mb\nc\rd\te"), "a^[[31mb\\nc\\rd\\te");
        assert_eq!(line("\u{9b}2J\u{202e}x\u{7f}"), "\\u{9b}2J\\u{202e}x\\u{7f}");
        assert_eq!(block("a\n\tb\r\n\x07"), "a\n\tb\\r\n\\u{7}");
        assert_eq!(line("grüße, 世界"), "grüße, 世界");
    }

    #[test]
    fn a_log_may_colour_its_lines_and_nothing_else() {
        for (text, coloured, plain) in [
            ("a\tb\r", "a\tb", "a\tb"),
            ("\x1b[1;31mred\x1b[m!", "\x1b[1;31mred\x1b[m!\x1b[0m", "red!"),
            ("a\x1b[2Jb\x1b]0;x\x07", "a^[[2Jb^[]0;x\\u{7}", "a^[[2Jb^[]0;x\\u{7}"),
            ("10%\r20%", "10%\\r20%", "10%\\r20%"),
            ("\x1b[38:5:3", "^[[38:5:3", "^[[38:5:3"),
        ] {
            assert_eq!(log(text, true), coloured, "{text:?}");
            assert_eq!(log(text, false), plain, "{text:?}");
        }
    }

    #[test]
    fn characters_that_nothing_is_shown_for_are_escaped() {
        for c in ['\u{200b}', '\u{202e}', '\u{2028}', '\u{feff}', '\u{e0041}'] {
            let name = format!("pi{c}");
            let code = format!("\\u{{{:x}}}", u32::from(c));
            assert_eq!(line(&name), format!("pi{code}"));
            assert_eq!(block(&name), format!("pi{code}"));
            assert!(json(&format!("\"{name}\"")).is_ascii(), "{code}");
        }
    }

    proptest! {
        #[test]
        fn nothing_harmful_is_left(text in any::<String>()) {
            prop_assert!(!line(&text).contains(is_hidden));
            prop_assert!(!block(&text).chars().any(|c| is_hidden(c) && c != '\n' && c != '\t'));
        }

        #[test]
        fn escaped_json_means_the_same(text in any::<String>()) {
            let value = serde_json::Value::String(text);
            let safe = json(&value.to_string());
            prop_assert!(!safe.contains(is_hidden));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
        }
    }
}
