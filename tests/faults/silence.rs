//! One member of a hundred gives no answer. Time stands still, so that what a command waits for is
//! exact.

use http::Method;
use sim::When;
use tokio::time::Instant;

use super::limits::with_members;
use super::net::{Fate, Sent};
use super::stage::{CREATE, Ran, Stage};

const MEMBERS: usize = 100;
const SILENT: &str = "cluster-7";

async fn stage() -> Stage {
    let stage = with_members(MEMBERS).await;
    stage.must(CREATE).await;
    stage
}

fn hangs_if(is_silent: bool) -> Fate {
    if is_silent { Fate::Hang(When::Before) } else { Fate::Pass }
}

/// Runs a command while one member does not answer what is `asked` of it; says how many seconds
/// that takes, and how many requests it sends to that member.
async fn timed(
    stage: &Stage,
    command: &str,
    asked: impl Fn(&Sent) -> bool + Send + 'static,
) -> (Ran, u64, usize) {
    let is_silent = move |sent: &Sent| sent.cluster == SILENT && asked(sent);
    stage.net.watch(move |sent, _| hangs_if(is_silent(sent)));
    let start = Instant::now();
    let ran = stage.run(command).await;
    let seconds = start.elapsed().as_secs();
    let sent = stage.net.sent().iter().filter(|sent| sent.cluster == SILENT).count();
    stage.net.heal();
    (ran, seconds, sent)
}

#[tokio::test(start_paused = true)]
async fn who_only_looks_waits_briefly_and_names_who_is_silent() {
    let stage = stage().await;
    // Some ask for its Jobs while they ask who it is.
    for (command, expected, asked) in [
        ("job get", 3, 2),
        ("job get pi -o wide", 3, 2),
        ("job describe pi", 3, 2),
        ("job events pi", 3, 1),
        ("job wait pi --for=condition=complete --no-reconcile --timeout=0", 3, 1),
        ("cluster list", 3, 1),
        ("cluster check", 3, 1),
        ("orphans list -A", 3, 1),
        ("job get --request-timeout=7s", 7, 2),
        ("job get --request-timeout=2", 2, 2),
        ("reconcile", 30, 2),
    ] {
        let (ran, seconds, sent) = timed(&stage, command, |_| true).await;
        assert_eq!((seconds, sent), (expected, asked), "{command}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(SILENT), "{command}: {said}");
        assert!(said.contains(&format!("within {expected}s")), "{command}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_keeps_its_time_and_costs_it_once() {
    let stage = stage().await;
    let jobs = |sent: &Sent| sent.of_jobs() && sent.method == Method::GET;
    for command in ["job get", "job describe pi"] {
        let (ran, seconds, sent) = timed(&stage, command, jobs).await;
        assert_eq!((seconds, sent), (30, 2), "{command}: {ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(SILENT));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_declared_lost_is_waited_for_briefly() {
    let stage = stage().await;
    stage.net.watch(|sent, _| hangs_if(sent.cluster == SILENT));
    stage.must(&format!("cluster lost {SILENT} --yes")).await;
    for (command, expected) in [("reconcile", 3), ("reconcile --request-timeout=5s", 5)] {
        let (ran, seconds, sent) = timed(&stage, command, |_| true).await;
        assert_eq!((seconds, sent), (expected, 2), "{command}: {ran:?}");
    }
}
