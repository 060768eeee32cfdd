//! Where a scenario plays: clusters, a namespace of its own, and the product with a home of its
//! own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use kubectl_federate::cli::{World, run};
use kubectl_federate::print::{Captured, Output};
use libtest_mimic::Failed;
use real::Versions;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, Notify, OnceCell};

use crate::site::{Mark, Site};

/// How long anything may take that is waited for.
pub const SOON: Duration = Duration::from_mins(1);

/// The members, of which the first is the host of a federation that a scenario finds made.
pub const MEMBERS: [&str; 3] = ["east", "west", "north"];

/// The members with a queueing system, in scenarios with queues.
pub const QUEUED: [&str; 2] = ["west", "north"];

/// The host of a federation that a scenario makes.
pub const HOST: &str = "host";

/// What a scenario finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// A federation with its members, its host among them.
    Federation,
    /// No registry, and the cluster [`HOST`] beside the others.
    Nothing,
}

/// What the scenarios on one fleet share.
#[derive(Default)]
struct Shared {
    /// The host for those that begin with nothing, who take turns at it.
    host: OnceCell<Mutex<real::Cluster>>,
    /// The configuration of a user of the federation of all clusters.
    federation: OnceCell<String>,
}

impl Shared {
    fn of(versions: Versions) -> &'static Self {
        static SHARED: LazyLock<[Shared; Versions::COUNT]> = LazyLock::new(Default::default);
        &SHARED[versions as usize]
    }
}

/// The clusters, the namespace and the home of one scenario.
pub struct Stage {
    /// A namespace that no other scenario uses. It is the one of all contexts.
    pub namespace: String,
    sites: Vec<Site>,
    home: TempDir,
    _turn: Option<MutexGuard<'static, real::Cluster>>,
}

/// A command that runs beside what happens.
pub struct Running<'s> {
    stage: &'s Stage,
    world: World,
    captured: Captured,
    command: String,
}

impl Running<'_> {
    /// What it has said on stdout.
    pub fn stdout(&self) -> String {
        self.captured.stdout()
    }

    /// Runs it to its end.
    pub async fn run(&self) -> Ran {
        self.stage.run(&self.world, &self.captured, &self.command).await
    }
}

/// What a command line came to.
#[derive(Debug)]
pub struct Ran {
    /// The command line, for messages.
    #[expect(dead_code, reason = "a failing test shows it")]
    pub command: String,
    /// The exit code.
    pub code: u8,
    /// What went to stdout.
    pub stdout: String,
    /// What went to stderr.
    pub stderr: String,
}

