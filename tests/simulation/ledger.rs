//! One federated Job's record as it was ever written, compared with what the simulation knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::evidence::Recorded;
use super::work::{Job, indexes};

const MANIFEST: &str = "kubectl-federate.dev/manifest";

/// What the host has ever said of a federated Job.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The name of the federated Job.
    pub name: String,
    /// The uid of the federated Job that it retries.
    pub retries: Option<String>,
    /// The indexes that were known to be done in that one before.
    pub done_before: Option<BTreeSet<i64>>,
    /// The version of the ConfigMap that was read last.
    version: String,
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
    /// Whether somebody has begun to delete it together with its Jobs.
    pub deleting: bool,
    /// Whether the record is not there any more.
    pub gone: bool,
    /// Whether it was ever rebuilt from what the shards keep.
    pub recovered: bool,
    /// Each recovery that it has ever said a user has accepted.
    recoveries: BTreeSet<String>,
    outcome: Value,
}

impl Ledger {
    /// The uid of the federated Job whose record a ConfigMap is.
    pub fn uid_of(map: &Value) -> Option<String> {
        let state = &map["metadata"]["annotations"]["kubectl-federate.dev/state"];
        let state: Value = serde_json::from_str(state.as_str()?).ok()?;
        state["uid"].as_str().map(str::to_owned)
    }

    /// Takes over what the host says, and gives what of it must not be. `jobs` are the Jobs of the
    /// federation, and those that users made anew.
    pub fn see(
        &mut self,
        map: &Value,
        (jobs, made_anew): (&BTreeMap<String, Job>, &BTreeMap<String, Job>),
        uid: &str,
    ) -> Vec<String> {
        let version = map["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if version == self.version {
            return Vec::new();
        }
        version.clone_into(&mut self.version);
        if std::mem::take(&mut self.gone) {
            // What it says now is derived from the shards, the outcome too.
            self.recovered = true;
            self.outcome = Value::Null;
        }
        let Some(record) = Recorded::read(map) else { return Vec::new() };
        let manifest = map["metadata"]["annotations"][MANIFEST].as_str().unwrap_or_default();
        let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
        self.spec = manifest["spec"].clone();
        text(&manifest["metadata"]["name"]).clone_into(&mut self.name);
        let retries = record.state["retries"].as_str().map(str::to_owned);
        self.retries = self.retries.take().or(retries);
        self.most = self.most.max(self.asked().unwrap_or(0));
        for (id, shard) in &record.shards {
            let cluster = shard["clusterUid"].as_str().map(str::to_owned);
            self.named.insert((id.clone(), text(&shard["cluster"]).to_owned(), cluster));
            if let Some(achieved) = shard["givenUp"].as_i64() {
                self.given_up.insert(id.clone(), achieved);
            }
            if let Some(job) = shard["uid"].as_str() {
                self.known.insert((id.clone(), job.to_owned()));
            }
        }
        self.deleting |= record.deleting();
        let before = self.retries.clone().filter(|_| self.is_indexed());
        // A recovery cannot tell a Job that a user made anew from the one that was there.
        let taken = || made_anew.iter().filter(|(uid, _)| self.has_known(uid)).map(|(_, job)| job);
        let ours = || jobs.values().filter(|job| job.shard.0 == uid).chain(taken());
        let earlier = || jobs.values().filter(|job| before.as_ref() == Some(&job.shard.0));
        let all = || ours().chain(earlier());
        let mut broken = self.check_shards(&record, jobs);
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
        let state = self.record.as_ref().map(|record| &record.state["accepted"]);
        let accepted = state.and_then(Value::as_array).into_iter().flatten();
        let recovered = accepted.filter(|entry| entry["what"] == "recovered");
        let before = self.recoveries.len();
        self.recoveries.extend(recovered.map(Value::to_string));
        self.recoveries.len() > before
    }

