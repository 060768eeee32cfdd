//! The binary on a terminal: questions and progress.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rexpect::{process::WaitStatus, session::PtySession};

use crate::{
    live::shows_the_cursor,
    machine::Machine,
    screen::{Screen, decoded},
};

/// How long something on the terminal may take, in milliseconds: only a failure takes as long.
const PATIENCE: u64 = 30_000;

fn types(machine: &Machine, line: &str) -> Result<PtySession, rexpect::error::Error> {
    let mut command = machine.command(line);
    // The terminal takes the place of the streams that are not set.
    command.stdin(Stdio::inherit());
    rexpect::session::spawn_command(command, Some(PATIENCE))
}

pub fn exit_code(terminal: &mut PtySession) -> Result<i32, Failed> {
    match terminal.process_mut().wait()? {
        WaitStatus::Exited(_, code) => Ok(code),
        other => Err(format!("it did not exit: {other:?}").into()),
    }
}

/// A federation with the Job `pi`, and the question that `job delete` asks of it.
fn asked() -> Result<(Machine, PtySession), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types(&machine, "job delete pi")?;
    terminal.exp_string("Delete the jobs \"pi\" in east, north, west too, or keep them running? [delete/keep/CANCEL] ")?;
    assert_eq!(machine.jobs("pi"), 3);
    Ok((machine, terminal))
}

/// What is missing is said before the question, which is about the rest.
pub fn missing() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types(&machine, "job delete tau pi")?;
    terminal.exp_string("Error from server (NotFound): jobs.batch \"tau\" not found")?;
    terminal.exp_string("Delete the jobs \"pi\" in east, north, west too")?;
    terminal.send_line("")?;
    terminal.exp_string("cancelled: job.batch/pi was not deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
    // Ctrl-C ends a wait, and the user is told that the job does not end with it.
    let mut terminal = types(&machine, "job wait pi --for=condition=complete")?;
    terminal.exp_string("west")?;
    terminal.send_control('c')?;
    terminal.exp_string("interrupted. The job goes on: the same command waits again.")?;
    terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 130);
    Ok(())
}

/// `delete` and Enter delete the shards too.
pub fn yes() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send_line("delete")?;
    terminal.exp_string("job.batch \"pi\" deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 0));
    Ok(())
}

/// `keep` and Enter keep them, and how they are deleted is said.
pub fn no() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send_line("keep")?;
    terminal.exp_string(
        "kubectl federate orphans clean --namespace=default --selector=kubectl-federate.dev/job=",
    )?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 3));
    assert!(!machine.run("job get pi")?.status.success(), "it is forgotten");
    Ok(())
}

/// A `d` does nothing before Enter: it can be taken back, and Enter alone cancels.
pub fn second_thoughts() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send("d")?;
    terminal.send_control('u')?;
    terminal.send_line("")?;
    terminal.exp_string("cancelled: job.batch/pi was not deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
    machine.succeeds("job get pi")?;
    Ok(())
}

/// The end of input is no answer: nothing changes.
pub fn end_of_input() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send_control('d')?;
    terminal.exp_string("cancelled: job.batch/pi was not deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
    machine.succeeds("job get pi")?;
    Ok(())
}

/// Esc cancels at once, also behind an answer that was not entered: nothing changes.
pub fn escape() -> Result<(), Failed> {
    for typed in ["\u{1b}", "delete\u{1b}"] {
        let (machine, mut terminal) = asked()?;
        terminal.send(typed)?;
        terminal.flush()?;
        terminal.exp_string("cancelled: job.batch/pi was not deleted")?;
        terminal.exp_eof()?;
        assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
        machine.succeeds("job get pi")?;
    }
    Ok(())
}

/// A terminal that is closed is no answer: nothing changes, and everything can be done from another
/// one.
pub fn closed() -> Result<(), Failed> {
    let (machine, terminal) = asked()?;
    drop(terminal);
    assert_eq!(machine.jobs("pi"), 3);
    let reconciled = machine.succeeds("reconcile")?;
    assert!(
        crate::machine::text(&reconciled.stdout).ends_with(": Running 0/18\n"),
        "{reconciled:?}"
    );
    machine.succeeds("job delete pi --cascade=background")?;
    assert_eq!(machine.jobs("pi"), 0);
    Ok(())
}

