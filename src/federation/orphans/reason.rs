//! Why a Job is an orphan; pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    job::{Observed, Ownership},
    state::{Record, Shard},
};

/// Why no ledger knows a Job that carries the labels of this federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// There is no record of its federated Job in its namespace.
    NoRecord,
    /// Its cluster is no member any more.
    Unregistered,
    /// The record has no shard of this number: the shard was forgotten, or its end is recorded.
    NotInLedger,
    /// The record has the shard in another cluster.
    OtherCluster,
    /// The record has the shard as another Job: it has another name or uid.
    OtherJob,
    /// A record of its namespace cannot be read, and the Job may belong to it.
    Unreadable,
}

/// Where a Job is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub namespace: &'a str,
    /// The name of the cluster as a member.
    pub cluster: &'a str,
    /// The cluster's uid.
    pub uid: &'a str,
    /// Whether the cluster is a member no more.
    pub is_former: bool,
}

/// What the records of a federation know.
#[derive(Debug, Default)]
pub(super) struct Known {
    records: BTreeMap<(String, String), Record>,
    /// The namespaces with records that cannot be read; none stands for any namespace.
    unreadable: BTreeSet<Option<String>>,
}

impl Known {
    /// Adds a record.
    pub fn add(&mut self, record: Record) {
        let key = (record.namespace().to_owned(), record.state.uid.clone());
        self.records.insert(key, record);
    }

    /// Notes that a record of this namespace cannot be read; of any, if that is not known.
    pub fn add_unreadable(&mut self, namespace: Option<String>) {
        self.unreadable.insert(namespace);
    }

    /// Whether there is a record of the federated Job of a Job.
    pub fn has(&self, namespace: &str, owner: &Ownership) -> bool {
        self.records.contains_key(&(namespace.to_owned(), owner.job.clone()))
    }

    /// Why a Job is an orphan; none if a ledger knows it.
    pub fn reason(&self, owner: &Ownership, job: &Observed, place: Place<'_>) -> Option<Reason> {
        let Some(record) = self.records.get(&(place.namespace.to_owned(), owner.job.clone()))
        else {
            let hidden = [None, Some(place.namespace.to_owned())];
            return Some(if hidden.iter().any(|key| self.unreadable.contains(key)) {
                Reason::Unreadable
            } else if place.is_former {
                Reason::Unregistered
            } else {
                Reason::NoRecord
            });
        };
        if place.is_former {
            return Some(Reason::Unregistered);
        }
        // A record that was rebuilt has yet to take in what its members have.
        if !record.state.unlisted.is_empty() || record.state.missed.contains_key(place.uid) {
            return None;
        }
        let Some((id, shard)) = owner
            .shard
            .parse()
            .ok()
            .and_then(|id: u32| record.shards.get(&id).map(|shard| (id, shard)))
        else {
            return Some(Reason::NotInLedger);
        };
        if !is_there(shard, place) {
            return Some(Reason::OtherCluster);
        }
        let is_it =
            record.job_name(id) == job.name && shard.uid.as_ref().is_none_or(|uid| *uid == job.uid);
        (!is_it).then_some(Reason::OtherJob)
    }
}

/// Whether the ledger has a shard in this cluster.
fn is_there(shard: &Shard, place: Place<'_>) -> bool {
    match &shard.cluster_uid {
        Some(uid) => uid == place.uid,
        None => shard.cluster == place.cluster,
    }
}

impl Reason {
    /// The word for it, as Kubernetes writes reasons.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoRecord => "NoRecord",
            Self::Unregistered => "Unregistered",
            Self::NotInLedger => "NotInLedger",
            Self::OtherCluster => "OtherCluster",
            Self::OtherJob => "OtherJob",
            Self::Unreadable => "RecordUnreadable",
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        state::Phase,
    };

    fn record() -> Record {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "pi" },
            "spec": { "completions": 4, "template": { "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "pi", "image": "perl" }],
            }}},
        });
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let share = Size { parallelism: 1, completions: Some(2) };
        let started = Shard {
            cluster_uid: Some("e".into()),
            phase: Phase::Started,
            uid: Some("j1".into()),
            ..Shard::planned("east", share)
        };
        let planned = Shard { cluster_uid: Some("w".into()), ..Shard::planned("west", share) };
        Record::new("f", manifest, vec![started, planned], Timestamp::UNIX_EPOCH)
    }

    fn job(name: &str, uid: &str) -> Observed {
        Observed::from_object(&json!({ "metadata": { "name": name, "uid": uid } }))
    }

    /// The reason for a Job of the record, where all records can be read.
    fn reason(shard: &str, job: &Observed, place: Place<'_>) -> Option<Reason> {
        let (record, mut known) = (record(), Known::default());
        let owner = Ownership {
            federation: "f".into(),
            job: record.state.uid.clone(),
            shard: shard.into(),
        };
        known.add(record);
        known.reason(&owner, job, place)
    }

    #[test]
    fn a_job_is_no_orphan_if_the_ledger_has_its_number_cluster_name_and_uid() {
        let place = |cluster, uid| Place { namespace: "work", cluster, uid, is_former: false };
        let (east, west) = (place("east", "e"), place("west", "w"));
        for (shard, name, uid, place, expected) in [
            ("1", "pi", "j1", east, None),
            // It was posted, and its uid is not recorded yet.
            ("2", "pi", "any", west, None),
            // The cluster has another name by now.
            ("1", "pi", "j1", place("renamed", "e"), None),
            ("1", "pi", "j2", east, Some(Reason::OtherJob)),
            ("1", "copy", "j1", east, Some(Reason::OtherJob)),
            ("1", "pi", "j1", west, Some(Reason::OtherCluster)),
            ("1", "pi", "j1", place("east", "anew"), Some(Reason::OtherCluster)),
            ("3", "pi-3", "j3", east, Some(Reason::NotInLedger)),
            ("x", "pi", "j1", east, Some(Reason::NotInLedger)),
            ("1", "pi", "j1", Place { namespace: "other", ..east }, Some(Reason::NoRecord)),
            ("1", "pi", "j1", Place { is_former: true, ..east }, Some(Reason::Unregistered)),
        ] {
            assert_eq!(reason(shard, &job(name, uid), place), expected, "{shard} {name} {place:?}");
        }
    }

    #[test]
    fn a_record_that_was_rebuilt_knows_all_jobs_until_its_members_are_listed() {
        let (mut record, mut known) = (record(), Known::default());
        record.shards.clear();
        record.state.unlisted = ["east".to_owned()].into();
        let job_uid = record.state.uid.clone();
        let owner = Ownership { federation: "f".into(), job: job_uid, shard: "1".into() };
        known.add(record);
        let place = Place { namespace: "work", cluster: "east", uid: "e", is_former: false };
        assert_eq!(known.reason(&owner, &job("pi", "j1"), place), None);
    }

    #[test]
    fn where_a_record_cannot_be_read_its_jobs_are_not_taken_for_those_of_nobody() {
        let owner = Ownership { federation: "f".into(), job: "gone".into(), shard: "1".into() };
        let place = |namespace| Place { namespace, cluster: "east", uid: "e", is_former: false };
        let mut known = Known::default();
        known.add_unreadable(Some("work".into()));
        let reason =
            |known: &Known, namespace| known.reason(&owner, &job("pi", "j1"), place(namespace));
        assert_eq!(reason(&known, "work"), Some(Reason::Unreadable));
        assert_eq!(reason(&known, "other"), Some(Reason::NoRecord));
        known.add_unreadable(None);
        assert_eq!(reason(&known, "other"), Some(Reason::Unreadable));
    }
}
