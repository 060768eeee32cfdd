//! The binaries of each version of Kubernetes: found, or built once from the Go module that pins
//! them.

use crate::error::{Error, during};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Names a directory of binaries that were built elsewhere, with a folder for each version:
/// `v1.36.3`, `v1.30.14`.
const ELSEWHERE: &str = "KUBECTL_FEDERATE_CONTROL_PLANES";

/// What a cluster consists of, in every version: the names of the files, and the packages that they
/// are built from.
const SERVERS: [(&str, &str); 2] = [
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
];

/// What all clusters share, of the newest version.
const TOOLS: [(&str, &str); 2] =
    [("etcd", "go.etcd.io/etcd/server/v3"), ("kubectl", "k8s.io/kubernetes/cmd/kubectl")];

/// A version of Kubernetes that a module in this crate pins. The older one is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.30.14, for members that are old: from before the condition `SuccessCriteriaMet`, among
    /// others.
    V1_30,
    /// 1.36.3
    V1_36,
}

impl Version {
    /// The newest.
    pub const NEWEST: Self = Self::V1_36;

    /// The version as Kubernetes' tags write it, which is also the name of its folder: `v1.36.3`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::V1_30 => "v1.30.14",
            Self::V1_36 => "v1.36.3",
        }
    }

    /// What `kube-controller-manager --controllers` calls those that tests need: Jobs, `CronJobs`,
    /// the TTL of finished Jobs, garbage collection, namespaces, and the pods' collector.
    pub(crate) fn controllers(self) -> &'static str {
        match self {
            Self::V1_30 => "job,cronjob,ttl-after-finished,garbagecollector,namespace,podgc",
            Self::V1_36 => {
                "job-controller,cronjob-controller,ttl-after-finished-controller,\
                 garbage-collector-controller,namespace-controller,pod-garbage-collector-controller"
            }
        }
    }

    /// Sets what `kubectl version` and discovery report. Without it the server's version cannot be
    /// parsed.
    fn linker_flags(self) -> String {
        let tag = self.tag();
        let mut numbers = tag.trim_start_matches('v').split('.');
        let (major, minor) =
            (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let variable = "-X k8s.io/component-base/version.git";
        format!("-s -w {variable}Version={tag} {variable}Major={major} {variable}Minor={minor}")
    }

    /// The programs that its module builds.
    fn programs(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let tools = if self == Self::NEWEST { TOOLS.as_slice() } else { &[] };
        SERVERS.iter().chain(tools).copied()
    }

    fn module(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes").join(self.tag())
    }
}

/// Where the binaries of a version are.
#[derive(Debug, Clone)]
pub struct Binaries {
    version: Version,
    servers: PathBuf,
    tools: PathBuf,
}

impl Binaries {
    /// The version that the servers were built from.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path of `kubectl`, which is of [`Version::NEWEST`] whatever the servers are.
    pub fn kubectl(&self) -> PathBuf {
        self.tools.join("kubectl")
    }

    /// The path of `etcd`.
    pub(crate) fn etcd(&self) -> PathBuf {
        self.tools.join("etcd")
    }

    /// The path of `kube-apiserver` or `kube-controller-manager`.
    pub(crate) fn server(&self, name: &str) -> PathBuf {
        self.servers.join(name)
    }
}

