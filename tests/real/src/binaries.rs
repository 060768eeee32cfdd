//! The binaries of each version of Kubernetes, of Kueue, of Karmada and of krew: found, or built
//! once from the Go module that pins them.

use crate::error::{Error, during};
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Names a directory of binaries that were built elsewhere, with a folder for each version:
/// `v1.36.3`, `v1.30.14`, `kueue-v0.17.0`, `karmada-v1.16.0`, `krew-v0.4.3`.
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
    /// 1.31.14
    V1_31,
    /// 1.32.13
    V1_32,
    /// 1.33.13
    V1_33,
    /// 1.34.4
    V1_34,
    /// 1.35.4
    V1_35,
    /// 1.36.3: the first where a suspended Job gives up its start time.
    V1_36,
    /// 1.37.2
    V1_37,
}

impl Version {
    /// The oldest.
    pub const OLDEST: Self = Self::V1_30;

    /// The newest.
    pub const NEWEST: Self = Self::V1_37;

    /// All of them, the oldest first.
    pub const ALL: [Self; 8] = [
        Self::V1_30,
        Self::V1_31,
        Self::V1_32,
        Self::V1_33,
        Self::V1_34,
        Self::V1_35,
        Self::V1_36,
        Self::V1_37,
    ];

    /// The version as Kubernetes' tags write it, which is also the name of its folder: `v1.36.3`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::V1_30 => "v1.30.14",
            Self::V1_31 => "v1.31.14",
            Self::V1_32 => "v1.32.13",
            Self::V1_33 => "v1.33.13",
            Self::V1_34 => "v1.34.4",
            Self::V1_35 => "v1.35.4",
            Self::V1_36 => "v1.36.3",
            Self::V1_37 => "v1.37.2",
        }
    }

    /// Major and minor number, as tests name the version: `1.36`.
    pub fn minor(self) -> &'static str {
        let numbers = &self.tag()[1..];
        &numbers[..numbers.rfind('.').expect("a tag has three numbers")]
    }

    /// What `kube-controller-manager --controllers` calls those that tests need: Jobs, `CronJobs`,
    /// the TTL of finished Jobs, garbage collection, namespaces, and the pods' collector. They have
    /// these names since 1.28, and 1.30 takes their short ones too.
    pub(crate) fn controllers(self) -> &'static str {
        if self == Self::V1_30 {
            "job,cronjob,ttl-after-finished,garbagecollector,namespace,podgc"
        } else {
            "job-controller,cronjob-controller,ttl-after-finished-controller,\
             garbage-collector-controller,namespace-controller,pod-garbage-collector-controller"
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

    fn module(self) -> Module {
        Module {
            name: "Kubernetes",
            tag: self.tag(),
            folder: self.tag().to_owned(),
            source: Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes").join(self.tag()),
            linker_flags: self.linker_flags(),
            programs: self.programs().collect(),
            files: &[],
        }
    }
}

/// The version of Kueue that a module in this crate pins.
const KUEUE: &str = "v0.17.0";

/// Files of Kueue's module that are kept beside its program: where they are in the module, and
/// their names here.
const KUEUE_FILES: [(&str, &str); 2] = [
    ("config/components/crd/bases", "crds"),
    ("config/components/webhook/manifests.yaml", WEBHOOKS),
];

/// The file with the webhooks of Kueue, or of Karmada.
pub(crate) const WEBHOOKS: &str = "webhooks.yaml";

fn kueue_module() -> Module {
    Module {
        name: "Kueue",
        tag: KUEUE,
        folder: format!("kueue-{KUEUE}"),
        source: Path::new(env!("CARGO_MANIFEST_DIR")).join("kueue").join(KUEUE),
        linker_flags: format!("-s -w -X sigs.k8s.io/kueue/pkg/version.GitVersion={KUEUE}"),
        programs: vec![("kueue", "sigs.k8s.io/kueue/cmd/kueue")],
        files: &KUEUE_FILES,
    }
}

/// The folder with the program `kueue`, its CRDs in `crds` and its webhooks in [`WEBHOOKS`]: found
/// or built as [`available`] says.
pub(crate) fn kueue() -> Result<PathBuf, Unavailable> {
    folder(&kueue_module())
}

