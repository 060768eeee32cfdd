//! The binaries of one version of Kubernetes: found, or built once from the Go module that pins them.

use crate::error::{Error, during};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Names a directory of binaries that were built elsewhere: the four of them, or a folder `v1.36.3` that holds them.
const ELSEWHERE: &str = "KUBECTL_FEDERATE_CONTROL_PLANES";

const NAMES: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"];

const PACKAGES: [&str; 4] = [
    "go.etcd.io/etcd/server/v3",
    "k8s.io/kubernetes/cmd/kube-apiserver",
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kubectl",
];

/// A version of Kubernetes that a module in this crate pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.36.3
    V1_36,
}

impl Version {
    /// The version as Kubernetes' tags write it, which is also the name of its folder: `v1.36.3`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::V1_36 => "v1.36.3",
        }
    }

    /// What `kube-controller-manager --controllers` calls those that tests need: Jobs, `CronJobs`, the TTL of finished
    /// Jobs, garbage collection, namespaces, and the pods' collector.
    pub(crate) fn controllers(self) -> &'static str {
        match self {
            Self::V1_36 => {
                "job-controller,cronjob-controller,ttl-after-finished-controller,garbage-collector-controller,\
                 namespace-controller,pod-garbage-collector-controller"
            }
        }
    }

    /// Sets what `kubectl version` and discovery report. Without it the server's version cannot be parsed.
    fn linker_flags(self) -> String {
        let tag = self.tag();
        let mut numbers = tag.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let variable = "-X k8s.io/component-base/version.git";
        format!("-s -w {variable}Version={tag} {variable}Major={major} {variable}Minor={minor}")
    }

    fn module(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes").join(self.tag())
    }
}

/// Where the binaries of a version are.
#[derive(Debug, Clone)]
pub struct Binaries {
    version: Version,
    directory: PathBuf,
}

impl Binaries {
    /// The version that they were built from.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The path of `kubectl`.
    pub fn kubectl(&self) -> PathBuf {
        self.path("kubectl")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
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

/// The binaries of a version: those that the environment variable `KUBECTL_FEDERATE_CONTROL_PLANES` names, or those that an
/// earlier call built, or newly built ones, which takes minutes the first time and says so on stderr.
///
/// Built ones are in `control-planes` in Cargo's target directory, and are built again when the module or the flags
/// change. A file lock keeps two test binaries from building at once.
///
/// Fails where the variable names no binaries, where there is no Go, and where Go cannot build them.
pub fn available(version: Version) -> Result<Binaries, Unavailable> {
    if let Some(elsewhere) = std::env::var_os(ELSEWHERE) {
        return find(version, Path::new(&elsewhere));
    }
    build(version).map_err(|error| Unavailable { reason: error.to_string() })
}

fn find(version: Version, elsewhere: &Path) -> Result<Binaries, Unavailable> {
    let complete = |directory: &PathBuf| NAMES.iter().all(|name| directory.join(name).is_file());
    let directory = [elsewhere.join(version.tag()), elsewhere.to_owned()].into_iter().find(complete);
    directory.map(|directory| Binaries { version, directory }).ok_or_else(|| Unavailable {
        reason: format!(
            "{ELSEWHERE} is {}, and not all of {} are there or in {}",
            elsewhere.display(),
            NAMES.join(", "),
            version.tag()
        ),
    })
}

fn build(version: Version) -> Result<Binaries, Error> {
    let all = target_directory().join("control-planes");
    let directory = all.join(version.tag());
    std::fs::create_dir_all(&directory).map_err(during("make the folder of control planes"))?;
    let lock = File::create(all.join("lock")).map_err(during("lock the control planes"))?;
    lock.lock().map_err(during("lock the control planes"))?;

    let stamp = stamp(version)?;
    let stamped = directory.join("stamp");
    if std::fs::read_to_string(&stamped).is_ok_and(|built| built == stamp) {
        return Ok(Binaries { version, directory });
    }
    if let Err(error) = Command::new("go").arg("version").output() {
        return Err(Error::Harness(format!(
            "control planes are built with Go, which cannot be run ({error}); {ELSEWHERE} can name binaries built elsewhere"
        )));
    }
    eprintln!("Building etcd and Kubernetes {} (minutes, the first time) …", version.tag());
    let (started, workshop) = (Instant::now(), all.join("building"));
    std::fs::create_dir_all(&workshop).map_err(during("make a folder to build in"))?;
    compile(version, &workshop)?;
    for name in NAMES {
        // Go names a program after the last part of its path that is no version.
        let built = if name == "etcd" { "server" } else { name };
        std::fs::rename(workshop.join(built), directory.join(name)).map_err(during("move a built binary"))?;
    }
    std::fs::write(&stamped, stamp).map_err(during("stamp the binaries"))?;
    eprintln!("Built Kubernetes {} in {:.0?}", version.tag(), started.elapsed());
    Ok(Binaries { version, directory })
}

fn compile(version: Version, into: &Path) -> Result<(), Error> {
    let output = Command::new("go")
        .current_dir(version.module())
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(["build", "-trimpath", "-ldflags", &version.linker_flags(), "-o"])
        .arg(into)
        .args(PACKAGES)
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
    let read =
        |name: &str| std::fs::read_to_string(version.module().join(name)).map_err(during("read a Go module"));
    Ok(format!("{}\n{}\n{}", version.linker_flags(), read("go.mod")?, read("go.sum")?))
}

/// Cargo's target directory, which Cargo marks as a cache; this program is in it unless it was copied away.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_owned);
    marked
        .or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}