/// Three orphans, and the question which of them are to be deleted.
fn asked_for_several() -> Result<(Machine, PtySession), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    machine.succeeds("job delete pi")?;
    let mut terminal = types(&machine, "orphans clean")?;
    terminal.exp_string("Which of them are to be deleted? [numbers such as 1,3-5/all/CANCEL] ")?;
    Ok((machine, terminal))
}

/// Two of three orphans are chosen, confirmed and deleted.
pub fn several() -> Result<(), Failed> {
    let (machine, mut terminal) = asked_for_several()?;
    terminal.send_line("1,3")?;
    terminal.exp_string("2 jobs have not ended, and would lose work.")?;
    terminal.exp_string("Delete 2 jobs? [yes/CANCEL] ")?;
    terminal.send_line("yes")?;
    terminal.exp_string("job.batch/pi deleted in cluster west")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 1));
    Ok(())
}

/// Ctrl-C, the end of input and Enter alone delete nothing.
pub fn none() -> Result<(), Failed> {
    let (machine, mut terminal) = asked_for_several()?;
    terminal.send_control('d')?;
    terminal.exp_string("cancelled: nothing was deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
    let mut terminal = types(&machine, "orphans clean")?;
    terminal.exp_string("CANCEL] ")?;
    terminal.send_line("all")?;
    terminal.exp_string("CANCEL] ")?;
    terminal.send_line("")?;
    terminal.exp_string("cancelled: nothing was deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (1, 3));
    let mut terminal = types(&machine, "orphans clean")?;
    terminal.exp_string("CANCEL] ")?;
    terminal.send_control('c')?;
    terminal.exp_string("cancelled: nothing was deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (130, 3));
    Ok(())
}

/// Without a terminal nobody is asked.
pub fn nobody_to_ask() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let output = machine.succeeds("job delete pi")?;
    assert!(!String::from_utf8_lossy(&output.stderr).contains("CANCEL"));
    assert_eq!(machine.jobs("pi"), 3);
    Ok(())
}

/// A progress bar is seen while Jobs are made, and gone from the lines that stay.
pub fn progress() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let mut terminal = types(&machine, "job create -f pi.yaml")?;
    let seen = terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 0);
    assert!(seen.contains("creating ["), "{seen:?}");
    let lines = Screen::after(&seen).lines;
    let table = [
        "CLUSTER   PARALLELISM   COMPLETIONS",
        "east      3             6",
        "north     3             6",
    ];
    let table: Vec<_> =
        table.into_iter().chain(["west      3             6", "job.batch/pi created"]).collect();
    assert_eq!(lines, table, "{seen:?}");
    Ok(())
}

/// A wait shows how far the Job and its clusters are; Ctrl-C ends it, and leaves how far they were
/// and one line that says that the Job goes on.
pub fn waiting() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types(&machine, "job wait pi --for=condition=complete --timeout=1h")?;
    let mut seen = terminal.exp_string("0/18")?;
    seen.push_str("0/18");
    seen.push_str(&terminal.exp_string("west    Running")?);
    seen.push_str("west    Running");
    terminal.send_control('c')?;
    seen.push_str(&terminal.exp_eof()?);
    let seen = decoded(&seen);
    assert!(seen.contains("waiting for 1 job"), "{seen:?}");
    assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
    let shown = Screen::after(&seen).lines.into_iter();
    let left: Vec<_> = shown.filter(|line| !line.is_empty() && line != "^C").collect();
    let goes_on = "interrupted. The job goes on: the same command waits again.";
    assert_eq!(left.last().map(String::as_str), Some(goes_on), "{seen:?}");
    assert!(left.iter().any(|line| line.contains("0/18")), "{left:#?}");
    assert!(!left.iter().any(|line| line.contains("waiting for")), "{left:#?}");
    machine.succeeds("job get pi")?;
    Ok(())
}

