//! What users and administrators do to clusters, at rates that a seed chooses.

use jiff::SignedDuration;
use serde_json::{Value, json};
use sim::{Cluster, Held, Operation, Policy, Rule};

use super::evidence::SHARD_PREFIX;
use super::jobs::NAME;
use super::knowledge::Knowledge;
use super::random::Random;

const NAMESPACE: &str = "default";

/// Something that a user or an administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// The API server goes away, or comes back.
    Outage,
    /// A shard's Job is deleted.
    DeleteShard,
    /// A shard's Job that runs is suspended, or resumed.
    SuspendShard,
    /// A shard's Job gets another parallelism.
    ScaleShard,
    /// A pod is deleted.
    DeletePod,
    /// The record gets an annotation of somebody else.
    AnnotateRecord,
    /// The record, or the entry of a shard in it, is deleted.
    DeleteRecord,
    /// A Job of nobody takes the name.
    TakeName,
    /// A policy refuses Jobs, or changes them; or no policy does any more.
    Policy,
    /// The controllers stand still, or go on.
    Controllers,
    /// A write of the Job controller is refused, or none any more.
    Hold,
    /// The clock is put ahead, or back.
    Clock,
    /// The history is forgotten.
    Compact,
    /// The cluster is replaced by another one.
    Rebuild,
}

const HABITS: [Habit; 14] = [
    Habit::Outage,
    Habit::DeleteShard,
    Habit::SuspendShard,
    Habit::ScaleShard,
    Habit::DeletePod,
    Habit::AnnotateRecord,
    Habit::DeleteRecord,
    Habit::TakeName,
    Habit::Policy,
    Habit::Controllers,
    Habit::Hold,
    Habit::Clock,
    Habit::Compact,
    Habit::Rebuild,
];

/// What users of one life do, and how often.
#[derive(Debug)]
pub struct Habits {
    habits: Vec<Habit>,
    /// Something happens at one request in so many; nothing where it is 0.
    one_in: u64,
    /// How many of a hundred pods that end fail.
    failures: u64,
    /// By how many seconds the clock of each cluster is ahead, where people rely on that.
    pub clocks: Option<[i64; 4]>,
}

impl Habits {
    /// Nobody does anything, and no pod gets on.
    pub fn none() -> Self {
        Self { habits: Vec::new(), one_in: 0, failures: 0, clocks: None }
    }

    /// Some of the habits. A life that has few gets further than one that has all.
    pub fn new(random: &mut Random) -> Self {
        let kinds = *random.pick(&[0, 0, 1, 2, 3, 5]);
        let habits = (0..kinds).map(|_| *random.pick(&HABITS)).collect();
        let failures = *random.pick(&[0, 0, 0, 10, 40]);
        Self { habits, one_in: *random.pick(&[3, 6, 15]), failures, clocks: None }
    }

    /// Has so many of a hundred pods that end fail at least.
    pub fn fail_often(&mut self, failures: u64) {
        self.failures = self.failures.max(failures);
    }

    /// Whether something happens at this request.
    pub fn act_now(&self, random: &mut Random) -> bool {
        random.one_in(self.one_in)
    }

    /// Whether what happens is that a pod gets on.
    pub fn pods_now(&self, random: &mut Random) -> bool {
        self.habits.is_empty() || !random.one_in(6)
    }

