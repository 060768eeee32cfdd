//! The end of a life: no more faults, nobody does anything any more, and all pods succeed. Then a
//! few reconciles do what is left to do, each completion has been done once, and nothing is written
//! any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kubectl_federate::federation::Reopen;
use kubectl_federate::plan::PREFERENCES;
use serde_json::Value;
use sim::Cluster;
use tokio::sync::Notify;

use super::commands::{ClusterCommand, Command, ran_twice, resumption, run};
use super::habits::Habits;
use super::hosts::remedy;
use super::jobs::{Kind, NAME};
use super::random::Random;
use super::site::{NAMES, PEOPLE, Site};
use super::weather::Weather;
use super::work::Job;

/// More rounds than any Job here needs.
const ROUNDS: usize = 40;

/// How a Job ended of which users have deleted the record and all Jobs, and not the federated Job.
const LOST: &str = "lost with its Jobs";

/// More commands than a recovery takes.
const MOST_REMEDIES: usize = 12;

/// Ends a life, and says how its federated Job ended.
pub async fn end(site: &Arc<Site>, kind: Kind, manifest: &Value, retries: bool) -> &'static str {
    {
        let mut events = site.events();
        events.note(|| "the end begins".to_owned());
        events.weather = Weather::calm();
        events.habits = Habits::none();
        for cluster in &site.clusters {
            Habits::undo(cluster, &mut events.knowledge);
        }
    }
    recover(site, manifest).await;
    // Preferences that name a cluster can be followed while it is registered.
    let names_clusters = !manifest["metadata"]["annotations"][PREFERENCES].is_null();
    let (members, lacks_one) = {
        let knowledge = &site.events().knowledge;
        (knowledge.members(), knowledge.lacks_a_member())
    };
    if members == 0 || lacks_one || (names_clusters && members < site.clusters.len()) {
        site.register_all();
    }
    // What is still on its way arrives.
    tokio::time::sleep(Duration::from_mins(7)).await;
    for round in 0..ROUNDS {
        recover(site, manifest).await;
        let reconciled = command(site, manifest, Command::Reconcile(Reopen::None)).await;
        if reconciled == "done" {
            let mut events = site.events();
            for (place, cluster) in site.clusters.iter().enumerate() {
                events.knowledge.check_gangs(place, cluster);
            }
            events.knowledge.check_returns();
        }
        match round {
            4 => give_everybody_work(site, manifest).await,
            10 | 20 => {
                command(site, manifest, resumption()).await;
            }
            12 => {
                command(site, manifest, Command::Reconcile(Reopen::Undone)).await;
            }
            22 => {
                command(site, manifest, Command::Reconcile(Reopen::All)).await;
            }
            _ => {}
        }
        for (place, cluster) in site.clusters.iter().enumerate() {
            let mut events = site.events();
            // A record may come late, from a process that was killed long ago.
            Habits::clear_the_way(cluster, &events.knowledge);
            events.finish_pods(place, cluster);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        site.pass_everywhere();
        if is_broken(site) {
            return "broken";
        }
        if retries && site.events().knowledge.has_failed() && ended(site).is_some() {
            command(site, manifest, Command::Retry).await;
        }
        if let Some(end) = ended(site) {
            if end != LOST {
                quiet(site, manifest).await;
            }
            once(site, kind);
            reported(site, kind).await;
            return end;
        }
    }
    excused_or_stuck(site)
}

/// What was lost is recovered: the registry, the members and the records; and no other host acts for
/// the federation.
async fn recover(site: &Arc<Site>, manifest: &Value) {
    let mut random = Random::new(site.backups() as u64);
    for _ in 0..MOST_REMEDIES {
        let Some(next) = remedy(site, PEOPLE[0], &mut random) else { break };
        command(site, manifest, next).await;
    }
}

/// No cluster is cordoned, drained or lost any more. In half of the lives, those that were replaced
/// are declared lost, and the new ones registered.
async fn give_everybody_work(site: &Arc<Site>, manifest: &Value) {
    let (rebuilt, has_hosts) = {
        let knowledge = &site.events().knowledge;
        (knowledge.rebuilt_clusters(), knowledge.has_hosts)
    };
    let declares = site.clusters[0].kube_system_uid().as_bytes()[0].is_multiple_of(2) || has_hosts;
    for cluster in NAMES.into_iter().take(site.clusters.len()) {
        let commands: &[ClusterCommand] = if !rebuilt.contains(&cluster) {
            &[ClusterCommand::Uncordon]
        } else if declares {
            &[ClusterCommand::Lost, ClusterCommand::Register, ClusterCommand::Uncordon]
        } else {
            &[]
        };
        for each in commands {
            command(site, manifest, Command::Cluster(*each, cluster)).await;
        }
    }
}

async fn command(site: &Arc<Site>, manifest: &Value, command: Command) -> String {
    site.events().note(|| format!("{command:?}"));
    {
        let mut events = site.events();
        events.knowledge.set_busy(true);
        events.knowledge.doing.insert(PEOPLE[0], command.doing());
    }
    let ended = run(site, PEOPLE[0], manifest, command, Arc::new(Notify::new())).await;
    let mut events = site.events();
    events.knowledge.set_busy(false);
    events.spare();
    ended
}

fn is_broken(site: &Site) -> bool {
    site.events().knowledge.first_broken().is_some()
}

