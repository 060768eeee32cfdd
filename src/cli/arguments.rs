//! The command line: global flags and a verb.

use clap::{Parser, Subcommand};

use super::{
    ConnectionFlags, backup, cluster, completion, init, job, options, orphans, reconcile, version,
};
use crate::print::Colour;

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Choose a host cluster and register members, by the contexts of your kubeconfig
  kubectl federate init --context=east
  kubectl federate cluster register east
  kubectl federate cluster register west

  # Run a job over them, and wait for it
  kubectl federate job create -f pi.yaml
  kubectl federate job wait pi --for=condition=complete --timeout=1h";

/// Run one Kubernetes Job over many clusters: divided exactly, remembered, and reconciled
#[derive(Debug, Parser)]
#[command(after_long_help = EXAMPLES)]
#[command(name = "kubectl-federate", bin_name = "kubectl federate")]
#[command(
    disable_help_subcommand = true,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub connection: ConnectionFlags,
    /// How much is told of requests: 1 of those sent again, 6 of each, 7 their headers, 8 and 9
    /// their bodies
    #[arg(short, long, global = true, value_name = "LEVEL", default_value_t = 0)]
    pub v: u8,
    /// When to use colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Colour,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Init(init::Init),
    #[command(subcommand, alias = "clusters")]
    Cluster(cluster::Cluster),
    #[command(subcommand, alias = "jobs")]
    Job(job::Job),
    Reconcile(reconcile::Reconcile),
    #[command(subcommand, alias = "orphan")]
    Orphans(orphans::Orphans),
    Backup(backup::Backup),
    Restore(backup::Restore),
    #[command(subcommand)]
    Completion(completion::Completion),
    Options(options::Options),
    Version(version::Version),
}

impl Verb {
    /// Whether it writes to no cluster, so that it can go on without those that do not answer.
    pub fn only_looks(&self) -> bool {
        match self {
            Self::Cluster(verb) => verb.only_looks(),
            Self::Job(verb) => verb.only_looks(),
            Self::Orphans(verb) => verb.only_looks(),
            _ => false,
        }
    }
}
