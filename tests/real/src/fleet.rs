//! Several clusters on one etcd.

use crate::binaries::{Binaries, Unavailable, Version, available};
use crate::cluster::{Cluster, Purpose, Settings};
use crate::error::{Error, during};
use crate::kubeconfig::kubeconfig;
use crate::kueue::Managed;
use crate::load::Load;
use crate::process::{Process, free_port, lost_its_port, random};
use crate::secrets::ADMINISTRATOR;
use crate::watchdog::Watchdog;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use tokio::net::TcpStream;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::task::JoinSet;

const PORTS: usize = 5;

/// Clusters with their processes and files.
///
/// All of it ends when the fleet is dropped, and also when the process ends in any other way, by a
/// panic, Ctrl-C or `kill -9`, or with the fleet in a `static`: a watchdog of its own sees that the
/// process is gone.
#[derive(Debug)]
pub struct Fleet {
    // Declared, and so dropped, before the watchdog that removes their files.
    clusters: Vec<Cluster>,
    _etcd: Process,
    settings: FleetSettings,
    turn: RwLock<()>,
    watchdog: Watchdog,
}

/// What is the same for all clusters of a fleet.
#[derive(Debug)]
struct FleetSettings {
    users: Vec<String>,
    binaries: Binaries,
    etcd: String,
    /// Feature gates and APIs, as the flags of the components have them.
    gates: Option<String>,
    apis: Option<String>,
    purpose: Purpose,
    audited: bool,
}

/// What a fleet shall be made of.
#[derive(Debug, Clone)]
pub struct FleetBuilder {
    version: Version,
    clusters: Vec<(String, Version)>,
    kueue: Vec<(String, Managed)>,
    users: Vec<String>,
    gates: Option<String>,
    apis: Option<String>,
    purpose: Purpose,
    audited: bool,
}

impl FleetBuilder {
    /// Adds a cluster of the fleet's version. Its name is its context's in the kubeconfigs, and a
    /// DNS label.
    #[must_use]
    pub fn cluster(self, name: &str) -> Self {
        let version = self.version;
        self.cluster_at(name, version)
    }

    /// As [`FleetBuilder::cluster`], of another version.
    #[must_use]
    pub fn cluster_at(mut self, name: &str, version: Version) -> Self {
        self.clusters.push((name.to_owned(), version));
        self
    }

    /// Installs Kueue in a cluster that was added before.
    #[must_use]
    pub fn kueue(mut self, name: &str, managed: Managed) -> Self {
        self.kueue.push((name.to_owned(), managed));
        self
    }

    /// Sets feature gates of all clusters, as `--feature-gates` has them.
    #[must_use]
    pub fn gates(mut self, gates: &str) -> Self {
        self.gates = Some(gates.to_owned());
        self
    }

    /// Serves further APIs in all clusters, as `--runtime-config` has them.
    #[must_use]
    pub fn apis(mut self, apis: &str) -> Self {
        self.apis = Some(apis.to_owned());
        self
    }

    /// Has the API servers keep no audit log, which costs them time. What was asked of them cannot
    /// be told then.
    #[must_use]
    pub fn unaudited(mut self) -> Self {
        self.audited = false;
        self
    }

    /// Makes clusters in which objects are kept and no Jobs run, for other API servers behind
    /// theirs.
    #[must_use]
    pub(crate) fn for_objects(mut self) -> Self {
        self.purpose = Purpose::Objects;
        self
    }

