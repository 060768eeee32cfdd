//! One federated Job's record as it was ever written, compared with what the simulation knows.

mod checks;
mod repeats;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::evidence::{Recorded, SHARD_PREFIX};
use super::registries::{OURS, Registries};
use super::work::{Job, indexes};

const FEDERATION: &str = "kubectl-federate.dev/federation";
const MANIFEST: &str = "kubectl-federate.dev/manifest";
const STATE: &str = "kubectl-federate.dev/state";

/// What the host has ever said of a federated Job.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts about a record")]
pub struct Ledger {
    /// The name of the federated Job.
    pub name: String,
    /// The uid of the federated Job that it retries.
    pub retries: Option<String>,
    /// The indexes that were known to be done in that one before.
    pub done_before: Option<BTreeSet<i64>>,
    /// The uid of its federation.
    pub federation: String,
    /// The version of the ConfigMap that was read last, by the place of the host.
    versions: BTreeMap<usize, String>,
    /// The step in which the host that counts has said what it says now, and that in which it had
    /// said what it said before.
    said_in: u64,
    said_before_in: u64,
    /// What the host says now, or said last.
    pub record: Option<Recorded>,
    /// What the user asks for now.
    pub spec: Value,
    /// The most completions that were ever asked for.
    most: i64,
    /// Shards, and the cluster of each: its name and, where the ledger knows it, its uid.
    named: BTreeSet<(String, String, Option<String>)>,
    /// Shards, and the uid of the Job of each.
    known: BTreeSet<(String, String)>,
    /// What each shard that was ever given up was known to have done by then. A deletion forgets such
    /// shards.
    given_up: BTreeMap<String, i64>,
    /// The shards that were given up because somebody had declared their clusters lost.
    agreed: BTreeSet<String>,
    /// Whether somebody has begun to delete it together with its Jobs.
    pub deleting: bool,
    /// Whether the record is not there any more, or cannot be read.
    pub gone: bool,
    /// The uid of the host to which it was moved, as the host that counts says.
    pub moved_to: Option<String>,
    /// Whether it was removed because users asked for that.
    pub removed: bool,
    /// Whether it was ever rebuilt from what the shards keep, or is older than it was, from a backup.
    pub rebuilt: bool,
    /// What shards did unseen that may be done again, as it was before the record was rebuilt.
    unseen_before: BTreeMap<String, (i64, BTreeSet<i64>)>,
    /// Each recovery that it has ever said a user has accepted: one is said anew where the record
    /// was gone.
    recoveries: BTreeSet<String>,
    /// The uids of the clusters of which it has ever said that they were not listed and are given up.
    missed: BTreeSet<String>,
    /// Each restore that it has ever said a user has accepted, and whether one is new in what it says
    /// now.
    restores: BTreeSet<String>,
    is_restored_now: bool,
    /// Whether it has ever said that a user let work run again that may be done.
    pub reopened: bool,
    outcome: Value,
    /// Whether two hosts that both acted ever had it.
    is_forked: bool,
}

impl Ledger {
    /// Whether a ConfigMap has the label of a record.
    pub fn is_labelled(map: &Value) -> bool {
        map["metadata"]["labels"][FEDERATION].is_string()
    }

    /// The uid of the federated Job whose record a ConfigMap is, if it can be read.
    pub fn uid_of(map: &Value) -> Option<String> {
        if !Self::is_labelled(map) {
            return None;
        }
        let annotations = map["metadata"]["annotations"].as_object()?;
        let ours = annotations.iter().filter(|(key, _)| key.contains(OURS));
        let is_json = |value: &Value| serde_json::from_str::<Value>(text(value)).is_ok();
        let is_whole = ours.clone().all(|(_, value)| is_json(value));
        let manifest = annotations.get(MANIFEST).filter(|_| is_whole);
        let state: Value = serde_json::from_str(text(annotations.get(STATE)?)).ok()?;
        let has_entry = |id: &i64| annotations.contains_key(&format!("{SHARD_PREFIX}{id}"));
        let folded = indexes(text(&state["folded"]["ids"]));
        let listed = indexes(text(&state["ids"]));
        let manifest = manifest.filter(|_| listed.difference(&folded).all(has_entry));
        manifest.and(state["uid"].as_str()).map(str::to_owned)
    }

