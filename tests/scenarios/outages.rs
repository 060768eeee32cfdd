//! API servers that stand still (SIGSTOP) or die (SIGKILL), and come back.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use libtest_mimic::Failed;
use real::Fleet;
use serde_json::Value;
use sim::{Verdict, When};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{SOON, Stage, job};

/// What a frozen server costs each command. Servers that live answer in less, however busy the
/// machine is.
const TIMEOUT: &str = "--request-timeout=4s";

const DELETE: &str = "job delete pi --cascade=background";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("outages")
        .sim(
            "a host that is lost once the record is made: the error says what finishes it",
            lost_host,
        )
        .real_alone(
            "a frozen member costs its own timeout once, and is finished when it goes on",
            frozen_member,
        )
        .real_alone("a frozen host is a clear error, and nothing is sent to members", frozen_host)
        .real_alone(
            "an API server that was killed is Unknown, and comes back to what was left to do",
            killed_server,
        )
        .real_alone(
            "a member that freezes in the midst of a command does nothing twice when it goes on",
            async |stage, fleet| in_the_midst(stage, fleet, "west", Blow::Freeze).await,
        )
        .real_alone(
            "a host that freezes in the midst of a command knows what was done when it goes on",
            async |stage, fleet| in_the_midst(stage, fleet, "east", Blow::Freeze).await,
        )
        .real_alone(
            "a member that is killed in the midst of a command does nothing twice when it is back",
            async |stage, fleet| in_the_midst(stage, fleet, "west", Blow::Kill).await,
        )
}

/// What happens to a server.
#[derive(Debug, Clone, Copy)]
enum Blow {
    Freeze,
    Kill,
}

impl Blow {
    fn strike(self, server: &real::Cluster) -> Outcome {
        match self {
            Self::Freeze => server.freeze()?,
            Self::Kill => server.kill(),
        }
        Ok(())
    }

    async fn mend(self, server: &real::Cluster) -> Outcome {
        match self {
            Self::Freeze => server.thaw()?,
            Self::Kill => server.revive().await?,
        }
        Ok(())
    }
}

/// Has a server struck while something goes on, and mends it, whatever came of that: others use it
/// too.
async fn struck(
    server: &real::Cluster,
    blow: Blow,
    body: impl Future<Output = Outcome>,
) -> Outcome {
    let whole = async {
        blow.strike(server)?;
        body.await
    };
    mended(server, blow, whole).await
}

async fn mended(
    server: &real::Cluster,
    blow: Blow,
    body: impl Future<Output = Outcome>,
) -> Outcome {
    let outcome = AssertUnwindSafe(body).catch_unwind().await;
    blow.mend(server).await?;
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn frozen_member(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    stage.create(&job("old", Some(3), Some(6))).await?.ok();
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    Box::pin(struck(fleet.cluster("west"), Blow::Freeze, async {
        let created = stage.federate(&format!("job create -f pi.yaml {TIMEOUT}")).await;
        assert_eq!(created.stdout, "job.batch/pi created\n");
        created.fails("error: job.batch/pi: 1 of 3 clusters could not be asked").warns(
            "Warning: [west] could not be asked: Unable to connect to the server: no \
                answer from",
        );
        for name in ["east", "north"] {
            let made = stage.site(name).job("pi").await?;
            assert_eq!(made["spec"]["suspend"], false, "{made:#}");
        }
        let west = &stage.site("west").link;
        let before = west.accepted();
        let commands =
            ["job get --no-headers", "reconcile pi", "job delete old --cascade=background"]
                .map(|command| format!("{command} {TIMEOUT}"));
        let (got, reconciled, deleted) = tokio::join!(
            stage.federate(&commands[0]),
            stage.federate(&commands[1]),
            stage.federate(&commands[2]),
        );
        assert_eq!(
            west.accepted() - before,
            commands.len(),
            "each command has waited for west once"
        );
        // The row of what is deleted meanwhile is Running or Terminating.
        let got = got.says("0/6").says("Running,Unknown");
        assert!(got.stderr.contains("Warning: [west] 2 shards are Unknown"), "{got:?}");
        reconciled
            .fails("error: job.batch/pi: 1 of 3 clusters could not be asked")
            .says("Running,Unknown 0/6");
        deleted
            .fails("error: job.batch/old: ")
            .says("job.batch \"old\" is being deleted from ")
            .warns("[west]");
        for name in ["east", "north"] {
            assert_eq!(stage.site(name).find("jobs", "old").await?, None);
        }
        Ok(())
    }))
    .await?;
    assert!(stage.site("west").find("jobs", "old").await?.is_some());
    let reconciled = stage.federate("reconcile").await.ok();
    reconciled.says("job.batch/pi created in cluster west").says("job.batch \"old\" deleted");
    assert_eq!(stage.site("west").find("jobs", "old").await?, None);
    completes(stage).await
}

async fn frozen_host(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.write("tau.yaml", &job("tau", Some(3), Some(6)))?;
    let mut before = Vec::new();
    for name in ["west", "north"] {
        before.push((name, stage.site(name).mark().await?));
    }
    struck(fleet.cluster("east"), Blow::Freeze, async {
        let commands = ["job get", "job create -f tau.yaml", "reconcile", DELETE];
        let run = async |command| stage.federate(&format!("{command} {TIMEOUT}")).await;
        for ran in futures::future::join_all(commands.map(run)).await {
            assert_eq!(ran.stdout, "", "{ran:?}");
            let said = "Unable to connect to the server: no answer from 127.0.0.1:";
            assert!(ran.stderr.starts_with(said), "{ran:?}");
            ran.fails(" within 4s\n");
        }
        for (name, mark) in before {
            let requests = stage.site(name).requests(mark).await?;
            let of_jobs: Vec<_> =
                requests.iter().filter(|request| request.what.contains(" jobs")).collect();
            assert!(of_jobs.is_empty(), "{name}: {of_jobs:?}");
        }
        Ok(())
    })
    .await?;
    assert_eq!(stage.record("tau").await?, None);
    stage.federate("reconcile").await.ok();
    completes(stage).await
}

/// The record is made, and then the host is gone: it cannot be said what members did.
async fn lost_host(stage: &Stage) -> Outcome {
    let east = stage.site("east").cluster();
    let hint = format!(
        "hint: It is recorded: `kubectl federate reconcile pi -n {}` finishes what was begun.",
        stage.namespace
    );
    east.on_request(|request| {
        let recorded =
            request.mutating && request.resource == "configmaps" && request.verb == "patch";
        if recorded { Verdict::Reset(When::Before) } else { Verdict::Pass }
    });
    let created = stage.create(&job("pi", Some(3), Some(6))).await?.fails(&hint);
    assert_eq!(created.stdout, "");
    east.clear_hook();
    stage.federate("reconcile").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    let once = AtomicUsize::new(0);
    east.on_request(move |request| {
        let recorded = request.mutating && request.resource == "configmaps";
        let begun = recorded && once.fetch_add(1, Ordering::SeqCst) > 0;
        if begun { Verdict::Reset(When::Before) } else { Verdict::Pass }
    });
    stage.federate(DELETE).await.fails(&hint);
    east.clear_hook();
    stage.federate("reconcile").await.ok().says("job.batch \"pi\" deleted");
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, vec![]));
    Ok(())
}

