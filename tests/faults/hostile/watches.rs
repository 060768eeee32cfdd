//! Watches of hostile servers. A watch is believed in nothing: whatever it says, the end of a Job
//! is seen as soon as without it, nobody is warned, and the clusters are asked as seldom.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use sim::When;
use tokio::time::{Instant, sleep};

use super::super::net::Fate;
use super::super::stage::Stage;
use super::HOSTILE;
use super::answers::BOMB;

/// What waits, or goes on until it is ended.
const COMMANDS: [&str; 5] = [
    "job wait pi --for=condition=complete --timeout=2h",
    "job wait pi --for=condition=complete --no-reconcile --timeout=2h",
    "reconcile pi --watch",
    "job get pi --watch",
    "job events pi --watch",
];

/// How long a command runs before the Job ends.
const BEFORE: Duration = Duration::from_mins(3);

/// How soon the end of a Job is seen at least.
const SOON: Duration = Duration::from_secs(6);

/// What says nothing, and again and again that it watches. It is believed in that for so long.
const SILENT: &str = "marks without an end";
const LONGEST: Duration = Duration::from_mins(3);

/// Everything that a watch may say.
fn streams() -> Vec<(&'static str, Fate)> {
    let answer = |code, text: String| Fate::Answer(When::Before, code, Vec::new(), text.into());
    let event = |kind: &str, object: serde_json::Value| {
        format!("{}\n", json!({"type": kind, "object": object}))
    };
    let job = |version: &str| {
        let metadata = json!({"name": "pi", "namespace": "default", "resourceVersion": version});
        json!({ "metadata": metadata })
    };
    let expired = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 1 (7)"});
    let again = |text: String, milliseconds| {
        Fate::Endless(text.into(), Duration::from_millis(milliseconds))
    };
    let mark = event("BOOKMARK", job("7"));
    let begun = event("ADDED", job("7"));
    vec![
        ("410", answer(410, expired.to_string())),
        ("an event of 410", answer(200, event("ERROR", expired.clone()))),
        ("410 after it has begun", answer(200, format!("{begun}{}", event("ERROR", expired)))),
        ("an end at once", answer(200, mark.clone())),
        ("events of other types", answer(200, "{\"type\":7}\n[]\nnull\n\"x\"\n".into())),
        ("empty lines", answer(200, "\n\n\n".into())),
        ("a line that begins well", answer(200, format!("{begun}\u{1b}[2J\n"))),
        ("a long event", answer(200, event("ADDED", json!({"x": "x".repeat(2 << 20)})))),
        ("a long version", answer(200, event("ADDED", job(&"7".repeat(500_000))))),
        ("a line without an end", again("x".repeat(1 << 20), 100)),
        (SILENT, again(mark, 100)),
        ("news without an end", again(event("MODIFIED", job("\u{1b}[2J")), 100)),
        (
            "a body that grows when it is decompressed",
            Fate::Answer(When::Before, 200, vec![("content-encoding", "gzip")], BOMB.clone()),
        ),
        ("a redirect", Fate::Answer(When::Before, 302, vec![("location", "/")], Bytes::new())),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_a_watch_says_makes_nothing_late_and_costs_few_requests() {
    for (number, (name, fate)) in streams().into_iter().enumerate() {
        // One member, or all and the host. What an honest server says, too, each command meets.
        let count = if name.contains("410") { COMMANDS.len() } else { 2 };
        let commands = COMMANDS.iter().cycle().skip(number).take(count);
        for (of_all, command) in [false, true].into_iter().cycle().zip(commands) {
            let stage = Stage::running().await;
            let fate = fate.clone();
            stage.net.watch(move |sent, _| {
                let is_meant = sent.watches && (of_all || sent.cluster == HOSTILE);
                if is_meant { fate.clone() } else { Fate::Pass }
            });
            let start = std::time::Instant::now();
            let (begun, case) = (Instant::now(), format!("{command}, {name}, all: {of_all}"));
            let happens = async {
                sleep(BEFORE).await;
                let sent = stage.net.sent();
                for cluster in &stage.clusters {
                    cluster.run_to_end("default", "pi");
                }
                sent
            };
            let late = if name == SILENT { LONGEST } else { SOON };
            let until = BEFORE + late + Duration::from_secs(5);
            let (ran, sent) = tokio::join!(stage.interrupted_after(until, command), happens);
            println!("{case}: {} requests, {:?}", sent.len(), start.elapsed());
            if COMMANDS[..3].contains(command) {
                let took = begun.elapsed().saturating_sub(BEFORE);
                assert_eq!(ran.code, 0, "{case}: {ran:?}");
                assert!(took <= late, "{case}: {took:?}");
            }
            let warned = ran.stderr.lines().filter(|line| !line.contains("its clock is"));
            assert_eq!(warned.count(), 0, "{case}: {ran:?}");
            for cluster in ["east", "west", HOSTILE] {
                let asked = |watches: bool| {
                    let of = sent.iter().filter(|sent| sent.cluster == cluster);
                    of.filter(|sent| sent.watches == watches).count()
                };
                // A registry, a record and Jobs, each minute.
                assert!(asked(true) <= 3 * 5, "{case}: {cluster} {} watches", asked(true));
                // Every few seconds.
                assert!(asked(false) <= 5 * 60, "{case}: {cluster} {} others", asked(false));
            }
            stage.net.heal();
            stage.settle().await;
            assert!(stage.records()[0].complete(), "{case}");
        }
    }
}