    /// Whether a Job is known to have ended by itself, with all that it did.
    pub fn has_ended(&self, job: &Job) -> bool {
        let shards = self.record.as_ref().map(|record| &record.shards);
        let shard = shards.and_then(|shards| shards.get(&job.shard.1));
        shard.is_some_and(|shard| {
            matches!(text(&shard["phase"]), "complete" | "failed") && !is_given_up(shard)
        })
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

    /// Whether the host has ever said that a Job is one of its shards.
    pub fn has_known(&self, uid: &str) -> bool {
        self.known.iter().any(|(_, known)| known == uid)
    }

    /// The verdict, if there is one.
    pub fn verdict(&self) -> Option<&str> {
        self.outcome["verdict"].as_str()
    }

    /// The shards that were given up though nobody has declared their clusters lost.
    pub fn given_up_unasked(&self, declared_lost: &BTreeSet<&'static str>) -> Vec<(String, Value)> {
        let shards = self.record.iter().flat_map(|record| &record.shards);
        let unasked = shards.filter(|(_, shard)| {
            is_given_up(shard) && !declared_lost.contains(text(&shard["cluster"]))
        });
        unasked.map(|(id, shard)| (id.clone(), shard.clone())).collect()
    }

    /// A Job that a user made in place of a deleted one is none of its shards (G4).
    pub fn of_users(&self, made: &BTreeSet<String>) -> Option<String> {
        let mut shards = self.record.iter().flat_map(|record| &record.shards);
        let taken = |shard: &Value| shard["uid"].as_str().is_some_and(|uid| made.contains(uid));
        let (id, shard) = shards.find(|(_, shard)| taken(shard) && !self.recovered)?;
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
        let shards = self.record.iter().flat_map(|record| record.shards.values());
        let live = shards.filter(|shard| {
            matches!(text(&shard["phase"]), "created" | "started") && !is_given_up(shard)
        });
        live.map(|shard| text(&shard["cluster"]))
    }

    /// No shard has done more than its pods did, and none that has work may run no pod (G1, G2).
    fn check_shards(&self, record: &Recorded, jobs: &BTreeMap<String, Job>) -> Vec<String> {
        let mut broken = Vec::new();
        for (id, shard) in &record.shards {
            let Some(job) = shard["uid"].as_str().and_then(|uid| jobs.get(uid)) else { continue };
            let achieved = achieved(shard);
            if achieved > job.done() {
                let done = job.done();
                broken
                    .push(format!("G9: shard {id} is said to have done {achieved}, it did {done}"));
            }
            if shard["phase"] == "deleted" && (!job.gone || job.lost) {
                broken.push(format!("G8: shard {id} is said to be deleted: nobody knows"));
            }
            let live = matches!(text(&shard["phase"]), "created" | "started");
            let taken = number(shard, "credited").max(number(shard, "creditTarget"));
            let left = shard["completions"].as_i64().unwrap_or(0) - taken - achieved;
            let paused = self.spec["parallelism"] == 0 || !record.state["outcome"].is_null();
            let stays = shard["retired"] != true && !is_given_up(shard);
            if live && stays && left > 0 && shard["parallelism"] == 0 && !paused {
                broken.push(format!("G2: shard {id} has {left} to do, and no pods: {shard}"));
            }
        }
        broken
    }

    /// What is Complete has been done (G9).
    fn check_complete<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> Option<String> {
        let jobs: Vec<&Job> = jobs.collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let indexes: BTreeSet<i64> =
            jobs.iter().flat_map(|job| job.successes.keys().filter_map(|index| *index)).collect();
        let enough = match self.asked() {
            None => done > 0,
            Some(asked) if self.is_indexed() => {
                (0..asked).all(|index| indexes.contains(&index)) || self.meets_policy(&indexes)
            }
            Some(asked) => done >= asked,
        };
        (!enough).then(|| format!("G9: Complete with {done} done: {indexes:?}"))
    }

    fn meets_policy(&self, done: &BTreeSet<i64>) -> bool {
        let rules = self.spec["successPolicy"]["rules"].as_array();
        rules.into_iter().flatten().any(|rule| {
            let named = rule["succeededIndexes"].as_str().map(indexes);
            let met = named.as_ref().map_or(done.len(), |named| named.intersection(done).count());
            match rule["succeededCount"].as_u64() {
                Some(count) => met as u64 >= count,
                None => named.is_some_and(|named| met == named.len()),
            }
        })
    }

    /// What is Failed has failed by itself (G8, G9).
    fn check_failed<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> Option<String> {
        let jobs: Vec<&Job> = jobs.collect();
        let own = self.spec["activeDeadlineSeconds"].is_null();
        let by_lease = |job: &Job| own && job.ended_by_a_deadline && job.lease.bounds_pods;
        let failures: i64 = jobs
            .iter()
            .map(|job| if by_lease(job) { job.own_failures() } else { job.failed })
            .sum();
        let spent = self.spec["backoffLimit"].as_i64().is_some_and(|limit| failures > limit);
        let gave_up = jobs.iter().any(|job| {
            let failed_by_itself = !by_lease(job) || job.own_failures() > 0;
            (job.has_failed && !by_lease(job)) || (job.has_failed_indexes && failed_by_itself)
        });
        (!spent && !gave_up).then(|| format!("G9: Failed, after {failures} failures"))
    }

    /// What all Jobs together have done and can do yet, where it is more than was ever asked for.
    /// What was done in Jobs that users deleted before anybody looked may be done again, and what
    /// Jobs do that a user let run again.
    pub fn work_twice<'j>(
        &self,
        jobs: impl Iterator<Item = &'j Job>,
        reopened_all: bool,
    ) -> Option<String> {
        self.asked()?;
        let jobs: Vec<&Job> = jobs.filter(|job| counts(job) && !job.may_repeat).collect();
        if self.is_indexed() {
            let unseen: BTreeSet<i64> =
                jobs.iter().flat_map(|job| self.unseen(job, reopened_all).1).collect();
            let mut all = self.done_before.clone().unwrap_or_default();
            for job in jobs.into_iter().filter(|job| self.given_up(job).is_none()) {
                for index in job.reached_indexes() {
                    if !all.insert(index) && !unseen.contains(&index) {
                        return Some(format!("G1: index {index} is in two shards, or done twice"));
                    }
                }
                if let Some((index, _)) = job.successes.iter().find(|(_, count)| **count > 1) {
                    return Some(format!("G1: index {index:?} was done twice in one shard"));
                }
            }
            return None;
        }
        let unseen: i64 = jobs.iter().map(|job| self.unseen(job, reopened_all).0).sum();
        // What a shard does that was given up, others do too: its cluster was declared lost.
        let reach = |job: &&Job| self.given_up(job).unwrap_or(i64::MAX).min(job.reach());
        let reach: i64 = jobs.iter().map(reach).sum();
        let most = self.most + unseen;
        (reach > most).then(|| format!("G1: {reach} are done or to be done, {most} were asked for"))
    }