    /// Takes over what a host says in a step, and gives what of it must not be. `jobs` are the Jobs
    /// of the federation, and those that users made anew. What a host says that does not count is
    /// only remembered: `counts` says whether it does.
    pub fn see(
        &mut self,
        map: &Value,
        (place, counts, step): (usize, bool, u64),
        (jobs, made_anew): (&BTreeMap<String, Job>, &BTreeMap<String, Job>),
        uid: &str,
    ) -> Vec<String> {
        let version = text(&map["metadata"]["resourceVersion"]);
        if self.versions.get(&place).is_some_and(|known| known == version) {
            return Vec::new();
        }
        self.versions.insert(place, version.to_owned());
        let Some(record) = Recorded::read(map) else { return Vec::new() };
        let manifest = map["metadata"]["annotations"][MANIFEST].as_str().unwrap_or_default();
        let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
        let mut broken = Vec::new();
        if counts {
            broken.extend(self.opened_unlisted(&record));
        }
        self.most = self.most.max(manifest["spec"]["completions"].as_i64().unwrap_or(0));
        for (id, shard) in &record.shards {
            let cluster = shard["clusterUid"].as_str().map(str::to_owned);
            self.named.insert((id.clone(), text(&shard["cluster"]).to_owned(), cluster));
            if let Some(job) = shard["uid"].as_str() {
                self.known.insert((id.clone(), job.to_owned()));
            }
        }
        let federation = text(&map["metadata"]["labels"][FEDERATION]);
        if !counts {
            if self.federation.is_empty() {
                // It is there only since people have left that host.
                federation.clone_into(&mut self.federation);
                text(&manifest["metadata"]["name"]).clone_into(&mut self.name);
            }
            return broken;
        }
        self.moved_to = record.state["moved"]["uid"].as_str().map(str::to_owned);
        if self.moved_to.is_some() {
            // It has no effect here any more.
            return broken;
        }
        self.removed = false;
        self.said_before_in = std::mem::replace(&mut self.said_in, step);
        if std::mem::take(&mut self.gone) || awaits_lists(&record) {
            // What it says now is derived from the shards, the outcome too.
            for job in jobs.values().filter(|job| job.shard.0 == uid) {
                let unseen = self.unseen(job);
                self.unseen_before.insert(job.shard.1.clone(), unseen);
            }
            self.rebuilt = true;
            self.outcome = Value::Null;
            if record.state["origin"] != "backup" {
                self.recoveries.clear();
            }
        }
        self.spec = manifest["spec"].clone();
        text(&manifest["metadata"]["name"]).clone_into(&mut self.name);
        federation.clone_into(&mut self.federation);
        let retries = record.state["retries"].as_str().map(str::to_owned);
        self.retries = self.retries.take().or(retries);
        let before = self.restores.len();
        self.restores.extend(accepted(&record.state, "restored").map(Value::to_string));
        self.is_restored_now = self.restores.len() > before;
        self.reopened |= accepted(&record.state, "reopened").next().is_some();
        for (id, shard) in &record.shards {
            if let Some(achieved) = shard["givenUp"].as_i64() {
                self.given_up.insert(id.clone(), achieved);
            }
        }
        self.deleting |= record.deleting();
        let before = self.retries.clone().filter(|_| self.is_indexed());
        // A recovery cannot tell a Job that a user made anew from the one that was there.
        let taken = || made_anew.iter().filter(|(uid, _)| self.has_known(uid)).map(|(_, job)| job);
        let ours = || jobs.values().filter(|job| job.shard.0 == uid).chain(taken());
        let everybodys = || jobs.values().chain(made_anew.values());
        let earlier = || everybodys().filter(|job| before.as_ref() == Some(&job.shard.0));
        let all = || ours().chain(earlier());
        broken.extend(self.check_shards(&record, jobs));
        let outcome = record.state["outcome"].clone();
        if self.outcome.is_null() {
            broken.extend(match outcome["verdict"].as_str() {
                Some("complete") => self.check_complete(all()),
                Some("failed") => self.check_failed(ours()),
                _ => None,
            });
        } else if outcome != self.outcome {
            broken.push(format!("G9: the outcome changes from {} to {outcome}", self.outcome));
        }
        self.outcome = outcome;
        self.record = Some(record);
        broken
    }

