//! What the user reads: transcripts of every command, stdout, stderr and exit code together.
//!
//! [`stage`] is where commands are typed, in process and on simulated clusters; `snapshots` holds
//! what was answered, a file per topic, to be read from top to bottom. The manifests that are typed
//! are in `manifests`. What shows only in a process of its own is in [`process`], on a terminal in
//! [`terminal`], under kubectl in [`plugin`].

mod adopt;
mod beside;
mod beside_kubectl;
mod by_cluster;
mod by_flags;
mod changes;
mod clusters;
mod completion;
mod confirmations;
mod connections;
mod deletions;
mod docs;
mod editing;
mod errors;
mod examples;
mod formats;
mod hints;
mod interrupts;
mod jsonpath;
mod kyaml;
mod live;
mod logs;
mod machine;
mod made;
mod orphans;
mod plugin;
mod plugins;
mod preflight;
mod process;
mod recovery;
mod retry;
mod rights;
mod roles;
mod scenes;
mod screen;
mod sentences;
mod shell;
mod stage;
mod surface;
mod terminal;
mod timeline;
mod validate;
mod verbs;
mod waiting;
mod written;
mod yaml;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

#[expect(clippy::too_many_lines, reason = "it lists all transcripts")]
fn main() -> ExitCode {
    // File names are typed as in a directory of manifests.
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/manifests");
    std::env::set_current_dir(manifests).expect("the manifests are there");
    let mut trials = vec![
        transcript("help", verbs::help),
        transcript("init", verbs::init),
        transcript("register", verbs::register),
        transcript("list", verbs::list),
        transcript("unregister", verbs::unregister),
        transcript("label", clusters::label),
        transcript("cordon", clusters::cordon),
        transcript("lease", clusters::lease),
        transcript("drain", clusters::drain),
        transcript("check", clusters::check),
        transcript("lost", clusters::lost),
        transcript("create", verbs::create),
        transcript("create by flags", made::made),
        transcript("fields that clusters do not know", validate::validate),
        transcript("apply", changes::apply),
        transcript("apply that is refused", changes::apply_refused),
        transcript("diff", changes::diff),
        transcript("scale", changes::scale),
        transcript("suspend", changes::suspend),
        transcript("edit", changes::edit),
        transcript("recreate", changes::recreate),
        transcript("patch", changes::patch),
        transcript("get", verbs::get),
        transcript("formats", formats::formats),
        transcript("formats of what changed", formats::changed),
        transcript("describe", verbs::describe),
        transcript("logs", logs::logs),
        transcript("events", logs::events),
        transcript("timeline", timeline::timeline),
        transcript("tree", timeline::tree),
        transcript("by cluster", by_cluster::by_cluster),
        played("a watch of shards has a row for each that changed", by_cluster::watched),
        transcript("delete", verbs::delete),
        transcript("deletions of what is gone or away", deletions::deletions),
        transcript("reconcile", verbs::reconcile),
        transcript("orphans", orphans::orphans),
        transcript("retry", retry::retry),
        transcript("adopt", adopt::adopt),
        transcript("version", verbs::version),
        transcript("what a shell is told", completion::protocol),
        transcript("completion", completion::scripts),
        transcript("recover", recovery::recover),
        transcript("backup and restore", recovery::backup),
        transcript("records that cannot be read", recovery::damaged),
        transcript("restored work", recovery::restored),
        transcript("another host", recovery::relocate),
        played("docs/operations.md shows what the commands print", docs::operations_page),
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
        played("a log that breaks off at any byte is read whole and once", logs::broken_off),
        played(
            "logs that break off are read where few requests are taken",
            logs::broken_off_where_few_are_taken,
        ),
        played("the rights of docs/operations.md suffice", rights::suffice),
        played("the rights of docs/operations.md are those that are checked", rights::checked),
        played("a preflight sends what the write sends", preflight::same_requests),
        played("a preflight finds rights that are missing", preflight::missing_rights),
        played("a preflight finds a field that a member demands", preflight::demanded_field),
        played("the examples of every help do what they say", examples::examples),
        played("what hints offer is run, and does what they say", hints::all),
        played("hints repeat the flags that lead to the clusters", hints::by_flags),
        Trial::test("interrupts: all verbs are known", || {
            interrupts::is_whole();
            Ok(())
        }),
        played("interrupts: before anything was begun", interrupts::before_anything),
        played("interrupts: meanwhile", interrupts::meanwhile),
        played("interrupts: of clusters", interrupts::of_clusters),
        played("interrupts: of several steps", interrupts::of_several_steps),
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
        Trial::test("manifests in any encoding are taken", yaml::files_in_any_encoding),
        real::blocking_trial("command lines beside kubectl", beside::kubectl),
        real::blocking_trial("events beside kubectl", beside_kubectl::events),
        real::blocking_trial("edits beside kubectl", beside_kubectl::edits),
        real::blocking_trial("values are completed in bash", completion::in_bash),
        real::blocking_trial("formats beside kubectl", formats::beside_kubectl),
        real::blocking_trial(
            "flags are those of kubectl, or left out by the page",
            surface::left_out,
        ),
        real::blocking_trial("templates print what kubectl prints", jsonpath::as_kubectl_prints_it),
        real::blocking_trial("KYAML is as kubectl prints it", kyaml::as_kubectl_prints_it),
        real::blocking_trial("YAML is as kubectl prints it", written::as_kubectl_prints_it),
        real::blocking_trial("YAML means what kubectl takes it for", yaml::as_kubectl_reads_it),
        real::trial("kubectl finds the plugin, and the main job is typed", plugin::main_job),
    ];
    trials.extend(on_a_terminal());
    trials.extend(confirmations::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The binary on a terminal.
fn on_a_terminal() -> Vec<Trial> {
    vec![
        Trial::test("delete and Enter delete the jobs in the clusters", terminal::yes),
        Trial::test("keep and Enter keep them", terminal::no),
        Trial::test("a terminal is told what is missing, and what goes on", terminal::missing),
        Trial::test("a y before Enter can be taken back", terminal::second_thoughts),
        Trial::test("the end of input changes nothing", terminal::end_of_input),
        Trial::test("Esc changes nothing", terminal::escape),
        Trial::test(
            "a signal at a question leaves the terminal as it was",
            process::ended_by_a_signal,
        ),
        Trial::test("without a terminal nobody is asked", terminal::nobody_to_ask),
        Trial::test("several orphans are chosen on a terminal", terminal::several),
        Trial::test("Ctrl-C and the end of input at that question change nothing", terminal::none),
        Trial::test("a progress bar leaves nothing in the lines", terminal::progress),
        Trial::test(
            "progress shows completions and clusters, and Ctrl-C ends a wait",
            terminal::waiting,
        ),
        Trial::test(
            "interrupts: Ctrl-C is left to an editor",
            editing::leaves_ctrl_c_to_the_editor,
        ),
        Trial::test(
            "interrupts: the text of an editor that Ctrl-C ends is kept",
            editing::keeps_the_text_of_an_editor_that_ends,
        ),
        Trial::test(
            "interrupts: SIGTERM keeps what is edited",
            editing::keeps_the_text_where_it_is_ended,
        ),
        Trial::test(
            "interrupts: Ctrl-C at a question of kubectl deletes nothing",
            editing::ends_a_question_of_kubectl,
        ),
        Trial::test("live: a tree ends with its job", live::ends_with_the_job),
        Trial::test("live: Ctrl-C leaves a tree as it was", live::interrupted),
        Trial::test("live: Ctrl-C leaves a reconcile as it was", live::reconcile_interrupted),
        Trial::test("live: a tree fits a window that is resized", live::resized),
        Trial::test("live: colours, and terminals without", live::colours_and_dumb_terminals),
        Trial::test("live: a reconcile shows the tree", live::reconcile),
        Trial::test("live: who is busy is shown", live::busy),
        Trial::test("who is waited for is shown after a second", terminal::silent_member),
        Trial::test(
            "Ctrl-C ends a reader that waits, and leaves no line",
            terminal::reader_interrupted,
        ),
        Trial::test(
            "Ctrl-C ends a drain, and says what is left of it",
            terminal::drain_interrupted,
        ),
        Trial::test(
            "a plugin that reads a line is not heard among questions",
            plugins::reads_a_line,
        ),
        Trial::test("clusters to register are chosen on a terminal", terminal::chosen),
        Trial::test("init asks which clusters to register", terminal::init),
        Trial::test(
            "Ctrl-C, pressed again, ends a command whose output nobody reads",
            terminal::second_interrupt,
        ),
    ]
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