    /// What a Job's shard was known to have done when it was given up; none where it was not.
    fn given_up(&self, job: &Job) -> Option<i64> {
        match self.record.as_ref()?.shards.get(&job.shard.1) {
            Some(shard) => shard["givenUp"].as_i64(),
            None => self.given_up.get(&job.shard.1).copied(),
        }
    }

    /// What has run twice, as far as the host can know it: at least so much, and of an Indexed Job
    /// the indexes.
    pub fn known_twice<'j>(&self, jobs: impl Iterator<Item = &'j Job>) -> (i64, BTreeSet<i64>) {
        let Some(record) = &self.record else { return Default::default() };
        let is_known = |job: &&Job| !job.gone && record.shards.contains_key(&job.shard.1);
        let jobs: Vec<&Job> = jobs.filter(is_known).collect();
        let done: i64 = jobs.iter().map(|job| job.done()).sum();
        let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
        for index in jobs.iter().flat_map(|job| job.successes.keys().filter_map(|index| *index)) {
            if !once.insert(index) {
                twice.insert(index);
            }
        }
        ((done - self.most).max(0), twice)
    }

    /// What a Job did that is gone, and the host does not know of: how much, and which indexes. It
    /// may be done again if users deleted it, or have said so.
    fn unseen(&self, job: &Job, reopened_all: bool) -> (i64, BTreeSet<i64>) {
        let record = self.record.as_ref();
        if !job.gone {
            return (0, BTreeSet::new());
        }
        let done = || job.successes.keys().filter_map(|index| *index);
        let Some(shard) = record.and_then(|record| record.shards.get(&job.shard.1)) else {
            // No shard is left to say what it did.
            let unknown = if self.recovered || self.deleting { job.done() } else { 0 };
            return (unknown, done().take(unknown as usize).collect());
        };
        if shard["seen"]["foreignTtl"].is_i64() && !reopened_all {
            return (0, BTreeSet::new());
        }
        let seen = indexes(text(&shard["seen"]["completed"]));
        (job.done() - achieved(shard), done().filter(|index| !seen.contains(index)).collect())
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(record) = &self.record else { return f.write_str("no record") };
        write!(f, "{} {}", self.spec, record.state)?;
        record.shards.iter().try_for_each(|(id, shard)| write!(f, " {id}: {shard}"))
    }
}

/// Whether a Job can do anything by itself. One that was not started does nothing unless somebody
/// starts it.
fn counts(job: &Job) -> bool {
    job.ran || !job.suspended
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
