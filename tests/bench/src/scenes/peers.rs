//! This build beside what else people use.

use std::{fs, path::Path, process::Command};

use super::{
    Bench, Rows, documents, job, shares,
    stage::{Player, Stage},
};
use crate::{
    Error,
    arguments::Arguments,
    fleet::{HOST, HOSTS, MEMBER},
    program,
    rows::{Measure, Row, Subject},
};

pub(super) fn kubectl_rows(arguments: &Arguments) -> Vec<Row> {
    let members = arguments.sizes.kubectl_members;
    let what = format!("create one Job over {members} members; of kubectl, a Job in each");
    vec![Row::new("kubectl-create", what, Vec::new())]
}

/// `kubectl create` for each member, one after the other, and sixteen at a time.
pub(super) fn kubectl(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let members = bench.arguments.sizes.kubectl_members;
    let kubectl = program::kubectl(bench.arguments)?.display().to_string();
    let mut stage = Stage::new(bench, members)?;
    stage.folder.write("members", &(stage.fleet.members().join("\n") + "\n"))?;
    stage.folder.write("one.yaml", &documents([job("pi", 1, 2)]))?;
    let home = stage.folder.path("home-kubectl");
    fs::create_dir(&home)?;
    let shell = |line: &str| {
        let mut command = stage.folder.command(Path::new("/bin/sh"), &home);
        command.args(["-ec", line]).env("KUBECTL", &kubectl).env("STAGE", stage.folder.path(""));
        command
    };
    let each = "while read -r name; do \"$KUBECTL\" --context=\"$name\" create -f \"$STAGE/one.yaml\"; \
                done < \"$STAGE/members\"";
    let some = "xargs -P16 -I{} \"$KUBECTL\" --context={} create -f \"$STAGE/one.yaml\" \
                < \"$STAGE/members\"";
    let others = [(Subject::Kubectl, shell(each)), (Subject::Xargs, shell(some))];
    // The first time each member is asked what it serves; that is kept.
    stage.folder.run(&others[1].1)?;
    stage.fleet.clear()?;
    beside(bench, rows, &mut stage, "kubectl-create", others.into())
}

pub(super) fn client_go_rows(arguments: &Arguments) -> Vec<Row> {
    let members = arguments.sizes.client_go_members;
    let what = format!("create one Job over {members} members, by the same steps");
    let goals = [(Measure::Wall, 0.7), (Measure::Cpu, 0.4), (Measure::Memory, 0.4)];
    vec![Row::new("client-go-create", what, shares(Subject::ClientGo, goals))]
}

/// A program over client-go that takes the same steps.
pub(super) fn client_go(bench: &Bench<'_>, rows: &mut Rows) -> Result<(), Error> {
    let members = bench.arguments.sizes.client_go_members;
    let peer = program::client_go()?;
    let mut stage = Stage::new(bench, members)?;
    let file = stage.folder.write("one.yaml", &documents([job("pi", 1, 2)]))?;
    let mut command = stage.folder.command(&peer, &stage.folder.path(""));
    command.arg("-kubeconfig").arg(stage.folder.path("kubeconfig"));
    command.args(["-host", &format!("{HOST}{}", HOSTS - 1), "-members", MEMBER, "-file", &file]);
    beside(bench, rows, &mut stage, "client-go-create", vec![(Subject::ClientGo, command)])
}

/// Creates one Job over all members in turn: with each build, and by the other commands.
fn beside(
    bench: &Bench<'_>,
    rows: &mut Rows,
    stage: &mut Stage,
    row: &str,
    others: Vec<(Subject, Command)>,
) -> Result<(), Error> {
    let members = stage.fleet.members().len();
    let file = stage.folder.write("job.yaml", &documents([job("pi", members, 2 * members)]))?;
    let players: Result<Vec<Player>, _> =
        bench.builds.iter().map(|build| stage.player(build)).collect();
    let players = players?;
    stage.go_far()?;
    for n in bench.turns(players.len() + others.len()) {
        if let Some(player) = players.get(n) {
            let create = stage.federate(player, ["job", "create", "-f", &file]);
            stage.step(rows, row, player.build.subject, &[create])?;
            stage.expect_jobs(members)?;
            stage
                .folder
                .run(&stage.federate(player, ["job", "delete", "pi", "--cascade=background"]))?;
        } else {
            let (subject, command) = &others[n - players.len()];
            stage.step(rows, row, *subject, std::slice::from_ref(command))?;
            stage.expect_jobs(members)?;
            stage.fleet.clear()?;
        }
        stage.expect_jobs(0)?;
    }
    Ok(())
}