/// Ctrl-C, pressed again, ends a command that cannot print because nobody reads what it prints.
pub fn second_interrupt() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    // More than a pipe holds.
    let name = format!("  name: pi\n  annotations:\n    note: {}\n", "x".repeat(150_000));
    let large = std::fs::read_to_string("pi.yaml")?.replacen("  name: pi\n", &name, 1);
    let file = machine.path("large.yaml");
    std::fs::write(&file, large)?;
    machine.succeeds(&format!("job create -f {}", file.display()))?;
    let mut watch = machine.command("job get pi -o yaml --watch").stdout(Stdio::piped()).spawn()?;
    let mut stdout = watch.stdout.take().expect("it is piped");
    stdout.read_exact(&mut [0])?;
    let start = Instant::now();
    let mut presses = 0;
    let status = loop {
        if let Some(status) = watch.try_wait()? {
            break status;
        }
        if start.elapsed() > Duration::from_millis(PATIENCE) {
            watch.kill()?;
            return Err(format!("it goes on after Ctrl-C was pressed {presses} times").into());
        }
        let kill = Command::new("kill").args(["-INT", &watch.id().to_string()]).status()?;
        assert!(kill.success());
        presses += 1;
        // Signals that come together count as one.
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((status.code(), presses > 1), (Some(130), true), "{presses}");
    Ok(())
}

/// What is shown of a member that does not answer: who is waited for, after a second, and nothing
/// of that afterwards.
pub fn silent_member() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let west = machine.servers()[1].cluster();
    west.on_request(|_| sim::Verdict::Hang(sim::When::Before));
    let mut terminal = types(&machine, "job get pi --request-timeout=3s")?;
    let mut seen = terminal.exp_string("waiting for west")?;
    seen.push_str(&terminal.exp_eof()?);
    assert_eq!(exit_code(&mut terminal)?, 0, "{seen:?}");
    let lines = Screen::after(&seen).lines.join("\n");
    assert!(lines.contains("Running,Unknown") && !lines.contains("waiting for"), "{lines}");
    // Without a terminal nothing is said of it.
    let output = machine.succeeds("job get pi --request-timeout=3s")?;
    assert!(!crate::machine::text(&output.stderr).contains("waiting for"));
    Ok(())
}

/// Ctrl-C ends a command that only reads while it waits for a member, and leaves nothing of the
/// line that says so; that nothing was changed is said, and the cursor is seen.
pub fn reader_interrupted() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    machine.servers()[1].cluster().on_request(|_| sim::Verdict::Hang(sim::When::Before));
    for line in ["job get pi", "job describe pi", "cluster list", "cluster check", "orphans list"] {
        let mut terminal = types(&machine, line)?;
        let mut seen = terminal.exp_string("waiting for west")?;
        terminal.send_control('c')?;
        seen.push_str("waiting for west");
        seen.push_str(&terminal.exp_eof()?);
        assert_eq!(exit_code(&mut terminal)?, 130, "{line}: {seen:?}");
        let left: Vec<_> =
            Screen::after(&seen).lines.into_iter().filter(|line| !line.is_empty()).collect();
        let said = "interrupted: nothing was changed";
        assert!(left == [said] || left == ["^C", said], "{line}: {seen:?}");
        let hidden = seen.matches("\u{1b}[?25l").count();
        assert_eq!(hidden, seen.matches("\u{1b}[?25h").count(), "{line}: {seen:?}");
    }
    Ok(())
}

/// Ctrl-C ends a drain, and the user learns that the cluster stays as it is.
pub fn drain_interrupted() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types_in(&machine, "cluster drain west", 240)?;
    let mut seen = terminal.exp_string("credited")?;
    terminal.send_control('c')?;
    seen.push_str(&terminal.exp_eof()?);
    assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
    let lines = Screen::of(240, &seen).lines.join(" ");
    assert!(lines.contains("every reconcile goes on"), "{lines}");
    assert!(lines.contains("kubectl federate cluster uncordon west"), "{lines}");
    shows_the_cursor(&seen);
    Ok(())
}

/// What the user is asked by `cluster register`, in a window of so many columns.
fn picking(columns: u16) -> Result<(Machine, PtySession), Failed> {
    let machine = Machine::new()?;
    machine.succeeds("init --context=east")?;
    machine.succeeds("cluster register east")?;
    let mut terminal = types_in(&machine, "cluster register", columns)?;
    terminal.exp_string("member east")?;
    terminal.exp_string("Which clusters? [numbers such as 1,3-5/all/CANCEL] ")?;
    Ok((machine, terminal))
}

/// The same in a window of so many columns.
pub fn types_in(machine: &Machine, line: &str, columns: u16) -> Result<PtySession, Failed> {
    in_shell(machine, &format!("stty cols {columns} rows 40; exec \"$0\" {line}"))
}

