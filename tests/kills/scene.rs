//! Clusters, processes, and what must hold once a reconcile has run.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use real::{AuditEntry, Cluster, Fleet, Mark};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OnceCell};

use crate::evidence::{self, COMPLETIONS, Ours, PARALLELISM, Recorded};

/// How long anything may take that is waited for.
pub const SOON: Duration = Duration::from_mins(1);

/// What makes the Job.
pub const CREATE: &str = "job create -f pi.yaml";
/// What deletes it together with its Jobs.
pub const DELETE: &str = "job delete pi --cascade=background";

/// All members.
pub const MEMBERS: [&str; 3] = ["east", "west", "north"];

/// Who types what is not killed.
pub const ALICE: &str = "alice";
/// Who types what is killed: by the name the servers tell his requests from hers.
pub const BOB: &str = "bob";

/// The number of the signal that nobody can catch.
const SIGKILL: i32 = 9;

/// A Job that is nobody's business.
const BYSTANDER: &str = "bystander";

/// What `init` writes, for all scenes on one fleet.
type Federation = OnceCell<String>;

/// That of the fleet without queues.
static FEDERATION: Federation = OnceCell::const_new();

/// That of the fleet with queues.
static QUEUED: Federation = OnceCell::const_new();

/// That of the fleet whose pods are scheduled together.
static GANGS: Federation = OnceCell::const_new();

/// A port that refuses connections.
const NOWHERE: &str = "https://127.0.0.1:1";

/// A namespace of the fleet's clusters, and the users' files.
pub struct Scene {
    fleet: &'static Fleet,
    /// It is one of the fleet's, or the scene's own.
    host: Cluster,
    namespace: String,
    home: TempDir,
    bystanders: Vec<Value>,
}

