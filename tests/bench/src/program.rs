//! The programs that are measured: found, or built.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, arguments::Arguments, rows::Subject};

/// Where the program over client-go has its source.
const CLIENT_GO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peer");

/// A build of kubectl-federate.
#[derive(Debug, Clone)]
pub struct Build {
    /// Which one it is.
    pub subject: Subject,
    /// Where it is.
    pub path: PathBuf,
}

/// This build, and the older one if there is one.
///
/// # Errors
/// This build is not given, and cannot be built.
pub fn builds(arguments: &Arguments) -> Result<Vec<Build>, Error> {
    let ours = match &arguments.ours {
        Some(path) => path.clone(),
        None => build()?,
    };
    let ours = Build { subject: Subject::Ours, path: ours };
    let older = arguments.baseline.iter().cloned();
    let older = older.map(|path| Build { subject: Subject::Baseline, path });
    Ok(std::iter::once(ours).chain(older).collect())
}

fn build() -> Result<PathBuf, Error> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--profile", "bench", "--package", "bench"]);
    run(cargo.args(["--package", "kubectl-federate", "--bins"]).current_dir(ROOT))?;
    beside("kubectl-federate")
}

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A file beside this program.
fn beside(name: &str) -> Result<PathBuf, Error> {
    let program = std::env::current_exe()?;
    Ok(program.parent().ok_or("this program is nowhere")?.join(name))
}

/// The kubectl that was named, or the one that the tests build.
///
/// # Errors
/// None was named, and it cannot be built.
pub fn kubectl(arguments: &Arguments) -> Result<PathBuf, Error> {
    match &arguments.kubectl {
        Some(path) => Ok(path.clone()),
        None => Ok(real::available(real::Version::NEWEST)?.kubectl()),
    }
}

/// The program over client-go, built now. Go builds what has changed since the last time.
///
/// # Errors
/// Go is not there, or cannot build it.
pub fn client_go() -> Result<PathBuf, Error> {
    let program = beside("client-go-peer")?;
    let mut go = Command::new("go");
    go.args(["build", "-trimpath", "-mod=readonly", "-o"]).arg(&program).arg(".");
    go.current_dir(CLIENT_GO).env("CGO_ENABLED", "0").env("GOWORK", "off");
    run(&mut go)?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let name = Path::new(command.get_program()).display().to_string();
    let status = command.status().map_err(|error| format!("{name} cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}
