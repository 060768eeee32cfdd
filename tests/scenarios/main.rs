//! Scenarios: what must hold on any clusters, written once and run on simulated ones (`sim::…`) and
//! on real control planes (`real::…`), new ones (`real::1.36::…`), old ones (`real::1.30::…`) and
//! both in one federation (`real::mixed::…`). That all come out the same is what shows that the
//! simulation is true.
//!
//! A scenario gets a [`stage::Stage`]: the members `east`, `west` and `north`, a namespace that
//! nobody else uses, and the product, run in process. What can be done on one kind of cluster only
//! is listed for that kind.

mod admission;
mod answers;
mod create;
mod delete;
mod describe;
mod edit;
mod edit_conflicts;
mod edit_members;
mod get;
mod identity;
mod kinds;
mod limits;
mod link;
mod moves;
mod names;
mod networks;
mod outages;
mod plan;
mod reconcile;
mod registry;
mod scenarios;
mod site;
mod stage;
mod staying;
mod stopping;
mod wait;

use std::process::ExitCode;

/// Tests at a time where the command line does not say: they wait for their clusters more than they
/// compute.
const TOGETHER: usize = 8;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let mut trials = Vec::new();
    for topic in [
        plan::scenarios,
        admission::scenarios,
        staying::scenarios,
        stopping::scenarios,
        create::scenarios,
        get::scenarios,
        describe::scenarios,
        delete::scenarios,
        edit::scenarios,
        edit_conflicts::scenarios,
        edit_members::scenarios,
        moves::scenarios,
        names::scenarios,
        reconcile::scenarios,
        kinds::scenarios,
        limits::scenarios,
        registry::scenarios,
        identity::scenarios,
        networks::scenarios,
        wait::scenarios,
        answers::scenarios,
        outages::scenarios,
    ] {
        trials.extend(topic().trials());
    }
    trials.sort_by_key(|(phase, _)| *phase);
    let trials = trials.into_iter().map(|(_, trial)| trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
