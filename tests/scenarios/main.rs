//! Scenarios: what must hold on any clusters, written once and run on simulated ones (`sim::…`) and on real control planes
//! (`real::…`). That both come out the same is what shows that the simulation is true.
//!
//! A scenario gets a [`stage::Stage`]: the members `east`, `west` and `north`, a namespace that nobody else uses, and the
//! product, run in process. What can be done on one kind of cluster only is listed for that kind.

mod create;
mod delete;
mod edit;
mod get;
mod identity;
mod link;
mod networks;
mod plan;
mod reconcile;
mod registry;
mod scenarios;
mod site;
mod stage;

use std::process::ExitCode;

/// Tests at a time where the command line does not say: they wait for their clusters more than they compute.
const TOGETHER: usize = 8;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let mut trials = Vec::new();
    for topic in [
        plan::scenarios,
        create::scenarios,
        get::scenarios,
        delete::scenarios,
        edit::scenarios,
        reconcile::scenarios,
        registry::scenarios,
        identity::scenarios,
        networks::scenarios,
    ] {
        trials.extend(topic().trials());
    }
    // The simulated ones first: they are done while the control planes start.
    trials.sort_by_key(|trial| !trial.name().starts_with("sim::"));
    libtest_mimic::run(&arguments, trials).exit_code()
}
