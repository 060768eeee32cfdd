//! The verbs: this build beside the older one.

use super::{
    Bench, Rows, documents, job, limits, shares,
    stage::{Player, Stage},
};
use crate::{
    Error,
    arguments::Arguments,
    program::Build,
    rows::{Measure, Row, Subject},
};

/// What "50 Jobs over 20 members" is to reach.
const MANY: [(Measure, f64); 1] = [(Measure::Wall, 0.08)];

/// What a command that only looks is to reach over very many members.
const LOOK: [(Measure, f64); 2] = [(Measure::Wall, 0.4), (Measure::Cpu, 0.6)];

pub(super) fn jobs_rows(arguments: &Arguments) -> Vec<Row> {
    let sizes = &arguments.sizes;
    let row = |name, verb: &str| {
        let (jobs, members) = (sizes.jobs, sizes.jobs_members);
        let what = format!("{verb} {jobs} Jobs over {members} members");
        let mut goals = limits([(Measure::Lists, 1.0), (Measure::Connections, 1.0)]);
        goals.extend(shares(Subject::Baseline, MANY));
        Row::new(name, what, goals)
    };
    vec![
        row("jobs-create", "create"),
        row("jobs-apply", "apply changes of"),
        row("jobs-scale", "scale"),
        row("jobs-suspend", "suspend"),
        row("jobs-delete", "delete"),
    ]
}

/// Many Jobs in one command: created, applied with another parallelism, scaled, suspended, deleted.
pub(super) fn jobs(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let (count, members) = (bench.arguments.sizes.jobs, bench.arguments.sizes.jobs_members);
    let mut stage = Stage::new(bench, members)?;
    let names: Vec<String> = (0..count).map(|n| format!("job-{n:03}")).collect();
    let file =
        |parallelism| documents(names.iter().map(|name| job(name, parallelism, 4 * members)));
    let plain = stage.folder.write("jobs.yaml", &file(members))?;
    let wider = stage.folder.write("wider.yaml", &file(2 * members))?;
    let players = players(&mut stage, &bench.builds)?;
    stage.go_far()?;
    let parallelism = format!("--parallelism={}", 3 * members);
    for n in bench.turns(players.len()) {
        let (player, subject) = (&players[n], players[n].build.subject);
        let named = |verb, flag| {
            let names = names.iter().map(String::as_str);
            ["job", verb].into_iter().chain(names).chain(flag).collect::<Vec<&str>>()
        };
        let create = stage.federate(player, ["job", "create", "-f", &plain]);
        stage.step(rows, "jobs-create", subject, &[create])?;
        stage.expect_jobs(count * members)?;
        let apply = stage.federate(player, ["job", "apply", "-f", &wider]);
        stage.step(rows, "jobs-apply", subject, &[apply])?;
        let scale = if takes_many(player, "scale")? {
            vec![stage.federate(player, named("scale", Some(parallelism.as_str())))]
        } else {
            let one = |name: &String| {
                stage.federate(player, ["job", "scale", name.as_str(), parallelism.as_str()])
            };
            names.iter().map(one).collect()
        };
        stage.step(rows, "jobs-scale", subject, &scale)?;
        let suspend = stage.federate(player, named("suspend", None));
        stage.step(rows, "jobs-suspend", subject, &[suspend])?;
        let delete = stage.federate(player, named("delete", Some("--cascade=background")));
        stage.step(rows, "jobs-delete", subject, &[delete])?;
        stage.expect_jobs(0)?;
    }
    Ok(())
}

/// Whether a verb takes the names of many Jobs. Where it does not, it is called for each.
fn takes_many(player: &Player, verb: &str) -> Result<bool, Error> {
    let mut help = std::process::Command::new(&player.build.path);
    let help = help.args(["job", verb, "--help"]).output()?;
    let usage = String::from_utf8_lossy(&help.stdout).into_owned();
    let usage = usage.lines().find(|line| line.starts_with("Usage:")).unwrap_or_default();
    Ok(usage.contains("NAME>...") || usage.contains("[NAME]..."))
}

fn players(stage: &mut Stage, builds: &[Build]) -> Result<Vec<Player>, Error> {
    builds.iter().map(|build| stage.player(build)).collect()
}