/// The version of Karmada that a module in this crate pins.
pub const KARMADA: &str = "v1.16.0";

/// Files of Karmada's module that are kept beside its programs.
const KARMADA_FILES: [(&str, &str); 9] = [
    ("charts/karmada/_crds/bases/apps", "crds/apps"),
    ("charts/karmada/_crds/bases/autoscaling", "crds/autoscaling"),
    ("charts/karmada/_crds/bases/config", "crds/config"),
    ("charts/karmada/_crds/bases/multicluster", "crds/multicluster"),
    ("charts/karmada/_crds/bases/networking", "crds/networking"),
    ("charts/karmada/_crds/bases/policy", "crds/policy"),
    ("charts/karmada/_crds/bases/remedy", "crds/remedy"),
    ("charts/karmada/_crds/bases/work", "crds/work"),
    ("artifacts/deploy/webhook-configuration.yaml", WEBHOOKS),
];

fn karmada_module() -> Module {
    let version = "github.com/karmada-io/karmada/pkg/version.gitVersion";
    Module {
        name: "Karmada",
        tag: KARMADA,
        folder: format!("karmada-{KARMADA}"),
        source: Path::new(env!("CARGO_MANIFEST_DIR")).join("karmada").join(KARMADA),
        linker_flags: format!("-s -w -X {version}={KARMADA}"),
        programs: vec![
            ("aggregated-apiserver", "github.com/karmada-io/karmada/cmd/aggregated-apiserver"),
            ("webhook", "github.com/karmada-io/karmada/cmd/webhook"),
            ("controller-manager", "github.com/karmada-io/karmada/cmd/controller-manager"),
            ("scheduler", "github.com/karmada-io/karmada/cmd/scheduler"),
        ],
        files: &KARMADA_FILES,
    }
}

/// The folder with Karmada's programs, its CRDs in `crds` and its webhooks in [`WEBHOOKS`]: found
/// or built as [`available`] says.
pub(crate) fn karmada() -> Result<PathBuf, Unavailable> {
    folder(&karmada_module())
}

/// The version of krew that a module in this crate pins.
const KREW: &str = "v0.4.3";

fn krew_module() -> Module {
    Module {
        name: "krew",
        tag: KREW,
        folder: format!("krew-{KREW}"),
        source: Path::new(env!("CARGO_MANIFEST_DIR")).join("krew").join(KREW),
        linker_flags: "-s -w".to_owned(),
        programs: vec![
            ("krew", "sigs.k8s.io/krew/cmd/krew"),
            ("validate-krew-manifest", "sigs.k8s.io/krew/cmd/validate-krew-manifest"),
        ],
        files: &[],
    }
}

/// The folder with krew's programs: `krew` and `validate-krew-manifest`; found or built as
/// [`available`] says.
pub(crate) fn krew() -> Result<PathBuf, Unavailable> {
    folder(&krew_module())
}

/// A Go module of this crate, and what is built from it.
struct Module {
    /// What it is, for those who wait for it.
    name: &'static str,
    /// Its version.
    tag: &'static str,
    /// The folder of what is built.
    folder: String,
    /// The folder of `go.mod`.
    source: PathBuf,
    linker_flags: String,
    /// The names of the files, and the packages that they are built from.
    programs: Vec<(&'static str, &'static str)>,
    /// Files of the first package's module that are kept, and their names.
    files: &'static [(&'static str, &'static str)],
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
    let tools = folder(&Version::NEWEST.module())?;
    let is_newest = version == Version::NEWEST;
    let servers = if is_newest { tools.clone() } else { folder(&version.module())? };
    Ok(Binaries { version, servers, tools })
}

/// The folder with all that is built from a module.
fn folder(module: &Module) -> Result<PathBuf, Unavailable> {
    match std::env::var_os(ELSEWHERE) {
        Some(elsewhere) => find(module, Path::new(&elsewhere)),
        None => build(module).map_err(|error| Unavailable { reason: error.to_string() }),
    }
}

