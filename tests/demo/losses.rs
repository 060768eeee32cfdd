//! The page docs/losses.md: what happens when a cluster or the records are lost half-way, on real
//! control planes.

use std::{fmt::Write as _, time::Duration};

use real::{Cluster, Fleet, Player};
use serde_json::{Value, json};

use super::{Error, Stage};

/// The page, with a place for each session.
const PAGE: &str = include_str!("losses.md");

/// The clusters; the first is the host.
const NAMES: [&str; 3] = ["east", "west", "north"];

/// How long a pod runs.
const POD: Duration = Duration::from_secs(2);

/// How long a pod would run on a node that does not know it any more: longer than the demo.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// No cluster is waited for longer than this.
const TIMEOUT: &str = "--request-timeout=2s";

/// The longest that the work of a cluster with a lease of a minute may take to move.
const LEASE_OVER: Duration = Duration::from_mins(5);

/// The page with its three sessions.
pub async fn page() -> Result<String, Error> {
    Ok(PAGE
        .replace("{{lost}}", &lost().await?)
        .replace("{{lease}}", &lease().await?)
        .replace("{{recovery}}", &recovery().await?))
}

/// A session on three control planes, in which a Job runs.
struct Session {
    fleet: Fleet,
    /// Plays the nodes of each cluster.
    players: Vec<Player>,
    directory: tempfile::TempDir,
    text: String,
}

impl Session {
    /// Registers the clusters, runs the commands, and creates a Job of 30 completions of which
    /// about half have succeeded.
    async fn half_way(mode: &str, commands: &[&str]) -> Result<Self, Error> {
        let fleet = Fleet::start(&NAMES).await?;
        let players = NAMES.map(|name| fleet.cluster(name).kubelet().play(POD));
        let directory = tempfile::tempdir()?;
        std::fs::copy(fleet.kubeconfig(), directory.path().join("kubeconfig"))?;
        let job = manifest(mode);
        std::fs::write(directory.path().join("pi.yaml"), job.to_string())?;
        let mut session = Self { fleet, players: players.into(), directory, text: String::new() };
        session.prepare("init --context=east").await?;
        for name in NAMES {
            session.prepare(&format!("cluster register {name}")).await?;
        }
        for command in commands {
            session.type_in(command).await?;
        }
        session.type_in("job create -f pi.yaml").await?;
        session.until("12/30", "job get pi").await?;
        session.type_in("job get pi").await?;
        Ok(session)
    }

    fn stage(&self) -> Stage<'_> {
        Stage { directory: self.directory.path() }
    }

    async fn prepare(&self, command: &str) -> Result<(), Error> {
        self.stage().answer(command).await.map(drop)
    }

    /// Runs a command, which may fail, and adds it and its output to the session.
    async fn type_in(&mut self, command: &str) -> Result<String, Error> {
        let (_, answer) = self.stage().ask(&format!("{command} {TIMEOUT}")).await;
        let _ = writeln!(self.text, "$ kubectl federate {command}\n{answer}");
        Ok(answer)
    }

    fn remark(&mut self, remark: &str) {
        let _ = writeln!(self.text, "# {remark}\n");
    }

    /// Repeats a command until it prints a progress that is not less.
    async fn until(&self, progress: &str, command: &str) -> Result<(), Error> {
        let least = done(progress).ok_or("no progress is given")?;
        let deadline = tokio::time::Instant::now() + LEASE_OVER;
        loop {
            let (_, answer) = self.stage().ask(&format!("{command} {TIMEOUT}")).await;
            if done(&answer).is_some_and(|done| done >= least) {
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(format!("{command} never says {progress}: {answer}").into());
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Takes the nodes of west away, has a reconcile record what each cluster has done, and kills
    /// the API server of west.
    async fn kill_west(&mut self) -> Result<(), Error> {
        drop(self.players.remove(1));
        self.remark("The nodes of west are gone. A scheduled reconcile goes on:");
        let west = self.fleet.cluster("west").clone();
        real::until("west's Job to count its pods", Duration::from_mins(1), async || {
            let (_, job) = self.stage().ask("job get pi -o json").await;
            let job: Value = serde_json::from_str(&job).map_err(|error| error.to_string())?;
            let shards = job["status"]["shards"].as_array().into_iter().flatten();
            let mut here = shards.filter(|shard| shard["cluster"] == "west");
            let counted = here.next().and_then(|shard| shard["succeeded"].as_u64()).unwrap_or(0);
            let pods = succeeded(&west).await.map_err(|error| error.to_string())?;
            if counted == pods as u64 { Ok(()) } else { Err(format!("{counted} of {pods}")) }
        })
        .await;
        self.type_in("reconcile pi").await?;
        west.kill();
        self.remark("The API server of west is killed.");
        Ok(())
    }

    /// Brings west back, with nodes that have forgotten their pods.
    async fn revive_west(&mut self) -> Result<(), Error> {
        self.remark("West is back.");
        let west = self.fleet.cluster("west");
        west.revive().await?;
        self.players.push(west.kubelet().play(FORGOTTEN));
        Ok(())
    }

    /// What the pods of all clusters have done, as kubectl counts it: 30 in all.
    async fn count_pods(&mut self) -> Result<(), Error> {
        let mut all = 0;
        let _ = writeln!(self.text, "# The pods that have succeeded, cluster by cluster:\n");
        for name in NAMES {
            let command = format!(
                "kubectl --context={name} get pods --field-selector=status.phase=Succeeded \
                 --no-headers | wc -l"
            );
            let count = succeeded(self.fleet.cluster(name)).await?;
            let _ = writeln!(self.text, "$ {command}\n{count}\n");
            all += count;
        }
        if all == 30 { Ok(()) } else { Err(format!("{all} pods have succeeded").into()) }
    }
}

/// How many pods have succeeded in a cluster.
async fn succeeded(cluster: &Cluster) -> Result<usize, Error> {
    let pods = cluster.list("/api/v1/namespaces/default/pods").await?;
    Ok(pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").count())
}

/// The number before the slash of the first word such as `12/30`.
fn done(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| word.split_once('/')?.0.parse().ok())
}

fn manifest(mode: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {
            "parallelism": 6, "completions": 30, "completionMode": mode,
            "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "pi", "image": "perl:5.34.0"}],
            }},
        },
    })
}

