//! What needs no clusters: a plan, and start-up.

use std::{hint::black_box, process::Command, time::Instant};

use kubectl_federate::plan;

use super::{Bench, Rows, limits, shares};
use crate::{
    Error,
    arguments::Arguments,
    fleet::Traffic,
    measure::{Usage, measure},
    plans::Plans,
    program,
    rows::{Measure, Row, Sample, Subject},
};

/// How often a plan is made in a round.
const PLANS: usize = 5;

pub(super) fn plan_rows(arguments: &Arguments) -> Vec<Row> {
    let members = arguments.sizes.plan_members;
    let what = format!("plan one Job over {members} members that all differ, of the library alone");
    vec![Row::new("plan", what, limits([(Measure::Wall, 0.01)]))]
}

/// The planner on the worst that there is.
pub(super) fn plan(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let plans = Plans::new(bench.arguments.sizes.plan_members);
    let members = plans.different();
    let request = plans.of_different(&members);
    for _ in 0..bench.arguments.rounds * PLANS {
        let start = Instant::now();
        black_box(plan::plan(black_box(&request)))?;
        let wall = start.elapsed();
        let usage = Usage { wall, cpu: wall, memory: 0, succeeded: true };
        add(rows, "plan", Subject::Ours, usage);
    }
    Ok(())
}

pub(super) fn start_rows(_: &Arguments) -> Vec<Row> {
    let goals = shares(Subject::Kubectl, [(Measure::Wall, 0.05)]);
    vec![Row::new("start", "version --client".to_owned(), goals)]
}

/// Each program is started and tells its version.
pub(super) fn start(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let mut programs: Vec<_> =
        bench.builds.iter().map(|build| (build.subject, build.path.clone())).collect();
    let kubectl = program::kubectl(bench.arguments);
    programs.extend(kubectl.iter().map(|path| (Subject::Kubectl, path.clone())));
    let folder = tempfile::tempdir()?;
    for n in bench.turns(programs.len()) {
        let (subject, path) = &programs[n];
        let mut command = Command::new(path);
        command.args(["version", "--client"]).env_clear().env("HOME", folder.path());
        for _ in 0..bench.arguments.sizes.starts {
            let usage = measure(&command, &folder.path().join("errors"))?;
            add(rows, "start", *subject, usage);
        }
    }
    kubectl.map(drop)
}

/// Adds a sample of what asks no cluster.
fn add(rows: &mut Rows, name: &str, subject: Subject, usage: Usage) {
    if let Some(row) = rows.get(name) {
        row.add(subject, Sample { usage, traffic: Traffic::default() });
    }
}