/// Removes from a host what earlier scenarios have left there: the registry, and all records.
async fn forget_federations(host: &real::Cluster) -> Result<(), Failed> {
    let mut paths = vec!["/api/v1/namespaces/kubectl-federate/configmaps/federation".to_owned()];
    let records = "/api/v1/configmaps?labelSelector=kubectl-federate.dev/federation";
    for record in host.list(records).await? {
        let text = |field: &str| record["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        paths.push(format!("/api/v1/namespaces/{namespace}/configmaps/{name}"));
    }
    for path in paths {
        match host.delete(&path, &json!({})).await {
            Err(error) if error.code() != Some(404) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

impl Stage {
    /// On simulated clusters of its own, of the newest version.
    pub async fn simulated(setting: Setting) -> Result<Self, Failed> {
        Self::simulated_with(setting, &[]).await
    }

    /// On simulated clusters of its own, of which some are of the oldest version.
    pub async fn simulated_with(setting: Setting, oldest: &[&str]) -> Result<Self, Failed> {
        let namespace = "work".to_owned();
        let mut sites = Vec::new();
        let own_host = (setting == Setting::Nothing).then_some(HOST);
        for name in MEMBERS.into_iter().chain(own_host) {
            let is_oldest = oldest.contains(&name);
            let version = if is_oldest { sim::Version::V1_30 } else { sim::Version::default() };
            let site = Site::simulated(name, &namespace, version).await?;
            site.api
                .create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))
                .await?;
            sites.push(site);
        }
        let stage = Self::with(namespace, sites, None)?;
        if setting == Setting::Federation {
            stage.make_federation().await?;
        }
        Ok(stage)
    }

    /// On the fleet of all scenarios on clusters of these versions.
    pub async fn real(
        setting: Setting,
        versions: Versions,
        fleet: &'static real::Fleet,
    ) -> Result<Self, Failed> {
        let shared = Shared::of(versions);
        let namespace = fleet.namespace("work").await?;
        let mut sites = Vec::new();
        for name in MEMBERS {
            sites.push(Site::real(name, fleet.cluster(name), &namespace)?);
        }
        if setting == Setting::Nothing {
            let host = shared
                .host
                .get_or_try_init(async || fleet.start_host(HOST).await.map(Mutex::new))
                .await?;
            let host = host.lock().await;
            host.create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}})).await?;
            forget_federations(&host).await?;
            sites.push(Site::real(HOST, &host, &namespace)?);
            return Self::with(namespace, sites, Some(host));
        }
        let stage = Self::with(namespace, sites, None)?;
        let config = shared
            .federation
            .get_or_try_init(async || {
                stage.make_federation().await?;
                Ok::<_, Failed>(std::fs::read_to_string(stage.path("federate.yaml"))?)
            })
            .await?;
        std::fs::write(stage.path("federate.yaml"), config)?;
        Ok(stage)
    }

    fn with(
        namespace: String,
        sites: Vec<Site>,
        turn: Option<MutexGuard<'static, real::Cluster>>,
    ) -> Result<Self, Failed> {
        let stage = Self { namespace, sites, home: tempfile::tempdir()?, _turn: turn };
        let contexts: Vec<_> =
            stage.sites.iter().map(|site| (site.name.as_str(), site.name.as_str())).collect();
        stage.contexts(&contexts, "admin")?;
        Ok(stage)
    }

    async fn make_federation(&self) -> Result<(), Failed> {
        self.federate("init --context=east").await.ok();
        for member in MEMBERS {
            self.federate(&format!("cluster register {member}")).await.ok();
        }
        Ok(())
    }

    /// A cluster by its name.
    pub fn site(&self, name: &str) -> &Site {
        let site = self.sites.iter().find(|site| site.name == name);
        site.unwrap_or_else(|| panic!("there is no cluster {name}"))
    }

    /// The members.
    pub fn members(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.name != HOST)
    }

    /// Writes the kubeconfig: contexts, each with the name of the cluster that it leads to, all for
    /// this user.
    pub fn contexts(&self, contexts: &[(&str, &str)], user: &str) -> Result<(), Failed> {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let named = |name: &str, key: &str, value: Value| json!({"name": name, key: value});
        let mut config = json!({"apiVersion": "v1", "kind": "Config", "current-context": ""});
        let (mut clusters, mut users, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for (context, site) in contexts {
            let site = self.site(site);
            let cluster = json!({"server": site.link.url(),
                "certificate-authority-data": encode(&site.authority)});
            clusters.push(named(context, "cluster", cluster));
            users.push(named(context, "user", json!({"token": site.token(user)})));
            let entry = json!({"cluster": context, "user": context, "namespace": self.namespace});
            entries.push(named(context, "context", entry));
        }
        for (key, list) in [("clusters", clusters), ("users", users), ("contexts", entries)] {
            config[key] = list.into();
        }
        Ok(std::fs::write(self.path("kubeconfig"), config.to_string())?)
    }

    /// Where a file of the home is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// Writes a manifest, or several, to a file of the home.
    pub fn write(&self, file: &str, manifest: &Value) -> Result<(), Failed> {
        Ok(std::fs::write(self.path(file), manifest.to_string())?)
    }

    /// Makes a federation with these members.
    pub async fn federation_of(&self, members: &[&str]) {
        self.federate("init --context=host").await.ok();
        for member in members {
            self.federate(&format!("cluster register {member}")).await.ok();
        }
    }

    /// Runs `kubectl federate` with these words, of which those that end in `.yaml` are files of
    /// the home.
    pub async fn federate(&self, command: &str) -> Ran {
        self.federate_later(Duration::ZERO, command).await
    }

    /// The same by a clock that is fast.
    pub async fn federate_later(&self, by: Duration, command: &str) -> Ran {
        let (mut world, captured) = self.world();
        world.now = Box::new(move || Timestamp::now().checked_add(by).unwrap_or_default());
        self.run(&world, &captured, command).await
    }

    /// A command that is to run beside what happens in the clusters.
    pub fn begin(&self, command: &str) -> Running<'_> {
        let (world, captured) = self.world();
        Running { stage: self, world, captured, command: command.to_owned() }
    }

    /// Runs a command that goes on and on until what it has said on stdout satisfies a condition,
    /// then ends it as Ctrl-C does.
    pub async fn federate_until(&self, command: &str, enough: impl Fn(&str) -> bool) -> Ran {
        let (mut world, captured) = self.world();
        let ended = Arc::new(Notify::new());
        let interrupt = ended.clone();
        world.interrupt = Box::new(move || Box::pin(interrupt.clone().notified_owned()));
        let watch = async {
            real::until(&format!("enough of {command}"), SOON, || async {
                let said = captured.stdout();
                if enough(&said) { Ok(()) } else { Err(said + &captured.stderr()) }
            })
            .await;
            ended.notify_waiters();
        };
        tokio::join!(self.run(&world, &captured, command), watch).0
    }

    fn world(&self) -> (World, Captured) {
        let (output, captured) = Output::captured();
        let mut world = World::process(output);
        world.vars.clear();
        for (variable, file) in [
            ("KUBECONFIG", "kubeconfig"),
            ("KUBECTL_FEDERATE_CONFIG", "federate.yaml"),
            ("HOME", ""),
        ] {
            world.vars.insert(variable.to_owned(), self.path(file).display().to_string());
        }
        (world, captured)
    }

    async fn run(&self, world: &World, captured: &Captured, command: &str) -> Ran {
        let words = command.split_whitespace().map(|word| {
            if Path::new(word).extension().is_some_and(|extension| extension == "yaml") {
                self.path(word).into_os_string()
            } else {
                OsString::from(word)
            }
        });
        let arguments: Vec<OsString> =
            std::iter::once("kubectl-federate".into()).chain(words).collect();
        let code = run(world, &arguments).await;
        Ran {
            command: command.to_owned(),
            code,
            stdout: captured.stdout(),
            stderr: captured.stderr(),
        }
    }

    /// Writes the Job to `NAME.yaml` and creates it.
    pub async fn create(&self, job: &Value) -> Result<Ran, Failed> {
        let name = job["metadata"]["name"].as_str().unwrap_or("job");
        self.write(&format!("{name}.yaml"), job)?;
        Ok(self.federate(&format!("job create -f {name}.yaml")).await)
    }

    /// The federated Job as `job get -o json` has it.
    pub async fn get(&self, name: &str) -> Result<Value, Failed> {
        Ok(serde_json::from_str(
            &self.federate(&format!("job get {name} -o json")).await.ok().stdout,
        )?)
    }

    /// STATUS and COMPLETIONS of `job get`, whatever its exit code.
    pub async fn row(&self, name: &str) -> String {
        let ran = self.federate(&format!("job get {name} --no-headers")).await;
        let columns: Vec<_> =
            ran.stdout.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        match columns.as_slice() {
            [_, status, completions, ..] => format!("{status} {completions}"),
            _ => ran.stderr,
        }
    }

    /// Waits until `job get` shows this STATUS and these COMPLETIONS.
    pub async fn until_row(&self, name: &str, row: &str) {
        real::until(&format!("{name} to be {row}"), SOON, || async {
            let seen = self.row(name).await;
            if seen == row { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// What was given to each member that has the Job, as `CLUSTER PARALLELISM/COMPLETIONS`, where
    /// the latter are set.
    pub async fn shares(&self, name: &str) -> Result<Vec<String>, Failed> {
        let mut shares = Vec::new();
        for site in self.members() {
            if let Some(job) = site.find("jobs", name).await? {
                let spec = &job["spec"];
                let completions =
                    spec.get("completions").map_or(String::new(), |n| format!("/{n}"));
                shares.push(format!("{} {}{completions}", site.name, spec["parallelism"]));
            }
        }
        shares.sort();
        Ok(shares)
    }

    /// The ConfigMap of a federated Job on the host; none where it is forgotten.
    pub async fn record(&self, name: &str) -> Result<Option<Value>, Failed> {
        self.host().find("configmaps", &format!("{name}.federated-job")).await
    }

    /// Deletes the records of other scenarios, some of which are damaged. For a scenario that runs
    /// alone and whose commands read all namespaces.
    pub async fn delete_other_records(&self) -> Result<(), Failed> {
        let api = &self.host().api;
        for map in api.list("/api/v1/configmaps").await? {
            let part = |field: &str| map["metadata"][field].as_str().unwrap_or_default();
            let (namespace, name) = (part("namespace"), part("name"));
            if name.ends_with(".federated-job") && namespace != self.namespace {
                let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
                api.delete(&path, &json!({})).await?;
            }
        }
        Ok(())
    }

    /// The host.
    pub fn host(&self) -> &Site {
        self.sites.iter().find(|site| site.name == HOST).unwrap_or(&self.sites[0])
    }

    /// The present moment in all clusters.
    pub async fn mark(&self) -> Result<Vec<Mark>, Failed> {
        let mut marks = Vec::new();
        for site in &self.sites {
            marks.push(site.mark().await?);
        }
        Ok(marks)
    }

    /// What the product has asked to change since then, in any cluster, the host included.
    pub async fn mutations(&self, since: &[Mark]) -> Result<Vec<String>, Failed> {
        let mut all = Vec::new();
        for (site, mark) in self.sites.iter().zip(since) {
            let mutations = site.mutations(*mark).await?.into_iter();
            all.extend(mutations.map(|what| format!("{}: {what}", site.name)));
        }
        Ok(all)
    }

    /// A Job whose deletion has begun and cannot end, because the member `west` does not answer.
    pub async fn stays_in_west(&self, manifest: &Value) -> Result<&Site, Failed> {
        self.create(manifest).await?.ok();
        let west = self.site("west");
        west.link.cut().await?;
        let delete = "job delete pi --cascade=background";
        self.federate(delete).await.fails("1 cluster could not be asked");
        Ok(west)
    }

    /// A reconcile writes at most what it has seen, and another one nothing.
    pub async fn goes_quiet(&self, name: &str) -> Result<(), Failed> {
        let before = self.mark().await?;
        self.federate(&format!("reconcile {name}")).await.ok();
        let before_second = self.mark().await?;
        self.federate(&format!("reconcile {name}")).await.ok().says("unchanged");
        assert_eq!(self.mutations(&before_second).await?, Vec::<String>::new());
        let all = self.mutations(&before).await?;
        assert!(all.iter().all(|what| what.starts_with("east: patch configmaps")), "{all:?}");
        Ok(())
    }

    /// Fails if the product has asked to change anything anywhere since then, or there is a record
    /// of that name.
    pub async fn assert_nothing_of(&self, name: &str, since: &[Mark]) -> Result<(), Failed> {
        assert_eq!(self.mutations(since).await?, Vec::<String>::new());
        assert_eq!(self.record(name).await?, None);
        Ok(())
    }
}

impl Ran {
    /// Fails unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// Fails unless the command failed with exit code 1, and said this on stderr.
    #[track_caller]
    pub fn fails(self, saying: &str) -> Self {
        assert_eq!(self.code, 1, "{self:#?}");
        assert!(self.stderr.contains(saying), "{saying:?} is not in {self:#?}");
        self
    }

    /// Fails unless it said this on stdout.
    #[track_caller]
    pub fn says(self, line: &str) -> Self {
        assert!(self.stdout.contains(line), "{line:?} is not in {self:#?}");
        self
    }

    /// Fails unless it said this on stderr.
    #[track_caller]
    pub fn warns(self, line: &str) -> Self {
        assert!(self.stderr.contains(line), "{line:?} is not in {self:#?}");
        self
    }
}

/// A Job of one container: `parallelism` and `completions` as given, or unset.
pub fn job(name: &str, parallelism: Option<i32>, completions: Option<i32>) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl"}],
        }}},
    });
    for (field, count) in [("parallelism", parallelism), ("completions", completions)] {
        if let Some(count) = count {
            job["spec"][field] = count.into();
        }
    }
    job
}
