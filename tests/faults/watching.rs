//! Waiting for long: what it asks of the clusters, and how soon it sees what happens there. Time
//! stands still, so that both are exact.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use sim::When;
use tokio::time::{Instant, sleep};

use super::limits::with_members;
use super::net::{Fate, Sent};
use super::stage::{CREATE, Ran, Stage};

const MEMBERS: usize = 20;
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// What waits for the end of a Job.
const COMMANDS: [&str; 3] = [
    "job wait pi --for=condition=complete --timeout=2h",
    "job wait pi --for=condition=complete --no-reconcile --timeout=2h",
    "reconcile pi --watch",
];

async fn stage() -> Stage {
    let stage = with_members(MEMBERS).await;
    stage.net.witness(super::witness::Witness::leave);
    stage.must(CREATE).await;
    stage
}

/// What was sent to each cluster.
fn by_cluster(sent: Vec<Sent>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for Sent { cluster, .. } in sent {
        *counts.entry(cluster).or_default() += 1;
    }
    counts
}

/// Has all pods of Jobs whose names begin so succeed, in all clusters.
fn complete(stage: &Stage, begin: &str) {
    for cluster in &stage.clusters {
        loop {
            let jobs = cluster.list(&sim::JOBS, "default");
            let names = jobs.iter().filter_map(|job| job["metadata"]["name"].as_str());
            let names = names.filter(|name| name.starts_with(begin));
            let done: usize = names.map(|name| cluster.succeed_pods("default", name, 100)).sum();
            cluster.settle();
            if done == 0 {
                break;
            }
        }
    }
}

