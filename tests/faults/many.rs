//! Many Jobs in one command: what it asks, how long its chain of requests is, and in which order it
//! tells what it does.

use std::collections::BTreeMap;
use std::time::Duration;

use sim::When;
use tokio::time::Instant;

use super::net::{Fate, Sent};
use super::stage::{CLUSTERS, CREATE, Ran, Stage};

/// The Jobs of each command.
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// How long each request is on its way.
const TRIP: Duration = Duration::from_millis(50);

/// A command over clusters that are far away: what it says, the requests, and how many of them one
/// had to wait for the one before.
async fn far(stage: &Stage, command: &str) -> (Ran, Vec<Sent>, u128) {
    stage.net.watch(|_, _| Fate::Delay(TRIP));
    let begun = Instant::now();
    let ran = stage.must(command).await;
    let chain = begun.elapsed().as_millis() / TRIP.as_millis();
    let sent = stage.net.sent();
    stage.net.heal();
    (ran, sent, chain)
}

/// How often each cluster was asked for its identity, and for a list of Jobs.
fn asked(sent: &[Sent]) -> BTreeMap<&str, (usize, usize)> {
    let mut asked = BTreeMap::new();
    for Sent { cluster, path, method, .. } in sent {
        let (identities, lists): &mut (usize, usize) = asked.entry(cluster.as_str()).or_default();
        *identities += usize::from(path.ends_with("/namespaces/kube-system"));
        *lists += usize::from(path.ends_with("/jobs") && method == "GET");
    }
    asked
}

/// Each cluster was asked so often; the host is a member, and is dialled as both.
fn each(lists: usize) -> BTreeMap<&'static str, (usize, usize)> {
    let of = |name: &'static str| (name, (1 + usize::from(name == CLUSTERS[0]), lists));
    CLUSTERS.into_iter().map(of).collect()
}

/// The Jobs that the lines with this end are about, in their order.
fn told(ran: &Ran, end: &str) -> Vec<String> {
    let told = ran.stdout.lines().filter_map(|line| line.strip_suffix(end));
    let name =
        |line: &str| line.trim_start_matches("job.batch").trim_matches(['/', ' ', '"']).to_owned();
    told.map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn many_jobs_of_a_command_cost_the_time_of_one() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    let names = NAMES.join(" ");
    let commands = [
        (CREATE.to_owned(), " created", 0),
        ("reconcile".to_owned(), " reconciled: Running 0/12", 1),
        (format!("job suspend {names}"), " suspended", 1),
        (format!("job suspend {names}"), " unchanged", 1),
        (format!("job resume {names}"), " resumed", 1),
        (format!("job scale {names} --parallelism=3"), " scaled", 1),
        ("job apply -f pi.yaml".to_owned(), " configured", 1),
        ("job apply -f pi.yaml".to_owned(), " unchanged", 1),
        (
            format!("job delete {names} --cascade=background"),
            r#"" deleted from default namespace"#,
            1,
        ),
    ];
    let mut alone = Vec::new();
    stage.several_of(&NAMES[..1], 6, 12);
    for (command, ..) in &commands {
        let command = command.replace(&names, NAMES[0]);
        alone.push(far(&stage, &command).await.2);
    }
    stage.several_of(&NAMES, 6, 12);
    for ((command, end, lists), alone) in commands.iter().zip(alone) {
        let (ran, sent, chain) = far(&stage, command).await;
        assert_eq!(told(&ran, end), NAMES, "{command}: {ran:?}");
        assert_eq!(asked(&sent), each(*lists), "{command}");
        assert!(chain <= alone, "{command}: {chain} requests one after another, of one {alone}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_slow_job_comes_before_the_others() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    stage.net.watch(|sent, _| {
        let is_of_first = sent.path.ends_with("/jobs/a") || sent.body["metadata"]["name"] == "a";
        if is_of_first { Fate::Delay(20 * TRIP) } else { Fate::Delay(TRIP) }
    });
    let ran = stage.must(CREATE).await;
    assert_eq!(told(&ran, " created"), NAMES);
    // Each Job's own lines stay together.
    let ran = stage.must(&format!("job scale {} --parallelism=3", NAMES.join(" "))).await;
    let jobs: Vec<_> = ran.stdout.lines().filter_map(|line| line.get(10..11)).collect();
    let mut in_turn = jobs.clone();
    in_turn.dedup();
    assert_eq!(in_turn, NAMES, "{}", ran.stdout);
}

/// An answer that says nothing of other Jobs keeps none of them from its cluster.
#[tokio::test(start_paused = true)]
async fn what_a_cluster_cannot_do_for_one_job_keeps_no_other_from_it() {
    let stage = Stage::federated().await;
    stage.several_of(&NAMES, 6, 12);
    let failed = r#"{"kind":"Status","code":500,"message":"failed calling webhook \"quota\""}"#;
    stage.net.watch(move |sent, _| {
        let is_made = sent.mutating && sent.path.ends_with("/jobs");
        let fails = is_made && sent.cluster == CLUSTERS[1] && sent.body["metadata"]["name"] == "a";
        if fails {
            Fate::Answer(When::Before, 500, Vec::new(), failed.into())
        } else {
            Fate::Delay(TRIP)
        }
    });
    let ran = stage.run(CREATE).await;
    assert_ne!(ran.code, 0, "{ran:?}");
    stage.net.heal();
    let started = stage.jobs().into_iter().filter(|job| !job.suspended).count();
    assert_eq!(started, 3 * NAMES.len() - 1, "{}", ran.stderr);
    stage.must("reconcile").await;
    assert_eq!(stage.jobs().into_iter().filter(|job| !job.suspended).count(), 3 * NAMES.len());
}

#[tokio::test(start_paused = true)]
async fn what_the_host_has_against_a_job_keeps_others_from_beginning() {
    let stage = Stage::federated().await;
    let names: Vec<String> = (0..80).map(|n| format!("pi{n}")).collect();
    stage.several_of(&names.iter().map(String::as_str).collect::<Vec<_>>(), 1, 1);
    let written = |sent: &Sent| sent.mutating && sent.path.ends_with("/configmaps");
    stage.net.watch(move |sent, _| if written(sent) { Fate::Refused } else { Fate::Pass });
    let ran = stage.run(CREATE).await;
    assert_ne!(ran.code, 0);
    let begun = stage.net.sent().into_iter().filter(|sent| written(sent)).count();
    assert!(ran.stdout.is_empty() && begun > 0, "{ran:?}");
    let planned = ran.stderr.matches("CLUSTER").count();
    assert!(planned < names.len(), "{planned} Jobs were begun");
    let refused = ran.stderr.matches("was refused").count();
    assert_eq!(refused, 1, "it is said once: {}", ran.stderr);
    stage.net.heal();
    stage.nothing_left();
}
