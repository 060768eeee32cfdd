//! Servers that answer badly, or not at all, at each request in turn.

use std::time::Duration;

use sim::When;

use super::net::{Fate, Sent};
use super::stage::{CLUSTERS, CREATE, Stage};

/// What one cluster's trouble may cost: the time of one request, and some more for what is
/// repeated.
const PATIENCE: Duration = Duration::from_secs(35);

/// The same of the host, which may be waited for as a member and then as the host.
const PATIENCE_WITH_HOST: Duration = Duration::from_secs(65);

fn status(code: u16, reason: &str) -> String {
    let message = "told by the test";
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason,
        "message": message,
    })
    .to_string()
}

/// Everything that a server may do to one request, by name.
fn troubles() -> Vec<(&'static str, Fate)> {
    let answer =
        |when, code, reason: &str| Fate::Answer(when, code, vec![], status(code, reason).into());
    let text = |code, text: &'static str| Fate::Answer(When::Before, code, vec![], text.into());
    vec![
        ("refused", Fate::Refused),
        ("hang before", Fate::Hang(When::Before)),
        ("hang after", Fate::Hang(When::After)),
        ("reset before", Fate::Reset(When::Before)),
        ("reset after", Fate::Reset(When::After)),
        ("cut", Fate::Cut),
        ("401", answer(When::Before, 401, "Unauthorized")),
        ("403", answer(When::Before, 403, "Forbidden")),
        ("404 of a proxy", text(404, "404 page not found")),
        ("409", answer(When::Before, 409, "Conflict")),
        ("410", answer(When::Before, 410, "Expired")),
        (
            "429",
            Fate::Answer(
                When::Before,
                429,
                vec![("retry-after", "2")],
                status(429, "TooManyRequests").into(),
            ),
        ),
        ("500 before", answer(When::Before, 500, "InternalError")),
        ("500 after", answer(When::After, 500, "InternalError")),
        ("503", answer(When::Before, 503, "ServiceUnavailable")),
        ("504 after", answer(When::After, 504, "Timeout")),
        ("stale", Fate::Stale),
        ("not JSON", text(200, "<html>hello</html>")),
        ("JSON of something else", text(200, "{}")),
        ("JSON of nothing", Fate::Answer(When::After, 200, vec![], "null".into())),
    ]
}

/// Whether the trouble is only at the one request, or with its cluster from then on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lasting {
    Once,
    On,
}

/// Has each trouble befall each request of a command, heals all, and looks at what is left.
async fn troubled(command: &str, prepare: impl AsyncFn() -> Stage, check: impl AsyncFn(&Stage)) {
    let mut cases = 0;
    for (name, fate) in troubles() {
        for lasting in [Lasting::Once, Lasting::On] {
            for at in 0.. {
                let stage = prepare().await;
                let (fate, mut struck) = (fate.clone(), None::<String>);
                let hit = std::sync::Arc::new(std::sync::Mutex::new(None::<Sent>));
                let tell = hit.clone();
                stage.net.watch(move |sent, _| {
                    if sent.number == at {
                        struck = Some(sent.cluster.clone());
                        *tell.lock().expect("whole") = Some(sent.clone());
                        return fate.clone();
                    }
                    let same = lasting == Lasting::On && struck.as_ref() == Some(&sent.cluster);
                    if same { fate.clone() } else { Fate::Pass }
                });
                let start = tokio::time::Instant::now();
                let ran = stage.run(command).await;
                let took = start.elapsed();
                let Some(sent) = hit.lock().expect("whole").clone() else { break };
                println!("{command}: {name}, {lasting:?}, at {sent}: {ran:?} in {took:?}");
                let patience =
                    if sent.cluster == CLUSTERS[0] { PATIENCE_WITH_HOST } else { PATIENCE };
                assert!(took <= patience, "one cluster's trouble costs {took:?}");
                stage.net.heal();
                // What hangs in the network arrives now, or never.
                tokio::time::sleep(Duration::from_mins(10)).await;
                check(&stage).await;
                stage.unbroken();
                cases += 1;
            }
        }
    }
    println!("{command}: {cases} troubles");
    assert!(cases > 100, "{cases}");
}

#[tokio::test(start_paused = true)]
async fn create_is_finished_when_the_network_is_back() {
    troubled(
        CREATE,
        async || Stage::federated().await,
        async |stage| {
            stage.settle().await;
            if stage.records().is_empty() {
                stage.nothing_left();
            } else {
                stage.completes().await;
            }
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn get_writes_nothing_whatever_it_is_told() {
    troubled(
        "job get",
        async || Stage::running().await,
        async |stage| {
            stage.all_runs();
            stage.must("job get").await;
            let sent = stage.net.sent();
            assert!(sent.iter().all(|sent| !sent.mutating), "{sent:#?}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn reconcile_goes_on_when_the_network_is_back() {
    let begun = async || {
        let stage = Stage::federated().await;
        stage.half_create(21).await;
        stage
    };
    troubled("reconcile", begun, async |stage| {
        stage.settle().await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn delete_is_finished_when_the_network_is_back() {
    troubled(
        "job delete pi --cascade=background",
        async || Stage::running().await,
        async |stage| {
            let began = stage.records().iter().all(|record| !record.state["deleting"].is_null());
            stage.settle().await;
            if began {
                stage.nothing_left();
            } else {
                stage.completes().await;
            }
        },
    )
    .await;
}

/// A member that hangs is waited for once in a command, by whichever request it hangs first,
/// however many Jobs there are.
#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_costs_its_own_time_once() {
    for command in [CREATE, "job create -f pi.yaml --dry-run=server"] {
        for at in 0.. {
            let stage = Stage::federated().await;
            stage.several(&["pi", "rho", "tau"]);
            let mut sent_to_north = 0;
            let struck = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
            let tell = struck.clone();
            stage.net.watch(move |sent, _| {
                if sent.cluster != "north" {
                    return Fate::Pass;
                }
                sent_to_north += 1;
                if sent_to_north <= at {
                    return Fate::Pass;
                }
                tell.store(true, std::sync::atomic::Ordering::SeqCst);
                Fate::Hang(When::Before)
            });
            let start = tokio::time::Instant::now();
            let ran = stage.run(command).await;
            let took = start.elapsed();
            if !struck.load(std::sync::atomic::Ordering::SeqCst) {
                assert!(at > 2, "{command} sends {at} requests to a member");
                break;
            }
            assert!(
                took <= PATIENCE,
                "{command}, north hangs after {at} requests: {took:?}, {ran:#?}"
            );
            assert_eq!(stage.records().len(), if command == CREATE { 3 } else { 0 }, "{ran:#?}");
            assert!(ran.stderr.contains("[north]"), "{ran:#?}");
        }
    }
}
