//! What may be shown of a text from outside.

use std::fmt::Write as _;

use http::Uri;

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

/// A URL as it may be shown: without who logs in by it, and without its query, which has the
/// signature where a link is given to somebody for a while.
pub fn public_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let query = if url[end..].starts_with('?') { "?…" } else { "" };
    let start = url.find("://").map_or(0, |at| at + 3).min(end);
    let place = &url[start..end];
    // Where it is no URL, a password may have a slash.
    let is_url = url.parse::<Uri>().is_ok();
    let host = place.find('/').filter(|_| is_url).unwrap_or(place.len());
    match place[..host].rfind('@') {
        Some(login) => format!("{}…{}{query}", &url[..start], &place[login..]),
        None => format!("{}{query}", &url[..end]),
    }
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
    fn a_url_is_shown_without_what_lets_somebody_in() {
        for (url, shown) in [
            ("https://h:6443/a@b", "https://h:6443/a@b"),
            ("https://u:p@q@h/a@b?c", "https://…@h/a@b?…"),
            ("https://u:p /q@h/a", "https://…@h/a"),
            ("https://exa mple:1?t=s3cret@h", "https://exa mple:1?…"),
            ("t0ken@h:1", "…@h:1"),
            ("https://h/a#b?c", "https://h/a"),
            ("h?://u:p@x", "h?…"),
            ("", ""),
        ] {
            assert_eq!(public_url(url), shown);
        }
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
