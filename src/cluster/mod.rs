//! Everything between us and one API server: kubeconfig, credentials, transport, REST, and many of
//! them side by side.
//!
//! | module | what it holds |
//! |---|---|
//! | [`kubeconfig`] | the files, merged by kubectl's rules |
//! | [`flags`] | what the command line may say about a connection |
//! | [`endpoint`] | a context and the flags, resolved: where, and as whom |
//! | [`dialer`] | what all connections share; makes a [`Connection`] of an [`Endpoint`] |
//! | `auth`, `exec`, `tls`, `proxy` | credentials, credential plugins, certificates, proxies |
//! | [`transport`] | bytes: TCP, TLS, HTTP/2; in tests, a service in this process |
//! | [`log`] | what is told of requests at which level |
//! | [`round_trip`] | the log of requests, and servers' warnings |
//! | `connection`, `retry` | one request: its credentials, its time, its repetitions |
//! | [`verbs`] | get, list, create, patch, delete; identity, version, rights |
//! | [`fanout`] | many clusters side by side |
//! | `download` | a file of a web server, over the same transport |
//! | [`error`], `cause` | what went wrong, in kubectl's words |
//!
//! A request goes `verbs` → `connection` (credentials, time, retries) → [`kube::Client`] → headers,
//! gzip → `round_trip` → the wire. The stack is our own because kube's runs a plugin three times
//! per client, retries writes, loads the system's authorities for each client, speaks HTTP/1.1 only
//! and has no time limit on answers.

mod auth;
mod cause;
mod channel;
mod clock;
mod connection;
pub mod dialer;
mod download;
pub mod endpoint;
pub mod error;
mod exec;
pub mod fanout;
pub mod flags;
pub mod kubeconfig;
pub mod log;
mod namespace;
pub mod path;
mod proxy;
pub mod redact;
mod retry;
pub mod round_trip;
mod tls;
pub mod transport;
pub mod verbs;

#[cfg(test)]
mod tests;

pub use channel::WireFactory;
pub use connection::Connection;
pub use dialer::{Dialer, DialerOptions};
pub use endpoint::Endpoint;
pub use error::{Cause, Error};
pub use fanout::{FAN_OUT, fan_out};
pub use flags::Overrides;
pub use kubeconfig::Kubeconfig;
pub use verbs::{DeleteOptions, Propagation, WriteOptions};
