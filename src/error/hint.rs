//! A sentence that says what to do. Those about several Jobs or clusters become one.

use std::collections::BTreeSet;

use crate::print::federate;

/// How many Jobs a command names. Of more, it is about all Jobs of their namespace.
const NAMED: usize = 8;

/// The verb that does no harm to Jobs beside those that it is meant for.
const RECONCILE: &str = "reconcile";

/// A sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    text: String,
    about: About,
}

/// What a hint is about, so that it can be joined with others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum About {
    /// It stands for itself.
    Nothing,
    /// Federated Jobs.
    Jobs(OfJobs),
    /// Clusters that give no answer, and whether a deletion waits for them.
    Silent(BTreeSet<String>, bool),
}

/// A command that does something about federated Jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfJobs {
    /// The verb, such as `reconcile`.
    pub verb: &'static str,
    /// The flags behind the names.
    pub flags: &'static [&'static str],
    /// The sentence about one Job, and the one about several; `{}` stands for the command.
    pub sentences: [&'static str; 2],
    /// The Jobs, by namespace and name.
    pub jobs: BTreeSet<(String, String)>,
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self { text, about: About::Nothing }
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<OfJobs> for Hint {
    fn from(it: OfJobs) -> Self {
        Self { text: it.text(), about: About::Jobs(it) }
    }
}

impl Hint {
    /// What has others do the work of clusters that give no answer, if they are gone for good.
    /// `is_deletion` says that a deletion waits for them.
    pub fn about_silent(clusters: impl IntoIterator<Item = String>, is_deletion: bool) -> Self {
        let clusters: BTreeSet<_> = clusters.into_iter().collect();
        let text = about_silent(&clusters, is_deletion);
        Self { text, about: About::Silent(clusters, is_deletion) }
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes another hint in, if one sentence says both. Gives it back if not.
    pub fn join(&mut self, next: Self) -> Option<Self> {
        if *self == next {
            return None;
        }
        match (&mut self.about, next.about) {
            (About::Jobs(own), About::Jobs(more)) if own.says_the_same(&more) => {
                own.jobs.extend(more.jobs);
                self.text = own.text();
                None
            }
            (About::Silent(own, is_deletion), About::Silent(more, other))
                if *is_deletion == other =>
            {
                own.extend(more);
                self.text = about_silent(own, other);
                None
            }
            (_, about) => Some(Self { text: next.text, about }),
        }
    }
}

impl OfJobs {
    /// Reconciles a Job.
    pub fn reconcile(namespace: &str, name: &str, sentences: [&'static str; 2]) -> Self {
        Self::of(RECONCILE, namespace, name, sentences)
    }

    /// A verb about a Job.
    pub fn of(
        verb: &'static str,
        namespace: &str,
        name: &str,
        sentences: [&'static str; 2],
    ) -> Self {
        let jobs = [(namespace.to_owned(), name.to_owned())].into();
        Self { verb, flags: &[], sentences, jobs }
    }

    /// Whether one command can be about the Jobs of both.
    fn says_the_same(&self, other: &Self) -> bool {
        let namespaces: BTreeSet<_> =
            self.jobs.iter().chain(&other.jobs).map(|(namespace, _)| namespace).collect();
        let is_same =
            (self.verb, self.flags, self.sentences) == (other.verb, other.flags, other.sentences);
        is_same && (namespaces.len() == 1 || self.verb == RECONCILE)
    }

    fn text(&self) -> String {
        let namespaces: BTreeSet<_> =
            self.jobs.iter().map(|(namespace, _)| namespace.as_str()).collect();
        let are_named = self.verb != RECONCILE || self.jobs.len() <= NAMED;
        let mut words: Vec<&str> = Vec::new();
        match (namespaces.len(), namespaces.first()) {
            (1, Some(namespace)) => {
                words.extend(self.jobs.iter().filter(|_| are_named).map(|(_, name)| name.as_str()));
                words.extend(["-n", *namespace]);
            }
            _ => words.push("--all-namespaces"),
        }
        words.extend(self.flags);
        let sentence = self.sentences[usize::from(self.jobs.len() > 1)];
        sentence.replace("{}", &federate(self.verb, words))
    }
}

/// What to do about silent clusters, if they are gone for good.
fn about_silent(silent: &BTreeSet<String>, is_deletion: bool) -> String {
    let names: Vec<_> = silent.iter().map(String::as_str).collect();
    let (cluster, name) = match names.as_slice() {
        [one] => (format!("cluster {one}"), *one),
        several => (format!("one of the clusters {}", several.join(", ")), "NAME"),
    };
    let lost = federate("cluster lost", [name]);
    let ends = if is_deletion { "ends the deletion without it, and " } else { "" };
    format!(
        "Only if {cluster} is gone for good: {lost} {ends}has others do its work, and what it has \
         done unseen runs twice."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENTENCES: [&str; 2] = ["{} ends it.", "{} ends them."];

    fn joined(verb: &'static str, jobs: &[(&str, &str)]) -> Vec<String> {
        let mut hints: Vec<Hint> = Vec::new();
        for (namespace, name) in jobs {
            let next = Hint::from(OfJobs::of(verb, namespace, name, SENTENCES));
            let rest = hints.iter_mut().try_fold(next, |next, hint| hint.join(next));
            hints.extend(rest);
        }
        hints.into_iter().map(|hint| hint.text).collect()
    }

    #[test]
    fn hints_about_several_jobs_become_one_command_that_is_about_all_of_them() {
        let of = |text: &str| vec![text.to_owned()];
        let one = "`kubectl federate reconcile a -n x` ends it.";
        assert_eq!(joined("reconcile", &[("x", "a"), ("x", "a")]), of(one));
        let two = "`kubectl federate reconcile a b -n x` ends them.";
        assert_eq!(joined("reconcile", &[("x", "b"), ("x", "a")]), of(two));
        let apart = "`kubectl federate reconcile --all-namespaces` ends them.";
        assert_eq!(joined("reconcile", &[("x", "a"), ("y", "b")]), of(apart));
        let names: Vec<_> = (0..20).map(|n| format!("j{n}")).collect();
        let many: Vec<_> = names.iter().map(|name| ("x", name.as_str())).collect();
        let all = "`kubectl federate reconcile -n x` ends them.";
        assert_eq!(joined("reconcile", &many), of(all));
        // Another verb is never about more Jobs than it is meant for.
        assert!(joined("job delete", &many)[0].contains(" j0 j1 j10 "));
        assert_eq!(joined("job delete", &[("x", "a"), ("y", "b")]).len(), 2);
    }

    #[test]
    fn silent_clusters_are_named_in_one_sentence() {
        let mut hint = Hint::about_silent(["west".to_owned()], false);
        assert!(hint.text().starts_with("Only if cluster west is gone for good: `kubectl"));
        assert_eq!(hint.join(Hint::about_silent(["north".to_owned()], false)), None);
        assert!(hint.text().contains("one of the clusters north, west is gone"), "{hint:?}");
        let deletion = Hint::about_silent(["west".to_owned()], true);
        assert!(deletion.text().contains("lost west` ends the deletion without it, and has "));
        for other in [Hint::from("Do nothing."), deletion] {
            assert_eq!(hint.join(other.clone()), Some(other));
        }
    }
}