    /// How many of a hundred pods that end fail.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Has one of the habits act in a cluster, and says what was done.
    pub fn act(
        &self,
        place: usize,
        cluster: &Cluster,
        random: &mut Random,
        knowledge: &mut Knowledge,
    ) -> Option<String> {
        let habit = *random.pick(&self.habits);
        match habit {
            Habit::Outage if cluster.is_away() => {
                cluster.come_back();
                Some("is back".to_owned())
            }
            Habit::Outage => {
                cluster.go_away();
                Some("is away".to_owned())
            }
            Habit::DeleteShard | Habit::SuspendShard | Habit::ScaleShard => {
                shard(habit, cluster, random, knowledge)
            }
            Habit::DeletePod => {
                let pods = cluster.stored(&sim::PODS, NAMESPACE);
                let pod = pods.get(random.below(1 + pods.len() as u64) as usize)?;
                let name = pod["metadata"]["name"].as_str()?;
                cluster.delete(&sim::PODS, NAMESPACE, name).ok()?;
                knowledge.deleted_by_users(pod);
                Some(format!("pod {name} is deleted"))
            }
            Habit::AnnotateRecord | Habit::DeleteRecord => {
                record(habit, place, cluster, random, knowledge)
            }
            Habit::TakeName => take_name(cluster, knowledge),
            Habit::Policy => Some(policy(cluster, random)),
            Habit::Controllers => {
                if random.one_in(2) {
                    cluster.stop_controllers();
                    return Some("the controllers stop".to_owned());
                }
                cluster.start_controllers();
                Some("the controllers start".to_owned())
            }
            Habit::Hold => {
                let held = *random.pick(&[None, Some(Held::Status), Some(Held::Finalizers)]);
                cluster.hold(held);
                Some(format!("held: {held:?}"))
            }
            Habit::Clock => {
                let seconds: i64 = *random.pick(&[-3_000, -100, -20, 0, 20, 100, 3_000]);
                // Leases trust clocks to within a minute.
                let seconds =
                    self.clocks.map_or(seconds, |clocks| clocks[place] + 10 * seconds.signum());
                cluster.set_clock_ahead(SignedDuration::from_secs(seconds));
                Some(format!("the clock is {seconds} s ahead"))
            }
            Habit::Compact => {
                cluster.compact();
                Some("the history is forgotten".to_owned())
            }
            Habit::Rebuild if place > 0 && random.one_in(2) && !knowledge.is_busy() => {
                cluster.rebuild();
                knowledge.rebuilt(place);
                Some("is another cluster".to_owned())
            }
            Habit::Rebuild => None,
        }
    }

    /// Nobody does anything any more, and what was done to a cluster that keeps Jobs from going on
    /// is undone. Its clock stays as it is.
    pub fn undo(cluster: &Cluster, knowledge: &mut Knowledge) {
        cluster.come_back();
        cluster.clear_policies();
        cluster.hold(None);
        cluster.start_controllers();
        for job in cluster.stored(&sim::JOBS, NAMESPACE) {
            let name = text(&job["metadata"]["name"]);
            if knowledge.is_of_nobody(&job) {
                let _ = cluster.delete(&sim::JOBS, NAMESPACE, name);
                continue;
            }
            if knowledge.is_suspended_by_users(&job) {
                suspend(cluster, &job, false, knowledge);
            }
            if knowledge.is_scaled_by_users(&job) && job["spec"]["parallelism"] == 0 {
                scale(cluster, &job, 1, knowledge);
            }
        }
        Self::clear_the_way(cluster, knowledge);
        cluster.settle();
    }

    /// Users delete Jobs of which no record is left, where another record needs their names.
    pub fn clear_the_way(cluster: &Cluster, knowledge: &Knowledge) {
        let jobs = cluster.stored(&sim::JOBS, NAMESPACE).into_iter();
        for job in jobs.filter(|job| knowledge.is_in_the_way(job)) {
            let _ = cluster.delete(&sim::JOBS, NAMESPACE, text(&job["metadata"]["name"]));
        }
    }
}

/// Something that a user does to the Job of a shard which runs.
fn shard(
    habit: Habit,
    cluster: &Cluster,
    random: &mut Random,
    knowledge: &mut Knowledge,
) -> Option<String> {
    let jobs = cluster.stored(&sim::JOBS, NAMESPACE);
    let jobs: Vec<_> = jobs.into_iter().filter(|job| knowledge.has_run(job)).collect();
    if jobs.is_empty() {
        return None;
    }
    let job = random.pick(&jobs).clone();
    let name = text(&job["metadata"]["name"]);
    match habit {
        Habit::DeleteShard if random.one_in(3) => {
            cluster.delete(&sim::JOBS, NAMESPACE, name).ok()?;
            Some(format!("job {name} is deleted by a user"))
        }
        Habit::SuspendShard => {
            let suspends = job["spec"]["suspend"] != true;
            if !suspends && !knowledge.is_suspended_by_users(&job) {
                return None;
            }
            suspend(cluster, &job, suspends, knowledge);
            Some(format!("job {name} has suspend={suspends} by a user"))
        }
        Habit::ScaleShard => {
            let pods = random.below(4);
            scale(cluster, &job, pods, knowledge);
            Some(format!("job {name} has parallelism={pods} by a user"))
        }
        _ => None,
    }
}

