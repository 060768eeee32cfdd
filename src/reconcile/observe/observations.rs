//! What is known of one federated Job in each member; pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{clocks::Clocks, place::Places};
use serde_json::Value;

use crate::{
    cluster::Denial,
    job::{Manifest, Observed},
    state::{LAST_TAKEN_IN, Origin, Phase, Record, Recovery, Shard},
};

/// What has become of a member's name that does not stand for a shard's cluster any more.
const MOVED: &str = "was registered anew as another cluster";

/// How many names of Jobs a run tries in one member.
const NAMES: usize = 16;

/// What is known of one federated Job in each of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observations {
    /// By the member's name.
    pub members: BTreeMap<String, Observation>,
    /// All members of the federation as places for work, by their names.
    pub places: Places,
    /// How far the members' clocks differ from the host's.
    pub clocks: Clocks,
    /// The versions of the servers that were given credits in this run and are of a version that
    /// is not tested, by the member's name.
    pub untested: BTreeMap<String, String>,
    /// All Jobs that carry this federated Job's labels in the unlisted and missed members that
    /// answered, by the member's name.
    pub found: BTreeMap<String, Vec<Found>>,
    /// The members that this user is kept from until they correct something, by their names.
    pub bars: BTreeMap<String, Bar>,
    /// The shards whose leases have passed, and whose Jobs have yet to be ended by the Job
    /// controllers of their clusters, and since when, in seconds since 1970 by the host's clock.
    pub overdue: BTreeMap<u32, i64>,
}

/// What keeps a user from a member until they correct it, such as a context that leads elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The answer of the server, if it is that which keeps the user out.
    pub denial: Option<Denial>,
}

/// A Job with a federated Job's labels in a member whose shards the ledger may lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The Job.
    pub job: Observed,
    /// What it keeps of the federated Job; or why that is of no use.
    pub recovery: Result<Recovery, String>,
}

impl Found {
    /// Reads a Job.
    pub fn from_object(job: &Value) -> Self {
        Self { job: Observed::from_object(job), recovery: Recovery::from_job(job) }
    }

    /// The id of the shard of a record that it is by its labels, from 1.
    pub fn shard_of(&self, record: &Record) -> Option<u32> {
        let owner = self.job.owner.as_ref()?;
        let id = owner.shard.parse().ok().filter(|id| (1..=LAST_TAKEN_IN).contains(id))?;
        (*owner == record.ownership(id)).then_some(id)
    }
}

/// What one member says of one federated Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Nothing is known (G8): the member does not answer, refuses, or is another cluster.
    Unknown {
        /// Why, as a sentence.
        why: String,
    },
    /// The member answered.
    Known {
        /// The Jobs that carry this federated Job's labels, by shard.
        jobs: BTreeMap<u32, Box<Observed>>,
        /// Shards that were asked for by name since the record was read. `jobs` is complete for
        /// these. For others it holds what a list said, and a list may be stale.
        confirmed: BTreeSet<u32>,
        /// Shards that the member refused to create or to change in this run, and why.
        refused: BTreeMap<u32, String>,
        /// Shards for which this run can do no more, and what they wait for.
        waiting: BTreeMap<u32, String>,
        /// Shards whose names are taken by Jobs that are not theirs.
        name_taken: BTreeSet<u32>,
        /// What the member changed of the shards' Jobs when it answered the last write of this run:
        /// one sentence for each difference from what was sent.
        altered: BTreeMap<u32, Vec<String>>,
    },
}

impl Observation {
    /// A member that answered with these Jobs.
    pub fn known(jobs: BTreeMap<u32, Box<Observed>>) -> Self {
        Self::Known {
            jobs,
            confirmed: BTreeSet::new(),
            refused: BTreeMap::new(),
            waiting: BTreeMap::new(),
            name_taken: BTreeSet::new(),
            altered: BTreeMap::new(),
        }
    }
}

