//! What may be shown of a text from outside.

use std::fmt::Write as _;

use crate::hidden::is_hidden;

/// The text with its hidden characters escaped ([`is_hidden`]), so that a server cannot move the
/// cursor, recolour or retitle the terminal, or make one name look like another. Line feeds and
/// tabs stay: kubectl's own messages have them.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && c != '\n' && c != '\t' {
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The text without what stands in quotes or backticks, for messages of parsers that quote their
/// input: a kubeconfig or the answer of a credential plugin may have a token there.
pub(super) fn unquoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['"', '`', '\'']) {
        let mark = rest[open..].chars().next().unwrap_or('"');
        let inside = &rest[open + 1..];
        let Some(close) = inside.rfind(mark) else { break };
        shown.push_str(&rest[..open]);
        shown.push('…');
        rest = &inside[close + 1..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_cannot_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\u{9b}c\td\n"), "a\\u{1b}[31mb\\u{d}\\u{9b}c\td\n");
        assert_eq!(printable("ünïcode stays"), "ünïcode stays");
    }

    #[test]
    fn quoted_input_is_left_out_even_where_it_holds_quotes_itself() {
        assert_eq!(
            unquoted(r#"invalid type: string "s3cr\"et", expected u8"#),
            "invalid type: string …, expected u8"
        );
        assert_eq!(unquoted("found `s3cret` and 'it'"), "found … and …");
        assert_eq!(unquoted("nothing quoted"), "nothing quoted");
    }
}
