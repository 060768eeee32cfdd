//! The main job from beginning to end: three clusters, one Job of parallelism 9 and completions 18.
//!
//! `cargo run --example demo` does it on simulated clusters, over HTTPS on loopback, with nothing
//! installed. `--real` does it on real control planes; `--keep` leaves the clusters up, to try
//! commands on; `--svg docs/session.svg` draws the README's picture of a session, and `--losses
//! docs/losses.md` writes the page about losses.

mod clusters;
mod losses;
mod picture;

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use clusters::Clusters;
use kubectl_federate::{
    cli::{World, run},
    print::{Colour, Output},
};

/// The clusters' names; the first is the host, and a member too.
const NAMES: [&str; 3] = ["gce-asia-east1a", "gce-europe-west1b", "gce-us-central1c"];

/// How long a pod runs.
const POD: Duration = Duration::from_millis(300);

/// How long a pod runs in the picture of a session: long enough to be seen running.
const PICTURED_POD: Duration = Duration::from_secs(2);

/// How long a pod runs once the clusters are the user's: long enough to type a command meanwhile.
const KEPT_POD: Duration = Duration::from_secs(30);

/// What the picture of a session shows, after the clusters were registered.
const SESSION: [&str; 7] = [
    "cluster list",
    "job create -f pi.yaml",
    "job get pi",
    "job scale pi --parallelism=6",
    "job wait pi --for=condition=complete --timeout=1m",
    "job get pi -o wide",
    "job delete pi --cascade=background",
];

const MANIFEST: &str = include_str!("pi.yaml");

/// The main job, shown
#[derive(Parser)]
struct Demo {
    /// Use real control planes, built from their Go modules the first time
    #[arg(long)]
    real: bool,
    /// Leave the clusters up afterwards, and print the lines to type
    #[arg(long)]
    keep: bool,
    /// Draw a session as a picture instead
    #[arg(long, value_name = "FILE", conflicts_with = "keep")]
    svg: Option<PathBuf>,
    /// Lose a cluster and the records on real control planes, and write the page about it instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["keep", "svg"])]
    losses: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match show(&Demo::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Error = Box<dyn std::error::Error>;

async fn show(demo: &Demo) -> Result<(), Error> {
    if let Some(file) = &demo.losses {
        return Ok(std::fs::write(file, losses::page().await?)?);
    }
    let directory = tempfile::tempdir()?;
    let mut clusters = Clusters::start(demo.real, &NAMES, POD).await?;
    std::fs::write(directory.path().join("kubeconfig"), clusters.kubeconfig()?)?;
    std::fs::write(directory.path().join("pi.yaml"), MANIFEST)?;
    let stage = Stage { directory: directory.path() };
    if let Some(file) = &demo.svg {
        clusters.run_pods_for(PICTURED_POD);
        std::fs::write(file, picture::svg(&stage.session().await?))?;
        return Ok(());
    }
    tell("# The Job, as for one cluster:\n$ cat pi.yaml");
    tell(MANIFEST);
    stage.federate("init --context=gce-asia-east1a").await?;
    for name in NAMES {
        stage.federate(&format!("cluster register {name}")).await?;
    }
    stage.federate("cluster list").await?;
    stage.federate("job create -f pi.yaml").await?;
    stage.until_complete().await?;
    stage.federate("job describe pi").await?;
    tell("# What is in each cluster, by its context:");
    for name in NAMES {
        tell(&clusters.show_job(name, "pi").await?);
    }
    if demo.keep {
        clusters.run_pods_for(KEPT_POD);
        stage.keep().await?;
    } else {
        stage.federate("job delete pi --cascade=background").await?;
        stage.federate("job get").await?;
    }
    Ok(())
}

fn tell(text: &str) {
    println!("{text}");
}

/// Where the demo plays: a folder with a kubeconfig of its own.
struct Stage<'a> {
    directory: &'a Path,
}

impl Stage<'_> {
    fn path(&self, file: &str) -> String {
        self.directory.join(file).display().to_string()
    }