    /// Adds a user without rights (in group `limited`) to every cluster, for [`Cluster::grant`].
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.users.push(name.to_owned());
        self
    }

    /// Finds or builds the binaries, and starts everything at once. Returns when all API servers
    /// are ready.
    pub async fn start(self) -> Result<Fleet, Error> {
        let versions: BTreeSet<Version> =
            self.clusters.iter().map(|(_, version)| *version).chain([self.version]).collect();
        let find =
            || versions.into_iter().map(|version| Ok((version, available(version)?))).collect();
        let found =
            tokio::task::spawn_blocking(find).await.map_err(during("look for the binaries"))?;
        let found: Result<BTreeMap<Version, Binaries>, Unavailable> = found;
        let binaries = found.map_err(during("there are no control planes"))?;
        let watchdog = Watchdog::start()?;
        let (etcd, url) = start_etcd(&binaries[&self.version], &watchdog).await?;
        let settings = FleetSettings {
            users: self.users,
            binaries: binaries[&self.version].clone(),
            etcd: url,
            gates: self.gates,
            apis: self.apis,
            purpose: self.purpose,
            audited: self.audited,
        };
        let mut starting = JoinSet::new();
        for (place, (name, version)) in self.clusters.into_iter().enumerate() {
            let settings = cluster_settings(&settings, &watchdog, &name, &binaries[&version], true);
            starting.spawn(async move { (place, Cluster::start(settings).await) });
        }
        let mut clusters = Vec::new();
        for (place, cluster) in starting.join_all().await {
            clusters.push((place, cluster?));
        }
        clusters.sort_by_key(|(place, _)| *place);
        let clusters = clusters.into_iter().map(|(_, cluster)| cluster).collect();
        let fleet = Fleet { clusters, _etcd: etcd, settings, turn: RwLock::new(()), watchdog };
        fleet.write_kubeconfigs()?;
        let mut starting = JoinSet::new();
        for (name, managed) in self.kueue {
            let cluster = fleet.cluster(&name).clone();
            starting.spawn(async move { cluster.start_kueue(managed).await });
        }
        starting.join_all().await.into_iter().collect::<Result<(), Error>>()?;
        Ok(fleet)
    }
}

impl Fleet {
    /// Starts clusters of these names, of the newest version, with no users but the administrator.
    pub async fn start(names: &[&str]) -> Result<Self, Error> {
        names
            .iter()
            .fold(Self::builder(Version::NEWEST), |builder, name| builder.cluster(name))
            .start()
            .await
    }

    /// A fleet of nothing yet. The version is that of clusters for which no other is named, and of
    /// hosts ([`Fleet::start_host`]).
    pub fn builder(version: Version) -> FleetBuilder {
        FleetBuilder {
            version,
            clusters: Vec::new(),
            kueue: Vec::new(),
            users: Vec::new(),
            gates: None,
            apis: None,
            purpose: Purpose::Jobs,
            audited: true,
        }
    }

    /// All clusters, in the order in which they were named.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// A cluster by its name.
    ///
    /// # Panics
    ///
    /// Where the fleet has no such cluster.
    pub fn cluster(&self, name: &str) -> &Cluster {
        let found = self.clusters.iter().find(|cluster| cluster.name() == name);
        found.unwrap_or_else(|| panic!("this fleet has no cluster {name}"))
    }

