//! A program's time, CPU and memory. It is the only child of a small process of its own, because a
//! process learns only the sum, and the largest, of all children it ever had.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The word that asks for this part.
pub const PART: &str = "measure";

/// What a program took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Usage {
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time, of its own children too.
    pub cpu: Duration,
    /// The most memory that it had at a time, in bytes: of it and its children the largest process.
    pub memory: u64,
    /// Whether its exit code was 0.
    pub succeeded: bool,
}

/// Runs a program to its end, with nothing on its stdin and nobody who reads its stdout.
///
/// # Errors
/// It cannot be run.
pub fn measure(command: &Command, errors: &Path) -> Result<Usage, Error> {
    let mut part = Command::new(std::env::current_exe()?);
    part.arg(PART).arg(command.get_program()).args(command.get_args()).env_clear();
    let given = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    part.envs(given).stdin(Stdio::null()).stderr(File::create(errors)?);
    let output = part.output()?;
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout)?);
    }
    let program = Path::new(command.get_program()).display().to_string();
    Err(format!("{program} cannot be run: {}", std::fs::read_to_string(errors)?).into())
}

/// The part that runs the program, and tells what it took.
pub(crate) fn run(words: &[OsString]) -> Result<(), Error> {
    let [program, arguments @ ..] = words else { return Err("which program?".into()) };
    let mut command = Command::new(program);
    command.args(arguments.iter().map(OsStr::new)).stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let wall = start.elapsed();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| {
        use nix::sys::time::TimeValLike as _;
        Duration::from_micros(time.num_microseconds().unsigned_abs())
    };
    let usage = Usage {
        wall,
        cpu: micros(usage.user_time()) + micros(usage.system_time()),
        memory: usage.max_rss().unsigned_abs() * UNIT,
        succeeded: status.success(),
    };
    println!("{}", serde_json::to_string(&usage)?);
    Ok(())
}

/// What `ru_maxrss` counts in, in bytes.
const UNIT: u64 = if cfg!(target_os = "macos") { 1 } else { 1024 };
