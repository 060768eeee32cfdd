//! How long it takes to start: `cargo bench --bench startup`, or of the release build itself,
//! `cargo bench --profile release --bench startup`.
//!
//! `version --client` beside kubectl's own, in turn, so that both meet the same machine. The goal
//! is at most a quarter of kubectl's time.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const RUNS: usize = 40;

fn main() {
    let kubectl = match real::available(real::Version::NEWEST) {
        Ok(binaries) => binaries.kubectl(),
        Err(none) => {
            eprintln!("kubectl is the one on the PATH: {none}");
            "kubectl".into()
        }
    };
    let ours = Path::new(env!("CARGO_BIN_EXE_kubectl-federate"));
    let programs = [ours, &kubectl];
    // The first run of each reads it from the disk.
    for program in programs {
        run(program);
    }

    let mut times = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        for (times, program) in times.iter_mut().zip(programs) {
            times.push(run(program));
        }
    }
    let [ours, theirs] = times.map(median);
    println!("version --client, median of {RUNS} runs each, in turn");
    println!("kubectl-federate   {:>8.2} ms", milliseconds(ours));
    println!("kubectl            {:>8.2} ms   {}", milliseconds(theirs), kubectl.display());
    println!(
        "ratio              {:>8.3}      goal: at most 0.250",
        milliseconds(ours) / milliseconds(theirs)
    );
}

/// Runs `PROGRAM version --client` and gives the time from its start to its end.
fn run(program: &Path) -> Duration {
    let mut command = Command::new(program);
    command.args(["version", "--client"]).stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let status = command
        .status()
        .unwrap_or_else(|cause| panic!("{} cannot be run: {cause}", program.display()));
    let time = start.elapsed();
    assert!(status.success(), "{} version --client: {status}", program.display());
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