    /// It begins to retry another one: of that, so much is left, and these indexes are done. None of
    /// it is to be done again (G1).
    pub fn begin_retry(&mut self, (left, done): (i64, BTreeSet<i64>)) -> Option<String> {
        let asked = self.asked().unwrap_or(0);
        let repeats = !self.is_indexed() && asked > left;
        self.done_before = Some(done);
        repeats.then(|| format!("G1: {asked} are retried, and {left} are left"))
    }

    /// Whether it says for the first time that a user has accepted a recovery.
    pub fn accepts_recovery(&mut self) -> bool {
        let Some(record) = &self.record else { return false };
        let before = self.recoveries.len();
        self.recoveries.extend(accepted(&record.state, "recovered").map(Value::to_string));
        self.recoveries.len() > before
    }

    /// The uids of the clusters of which it says for the first time that they were not listed and are
    /// given up.
    pub fn misses(&mut self) -> Vec<String> {
        let Some(record) = &self.record else { return Vec::new() };
        let named = record.state["missed"].as_object().into_iter().flatten();
        let new = named.filter(|(uid, _)| self.missed.insert((*uid).clone()));
        new.map(|(uid, _)| uid.clone()).collect()
    }

    /// Whether the Job with this uid is known to have ended by itself, with all that it did. After
    /// a recovery another Job may be the shard of its number.
    pub fn has_ended(&self, uid: &str, job: &Job) -> bool {
        self.shard(uid, job).is_some_and(|shard| {
            matches!(text(&shard["phase"]), "complete" | "failed") && !is_given_up(shard)
        })
    }

    /// The indexes that a Job has done and its shard was to do.
    pub fn own_done(&self, job: &Job) -> BTreeSet<i64> {
        let shard = self.shard(&job.uid, job);
        let own = shard.and_then(|shard| shard["indexes"].as_str()).map(indexes);
        let done = job.successes.keys().filter_map(|index| *index);
        done.filter(|index| own.as_ref().is_none_or(|own| own.contains(index))).collect()
    }

    /// Whether it waits for clusters to be listed.
    pub fn awaits_lists(&self) -> bool {
        !self.gone && self.record.as_ref().is_some_and(awaits_lists)
    }

    /// Whether the shard whose Job has this uid was given up, and has not been seen to end since.
    pub fn has_given_up(&self, uid: &str, job: &Job) -> bool {
        self.shard(uid, job).is_some_and(|shard| {
            matches!(text(&shard["phase"]), "created" | "started") && is_given_up(shard)
        })
    }

    /// What the host says of the shard whose Job has this uid.
    fn shard(&self, uid: &str, job: &Job) -> Option<&Value> {
        let shard = self.record.as_ref()?.shards.get(&job.shard.1)?;
        (shard["uid"] == uid).then_some(shard)
    }

    /// The completions that are asked for.
    pub fn asked(&self) -> Option<i64> {
        self.spec["completions"].as_i64()
    }

    fn is_indexed(&self) -> bool {
        self.spec["completionMode"] == "Indexed"
    }

    /// Whether the host has ever said that a shard is in a cluster.
    pub fn named(&self, id: &str, cluster: &str, uid: &str) -> bool {
        let entry = |uid: Option<&str>| (id.to_owned(), cluster.to_owned(), uid.map(str::to_owned));
        self.named.contains(&entry(Some(uid))) || self.named.contains(&entry(None))
    }

    /// Whether the host has ever said that a shard's Job has a uid.
    pub fn knows(&self, id: &str, uid: &str) -> bool {
        self.known.contains(&(id.to_owned(), uid.to_owned()))
    }

    /// Whether the host says that a Job is one of its shards.
    pub fn has(&self, uid: &str) -> bool {
        let shards = self.record.iter().flat_map(|record| record.shards.values());
        shards.into_iter().any(|shard| shard["uid"] == uid)
    }

    /// Whether the host has ever said that a Job is one of its shards.
    pub fn has_known(&self, uid: &str) -> bool {
        self.known.iter().any(|(_, known)| known == uid)
    }

    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<&str> {
        self.outcome["verdict"].as_str()
    }

