//! Whole numbers on the command line.

/// Reads a number of things: 0 or more.
///
/// # Errors
/// It is another text; the sentence says what a number is.
pub fn natural(text: &str) -> Result<i32, &'static str> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or("must be a whole number from 0 to 2147483647")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_0_or_more() {
        for (text, number) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("2147483647", Some(i32::MAX)),
            ("2147483648", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("one", None),
        ] {
            assert_eq!(natural(text).ok(), number, "{text:?}");
        }
    }
}
