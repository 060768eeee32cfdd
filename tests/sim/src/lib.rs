//! Simulated Kubernetes clusters, for tests of kubectl-federate: in-memory API servers with a Job
//! controller, which behave as Kubernetes 1.36 does, or 1.30 ([`Version`]), by its own source.
//!
//! - [`Cluster`] is an API server with its storage and controllers. It is cheap: no thread and no
//!   task, unless it runs by itself.
//! - [`Cluster::service`] is a tower service, for clients in the same process; [`Cluster::serve`]
//!   is real HTTPS, and [`Cluster::serve_over`] puts a round-trip time before it ([`Link`]).
//! - A test drives the clock ([`Cluster::advance`]) and plays the kubelet, or leaves both to the
//!   cluster ([`Cluster::run_by_itself`]).
//! - A client's write may fall between two writes of the Job controller. A test gets there by doing
//!   a look of the controller step by step ([`Cluster::begin_sync`]), while the controllers are
//!   stopped where the cluster runs by itself ([`Cluster::stop_controllers`]), or by having the
//!   controller's next write refused ([`Cluster::hold`]).
//! - What nobody here does by itself, such as events about pods and conditions of pods, a test
//!   writes ([`Cluster::create`], [`Cluster::patch_status`]), and what containers print
//!   ([`Cluster::write_log`]).
//! - A hook sees each request ([`Cluster::on_request`]) and says what becomes of it ([`Verdict`]): it
//!   is refused, delayed, answered otherwise, cut short, answered from the past, or its client is
//!   killed at it.
//! - Between requests, a test has an API server go away ([`Cluster::go_away`]) or the cluster
//!   replaced ([`Cluster::rebuild`]), its clock set ([`Cluster::set_clock_ahead`]), policies added
//!   and taken away ([`Cluster::add_policy`]), and objects changed and deleted as their users would.

mod api;
mod certificates;
mod clock;
mod cluster;
mod controller;
mod http;
mod job;
mod kinds;
mod kubeconfig;
mod link;
mod logs;
mod meta;
mod object;
mod patch;
mod pod;
mod random;
mod resource;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod users;
mod version;

pub use api::{Operation, Policy, Rule};
pub use cluster::{Builder, Cluster, Mark};
pub use controller::{Held, JobSync, Kubelet, Step};
pub use http::{Hook, RequestInfo, Service, SimBody, Verdict, When};
pub use kubeconfig::{kubeconfig, kubeconfig_for};
pub use link::Link;
pub use logs::{LogLine, LogRequest};
pub use resource::{CONFIG_MAPS, EVENTS, JOBS, NAMESPACES, PODS, Resource, SECRETS};
pub use server::Server;
pub use status::Status;
pub use users::{Access, User};
pub use version::Version;
