//! The harness itself: what other tests rely on.

mod versions;

use libtest_mimic::{Arguments, Failed};
use real::{Cluster, Error, Fleet, Kubelet, blocking_trial, exclusive_trial, trial, until};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Set for a copy of this program that starts a fleet, says where it is, and is then ended.
const VICTIM: &str = "KUBECTL_FEDERATE_TEST_VICTIM";

const SOON: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    if let Ok(state) = std::env::var(VICTIM) {
        return victim(&state);
    }
    let mut tests = vec![
        trial("a job completes when its pods succeed", job_completes),
        trial("a player completes a job by itself", player_completes_job),
        trial(
            "a failed pod is counted, and the exit code is the job's to judge",
            failed_pods_count,
        ),
        trial("a bound pod stays terminating until it is released", bound_pod_stays),
        trial("a limited user has what was granted and no more", limited_user_is_refused),
        trial("requests are counted once each, since the mark", requests_are_counted),
        trial("kubectl uses the contexts of the kubeconfig", kubectl_uses_contexts),
        trial("another host is another cluster", another_host),
        exclusive_trial("a frozen server hangs, and goes on when thawed", freeze_and_thaw),
        exclusive_trial("a killed server refuses, and comes back with its data", kill_and_revive),
        exclusive_trial("without controllers jobs stand still", controllers_stand_still),
        blocking_trial("nothing is left behind by kill -9", nothing_is_left_by_kill),
        blocking_trial(
            "nothing is left behind by Ctrl-C, stopped processes neither",
            nothing_is_left_by_ctrl_c,
        ),
        blocking_trial("nothing is left behind by a panic", nothing_is_left_by_a_panic),
    ];
    tests.extend(versions::tests());
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn jobs(namespace: &str) -> String {
    format!("/apis/batch/v1/namespaces/{namespace}/jobs")
}

async fn create_job(cluster: &Cluster, namespace: &str, spec: Value) -> Result<String, Error> {
    let container = json!({"name": "pi", "image": "perl"});
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    let mut job = json!({"metadata": {"name": "pi"}, "spec": spec});
    job["spec"]["template"] = template;
    cluster.create(&jobs(namespace), &job).await?;
    Ok(format!("{}/pi", jobs(namespace)))
}

async fn until_condition(cluster: &Cluster, job: &str, condition: &str) -> Value {
    until(&format!("{job} to be {condition}"), SOON, || async {
        let job = cluster.get(job).await.map_err(|error| error.to_string())?;
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let holds =
            conditions.iter().any(|each| each["type"] == condition && each["status"] == "True");
        if holds { Ok(job) } else { Err(job["status"].to_string()) }
    })
    .await
}

async fn job_completes(fleet: &'static Fleet) -> Result<(), Failed> {
    let (east, namespace) = (fleet.cluster("east"), fleet.namespace("complete").await?);
    let job = create_job(east, &namespace, json!({"completions": 2, "parallelism": 1})).await?;
    let pods = east.kubelet().succeed_n(&namespace, "pi", 2).await?;
    assert_ne!(pods[0].name, pods[1].name);
    let done = until_condition(east, &job, "Complete").await;
    assert_eq!(done["status"]["succeeded"], 2);
    Ok(())
}

async fn player_completes_job(fleet: &'static Fleet) -> Result<(), Failed> {
    let fleet_of_its_own = Fleet::start(&["solo"]).await?;
    let solo = fleet_of_its_own.cluster("solo");
    let namespace = fleet_of_its_own.namespace("player").await?;
    assert_ne!(solo.server(), fleet.cluster("east").server());
    let _player = Kubelet::run_all(&fleet_of_its_own, Duration::from_secs(1));
    let spec = json!({"completions": 3, "parallelism": 2, "completionMode": "Indexed"});
    let job = create_job(solo, &namespace, spec).await?;
    assert_eq!(until_condition(solo, &job, "Complete").await["status"]["completedIndexes"], "0-2");
    Ok(())
}

async fn failed_pods_count(fleet: &'static Fleet) -> Result<(), Failed> {
    let (east, namespace) = (fleet.cluster("east"), fleet.namespace("fail").await?);
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    let spec = json!({"completions": 2, "backoffLimit": 3, "podFailurePolicy": {"rules": [rule]}});
    let job = create_job(east, &namespace, spec).await?;
    let kubelet = east.kubelet();
    let first = kubelet.live_pods(&namespace, "pi", 1).await?.remove(0);
    kubelet.run(&first).await?;
    kubelet.fail(&first, 1).await?;
    until("one failure to be counted", SOON, || async {
        let seen = east.get(&job).await.map_err(|error| error.to_string())?["status"].take();
        if seen["failed"] == 1 { Ok(()) } else { Err(seen.to_string()) }
    })
    .await;
    let second = kubelet.live_pods(&namespace, "pi", 1).await?.remove(0);
    assert_ne!(first.name, second.name);
    kubelet.fail(&second, 42).await?;
    let failed = until_condition(east, &job, "Failed").await;
    let reasons: Vec<_> = failed["status"]["conditions"].as_array().into_iter().flatten().collect();
    assert!(reasons.iter().any(|each| each["reason"] == "PodFailurePolicy"), "{reasons:?}");
    Ok(())
}

