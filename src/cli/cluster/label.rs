//! `kubectl federate cluster label`, and labels by Kubernetes' rules.

use std::collections::BTreeSet;

use clap::Args;

use super::steps;
use crate::{
    cli::Session,
    error::{Error, Result},
    federation::LabelChange,
    state::check_label,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Set a label of a cluster
  kubectl federate cluster label west region=eu

  # Replace its value
  kubectl federate cluster label west region=us --overwrite

  # Remove it
  kubectl federate cluster label west region-";

/// Set or remove labels of a cluster
///
/// Only the registry is changed: the cluster need not answer.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Label {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// KEY=VALUE sets a label, KEY- removes it
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = parse_change)]
    changes: Vec<LabelChange>,
    /// Let a label get another value than it has
    #[arg(long)]
    overwrite: bool,
}

impl Label {
    /// Writes the labels to the registry.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let removed = self.changes.iter().filter_map(|change| match change {
            LabelChange::Remove(key) => Some(key),
            LabelChange::Set(..) => None,
        });
        let removed: BTreeSet<_> = removed.collect();
        let is_set = |key: &String| {
            self.changes
                .iter()
                .any(|change| matches!(change, LabelChange::Set(set, _) if set == key))
        };
        if removed.iter().any(|key| is_set(key)) {
            let why = "can not both modify and remove a label in the same command";
            return Err(Error::new(why));
        }
        let only_removes = removed.len() == self.changes.len() && !self.overwrite;
        let done = if only_removes { "unlabeled" } else { "labeled" };
        steps::begin(session, &self.name, [], done);
        let mut federation = session.federation(&()).await?;
        if let Some(member) = federation.registry.members.get(&self.name) {
            for key in removed.iter().filter(|key| !member.labels.contains_key(**key)) {
                // On stdout, as kubectl.
                session.output().line(format!("label {key:?} not found."));
            }
        }
        let changed = federation.label(&self.name, &self.changes, self.overwrite).await?;
        let what = if changed { done } else { "not labeled" };
        session.output().line(format!("cluster/{} {what}", self.name));
        Ok(())
    }
}

/// Reads `KEY=VALUE` or `KEY-`.
fn parse_change(text: &str) -> Result<LabelChange, String> {
    match text.strip_suffix('-').filter(|key| !key.contains('=')) {
        Some(key) => parse(&format!("{key}=")).map(|(key, _)| LabelChange::Remove(key)),
        None => parse(text).map(|(key, value)| LabelChange::Set(key, value)),
    }
}

/// Reads `KEY=VALUE`; the error says what a key or a value may be, in Kubernetes' words.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    check_label(key, value)?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hyphen_at_the_end_removes_a_label() {
        let set = |key: &str, value: &str| LabelChange::Set(key.to_owned(), value.to_owned());
        let remove = |key: &str| LabelChange::Remove(key.to_owned());
        for (text, change) in [
            ("region=eu", Some(set("region", "eu"))),
            ("region-", Some(remove("region"))),
            ("example.com/region-", Some(remove("example.com/region"))),
            ("region=eu-", None),
            ("-", None),
            ("region", None),
        ] {
            assert_eq!(parse_change(text).ok(), change, "{text}");
        }
    }

    #[test]
    fn labels_are_as_kubernetes_has_them() {
        let long = "a".repeat(63);
        for text in [
            "zone=eu",
            "zone=",
            "example.com/zone=EU_1.2-x",
            &format!("{long}={long}"),
            "A.b_c-d=0",
        ] {
            assert_eq!(
                parse(text).map(|(key, value)| format!("{key}={value}")).as_deref(),
                Ok(text)
            );
        }
        for text in [
            "zone",
            "=eu",
            "zone!=eu",
            "zone=a=b",
            "zone=-a",
            "zone=a.",
            "zone=é",
            "/zone=eu",
            "Example.com/zone=eu",
            "a/b/zone=eu",
            "a..b/zone=eu",
            "example.com/=eu",
            " zone=eu",
            &format!("{long}a=b"),
            &format!("a={long}a"),
            &format!("{}/a=b", "a".repeat(254)),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
