//! Scenarios: what must hold on any clusters, written once and run on simulated ones (`sim::…`) and
//! on real control planes (`real::…`), new ones (`real::1.37::…`), old ones (`real::1.30::…`) and
//! several versions in one federation (`real::mixed::…`). Topics where nothing depends on the
//! version of a server run on new ones only. Those of [`queues`] run on clusters with
//! Kueue (`real::kueue::…`), those of [`gangs`] on clusters with further gates
//! (`real::gangs::…`). That all come out the same is what shows that the simulation is true.
//!
//! A scenario gets a [`stage::Stage`]: the members `east`, `west` and `north`, a namespace that
//! nobody else uses, and the product, run in process. What can be done on one kind of cluster only
//! is listed for that kind.

mod administration;
mod admission;
mod adopt;
mod answers;
mod create;
mod delete;
mod describe;
mod drain;
mod edit;
mod edit_conflicts;
mod edit_members;
mod edit_templates;
mod gangs;
mod get;
mod hosts;
mod hosts_again;
mod identity;
mod kinds;
mod lease_returns;
mod leases;
mod left;
mod limits;
mod link;
mod logs;
mod lost;
mod member_changes;
mod moves;
mod names;
mod networks;
mod orphans;
mod outages;
mod plan;
mod queue_stops;
mod queues;
mod reconcile;
mod recovery;
mod recovery_of_pods;
mod registry;
mod remains;
mod retry;
mod rights;
#[path = "../commands/roles.rs"]
mod roles;
mod scenarios;
mod script;
mod site;
mod stage;
mod staying;
mod stopping;
mod suspensions;
mod timeline;
mod two_hosts;
mod until_ended;
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
        suspensions::scenarios,
        create::scenarios,
        gangs::scenarios,
        get::scenarios,
        logs::scenarios,
        timeline::scenarios,
        hosts::scenarios,
        hosts_again::scenarios,
        left::scenarios,
        two_hosts::scenarios,
        describe::scenarios,
        delete::scenarios,
        orphans::scenarios,
        retry::scenarios,
        adopt::scenarios,
        edit::scenarios,
        edit_conflicts::scenarios,
        edit_members::scenarios,
        edit_templates::scenarios,
        moves::scenarios,
        names::scenarios,
        reconcile::scenarios,
        remains::scenarios,
        kinds::scenarios,
        limits::scenarios,
        recovery::scenarios,
        recovery_of_pods::scenarios,
        registry::scenarios,
        rights::scenarios,
        administration::scenarios,
        identity::scenarios,
        networks::scenarios,
        wait::scenarios,
        script::scenarios,
        until_ended::scenarios,
        answers::scenarios,
        outages::scenarios,
        lost::scenarios,
        lease_returns::scenarios,
        leases::scenarios,
        drain::scenarios,
        member_changes::scenarios,
        queue_stops::scenarios,
        queues::scenarios,
    ] {
        trials.extend(topic().trials());
    }
    trials.sort_by_key(|(phase, _)| *phase);
    let trials = trials.into_iter().map(|(_, trial)| trial).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