    /// Shows a command and runs it, its output going to the terminal.
    async fn federate(&self, command: &str) -> Result<(), Error> {
        tell(&format!("$ kubectl federate {command}"));
        let code = run(&self.world(Output::process(Colour::Auto)), &self.args(command)).await;
        tell("");
        if code == 0 { Ok(()) } else { Err(format!("exit code {code}").into()) }
    }

    /// The commands of [`SESSION`] with what they print, as on a terminal.
    async fn session(&self) -> Result<String, Error> {
        let registrations = NAMES.iter().map(|name| format!("cluster register {name}"));
        let preparation = std::iter::once(format!("init --context={}", NAMES[0]));
        for command in preparation.chain(registrations) {
            self.answer(&command).await?;
        }
        let mut session = String::new();
        for command in SESSION {
            let answer = self.answer(command).await?;
            let _ = writeln!(session, "$ kubectl federate {command}\n{answer}");
        }
        Ok(session)
    }

    /// Runs a command and gives what it prints.
    async fn answer(&self, command: &str) -> Result<String, Error> {
        let (code, answer) = self.ask(command).await;
        if code == 0 { Ok(answer) } else { Err(answer.into()) }
    }

    /// Runs a command, and gives its exit code and what it prints.
    async fn ask(&self, command: &str) -> (u8, String) {
        let (output, captured) = Output::captured();
        let code = run(&self.world(output), &self.args(command)).await;
        // The plan stands on stderr, before what was done.
        (code, format!("{}{}", captured.stderr(), captured.stdout()))
    }

    /// Shows `job get` whenever its answer is another, until the Job is complete.
    async fn until_complete(&self) -> Result<(), Error> {
        let command = "job get pi";
        tell(&format!("$ kubectl federate {command}    # repeated until it is Complete"));
        let mut shown = String::new();
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        while !shown.contains("Complete") {
            if tokio::time::Instant::now() > deadline {
                return Err("the Job did not complete within a minute".into());
            }
            let table = self.answer(command).await?;
            let row = table.lines().last().unwrap_or_default().to_owned();
            let progress = |row: &str| row.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
            if shown.is_empty() {
                tell(table.lines().next().unwrap_or_default());
            }
            if progress(&row) != progress(&shown) {
                tell(&row);
                shown = row;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tell("");
        Ok(())
    }

    async fn keep(&self) -> Result<(), Error> {
        let [kubeconfig, config, manifest] =
            ["kubeconfig", "federate.yaml", "pi.yaml"].map(|file| self.path(file));
        let seconds = KEPT_POD.as_secs();
        tell(&format!(
            "The clusters stay until Ctrl-C. In another shell:

  export KUBECONFIG={kubeconfig}
  export KUBECTL_FEDERATE_CONFIG={config}
  kubectl federate job get

From now on a pod runs for {seconds} seconds. That leaves time to suspend or scale a running Job:

  kubectl federate job delete pi --cascade=background
  kubectl federate job create -f {manifest}
  kubectl federate job suspend pi
  kubectl federate job resume pi
  kubectl federate job scale pi --parallelism=3
"
        ));
        Ok(tokio::signal::ctrl_c().await?)
    }

    fn args(&self, command: &str) -> Vec<OsString> {
        let words = command
            .split_whitespace()
            .map(|word| if word == "pi.yaml" { self.path(word) } else { word.into() });
        std::iter::once("kubectl-federate".to_owned()).chain(words).map(OsString::from).collect()
    }

    fn world(&self, output: Output) -> World {
        let mut world = World::process(output);
        for (variable, file) in
            [("KUBECONFIG", "kubeconfig"), ("KUBECTL_FEDERATE_CONFIG", "federate.yaml")]
        {
            world.vars.insert(variable.to_owned(), self.path(file));
        }
        world
    }
}
