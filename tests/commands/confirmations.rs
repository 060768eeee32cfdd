//! The binary on a terminal: whoever does not answer a question with yes changes nothing, is told
//! so, and has the terminal as it was.

use std::{fs, path::Path};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    scenes,
    sentences::{files, has_in_order, literals, pieces},
    terminal::{exit_code, types_and_compares},
};

/// A question, and what leads to it.
struct Prompt {
    /// Makes the state in which it is asked.
    scene: fn() -> Result<Machine, Failed>,
    line: &'static str,
    /// The ends of the questions before it, with their answers.
    before: Vec<(&'static str, &'static str)>,
    /// The question as it is shown. A `*` stands for what differs from run to run.
    question: &'static str,
    /// The answers, as they are shown behind it.
    answers: &'static str,
    /// What is said of a cancelled command, after `cancelled: `.
    unchanged: &'static str,
    /// Whether Enter alone cancels.
    enter_cancels: bool,
    /// The exit code of a cancelled command.
    code: i32,
}

const YES: &str = "[yes/CANCEL]";
const SEVERAL: &str = "[numbers such as 1,3-5/all/CANCEL]";
const RECREATE: &str = "Stop them, and run anew what they have not finished?";
const UNCHANGED: &str = "nothing was changed";

/// The questions about a cluster that is registered, each after those before it.
const DETAILS: [(&str, &str); 5] = [
    ("Name of north [north]:", "\n"),
    ("Weight of north [1]:", "\n"),
    ("Lease of north, such as 30m [none]:", "\n"),
    ("Labels of north, such as region=eu,tier=a [none]:", "\n"),
    ("Write this to the registry?", "yes\n"),
];

/// What is called in the source where something is asked.
const ASKS: [&str; 5] =
    ["choose_on_terminal(", "choose(session.world()", "Confirmation {", ".asking(", "output.ask("];

impl Prompt {
    fn new(
        scene: fn() -> Result<Machine, Failed>,
        line: &'static str,
        question: &'static str,
        unchanged: &'static str,
    ) -> Self {
        let (before, answers) = (Vec::new(), YES);
        let (enter_cancels, code) = (true, 1);
        Self { scene, line, before, question, answers, unchanged, enter_cancels, code }
    }

    /// What is shown before the cursor.
    fn shown(&self) -> String {
        format!("{} {}", self.question, self.answers).trim_end().to_owned()
    }

    /// Whoever does not confirm changes nothing, and is told so.
    fn is_not_confirmed(&self) -> Result<(), Failed> {
        let machine = (self.scene)()?;
        let before = stored(&machine);
        let shown = format!("{} ", self.shown());
        // What differs from run to run comes before.
        let asked = shown.rsplit('*').next().unwrap_or_default();
        for (columns, keys) in [
            (40, "\u{4}"),
            (200, "\u{1b}"),
            (40, "\n"),
            (200, "?1\n?2\n?3\n"),
            (40, "\u{3}"),
            (200, "\u{3}"),
        ] {
            if keys == "\n" && !self.enter_cancels {
                continue;
            }
            let what = format!("{} {keys:?}", self.line);
            let mut terminal = types_and_compares(&machine, self.line, columns)?;
            for (question, answer) in &self.before {
                terminal.exp_string(question)?;
                terminal.send(answer)?;
                terminal.flush()?;
            }
            let mut seen = terminal.exp_string(asked)?;
            terminal.send(keys)?;
            terminal.flush()?;
            seen.push_str(&terminal.exp_eof()?);
            let unchanged = format!("cancelled: {}", self.unchanged);
            assert!(seen.contains(&unchanged), "{what}: {seen:?}");
            assert!(seen.contains("the terminal is as it was"), "{what}: {seen:?}");
            let hidden = seen.matches("\u{1b}[?25l").count();
            assert_eq!(hidden, seen.matches("\u{1b}[?25h").count(), "{what}: {seen:?}");
            let code = if keys == "\u{3}" { 130 } else { self.code };
            assert_eq!(exit_code(&mut terminal)?, code, "{what}: {seen:?}");
            assert_eq!(stored(&machine), before, "{what}: {seen:?}");
        }
        Ok(())
    }
}

