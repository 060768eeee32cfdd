//! The connection as kubectl has it: the real kubectl and the real binary get the same kubeconfig
//! files, environment and flags, and must reach the same servers as the same users, or fail with
//! the same sentence. Where we differ on purpose, a test says both.

mod credentials;
mod exec;
mod files;
mod front;
mod kuberc;
mod limits;
mod network;
mod output;
mod proxy;
mod scene;
mod secrets;
mod tls;

use libtest_mimic::{Arguments, Trial};

fn main() -> std::process::ExitCode {
    let all = [
        files::trials(),
        credentials::trials(),
        exec::trials(),
        kuberc::trials(),
        tls::trials(),
        network::trials(),
        output::trials(),
        secrets::trials(),
        limits::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), all.into_iter().flatten().collect()).exit_code()
}

/// Trials of functions; they need kubectl, which comes with the control planes.
fn trials(tests: &[(&'static str, fn())]) -> Vec<Trial> {
    let trial = |(name, test): &(&'static str, fn())| {
        let test = *test;
        real::blocking_trial(name, move || {
            test();
            Ok(())
        })
    };
    tests.iter().map(trial).collect()
}