/// What a member answered to one action or question about one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The shard's Job as it is now.
    Job(Box<Observed>),
    /// The shard's Job as it is now, and what must happen there before the rest of the action can
    /// be done.
    Waiting(Box<Observed>, String),
    /// The member has no Job of this shard under its name.
    Gone,
    /// The member refused the action, and why.
    Refused(String),
    /// The name of the shard's Job is taken by a Job that is not the shard's; a sentence says by
    /// which.
    NameTaken(String),
    /// No usable answer, and why. Whether the action took effect is not known.
    Unknown(String),
}

impl Observations {
    /// All Jobs that were seen, with their members' names and their shards' ids.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, u32, &Observed)> {
        let known = self.members.iter().filter_map(|(cluster, observation)| match observation {
            Observation::Known { jobs, .. } => Some((cluster.as_str(), jobs)),
            Observation::Unknown { .. } => None,
        });
        known.flat_map(|(cluster, jobs)| jobs.iter().map(move |(id, job)| (cluster, *id, &**job)))
    }

    /// Whether nothing is known of a member.
    pub fn is_unknown(&self, cluster: &str) -> bool {
        matches!(self.members.get(cluster), Some(Observation::Unknown { .. }))
    }

    /// The queue of a shard whose cluster decides when it runs, as its Job says; empty for none.
    pub fn queue(&self, shard: &Shard, id: u32) -> Option<String> {
        match self.answer(shard)? {
            Observation::Known { jobs, .. } => jobs.get(&id)?.queue.clone(),
            Observation::Unknown { .. } => None,
        }
    }

    /// Adds what a member answered about one shard. A member whose state is unknown stays so for
    /// the rest of the run.
    pub fn add(&mut self, cluster: &str, id: u32, answer: Answer) {
        let known = || Observation::known(BTreeMap::new());
        let observation = self.members.entry(cluster.to_owned()).or_insert_with(known);
        match (observation, answer) {
            (observation, Answer::Unknown(why)) => *observation = Observation::Unknown { why },
            (Observation::Unknown { .. }, _) => {}
            (Observation::Known { jobs, confirmed, .. }, Answer::Job(job)) => {
                confirmed.insert(id);
                jobs.insert(id, job);
            }
            (Observation::Known { jobs, confirmed, waiting, .. }, Answer::Waiting(job, why)) => {
                confirmed.insert(id);
                jobs.insert(id, job);
                waiting.insert(id, why);
            }
            (Observation::Known { jobs, confirmed, .. }, Answer::Gone) => {
                confirmed.insert(id);
                jobs.remove(&id);
            }
            (Observation::Known { refused, .. }, Answer::Refused(why)) => {
                refused.insert(id, why);
            }
            (Observation::Known { refused, name_taken, .. }, Answer::NameTaken(why)) => {
                refused.insert(id, why);
                name_taken.insert(id);
            }
        }
    }

    /// Notes what a member changed of a shard's Job when it answered a write. This replaces what
    /// was noted at an earlier write.
    pub fn note_altered(&mut self, cluster: &str, id: u32, differences: Vec<String>) {
        if let Some(Observation::Known { altered, .. }) = self.members.get_mut(cluster) {
            altered.insert(id, differences);
        }
    }

    /// What a member changed of a shard's Job when it answered the last write of this run.
    pub fn altered(&self, cluster: &str, id: u32) -> &[String] {
        match self.members.get(cluster) {
            Some(Observation::Known { altered, .. }) => {
                altered.get(&id).map(Vec::as_slice).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Whether the name of a shard's Job is taken, and another may be tried in this run: after
    /// `NAMES` taken names of one member the next run goes on.
    pub fn needs_other_name(&self, cluster: &str, id: u32) -> bool {
        match self.members.get(cluster) {
            Some(Observation::Known { name_taken, .. }) => {
                name_taken.contains(&id) && name_taken.len() <= NAMES
            }
            _ => false,
        }
    }

    /// Forgets which shards were asked for by name, and what unlisted members have. Call this when
    /// the record was read again: whoever changed it may have created a Job since.
    pub fn forget_confirmed(&mut self) {
        self.found.clear();
        for observation in self.members.values_mut() {
            if let Observation::Known { confirmed, .. } = observation {
                confirmed.clear();
            }
        }
    }

    /// The edits that a record lacks, by their numbers, of which Jobs in members that were found
    /// keep different manifests, and which members these are. One of them is not true.
    pub fn disputed(&self, record: &Record) -> BTreeMap<u32, BTreeSet<String>> {
        let mut kept = BTreeMap::<u32, (&Manifest, BTreeSet<String>, bool)>::new();
        let is_lacking = |it: &Recovery| it.is_verbatim && it.revision > record.state.revision;
        for (name, recovery) in self.recoveries(record).filter(|(_, it)| is_lacking(it)) {
            let none = || (&recovery.manifest, BTreeSet::new(), false);
            let (first, members, differ) = kept.entry(recovery.revision).or_insert_with(none);
            *differ |= **first != recovery.manifest;
            members.insert(name.to_owned());
        }
        let disputed = kept.into_iter().filter(|(_, (_, _, differ))| *differ);
        disputed.map(|(revision, (_, members, _))| (revision, members)).collect()
    }

    /// The member whose Jobs keep the newest manifest of a record, if it is newer than that of the
    /// record and undisputed; the first of several.
    pub fn newest_manifest(&self, record: &Record) -> Option<&str> {
        let disputed = self.disputed(record);
        let is_newer = |revision: u32| revision > record.state.revision;
        let newer = self.recoveries(record).filter(|(_, recovery)| {
            is_newer(recovery.revision) && !disputed.contains_key(&recovery.revision)
        });
        let newest = newer.min_by_key(|(_, it)| (Reverse(it.revision), !it.is_verbatim));
        newest.map(|(name, _)| name)
    }

    /// What the Jobs that were found in unlisted members keep of a record, with the names of the
    /// members. It is nothing to a record that was moved: that has all.
    fn recoveries(&self, record: &Record) -> impl Iterator<Item = (&str, &Recovery)> {
        let is_exact = record.state.origin == Some(Origin::Move);
        let asks = move |name: &String| !is_exact && record.state.unlisted.contains(name);
        let found = self.found.iter().filter(move |(name, _)| asks(name));
        found.flat_map(move |(name, found)| {
            found.iter().filter_map(move |found| {
                found.shard_of(record)?;
                Some((name.as_str(), found.recovery.as_ref().ok()?))
            })
        })
    }

    /// What a shard waits for, if this run can do no more for it.
    pub fn waiting(&self, cluster: &str, id: u32) -> Option<&str> {
        match self.members.get(cluster)? {
            Observation::Known { waiting, .. } => waiting.get(&id).map(String::as_str),
            Observation::Unknown { .. } => None,
        }
    }

    /// Whether the Job of a shard is there, and somebody removed the labels of the shard from it
    /// (G6).
    pub fn is_left_alone(&self, record: &Record, id: u32) -> bool {
        let shard = &record.shards[&id];
        let Some(Observation::Known { jobs, .. }) = self.answer(shard) else { return false };
        jobs.get(&id).is_some_and(|job| {
            !(shard.awaits_labels() || shard.is_taken_over())
                && shard.uid.as_ref() == Some(&job.uid)
                && job.owner.as_ref() != Some(&record.ownership(id))
        })
    }

    /// Whether somebody deleted the Job of a shard, and another one is there under its name with
    /// its labels. That one is left alone.
    pub fn is_made_again(&self, id: u32, shard: &Shard) -> bool {
        let Some(Observation::Known { jobs, .. }) = self.answer(shard) else { return false };
        let is_another = |job: &Observed| shard.uid.as_ref().is_some_and(|uid| *uid != job.uid);
        shard.phase == Phase::Deleted && jobs.get(&id).is_some_and(|job| is_another(job))
    }

    /// Whether the Job that a shard was to adopt is there, and has no labels of the shard.
    pub fn is_not_adopted(&self, record: &Record, id: u32) -> bool {
        let shard = &record.shards[&id];
        let Some(Observation::Known { jobs, .. }) = self.answer(shard) else { return false };
        shard.awaits_labels()
            && jobs.get(&id).is_some_and(|job| job.owner.as_ref() != Some(&record.ownership(id)))
    }

    /// Why a member refused what was asked for a shard in this run, if it did.
    pub fn refused(&self, cluster: &str, id: u32) -> Option<&str> {
        match self.members.get(cluster)? {
            Observation::Known { refused, .. } => refused.get(&id).map(String::as_str),
            Observation::Unknown { .. } => None,
        }
    }

    /// Why nothing is known of a shard, if that is so: its member does not answer, or the member's
    /// name stands for another cluster than the shard's by now.
    pub fn unknown(&self, shard: &Shard) -> Option<String> {
        if let Some(why) = self.moved(shard) {
            return Some(why);
        }
        match self.members.get(&shard.cluster) {
            Some(Observation::Unknown { why }) => Some(why.clone()),
            Some(Observation::Known { .. }) => None,
            None => Some("it was not asked".to_owned()),
        }
    }

    /// How the cluster of a shard keeps this user out, if it answered that.
    pub fn denial(&self, shard: &Shard) -> Option<Denial> {
        self.bars.get(&shard.cluster)?.denial
    }

    /// Whether the cluster of a shard is a member that was asked and gave no answer: it may be gone
    /// for good. Where something keeps the user from it, it is not known to be away.
    pub fn is_silent(&self, shard: &Shard) -> bool {
        let Some(place) = self.places.get(&shard.cluster) else { return false };
        let is_unknown =
            matches!(self.members.get(&shard.cluster), Some(Observation::Unknown { .. }));
        is_unknown && !place.moved(shard) && !self.bars.contains_key(&shard.cluster)
    }

    /// What the cluster of a shard answered. None where nothing is known of the shard.
    pub(in crate::reconcile) fn answer(&self, shard: &Shard) -> Option<&Observation> {
        match self.members.get(&shard.cluster)? {
            known @ Observation::Known { .. } if self.moved(shard).is_none() => Some(known),
            _ => None,
        }
    }

    /// Why a shard is not in the member that it names, if that is so.
    fn moved(&self, shard: &Shard) -> Option<String> {
        let place = self.places.get(&shard.cluster)?;
        place.moved(shard).then(|| format!("cluster {:?} {MOVED}", shard.cluster))
    }

    /// Why no Job is created or adopted for a shard, if that is so.
    pub fn withheld(&self, shard: &Shard) -> Option<&'static str> {
        let leaving = self.places.get(&shard.cluster).is_some_and(|place| place.leaving);
        let is_planned = shard.phase == Phase::Planned || shard.awaits_labels();
        (is_planned && leaving).then_some("the cluster is being unregistered")
    }

    /// Takes over the registry as it is now. A member that left since, or whose name stands for
    /// another cluster, is not asked any more in this run: its connection leads to the old one.
    pub fn update_places(&mut self, places: Places) {
        for (name, observation) in &mut self.members {
            let before = self.places.get(name).map(|place| &place.uid);
            let why = match places.get(name) {
                None => "it is not registered in this federation".to_owned(),
                Some(place) if before.is_some_and(|uid| *uid != place.uid) => {
                    format!("cluster {name:?} {MOVED}")
                }
                Some(_) => continue,
            };
            *observation = Observation::Unknown { why };
        }
        self.places = places;
    }
}

/// The id of the shard that a Job is, if it is one of this record. Labels and name must both
/// match: a copy that a user made under another name carries the same labels.
pub(in crate::reconcile) fn shard_id(record: &Record, job: &Observed) -> Option<u32> {
    let owner = job.owner.as_ref()?;
    let id = owner.shard.parse().ok()?;
    (*owner == record.ownership(id) && job.name == record.job_name(id)).then_some(id)
}