    /// The kubeconfig of the administrator: one context for each cluster, by its name; the first is
    /// the current one.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of(ADMINISTRATOR)
    }

    /// The kubeconfig of a user, with the same contexts.
    pub fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.directory().join(format!("kubeconfig-{user}.yaml"))
    }

    /// The folder of the fleet's files: kubeconfigs, etcd's log and data, and a folder for each
    /// cluster. It is removed with the fleet.
    pub fn directory(&self) -> &Path {
        self.watchdog.directory()
    }

    /// The binaries of the fleet's version. A cluster may be of another: [`Cluster::version`].
    pub fn binaries(&self) -> &Binaries {
        &self.settings.binaries
    }

    /// Creates a namespace of a name that no other test has, in all clusters, and returns the name:
    /// the prefix and some digits.
    pub async fn namespace(&self, prefix: &str) -> Result<String, Error> {
        let name = format!("{prefix}-{:08x}", random() as u32);
        for cluster in &self.clusters {
            cluster.create("/api/v1/namespaces", &json!({"metadata": {"name": name}})).await?;
        }
        Ok(name)
    }

    /// Starts one more API server of the fleet's version, without controllers, for a test that
    /// needs a host cluster of its own. It is in none of the fleet's kubeconfigs (see
    /// [`kubeconfig`](crate::kubeconfig())) and ends when its last clone is dropped.
    pub async fn start_host(&self, prefix: &str) -> Result<Cluster, Error> {
        let name = format!("{prefix}-{:08x}", random() as u32);
        let settings = &self.settings;
        Cluster::start(cluster_settings(settings, &self.watchdog, &name, &settings.binaries, false))
            .await
    }

    /// What all processes of the fleet take: etcd, and those of the clusters. Fails where the
    /// system does not tell it as Linux does.
    pub fn load(&self) -> Result<Load, Error> {
        Load::of_group(self.group())
    }

    /// The process group that all processes of the fleet are in.
    pub(crate) fn group(&self) -> i32 {
        self.watchdog.group()
    }

    /// The URL of etcd.
    pub(crate) fn etcd(&self) -> &str {
        &self.settings.etcd
    }

    /// Waits for its turn to use the fleet together with others, by namespaces.
    pub async fn together(&self) -> RwLockReadGuard<'_, ()> {
        self.turn.read().await
    }

    /// Waits for its turn to have the fleet alone: for tests that freeze or kill a cluster, or that
    /// use what there is only one of.
    pub async fn exclusive(&self) -> RwLockWriteGuard<'_, ()> {
        self.turn.write().await
    }

    fn write_kubeconfigs(&self) -> Result<(), Error> {
        let users = self.settings.users.iter().map(String::as_str);
        for user in [ADMINISTRATOR].into_iter().chain(users) {
            let contexts: Vec<_> =
                self.clusters.iter().map(|cluster| (cluster.name(), cluster, user)).collect();
            std::fs::write(self.kubeconfig_of(user), kubeconfig(&contexts))
                .map_err(during("write a kubeconfig"))?;
        }
        Ok(())
    }
}

fn cluster_settings(
    fleet: &FleetSettings,
    watchdog: &Watchdog,
    name: &str,
    binaries: &Binaries,
    with_controllers: bool,
) -> Settings {
    Settings {
        name: name.to_owned(),
        users: fleet.users.clone(),
        binaries: binaries.clone(),
        directory: watchdog.directory().join(name),
        etcd: fleet.etcd.clone(),
        gates: fleet.gates.clone(),
        apis: fleet.apis.clone(),
        group: watchdog.group(),
        with_controllers,
        purpose: fleet.purpose,
        audited: fleet.audited,
    }
}

/// Starts etcd, and returns it with its URL when it accepts connections.
async fn start_etcd(binaries: &Binaries, watchdog: &Watchdog) -> Result<(Process, String), Error> {
    let mut tried = 1;
    loop {
        match try_etcd(binaries, watchdog).await {
            Err(error) if tried < PORTS && lost_its_port(&error) => tried += 1,
            outcome => return outcome,
        }
    }
}

async fn try_etcd(binaries: &Binaries, watchdog: &Watchdog) -> Result<(Process, String), Error> {
    let (port, peers) = (free_port()?, free_port()?);
    let (url, peer_url) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let arguments = [
        format!("--data-dir={}", watchdog.directory().join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer_url}"),
        format!("--initial-advertise-peer-urls={peer_url}"),
        format!("--initial-cluster=default={peer_url}"),
        // What is here is gone after the test anyway.
        "--unsafe-no-fsync".to_owned(),
    ];
    let log = watchdog.directory().join("etcd.log");
    let mut etcd = Process::start(&binaries.etcd(), &arguments, &log, watchdog.group())?;
    let connect = || async {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    etcd.until_ready("etcd", connect).await?;
    Ok((etcd, url))
}