/// Why there are no control planes here.
#[derive(Debug, Clone)]
pub struct Unavailable {
    /// For the one who reads a test's report.
    pub reason: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Unavailable {}

/// The binaries of a version: those that the environment variable `KUBECTL_FEDERATE_CONTROL_PLANES`
/// names, or those that an earlier call built, or newly built ones, which takes minutes the first
/// time and says so on stderr. With an older version go etcd and kubectl of the newest, so that
/// this one is built before it.
///
/// Built ones are in `control-planes` in Cargo's target directory, and are built again when the
/// module or the flags change. A file lock keeps two test binaries from building a version at once.
///
/// Fails where the variable names no binaries, where there is no Go, and where Go cannot build
/// them.
pub fn available(version: Version) -> Result<Binaries, Unavailable> {
    let tools = folder(Version::NEWEST)?;
    let servers = if version == Version::NEWEST { tools.clone() } else { folder(version)? };
    Ok(Binaries { version, servers, tools })
}

/// The folder with all programs of a version.
fn folder(version: Version) -> Result<PathBuf, Unavailable> {
    match std::env::var_os(ELSEWHERE) {
        Some(elsewhere) => find(version, Path::new(&elsewhere)),
        None => build(version).map_err(|error| Unavailable { reason: error.to_string() }),
    }
}

fn find(version: Version, elsewhere: &Path) -> Result<PathBuf, Unavailable> {
    let folder = elsewhere.join(version.tag());
    if version.programs().all(|(name, _)| folder.join(name).is_file()) {
        return Ok(folder);
    }
    let names: Vec<&str> = version.programs().map(|(name, _)| name).collect();
    let (names, folder) = (names.join(", "), folder.display());
    Err(Unavailable {
        reason: format!("{ELSEWHERE} is set, and not all of {names} are in {folder}"),
    })
}

fn build(version: Version) -> Result<PathBuf, Error> {
    let folder = target_directory().join("control-planes").join(version.tag());
    std::fs::create_dir_all(&folder).map_err(during("make the folder of control planes"))?;
    let lock = File::create(folder.join("lock")).map_err(during("lock the control planes"))?;
    lock.lock().map_err(during("lock the control planes"))?;

    let stamp = stamp(version)?;
    let stamped = folder.join("stamp");
    if std::fs::read_to_string(&stamped).is_ok_and(|built| built == stamp) {
        return Ok(folder);
    }
    if let Err(error) = Command::new("go").arg("version").output() {
        return Err(Error::Harness(format!(
            "control planes are built with Go, which cannot be run ({error}); {ELSEWHERE} can name \
             binaries built elsewhere"
        )));
    }
    eprintln!("Building Kubernetes {} (minutes, the first time) …", version.tag());
    let (started, workshop) = (Instant::now(), folder.join("building"));
    std::fs::create_dir_all(&workshop).map_err(during("make a folder to build in"))?;
    compile(version, &workshop)?;
    for (name, package) in version.programs() {
        std::fs::rename(workshop.join(built_as(package)), folder.join(name))
            .map_err(during("move a built binary"))?;
    }
    std::fs::remove_dir_all(&workshop).map_err(during("remove the folder that was built in"))?;
    std::fs::write(&stamped, stamp).map_err(during("stamp the binaries"))?;
    eprintln!("Built Kubernetes {} in {:.0?}", version.tag(), started.elapsed());
    Ok(folder)
}

/// Go names a program after the last part of its package's path that is no version.
fn built_as(package: &str) -> &str {
    let mut parts = package.rsplit('/').skip_while(|part| *part == "v3");
    parts.next().unwrap_or(package)
}

fn compile(version: Version, into: &Path) -> Result<(), Error> {
    let output = Command::new("go")
        .current_dir(version.module())
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(["build", "-trimpath", "-ldflags", &version.linker_flags(), "-o"])
        .arg(into)
        .args(version.programs().map(|(_, package)| package))
        .output()
        .map_err(during("run Go"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(Error::Harness(format!("Go did not build Kubernetes {}:\n{tail}", version.tag())))
}

/// All that decides what is built.
fn stamp(version: Version) -> Result<String, Error> {
    let read = |name: &str| {
        std::fs::read_to_string(version.module().join(name)).map_err(during("read a Go module"))
    };
    Ok(format!("{}\n{}\n{}", version.linker_flags(), read("go.mod")?, read("go.sum")?))
}

/// Cargo's target directory, which Cargo marks as a cache; this program is in it unless it was
/// copied away.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .map(Path::to_owned);
    marked
        .or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}
