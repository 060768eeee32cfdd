//! The binary on a terminal: whoever does not answer a question with yes changes nothing, is told
//! so, and has the terminal as it was.

use std::fs;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    terminal::{exit_code, types_and_compares},
};

/// A question, and what leads to it.
struct Prompt {
    /// Makes the state in which it is asked.
    scene: fn() -> Result<Machine, Failed>,
    line: &'static str,
    /// The questions before it, with their answers.
    before: &'static [(&'static str, &'static str)],
    question: &'static str,
    /// What is said of a cancelled command, after `cancelled: `.
    unchanged: &'static str,
    /// Whether Enter alone cancels.
    enter_cancels: bool,
    /// The exit code of a cancelled command.
    code: i32,
}

const YES: &str = "[yes/CANCEL] ";
const SEVERAL: &str = "[numbers such as 1,3-5/all/CANCEL] ";
const RECREATE: &str = "Stop them, and run anew what they have not finished? [yes/CANCEL] ";

impl Prompt {
    const fn new(
        scene: fn() -> Result<Machine, Failed>,
        line: &'static str,
        question: &'static str,
        unchanged: &'static str,
    ) -> Self {
        Self { scene, line, before: &[], question, unchanged, enter_cancels: true, code: 1 }
    }
}

/// All questions but those that come after others in `register` and `init`.
fn prompts() -> Vec<Prompt> {
    let lost = "cluster/west stays as it was";
    vec![
        Prompt {
            enter_cancels: false,
            ..Prompt::new(new, "init", "/NONE] ", "nothing was changed")
        },
        Prompt::new(host, "cluster register", SEVERAL, "nothing was changed"),
        Prompt { code: 0, ..Prompt::new(astray, "job get pi", YES, "nothing was looked for") },
        Prompt::new(pi, "cluster lost west", YES, lost),
        Prompt::new(silent, "cluster lost west", YES, lost),
        Prompt::new(
            pi,
            "cluster unregister west",
            "[drain/CANCEL] ",
            "cluster/west stays registered",
        ),
        Prompt::new(pi, "cluster unregister west --force", YES, lost),
        Prompt::new(pi, "job delete pi", "[delete/keep/CANCEL] ", "job.batch/pi was not deleted"),
        Prompt::new(
            half_deleted,
            "job delete pi",
            "[continue/abandon/CANCEL] ",
            "job.batch/pi is being deleted as before",
        ),
        Prompt::new(orphans, "orphans clean", SEVERAL, "nothing was deleted"),
        Prompt {
            before: &[(SEVERAL, "all\n")],
            ..Prompt::new(
                orphans,
                "orphans clean",
                "Delete 3 jobs? [yes/CANCEL] ",
                "nothing was deleted",
            )
        },
        Prompt::new(strangers, "job adopt pi --clusters=east,west", YES, "nothing was adopted"),
        Prompt::new(forgotten, "job recover pi", YES, "nothing was recovered"),
        Prompt::new(retried, "job retry pi", YES, "nothing was created"),
        Prompt::new(saved, "restore ~/federation.yaml --context=east", YES, "nothing was restored"),
        Prompt::new(gone, "reconcile pi --reopen", "[yes/no/CANCEL] ", "nothing was run again"),
        Prompt::new(pi, "job apply -f ~/image.yaml --recreate", RECREATE, "nothing was changed"),
        Prompt::new(
            pi,
            "job patch pi --recreate -p 'spec: {template: {metadata: {labels: {a: b}}}}'",
            RECREATE,
            "nothing was changed",
        ),
    ]
}

/// Whoever does not confirm changes nothing, at whatever question, and is told so.
pub fn not_confirmed() -> Result<(), Failed> {
    for prompt in prompts() {
        let machine = (prompt.scene)()?;
        let before = stored(&machine);
        for (columns, keys) in [
            (40, "\u{4}"),
            (200, "\u{1b}"),
            (40, "\n"),
            (200, "a1\nb1\nc1\n"),
            (40, "\u{3}"),
            (200, "\u{3}"),
        ] {
            if keys == "\n" && !prompt.enter_cancels {
                continue;
            }
            let what = format!("{} {keys:?}", prompt.line);
            let mut terminal = types_and_compares(&machine, prompt.line, columns)?;
            for (question, answer) in prompt.before {
                terminal.exp_string(question)?;
                terminal.send(answer)?;
                terminal.flush()?;
            }
            let mut seen = terminal.exp_string(prompt.question)?;
            terminal.send(keys)?;
            terminal.flush()?;
            seen.push_str(&terminal.exp_eof()?);
            let unchanged = format!("cancelled: {}", prompt.unchanged);
            assert!(seen.contains(&unchanged), "{what}: {seen:?}");
            assert!(seen.contains("the terminal is as it was"), "{what}: {seen:?}");
            let hidden = seen.matches("\u{1b}[?25l").count();
            assert_eq!(hidden, seen.matches("\u{1b}[?25h").count(), "{what}: {seen:?}");
            let code = if keys == "\u{3}" { 130 } else { prompt.code };
            assert_eq!(exit_code(&mut terminal)?, code, "{what}: {seen:?}");
            assert_eq!(stored(&machine), before, "{what}: {seen:?}");
        }
    }
    Ok(())
}

