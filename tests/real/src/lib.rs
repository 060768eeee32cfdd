//! Real control planes on loopback, for tests: etcd, `kube-apiserver` and
//! `kube-controller-manager`, built from their Go modules at pinned versions, and `kubectl`.
//!
//! A [`Fleet`] is a number of whole clusters without nodes, of one [`Version`] or of several. Tests
//! play the kubelet ([`Kubelet`]): pods run, write, succeed and fail when a test says so. Clusters can be
//! frozen, killed and revived ([`Cluster::freeze`], [`Cluster::kill`]), and what was asked of them
//! can be counted ([`Cluster::requests_since`]).
//!
//! A fleet ends with its process, however that ends: see [`Fleet`]. So does [`Karmada`], which
//! other clusters can join.
//!
//! ```no_run
//! # async fn example() -> Result<(), real::Error> {
//! use serde_json::json;
//! use std::time::Duration;
//!
//! let fleet = real::Fleet::start(&["east", "west"]).await?;
//! let (east, namespace) = (fleet.cluster("east"), fleet.namespace("pi").await?);
//! let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
//! let container = json!({"name": "pi", "image": "perl"});
//! east.create(&jobs, &json!({
//!     "metadata": {"name": "pi"},
//!     "spec": {
//!         "completions": 2,
//!         "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
//!     },
//! })).await?;
//! east.kubelet().succeed_n(&namespace, "pi", 2).await?;
//! real::until("pi to succeed twice", Duration::from_secs(30), || async {
//!     let job = east.get(&format!("{jobs}/pi")).await.map_err(|error| error.to_string())?;
//!     if job["status"]["succeeded"] == 2 { Ok(()) } else { Err(job["status"].to_string()) }
//! }).await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod api;
mod audit;
mod binaries;
mod cluster;
mod error;
mod fleet;
mod karmada;
mod kubeconfig;
mod kubelet;
mod kueue;
mod load;
mod logs;
mod process;
mod secrets;
mod testing;
mod until;
mod watchdog;

pub use api::{Api, Events};
pub use audit::{AuditEntry, Mark};
pub use binaries::{Binaries, KARMADA, Unavailable, Version, available};
pub use cluster::Cluster;
pub use error::Error;
pub use fleet::{Fleet, FleetBuilder};
pub use karmada::Karmada;
pub use kubeconfig::kubeconfig;
pub use kubelet::{Kubelet, Player, Pod};
pub use kueue::{FLAVOR, Managed, Stopped};
pub use load::Load;
pub use secrets::ADMINISTRATOR;
pub use testing::{
    Decision, Installers, Versions, blocking_trial, decide, exclusive_trial, installers_trial,
    trial,
};
pub use until::{poll, until};