/// All questions.
fn prompts() -> Vec<Prompt> {
    [of_hosts(), of_clusters(), of_jobs(), of_recovery()].into_iter().flatten().collect()
}

fn of_hosts() -> Vec<Prompt> {
    let other = "All commands use the host \"east\". Are they to use \"west\" in its place?";
    let take_over = "Make another federation here, which can take over these jobs?";
    let init = "init --context=east";
    vec![
        Prompt {
            answers: "[numbers such as 1,3-5/all/NONE]",
            enter_cancels: false,
            ..Prompt::new(scenes::new, "init", "Which clusters?", UNCHANGED)
        },
        Prompt::new(
            scenes::host,
            "init --context=west",
            other,
            "no host was made, and the one that is remembered stays",
        ),
        Prompt::new(scenes::without_registry, init, take_over, "no host was made"),
        Prompt::new(
            scenes::moved,
            init,
            "Make another federation here?",
            "nothing was removed, and no host was made",
        ),
        Prompt {
            before: vec![("Make another federation here? [yes/CANCEL] ", "yes\n")],
            ..Prompt::new(
                scenes::moved,
                init,
                "All commands use the host \"west\". Are they to use \"east\" in its place?",
                "no host was made, and the one that is remembered stays",
            )
        },
    ]
}

fn of_clusters() -> Vec<Prompt> {
    let lost = "cluster/west stays as it was";
    let all_the_same = "Declare cluster \"west\" lost all the same, and have others do that?";
    let mut prompts = vec![
        Prompt {
            answers: SEVERAL,
            ..Prompt::new(scenes::host, "cluster register", "Which clusters?", UNCHANGED)
        },
        Prompt {
            code: 0,
            ..Prompt::new(
                scenes::astray,
                "job get pi",
                "Look for contexts of yours that lead to west?",
                "nothing was looked for",
            )
        },
        Prompt::new(scenes::pi, "cluster lost west", all_the_same, lost),
        Prompt::new(
            scenes::silent,
            "cluster lost west",
            "Declare cluster \"west\" lost, and have others do that?",
            lost,
        ),
        Prompt {
            answers: "[drain/CANCEL]",
            ..Prompt::new(
                scenes::pi,
                "cluster unregister west",
                "*. Drain it first?",
                "cluster/west stays registered",
            )
        },
        Prompt::new(scenes::pi, "cluster unregister west --force", all_the_same, lost),
    ];
    prompts.extend((0..DETAILS.len()).map(|at| {
        let (question, _) = DETAILS[at];
        let is_last = at + 1 == DETAILS.len();
        let which = ("Which clusters? [numbers such as 1,3-5/all/CANCEL] ", "2\n");
        Prompt {
            before: std::iter::once(which).chain(DETAILS[..at].iter().copied()).collect(),
            answers: if is_last { YES } else { "" },
            enter_cancels: is_last,
            ..Prompt::new(scenes::host, "cluster register", question, UNCHANGED)
        }
    }));
    prompts
}

