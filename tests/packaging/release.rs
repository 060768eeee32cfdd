//! What an archive for Linux keeps that is to be released.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Completion, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use crate::ROOT;

/// Names the archive that is to be released.
const ARCHIVE: &str = "KUBECTL_FEDERATE_ARCHIVE";

/// The C library that a release may need, or an older one: that of RHEL 7, of 2012.
const OLDEST: (u32, u32) = (2, 17);

/// The archive that is to be released, if there is one.
pub fn archive() -> Option<PathBuf> {
    env::var_os(ARCHIVE).map(PathBuf::from)
}

/// A test of the archive that is to be released; it is ignored where there is none.
pub fn trial(name: &str, test: fn(&Path) -> Result<(), Failed>) -> Trial {
    Trial::ignorable_test(name, move || match archive() {
        Some(archive) => test(&archive).map(|()| Completion::Completed),
        None => Ok(Completion::ignored_with(format!("{ARCHIVE} names no archive"))),
    })
}

/// A folder with what is in an archive.
fn unpacked(archive: &Path) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    let unpacked = Command::new("tar").arg("-xzf").arg(archive).current_dir(&folder).status()?;
    assert!(unpacked.success(), "{} is no archive", archive.display());
    Ok(folder)
}

/// Its binary needs no newer symbol of the C library than glibc 2.17 has.
pub fn old_c_library(archive: &Path) -> Result<(), Failed> {
    let needed = needed(&unpacked(archive)?.path().join("kubectl-federate"));
    let newer = newer(&needed);
    assert!(newer.is_empty(), "symbols that glibc 2.17 does not have: {newer:?}");
    Ok(())
}

/// Its binary knows the commit, and the date that makes two builds of the commit one.
pub fn provenance(archive: &Path) -> Result<(), Failed> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(ROOT).output()?;
        io::Result::Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let output = Command::new(unpacked(archive)?.path().join("kubectl-federate"))
        .args(["version", "--client", "-o", "json"])
        .output()?;
    let version: Value = serde_json::from_slice(&output.stdout)?;
    let client = &version["clientVersion"];
    assert_eq!(client["gitCommit"], git(&["rev-parse", "HEAD"])?);
    let second = match env::var("SOURCE_DATE_EPOCH") {
        Ok(second) => second,
        Err(_) => git(&["log", "-1", "--format=%ct"])?,
    };
    let date = jiff::Timestamp::from_second(second.parse()?)?;
    assert_eq!(client["buildDate"], date.to_string());
    Ok(())
}

/// Two lines of `readelf --version-info`, and the binary under test.
pub fn newer_symbols_are_found() {
    let needs = |version: &str| {
        format!(
            "  0x0010: Version: 1  File: libc.so.6  Cnt: 2\n\
             \x20 0x0020:   Name: GLIBC_2.2.5  Flags: none  Version: 4\n\
             \x20 0x0030:   Name: GLIBC_{version}  Flags: none  Version: 3\n"
        )
    };
    for (version, found) in
        [("2.18", &["2.18"][..]), ("2.34", &["2.34"]), ("3.0", &["3.0"]), ("2.17", &[])]
    {
        assert_eq!(newer(&needs(version)), found);
    }
    let real = needed(Path::new(env!("CARGO_BIN_EXE_kubectl-federate")));
    assert!(real.contains("Name: GLIBC_2."), "readelf shows what a binary needs: {real}");
}

/// What `readelf` says of the versions of symbols that a binary needs.
fn needed(binary: &Path) -> String {
    let output = Command::new("readelf").args(["--version-info", "--wide"]).arg(binary).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The versions of the C library's symbols that are newer than the oldest library has.
fn newer(needed: &str) -> Vec<&str> {
    let versions = needed.split("Name: GLIBC_").skip(1);
    let versions = versions.filter_map(|rest| rest.split_whitespace().next());
    let is_newer = |version: &&str| {
        let mut numbers = version.split('.').map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap()) > OLDEST
    };
    versions.filter(is_newer).collect()
}
