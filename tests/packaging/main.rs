//! What users get: the archives and the manifest that `krew/pack` makes, and how krew takes them.
//!
//! With `KUBECTL_FEDERATE_ARCHIVE=FILE` the tests are about that archive, which is to be released for
//! this machine's platform. Without it, what is installed is packed from the binary under test, and
//! what only a release keeps is not asked.
#![allow(clippy::unwrap_used)]

mod install;
mod man;
mod packing;
#[path = "../../krew/pages.rs"]
mod pages;
mod release;
mod workflows;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const HOMEPAGE: &str = "https://example.com/kubectl-federate";

fn main() -> ExitCode {
    let trials = vec![
        quick("an archive holds the license and an executable", packing::archive_of_the_binary),
        quick("the same binary makes the same archive", packing::same_archive),
        quick("the manifest is one that krew takes", packing::manifest),
        quick("the manifest names what is packed and nothing else", packing::every_platform),
        quick("what krew would refuse is refused before anything is written", packing::refused),
        quick("each command has a man page", man::every_command),
        quick("a release has every platform of the manifest", packing::released_platforms),
        quick("what the workflows run is there", workflows::name_what_is_there),
        quick("workflows and the Containerfile pin versions", workflows::pin_versions),
        quick("newer symbols of the C library are found", release::newer_symbols_are_found),
        release::trial("a release runs with glibc 2.17", release::old_c_library),
        release::trial("a release says what it was built from", release::provenance),
        real::installers_trial("krew installs the archive, and kubectl runs it", install::install),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn quick(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
