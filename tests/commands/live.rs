//! What is drawn in place on a terminal: trees that go on until their Jobs have ended.

use std::time::Duration;

use libtest_mimic::Failed;
use rexpect::session::PtySession;

use crate::{
    machine::Machine,
    screen::{Screen, decoded},
    terminal::{exit_code, in_shell, types_in},
};

/// A federation with the Job `pi`, and a terminal of so many columns on which its tree is watched.
fn watched(columns: u16) -> Result<(Machine, PtySession, String), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types_in(&machine, "job get pi --tree --watch", columns)?;
    let seen = until(&mut terminal, "west    Running")?;
    Ok((machine, terminal, seen))
}

/// What is seen until a text in ASCII is there, which is part of it.
fn until(terminal: &mut PtySession, text: &str) -> Result<String, Failed> {
    Ok(decoded(&terminal.exp_string(text)?) + text)
}

/// What is seen until the command has ended.
fn rest(terminal: &mut PtySession) -> Result<String, Failed> {
    Ok(decoded(&terminal.exp_eof()?))
}

/// Has so many pods of the Job in each cluster succeed.
fn succeed(machine: &Machine, pods: usize) {
    for server in machine.servers() {
        let mut left = pods;
        while left > 0 {
            server.cluster().settle();
            left -= server.cluster().succeed_pods("default", "pi", left);
        }
    }
}

/// The cursor is always seen.
pub fn shows_the_cursor(seen: &str) {
    assert!(!seen.contains("\u{1b}[?25l"), "{seen:?}");
}

/// In a narrow and in a wide window the tree is drawn again in place, and stays once, as it is when
/// the Job has ended.
pub fn ends_with_the_job() -> Result<(), Failed> {
    for columns in [30, 60, 160] {
        let (machine, mut terminal, mut seen) = watched(columns)?;
        succeed(&machine, 2);
        let again = if columns == 30 { "watching  2s" } else { "6/18" };
        seen.push_str(&until(&mut terminal, again)?);
        succeed(&machine, 4);
        seen.push_str(&rest(&mut terminal)?);
        assert_eq!(exit_code(&mut terminal)?, 0, "{seen:?}");
        shows_the_cursor(&seen);
        let lines = Screen::of(columns.into(), &seen).lines;
        let names: Vec<_> = lines.iter().map(|line| line.split("  ").next()).collect();
        let expected = ["NAME", "pi", "├─ east", "├─ north", "└─ west"].map(Some);
        assert_eq!(names, expected, "{columns}: {lines:#?}");
        assert!(columns == 30 || lines[1].contains("18/18"), "{lines:#?}");
    }
    Ok(())
}

/// Ctrl-C ends a tree, which can be read afterwards.
pub fn interrupted() -> Result<(), Failed> {
    for columns in [30, 160] {
        let (_machine, mut terminal, mut seen) = watched(columns)?;
        terminal.send_control('c')?;
        seen.push_str(&rest(&mut terminal)?);
        assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
        shows_the_cursor(&seen);
        let left: Vec<_> = Screen::of(columns.into(), &seen).lines;
        let left: Vec<_> = left.iter().filter(|line| !line.is_empty() && *line != "^C").collect();
        let names: Vec<_> = left.iter().map(|line| line.split("  ").next()).collect();
        let expected = ["NAME", "pi", "├─ east", "├─ north", "└─ west"].map(Some);
        assert_eq!(names, expected, "{columns}: {left:#?}");
    }
    Ok(())
}

/// Ctrl-C ends a reconcile that goes on, and leaves the tree and what is to be known of it.
pub fn reconcile_interrupted() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types_in(&machine, "reconcile pi --watch", 100)?;
    let mut seen = until(&mut terminal, "west    Running")?;
    terminal.send_control('c')?;
    seen.push_str(&rest(&mut terminal)?);
    assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
    shows_the_cursor(&seen);
    let lines = Screen::of(100, &seen).lines.join("\n");
    assert!(lines.contains("└─ west") && lines.contains("0/18"), "{lines}");
    assert!(lines.contains("interrupted. The pods that run go on."), "{lines}");
    Ok(())
}

