//! Byte-order marks and UTF-16: from the bytes of a file to its text.

/// Starts a document, and ends the one before it.
const SEPARATOR: &[u8] = b"---";

/// The byte-order mark as a character.
const MARK: char = '\u{feff}';

/// The text of a manifest file, without byte-order marks.
///
/// As in kubectl, each document of a file has an encoding of its own: UTF-16 if it starts with a
/// byte-order mark of UTF-16 (either byte order), and UTF-8 otherwise. Documents are separated by
/// lines that start with `---` in ASCII. A mark is also dropped where only comments and empty lines
/// stand before it in its document.
///
/// # Errors
/// Bytes that are not text in the encoding of their document; the error is a clause about the file,
/// such as `it is not text in UTF-8`.
pub fn decode(bytes: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(bytes.len());
    let (mut start, mut end) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line_start = end;
        end += line.len();
        if line.strip_prefix(SEPARATOR).is_some_and(|rest| rest.trim_ascii().is_empty()) {
            text.push_str(&without_mark(decode_document(&bytes[start..line_start])?));
            text.push_str(&String::from_utf8_lossy(line));
            start = end;
        }
    }
    text.push_str(&without_mark(decode_document(&bytes[start..])?));
    Ok(text)
}

/// The text of the first document of a file, without byte-order marks at the start of lines.
///
/// The encoding is the one that the file starts with, as in [`decode`]. What follows the document
/// may be anything, as in a kubeconfig, of which client-go reads one document.
///
/// # Errors
/// As of [`decode`], for the first document.
pub fn decode_first(bytes: &[u8]) -> Result<String, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A file in UTF-16 has no marker in ASCII, and is cut when it is text.
    let text = decode_document(first_document(bytes))?;
    let lines = text.split_inclusive('\n').map(|line| line.trim_start_matches(MARK));
    let text: String = lines.collect();
    Ok(String::from_utf8_lossy(first_document(text.as_bytes())).into_owned())
}

/// Cuts the text before the second document. `---` and `...` at the start of a line are markers
/// wherever they stand, also inside a scalar.
fn first_document(text: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut started = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let ends = line.starts_with(b"...");
        let marks = ends || line.starts_with(b"---");
        if marks && line.get(3).is_none_or(u8::is_ascii_whitespace) {
            if started || ends {
                return &text[..end];
            }
            started = true;
        }
        let comment = line.trim_ascii_start().first().is_none_or(|first| b"#%".contains(first));
        started |= !comment;
        end += line.len();
    }
    text
}

fn decode_document(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes.to_vec()).map_err(|_| "it is not text in UTF-8".to_owned()),
    }
}

/// A line break in ASCII may follow, if a separator in ASCII follows that.
fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    match (String::from_utf16(&units), rest) {
        (Ok(text), []) => Ok(text),
        (Ok(text), b"\n") => Ok(text + "\n"),
        _ => Err("it starts with a byte-order mark of UTF-16 and is not text in UTF-16".to_owned()),
    }
}

/// A document without a mark that has only comments, directives and empty lines before it.
fn without_mark(text: String) -> String {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with(MARK) {
            let (before, marked) = text.split_at(offset);
            return format!("{before}{}", marked.trim_start_matches(MARK));
        }
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') && !content.starts_with("---") {
            break;
        }
        offset += line.len();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    /// A document in each encoding that kubectl reads.
    fn encodings(text: &str) -> [Vec<u8>; 4] {
        [
            text.as_bytes().to_vec(),
            format!("\u{feff}{text}").into_bytes(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
        ]
    }

    #[test]
    fn every_document_may_have_its_own_encoding() {
        for first in encodings("a: é😀") {
            for second in encodings("b: ü\r\n") {
                for separator in ["\n---\n", "\n---\r\n", "\n---   \n"] {
                    let stream = [&first[..], separator.as_bytes(), &second[..]].concat();
                    let text =
                        decode(&stream).unwrap_or_else(|error| panic!("{stream:?}: {error}"));
                    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
                    assert_eq!(lines, ["a: é😀", "---", "b: ü"], "{stream:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_in_utf_16_may_hold_several_documents() {
        let text = "a: 1\r\n---\r\nb: 2\r\n";
        for bytes in encodings(text) {
            assert_eq!(decode(&bytes).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_mark_after_comments_is_no_text() {
        for (bytes, want) in [
            ("\u{feff}", ""),
            ("\u{feff}---\na: 1", "---\na: 1"),
            ("---  \r\n\u{feff}a: 1", "---  \r\na: 1"),
            ("# one\n\n\u{feff}a: 1", "# one\n\na: 1"),
            ("a: 1\n---\n# two\n\u{feff}b: 2", "a: 1\n---\n# two\nb: 2"),
            ("\u{feff}\u{feff}a: 1", "a: 1"),
            ("a: |\n  x\n\u{feff}", "a: |\n  x\n\u{feff}"),
            ("a: \u{feff}b", "a: \u{feff}b"),
        ] {
            assert_eq!(decode(bytes.as_bytes()).as_deref(), Ok(want), "{bytes:?}");
        }
    }

    #[test]
    fn the_first_document_is_read_whatever_follows() {
        for start in ["", "---\n", "# one\n---\n", "%YAML 1.1\n---\n"] {
            let document = format!("{start}a: é\n");
            for (end, broken) in [("---\n", "b: ["), ("...\n", "\u{0}"), ("--- b\n", "c")] {
                for bytes in encodings(&format!("{document}{end}{broken}")) {
                    assert_eq!(decode_first(&bytes).as_ref(), Ok(&document), "{bytes:?}");
                }
            }
        }
        let other_bytes = [b"a: 1\n---\n".as_slice(), &[0xff; 9]].concat();
        assert_eq!(decode_first(&other_bytes).as_deref(), Ok("a: 1\n"));
        assert_eq!(decode_first("a: 1\n\u{feff}b: 2".as_bytes()).as_deref(), Ok("a: 1\nb: 2"));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let no_utf16 = "it starts with a byte-order mark of UTF-16 and is not text in UTF-16";
        for (bytes, want) in [
            (&b"a: \xff"[..], "it is not text in UTF-8"),
            (b"a: 1\n---\nb: \xc3", "it is not text in UTF-8"),
            (b"\xff\xfea\0\x00\xd8", no_utf16),
            (b"\xfe\xff\0a\0", no_utf16),
        ] {
            assert_eq!(decode(bytes), Err(want.to_owned()), "{bytes:?}");
            let first = bytes.strip_prefix(b"a: 1\n---\n").unwrap_or(bytes);
            assert_eq!(decode_first(first), Err(want.to_owned()), "{bytes:?}");
        }
    }
}
