//! The reasons of the operating system, in kubectl's words.

use std::fmt::Display;

/// The standard library appends this and the number of the error, which no user needs.
const NUMBER: &str = " (os error ";

/// The reason in an [`io::Error`](std::io::Error), or in an error that quotes one, as kubectl
/// writes it: `permission denied`. Other texts stay as they are.
pub fn words(error: &dyn Display) -> String {
    let text = error.to_string();
    let Some((reason, _)) = text.split_once(NUMBER) else { return text };
    let mut chars = reason.chars();
    let first = chars.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn the_number_is_left_out() {
        // 2 is ENOENT everywhere.
        assert_eq!(words(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(
            words(&"Too many open files (os error 24) at path \"a\""),
            "too many open files"
        );
        assert_eq!(words(&io::Error::other("The disk is tired")), "The disk is tired");
    }
}
