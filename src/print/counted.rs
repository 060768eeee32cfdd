//! Numbers with the things that they count.

use std::fmt::Display;

/// `1 job`, `3 jobs`, `0 jobs`. `noun` is the singular; it has its plural with an `s`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// How many names a sentence has.
const NAMED: usize = 20;

/// Names in a sentence: `a, b, c`. Of very many, the rest is counted: `a, b, … and 80 more`.
pub fn listed(names: &[&str]) -> String {
    match names.len().checked_sub(NAMED) {
        Some(rest) if rest > 0 => format!("{} and {rest} more", names[..NAMED].join(", ")),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_very_many_names_the_rest_is_counted() {
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a"; 20]), ["a"; 20].join(", "));
        assert_eq!(listed(&["a"; 100]), ["a"; 20].join(", ") + " and 80 more");
    }

    #[test]
    fn one_thing_is_singular() {
        let texts = [0, 1, 2].map(|count| counted(count, "running pod"));
        assert_eq!(texts, ["0 running pods", "1 running pod", "2 running pods"]);
    }
}
