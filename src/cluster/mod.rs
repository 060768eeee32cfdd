//! How API servers are reached: kubeconfig, credentials, transport, REST, and requests to many
//! servers side by side.
//!
//! | module | what it holds |
//! |---|---|
//! | [`kubeconfig`] | the kubeconfig files, merged by kubectl's rules |
//! | `kuberc` | which credential plugins the user's kuberc lets run |
//! | [`flags`] | the command-line flags about a connection |
//! | [`endpoint`] | a context and the flags, resolved to a server and a user |
//! | [`dialer`] | makes a [`Connection`] to an [`Endpoint`] |
//! | `channel` | the HTTP client of one server, and what all clients share |
//! | [`redact`] | what may be shown of a text from outside |
//! | `auth`, `exec`, `tls`, `proxy` | credentials, credential plugins, certificates, proxies |
//! | `secrets` | credentials that a server quotes |
//! | [`transport`] | bytes: TCP, TLS, HTTP/2; in tests, a service in this process |
//! | [`log`] | what is logged of requests at which level |
//! | [`round_trip`] | the log of requests, and servers' warnings |
//! | `connection`, `retry` | one request: credentials, time limit, repetition |
//! | `refusal` | what a server says where it refuses |
//! | `patience` | how long is waited for a server |
//! | `silence` | whether a server is silent, so that nothing more is sent there |
//! | `beside` | requests to one server beside each other |
//! | `opened` | whether a connection is open that takes several requests at once |
//! | `bound` | how many requests and connections are under way at once |
//! | `names` | the look-up of hosts' names |
//! | `body`, `items` | the body of an answer; the items of a list, taken out as they come |
//! | `clock` | the difference between a server's clock and ours |
//! | [`path`](mod@path) | paths of the API, with encoded names |
//! | [`verbs`] | get, list, create, patch, delete; identity, version, rights |
//! | `field_validation` | what is done about fields that a server does not know |
//! | [`version`] | versions of Kubernetes, and those that are tested |
//! | [`fanout`] | many clusters side by side |
//! | `namespace` | creates namespaces that are missing |
//! | `stream`, `lines` | an answer that is read while it comes; bytes as lines |
//! | `watch` | a server says what changes |
//! | `download` | a file of a web server, over the same transport |
//! | [`error`], `sentence`, `words`, `tls_words` | what went wrong, in kubectl's words |
//!
//! A request goes `verbs` → `connection` (credentials, time, retries) → [`kube::Client`] → headers,
//! gzip → `round_trip` → the wire. Only [`kube::Client`] is taken from kube-client. The HTTP stack
//! of kube-client 5.0 is not used. It runs a plugin three times per client, retries writes, loads
//! the authorities of the system for each client, and speaks HTTP/1.1 only. Its `read_timeout`
//! limits the pause between bytes, but `--request-timeout` must limit the whole request.

mod auth;
mod beside;
mod body;
mod bound;
mod channel;
mod clock;
mod connection;
pub mod dialer;
mod download;
pub mod endpoint;
pub mod error;
mod exec;
pub mod fanout;
mod field_validation;
pub mod flags;
mod items;
pub mod kubeconfig;
mod kuberc;
pub(crate) mod lines;
pub mod log;
mod names;
mod namespace;
mod opened;
pub mod path;
mod patience;
mod proxy;
pub mod redact;
mod refusal;
mod retry;
pub mod round_trip;
mod secrets;
mod sentence;
mod silence;
mod stream;
mod tls;
mod tls_words;
pub mod transport;
pub mod verbs;
pub mod version;
mod watch;
mod words;

#[cfg(test)]
mod tests;

pub use channel::{SilenceSink, WireFactory};
pub use connection::Connection;
pub use dialer::{Dialer, DialerOptions};
pub use endpoint::Endpoint;
pub use error::{Cause, Denial, Error};
pub use exec::PluginPolicy;
pub use fanout::{FAN_OUT, fan_out, fan_out_by};
pub use field_validation::FieldValidation;
pub use flags::Overrides;
pub use kubeconfig::Kubeconfig;
pub use kuberc::Kuberc;
pub use retry::jitter;
pub use stream::Stream;
pub use verbs::{Attributes, DeleteOptions, Propagation, WriteOptions};
pub use version::{Minor, TESTED};
pub use watch::{Change, Watched, WatchedPath};