/// A pod that has succeeded: its cluster, and its index if its Job has indexes.
pub type Succeeded = (String, Option<u32>);

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    pub async fn new(fleet: &'static Fleet) -> Result<Self, Failed> {
        Self::of(fleet, fleet.cluster("east").clone(), &FEDERATION).await
    }

    /// With a host and a federation of its own: its members can be drained and declared lost, and
    /// nobody else loses them.
    pub async fn apart(fleet: &'static Fleet) -> Result<Self, Failed> {
        Self::of(fleet, fleet.start_host("kills").await?, &Federation::new()).await
    }

    /// On the fleet with Kueue, whose queue `team` in each cluster that has Kueue has room for so
    /// many pods.
    pub async fn queued(fleet: &'static Fleet, pods: usize) -> Result<Self, Failed> {
        let scene = Self::of(fleet, fleet.cluster("east").clone(), &QUEUED).await?;
        for cluster in ["west", "north"] {
            fleet.cluster(cluster).set_queue(&scene.namespace, "team", pods).await?;
        }
        Ok(scene)
    }

    /// On the fleet whose pods are scheduled together.
    pub async fn with_gangs(fleet: &'static Fleet) -> Result<Self, Failed> {
        Self::of(fleet, fleet.cluster("east").clone(), &GANGS).await
    }

    async fn of(
        fleet: &'static Fleet,
        host: Cluster,
        federation: &Federation,
    ) -> Result<Self, Failed> {
        let namespace = fleet.namespace("kills").await?;
        let (home, bystanders) = (tempfile::tempdir()?, Vec::new());
        let mut scene = Self { fleet, host, namespace, home, bystanders };
        if scene.clusters().len() > fleet.clusters().len() {
            let namespace = json!({"metadata": {"name": scene.namespace}});
            scene.host.create("/api/v1/namespaces", &namespace).await?;
        }
        scene.reach_all()?;
        let config = federation.get_or_try_init(|| scene.federate()).await?;
        std::fs::write(scene.home.path().join("federate.yaml"), config)?;
        scene.write("pi.yaml", &evidence::manifest("pi", PARALLELISM, COMPLETIONS))?;
        for cluster in fleet.clusters() {
            let mut job = evidence::manifest("pi", 0, 1);
            job["metadata"]["name"] = BYSTANDER.into();
            cluster.create(&scene.path("jobs"), &job).await?;
            scene.bystanders.push(scene.bystander(cluster).await?);
        }
        Ok(scene)
    }

    /// Gives the users all rights, and makes the federation.
    async fn federate(&self) -> Result<String, Failed> {
        let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
        for cluster in self.clusters() {
            for user in [ALICE, BOB] {
                cluster.grant(user, None, &everything).await?;
            }
        }
        self.must("init --context=host").await?;
        for cluster in self.fleet.clusters() {
            self.must(&format!("cluster register {}", cluster.name())).await?;
        }
        Ok(std::fs::read_to_string(self.home.path().join("federate.yaml"))?)
    }

    /// All clusters: those of the fleet, and a host that is not one of them.
    fn clusters(&self) -> Vec<&Cluster> {
        let members = self.fleet.clusters();
        let is_member = members.iter().any(|member| member.name() == self.host.name());
        members.iter().chain((!is_member).then_some(&self.host)).collect()
    }

    /// The users reach all clusters.
    pub fn reach_all(&self) -> Result<(), Failed> {
        self.write_kubeconfigs(None)
    }

    /// The users reach this cluster no more, which goes on.
    pub fn cut_off(&self, name: &str) -> Result<(), Failed> {
        self.write_kubeconfigs(Some(name))
    }

    fn write_kubeconfigs(&self, silent: Option<&str>) -> Result<(), Failed> {
        for user in [ALICE, BOB] {
            let members = self.fleet.clusters().iter();
            let mut contexts = vec![("host", &self.host, user)];
            contexts.extend(members.map(|member| (member.name(), member, user)));
            let mut config = real::kubeconfig(&contexts);
            if let Some(name) = silent {
                config = config.replace(&self.cluster(name).server(), NOWHERE);
            }
            std::fs::write(self.home.path().join(user), config)?;
        }
        Ok(())
    }

    /// A cluster of the fleet.
    pub fn cluster(&self, name: &str) -> &Cluster {
        self.fleet.cluster(name)
    }

    /// The host.
    pub fn host(&self) -> &Cluster {
        &self.host
    }

    /// Writes a manifest to a file of the user's.
    pub fn write(&self, file: &str, manifest: &Value) -> Result<(), Failed> {
        Ok(std::fs::write(self.home.path().join(file), manifest.to_string())?)
    }

    /// Lets all pods of our Jobs succeed that are there in these clusters. Says of each in which
    /// cluster it was, and its index, if its Job has indexes.
    pub async fn succeed_in(&self, clusters: &[&str]) -> Result<Vec<Succeeded>, Failed> {
        let mut succeeded = Vec::new();
        for cluster in clusters.iter().map(|name| self.cluster(name)) {
            let kubelet = cluster.kubelet();
            for job in cluster.list(&self.path("jobs")).await? {
                let name = job["metadata"]["name"].as_str().unwrap_or_default();
                if name == BYSTANDER {
                    continue;
                }
                let pods = kubelet.pods(&self.namespace, name).await?;
                for pod in pods.iter().filter(|pod| pod.is_live() && !pod.terminating) {
                    match kubelet.succeed(pod).await {
                        Ok(()) => succeeded.push((cluster.name().to_owned(), pod.index)),
                        // It was deleted meanwhile.
                        Err(real::Error::Status { code: 404, .. }) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(succeeded)
    }

    /// The pods of the Job in a cluster that have not ended.
    pub async fn pods(&self, cluster: &str) -> Result<Vec<real::Pod>, Failed> {
        let mut pods = self.cluster(cluster).kubelet().pods(&self.namespace, "pi").await?;
        pods.retain(|pod| pod.is_live() && !pod.terminating);
        Ok(pods)
    }

    /// Lets pods in these clusters succeed, and reconciles, until the whole Job is complete. Gives
    /// what has succeeded.
    pub async fn work(&self, clusters: &[&str]) -> Result<Vec<Succeeded>, Failed> {
        let succeeded = Mutex::new(Vec::new());
        real::until("pi to be complete", SOON, || async {
            let text = |error: Failed| format!("{error:?}");
            succeeded.lock().await.extend(self.succeed_in(clusters).await.map_err(text)?);
            let ran = self.run("reconcile").await.map_err(text)?;
            let records = self.records().await.map_err(text)?;
            let is_complete = records.first().is_some_and(Recorded::complete);
            if is_complete { Ok(()) } else { Err(format!("{ran:?} {records:?}")) }
        })
        .await;
        Ok(succeeded.into_inner())
    }

    /// A process that begins now.
    pub fn start(&self, user: &str, line: &str) -> Result<Child, Failed> {
        let home: &Path = self.home.path();
        let child = Command::new(env!("CARGO_BIN_EXE_kubectl-federate"))
            .args(line.split_whitespace())
            .args(["-n", &self.namespace])
            .env_clear()
            .env("HOME", home)
            .env("KUBECONFIG", home.join(user))
            .env("KUBECTL_FEDERATE_CONFIG", home.join("federate.yaml"))
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        Ok(child)
    }

    /// What a process came to that nobody kills.
    pub async fn end(&self, child: Child) -> Result<Ran, Failed> {
        let output = child.wait_with_output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ran {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    pub async fn run(&self, line: &str) -> Result<Ran, Failed> {
        self.end(self.start(ALICE, line)?).await
    }

    /// Runs a command that has to succeed.
    pub async fn must(&self, line: &str) -> Result<Ran, Failed> {
        let ran = self.run(line).await?;
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        Ok(ran)
    }

    /// How long a command takes that nobody kills.
    pub async fn time(&self, line: &str) -> Result<Duration, Failed> {
        let start = Instant::now();
        self.must(line).await?;
        Ok(start.elapsed())
    }

    /// Runs a command and kills it after that time; where it has ended before, which has to be
    /// well, says how long it lived.
    pub async fn kill_after(
        &self,
        line: &str,
        moment: Duration,
    ) -> Result<Option<Duration>, Failed> {
        self.kill_when(line, tokio::time::sleep(moment)).await
    }

    /// The same, at a moment that is awaited.
    pub async fn kill_when(
        &self,
        line: &str,
        moment: impl Future<Output = ()>,
    ) -> Result<Option<Duration>, Failed> {
        let start = Instant::now();
        let mut child = self.start(BOB, line)?;
        tokio::select! {
            _ = child.wait() => {}
            () = moment => child.start_kill()?,
        }
        let (status, life) = (child.wait().await?, start.elapsed());
        if status.signal() == Some(SIGKILL) {
            return Ok(None);
        }
        let ran = self.end(child).await?;
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        Ok(Some(life))
    }

    /// Reconciles in a new process; again, as long as a request arrived meanwhile that the killed
    /// one had sent before.
    pub async fn reconcile(&self) -> Result<(), Failed> {
        loop {
            let before = self.mark().await?;
            self.must("reconcile").await?;
            if self.mutations(&before, BOB).await?.is_empty() {
                return Ok(());
            }
        }
    }

    /// There is nothing to do: once it is recorded what the Jobs' controllers make of them, a
    /// further reconcile sends no write (G5).
    pub async fn quiet(&self) -> Result<(), Failed> {
        self.steady().await;
        self.must("reconcile").await?;
        let before = self.mark().await?;
        self.must("reconcile").await?;
        assert_eq!(self.mutations(&before, ALICE).await?, Vec::<String>::new());
        Ok(())
    }

    /// Waits until the Jobs have all their pods, or have ended.
    async fn steady(&self) {
        for cluster in self.fleet.clusters() {
            real::until("the jobs to have their pods", SOON, || async {
                let jobs =
                    cluster.list(&self.path("jobs")).await.map_err(|error| format!("{error:?}"))?;
                let moving = jobs.iter().find(|job| {
                    let status = &job["status"];
                    let active = status["active"].as_i64().unwrap_or_default();
                    !status["completionTime"].is_string() && job["spec"]["parallelism"] != active
                });
                moving.map_or(Ok(()), |job| Err(job["status"].to_string()))
            })
            .await;
        }
    }

    /// The records on the host.
    pub async fn records(&self) -> Result<Vec<Recorded>, Failed> {
        let maps = self.host.list(&self.path("configmaps")).await?;
        Ok(maps.iter().filter_map(Recorded::read).collect())
    }

    /// The Jobs in all members that carry our labels.
    pub async fn jobs(&self) -> Result<Vec<Ours>, Failed> {
        let mut all = Vec::new();
        for cluster in self.fleet.clusters() {
            let jobs = cluster.list(&self.path("jobs")).await?;
            all.extend(jobs.iter().filter_map(|job| Ours::read(cluster.name(), job)));
        }
        Ok(all)
    }

    /// One federated Job runs, divided as it was to be.
    pub async fn all_runs(&self) -> Result<Recorded, Failed> {
        Ok(evidence::all_runs(self.records().await?, &self.jobs().await?))
    }

    /// Deletes what is there; nothing is left of it.
    pub async fn gone(&self) -> Result<(), Failed> {
        if !self.records().await?.is_empty() {
            self.must(DELETE).await?;
        }
        self.nothing_left().await
    }

    /// There is no record, and no Job of ours.
    pub async fn nothing_left(&self) -> Result<(), Failed> {
        let (records, jobs) = (self.records().await?, self.jobs().await?);
        assert!(records.is_empty() && jobs.is_empty(), "{records:#?} {jobs:#?}");
        Ok(())
    }

    /// In no cluster more than one Job was made since then, and none was deleted. (A server tells
    /// of a request whose sender was killed as of one that failed, also where it did not.)
    pub async fn made_once(&self, since: &[Mark]) -> Result<(), Failed> {
        for (cluster, mark) in self.fleet.clusters().iter().zip(since) {
            let writes = self.writes(cluster, *mark).await?;
            let of_jobs = |verb: &str| {
                let of = |entry: &&AuditEntry| {
                    entry.verb == verb && entry.resource == "jobs" && entry.code < 300
                };
                writes.iter().filter(of).count()
            };
            assert!(
                of_jobs("create") <= 1 && of_jobs("delete") == 0,
                "{}: {writes:#?}",
                cluster.name()
            );
        }
        Ok(())
    }

    /// Plays the nodes to the end of all pods.
    pub async fn succeed(&self) -> Result<(), Failed> {
        for job in self.jobs().await? {
            let kubelet = self.fleet.cluster(&job.cluster).kubelet();
            kubelet.succeed_n(&self.namespace, "pi", job.completions as usize).await?;
        }
        Ok(())
    }

    /// Waits until `job get` shows that it is complete: every completion was made (G1, G9).
    pub async fn until_complete(&self) -> Result<(), Failed> {
        real::until("pi to be complete", SOON, || async {
            let ran =
                self.run("job get pi --no-headers").await.map_err(|error| format!("{error:?}"))?;
            let row = format!("{COMPLETIONS}/{COMPLETIONS}");
            let done = ran.stdout.contains("Complete") && ran.stdout.contains(&row);
            if done { Ok(()) } else { Err(format!("{ran:?}")) }
        })
        .await;
        Ok(())
    }

    /// Waits until there is a record of which this holds, or until it is gone.
    pub async fn until_record(&self, holds: impl Fn(Option<&Recorded>) -> bool) {
        real::until("the record", SOON, || async {
            let records = self.records().await.map_err(|error| format!("{error:?}"))?;
            if holds(records.first()) { Ok(()) } else { Err(format!("{records:?}")) }
        })
        .await;
    }

    /// What is not ours is as it was (G6).
    pub async fn bystanders_untouched(&self) -> Result<(), Failed> {
        for (cluster, before) in self.fleet.clusters().iter().zip(&self.bystanders) {
            assert_eq!(self.bystander(cluster).await?, *before);
        }
        Ok(())
    }

    /// The present moment in all clusters.
    pub async fn mark(&self) -> Result<Vec<Mark>, Failed> {
        let mut marks = Vec::new();
        for cluster in self.clusters() {
            marks.push(cluster.mark().await?);
        }
        Ok(marks)
    }

    /// What a user's processes have asked to change since then, and in which cluster.
    async fn mutations(&self, since: &[Mark], user: &str) -> Result<Vec<String>, Failed> {
        let mut all = Vec::new();
        for (cluster, mark) in self.clusters().into_iter().zip(since) {
            let writes =
                self.writes(cluster, *mark).await?.into_iter().filter(|entry| entry.user == user);
            all.extend(
                writes.map(|entry| format!("{}: {} {}", cluster.name(), entry.verb, entry.uri)),
            );
        }
        Ok(all)
    }

    /// What was asked to be changed in the scene's namespace since then, by whomever.
    async fn writes(&self, cluster: &Cluster, since: Mark) -> Result<Vec<AuditEntry>, Failed> {
        let mut entries = cluster.requests_since(since).await?;
        entries.retain(|entry| entry.namespace == self.namespace && entry.is_mutating());
        Ok(entries)
    }

    async fn bystander(&self, cluster: &Cluster) -> Result<Value, Failed> {
        let job = cluster.get(&format!("{}/{BYSTANDER}", self.path("jobs"))).await?;
        Ok(json!([job["metadata"]["uid"], job["metadata"]["labels"], job["spec"]]))
    }

    pub fn path(&self, resource: &str) -> String {
        let group = if resource == "jobs" { "/apis/batch/v1" } else { "/api/v1" };
        format!("{group}/namespaces/{}/{resource}", self.namespace)
    }
}