/// What the clusters hold: the ConfigMaps, and the Jobs without their status.
fn stored(machine: &Machine) -> Vec<Value> {
    let of = |server: &sim::Server| {
        let mut all = server.cluster().list(&sim::CONFIG_MAPS, "");
        let jobs = server.cluster().list(&sim::JOBS, "");
        all.extend(jobs.iter().map(|job| {
            let about = &job["metadata"];
            json!([about["name"], about["uid"], about["labels"], about["annotations"], job["spec"]])
        }));
        all
    };
    machine.servers().iter().flat_map(of).collect()
}

fn new() -> Result<Machine, Failed> {
    Ok(Machine::new()?)
}

fn host() -> Result<Machine, Failed> {
    let machine = Machine::new()?;
    machine.succeeds("init --context=east")?;
    machine.succeeds("cluster register east")?;
    Ok(machine)
}

/// A federation with the Job `pi`, and the file of another one with another image.
fn pi() -> Result<Machine, Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let pi = fs::read_to_string("pi.yaml")?;
    assert!(pi.contains("perl:5.34.0"), "{pi}");
    fs::write(machine.path("image.yaml"), pi.replace("perl:5.34.0", "perl:5.36.0"))?;
    // What the members say is known, and pods run.
    machine.succeeds("reconcile pi")?;
    Ok(machine)
}

/// The user's context of a member leads to another one.
fn astray() -> Result<Machine, Failed> {
    let machine = pi()?;
    let path = machine.path(".kube/federate.yaml");
    let config = fs::read_to_string(&path)?;
    fs::write(&path, format!("{config}contexts:\n  west: north\n"))?;
    Ok(machine)
}

/// A member does not answer.
fn silent() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.servers()[1].cluster().go_away();
    Ok(machine)
}

fn half_deleted() -> Result<Machine, Failed> {
    let machine = silent()?;
    assert!(!machine.run("job delete pi --cascade=background")?.status.success());
    Ok(machine)
}

fn orphans() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds("job delete pi")?;
    Ok(machine)
}

/// Jobs that are no shards.
fn strangers() -> Result<Machine, Failed> {
    let machine = Machine::federation()?;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": {
        "parallelism": 2, "completions": 6, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl:5.34.0"}],
        }},
    }});
    for server in &machine.servers()[..2] {
        let created = server.cluster().create(&sim::JOBS, "default", job.clone());
        created.map_err(|why| format!("{why:?}"))?;
    }
    Ok(machine)
}

/// A record was lost.
fn forgotten() -> Result<Machine, Failed> {
    let machine = pi()?;
    let host = machine.servers()[0].cluster();
    host.delete(&sim::CONFIG_MAPS, "default", "pi.federated-job")
        .map_err(|why| format!("{why:?}"))?;
    Ok(machine)
}

/// `pi` has failed, and another Job runs what was left of it.
fn retried() -> Result<Machine, Failed> {
    let machine = pi()?;
    for server in machine.servers() {
        server.cluster().settle();
        server.cluster().fail_pods("default", "pi", 3);
        server.cluster().settle();
    }
    machine.succeeds("reconcile pi")?;
    machine.succeeds("job wait pi --for=condition=failed --timeout=30s")?;
    machine.succeeds("reconcile pi")?;
    machine.succeeds("job retry pi")?;
    Ok(machine)
}

/// A backup was made, and the registry is another one now.
fn saved() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds(&format!("backup {}", machine.path("federation.yaml").display()))?;
    machine.succeeds("cluster weight west 5")?;
    Ok(machine)
}

/// A shard is gone that may have finished.
fn gone() -> Result<Machine, Failed> {
    let machine = pi()?;
    let west = machine.servers()[1].cluster();
    let expires = json!({"spec": {"ttlSecondsAfterFinished": 60}});
    west.patch(&sim::JOBS, "default", "pi", expires).map_err(|why| format!("{why:?}"))?;
    machine.succeeds("reconcile pi")?;
    west.delete(&sim::JOBS, "default", "pi").map_err(|why| format!("{why:?}"))?;
    Ok(machine)
}