/// How the federated Job ended, if it has.
fn ended(site: &Site) -> Option<&'static str> {
    let events = site.events();
    let knowledge = &events.knowledge;
    let there: Vec<_> = knowledge.ledgers.values().filter(|ledger| !ledger.gone).collect();
    if knowledge.lost_record().is_some() {
        return None;
    }
    let Some(ledger) = there.iter().max_by_key(|ledger| ledger.retries.is_some()) else {
        return Some(match knowledge.is_lost_for_good() {
            _ if knowledge.ledgers.is_empty() => "never created",
            true => LOST,
            false => "deleted",
        });
    };
    if there.iter().any(|ledger| !ledger.is_over()) {
        return None;
    }
    match (ledger.verdict()?, ledger.retries.is_some()) {
        ("complete", false) => Some("complete"),
        ("complete", true) => Some("complete after a retry"),
        (_, false) => Some("failed"),
        (_, true) => Some("failed after a retry"),
    }
}

/// A Job that cannot go on for a reason that is none of the product's; any other is stuck (G4).
fn excused_or_stuck(site: &Site) -> &'static str {
    let mut events = site.events();
    if events.knowledge.waits_for_a_cluster() {
        return "waits for a cluster that is gone";
    }
    if site.clusters.iter().any(ends_later) {
        return "waits for a clock that was put back";
    }
    let ledgers = &events.knowledge.ledgers;
    let there = ledgers.values().filter(|ledger| !ledger.gone);
    let records: Vec<String> = there.map(ToString::to_string).collect();
    let jobs = site.clusters.iter().flat_map(|cluster| {
        let statuses = cluster.stored(&sim::JOBS, "").into_iter();
        statuses.map(|job| {
            format!("{}: {} {}", cluster.name(), job["metadata"]["annotations"], job["status"])
        })
    });
    let jobs = jobs.collect::<Vec<_>>().join("\n");
    let what = format!("G4: it is never done: {}\n{jobs}", records.join(" "));
    events.knowledge.accuse(|| what);
    "stuck"
}

/// Whether a Job has yet to end in a cluster where the time of its start has not come again. No
/// server accepts a completion time that is before `startTime`, and an index that has failed is tried
/// again some time after that.
fn ends_later(cluster: &Cluster) -> bool {
    let ends = |kind: &Value| kind == "Complete" || kind == "Failed";
    cluster.stored(&sim::JOBS, "").iter().any(|job| {
        let start = job["status"]["startTime"].as_str().and_then(|start| start.parse().ok());
        let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        start.is_some_and(|start: Timestamp| start > cluster.now())
            && !conditions.into_iter().any(|condition| ends(&condition["type"]))
    })
}

/// When nothing is left to do, nothing is written, and nothing is said to be wrong (G5).
async fn quiet(site: &Arc<Site>, manifest: &Value) {
    for _ in 0..4 {
        site.events().writes();
        let ended = command(site, manifest, Command::Reconcile(Reopen::None)).await;
        let mut events = site.events();
        if events.writes() == 0 {
            if ended != "done" && !events.knowledge.waits_for_a_cluster() {
                events.knowledge.accuse(|| format!("G5: nothing is left to do, but: {ended}"));
            }
            return;
        }
        drop(events);
        site.pass_everywhere();
    }
    site.events().knowledge.accuse(|| "G5: each reconcile writes something".to_owned());
}

/// Each completion of a Complete Job was done once, but for those that users let run again.
fn once(site: &Site, kind: Kind) {
    if kind == Kind::WorkQueue {
        return;
    }
    let mut events = site.events();
    let knowledge = &events.knowledge;
    let short =
        knowledge.ledgers.iter().filter(|(_, ledger)| !ledger.gone).find_map(|(uid, ledger)| {
            let before = ledger.retries.as_ref().filter(|_| kind == Kind::Indexed);
            let jobs = knowledge
                .jobs
                .values()
                .filter(|job| job.shard.0 == *uid || Some(&job.shard.0) == before);
            let retried = before.and_then(|uid| knowledge.ledgers.get(uid));
            let taken = [Some(ledger), retried].into_iter().flatten();
            let taken = taken.flat_map(|ledger| knowledge.taken(ledger));
            let done: i64 = jobs.chain(taken).map(Job::done).sum();
            let is_complete = ledger.verdict() == Some("complete");
            let asked = ledger.asked().filter(|_| ledger.spec["successPolicy"].is_null())?;
            (is_complete && done < asked).then(|| format!("G1: {done} of {asked} were done"))
        });
    if let Some(short) = short {
        events.knowledge.accuse(|| short);
    }
}

/// What has run twice since clusters were declared lost is reported, as far as the host can know it.
async fn reported(site: &Arc<Site>, kind: Kind) {
    let Some(reported) = ran_twice(site).await.filter(|_| kind != Kind::WorkQueue) else { return };
    let mut events = site.events();
    let knowledge = &events.knowledge;
    let mut there = knowledge.ledgers.iter().filter(|(_, ledger)| !ledger.gone);
    let Some((uid, ledger)) = there.find(|(_, ledger)| ledger.name == NAME) else {
        return;
    };
    if ledger.reopened || ledger.rebuilt {
        return;
    }
    let is_asked = |job: &&Job| job.shard.0 == *uid && knowledge.is_member(job.place);
    let (count, indexes) = ledger.known_twice(knowledge.jobs.values().filter(is_asked));
    let is_known = |index: &i64| i32::try_from(*index).is_ok_and(|i| reported.indexes.contains(i));
    if kind == Kind::Indexed {
        if let Some(index) = indexes.iter().find(|index| !is_known(index)) {
            let what = format!("G8: index {index} has run twice, and nobody says so");
            events.knowledge.accuse(|| what);
        }
    } else if count > i64::from(reported.count) {
        let what = format!("G8: {count} have run twice, and {} are reported", reported.count);
        events.knowledge.accuse(|| what);
    }
}
