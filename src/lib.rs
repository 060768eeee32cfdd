//! `kubectl federate` runs one Kubernetes Job over many clusters.
//!
//! | module | what it holds | may use |
//! |---|---|---|
//! | [`cli`] | a file per verb: arguments, one call into the federation, the printing | federation, reconcile, state, plan, job, cluster, error, print, jsonpath, yaml, dns, hidden, os_error |
//! | [`error`] | the one error that reaches the user: message, hint, exit code | federation, reconcile, state, plan, job, cluster, print |
//! | [`federation`] | what can be asked of a federation, without a terminal | reconcile, state, plan, job, cluster, jsonpath, seams |
//! | [`reconcile`] | what brings the ledger and the members together: decide (pure) and act | state, plan, job, cluster, seams |
//! | [`state`] | the registry, the record and the ledger in ConfigMaps; compare-and-swap | job, cluster, dns, hidden, seams |
//! | [`plan`] | preferences, and how work is divided by them; pure | nothing |
//! | [`job`] | what a Job's spec allows, and how a shard's Job is made from it; pure | dns |
//! | [`cluster`] | kubeconfig, identity, clients, fan-out, retries | yaml, hidden, os_error, seams |
//! | [`print`](mod@print) | tables, ages, formats, progress, prompts; knows no clusters | jsonpath, yaml, hidden, os_error |
//! | [`jsonpath`] | kubectl's JSONPath, and values as Go prints them; pure | hidden |
//! | [`yaml`] | YAML by kubectl's rules, read and written; pure | hidden |
//! | [`dns`] | names by the rules of DNS; pure | nothing |
//! | [`hidden`] | what of a text must not reach a terminal as it is; pure | nothing |
//! | [`os_error`] | the operating system's reasons in words; pure | nothing |
//! | [`seams`] | time and chance, which a simulation replaces | nothing |
//!
//! `tests/layout` checks the code against this table, and that no files use each other in a circle.

pub mod cli;
pub mod cluster;
pub mod dns;
pub mod error;
pub mod federation;
pub mod hidden;
pub mod job;
pub mod jsonpath;
pub mod os_error;
pub mod plan;
pub mod print;
pub mod reconcile;
pub mod seams;
pub mod state;
pub mod yaml;

pub use cli::main;
