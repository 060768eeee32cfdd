//! The names of several Jobs.

use std::collections::BTreeSet;

use crate::print::listed;

/// Whether these Jobs, by namespace and name, are in several namespaces.
pub(super) fn are_apart<'k>(jobs: impl IntoIterator<Item = (&'k str, &'k str)>) -> bool {
    let namespaces: BTreeSet<_> = jobs.into_iter().map(|(namespace, _)| namespace).collect();
    namespaces.len() > 1
}

/// The names of Jobs in one line, each after its namespace if those differ: `work/pi, play/pi`.
pub(super) fn named(jobs: &[(&str, &str)]) -> String {
    named_among(jobs, are_apart(jobs.iter().copied()))
}

/// The same of some of the Jobs that a command is about: `are_apart` says whether those are in
/// several namespaces.
pub(super) fn named_among(jobs: &[(&str, &str)], are_apart: bool) -> String {
    let name = |(namespace, name): &(&str, &str)| {
        if are_apart { format!("{namespace}/{name}") } else { (*name).to_owned() }
    };
    let names: Vec<_> = jobs.iter().map(name).collect();
    listed(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_of_several_namespaces_are_told_apart() {
        assert_eq!(named(&[("a", "pi"), ("a", "tau")]), "pi, tau");
        assert_eq!(named(&[("a", "pi"), ("b", "pi")]), "a/pi, b/pi");
    }
}
