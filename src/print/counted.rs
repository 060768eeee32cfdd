//! Numbers with the things that they count.

use std::fmt::Display;

/// `1 job`, `3 jobs`, `0 jobs`. `noun` is the singular; it has its plural with an `s`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular() {
        let texts = [0, 1, 2].map(|count| counted(count, "running pod"));
        assert_eq!(texts, ["0 running pods", "1 running pod", "2 running pods"]);
    }
}
