//! What of a text must not reach a terminal as it is: some characters, and more than anybody reads.

use std::borrow::Cow;

/// Whether a terminal acts on the character, or shows nothing for it, so that two different names
/// can look the same.
///
/// These are control characters, line and paragraph separators, and Unicode's default-ignorable
/// code points (`Default_Ignorable_Code_Point` in `DerivedCoreProperties.txt`): zero-width
/// characters, direction marks, fillers, variation selectors and tags. The variation selectors
/// U+FE00 to U+FE0F are not among them here, because emoji need them.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The most that is shown of one text from outside, in bytes. It is more than servers and policies
/// write.
pub const MOST: usize = 4 * 1024;

/// The most bytes of what says how much of a text was cut off.
const CUT: usize = 40;

/// The text, or about so many bytes of its beginning. One that was cut stays as it is.
pub fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most + CUT {
        return text.into();
    }
    let end = text.floor_char_boundary(most);
    format!("{}… ({} more bytes)", &text[..end], text.len() - end).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_hidden_character_is_known() {
        let hidden = "\0\t\n\r\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\
                      \u{200e}\u{2028}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{feff}\u{fff9}\
                      \u{1d173}\u{e0001}\u{e0041}\u{e007f}\u{e0100}";
        assert!(hidden.chars().all(is_hidden));
        for shown in ["aé", "e\u{301}", "👩\u{fe0f}", "ไทย", "हिन्दी", "世界", "\u{a0}", "\u{fffd}"]
        {
            assert!(!shown.contains(is_hidden), "{shown}");
        }
    }

    #[test]
    fn a_text_that_nobody_reads_is_cut() {
        assert_eq!(bounded("a policy says no", MOST), "a policy says no");
        let long = format!("grüße{}", "x".repeat(100));
        assert_eq!(bounded(&long, 3), "gr… (105 more bytes)");
        for more in 0..200 {
            let text = "ü".repeat(MOST / 2) + &"x".repeat(more);
            let cut = bounded(&text, MOST);
            assert_eq!(bounded(&cut, MOST), cut, "what was cut is not cut again");
        }
    }
}