fn of_jobs() -> Vec<Prompt> {
    let which = "Which of them are to be deleted?";
    vec![
        Prompt {
            answers: "[delete/keep/CANCEL]",
            ..Prompt::new(
                scenes::pi,
                "job delete pi",
                "Delete the jobs \"pi\" in east, north, west too, or keep them running?",
                "job.batch/pi was not deleted",
            )
        },
        Prompt {
            answers: "[delete/keep/CANCEL]",
            ..Prompt::new(
                scenes::two,
                "job delete pi other",
                "Delete the shards of these 2 jobs too, or keep them running?",
                "none of the 2 jobs was deleted",
            )
        },
        Prompt {
            answers: "[continue/abandon/CANCEL]",
            ..Prompt::new(
                scenes::half_deleted,
                "job delete pi",
                "job.batch/pi is being deleted already. Continue, or abandon what is in clusters \
                 that do not answer?",
                "job.batch/pi is being deleted as before",
            )
        },
        Prompt {
            answers: SEVERAL,
            ..Prompt::new(scenes::orphans, "orphans clean", which, "nothing was deleted")
        },
        Prompt {
            before: vec![("[numbers such as 1,3-5/all/CANCEL] ", "all\n")],
            ..Prompt::new(scenes::orphans, "orphans clean", "Delete 3 jobs?", "nothing was deleted")
        },
        Prompt::new(
            scenes::strangers,
            "job adopt pi --clusters=east,west",
            "Adopt these jobs?",
            "nothing was adopted",
        ),
        Prompt::new(
            scenes::retried,
            "job retry pi",
            "Run it again, although it may run twice?",
            "nothing was created",
        ),
        Prompt {
            answers: "[yes/no/CANCEL]",
            ..Prompt::new(
                scenes::gone,
                "reconcile pi --reopen",
                "Run again what may have been done already?",
                "nothing was run again",
            )
        },
        Prompt::new(
            scenes::shard_deleted,
            "reconcile pi --reopen",
            "Have other shards do what is left of them?",
            "nothing was run again",
        ),
        Prompt::new(scenes::pi, "job apply -f ~/image.yaml --recreate", RECREATE, UNCHANGED),
        Prompt::new(
            scenes::pi,
            "job patch pi --recreate -p 'spec: {template: {metadata: {labels: {a: b}}}}'",
            RECREATE,
            UNCHANGED,
        ),
    ]
}

fn of_recovery() -> Vec<Prompt> {
    let recovered = "nothing was recovered";
    let restored = "nothing was restored";
    vec![
        Prompt::new(scenes::forgotten, "job recover pi", "Recover these jobs?", recovered),
        Prompt::new(
            scenes::begun_anew,
            "job recover --all",
            "Take over federation *, with these jobs?",
            recovered,
        ),
        Prompt::new(
            scenes::reweighed,
            "restore ~/federation.yaml --context=east",
            "Overwrite what the host has?",
            restored,
        ),
        Prompt::new(
            scenes::edited,
            "restore ~/federation.yaml --context=east --replace-newer",
            "Forget what was recorded since of default/pi?",
            restored,
        ),
        Prompt::new(
            scenes::deleted,
            "restore ~/federation.yaml --context=east",
            "Bring back the jobs that the host does not have?",
            restored,
        ),
        Prompt::new(
            scenes::saved,
            "restore ~/federation.yaml --context=west",
            "Leave the other host?",
            restored,
        ),
        Prompt::new(
            scenes::without_host,
            "restore ~/federation.yaml --context=west",
            "Is the other host gone for good?",
            restored,
        ),
    ]
}

/// Whoever does not confirm changes nothing, at whatever question.
pub fn trials() -> impl Iterator<Item = Trial> {
    let not_confirmed = |prompt: Prompt| {
        let name = format!("not confirmed: {}: {}", prompt.line, prompt.question);
        Trial::test(name, move || prompt.is_not_confirmed())
    };
    let every = Trial::test("not confirmed: every question of the source", every_question);
    prompts().into_iter().map(not_confirmed).chain([every])
}

/// Every question of the source is one of the prompts.
fn every_question() -> Result<(), Failed> {
    let shown: Vec<_> = prompts().iter().map(Prompt::shown).collect();
    let is_question = |text: &String| {
        let ends = text.ends_with('?') || text.ends_with("]:") || text.contains("? [");
        ends && !text.starts_with("Did you mean")
    };
    let mut asking = 0;
    let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"));
    for file in all.into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let source = fs::read_to_string(&file)?;
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let questions: Vec<_> = literals(source).into_iter().filter(is_question).collect();
        for question in &questions {
            let pieces = pieces(question);
            let is_tried = shown.iter().any(|shown| has_in_order(shown, &pieces));
            assert!(is_tried, "{}: no prompt is {question:?}", file.display());
        }
        // These two ask what they are given.
        let is_given = file.ends_with("cli/confirm.rs") || file.ends_with("cli/world.rs");
        if !is_given && ASKS.iter().any(|call| source.contains(call)) {
            assert!(!questions.is_empty(), "{}: no question is found", file.display());
            asking += 1;
        }
    }
    assert!(asking > 10, "only {asking} files ask something");
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
