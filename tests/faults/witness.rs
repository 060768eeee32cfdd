//! What must hold at every moment, looked at with each request.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;
use sim::Cluster;

use super::evidence::{Ours, Recorded, ShardKey, named_uid, shard_of};
use super::net::Sent;

/// Sees everything, and remembers it.
pub struct Witness {
    clusters: Vec<Cluster>,
    /// Which shards the host has ever said to be in which cluster.
    named: BTreeSet<(ShardKey, String)>,
    /// The uids that the host has ever said a shard's Job to have.
    known: BTreeSet<(ShardKey, String)>,
    /// The uids of all Jobs that ever carried our labels.
    labelled: BTreeSet<String>,
    /// The federated Jobs that the host has ever said to be about to be deleted.
    deleting: BTreeSet<String>,
    /// The Jobs that made pods, by shard.
    ran: BTreeMap<ShardKey, BTreeSet<String>>,
    /// How many pods have succeeded, by federated Job.
    succeeded: BTreeMap<String, usize>,
    broken: Vec<String>,
    /// Whether Jobs that no record knows may be deleted.
    cleaning: bool,
    /// Whether it looks at nothing, because that would take as long again for each of thousands of
    /// requests.
    absent: bool,
}

impl Witness {
    pub fn new(clusters: &[Cluster]) -> Self {
        Self {
            clusters: clusters.to_vec(),
            named: BTreeSet::new(),
            known: BTreeSet::new(),
            labelled: BTreeSet::new(),
            deleting: BTreeSet::new(),
            ran: BTreeMap::new(),
            succeeded: BTreeMap::new(),
            broken: Vec::new(),
            cleaning: false,
            absent: clusters.len() > 100,
        }
    }

    /// Looks at nothing from now on.
    pub fn leave(&mut self) {
        self.absent = true;
    }

    /// Lets Jobs be deleted from now on that no record knows.
    pub fn allow_cleaning(&mut self) {
        self.cleaning = true;
    }

    /// Says that something was broken.
    pub fn accuse(&mut self, what: String) {
        self.broken.push(what);
    }

    /// What was broken so far.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// The records that the host has now. It is the first of the clusters.
    pub fn records(&self) -> Vec<Recorded> {
        Self::records_in(&self.clusters[0])
    }

    fn records_in(cluster: &Cluster) -> Vec<Recorded> {
        let maps = cluster.list(&sim::CONFIG_MAPS, "");
        maps.iter().filter_map(Recorded::read).collect()
    }

    /// All Jobs in all clusters that carry our labels.
    pub fn jobs(&self) -> Vec<Ours> {
        let of = |cluster: &Cluster| {
            let jobs = cluster.list(&sim::JOBS, "");
            jobs.iter().filter_map(|job| Ours::read(cluster.name(), job)).collect::<Vec<_>>()
        };
        self.clusters.iter().flat_map(of).collect()
    }

    /// Looks at what the hosts say, as a federation may have moved to any cluster, and at which Jobs have made pods: never two Jobs of one shard.
    pub fn look(&mut self) {
        if self.absent {
            return;
        }
        let records: Vec<_> = self.clusters.iter().flat_map(Self::records_in).collect();
        for record in records {
            for (id, shard) in &record.shards {
                let key = (record.uid.clone(), id.clone());
                self.named.insert((key.clone(), text(&shard["cluster"])));
                if let Some(uid) = shard["uid"].as_str() {
                    self.known.insert((key, uid.to_owned()));
                }
            }
            if record.deleting() {
                self.deleting.insert(record.uid);
            }
        }
        self.labelled.extend(self.jobs().into_iter().map(|job| job.uid));
        for cluster in &self.clusters {
            for pod in cluster.list(&sim::PODS, "") {
                let (Some(shard), owner) =
                    (shard_of(&pod), &pod["metadata"]["ownerReferences"][0]["uid"])
                else {
                    continue;
                };
                let Some(owner) = owner.as_str() else { continue };
                let jobs = self.ran.entry(shard.clone()).or_default();
                if jobs.insert(owner.to_owned()) && jobs.len() > 1 {
                    self.broken.push(format!("shard {shard:?} has run in {} Jobs", jobs.len()));
                }
            }
        }
    }

    /// Whether a Job has ever made a pod.
    pub fn has_run(&self, job: &Ours) -> bool {
        self.ran.get(&job.shard).is_some_and(|jobs| jobs.contains(&job.uid))
    }

    /// Write-ahead (G3), and ours only (G6): what a request is about to do to a Job, the host has
    /// said before.
    pub fn judge(&mut self, sent: &Sent) {
        if !sent.mutating || !sent.of_jobs() || self.absent {
            return;
        }
        if sent.method == Method::POST {
            let there = shard_of(&sent.body)
                .is_some_and(|s| self.named.contains(&(s, sent.cluster.clone())));
            if !there || sent.body["spec"]["suspend"] != true {
                self.broken.push(format!(
                    "a Job is made that no record had named, or not suspended: {sent}"
                ));
            }
            return;
        }
        let uid = named_uid(&sent.body);
        if uid.is_empty() {
            self.broken.push(format!("a Job is written without its uid: {sent}"));
        }
        let Some(job) = self.jobs().into_iter().find(|job| job.uid == uid) else {
            // A Job that is adopted has no labels yet, and somebody else may have deleted ours.
            let is_known = self.known.iter().any(|(_, known)| *known == uid);
            if !is_known && !self.labelled.contains(&uid) {
                self.broken.push(format!("a Job is written that is none of ours: {sent}"));
            }
            return;
        };
        let fine = if sent.method == Method::PATCH {
            self.known.contains(&(job.shard.clone(), uid))
        } else {
            let is_orphan = || self.records().iter().all(|record| record.uid != job.shard.0);
            self.deleting.contains(&job.shard.0)
                || (job.suspended && !self.has_run(&job))
                || (self.cleaning && is_orphan())
        };
        if !fine {
            self.broken.push(format!("a Job is written that no record had said would be: {sent}"));
        }
    }

    /// Has pods succeed, as many as said, one of each Job in turn, and says how many it were.
    pub fn succeed(&mut self, most: usize) -> usize {
        let mut done = 0;
        for job in self.jobs() {
            let Some(cluster) = self.clusters.iter().find(|cluster| cluster.name() == job.cluster)
            else {
                continue;
            };
            if done < most && cluster.succeed_pods("default", &job.name, 1) == 1 {
                *self.succeeded.entry(job.shard.0).or_default() += 1;
                done += 1;
                cluster.settle();
            }
        }
        self.look();
        done
    }

    /// How many pods of a federated Job have succeeded.
    pub fn successes(&self, uid: &str) -> usize {
        self.succeeded.get(uid).copied().unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
