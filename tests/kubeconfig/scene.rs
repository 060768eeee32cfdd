//! Files, an environment, and both clients run in them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::front::{AUTHORITY, Arrived, Caller, Front, Manner};

/// Our binary.
pub const OURS: &str = env!("CARGO_BIN_EXE_kubectl-federate");

static KUBECTL: LazyLock<PathBuf> = LazyLock::new(|| {
    real::available(real::Version::NEWEST).expect("asked before the first test").kubectl()
});

/// Two clusters with a registry each; `west` is a member of `east`, by the context `west`.
static CLUSTERS: LazyLock<(sim::Cluster, sim::Cluster)> = LazyLock::new(|| {
    let (east, west) = (sim::Cluster::new("east"), sim::Cluster::new("west"));
    let scene = Scene::on(&east, &west);
    scene.config(&scene.plain());
    for args in [
        &["init", "--context=west"][..],
        &["init", "--context=east"],
        &["cluster", "register", "west", "--context=east"],
    ] {
        let run = scene.ours(args);
        assert!(run.ok, "{args:?}: {run:?}");
    }
    (east, west)
});

/// What both are asked: something that is in the host, and in no other place.
const ASK_KUBECTL: [&str; 6] =
    ["get", "configmap", "federation", "-nkubectl-federate", "-o", "name"];
const ASK_US: [&str; 1] = ["version"];

/// One folder, one environment, two servers.
pub struct Scene {
    folder: TempDir,
    pub east: Front,
    pub west: Front,
    vars: BTreeMap<String, String>,
}

/// How a program ended, and what it asked of the servers.
#[derive(Debug)]
pub struct Run {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
    pub arrived: Vec<Arrived>,
}

impl Run {
    /// Who came, each once.
    pub fn callers(&self) -> BTreeSet<Caller> {
        self.arrived.iter().map(|arrived| arrived.caller.clone()).collect()
    }

    /// All that was printed.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The last line of stderr that is no hint: the error, without the log lines that kubectl
    /// writes before it, and without the advice that we write after it.
    pub fn error(&self) -> &str {
        self.stderr
            .lines()
            .rfind(|line| !line.is_empty() && !line.starts_with("hint: "))
            .unwrap_or_default()
    }

    /// The error's sentence: what kubectl introduces as an error in the configuration is an error
    /// like others for us.
    fn sentence(&self) -> &str {
        let error = self.error();
        ["Error in configuration: ", "error: "]
            .iter()
            .find_map(|word| error.strip_prefix(word))
            .unwrap_or(error)
    }
}

/// Both programs, run on the same files.
#[derive(Debug)]
pub struct Both {
    pub kubectl: Run,
    pub ours: Run,
}

impl Both {
    /// Both succeed, and to the servers they are one and the same; gives whom the servers saw.
    #[track_caller]
    pub fn agree(&self) -> BTreeSet<Caller> {
        assert!(self.kubectl.ok, "kubectl fails: {self:#?}");
        assert!(self.ours.ok, "we fail: {self:#?}");
        let callers = self.kubectl.callers();
        assert!(!callers.is_empty(), "nobody came: {self:#?}");
        assert_eq!(callers, self.ours.callers(), "{self:#?}");
        callers
    }

    /// As [`Self::agree`], where all requests are of one caller.
    #[track_caller]
    pub fn agree_on_one(&self) -> Caller {
        let callers: Vec<_> = self.agree().into_iter().collect();
        let [caller] = &callers[..] else { panic!("not one caller: {callers:#?}") };
        caller.clone()
    }

    /// Both fail, with the same sentence, which has these words; to the servers they are one and
    /// the same.
    #[track_caller]
    pub fn fail_alike(&self, words: &str) {
        assert!(!self.kubectl.ok && !self.ours.ok, "{self:#?}");
        assert_eq!(self.kubectl.sentence(), self.ours.sentence(), "{self:#?}");
        assert!(self.ours.error().contains(words), "{words:?} is not said: {self:#?}");
        assert_eq!(self.kubectl.callers(), self.ours.callers(), "{self:#?}");
    }

    /// Both fail, kubectl with the first words and we with the second; to the servers they are one
    /// and the same.
    #[track_caller]
    pub fn fail(&self, kubectl: &str, ours: &str) {
        assert!(!self.kubectl.ok && !self.ours.ok, "{self:#?}");
        assert!(
            self.kubectl.stderr.contains(kubectl),
            "kubectl does not say {kubectl:?}: {self:#?}"
        );
        assert!(self.ours.stderr.contains(ours), "we do not say {ours:?}: {self:#?}");
        assert_eq!(self.kubectl.callers(), self.ours.callers(), "{self:#?}");
    }
}

