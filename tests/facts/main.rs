//! Facts: what Kubernetes does with Jobs whose status somebody else writes too, without the
//! product. Each runs on simulated and on real clusters, of the newest version and of the oldest:
//! `sim::1.36::…`, `real::1.30::…`. What the product relies on stands here, and that the simulation
//! does the same.
//!
//! Where the controller has to be caught between two of its writes, the second is held back
//! ([`hold::Held`]), so that no fact is a matter of luck.

mod admission;
mod announce;
mod checks;
mod compare;
mod credit;
mod ending;
mod facts;
mod gangs;
mod gap;
mod hold;
mod indexed;
mod place;
mod policy;
mod queue;
mod shape;
mod suspend;
mod template;
mod versions;

use std::process::ExitCode;

/// Tests at a time where the command line does not say: they wait for their clusters more than they
/// compute.
const TOGETHER: usize = 8;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(TOGETHER);
    let mut trials = Vec::new();
    for topic in [
        admission::facts,
        announce::facts,
        checks::facts,
        compare::facts,
        credit::facts,
        ending::facts,
        gangs::facts,
        gap::facts,
        indexed::facts,
        queue::facts,
        shape::facts,
        suspend::facts,
        template::facts,
        versions::facts,
    ] {
        trials.extend(topic().trials());
    }
    // The simulated ones first: they are done while the control planes start.
    trials.sort_by_key(|trial| !trial.name().starts_with("sim::"));
    libtest_mimic::run(&arguments, trials).exit_code()
}
