//! What each row does, step by step. In a round every program does all steps of a scene; the next
//! round begins with the next program.

mod folder;
mod karmada;
mod peers;
mod single;
mod stage;
mod verbs;

use serde_json::{Value, json};

use crate::{
    Error,
    arguments::Arguments,
    program::{Build, builds},
    rows::{Goal, Measure, Row, Subject},
};

/// What was measured, and what could not be.
#[derive(Debug)]
pub struct Measured {
    /// The rows that were asked for, as far as there are samples.
    pub rows: Vec<Row>,
    /// Why scenes broke off.
    pub errors: Vec<Error>,
}

/// A scene: it says what it measures, and measures it.
struct Scene {
    rows: fn(&Arguments) -> Vec<Row>,
    play: fn(&Bench<'_>, &mut Rows) -> Result<(), Error>,
}

/// All scenes, in the order of the table.
const SCENES: [Scene; 10] = [
    Scene { rows: verbs::jobs_rows, play: verbs::jobs },
    Scene { rows: verbs::wide_rows, play: verbs::wide },
    Scene { rows: verbs::silent_rows, play: verbs::silent },
    Scene { rows: verbs::all_rows, play: verbs::all },
    Scene { rows: peers::kubectl_rows, play: peers::kubectl },
    Scene { rows: peers::client_go_rows, play: peers::client_go },
    Scene { rows: single::plan_rows, play: single::plan },
    Scene { rows: single::start_rows, play: single::start },
    Scene { rows: karmada::three_rows, play: karmada::three },
    Scene { rows: karmada::six_rows, play: karmada::six },
];

/// What all scenes need.
struct Bench<'a> {
    arguments: &'a Arguments,
    builds: Vec<Build>,
}

impl Bench<'_> {
    /// The numbers of programs in the order of each round.
    fn turns(&self, programs: usize) -> impl Iterator<Item = usize> + use<> {
        let rounds = self.arguments.rounds;
        (0..rounds).flat_map(move |round| (0..programs).map(move |n| (n + round) % programs))
    }
}

/// The rows of a scene that were asked for.
struct Rows(Vec<Row>);

impl Rows {
    fn get(&mut self, name: &str) -> Option<&mut Row> {
        self.0.iter_mut().find(|row| row.name == name)
    }
}

/// Measures what is asked for, and says on stderr what it does.
///
/// # Errors
/// There is no build to measure.
pub fn measure(arguments: &Arguments) -> Result<Measured, Error> {
    let bench = Bench { arguments, builds: builds(arguments)? };
    let mut measured = Measured { rows: Vec::new(), errors: Vec::new() };
    for scene in SCENES {
        let asked = (scene.rows)(arguments).into_iter().filter(|row| arguments.wants(row.name));
        let mut rows = Rows(asked.collect());
        let names: Vec<_> = rows.0.iter().map(|row| row.name).collect();
        if names.is_empty() {
            continue;
        }
        let names = names.join(", ");
        eprintln!("measuring {names} …");
        if let Err(error) = (scene.play)(&bench, &mut rows) {
            measured.errors.push(format!("{names}: {error}").into());
        }
        measured.rows.extend(rows.0.into_iter().filter(|row| !row.samples.is_empty()));
    }
    Ok(measured)
}

/// Goals that are shares of what another program takes.
fn shares<const N: usize>(of: Subject, goals: [(Measure, f64); N]) -> Vec<Goal> {
    goals.map(|(measure, most)| Goal { measure, of: Some(of), most }).to_vec()
}

/// Goals for this build alone.
fn limits<const N: usize>(goals: [(Measure, f64); N]) -> Vec<Goal> {
    goals.map(|(measure, most)| Goal { measure, of: None, most }).to_vec()
}

/// A Job whose pods run until somebody stops them.
fn job(name: &str, parallelism: usize, completions: usize) -> Value {
    let container = json!({"name": "main", "image": "busybox", "command": ["sleep", "3600"]});
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "parallelism": parallelism, "completions": completions,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    })
}

/// Objects as documents of one file.
fn documents(objects: impl IntoIterator<Item = Value>) -> String {
    objects.into_iter().map(|object| object.to_string()).collect::<Vec<_>>().join("\n---\n")
}
