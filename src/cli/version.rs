//! `kubectl federate version`.

use std::env::consts::{ARCH, OS};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ConnectionFlags, Session, World};
use crate::{
    cluster::TESTED,
    error::{Error, Result},
    print::format,
};

/// This binary's version, written as kubectl writes versions.
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// The commit that this binary was built from, if the build knew it: see `build.rs`.
const COMMIT: Option<&str> = option_env!("BUILT_WITH_COMMIT");

/// The commit's date, or the one that the build was told, in seconds since 1970.
const DATE: Option<&str> = option_env!("BUILT_WITH_DATE");

/// What built this binary, as `rustc --version` says it.
const COMPILER: Option<&str> = option_env!("BUILT_WITH_COMPILER");

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Print the versions of this plugin and of the host cluster
  kubectl federate version

  # Print the version of this plugin only
  kubectl federate version --client

  # Print also what it was built from, when, with which compiler, and for which platform
  kubectl federate version --client -o yaml";

/// Print the version of this plugin and of the host cluster
///
/// It also says with which versions of Kubernetes the plugin is tested. If a cluster has another
/// one, a warning says so where it matters: where work is taken off a job that runs there.
///
/// With `-o json` and `-o yaml` it also says what the plugin was built from, when, with which
/// compiler, and for which platform.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Version {
    /// Print the plugin's version only; no cluster is asked
    #[arg(long)]
    client: bool,
    /// How to print: json or yaml
    #[arg(short, long, value_name = "FORMAT", value_parser = syntax)]
    output: Option<Syntax>,
}

/// How kubectl prints versions, if not as sentences.
#[derive(Debug, Clone, Copy)]
enum Syntax {
    Json,
    Yaml,
}

fn syntax(text: &str) -> Result<Syntax> {
    match text {
        "json" => Ok(Syntax::Json),
        "yaml" => Ok(Syntax::Yaml),
        _ => Err(Error::new("--output must be 'yaml' or 'json'")),
    }
}

impl Version {
    /// Prints this binary's version, and the host's unless told not to. Where the host cannot be
    /// asked, that is said after this binary's version.
    pub async fn run(self, world: &World, flags: &ConnectionFlags) -> Result<()> {
        let [oldest, newest] = TESTED.map(|minor| minor.to_string());
        let mut versions = vec![("Client", VERSION.to_owned())];
        let asked = if self.client {
            Ok(())
        } else {
            host(world, flags).await.map(|host| versions.push(host))
        };
        let fields = versions.iter().map(|(what, version)| {
            (format!("{}Version", what.to_lowercase()), json!({ "gitVersion": version }))
        });
        let mut object = Value::Object(fields.collect());
        object["clientVersion"] = client();
        object["testedServers"] = json!({ "oldest": oldest, "newest": newest });
        match self.output {
            Some(Syntax::Json) => world.output.block(&format::json(&object)),
            Some(Syntax::Yaml) => world.output.block(&format::yaml(&object)),
            None => {
                for (what, version) in versions {
                    world.output.line(format!("{what} Version: {version}"));
                }
                world.output.line(format!("Tested Servers: {oldest} to {newest}"));
            }
        }
        asked
    }
}

/// All that is known of this binary, with kubectl's names. What a build did not know is left out.
fn client() -> Value {
    let built = DATE.and_then(|second| Timestamp::from_second(second.parse().ok()?).ok());
    let known = [
        ("major", Some(env!("CARGO_PKG_VERSION_MAJOR").to_owned())),
        ("minor", Some(env!("CARGO_PKG_VERSION_MINOR").to_owned())),
        ("gitVersion", Some(VERSION.to_owned())),
        ("gitCommit", COMMIT.map(str::to_owned)),
        ("buildDate", built.map(|date| date.to_string())),
        ("compiler", COMPILER.map(str::to_owned)),
        ("platform", Some(platform())),
    ];
    let known =
        known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
    Value::Object(known.collect())
}

/// Operating system and processor as Go names them: `linux/amd64`.
fn platform() -> String {
    let system = if OS == "macos" { "darwin" } else { OS };
    let processor = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("{system}/{processor}")
}

async fn host(world: &World, flags: &ConnectionFlags) -> Result<(&'static str, String)> {
    let session = Session::new(world, flags, true)?;
    let federation = session.federation(&()).await?;
    Ok(("Host", federation.store.host().server_version().await?))
}