async fn bound_pod_stays(fleet: &'static Fleet) -> Result<(), Failed> {
    let (west, namespace) = (fleet.cluster("west"), fleet.namespace("bound").await?);
    let job = create_job(west, &namespace, json!({"parallelism": 2, "completions": 2})).await?;
    let kubelet = west.kubelet();
    let pods = kubelet.live_pods(&namespace, "pi", 2).await?;
    kubelet.bind(&pods[0]).await?;
    kubelet.run(&pods[0]).await?;
    west.patch(&job, &json!({"spec": {"suspend": true}})).await?;
    let left =
        until("the unbound pod to be gone, and the bound one to be ending", SOON, || async {
            let pods = kubelet.pods(&namespace, "pi").await.map_err(|error| error.to_string())?;
            if pods.len() == 1 && pods[0].terminating { Ok(pods) } else { Err(format!("{pods:?}")) }
        })
        .await;
    assert_eq!(left[0].name, pods[0].name);
    assert!(left[0].bound);
    kubelet.release(&left[0]).await?;
    until("no pod to be left", SOON, || async {
        let pods = kubelet.pods(&namespace, "pi").await.map_err(|error| error.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(format!("{pods:?}")) }
    })
    .await;
    Ok(())
}

async fn limited_user_is_refused(fleet: &'static Fleet) -> Result<(), Failed> {
    let (north, namespace) = (fleet.cluster("north"), fleet.namespace("limited").await?);
    let alice = north.api_of("alice")?;
    let refused = alice.list(&jobs(&namespace)).await.expect_err("alice has no right yet");
    assert_eq!(refused.code(), Some(403), "{refused}");
    let rules = json!([{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list"]}]);
    north.grant("alice", Some(&namespace), &rules).await?;
    assert_eq!(alice.list(&jobs(&namespace)).await?, Vec::<Value>::new());
    let container = json!({"name": "pi", "image": "perl"});
    let job = json!({"metadata": {"name": "pi"},
        "spec": {"template": {"spec": {"containers": [container]}}}});
    let refused = alice.create(&jobs(&namespace), &job).await.expect_err("alice may only read");
    assert_eq!(refused.code(), Some(403), "{refused}");
    let refused = fleet.cluster("east").api_of("alice")?.list(&jobs(&namespace)).await;
    assert_eq!(refused.expect_err("the right is for north alone").code(), Some(403));
    Ok(())
}

async fn requests_are_counted(fleet: &'static Fleet) -> Result<(), Failed> {
    let (east, namespace) = (fleet.cluster("east"), fleet.namespace("audit").await?);
    let maps = format!("/api/v1/namespaces/{namespace}/configmaps");
    east.create(&maps, &json!({"metadata": {"name": "before"}})).await?;
    let mark = east.mark().await?;
    east.create(&format!("{maps}?dryRun=All"), &json!({"metadata": {"name": "dry"}})).await?;
    east.create(&maps, &json!({"metadata": {"name": "one"}})).await?;
    east.create(&maps, &json!({"metadata": {"name": "one"}}))
        .await
        .expect_err("it is there already");
    east.patch(&format!("{maps}/one"), &json!({"data": {"key": "value"}})).await?;
    let mut entries = east.requests_since(mark).await?;
    entries.retain(|entry| entry.namespace == namespace && entry.user_agent == "real");
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (entry.verb.as_str(), entry.code, entry.is_mutating()))
        .collect();
    assert_eq!(
        seen,
        [
            ("create", 201, false),
            ("create", 201, true),
            ("create", 409, true),
            ("patch", 200, true)
        ]
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.resource == "configmaps" && entry.user == real::ADMINISTRATOR)
    );
    assert_eq!(entries[3].name, "one");
    let later = east.mark().await?;
    assert!(east.requests_since(later).await?.iter().all(|entry| entry.namespace != namespace));
    Ok(())
}

async fn kubectl_uses_contexts(fleet: &'static Fleet) -> Result<(), Failed> {
    let west = fleet.cluster("west");
    let output = west.kubectl(["version", "-o", "json"]).await?;
    let version: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(version["serverVersion"]["gitVersion"], west.version().tag(), "{output:?}");
    let namespace = fleet.namespace("kubectl").await?;
    create_job(west, &namespace, json!({})).await?;
    for (context, expected) in [("west", "job.batch/pi\n"), ("east", "")] {
        let output = tokio::process::Command::new(fleet.binaries().kubectl())
            .env("KUBECONFIG", fleet.kubeconfig())
            .args(["--context", context, "-n", &namespace, "get", "jobs", "-o", "name"])
            .output()
            .await?;
        assert_eq!(String::from_utf8(output.stdout)?, expected);
    }
    let output = west.kubectl_of("bob").args(["get", "jobs", "-A"]).output().await?;
    assert!(String::from_utf8(output.stderr)?.contains("Forbidden"));
    Ok(())
}

async fn another_host(fleet: &'static Fleet) -> Result<(), Failed> {
    let host = fleet.start_host("host").await?;
    let path = "/api/v1/namespaces/kube-system";
    let (here, there) = (host.get(path).await?, fleet.cluster("east").get(path).await?);
    assert_ne!(here["metadata"]["uid"], there["metadata"]["uid"]);
    Ok(())
}

async fn freeze_and_thaw(fleet: &'static Fleet) -> Result<(), Failed> {
    let east = fleet.cluster("east").clone();
    east.freeze()?;
    let asking = {
        let east = east.clone();
        tokio::spawn(async move { east.get("/version").await })
    };
    fleet.cluster("west").get("/version").await?;
    assert!(!asking.is_finished());
    east.thaw()?;
    assert_eq!(asking.await??["gitVersion"], east.version().tag());
    Ok(())
}

async fn kill_and_revive(fleet: &'static Fleet) -> Result<(), Failed> {
    let (west, namespace) = (fleet.cluster("west"), fleet.namespace("revive").await?);
    let job = create_job(west, &namespace, json!({})).await?;
    let (uid, server) = (west.get(&job).await?["metadata"]["uid"].take(), west.server());
    west.freeze()?;
    west.kill();
    let refused = west.get(&job).await.expect_err("nobody listens");
    assert!(matches!(refused, Error::Unreachable(_)), "{refused}");
    fleet.cluster("east").get("/version").await?;
    west.revive().await?;
    assert_eq!(west.get(&job).await?["metadata"]["uid"], uid);
    assert_eq!(west.server(), server);
    west.kubelet().succeed_n(&namespace, "pi", 1).await?;
    until_condition(west, &job, "Complete").await;
    Ok(())
}

async fn controllers_stand_still(fleet: &'static Fleet) -> Result<(), Failed> {
    let (north, namespace) = (fleet.cluster("north"), fleet.namespace("still").await?);
    north.kill_controllers();
    let mark = north.mark().await?;
    let job = create_job(north, &namespace, json!({})).await?;
    north.revive_controllers()?;
    north.kubelet().succeed_n(&namespace, "pi", 1).await?;
    until_condition(north, &job, "Complete").await;
    let requests = north.requests_since(mark).await?;
    let place = |found: &dyn Fn(&real::AuditEntry) -> bool| requests.iter().position(found);
    let created = place(&|entry| entry.verb == "create" && entry.resource == "jobs");
    let back = place(&|entry| {
        entry.user == "system:kube-controller-manager"
            && entry.verb == "watch"
            && entry.resource == "jobs"
    });
    assert!(created.is_some() && created < back, "{created:?} {back:?}");
    Ok(())
}

/// Starts a fleet, its server `frozen` or not, says where its files are, and waits for a line: then
/// it panics.
fn victim(state: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let fleet = runtime.block_on(Fleet::start(&["doomed"])).expect("a fleet");
    if state == "frozen" {
        fleet.cluster("doomed").freeze().expect("a running server");
    }
    println!("{}", fleet.directory().display());
    let _ = std::io::stdin().read_line(&mut String::new());
    panic!("as asked");
}

/// Ends a program that has a fleet, and awaits that neither processes nor files are left.
fn nothing_is_left_by(
    state: &str,
    end: impl FnOnce(&mut Child) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let mut victim = Command::new(std::env::current_exe()?)
        .env(VICTIM, state)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(victim.stdout.take().ok_or("a pipe")?).read_line(&mut line)?;
    let directory = PathBuf::from(line.trim_end());
    assert!(directory.join("etcd").is_dir(), "{line}");
    let running = || processes_of(&directory);
    assert!(running()?.len() >= 2, "etcd and an API server at least: {:?}", running()?);
    end(&mut victim)?;
    let status = victim.wait()?;
    assert!(!status.success(), "{status}");
    let started = Instant::now();
    while directory.exists() || !running()?.is_empty() {
        assert!(started.elapsed() < SOON, "left behind: {line}{:?}", running()?);
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn nothing_is_left_by_kill() -> Result<(), Failed> {
    nothing_is_left_by("running", |victim| Ok(victim.kill()?))
}

/// As a terminal does it: to the whole foreground process group.
fn nothing_is_left_by_ctrl_c() -> Result<(), Failed> {
    nothing_is_left_by("frozen", |victim| {
        Ok(kill_process_group(Pid::from_child(victim), Signal::INT)?)
    })
}

fn nothing_is_left_by_a_panic() -> Result<(), Failed> {
    nothing_is_left_by("running", |victim| {
        Ok(victim.stdin.take().ok_or("a pipe")?.write_all(b"\n")?)
    })
}

/// The command lines of the components that have files in this directory.
fn processes_of(directory: &std::path::Path) -> Result<Vec<String>, Failed> {
    let output = Command::new("ps").args(["-ww", "-eo", "args"]).output()?;
    let place = format!("{}/", directory.display());
    Ok(String::from_utf8(output.stdout)?
        .lines()
        .filter(|line| line.contains(&place))
        .map(str::to_owned)
        .collect())
}
