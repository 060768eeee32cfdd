//! What the user reads: transcripts of every command, stdout, stderr and exit code together.
//!
//! [`stage`] is where commands are typed, in process and on simulated clusters; `snapshots` holds
//! what was answered, a file per topic, to be read from top to bottom. The manifests that are typed
//! are in `manifests`. What shows only in a process of its own is in [`process`], on a terminal in
//! [`terminal`], under kubectl in [`plugin`].

mod changes;
mod connections;
mod docs;
mod errors;
mod examples;
mod machine;
mod plugin;
mod preflight;
mod process;
mod rights;
mod stage;
mod terminal;
mod verbs;
mod waiting;
mod yaml;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    // File names are typed as in a directory of manifests.
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/manifests");
    std::env::set_current_dir(manifests).expect("the manifests are there");
    let trials = vec![
        transcript("help", verbs::help),
        transcript("init", verbs::init),
        transcript("register", verbs::register),
        transcript("list", verbs::list),
        transcript("unregister", verbs::unregister),
        transcript("create", verbs::create),
        transcript("apply", changes::apply),
        transcript("apply that is refused", changes::apply_refused),
        transcript("diff", changes::diff),
        transcript("scale", changes::scale),
        transcript("suspend", changes::suspend),
        transcript("edit", changes::edit),
        transcript("patch", changes::patch),
        transcript("get", verbs::get),
        transcript("describe", verbs::describe),
        transcript("delete", verbs::delete),
        transcript("reconcile", verbs::reconcile),
        transcript("version", verbs::version),
        transcript("wait", waiting::wait),
        transcript("wait for what does not come", waiting::in_vain),
        transcript("watch", waiting::watch),
        transcript("reconcile and watch", waiting::reconcile),
        transcript("errors of manifests", errors::manifests),
        transcript("errors of names that are taken", errors::taken),
        transcript("errors of clusters", errors::clusters),
        transcript("errors of the state", errors::state),
        transcript("errors of the command line", errors::command_line),
        played("docs/commands.md is the help of every command", docs::commands_page),
        played("docs: README.md shows what the commands print", docs::quick_start),
        played("docs/concepts.md shows what the commands print", docs::concepts_page),
        Trial::test("the docs lead where they say", || {
            docs::links();
            docs::quantities();
            Ok(())
        }),
        played("the rights of docs/operations.md suffice", rights::suffice),
        played("a preflight sends what the write sends", preflight::same_requests),
        played("a preflight finds rights that are missing", preflight::missing_rights),
        played("a preflight finds a field that a member demands", preflight::demanded_field),
        played("the examples of every help do what they say", examples::examples),
        Trial::test("errors of connections", connections::connections),
        Trial::test("files that may not be read", process::forbidden_files),
        Trial::test("a full disk leaves the configuration as it was", process::full_disk),
        Trial::test("a terminal that is closed at the question changes nothing", terminal::closed),
        Trial::test("KUBECONFIG names several files", process::several_kubeconfigs),
        Trial::test("-v tells of requests and never shows a token", process::requests_are_told),
        Trial::test("from -v=1 on, what is sent again is told", process::repetitions_are_told),
        Trial::test("a reader that had enough is no failure", process::broken_pipe),
        Trial::test("exit codes are 0 and 1", process::exit_codes),
        Trial::test("another program shows differences", process::external_diff),
        Trial::test("delete and Enter delete the jobs in the clusters", terminal::yes),
        Trial::test("k and Enter keep them", terminal::no),
        Trial::test("a y before Enter can be taken back", terminal::second_thoughts),
        Trial::test("the end of input changes nothing", terminal::end_of_input),
        Trial::test("without a terminal nobody is asked", terminal::nobody_to_ask),
        Trial::test("a progress bar leaves nothing in the lines", terminal::progress),
        Trial::test(
            "progress shows completions and clusters, and Ctrl-C ends a wait",
            terminal::waiting,
        ),
        Trial::test(
            "Ctrl-C, pressed again, ends a command whose output nobody reads",
            terminal::second_interrupt,
        ),
        Trial::test("manifests in any encoding are taken", yaml::files_in_any_encoding),
        real::blocking_trial("YAML means what kubectl takes it for", yaml::as_kubectl_reads_it),
        real::trial("kubectl finds the plugin, and the main job is typed", plugin::main_job),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that types commands and compares what was answered with a snapshot.
fn transcript<F>(name: &str, test: fn(String) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let snapshot = name.replace(' ', "-");
    played(name, move || test(snapshot.clone()))
}

/// A test that types commands; time passes only where nothing is left to do, so that waiting takes
/// none.
fn played<F>(name: &str, test: impl Fn() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()?;
        runtime.block_on(test());
        Ok(())
    })
}
