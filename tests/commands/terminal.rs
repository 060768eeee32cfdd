//! The binary on a terminal: questions and progress.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rexpect::{process::WaitStatus, session::PtySession};

use crate::machine::Machine;

/// How long something on the terminal may take, in milliseconds: only a failure takes as long.
const PATIENCE: u64 = 30_000;

fn types(machine: &Machine, line: &str) -> Result<PtySession, rexpect::error::Error> {
    let mut command = machine.command(line);
    // The terminal takes the place of the streams that are not set.
    command.stdin(Stdio::inherit());
    rexpect::session::spawn_command(command, Some(PATIENCE))
}

fn exit_code(terminal: &mut PtySession) -> Result<i32, Failed> {
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

/// `delete` and Enter delete the shards too.
pub fn yes() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send_line("delete")?;
    terminal.exp_string("job.batch \"pi\" deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 0));
    Ok(())
}

/// `k` and Enter keep them, and how they are deleted is said.
pub fn no() -> Result<(), Failed> {
    let (machine, mut terminal) = asked()?;
    terminal.send_line("k")?;
    terminal.exp_string(
        "kubectl --context=west --namespace=default delete jobs --selector=kubectl-federate.dev/job=",
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

/// A wait shows how far the Job and its clusters are; Ctrl-C ends it, and leaves nothing of that.
pub fn waiting() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types(&machine, "job wait pi --for=condition=complete --timeout=1h")?;
    let mut seen = terminal.exp_string("0/18 clusters: 3 Running")?;
    terminal.send_control('c')?;
    seen.push_str(&terminal.exp_eof()?);
    assert!(seen.contains("waiting ["), "{seen:?}");
    assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
    let left: Vec<_> =
        Screen::after(&seen).lines.into_iter().filter(|line| !line.is_empty()).collect();
    assert!(left.is_empty() || left == ["^C"], "{seen:?}");
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

/// What a terminal shows; of the escape sequences, those that move the cursor up and clear a line.
#[derive(Default)]
struct Screen {
    lines: Vec<String>,
    row: usize,
    column: usize,
}

impl Screen {
    fn after(text: &str) -> Self {
        let mut screen = Self::default();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\n' => screen.row += 1,
                '\r' => screen.column = 0,
                '\u{1b}' => {
                    let mut sequence = String::new();
                    for c in chars.by_ref() {
                        sequence.push(c);
                        if c.is_ascii_alphabetic() {
                            break;
                        }
                    }
                    screen.control(&sequence);
                }
                c => screen.put(c),
            }
        }
        while screen.lines.last().is_some_and(|line| line.trim().is_empty()) {
            screen.lines.pop();
        }
        screen.lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
        screen
    }

    fn control(&mut self, sequence: &str) {
        let number = sequence.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(1);
        match sequence.chars().last() {
            Some('A') => self.row = self.row.saturating_sub(number),
            Some('K') => self.line().clear(),
            _ => {}
        }
    }

    fn line(&mut self) -> &mut String {
        if self.lines.len() <= self.row {
            self.lines.resize(self.row + 1, String::new());
        }
        &mut self.lines[self.row]
    }

    fn put(&mut self, c: char) {
        let column = self.column;
        let line = self.line();
        let mut cells: Vec<char> = line.chars().collect();
        cells.resize(cells.len().max(column + 1), ' ');
        cells[column] = c;
        *line = cells.into_iter().collect();
        self.column += 1;
    }
}
