//! A user's surroundings: clusters, contexts, a home directory, a clock; and the transcript of what
//! was typed and answered.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use kubectl_federate::{
    cli::{World, run},
    cluster::transport::wire,
    print::Output,
};
use serde_json::{Value, json};
use sim::{Access, CONFIG_MAPS, Cluster, User};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::by_flags;

/// The user who may do everything.
const ADMINISTRATOR: &str = "admin";

/// The token of a user. The product masks it in whatever a server says, and not the name.
fn token(user: &str) -> String {
    format!("sesame-{user}")
}

/// When every transcript begins.
const BEGINNING: &str = "2026-01-01T12:00:00Z";

/// What is not the same from run to run, and what stands for it.
const FILTERS: [(&str, &str); 7] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[uid]"),
    (r#""resourceVersion": "\d+""#, r#""resourceVersion": "[n]""#),
    (r"since 2026-01-01T[0-9:]+Z: ", "since [time]: "),
    (r"(kubectl-federate-edit-)[[:alnum:]]{6}", "$1[random]"),
    // What the tests were built with, and for.
    (r#"(compiler"?: "?)rustc [^"\n]*"#, "$1[compiler]"),
    (r#"(platform"?: "?)(?:linux|darwin)/[a-z0-9]+"#, "$1[platform]"),
    (r"\b(pi-)[bcdfghjklmnpqrstvwxz2456789]{5}\b", "$1[suffix]"),
];

/// A cluster, as what happens in it is played.
#[derive(Clone)]
struct Site {
    cluster: Cluster,
}

impl Site {
    fn succeed(&self, job: &str, pods: usize) {
        let mut left = pods;
        while left > 0 {
            self.cluster.settle();
            let done = self.cluster.succeed_pods("default", job, left);
            assert!(done > 0, "no pods left to succeed");
            left -= done;
        }
        self.cluster.settle();
    }
}

/// Clusters `east`, `west`, `north` and `spare` with a context each, and a user who types commands.
pub struct Stage {
    /// The flags that each typed command gets, where nothing else leads to the clusters.
    flags: &'static [&'static str],
    home: tempfile::TempDir,
    sites: BTreeMap<String, Site>,
    vars: BTreeMap<String, String>,
    now: Arc<Mutex<Timestamp>>,
    stdin: Vec<u8>,
    patience: Option<Duration>,
    events: Mutex<Vec<JoinHandle<()>>>,
    transcript: String,
}

/// What happens in a cluster while a command runs.
pub enum Event {
    /// So many pods of a Job succeed.
    Succeed(&'static str, usize),
    /// A pod of a Job fails.
    Fail(&'static str),
    /// Its server goes away.
    Down,
    /// Its server is back.
    Up,
}

/// What a user may do.
pub type May = fn(&Access) -> bool;

impl Stage {
    /// The clusters, empty, and a kubeconfig of which `east` is the current context.
    pub fn new() -> Self {
        Self::with_users(&[])
    }

    /// The same, with users of every cluster beside the administrator: `USER@CLUSTER` is a context
    /// of each.
    pub fn with_users(users: &[(&str, May)]) -> Self {
        Self::of(&["east", "west", "north", "spare"], users)
    }

    /// Clusters of these names with a context each, the first of which is the current one.
    pub fn of(names: &[&str], users: &[(&str, May)]) -> Self {
        let now: Timestamp = BEGINNING.parse().expect("a timestamp");
        let mut sites = BTreeMap::new();
        for (seed, name) in (1..).zip(names) {
            let mut cluster = Cluster::builder(*name).seed(seed).starting_at(now);
            cluster = cluster.user(User::admin(ADMINISTRATOR, token(ADMINISTRATOR)));
            for (user, may) in users {
                cluster = cluster.user(User::new(*user, token(user), *may));
            }
            sites.insert((*name).to_owned(), Site { cluster: cluster.build() });
        }
        let home = tempfile::tempdir().expect("a directory for files");
        let vars = [("HOME".to_owned(), home.path().display().to_string())].into();
        let stage = Self {
            flags: by_flags::now(),
            home,
            sites,
            vars,
            now: Arc::new(Mutex::new(now)),
            stdin: Vec::new(),
            patience: None,
            events: Mutex::default(),
            transcript: String::new(),
        };
        let users: Vec<_> = users.iter().map(|(user, _)| *user).collect();
        stage.write(".kube/config", &stage.kubeconfig(names[0], &users).to_string());
        stage
    }

    /// With `east`, `west` and `north` registered.
    pub async fn federation() -> Self {
        let mut stage = Self::new();
        stage.federate(["east", "west", "north"]).await;
        stage
    }

    /// Makes `east` the host, and the clusters members.
    pub async fn federate(&mut self, members: impl IntoIterator<Item = &str>) {
        self.quietly("init").await;
        for member in members {
            self.quietly(&format!("cluster register {member}")).await;
        }
    }

    /// The same transcript, goes on with a new federation of new clusters.
    pub async fn anew(self) -> Self {
        Self { transcript: self.transcript, ..Self::federation().await }
    }

    pub fn kubeconfig(&self, current: &str, users: &[&str]) -> Value {
        let mut config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": current,
            "clusters": [], "users": [{ "name": "stranger", "user": { "token": "s3cret" } }],
            "contexts": [],
        });
        let mut add =
            |list: &str, entry: Value| config[list].as_array_mut().expect("a list").push(entry);
        for name in self.sites.keys() {
            add(
                "clusters",
                json!({
                    "name": name,
                    "cluster": { "server": format!("https://{name}.example.com") }
                }),
            );
            let context = |user: &str| json!({ "cluster": name, "user": user });
            add("contexts", json!({ "name": name, "context": context(ADMINISTRATOR) }));
            for user in users.iter().chain(&["stranger"]) {
                add(
                    "contexts",
                    json!({ "name": format!("{user}@{name}"), "context": context(user) }),
                );
            }
        }
        for user in users.iter().chain(&[ADMINISTRATOR]) {
            add("users", json!({ "name": user, "user": { "token": token(user) } }));
        }
        config
    }

    /// A cluster by its name.
    pub fn cluster(&self, name: &str) -> &Cluster {
        &self.sites[name].cluster
    }

    /// Takes a cluster's server away, or brings it back.
    pub fn set_down(&self, name: &str, down: bool) {
        let cluster = self.cluster(name);
        if down { cluster.go_away() } else { cluster.come_back() }
    }

    /// Lets time go by, in which controllers work.
    pub fn pass(&self, time: Duration) {
        for site in self.sites.values() {
            site.cluster.advance(time);
        }
        let mut now = self.now.lock().expect("a clock");
        *now = now.checked_add(time).expect("not the end of time");
    }

    /// Has the clusters' controllers work while commands wait.
    pub fn work_beside(&self) {
        let clusters: Vec<_> = self.sites.values().map(|site| site.cluster.clone()).collect();
        tokio::spawn(async move {
            loop {
                clusters.iter().for_each(Cluster::settle);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }

    /// Lets time go by while commands wait, by the clocks of the clusters and of the user alike.
    pub fn let_time_pass(&self) {
        const TICK: Duration = Duration::from_millis(500);
        let clusters: Vec<_> = self.sites.values().map(|site| site.cluster.clone()).collect();
        let now = self.now.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                for cluster in &clusters {
                    cluster.advance(TICK);
                }
                let mut now = now.lock().expect("a clock");
                *now = now.checked_add(TICK).expect("not the end of time");
            }
        });
    }

    /// Has something happen in a cluster, so long from now.
    pub fn later(&self, after: Duration, cluster: &str, event: Event) {
        let site = self.sites[cluster].clone();
        let event = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            match event {
                Event::Succeed(job, pods) => site.succeed(job, pods),
                Event::Fail(job) => {
                    assert_eq!(site.cluster.fail_pods("default", job, 1), 1, "a pod fails");
                }
                Event::Down => site.cluster.go_away(),
                Event::Up => site.cluster.come_back(),
            }
        });
        self.events.lock().expect("a list").push(event);
    }

    /// Has the Job `pi` fail: more of its pods fail than its backoffLimit allows.
    pub async fn fail(&mut self) {
        for site in self.sites.values() {
            site.cluster.settle();
            site.cluster.fail_pods("default", "pi", 3);
            site.cluster.settle();
        }
        self.work_beside();
        for _ in 0..2 {
            self.quietly("reconcile pi").await;
        }
    }

    /// Has the user end each command that takes longer.
    pub fn interrupts_after(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    /// Sets an annotation of a ConfigMap in `east`, or removes it where the value is null; gives
    /// the one that was there.
    pub async fn annotate(&self, config_map: (&str, &str), key: &str, value: &Value) -> Value {
        let (namespace, name) = config_map;
        let before = self.cluster("east").get(&CONFIG_MAPS, namespace, name).expect("it is there");
        let change = json!({ "metadata": { "annotations": { key: value } } });
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        self.request("east", "PATCH", &path, Some(&change)).await;
        before["metadata"]["annotations"][key].clone()
    }

    /// Deletes a Job in a cluster as somebody would who knows of no federation.
    pub async fn delete(&self, cluster: &str, job: &str) {
        let jobs = "/apis/batch/v1/namespaces/default/jobs";
        let path = format!("{jobs}/{job}?propagationPolicy=Background");
        self.request(cluster, "DELETE", &path, None).await;
        self.cluster(cluster).settle();
    }

    /// Sends a request to a cluster as its administrator. It must succeed; gives the answer. A
    /// PATCH is a merge patch.
    pub async fn request(
        &self,
        cluster: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Value {
        let kind =
            if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {}", token(ADMINISTRATOR)))
            .header("Content-Type", kind)
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        let response = self.cluster(cluster).service().oneshot(request).await.expect("it is there");
        let status = response.status();
        let answer = response.into_body().collect().await.expect("a body").to_bytes();
        assert!(status.is_success(), "{method} {path}: {status}: {answer:?}");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// Has so many pods of a Job in a cluster succeed.
    pub fn succeed(&self, cluster: &str, job: &str, pods: usize) {
        self.sites[cluster].succeed(job, pods);
    }

    /// A file in the home directory.
    pub fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// Writes a file in the home directory.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.path(by_flags::place(file, self.flags));
        fs::create_dir_all(path.parent().expect("it is in the home directory"))
            .expect("a directory");
        fs::write(path, text).expect("a file that can be written");
    }

    /// Writes a file of the home directory into the transcript.
    pub fn shows(&mut self, file: &str) {
        let text = fs::read_to_string(self.path(file)).expect("a file that is there");
        for line in text.lines() {
            let _ = writeln!(self.transcript, "{}", format!("{file} | {line}").trim_end());
        }
        self.transcript.push('\n');
    }

    /// Sets an environment variable; an empty value counts as none. `~` is the home directory.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = value.replace('~', &self.home.path().display().to_string());
        self.vars.insert(name.to_owned(), value);
    }

    /// What the next command finds on standard input.
    pub fn piped(&mut self, text: &str) -> &mut Self {
        self.stdin = text.into();
        self
    }

    /// Writes a heading into the transcript.
    pub fn about(&mut self, text: &str) -> &mut Self {
        let _ = writeln!(self.transcript, "# {text}");
        self
    }

    /// Runs a command line that must succeed, for what it does; it is not in the transcript.
    pub async fn quietly(&mut self, command: &str) {
        let (code, stdout, stderr) = self.run(command, None).await;
        assert_eq!(code, 0, "{command}\n{stdout}\n{stderr}");
    }

    /// Types a command without a terminal. A word in single quotes may have blanks, `~` is the home
    /// directory.
    pub async fn types(&mut self, command: &str) {
        self.show(command, None).await;
    }

    /// Types a command on a terminal, and answers what it asks.
    pub async fn answers(&mut self, command: &str, answer: &str) {
        self.show(command, Some(answer)).await;
    }

    async fn show(&mut self, command: &str, answer: Option<&str>) {
        let (code, stdout, stderr) = self.run(command, answer).await;
        let text = &mut self.transcript;
        let _ = writeln!(text, "{}", format!("$ kubectl federate {command}").trim_end());
        for (stream, said) in [("stdout", stdout), ("stderr", stderr)] {
            // A terminal shows what is typed after a question.
            let said = with_answers(&said, answer.unwrap_or_default());
            for line in said.lines() {
                let _ = writeln!(text, "{}", format!("{stream} | {line}").trim_end());
            }
            assert!(
                said.is_empty() || said.ends_with('\n'),
                "the last line of {stream} has no end: {said}"
            );
        }
        let _ = writeln!(text, "exit {code}\n");
    }

    /// Runs a command line, with the flags that lead to the clusters where nothing else does; gives
    /// its exit code, stdout and stderr.
    pub async fn run(&mut self, command: &str, answer: Option<&str>) -> (u8, String, String) {
        let line = by_flags::completed(command, self.flags);
        self.run_exactly(&line, answer).await
    }

    /// Runs a command line as it is; gives its exit code, stdout and stderr.
    pub async fn run_exactly(
        &mut self,
        command: &str,
        answer: Option<&str>,
    ) -> (u8, String, String) {
        let (output, captured) = Output::captured();
        let output = if let Some(answer) = answer { output.answering(answer) } else { output };
        let mut world = World::process(output);
        world.vars = self.vars.clone();
        world.stdin = Mutex::new(Box::new(io::Cursor::new(std::mem::take(&mut self.stdin))));
        let now = self.now.clone();
        world.now = Box::new(move || *now.lock().expect("a clock"));
        if let Some(patience) = self.patience {
            world.interrupt = Box::new(move || Box::pin(tokio::time::sleep(patience)));
        }
        let sites = self.sites.clone();
        world.wires = Some(Arc::new(move |endpoint| {
            let site =
                endpoint.host().strip_suffix(".example.com").and_then(|name| sites.get(name));
            // A connection may last longer than its server is there.
            match site.cloned() {
                Some(site) => wire(site.cluster.service()),
                None => wire(tower::service_fn(refuse)),
            }
        }));
        let home = self.home.path().display().to_string();
        // What was shown of the home directory is pasted.
        let command = command.replace("/home/jane/", &format!("{home}/"));
        let args = words(&command.replace('~', &home)).into_iter().map(OsString::from);
        let args: Vec<_> = std::iter::once("kubectl-federate".into()).chain(args).collect();
        let code = Box::pin(run(&world, &args)).await;
        let here = std::env::current_dir().expect("a directory").display().to_string();
        let shown =
            |text: String| text.replace(&home, "/home/jane").replace(&here, "/home/jane/jobs");
        (code, shown(captured.stdout()), shown(captured.stderr()))
    }

    /// Compares the transcript with the recorded one.
    pub fn end(self, name: &str) {
        for event in self.events.into_inner().expect("a list") {
            event.now_or_never().expect("it has happened").expect("it could happen");
        }
        let mut settings = insta::Settings::new();
        settings
            .set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        for (varies, stands) in FILTERS {
            settings.add_filter(varies, stands);
        }
        settings.bind(|| insta::assert_snapshot!(name, self.transcript));
    }
}

/// What was said, with the lines of the answer after the questions.
fn with_answers(said: &str, answer: &str) -> String {
    let mut lines = answer.lines();
    let mut shown = String::new();
    for piece in said.split_inclusive("CANCEL] ") {
        shown.push_str(piece);
        if piece.ends_with("CANCEL] ")
            && let Some(line) = lines.next()
        {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    shown
}

async fn refuse<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, io::Error> {
    Err(io::ErrorKind::ConnectionRefused.into())
}

/// The words of a command line, as a shell would find them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in command.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