/// A window that becomes narrower, and wider again, gets lines of its width.
pub fn resized() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let script = "stty cols 120 rows 40; (sleep 2; stty cols 40; sleep 2; stty cols 100) </dev/tty & \
                  exec \"$0\" job get pi --tree --watch";
    let mut terminal = in_shell(&machine, script)?;
    until(&mut terminal, "west    Running")?;
    std::thread::sleep(Duration::from_secs(6));
    terminal.send_control('c')?;
    let seen = rest(&mut terminal)?;
    assert_eq!(exit_code(&mut terminal)?, 130, "{seen:?}");
    shows_the_cursor(&seen);
    // In 40 columns there is no room for the counts.
    let frames = seen.split("watching  ").filter(|frame| frame.contains("└─ west"));
    let mut has_counts: Vec<_> = frames.map(|frame| frame.contains("COMPLETIONS")).collect();
    has_counts.dedup();
    assert!([&[true, false, true][..], &[false, true]].contains(&&*has_counts), "{seen:?}");
    Ok(())
}

/// Colours are drawn unless somebody forbids them, and a terminal that cannot move its cursor gets
/// plain lines.
pub fn colours_and_dumb_terminals() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    for (set, coloured) in [("", true), ("NO_COLOR=1", false)] {
        let script = format!("stty cols 90 rows 40; {set} exec \"$0\" job get pi --tree -w");
        let mut terminal = in_shell(&machine, &script)?;
        let seen = until(&mut terminal, "west    Running")?;
        assert_eq!(seen.contains("\u{1b}[36m"), coloured, "{set}: {seen:?}");
        terminal.send_control('c')?;
        terminal.exp_eof()?;
    }
    let script = "stty cols 90 rows 40; TERM=dumb exec \"$0\" job get pi --tree -w";
    let mut terminal = in_shell(&machine, script)?;
    let mut seen = until(&mut terminal, "`- west")?;
    succeed(&machine, 6);
    seen.push_str(&rest(&mut terminal)?);
    assert_eq!(exit_code(&mut terminal)?, 0, "{seen:?}");
    assert!(seen.is_ascii() && !seen.contains('\u{1b}'), "{seen:?}");
    assert!(seen.contains("18/18"), "{seen:?}");
    Ok(())
}

/// A reconcile that goes on shows the tree below its lines, and leaves only these.
pub fn reconcile() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types_in(&machine, "reconcile pi --watch", 100)?;
    let mut seen = until(&mut terminal, "waiting for 1 job")?;
    seen.push_str(&until(&mut terminal, "west    Running")?);
    succeed(&machine, 6);
    seen.push_str(&rest(&mut terminal)?);
    assert_eq!(exit_code(&mut terminal)?, 0, "{seen:?}");
    let lines = Screen::of(100, &seen).lines;
    assert!(lines.iter().all(|line| line.starts_with("job.batch/pi ")), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.ends_with("Complete 18/18")), "{lines:#?}");
    Ok(())
}

/// Work on many clusters shows who is still busy, and leaves nothing of that.
pub fn busy() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let west = machine.servers()[1].cluster();
    west.on_request(|request| {
        let is_dry = request.query.iter().any(|(key, _)| key == "dryRun");
        let is_created = request.verb == "create" && request.resource == "jobs" && !is_dry;
        if is_created { sim::Verdict::Delay(Duration::from_secs(2)) } else { sim::Verdict::Pass }
    });
    let mut terminal = types_in(&machine, "job create -f pi.yaml", 80)?;
    let mut seen = until(&mut terminal, "creating [")?;
    seen.push_str(&until(&mut terminal, "west  ")?);
    seen.push_str(&rest(&mut terminal)?);
    assert_eq!(exit_code(&mut terminal)?, 0, "{seen:?}");
    shows_the_cursor(&seen);
    let lines = Screen::of(80, &seen).lines;
    assert_eq!(lines.len(), 5, "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("creating")), "{lines:#?}");
    Ok(())
}