fn find(module: &Module, elsewhere: &Path) -> Result<PathBuf, Unavailable> {
    let folder = elsewhere.join(&module.folder);
    let names = module.programs.iter().map(|(name, _)| *name);
    let names: Vec<&str> = names.chain(module.files.iter().map(|(_, name)| *name)).collect();
    if names.iter().all(|name| folder.join(name).exists()) {
        return Ok(folder);
    }
    let (names, folder) = (names.join(", "), folder.display());
    Err(Unavailable {
        reason: format!("{ELSEWHERE} is set, and not all of {names} are in {folder}"),
    })
}

fn build(module: &Module) -> Result<PathBuf, Error> {
    let folder = target_directory().join("control-planes").join(&module.folder);
    std::fs::create_dir_all(&folder).map_err(during("make the folder of control planes"))?;
    let lock = File::create(folder.join("lock")).map_err(during("lock the control planes"))?;
    lock.lock().map_err(during("lock the control planes"))?;

    let stamp = stamp(module)?;
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
    let Module { name, tag, .. } = module;
    eprintln!("Building {name} {tag} (minutes, the first time) …");
    let (started, workshop) = (Instant::now(), folder.join("building"));
    std::fs::create_dir_all(&workshop).map_err(during("make a folder to build in"))?;
    compile(module, &workshop)?;
    for (name, package) in &module.programs {
        std::fs::rename(workshop.join(built_as(package)), folder.join(name))
            .map_err(during("move a built binary"))?;
    }
    std::fs::remove_dir_all(&workshop).map_err(during("remove the folder that was built in"))?;
    keep_files(module, &folder)?;
    std::fs::write(&stamped, stamp).map_err(during("stamp the binaries"))?;
    eprintln!("Built {name} {tag} in {:.0?}", started.elapsed());
    Ok(folder)
}

/// Copies the files of a module that are kept: single ones, or all in a folder.
fn keep_files(module: &Module, into: &Path) -> Result<(), Error> {
    let Some((_, package)) = module.programs.first().filter(|_| !module.files.is_empty()) else {
        return Ok(());
    };
    let found = go(module, &["list", "-f", "{{.Module.Dir}}", package])?;
    let source = PathBuf::from(String::from_utf8_lossy(&found).trim());
    let copy = |from: &Path, to: &Path| {
        // The module cache cannot be written to, and neither could a copy with its permissions.
        let text = std::fs::read(from).map_err(during("read a file of a Go module"))?;
        std::fs::write(to, text).map_err(during("keep a file of a Go module"))
    };
    for (path, name) in module.files {
        let (from, to) = (source.join(path), into.join(name));
        if from.is_file() {
            copy(&from, &to)?;
            continue;
        }
        std::fs::create_dir_all(&to).map_err(during("make a folder for files of a Go module"))?;
        for file in std::fs::read_dir(&from).map_err(during("read a folder of a Go module"))? {
            let file = file.map_err(during("read a folder of a Go module"))?;
            copy(&file.path(), &to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// Go names a program after the last part of its package's path that is no version.
fn built_as(package: &str) -> &str {
    let mut parts = package.rsplit('/').skip_while(|part| *part == "v3");
    parts.next().unwrap_or(package)
}

fn compile(module: &Module, into: &Path) -> Result<(), Error> {
    let into = into.display().to_string();
    let mut arguments = vec!["build", "-trimpath", "-ldflags", &module.linker_flags, "-o", &into];
    arguments.extend(module.programs.iter().map(|(_, package)| *package));
    go(module, &arguments).map(drop)
}

/// Runs Go in a module, and gives what it says.
fn go(module: &Module, arguments: &[&str]) -> Result<Vec<u8>, Error> {
    let output = Command::new("go")
        .current_dir(&module.source)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .args(arguments)
        .output()
        .map_err(during("run Go"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n");
    Err(Error::Harness(format!("Go did not build {} {}:\n{tail}", module.name, module.tag)))
}

/// All that decides what is built.
fn stamp(module: &Module) -> Result<String, Error> {
    let read = |name: &str| {
        std::fs::read_to_string(module.source.join(name)).map_err(during("read a Go module"))
    };
    Ok(format!("{}\n{}\n{}", module.linker_flags, read("go.mod")?, read("go.sum")?))
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