async fn killed_server(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    struck(fleet.cluster("west"), Blow::Kill, async {
        stage.until_row("pi", "Running,Unknown 0/6").await;
        let created = stage.create(&job("tau", Some(3), Some(6))).await?;
        created.fails("1 of 3 clusters").warns("[west] could not be asked: ");
        Ok(())
    })
    .await?;
    stage.federate("reconcile").await.ok().says("job.batch/tau created in cluster west");
    for site in stage.members() {
        site.succeed("tau", 2).await?;
    }
    stage.until_row("tau", "Complete 6/6").await;
    completes(stage).await
}

/// Strikes a server once the record says that members are about to be written. What the command
/// comes to depends on how far it was; the next reconcile finishes it.
async fn in_the_midst(stage: &Stage, fleet: &'static Fleet, server: &str, blow: Blow) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    let server = fleet.cluster(server);
    let run = async |command: &str, begun: fn(Option<&Value>) -> bool| {
        let command = format!("{command} {TIMEOUT}");
        let strike = async {
            real::until("the record to say so", SOON, || async {
                let record = stage.record("pi").await.map_err(|error| format!("{error:?}"))?;
                let state = record.map(|map| state_of(&map));
                if begun(state.as_ref()) { Ok(()) } else { Err(format!("{state:?}")) }
            })
            .await;
            blow.strike(server)
        };
        mended(server, blow, async {
            let (ran, struck) = tokio::join!(stage.federate(&command), strike);
            assert!(ran.code <= 1, "{ran:?}");
            struck
        })
        .await
    };
    run("job create -f pi.yaml", |state| state.is_some()).await?;
    let before = stage.mark().await?;
    stage.federate("reconcile").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    let uids = uids(stage).await?;
    run("reconcile", |state| state.is_some()).await?;
    stage.federate("reconcile").await.ok();
    assert_eq!(self::uids(stage).await?, uids);
    let writes = stage.mutations(&before).await?;
    // A POST may have arrived twice, the second time for nothing: with no job deleted, there was
    // one of each name.
    assert!(writes.iter().all(|what| !what.contains("delete jobs")), "{writes:?}");
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Running 3/6").await;
    run(DELETE, |state| state.is_none_or(|state| !state["deleting"].is_null())).await?;
    stage.federate("reconcile").await.ok();
    assert_eq!((stage.record("pi").await?, stage.shares("pi").await?), (None, vec![]));
    for site in stage.members() {
        site.until_pods("pi", 0).await;
    }
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    completes(stage).await
}

/// What a record says of its federated Job as a whole.
fn state_of(record: &Value) -> Value {
    let text = record["metadata"]["annotations"]["kubectl-federate.dev/state"].as_str();
    serde_json::from_str(text.unwrap_or_default()).unwrap_or_default()
}

/// The uids of the Jobs.
async fn uids(stage: &Stage) -> Result<Vec<Value>, Failed> {
    let mut uids = Vec::new();
    for site in stage.members() {
        uids.push(site.job("pi").await?["metadata"]["uid"].take());
    }
    Ok(uids)
}

/// Plays the nodes to the end of `pi`.
async fn completes(stage: &Stage) -> Outcome {
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}
