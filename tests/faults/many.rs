//! Many Jobs in one command: what it asks, how long its chain of requests is, and in which order it
//! tells what it does.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde_json::json;
use sim::When;
use tokio::time::Instant;

use super::evidence::manifest;
use super::net::{Fate, Sent};
use super::stage::{CLUSTERS, CREATE, Ran, Stage};

/// The Jobs of each command: so few that what is asked about all of them at once can be open to one
/// server.
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];

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
async fn many_clusters_are_registered_in_one_write_and_the_time_of_one() {
    let stage = Stage::bare(&["host", "a", "b", "c", "d", "e", "f", "g"]);
    stage.must("init").await;
    let mut costs = Vec::new();
    for names in ["a", "b c", "d e f g"] {
        let (ran, sent, chain) = far(&stage, &format!("cluster register {names}")).await;
        let lines = names.split(' ').map(|name| format!("cluster/{name} registered\n"));
        assert_eq!(ran.stdout, lines.collect::<String>());
        let of_host: Vec<_> = sent.iter().filter(|sent| sent.cluster == "host").collect();
        let writes = of_host.iter().filter(|sent| sent.method == Method::PATCH).count();
        assert_eq!(writes, 1, "{names}: {of_host:?}");
        costs.push((of_host.len(), chain));
    }
    assert_eq!(costs, [costs[0]; 3], "requests to the host, and one after another");
    stage.must("cluster list").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_slow_job_comes_before_the_others() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    stage.net.watch(|sent, _| {
        let is_of_first = sent.path.ends_with("/jobs/a") || sent.body["metadata"]["name"] == "a";
        if is_of_first { Fate::Delay(3 * TRIP) } else { Fate::Delay(TRIP) }
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
    assert_eq!(planned, 64, "so many were begun");
    let refused = ran.stderr.matches("was refused").count();
    assert_eq!(refused, 1, "it is said once: {}", ran.stderr);
    let not_begun = format!("{} jobs were not begun: pi64, pi65, ", names.len() - 64);
    assert!(ran.stderr.contains(&not_begun), "{}", ran.stderr);
    stage.net.heal();
    stage.nothing_left();
}

/// Whether a request makes or deletes the Job `a` in `west`.
fn is_of_a_in_west(sent: &Sent) -> bool {
    let makes = sent.body["metadata"]["name"] == "a" && sent.method == Method::POST;
    let deletes = sent.path.ends_with("/jobs/a") && sent.method == Method::DELETE;
    sent.cluster == "west" && sent.mutating && sent.of_jobs() && (makes || deletes)
}

/// West answers nothing about the first Job.
fn hangs_for_a_in_west(sent: &Sent) -> Fate {
    if is_of_a_in_west(sent) { Fate::Hang(When::Before) } else { Fate::Pass }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_not_held_back_behind_a_job_that_is_slow() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    let names = NAMES.join(" ");
    let commands = [
        (CREATE.to_owned(), " created"),
        (format!("job delete {names} --cascade=background"), r#"" deleted from default namespace"#),
    ];
    for (command, end) in &commands {
        stage.net.watch(|sent, _| hangs_for_a_in_west(sent));
        let ran = stage.run(command).await;
        assert_eq!(told(&ran, end)[..NAMES.len() - 1], NAMES[1..], "{command}: {ran:?}");
        stage.net.heal();
        stage.must("reconcile").await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_told_where_the_user_ends_the_command() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    let names = NAMES.join(" ");
    let delete = format!("job delete {names} --cascade=background");
    let commands = [
        (CREATE.to_owned(), "job.batch/", " created"),
        ("reconcile".to_owned(), "job.batch/", " reconciled: Running 0/12"),
        (delete.clone(), "job.batch ", r#"" deleted from default namespace"#),
        (CREATE.to_owned() + " -o name", "job.batch/", ""),
        (delete + " -o name", "job.batch/", ""),
    ];
    for (command, begin, end) in &commands {
        stage.net.watch(|sent, _| hangs_for_a_in_west(sent));
        // Sooner than anything is told because of the time.
        let ran = stage.interrupted_after(Duration::from_millis(500), command).await;
        assert_eq!(ran.code, 130, "{command}: {ran:?}");
        assert_eq!(told(&ran, end), NAMES[1..], "{command}: {ran:?}");
        assert!(ran.stdout.lines().all(|line| line.starts_with(begin)), "{command}: {ran:?}");
        let is_recorded = ran.stderr.contains("job.batch/a: interrupted. The change is recorded");
        assert_eq!(is_recorded, command != "reconcile", "{command}: {ran:?}");
        if command != CREATE {
            stage.net.heal();
            stage.must("reconcile").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_members_have_yet_to_do_is_told_though_the_host_refuses_another_job() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    let is_record_of_last = |sent: &Sent| {
        let name = sent.body["metadata"]["name"].as_str().unwrap_or_default();
        sent.mutating
            && sent.path.ends_with("/configmaps")
            && name.starts_with(NAMES[NAMES.len() - 1])
    };
    stage.net.watch(move |sent, _| match sent {
        sent if is_record_of_last(sent) => Fate::Refused,
        sent if is_of_a_in_west(sent) => Fate::Hang(When::Before),
        _ => Fate::Pass,
    });
    let ran = stage.run(CREATE).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("reconcile a -n default` finishes what is left"), "{ran:?}");
    assert!(ran.stderr.contains("was refused"), "{ran:?}");
    assert!(!ran.stderr.contains("not begun"), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn only_the_namespaces_of_the_jobs_are_listed() {
    let stage = Stage::federated().await;
    let jobs = |completions: i64| {
        let job = |(namespace, name, completions)| {
            let mut job = manifest(name, 2, completions);
            job["metadata"]["namespace"] = json!(namespace);
            job
        };
        let jobs = [("one", "a", 12), ("two", "b", completions)].map(job);
        stage.manifest(&json!({"apiVersion": "v1", "kind": "List", "items": jobs}));
    };
    let listed = async |command: &str| {
        stage.net.watch(|_, _| Fate::Pass);
        let ran = stage.must(command).await;
        let lists = stage.net.sent().into_iter().filter(|sent| {
            sent.method == Method::GET && sent.path.ends_with("/jobs") && sent.cluster == "east"
        });
        let mut lists: Vec<_> = lists.map(|sent| sent.path).collect();
        lists.sort();
        (ran, lists)
    };
    let apart =
        ["/apis/batch/v1/namespaces/one/jobs", "/apis/batch/v1/namespaces/two/jobs"].as_slice();
    jobs(12);
    stage.must(&(CREATE.to_owned() + " --create-namespace")).await;
    jobs(13);
    let (ran, lists) = listed("job apply -f pi.yaml").await;
    assert!(ran.stdout.contains("job.batch/a unchanged"), "{ran:?}");
    assert_eq!(lists, apart, "{ran:?}");
    // Whoever works on all namespaces lists them together.
    assert_eq!(listed("reconcile -A").await.1, ["/apis/batch/v1/jobs"]);
    assert_eq!(listed("job delete -f pi.yaml --cascade=background").await.1, apart);
}
