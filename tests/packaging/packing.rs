//! What `krew/pack` makes: archives that krew takes, and a manifest that names them and no others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{HOMEPAGE, ROOT};

const BINARY: &[u8] = b"#!/bin/sh\necho a stand-in\n";
const PAGE: &[u8] = b".TH a 1\n";

/// A directory to pack in, with a stand-in for the binary that nobody may run yet.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("built");
        fs::write(&binary, BINARY).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(directory.path().join("pages")).unwrap();
        for name in ["b.1", "a.1", "notes.txt"] {
            fs::write(directory.path().join("pages").join(name), PAGE).unwrap();
        }
        Self(directory)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn try_pack(&self, binary: &str, platform: &str, version: &str, homepage: &str) -> Output {
        Command::new(Path::new(ROOT).join("krew/pack"))
            .args([binary, platform, version, homepage, "pages"])
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Packs and gives what was printed.
    fn pack(&self, platform: &str) -> String {
        let done = self.try_pack("built", platform, "v1.2.3", HOMEPAGE);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    fn manifest(&self) -> Value {
        serde_yaml::from_slice(&fs::read(self.path("dist/federate.yaml")).unwrap()).unwrap()
    }
}

/// What a tar header says of a file, and the file.
#[derive(Debug, PartialEq)]
struct Entry {
    name: String,
    kind: u8,
    mode: u64,
    owner: (u64, u64),
    modified: u64,
    content: Vec<u8>,
}

/// The entries of a `.tar.gz` in their order, read by the layout that POSIX gives for ustar.
fn entries(archive: &Path) -> Vec<Entry> {
    const BLOCK: usize = 512;
    let unzipped = Command::new("gzip").arg("-dc").arg(archive).output().unwrap();
    assert!(unzipped.status.success());
    let mut rest = unzipped.stdout.as_slice();
    let mut entries = Vec::new();
    while rest[0] != 0 {
        let (header, after) = rest.split_at(BLOCK);
        let text = |from: usize, to: usize| {
            let field = header[from..to].split(|byte| *byte == 0).next().unwrap();
            String::from_utf8(field.to_vec()).unwrap()
        };
        let octal = |from: usize, to: usize| u64::from_str_radix(text(from, to).trim(), 8).unwrap();
        let size = octal(124, 136) as usize;
        entries.push(Entry {
            name: text(0, 100),
            kind: header[156],
            mode: octal(100, 108),
            owner: (octal(108, 116), octal(116, 124)),
            modified: octal(136, 148),
            content: after[..size].to_vec(),
        });
        rest = &after[size.next_multiple_of(BLOCK)..];
    }
    entries
}

fn sha256(file: &Path) -> String {
    let sum = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(sum.stdout).unwrap()[..64].to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn archive_of_the_binary() {
    let workshop = Workshop::new();
    workshop.pack("linux/amd64");
    let entry = |name: &str, mode, content| Entry {
        name: name.to_owned(),
        kind: b'0',
        mode,
        owner: (0, 0),
        modified: 0,
        content,
    };
    let license = fs::read(Path::new(ROOT).join("LICENSE")).unwrap();
    assert_eq!(
        entries(&workshop.path("dist/kubectl-federate_v1.2.3_linux_amd64.tar.gz")),
        [
            entry("LICENSE", 0o644, license),
            entry("kubectl-federate", 0o755, BINARY.to_vec()),
            entry("man/man1/a.1", 0o644, PAGE.to_vec()),
            entry("man/man1/b.1", 0o644, PAGE.to_vec()),
        ]
    );
}

pub fn same_archive() {
    let (one, other) = (Workshop::new(), Workshop::new());
    // Another age and other permissions than the first one's.
    let touched =
        Command::new("touch").args(["-d", "2001-02-03"]).arg(other.path("built")).status();
    assert!(touched.unwrap().success());
    fs::set_permissions(other.path("built"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(one.pack("darwin/arm64"), other.pack("darwin/arm64"));
}

pub fn manifest() {
    let workshop = Workshop::new();
    let printed = workshop.pack("linux/arm64");
    let archive = "dist/kubectl-federate_v1.2.3_linux_arm64.tar.gz";
    let sum = sha256(&workshop.path(archive));
    assert_eq!(printed, format!("{sum}  {archive}\n"));

    let manifest = workshop.manifest();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(manifest["kind"], "Plugin");
    assert_eq!(manifest["metadata"], json!({ "name": "federate" }));
    let spec = &manifest["spec"];
    assert_eq!(spec["version"], "v1.2.3");
    assert_eq!(spec["homepage"], HOMEPAGE);
    let short = text(&spec["shortDescription"]);
    assert!(!short.is_empty() && short.len() <= 50 && !short.contains('\n'), "{short:?}");
    assert!(!text(&spec["description"]).is_empty());
    let platform = json!({
        "selector": { "matchLabels": { "os": "linux", "arch": "arm64" } },
        "uri": format!(
            "{HOMEPAGE}/releases/download/v1.2.3/kubectl-federate_v1.2.3_linux_arm64.tar.gz"
        ),
        "sha256": sum,
        "bin": "kubectl-federate",
    });
    assert_eq!(spec["platforms"], json!([platform]));
}

pub fn every_platform() {
    let workshop = Workshop::new();
    let older = workshop.try_pack("built", "darwin/arm64", "v1.2.2", HOMEPAGE);
    assert!(older.status.success());
    for platform in ["linux/amd64", "linux/arm64", "darwin/amd64"] {
        workshop.pack(platform);
    }
    let manifest = workshop.manifest();
    let platforms = manifest["spec"]["platforms"].as_array().unwrap();
    let named: Vec<String> = platforms
        .iter()
        .map(|platform| {
            let labels = &platform["selector"]["matchLabels"];
            let (os, arch) = (text(&labels["os"]), text(&labels["arch"]));
            let archive = format!("dist/kubectl-federate_v1.2.3_{os}_{arch}.tar.gz");
            assert_eq!(platform["sha256"], sha256(&workshop.path(&archive)), "{archive}");
            assert!(text(&platform["uri"]).ends_with(&archive["dist".len()..]), "{platform}");
            format!("{os}/{arch}")
        })
        .collect();
    assert_eq!(named, ["linux/amd64", "linux/arm64", "darwin/amd64"]);
}

pub fn refused() {
    let workshop = Workshop::new();
    for (binary, platform, version, homepage, named) in [
        ("absent", "linux/amd64", "v1.2.3", HOMEPAGE, "absent"),
        ("built", "plan9/amd64", "v1.2.3", HOMEPAGE, "plan9/amd64"),
        ("built", "linux", "v1.2.3", HOMEPAGE, "linux"),
        ("built", "linux/amd64", "1.2.3", HOMEPAGE, "v0.1.0, not 1.2.3"),
        ("built", "linux/amd64", "v1.2", HOMEPAGE, "v0.1.0, not v1.2"),
        ("built", "linux/amd64", "v1.2.3", "http://example.com", "not http://example.com"),
        ("built", "linux/amd64", "v1.2.3", "https://example.com/", "no slash at its end"),
    ] {
        let refused = workshop.try_pack(binary, platform, version, homepage);
        let stderr = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(named), "{stderr}");
        assert!(!workshop.path("dist").exists(), "{named}");
    }
}

/// Each platform of the manifest is one that the workflow builds, `krew/build` knows, and
/// `cargo binstall` finds.
pub fn released_platforms() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
    let template: Value = serde_yaml::from_str(&read("krew/federate.yaml")).unwrap();
    let workflow: Value = serde_yaml::from_str(&read(".github/workflows/release.yml")).unwrap();
    let (script, package) = (read("krew/build"), read("Cargo.toml"));
    let built = workflow["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let platforms = template["spec"]["platforms"].as_array().unwrap();
    assert_eq!(built.len(), platforms.len());
    for (platform, build) in platforms.iter().zip(built) {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (text(&labels["os"]), text(&labels["arch"]));
        assert_eq!(build["platform"], format!("{os}/{arch}"));
        let target = text(&build["target"]);
        assert!(script.contains(&format!("{os}/{arch}) target={target} ")), "{target}");
        let archive = format!("/v{{ version }}/kubectl-federate_v{{ version }}_{os}_{arch}.tar.gz");
        let url = format!("{target}]\npkg-url = \"{{ repo }}/releases/download{archive}\"");
        assert!(package.contains(&url), "{url}");
        assert!(text(&platform["uri"]).ends_with(&archive.replace("v{ version }", "VERSION")));
    }
}
