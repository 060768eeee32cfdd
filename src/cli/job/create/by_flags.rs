//! A Job that is made of flags, as `kubectl create job` makes one.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    error::{Error, Result},
    print::{federate, kubectl_line},
};

/// The name, the image and the command of a Job.
#[derive(Debug, Args)]
pub(super) struct ByFlags {
    /// The name of a job that is made of --image
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Make a job whose pods run this image, in place of the jobs of files
    #[arg(long)]
    image: Option<String>,
    /// The most pods at any one time, over all clusters, of the job that is made
    #[arg(long, value_name = "N")]
    parallelism: Option<i32>,
    /// The pods that must succeed, over all clusters, of the job that is made
    #[arg(long, value_name = "N")]
    completions: Option<i32>,
    /// What kubectl makes a Job of beside an image.
    #[arg(long, hide = true)]
    from: Option<String>,
    /// What the container of the job that is made runs, in place of what its image does
    #[arg(last = true)]
    command: Vec<String>,
}

impl ByFlags {
    /// The Job as kubectl sends it, in the namespace that `-n` names; none where no flag asks for
    /// one.
    ///
    /// # Errors
    /// What is asked for is no Job, in kubectl's words.
    pub fn job(&self, namespace: Option<&str>, has_files: bool) -> Result<Option<Value>> {
        let Self { names, image, parallelism, completions, from, command } = self;
        let numbers = [("parallelism", *parallelism), ("completions", *completions)];
        let is_asked = !names.is_empty()
            || image.is_some()
            || from.is_some()
            || !command.is_empty()
            || numbers.iter().any(|(_, number)| number.is_some());
        if !is_asked {
            return Ok(None);
        }
        if has_files {
            return Err(Error::new(
                "when paths, URLs, or stdin is provided as input, you may not specify resource \
                arguments as well",
            )
            .hint(self.without_files()));
        }
        if image.is_none() && from.is_none() && are_files(names) {
            let files = names.iter().map(|name| format!("--filename={name}"));
            return Err(Error::new("either -f FILE or --image must be specified")
                .hint(format!("{} creates the jobs of files.", federate("job create", files))));
        }
        let [name] = names.as_slice() else {
            return Err(Error::new(format!(
                "exactly one NAME is required, got {}\nSee 'kubectl federate job create -h' for \
                help and examples",
                names.len()
            )));
        };
        let given = |flag: &Option<String>| flag.clone().filter(|value| !value.is_empty());
        let image = match (given(image), given(from)) {
            (Some(image), None) => image,
            (None, Some(_)) if !command.is_empty() => {
                return Err(Error::new("cannot specify --from and command"));
            }
            (None, Some(from)) => return Err(refused(name, &from, namespace)),
            (Some(_), Some(_)) => {
                return Err(Error::new("either --image or --from must be specified"));
            }
            (None, None) => {
                return Err(
                    Error::new("either -f FILE or --image must be specified").hint(ways(name))
                );
            }
        };
        let mut container = json!({"name": name, "image": image, "resources": {}});
        if !command.is_empty() {
            container["command"] = command.clone().into();
        }
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"template": {
                "metadata": {},
                "spec": {"containers": [container], "restartPolicy": "Never"},
            }},
            "status": {},
        });
        if let Some(namespace) = namespace {
            job["metadata"]["namespace"] = namespace.into();
        }
        for (field, number) in numbers {
            if let Some(number) = number {
                job["spec"][field] = number.into();
            }
        }
        Ok(Some(job))
    }

    /// Which of the flags cannot be given with files.
    fn without_files(&self) -> String {
        if self.image.is_some() || self.from.is_some() {
            return "--image makes a job without a file: give one of both.".to_owned();
        }
        let given = [
            (!self.names.is_empty(), "NAME"),
            (self.parallelism.is_some(), "--parallelism"),
            (self.completions.is_some(), "--completions"),
            (!self.command.is_empty(), "COMMAND"),
        ];
        let given: Vec<_> = given.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        let go = if given.len() == 1 { "goes" } else { "go" };
        format!("{} {go} with --image only: a file says it itself.", given.join(", "))
    }
}

/// The two ways to create a Job.
pub(super) fn ways(name: &str) -> String {
    format!(
        "{} creates the jobs of a file, {} makes one of an image.",
        federate("job create", ["-f", "FILE"]),
        federate("job create", [name, "--image=IMAGE"])
    )
}

/// Whether somebody has left out `-f`.
fn are_files(names: &[String]) -> bool {
    !names.is_empty() && names.iter().all(|name| Path::new(name).is_file())
}

/// A cron job is in one cluster, and which of them is meant only kubectl knows.
fn refused(name: &str, from: &str, namespace: Option<&str>) -> Error {
    let from = format!("--from={from}");
    let namespace = namespace.map(|namespace| format!("--namespace={namespace}"));
    let mut made = vec!["create", "job", name, &from, "--dry-run=client", "-o", "yaml"];
    made.extend(namespace.as_deref());
    let made = kubectl_line(Some("CONTEXT"), &made);
    let create = federate("job create", ["-f", "-"]);
    Error::new(format!(
        "--from is not supported: the cron job is in one cluster. `{made} | {}` makes a job of it.",
        create.trim_matches('`')
    ))
}
