//! Clusters in this process, and commands that run on them as they would be typed.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kubectl_federate::cli::{World, run};
use kubectl_federate::print::{Captured, Output};
use serde_json::json;
use sim::{Cluster, User, When};
use tokio::sync::Notify;

use super::evidence::{COMPLETIONS, PARALLELISM, manifest};
use super::net::{Fate, Net, Sent};

/// The clusters; the first is the host, and a member too.
pub const CLUSTERS: [&str; 3] = ["east", "west", "north"];

/// Every token contains this, and nothing that is printed does.
const SECRET: &str = "sesame";

/// What a command came to.
#[derive(Clone, Debug)]
pub struct Ran {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

/// Clusters, and a folder with what a user has: a kubeconfig, a manifest.
pub struct Stage {
    directory: tempfile::TempDir,
    pub clusters: Vec<Cluster>,
    pub net: Arc<Net>,
}

impl Stage {
    /// Clusters of these names, with no federation.
    pub fn bare(names: &[&str]) -> Self {
        // They stand still, and do not say what time it is. What a process writes is not to be later
        // than what their controllers write afterwards.
        let start = Timestamp::now() + SignedDuration::from_hours(1);
        let build = |name: &&str| {
            let user = |user: &str| User::admin(user, format!("{SECRET}-{name}-{user}"));
            Cluster::builder(*name).starting_at(start).user(user("alice")).user(user("bob")).build()
        };
        let clusters: Vec<Cluster> = names.iter().map(build).collect();
        let directory = folder().expect("a folder");
        for user in ["alice", "bob"] {
            let each = |of: &dyn Fn(&str) -> serde_json::Value| {
                names.iter().map(|name| of(name)).collect::<Vec<_>>()
            };
            let config = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": names[0],
                "clusters": each(&|name| json!({"name": name,
                    "cluster": {"server": format!("https://{name}:6443")}})),
                "users": each(&|name| json!({"name": name,
                    "user": {"token": format!("{SECRET}-{name}-{user}")}})),
                "contexts": each(&|name| json!({"name": name, "context": {"cluster": name,
                    "user": name}})),
            });
            std::fs::write(directory.path().join(user), config.to_string()).expect("written");
        }
        let net = Net::new(&clusters);
        let stage = Self { directory, clusters, net };
        stage.size(PARALLELISM, COMPLETIONS);
        stage
    }

    /// Has the manifest ask for so much.
    pub fn size(&self, parallelism: i64, completions: i64) {
        self.manifest(&manifest("pi", parallelism, completions));
    }

    /// Has the manifest be of these Jobs.
    pub fn several(&self, names: &[&str]) {
        self.several_of(names, PARALLELISM, COMPLETIONS);
    }

    /// Has the manifest be of these Jobs, each of which asks for so much.
    pub fn several_of(&self, names: &[&str], parallelism: i64, completions: i64) {
        let jobs: Vec<_> =
            names.iter().map(|name| manifest(name, parallelism, completions)).collect();
        self.manifest(&json!({"apiVersion": "v1", "kind": "List", "items": jobs}));
    }

    /// Has the manifest be this.
    pub fn manifest(&self, manifest: &serde_json::Value) {
        std::fs::write(self.directory.path().join("pi.yaml"), manifest.to_string())
            .expect("written");
    }

    /// The three clusters, all registered.
    pub async fn federated() -> Self {
        let stage = Self::bare(&CLUSTERS);
        stage.must("init").await;
        for name in CLUSTERS {
            stage.must(&format!("cluster register {name}")).await;
        }
        stage
    }

    /// The three clusters with a Job that runs.
    pub async fn running() -> Self {
        let stage = Self::federated().await;
        stage.must(CREATE).await;
        stage
    }

    /// The file that `init` writes, of one user.
    pub fn remembered(&self, user: &str) -> std::path::PathBuf {
        self.directory.path().join(format!("{user}-federate.yaml"))
    }

    fn world(&self, user: &str) -> (World, Captured) {
        let (output, captured) = Output::captured();
        let mut world = World::process(output);
        let path = |file: &str| self.directory.path().join(file).display().to_string();
        world.vars.clear();
        world.vars.insert("KUBECONFIG".into(), path(user));
        world.vars.insert("KUBECTL_FEDERATE_CONFIG".into(), path(&format!("{user}-federate.yaml")));
        let clock = self.clusters[0].clone();
        world.now = Box::new(move || clock.now());
        world.wires = Some(self.net.wires());
        (world, captured)
    }

    /// Runs a command of a user to its end, or none where it is killed.
    pub async fn run_as(&self, user: &str, command: &str) -> Option<Ran> {
        self.run_in(self.world(user), command).await
    }

    /// Runs a command that its user ends after this time.
    pub async fn interrupted_after(&self, patience: Duration, command: &str) -> Ran {
        let (mut world, captured) = self.world("alice");
        world.interrupt = Box::new(move || Box::pin(tokio::time::sleep(patience)));
        self.run_in((world, captured), command).await.expect("nobody kills it")
    }

    async fn run_in(&self, (world, captured): (World, Captured), command: &str) -> Option<Ran> {
        let words = command.split_whitespace().map(|word| match word {
            "pi.yaml" => self.directory.path().join(word).into_os_string(),
            word => word.into(),
        });
        let args: Vec<OsString> = std::iter::once("kubectl-federate".into()).chain(words).collect();
        let code = tokio::select! {
            code = run(&world, &args) => Some(code),
            () = self.net.killed.notified() => None,
        };
        let ran = Ran {
            code: code.unwrap_or_default(),
            stdout: captured.stdout(),
            stderr: captured.stderr(),
        };
        presentable(command, &ran);
        code.map(|_| ran)
    }

    /// Runs a command that nobody kills.
    pub async fn run(&self, command: &str) -> Ran {
        let ran = self.run_as("alice", command).await;
        ran.unwrap_or_else(|| {
            panic!("{command} does not end: {:?}", self.net.witness(|w| w.broken().to_vec()))
        })
    }

    /// Runs a command that has to succeed.
    pub async fn must(&self, command: &str) -> Ran {
        let ran = self.run(command).await;
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        ran
    }

    /// Runs a command and kills it at a request, if it sends so many; says which it was.
    pub async fn kill(&self, command: &str, at: usize, when: When) -> Option<Sent> {
        self.struck(command, at, Fate::Kill(when)).await
    }

    /// Runs a command and kills it at a request, which it has to send.
    pub async fn must_kill(&self, command: &str, at: usize, when: When) -> Sent {
        let sent = self.kill(command, at, when).await;
        sent.unwrap_or_else(|| panic!("{command} is over before request {at}"))
    }

    /// Begins to create the Job and kills that before a request: the record is there, and some Jobs
    /// do not run.
    pub async fn half_create(&self, at: usize) {
        self.must_kill(CREATE, at, When::Before).await;
        let running = self.jobs().iter().filter(|job| !job.suspended).count();
        assert!(!self.records().is_empty() && running < CLUSTERS.len(), "{:#?}", self.jobs());
    }

    /// Runs a command and kills it at a request, if it sends so many; the request arrives when the
    /// signal is given.
    pub async fn kill_with_request_on_its_way(
        &self,
        command: &str,
        at: usize,
        signal: &Arc<Notify>,
    ) -> Option<Sent> {
        self.struck(command, at, Fate::KillAndHold(signal.clone())).await
    }

    async fn struck(&self, command: &str, at: usize, fate: Fate) -> Option<Sent> {
        self.net.watch(move |sent, _| if sent.number == at { fate.clone() } else { Fate::Pass });
        let ran = self.run_as("alice", command).await;
        // What was sent beside that request arrives, whoever has sent it.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let sent = self.net.sent();
        self.net.heal();
        match ran {
            Some(_) => None,
            None => sent.get(at).cloned(),
        }
    }
}

