//! The examples in the help of every command: each is typed as it stands, and must do what it says.

use std::{collections::BTreeSet, time::Duration};

use kubectl_federate::{cli, print::Output};

use crate::adopt;
use crate::stage::{Event, Stage};

/// How many examples the help of a command has at most: they are to be read at a glance.
const MOST: usize = 5;

/// When the user of a command that watches ends it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long any of them may take, by the clusters' clocks.
const LONGEST: Duration = Duration::from_mins(10);

/// The exit code of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// What every command begins with.
const PROGRAM: &str = "kubectl federate ";

/// A line of an Examples section, taken apart.
struct Example {
    /// The line as it is printed.
    line: String,
    /// Variables that are set for the command.
    vars: Vec<(String, String)>,
    /// The file that is piped into it.
    stdin: Option<String>,
    /// The command without the program.
    command: String,
}

impl Example {
    /// Takes a line apart: `cat FILE | VARIABLE=VALUE kubectl federate COMMAND`. A shell that reads
    /// the command's output, as in `source <(COMMAND)` and `COMMAND | source`, is left out.
    fn parse(line: &str) -> Self {
        let read = line.strip_prefix("source <(").and_then(|rest| rest.strip_suffix(')'));
        let whole = line;
        let line = read.or_else(|| line.strip_suffix(" | source")).unwrap_or(line);
        let (stdin, rest) = match line.split_once(" | ") {
            Some((cat, rest)) => {
                (Some(cat.strip_prefix("cat ").expect("only cat pipes").to_owned()), rest)
            }
            None => (None, line),
        };
        let (vars, command) = rest.split_once(PROGRAM).unwrap_or_else(|| {
            panic!("{line:?} is neither a comment nor a command of this program")
        });
        let vars = vars.split_whitespace().map(|set| {
            let (name, value) = set.split_once('=').expect("a variable and its value");
            (name.to_owned(), value.to_owned())
        });
        Self { line: whole.to_owned(), vars: vars.collect(), stdin, command: command.to_owned() }
    }

    /// Whether its command begins so.
    fn is(&self, verb: &str) -> bool {
        self.command.starts_with(verb)
    }

    /// Whether its command has this in it.
    fn has(&self, text: &str) -> bool {
        self.command.contains(text)
    }
}

/// All examples, in the order of the commands. Every command must have some, and a comment above
/// each group of them.
fn all() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut commands = vec![(String::new(), cli::command(&Output::captured().0))];
    while let Some((path, mut command)) = commands.pop() {
        let help = command.render_long_help().to_string();
        let (_, section) = help
            .split_once("\nExamples:\n")
            .unwrap_or_else(|| panic!("the help of {path:?} has no examples"));
        let section: Vec<_> =
            section.lines().take_while(|line| line.is_empty() || line.starts_with("  ")).collect();
        assert!(section[0].starts_with("  # "), "{path:?}: a comment comes first");
        let lines = section.iter().map(|line| line.trim());
        let lines: Vec<_> =
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!((1..=MOST).contains(&lines.len()), "{path:?} has {} examples", lines.len());
        let verb = format!("{PROGRAM}{}", path.trim_start());
        assert!(
            lines.iter().all(|line| line.contains(verb.trim_end())),
            "{path:?}: an example of another command"
        );
        examples.extend(lines.into_iter().map(Example::parse));
        for below in command.get_subcommands() {
            commands.push((format!("{path} {}", below.get_name()), below.clone()));
        }
    }
    examples
}

/// Clusters in the state that an example is meant for.
async fn stage_for(example: &Example) -> Stage {
    if example.is("init") {
        let mut stage = Stage::new();
        if example.has("--from") {
            stage.quietly("init").await;
        }
        return stage;
    }
    let mut stage = Stage::federation().await;
    if example.is("cluster lost") {
        // It asks in any case about one that answers.
        stage.set_down("west", true);
    }
    if example.is("completion install") {
        stage.write("bin/kubectl-federate", "");
        let bin = stage.path("bin").display().to_string();
        stage.set("PATH", &bin);
    }
    if example.is("cluster") || example.is("job create") {
        if example.has("--logs") {
            for cluster in ["east", "west", "north"] {
                stage.later(Duration::from_secs(2), cluster, Event::Succeed("pi", 6));
            }
            stage.let_time_pass();
        }
        return stage;
    }
    if example.is("job adopt") {
        adopt::run(&stage, &[("east", 1, 2), ("west", 1, 2)]).await;
        return stage;
    }
    stage.quietly("job create -f pi.yaml -f several/").await;
    if example.is("restore") {
        stage.quietly("backup ~/federation.yaml").await;
    }
    if example.is("job recover") {
        stage.quietly("job delete pi --cascade=orphan").await;
    }
    if example.is("job resume") {
        stage.quietly("job suspend pi euler").await;
    }
    if example.has("--reopen") {
        stage.delete("west", "pi").await;
        stage.quietly("reconcile pi").await;
    }
    if example.is("orphans") && (example.has("list") || example.has("--yes")) {
        stage.quietly("job delete pi").await;
    }
    if example.is("job retry") {
        stage.fail().await;
    }
    if example.has("--for=delete") {
        stage.quietly("job delete pi --cascade=background").await;
    } else if ["--watch", "--follow", "job wait"].iter().any(|it| example.has(it)) {
        for cluster in ["east", "west", "north"] {
            stage.later(Duration::from_secs(2), cluster, Event::Succeed("pi", 6));
        }
        stage.let_time_pass();
        stage.interrupts_after(PATIENCE);
    } else if example.has("foreground") {
        stage.let_time_pass();
    }
    stage
}

/// Types every example of every help text.
pub async fn examples() {
    let examples = all();
    let distinct: BTreeSet<_> = examples.iter().map(|example| &example.command).collect();
    for verb in ["init", "cluster register", "job create", "job delete", "reconcile"] {
        assert!(distinct.iter().any(|command| command.starts_with(verb)), "no example of {verb}");
    }
    for example in &examples {
        let mut stage = stage_for(example).await;
        stage.set("KUBE_EDITOR", "sed -i.bak s/9/6/");
        for (name, value) in &example.vars {
            assert!(["KUBE_EDITOR", "KUBECTL_EXTERNAL_DIFF"].contains(&name.as_str()), "{name}");
            assert!(!value.is_empty(), "{}", example.line);
        }
        if let Some(file) = &example.stdin {
            let text = std::fs::read_to_string(file).expect("a manifest of these tests");
            stage.piped(&text);
        }
        // The manifests of these tests are in a directory of another name.
        let command = example.command.replace("-f jobs/", "-f several/");
        let run = tokio::time::timeout(LONGEST, stage.run(&command, None));
        let (code, stdout, stderr) =
            run.await.unwrap_or_else(|_| panic!("it does not end: {}", example.line));
        let fine = match code {
            0 => true,
            1 if example.has("--all-contexts") => {
                // Of those contexts whose users no cluster knows.
                stderr.lines().all(|line| line.starts_with("error: context \"stranger@"))
            }
            1 => example.is("job diff") && stderr.is_empty(),
            INTERRUPTED => example.has("--watch"),
            _ => false,
        };
        assert!(fine, "{}\nexit {code}\n{stdout}\n{stderr}", example.line);
    }
}
