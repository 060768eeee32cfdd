//! What was printed, and the commands in it.

use std::{collections::BTreeSet, fs, time::Duration};

use crate::{shell, stage::Stage};

pub(super) const MEMBERS: [&str; 3] = ["east", "north", "west"];

/// How long a command may take.
const LONGEST: Duration = Duration::from_mins(5);

/// What was printed, and the commands in it.
#[derive(Default)]
pub(super) struct Book {
    /// The output of each command that was typed.
    pub(super) said: Vec<String>,
    pub(super) offered: BTreeSet<String>,
    pub(super) followed: BTreeSet<String>,
}

impl Book {
    /// Types a command, and gives the commands that its output offers.
    pub(super) async fn hear(&mut self, stage: &mut Stage, command: &str) -> Vec<String> {
        let run = tokio::time::timeout(LONGEST, stage.run(command, None));
        let (_, stdout, stderr) =
            run.await.unwrap_or_else(|_| panic!("it does not end: {command}"));
        self.note(format!("{stdout}{stderr}"))
    }

    pub(super) fn note(&mut self, text: String) -> Vec<String> {
        let commands = offers(&text);
        self.offered.extend(commands.iter().cloned());
        self.said.push(text);
        commands
    }

    /// Runs commands that were offered. Each must succeed. Upper-case words stand for what only the
    /// user knows, and are replaced first.
    pub(super) async fn follow(
        &mut self,
        stage: &mut Stage,
        commands: &[String],
        known: &[(&str, &str)],
    ) {
        for command in commands {
            self.followed.insert(command.clone());
            let replaced = known.iter().fold(command.clone(), |line, (from, to)| {
                assert!(line.contains(from), "{from} is not in {line}");
                line.replace(from, to)
            });
            // It asks where there is a terminal, and nowhere else goes on.
            if replaced.starts_with("kubectl federate cluster lost") {
                shell::run_answering(stage, &replaced, "yes\n").await;
            } else {
                shell::run(stage, &replaced).await;
            }
        }
    }

    /// The same for one command that asks whether to go on: the answer is yes.
    pub(super) async fn follow_and_agree(
        &mut self,
        stage: &mut Stage,
        command: &str,
        known: &[(&str, &str)],
    ) {
        self.followed.insert(command.to_owned());
        let line = known.iter().fold(command.to_owned(), |line, (from, to)| line.replace(from, to));
        shell::run_answering(stage, &line, "yes\n").await;
    }

    /// Types a command, and runs what its output offers: so many commands.
    pub(super) async fn heed(&mut self, stage: &mut Stage, command: &str, count: usize) {
        let commands = self.hear(stage, command).await;
        assert_eq!(commands.len(), count, "{command}: {:?}", self.said.last());
        self.follow(stage, &commands, &[]).await;
    }

    /// Types a command whose output says this, and offers no command.
    pub(super) async fn read(&mut self, stage: &mut Stage, command: &str, text: &str) {
        assert_eq!(self.hear(stage, command).await, Vec::<String>::new(), "{command}");
        let said = self.said.last().expect("a command was typed");
        assert!(said.contains(text), "{command}: {said}");
    }
}

/// The commands in a text: between backticks, between quotation marks, and on lines of their own.
fn offers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        found.extend(line.split('`').skip(1).step_by(2));
        if line.starts_with("hint: Did you mean") {
            found.extend(line.split('"').skip(1).step_by(2));
        }
        let own = line.strip_prefix("  ").or_else(|| line.strip_prefix("Next: "));
        found.extend(own.and_then(|own| own.split("   ").next()));
    }
    let is_command = |text: &&str| text.starts_with("kubectl ");
    found.into_iter().filter(is_command).map(str::to_owned).collect()
}

/// A federation of three members with the Job `pi`.
pub(super) async fn pi() -> Stage {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage
}

/// Asserts that a command succeeds and says this.
pub(super) async fn says(stage: &mut Stage, command: &str, text: &str) {
    let (code, stdout, stderr) = stage.run(command, None).await;
    assert_eq!(code, 0, "{command}\n{stdout}\n{stderr}");
    assert!(stdout.contains(text) || stderr.contains(text), "{command}\n{stdout}\n{stderr}");
}

/// Asserts that a command fails with "not found".
pub(super) async fn is_gone(stage: &mut Stage, job: &str) {
    let (code, _, stderr) = stage.run(&format!("job get {job}"), None).await;
    assert!(code == 1 && stderr.contains("NotFound"), "{stderr}");
}

pub(super) async fn complete_pi(stage: &mut Stage) {
    for member in MEMBERS {
        stage.succeed(member, "pi", 6);
    }
    stage.quietly("reconcile pi").await;
}

/// The manifest of `pi` with one change.
pub(super) fn changed(old: &str, new: &str) -> String {
    let pi = fs::read_to_string("pi.yaml").expect("it is there");
    assert!(pi.contains(old), "{old}");
    pi.replace(old, new)
}