fn scale(cluster: &Cluster, job: &Value, pods: u64, knowledge: &mut Knowledge) {
    let patch = json!({"spec": {"parallelism": pods}});
    if cluster.patch(&sim::JOBS, NAMESPACE, text(&job["metadata"]["name"]), patch).is_ok() {
        knowledge.scaled_by_users(job);
    }
}

fn suspend(cluster: &Cluster, job: &Value, suspends: bool, knowledge: &mut Knowledge) {
    let patch = json!({"spec": {"suspend": suspends}});
    if cluster.patch(&sim::JOBS, NAMESPACE, text(&job["metadata"]["name"]), patch).is_ok() {
        knowledge.suspended_by_users(job, suspends);
    }
}

fn record(
    habit: Habit,
    place: usize,
    cluster: &Cluster,
    random: &mut Random,
    knowledge: &mut Knowledge,
) -> Option<String> {
    let name = format!("{NAME}.federated-job");
    if place != knowledge.registries.home
        || cluster.get(&sim::CONFIG_MAPS, NAMESPACE, &name).is_none()
    {
        return None;
    }
    if habit == Habit::DeleteRecord {
        if !random.one_in(20) {
            return None;
        }
        knowledge.records_are_lost();
        if random.one_in(2) {
            return remove_entry(cluster, &name, random);
        }
        cluster.delete(&sim::CONFIG_MAPS, NAMESPACE, &name).ok()?;
        return Some("the record is deleted by a user".to_owned());
    }
    let note = random.below(1_000).to_string();
    let patch = json!({"metadata": {"annotations": {"example.com/note": note}}});
    cluster.patch(&sim::CONFIG_MAPS, NAMESPACE, &name, patch).ok()?;
    Some("the record is annotated by a user".to_owned())
}

/// A user removes the annotation of a shard from the record.
fn remove_entry(cluster: &Cluster, name: &str, random: &mut Random) -> Option<String> {
    let record = cluster.get(&sim::CONFIG_MAPS, NAMESPACE, name)?;
    let annotations = record["metadata"]["annotations"].as_object()?;
    let entries: Vec<_> = annotations.keys().filter(|key| key.starts_with(SHARD_PREFIX)).collect();
    if entries.is_empty() {
        return None;
    }
    let key = *random.pick(&entries);
    let patch = json!({"metadata": {"annotations": {key: null}}});
    cluster.patch(&sim::CONFIG_MAPS, NAMESPACE, name, patch).ok()?;
    Some(format!("{key} is removed from the record by a user"))
}

fn take_name(cluster: &Cluster, knowledge: &mut Knowledge) -> Option<String> {
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": NAME},
        "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "other", "image": "busybox"}],
        }}},
    });
    let job = cluster.create(&sim::JOBS, NAMESPACE, job).ok()?;
    knowledge.of_nobody(&job);
    Some(format!("job {NAME} of nobody"))
}

fn policy(cluster: &Cluster, random: &mut Random) -> String {
    cluster.clear_policies();
    let require = |field: &str| Rule::Require {
        field: field.to_owned(),
        message: format!("spec.{field} is required"),
    };
    let set = |path: &str, value: Value| Rule::Set { path: path.to_owned(), value };
    let rule = match random.below(7) {
        0 => return "no policy".to_owned(),
        1 => require("ttlSecondsAfterFinished"),
        2 => require("activeDeadlineSeconds"),
        3 | 4 => set("/spec/ttlSecondsAfterFinished", (random.below(60)).into()),
        5 => set("/spec/backoffLimit", 3.into()),
        _ => set("/spec/template/spec/priorityClassName", "".into()),
    };
    let operations = match random.below(3) {
        0 => vec![Operation::Create],
        1 => vec![Operation::Update],
        _ => vec![Operation::Create, Operation::Update],
    };
    let words = format!("policy: {operations:?} {rule:?}");
    cluster.add_policy(Policy {
        name: "policy".to_owned(),
        namespace: NAMESPACE.to_owned(),
        operations,
        rule,
    });
    words
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