    /// The shards that are given up, and of which nobody has agreed to that: no registry has said
    /// since what the record said before that their clusters are lost. Those of a cluster that was
    /// not listed when it should have been are given up once they are seen: others do their work.
    pub fn given_up_unasked(&mut self, registries: &Registries) -> Vec<(String, Value)> {
        let mut unasked = Vec::new();
        for (id, shard) in self.record.iter().flat_map(|record| &record.shards) {
            if !is_given_up(shard) || self.agreed.contains(id) {
                continue;
            }
            let uid = text(&shard["clusterUid"]);
            let is_late = self.missed.contains(uid);
            let is_lost = registries.was_lost_since(uid, self.said_before_in);
            if self.is_restored_now || is_late || is_lost {
                self.agreed.insert(id.clone());
            } else {
                unasked.push((id.clone(), shard.clone()));
            }
        }
        unasked
    }

    /// A Job that a user made in place of a deleted one is none of its shards (G4).
    pub fn of_users(&self, made: &BTreeSet<String>) -> Option<String> {
        let mut shards = self.record.iter().flat_map(|record| &record.shards);
        let taken = |shard: &Value| shard["uid"].as_str().is_some_and(|uid| made.contains(uid));
        let (id, shard) = shards.find(|(_, shard)| taken(shard) && !self.rebuilt)?;
        Some(format!("G4: shard {id} is said to be a Job that a user made: {shard}"))
    }

    /// Whether no shard is left that could do anything, as far as anybody waits for it.
    pub fn is_over(&self) -> bool {
        self.record.is_some() && self.live_clusters().next().is_none()
    }

    /// Whether a shard is to do what it has left, as far as the host says.
    pub fn goes_on(&self, id: &str) -> bool {
        let shard = self.record.as_ref().and_then(|record| record.shards.get(id));
        let is_open = !self.gone && !self.deleting && self.outcome.is_null();
        is_open
            && shard.is_some_and(|shard| {
                shard["phase"] == "started" && shard["retired"] != true && !is_given_up(shard)
            })
    }

    /// The clusters of the shards that could do something, one for each.
    pub fn live_clusters(&self) -> impl Iterator<Item = &str> {
        self.live_places().map(|(name, _)| name)
    }

    /// The shards that could do something.
    fn live(&self) -> impl Iterator<Item = &Value> {
        let shards = self.record.iter().flat_map(|record| record.shards.values());
        shards.filter(|shard| {
            matches!(text(&shard["phase"]), "created" | "started") && !is_given_up(shard)
        })
    }

    /// The clusters of the shards that could do something, one for each: the name and the uid.
    pub fn live_places(&self) -> impl Iterator<Item = (&str, &str)> {
        self.live().map(|shard| (text(&shard["cluster"]), text(&shard["clusterUid"])))
    }

    /// Another host counts from now on: what it says is taken over anew. `both_act` says that the one
    /// before is not left: from then on each host knows an outcome of its own.
    pub fn moves(&mut self, both_act: bool) {
        self.versions.clear();
        self.is_forked |= both_act;
        if self.is_forked {
            self.outcome = Value::Null;
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(record) = &self.record else { return f.write_str("no record") };
        write!(f, "{} {}", self.spec, record.state)?;
        record.shards.iter().try_for_each(|(id, shard)| write!(f, " {id}: {shard}"))
    }
}

/// Whether a record comes from a recovery or from a backup, and not all members were listed yet.
fn awaits_lists(record: &Recorded) -> bool {
    let lists = record.state["unlisted"].as_array().is_some_and(|names| !names.is_empty());
    lists && record.state["origin"] != "move"
}

/// What a record says that users have accepted of one kind.
fn accepted<'s>(state: &'s Value, what: &str) -> impl Iterator<Item = &'s Value> {
    let all = state["accepted"].as_array().into_iter().flatten();
    all.filter(move |entry| entry["what"] == what)
}

/// Whether the cluster of a shard was declared lost, so that others do its work.
fn is_given_up(shard: &Value) -> bool {
    shard["givenUp"].is_i64()
}

/// What a shard is said to have done.
fn achieved(shard: &Value) -> i64 {
    let seen = &shard["seen"];
    if let Some(own) = shard["indexes"].as_str() {
        let own = indexes(own);
        return indexes(text(&seen["completed"])).intersection(&own).count() as i64;
    }
    let credited = number(shard, "credited");
    let succeeded = number(seen, "succeeded");
    let counted = shard["completions"].as_i64().map_or(succeeded, |most| succeeded.min(most));
    (counted - credited).max(0)
}

fn number(object: &Value, field: &str) -> i64 {
    object[field].as_i64().unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