/// A folder in memory, where there is one: `init` waits for the disk to have its file, which
/// thousands of stages would wait for too.
fn folder() -> std::io::Result<tempfile::TempDir> {
    match Path::new("/dev/shm") {
        memory if memory.is_dir() => tempfile::tempdir_in(memory),
        _ => tempfile::tempdir(),
    }
}

/// What makes the Job.
pub const CREATE: &str = "job create -f pi.yaml";

/// What every command owes the one who reads it: no secret, no Debug dump, nothing that a terminal
/// acts on, no other exit code than kubectl's.
fn presentable(command: &str, ran: &Ran) {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    let harms = |c: char| c == '\u{202e}' || (c.is_control() && c != '\n' && c != '\t');
    assert!(!text.contains(harms), "{command} prints control characters: {text:?}");
    assert!(!text.contains(SECRET), "{command} tells a token: {text}");
    assert!(matches!(ran.code, 0 | 1 | 130), "{command} exits with {}: {text}", ran.code);
    assert!(ran.code != 1 || !ran.stderr.trim().is_empty(), "{command} fails without a word");
    for dump in
        ["Some(", "Err(", "Ok(", "None,", " { cluster:", "Custom {", "Os {", "Kind(", "Status {"]
    {
        assert!(!text.contains(dump), "{command} dumps {dump:?}: {text}");
    }
}
