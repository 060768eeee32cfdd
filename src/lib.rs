//! `kubectl federate` runs one Kubernetes Job over many clusters.
//!
//! | module | what it holds | may use |
//! |---|---|---|
//! | [`cli`] | a file per verb: arguments, the call, the printing | all below |
//! | [`reconcile`] | what brings the ledger and the members together: decide (pure) and act | plan, job, state, cluster |
//! | [`plan`] | preferences and spreading; pure | nothing |
//! | [`job`] | what a Job's spec allows, and how a shard's Job is made from it; pure | nothing |
//! | [`state`] | the registry, the record and the ledger as annotations; compare-and-swap | cluster |
//! | [`cluster`] | kubeconfig, identity, clients, fan-out, retries | yaml, os_error |
//! | [`print`](mod@print) | tables, ages, formats, progress, prompts | nothing |
//! | [`yaml`] | YAML by kubectl's rules, read and written; pure | nothing |
//! | [`dns`] | names by the rules of DNS; pure | nothing |
//! | [`hidden`] | characters that must not reach a terminal as they are; pure | nothing |
//! | [`os_error`] | the operating system's reasons in words; pure | nothing |
//! | [`error`] | the one error that reaches the user: message, hint, exit code | the errors of all |

pub mod cli;
pub mod cluster;
pub mod dns;
pub mod error;
pub mod federation;
pub mod hidden;
pub mod job;
pub mod os_error;
pub mod plan;
pub mod print;
pub mod reconcile;
pub mod state;
pub mod yaml;

pub use cli::main;