/// Runs a command, and has the Job complete after an hour. Says how long after that it ended, and
/// what it had sent to each cluster before.
async fn an_hour(
    stage: &Stage,
    command: &str,
    judge: impl Fn(&Sent) -> Fate + Send + 'static,
) -> (Ran, Duration, BTreeMap<String, usize>) {
    stage.net.watch(move |sent, _| judge(sent));
    let begun = Instant::now();
    let happens = async {
        sleep(HOUR).await;
        let sent = by_cluster(stage.net.sent());
        complete(stage, "");
        sent
    };
    let (ran, sent) = tokio::join!(stage.run(command), happens);
    stage.net.heal();
    (ran, begun.elapsed().saturating_sub(HOUR), sent)
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_waiting_costs_less_than_a_request_a_minute_and_the_end_is_seen_at_once() {
    for command in COMMANDS {
        let stage = stage().await;
        let (ran, late, sent) = an_hour(&stage, command, |_| Fate::Pass).await;
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        assert!(late <= Duration::from_secs(1), "{command}: {late:?}");
        let of_host = sent["cluster-0"];
        let most = sent.values().skip(1).max().expect("a member");
        assert!(*most < 60, "{command}: {sent:?}");
        assert!(of_host < 3 * 60, "{command}: {sent:?}");
    }
}

/// Who may not watch, or meets a server that never answers that, looks every few seconds.
#[tokio::test(start_paused = true)]
async fn without_a_watch_the_clusters_are_listed() {
    let forbidden = r#"{"kind":"Status","code":403,"reason":"Forbidden","message":"not so"}"#;
    let answer =
        |code, text: &'static str| Fate::Answer(When::Before, code, Vec::new(), text.into());
    let answers: [&dyn Fn() -> Fate; 6] = [
        &|| Fate::Hang(When::Before),
        &|| Fate::Mute("".into()),
        &|| answer(403, forbidden),
        &|| answer(200, ""),
        &|| answer(200, "{\"type\":\"BOOKMARK\",\"object\":{}}\n"),
        &|| answer(200, "nothing that is an event\n"),
    ];
    for who in ["cluster-3", "all"] {
        for (number, answer) in answers.iter().enumerate() {
            let stage = with_members(4).await;
            stage.net.witness(super::witness::Witness::leave);
            stage.must(CREATE).await;
            let begun = Instant::now();
            let fate = answer();
            stage.net.watch(move |sent, _| {
                if sent.watches && (who == "all" || sent.cluster == who) {
                    fate.clone()
                } else {
                    Fate::Pass
                }
            });
            let happens = async {
                sleep(2 * MINUTE).await;
                complete(&stage, "");
            };
            let (ran, ()) = tokio::join!(stage.run(COMMANDS[0]), happens);
            assert_eq!(ran.code, 0, "{who}, answer {number}: {ran:?}");
            let warnings = ran.stderr.lines().filter(|line| !line.contains("its clock is"));
            assert_eq!(warnings.count(), 0, "{who}, answer {number}: {ran:?}");
            let late = begun.elapsed().saturating_sub(2 * MINUTE);
            assert!(late <= Duration::from_secs(6), "{who}, answer {number}: {late:?}");
        }
    }
}

/// A watch is believed in nothing. One that says nothing costs time alone.
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_silent_makes_the_end_late_and_not_lost() {
    let stage = stage().await;
    let mark = "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n";
    let judge = |sent: &Sent| if sent.watches { Fate::Mute(mark.into()) } else { Fate::Pass };
    let (ran, late, _) = an_hour(&stage, COMMANDS[0], judge).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(late <= 3 * MINUTE, "{late:?}");
}

/// What other commands change in the meantime is seen as soon: the registry, the record, a Job.
#[tokio::test(start_paused = true)]
async fn what_others_change_is_seen_at_once() {
    let stage = stage().await;
    let begun = Instant::now();
    let wait = "job wait pi --for=jsonpath={.spec.parallelism}=40 --timeout=1h";
    let happens = async {
        sleep(10 * MINUTE).await;
        stage.must("job scale pi --parallelism=40").await;
    };
    let (ran, ()) = tokio::join!(stage.run(wait), happens);
    assert_eq!(ran.code, 0, "{ran:?}");
    let late = begun.elapsed().saturating_sub(10 * MINUTE);
    assert!(late <= Duration::from_secs(1), "{late:?}");
    let deleted = async {
        sleep(10 * MINUTE).await;
        stage.must("job delete pi --cascade=background").await;
    };
    let begun = Instant::now();
    let (ran, ()) = tokio::join!(stage.run("job wait pi --for=delete --timeout=1h"), deleted);
    assert_eq!(ran.code, 0, "{ran:?}");
    let late = begun.elapsed().saturating_sub(10 * MINUTE);
    assert!(late <= Duration::from_secs(1), "{late:?}");
    let created = async {
        sleep(10 * MINUTE).await;
        stage.must(CREATE).await;
    };
    let begun = Instant::now();
    let (ran, ()) = tokio::join!(stage.run("job wait pi --for=create --timeout=1h"), created);
    assert_eq!(ran.code, 0, "{ran:?}");
    let late = begun.elapsed().saturating_sub(10 * MINUTE);
    assert!(late <= Duration::from_secs(6), "{late:?}");
}

/// How often a member is listed while a command runs for five minutes, without its beginning.
async fn lists_in_five_minutes(stage: &Stage, command: &str) -> usize {
    let lists = async |minutes: u32| {
        sleep(minutes * MINUTE).await;
        let is_list = |sent: &Sent| sent.path.ends_with("/jobs") && !sent.watches;
        let of_one = |sent: &&Sent| sent.cluster == "cluster-1" && sent.method == Method::GET;
        stage.net.sent().iter().filter(of_one).filter(|sent| is_list(sent)).count()
    };
    let counts = async { (lists(1).await, lists(5).await) };
    let (_, (begun, ended)) = tokio::join!(stage.interrupted_after(7 * MINUTE, command), counts);
    ended - begun
}

/// Who watches does so from the beginning: the first minute costs two lists.
#[tokio::test(start_paused = true)]
async fn who_watches_lists_twice_and_then_waits_for_changes() {
    for command in ["job get -w", "reconcile --watch"] {
        let stage = with_members(4).await;
        stage.net.witness(super::witness::Witness::leave);
        stage.must(CREATE).await;
        stage.net.watch(|_, _| Fate::Pass);
        stage.interrupted_after(MINUTE, command).await;
        let is_list = |sent: &Sent| {
            let is_read = sent.method == Method::GET && !sent.watches;
            is_read && sent.cluster == "cluster-1" && sent.path.ends_with("/jobs")
        };
        let lists = stage.net.sent().iter().filter(|sent| is_list(sent)).count();
        assert!(lists <= 2, "{command}: {lists}");
    }
}

/// What happens all the time, what is refused each time, and what is over.
#[tokio::test(start_paused = true)]
async fn nothing_is_listed_more_often_than_every_few_seconds() {
    let stage = with_members(4).await;
    stage.net.witness(super::witness::Witness::leave);
    stage.size(400, 4000);
    stage.must(CREATE).await;
    let works = async {
        for _ in 0..6 * 30 {
            sleep(Duration::from_secs(2)).await;
            let jobs = stage.clusters[2].list(&sim::JOBS, "default");
            let name = jobs[0]["metadata"]["name"].as_str().expect("a name");
            stage.clusters[2].succeed_pods("default", name, 1);
            stage.clusters[2].settle();
        }
    };
    let (busy, ()) = tokio::join!(lists_in_five_minutes(&stage, "job get -w"), works);
    assert!((30..=75).contains(&busy), "while pods succeed: {busy}");

    let stage = with_members(4).await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several(&["pi", "tau"]);
    stage.must(CREATE).await;
    complete(&stage, "pi");
    let forbidden = r#"{"kind":"Status","code":403,"reason":"Forbidden","message":"not so"}"#;
    stage.net.watch(move |sent, _| {
        let is_refused = sent.mutating && sent.path.contains("/configmaps/pi.");
        if is_refused {
            Fate::Answer(When::Before, 403, Vec::new(), forbidden.into())
        } else {
            Fate::Pass
        }
    });
    let refused = lists_in_five_minutes(&stage, "reconcile --watch").await;
    assert!((50..=65).contains(&refused), "while the host refuses: {refused}");
    stage.net.heal();
    stage.must("reconcile").await;
    let over = lists_in_five_minutes(&stage, "job get pi -w").await;
    assert!((1..=2).contains(&over), "of a job that is complete: {over}");
}

/// A cluster that was declared lost is no more watched, and what it does when it is back runs
/// twice.
#[tokio::test(start_paused = true)]
async fn a_lost_cluster_that_is_back_is_seen_soon() {
    let stage = with_members(4).await;
    stage.net.witness(super::witness::Witness::leave);
    stage.must(CREATE).await;
    let back = Instant::now() + 10 * MINUTE;
    stage.net.watch(move |sent, _| {
        let is_away = sent.cluster == "cluster-2" && Instant::now() < back;
        if is_away { Fate::Refused } else { Fate::Pass }
    });
    stage.must("cluster lost cluster-2 --yes").await;
    let (_, seen) =
        tokio::join!(stage.interrupted_after(11 * MINUTE, "reconcile --watch"), async {
            tokio::time::sleep_until(back + Duration::from_secs(31)).await;
            stage.net.sent().iter().any(|sent| sent.cluster == "cluster-2" && sent.mutating)
        });
    assert!(seen, "its shard is stopped");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_registry_is_seen_at_once() {
    let stage = with_members(4).await;
    stage.net.witness(super::witness::Witness::leave);
    stage.must(CREATE).await;
    let rounds = || {
        let sent = stage.net.sent();
        let is_asked = |sent: &&Sent| sent.cluster == "cluster-1" && sent.method == Method::GET;
        sent.iter().filter(is_asked).count()
    };
    let happens = async {
        // Between two rounds of those that come by time alone.
        sleep(10 * MINUTE + MINUTE / 2).await;
        let before = rounds();
        sleep(MINUTE).await;
        let quiet = rounds() - before;
        stage.must("cluster label cluster-3 zone=b").await;
        let before = rounds();
        sleep(Duration::from_secs(1)).await;
        (quiet, rounds() - before)
    };
    let wait = stage.interrupted_after(15 * MINUTE, COMMANDS[0]);
    let (_, (quiet, seen)) = tokio::join!(wait, happens);
    assert!(quiet <= 2 && seen >= 2, "{quiet}, then {seen}");
}