async fn lost() -> Result<String, Error> {
    let mut session = Session::half_way("Indexed", &[]).await?;
    session.kill_west().await?;
    session.type_in("job get pi").await?;
    session.type_in("cluster lost west --yes").await?;
    session.type_in("job wait pi --for=condition=complete --timeout=2m").await?;
    session.revive_west().await?;
    session.type_in("reconcile pi").await?;
    session.type_in("job get pi -o wide").await?;
    session.type_in("job describe pi").await?;
    session.count_pods().await?;
    Ok(session.text)
}

async fn lease() -> Result<String, Error> {
    let mut session =
        Session::half_way("NonIndexed", &["cluster lease west 1m", "cluster list -o wide"]).await?;
    session.kill_west().await?;
    session.type_in("reconcile pi").await?;
    session.remark("Two leases and a minute later, by a scheduled job:");
    let deadline = tokio::time::Instant::now() + LEASE_OVER;
    loop {
        let command = "reconcile pi";
        let (code, answer) = session.stage().ask(&format!("{command} {TIMEOUT}")).await;
        if code == 0 {
            let _ = writeln!(session.text, "$ kubectl federate {command}\n{answer}");
            break;
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("the lease is never over: {answer}").into());
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    session.type_in("job wait pi --for=condition=complete --timeout=2m").await?;
    session.revive_west().await?;
    session.type_in("reconcile pi").await?;
    session.type_in("job describe pi").await?;
    session.count_pods().await?;
    Ok(session.text)
}

/// The uid of the federation that a Job is of, for `kubectl get -o`.
const FEDERATION: &str = r"jsonpath={.metadata.labels.kubectl-federate\.dev/federation}";

async fn recovery() -> Result<String, Error> {
    let mut session = Session::half_way("NonIndexed", &[]).await?;
    let host = session.fleet.cluster("east").clone();
    let commands = ["-n kubectl-federate delete configmap federation", "delete configmap --all"];
    for command in commands {
        let output = host.kubectl(command.split(' ')).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let _ = writeln!(session.text, "$ kubectl --context=east {command}\n{said}");
    }
    session.type_in("job get pi").await?;
    session.type_in("init --context=east").await?;
    for name in NAMES {
        session.type_in(&format!("cluster register {name}")).await?;
    }
    let uid = host.kubectl(["get", "job", "pi", "-o", FEDERATION]).await?.stdout;
    let uid = String::from_utf8_lossy(&uid).into_owned();
    session.type_in(&format!("job recover --all --federation={uid} --yes")).await?;
    session.type_in("job wait pi --for=condition=complete --timeout=2m").await?;
    session.type_in("job get pi -o wide").await?;
    session.count_pods().await?;
    Ok(session.text)
}