pub(super) fn wide_rows(arguments: &Arguments) -> Vec<Row> {
    let members = arguments.sizes.wide_members;
    let over = |verb: &str| format!("{verb} over {members} members");
    let create = [(Measure::Wall, 0.4), (Measure::Cpu, 0.7), (Measure::Memory, 0.5)];
    let mut creating = limits([(Measure::Requests, 4.0)]);
    creating.extend(shares(Subject::Baseline, create));
    vec![
        Row::new("wide-create", over("create one Job"), creating),
        Row::new("wide-get", over("get one Job"), shares(Subject::Baseline, LOOK)),
        Row::new(
            "wide-reconcile",
            over("reconcile one Job, with nothing to do,"),
            shares(Subject::Baseline, LOOK),
        ),
        Row::new("wide-delete", over("delete one Job"), Vec::new()),
    ]
}

/// One Job over very many members: created, looked at, reconciled, deleted.
pub(super) fn wide(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let members = bench.arguments.sizes.wide_members;
    let mut stage = Stage::new(bench, members)?;
    let file = stage.folder.write("job.yaml", &documents([job("pi", members, 2 * members)]))?;
    let players = players(&mut stage, &bench.builds)?;
    stage.go_far()?;
    for n in bench.turns(players.len()) {
        let (player, subject) = (&players[n], players[n].build.subject);
        let create = stage.federate(player, ["job", "create", "-f", &file]);
        stage.step(rows, "wide-create", subject, &[create])?;
        stage.expect_jobs(members)?;
        let get = stage.federate(player, ["job", "get", "pi"]);
        stage.step(rows, "wide-get", subject, &[get])?;
        let reconcile = stage.federate(player, ["reconcile", "pi"]);
        stage.step(rows, "wide-reconcile", subject, &[reconcile])?;
        let delete = stage.federate(player, ["job", "delete", "pi", "--cascade=background"]);
        stage.step(rows, "wide-delete", subject, &[delete])?;
        stage.expect_jobs(0)?;
    }
    Ok(())
}

pub(super) fn silent_rows(arguments: &Arguments) -> Vec<Row> {
    let members = arguments.sizes.silent_members;
    let row = |name, verb: &str| {
        let what = format!("{verb} one Job over {members} members, one of which is silent");
        Row::new(name, what, shares(Subject::Baseline, [(Measure::Wall, 0.35)]))
    };
    vec![row("silent-get", "get"), row("silent-describe", "describe")]
}

/// Looks at a Job, one of whose members does not answer. Their exit code does not matter.
pub(super) fn silent(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let members = bench.arguments.sizes.silent_members;
    let mut stage = Stage::new(bench, members)?;
    let players = players(&mut stage, &bench.builds)?;
    let name = |subject: Subject| format!("pi-{}", subject as usize);
    for player in &players {
        let job = job(&name(player.build.subject), members, 2 * members);
        let file = stage.folder.write("job.yaml", &documents([job]))?;
        stage.folder.run(&stage.federate(player, ["job", "create", "-f", &file]))?;
    }
    stage.go_far()?;
    stage.fleet.set_silent(true)?;
    for n in bench.turns(players.len()) {
        let (player, subject) = (&players[n], players[n].build.subject);
        let name = name(subject);
        for (row, verb) in [("silent-get", "get"), ("silent-describe", "describe")] {
            if rows.get(row).is_some() {
                let look = stage.federate(player, ["job", verb, &name]);
                stage.step(rows, row, subject, &[look])?;
            }
        }
    }
    Ok(())
}

pub(super) fn all_rows(arguments: &Arguments) -> Vec<Row> {
    let (jobs, members) = (arguments.sizes.all_jobs, arguments.sizes.all_members);
    let what = format!("reconcile -A {jobs} Jobs over {members} members, with nothing to do");
    vec![Row::new("all-reconcile", what, limits([(Measure::Lists, 1.0), (Measure::Memory, 200.0)]))]
}

/// All Jobs of a federation are reconciled. This build has created them, the older one finds them.
pub(super) fn all(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let (count, members) = (bench.arguments.sizes.all_jobs, bench.arguments.sizes.all_members);
    let mut stage = Stage::new(bench, members)?;
    let jobs = (0..count).map(|n| job(&format!("job-{n:05}"), members, 2 * members));
    let file = stage.folder.write("jobs.yaml", &documents(jobs))?;
    let ours = stage.player(&bench.builds[0])?;
    stage.folder.run(&stage.federate(&ours, ["job", "create", "-f", &file]))?;
    stage.expect_jobs(count * members)?;
    stage.go_far()?;
    for n in bench.turns(bench.builds.len()) {
        let player = ours.with(&bench.builds[n]);
        let reconcile = stage.federate(&player, ["reconcile", "-A"]);
        stage.step(rows, "all-reconcile", player.build.subject, &[reconcile])?;
    }
    Ok(())
}