/// The same; after the command it is said whether the terminal is as it was before. Ctrl-C goes to
/// the shell, too, which goes on.
pub fn types_and_compares(
    machine: &Machine,
    line: &str,
    columns: u16,
) -> Result<PtySession, Failed> {
    let shell = format!(
        "stty cols {columns} rows 40; trap : INT; before=$(stty -g); \"$0\" {line}; code=$?; \
         test \"$before\" = \"$(stty -g)\" && echo the terminal is as it was; exit $code"
    );
    in_shell(machine, &shell)
}

/// A shell on a terminal, with the binary as its `$0`.
pub fn in_shell(machine: &Machine, script: &str) -> Result<PtySession, Failed> {
    let mut command = Command::new("sh");
    command.args(["-c", script, crate::machine::BINARY]).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("HOME", machine.path("")).env("TERM", "xterm");
    Ok(rexpect::session::spawn_command(command, Some(PATIENCE))?)
}

/// The names of the members, as `cluster list` has them.
fn members(machine: &Machine) -> Result<Vec<String>, Failed> {
    let listed = machine.succeeds("cluster list -o name")?;
    Ok(crate::machine::text(&listed.stdout).lines().map(str::to_owned).collect())
}

/// A user chooses clusters, and how they are registered.
pub fn chosen() -> Result<(), Failed> {
    for columns in [40, 200] {
        let (machine, mut terminal) = picking(columns)?;
        terminal.send_line("9")?;
        terminal.exp_string("Choose numbers from 1 to 3")?;
        terminal.send_line("2,3")?;
        terminal.exp_string("Name of north [north]: ")?;
        terminal.send_line("")?;
        terminal.exp_string("Weight of north [1]: ")?;
        terminal.send_line("heavy")?;
        terminal.exp_string("A weight must be a whole number from 0 to 2147483647.")?;
        terminal.exp_string("Weight of north [1]: ")?;
        terminal.send_line("3")?;
        terminal.exp_string("Lease of north, such as 30m [none]: ")?;
        terminal.send_line("1s")?;
        terminal.exp_string("A lease must be at least 1m")?;
        terminal.exp_string("Lease of north, such as 30m [none]: ")?;
        terminal.send_line("90m")?;
        terminal.exp_string("Labels of north, such as region=eu,tier=a [none]: ")?;
        terminal.send_line("region=eu")?;
        terminal.exp_string("Name of west [west]: ")?;
        terminal.send_line("north")?;
        terminal.exp_string("\"north\" is taken.")?;
        terminal.exp_string("Name of west [west]: ")?;
        terminal.send_line("london")?;
        terminal.exp_string("Weight of london [1]: ")?;
        terminal.send_line("")?;
        terminal.exp_string("Lease of london, such as 30m [none]: ")?;
        terminal.send_line("")?;
        terminal.exp_string(" [none]: ")?;
        terminal.send_line("")?;
        terminal.exp_string("north: context \"north\", weight 3, lease 1h30m, labels region=eu")?;
        terminal.exp_string("Write this to the registry? [yes/CANCEL] ")?;
        assert_eq!(members(&machine)?, ["cluster/east"], "nothing is written before");
        terminal.send_line("yes")?;
        terminal.exp_string("cluster/london registered")?;
        terminal.exp_eof()?;
        assert_eq!(exit_code(&mut terminal)?, 0);
        assert_eq!(members(&machine)?, ["cluster/east", "cluster/london", "cluster/north"]);
    }
    Ok(())
}

/// `init` asks for the members, and makes no federation where the user cancels.
pub fn init() -> Result<(), Failed> {
    let machine = Machine::new()?;
    let question = "Which clusters? [numbers such as 1,3-5/all/NONE] ";
    let mut terminal = types_in(&machine, "init", 80)?;
    terminal.exp_string(question)?;
    terminal.send_control('d')?;
    terminal.exp_string("cancelled: nothing was changed")?;
    terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 1);
    assert!(!machine.path(".kube/federate.yaml").exists());
    assert!(!machine.run("cluster list")?.status.success(), "there is no federation");
    let mut terminal = types_in(&machine, "init", 80)?;
    terminal.exp_string(question)?;
    terminal.send_line("2")?;
    for answer in ["", "", "", "", "yes"] {
        terminal.exp_regex(r"\]:? ")?;
        terminal.send_line(answer)?;
    }
    terminal.exp_string("cluster/north registered")?;
    terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 0);
    assert_eq!(members(&machine)?, ["cluster/north"]);
    Ok(())
}
