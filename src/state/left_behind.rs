//! Records on a host of federations whose registry is not there.

use std::{collections::BTreeMap, fmt};

use super::{Record, by_context};

/// The records that a host has of other federations than that of its registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// How many count as soon as there is a registry of their federation, by its uid.
    pub jobs: BTreeMap<String, usize>,
    /// How many were moved to another host, by the kubeconfig context of whoever moved them.
    pub moved: BTreeMap<String, usize>,
}

impl LeftBehind {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.moved.is_empty()
    }

    pub(super) fn add(&mut self, record: Record) {
        *match record.state.moved {
            None => self.jobs.entry(record.federation).or_default(),
            Some(moved) => self.moved.entry(moved.context).or_default(),
        } += 1;
    }
}

impl fmt::Display for LeftBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: &usize| match count {
            1 => "1 job".to_owned(),
            count => format!("{count} jobs"),
        };
        let of = |(federation, count)| format!("{} of federation {federation}", counted(count));
        let to = |(context, count): (&String, &usize)| {
            format!("{} that moved to another host{}", counted(count), by_context(context))
        };
        let jobs: Vec<_> = self.jobs.iter().map(of).chain(self.moved.iter().map(to)).collect();
        f.write_str(&jobs.join(", and of "))
    }
}
