//! The editor of `job edit` on a terminal, and the questions that standard input answers: who hears
//! Ctrl-C and SIGTERM meanwhile.

use std::{fs, process::Command};

use libtest_mimic::Failed;
use rexpect::session::PtySession;

use crate::{
    machine::Machine,
    terminal::{exit_code, in_shell, types_in},
};

/// An editor, as the commands of a shell, that writes down which file it gets, and edits until it
/// is let go, or the test is over.
const EDITS: &str = r#"echo "$1" >"$HOME/file"
sed -i 's/parallelism: 9/parallelism: 8/' "$1"
echo it edits
while test -d "$HOME" && ! test -e "$HOME/go"; do sleep 0.1; done
"#;

/// `job edit pi` on a terminal, while an editor runs that begins so.
fn edits(machine: &Machine, begins: &str) -> Result<PtySession, Failed> {
    machine.succeeds("job create -f pi.yaml")?;
    let editor = machine.path("editor");
    fs::write(&editor, format!("{begins}\n{EDITS}"))?;
    let script = format!(
        "echo $$ >\"$HOME/pid\"; KUBE_EDITOR='sh {}' exec \"$0\" job edit pi",
        editor.display()
    );
    let mut terminal = in_shell(machine, &script)?;
    terminal.exp_string("it edits")?;
    Ok(terminal)
}

/// What stands in the file that was edited.
fn edited(machine: &Machine) -> Result<String, Failed> {
    let file = fs::read_to_string(machine.path("file"))?;
    Ok(fs::read_to_string(file.trim())?)
}

/// Ctrl-C is the editor's, however often it is pressed.
pub fn leaves_ctrl_c_to_the_editor() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let mut terminal = edits(&machine, "trap 'echo heard' INT")?;
    for _ in 0..2 {
        terminal.send_control('c')?;
        terminal.exp_string("heard")?;
    }
    fs::write(machine.path("go"), "")?;
    terminal.exp_string("job.batch/pi edited")?;
    terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 0);
    assert!(edited(&machine).is_err(), "the file is removed");
    Ok(())
}

/// What was written before Ctrl-C ends the editor is kept.
pub fn keeps_the_text_of_an_editor_that_ends() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let mut terminal = edits(&machine, "")?;
    terminal.send_control('c')?;
    terminal.exp_string("A copy of your changes has been stored to")?;
    terminal.exp_string("there was a problem with the editor")?;
    terminal.exp_eof()?;
    assert_eq!(exit_code(&mut terminal)?, 1);
    assert!(edited(&machine)?.contains("parallelism: 8"));
    Ok(())
}

/// Where SIGTERM ends the command, the file stays for the editor, and is named.
pub fn keeps_the_text_where_it_is_ended() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let mut terminal = edits(&machine, "trap '' INT HUP")?;
    let process = fs::read_to_string(machine.path("pid"))?;
    assert!(Command::new("kill").args(["-TERM", process.trim()]).status()?.success());
    terminal.exp_string("A copy of your changes has been stored to")?;
    terminal.exp_string("interrupted: nothing was changed")?;
    assert_eq!(exit_code(&mut terminal)?, 130);
    fs::write(machine.path("go"), "")?;
    assert!(edited(&machine)?.contains("parallelism: 8"));
    Ok(())
}

/// Ctrl-C and Esc at kubectl's question of `job delete -i` delete nothing, and that is said.
pub fn ends_a_question_of_kubectl() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let mut terminal = types_in(&machine, "job delete pi -i --cascade=background", 80)?;
    terminal.exp_string("Do you want to continue? (y/N): ")?;
    terminal.send_control('c')?;
    terminal.exp_string("cancelled: nothing was deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (130, 3));
    let mut terminal = types_in(&machine, "job delete pi -i --cascade=background", 80)?;
    terminal.exp_string("Do you want to continue? (y/N): ")?;
    terminal.send("y\u{1b}")?;
    terminal.flush()?;
    terminal.exp_string("\r\ndeletion is cancelled")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 3));
    let mut terminal = types_in(&machine, "job delete pi -i --cascade=background", 80)?;
    terminal.exp_string("Do you want to continue? (y/N): ")?;
    terminal.send_line("y")?;
    terminal.exp_string("job.batch \"pi\" deleted")?;
    terminal.exp_eof()?;
    assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (0, 0));
    Ok(())
}