impl Scene {
    /// A scene before the clusters that all scenes share.
    pub fn new() -> Self {
        Self::on(&CLUSTERS.0, &CLUSTERS.1)
    }

    /// A scene before other clusters.
    pub fn on(east: &sim::Cluster, west: &sim::Cluster) -> Self {
        Self::with(Front::serve(east, &Manner::default()), west)
    }

    /// A scene whose host shows itself in some manner.
    pub fn in_manner(manner: &Manner<'_>) -> Self {
        Self::with(Front::serve(&CLUSTERS.0, manner), &CLUSTERS.1)
    }

    fn with(east: Front, west: &sim::Cluster) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut vars = BTreeMap::new();
        vars.insert("PATH".to_owned(), std::env::var("PATH").expect("there is a PATH"));
        vars.insert("HOME".to_owned(), folder.path().join("home").display().to_string());
        Self { east, west: Front::serve(west, &Manner::default()), folder, vars }
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file, in folders that are made.
    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    /// Writes a shell script that can be run.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.file(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("it is ours");
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    pub fn var(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.vars.insert(name.to_owned(), value.into());
        self
    }

    /// Writes what is found where neither flag nor variable names a file.
    pub fn config(&self, config: &Value) -> String {
        self.file("home/.kube/config", format!("{config:#}\n"))
    }

    /// The kubeconfig's entry of a server.
    pub fn cluster(&self, name: &str) -> Value {
        let front = if name == "west" { &self.west } else { &self.east };
        json!({"server": front.url(), "certificate-authority-data": AUTHORITY.data()})
    }

    /// Contexts `east`, the current one, and `west`, with a token each.
    pub fn plain(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "east",
            "clusters": [{"name": "east", "cluster": self.cluster("east")},
                         {"name": "west", "cluster": self.cluster("west")}],
            "users": [{"name": "east", "user": {"token": "of-east"}},
                      {"name": "west", "user": {"token": "of-west"}}],
            "contexts": [{"name": "east", "context": {"cluster": "east", "user": "east"}},
                         {"name": "west", "context": {"cluster": "west", "user": "west"}}],
        })
    }

    /// Has the current context lead to `east` with this entry of the cluster, and this one of the
    /// user.
    pub fn entries(&self, cluster: &Value, user: &Value) {
        let mut config = self.plain();
        config["clusters"][0]["cluster"] = cluster.clone();
        config["users"][0]["user"] = user.clone();
        self.config(&config);
    }

    /// Has the current context lead to `east` as this user.
    pub fn user(&self, user: &Value) {
        self.entries(&self.cluster("east"), user);
    }

    /// Runs a program in this environment and no other.
    pub fn run(&self, program: &str, args: &[&str]) -> Run {
        drop((self.east.take(), self.west.take()));
        let output = Command::new(program)
            .args(args)
            .env_clear()
            .envs(&self.vars)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("the program starts");
        let mut arrived = self.east.take();
        arrived.extend(self.west.take());
        Run {
            ok: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            arrived,
        }
    }

    pub fn ours(&self, args: &[&str]) -> Run {
        self.run(OURS, args)
    }

    pub fn kubectl(&self, args: &[&str]) -> Run {
        self.run(&KUBECTL.display().to_string(), args)
    }

    /// Has both ask the host for something, with the same flags.
    pub fn both(&self, flags: &[&str]) -> Both {
        Both {
            kubectl: self.kubectl(&[&ASK_KUBECTL, flags].concat()),
            ours: self.ours(&[&ASK_US, flags].concat()),
        }
    }

    /// The programs and the questions of [`Self::both`].
    pub fn questions() -> [(String, Vec<&'static str>); 2] {
        [(KUBECTL.display().to_string(), ASK_KUBECTL.to_vec()), (OURS.to_owned(), ASK_US.to_vec())]
    }

    /// Runs a program on a terminal of its own, where somebody types a line.
    pub fn on_terminal(&self, program: &str, args: &[&str], line: &str) -> Run {
        drop((self.east.take(), self.west.take()));
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(&self.vars).current_dir(self.folder.path());
        let mut session =
            rexpect::session::spawn_command(command, Some(60_000)).expect("a terminal");
        session.send_line(line).expect("it can be typed");
        let stdout = session.exp_eof().expect("it ends");
        let arrived = self.east.take();
        Run { ok: !arrived.is_empty(), stdout, stderr: String::new(), arrived }
    }
}
