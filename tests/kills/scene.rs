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
use tokio::sync::OnceCell;

use crate::evidence::{self, COMPLETIONS, Ours, PARALLELISM, Recorded};

/// How long anything may take that is waited for.
pub const SOON: Duration = Duration::from_mins(1);

/// What makes the Job.
pub const CREATE: &str = "job create -f pi.yaml";
/// What deletes it together with its Jobs.
pub const DELETE: &str = "job delete pi --cascade=background";

/// Who types what is not killed.
pub const ALICE: &str = "alice";
/// Who types what is killed: by the name the servers tell his requests from hers.
pub const BOB: &str = "bob";

/// The number of the signal that nobody can catch.
const SIGKILL: i32 = 9;

/// A Job that is nobody's business.
const BYSTANDER: &str = "bystander";

/// What `init` writes, for all scenes.
static FEDERATION: OnceCell<String> = OnceCell::const_new();

/// A namespace of the fleet's clusters, and a user's files.
pub struct Scene {
    fleet: &'static Fleet,
    namespace: String,
    home: TempDir,
    bystanders: Vec<Value>,
}

/// What a command came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    pub async fn new(fleet: &'static Fleet) -> Result<Self, Failed> {
        let namespace = fleet.namespace("kills").await?;
        let mut scene =
            Self { fleet, namespace, home: tempfile::tempdir()?, bystanders: Vec::new() };
        let config = FEDERATION.get_or_try_init(|| scene.federate()).await?;
        std::fs::write(scene.home.path().join("federate.yaml"), config)?;
        let manifest = evidence::manifest("pi", PARALLELISM, COMPLETIONS).to_string();
        std::fs::write(scene.home.path().join("pi.yaml"), manifest)?;
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
        for cluster in self.fleet.clusters() {
            for user in [ALICE, BOB] {
                cluster.grant(user, None, &everything).await?;
            }
        }
        self.must("init --context=east").await?;
        for cluster in self.fleet.clusters() {
            self.must(&format!("cluster register {}", cluster.name())).await?;
        }
        Ok(std::fs::read_to_string(self.home.path().join("federate.yaml"))?)
    }

    /// A process that begins now.
    pub fn start(&self, user: &str, line: &str) -> Result<Child, Failed> {
        let home: &Path = self.home.path();
        let child = Command::new(env!("CARGO_BIN_EXE_kubectl-federate"))
            .args(line.split_whitespace())
            .args(["-n", &self.namespace])
            .env_clear()
            .env("HOME", home)
            .env("KUBECONFIG", self.fleet.kubeconfig_of(user))
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
        let maps = self.host().list(&self.path("configmaps")).await?;
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
        for cluster in self.fleet.clusters() {
            marks.push(cluster.mark().await?);
        }
        Ok(marks)
    }

    /// What a user's processes have asked to change since then, and in which cluster.
    async fn mutations(&self, since: &[Mark], user: &str) -> Result<Vec<String>, Failed> {
        let mut all = Vec::new();
        for (cluster, mark) in self.fleet.clusters().iter().zip(since) {
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

    fn host(&self) -> &Cluster {
        &self.fleet.clusters()[0]
    }

    fn path(&self, resource: &str) -> String {
        let group = if resource == "jobs" { "/apis/batch/v1" } else { "/api/v1" };
        format!("{group}/namespaces/{}/{resource}", self.namespace)
    }
}
