//! Errors of requests to API servers, in kubectl's words where kubectl has some.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kube::core::{Status, response::StatusSummary};

use super::redact::printable;
use super::sentence::sentence;

/// Why a request failed, or could not be sent.
///
/// `Display` is the sentence alone, for a line that already names the cluster. [`Error::report`] is
/// the text that kubectl would print. Neither shows a token, a Debug dump or a control character.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The API server answered with a `Status` of failure.
    #[error("{}", sentence(status))]
    Status {
        /// The cluster's name, as it was dialled.
        cluster: String,
        /// The answer: reason, message, code, details.
        status: Box<Status>,
    },
    /// There is no usable answer. Nothing is known about the cluster, nor whether a write happened.
    #[error("{}", unreachable(server, cause))]
    Unreachable {
        /// The cluster's name, as it was dialled.
        cluster: String,
        /// Host and port.
        server: String,
        /// What happened.
        cause: Cause,
    },
    /// There are no credentials. No request was sent.
    #[error("getting credentials: {cause}")]
    Credentials {
        /// The cluster's name, as it was dialled.
        cluster: String,
        /// What is missing or failed.
        cause: String,
        /// What to do about it: the kubeconfig's install hint, or ours.
        hint: Option<String>,
    },
    /// The context leads to a cluster that is not the registered one (G7).
    #[error(
        "cluster {cluster:?} is not the one that was registered: the uid of its kube-system \
        namespace \
         is {found}, not {expected}"
    )]
    WrongCluster {
        /// The cluster's name, as it was dialled.
        cluster: String,
        /// The uid that was registered.
        expected: String,
        /// The uid that the server gave.
        found: String,
    },
    /// A kubeconfig file cannot be read or understood.
    #[error("error loading config file \"{}\": {cause}", printable(&file.to_string_lossy()))]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the place in the file: line and column, or the entry and its field.
        cause: String,
    },
    /// The kubeconfig has no context of this name.
    #[error("context {context:?} does not exist")]
    NoContext {
        /// The name.
        context: String,
    },
    /// The files and the flags together do not lead to a server.
    #[error("{cause}")]
    Configuration {
        /// What is wrong with them.
        cause: String,
    },
}

/// Why no usable answer came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// Nothing listens at the address.
    Refused,
    /// A name has no address, in the words of the system.
    Unresolved(String),
    /// The whole request, or the connection, took longer than it may.
    Timeout(Duration),
    /// The certificate of the server is not trusted, in words.
    Certificate(String),
    /// The server sent more than this, such as `64 MiB`.
    TooLarge(&'static str),
    /// A write was answered with something else than the object that was written.
    OtherKind {
        /// The kind of the object.
        expected: &'static str,
    },
    /// Anything else, in words.
    Other(String),
}

/// A few words, for logs.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unresolved(words) => {
                write!(f, "the name cannot be resolved: {}", printable(words))
            }
            Self::Timeout(limit) => write!(f, "no answer within {}", seconds(*limit)),
            Self::TooLarge(limit) => write!(f, "the answer is larger than {limit}"),
            Self::OtherKind { expected } => write!(f, "the answer is not a {expected}"),
            Self::Certificate(text) | Self::Other(text) => f.write_str(&printable(text)),
        }
    }
}

/// How a server that answers keeps a user out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// The user lacks the right: 403.
    Forbidden,
    /// The server does not know the user: 401.
    Unauthorized,
}

impl Denial {
    /// The server's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::Unauthorized => "Unauthorized",
        }
    }
}

impl Error {
    pub(super) fn configuration(cause: impl Into<String>) -> Self {
        Self::Configuration { cause: cause.into() }
    }

    /// A refusal of our own in the form of an API server's answer, for what a server would learn
    /// too late. `code` is an HTTP status code of failure, `reason` its word, such as `Invalid`.
    pub fn refusal(cluster: &str, code: u16, reason: &str, message: String) -> Self {
        let status = Status {
            status: Some(StatusSummary::Failure),
            code,
            message,
            reason: reason.to_owned(),
            ..Status::default()
        };
        Self::Status { cluster: cluster.to_owned(), status: Box::new(status) }
    }

    /// What the server gave as the reason, such as `NotFound`; empty where no server answered.
    pub fn reason(&self) -> &str {
        match self {
            Self::Status { status, .. } => &status.reason,
            _ => "",
        }
    }

    /// The name of the cluster that the error is about. `None` for an error in the configuration.
    pub fn cluster(&self) -> Option<&str> {
        match self {
            Self::Status { cluster, .. }
            | Self::Unreachable { cluster, .. }
            | Self::Credentials { cluster, .. }
            | Self::WrongCluster { cluster, .. } => Some(cluster),
            Self::Kubeconfig { .. } | Self::NoContext { .. } | Self::Configuration { .. } => None,
        }
    }

    /// Whether the API server says that the object does not exist. A 404 of a proxy does not count.
    pub fn is_not_found(&self) -> bool {
        self.reason() == "NotFound"
    }

    /// Whether an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == "AlreadyExists"
    }

    /// Whether the object has changed since it was read, or a precondition did not hold.
    pub fn is_conflict(&self) -> bool {
        self.reason() == "Conflict"
    }

    /// Whether the user lacks the right.
    pub fn is_forbidden(&self) -> bool {
        self.reason() == "Forbidden"
    }

    /// Whether the server does not know the user: a credential is missing, expired or wrong.
    pub fn is_unauthorized(&self) -> bool {
        self.reason() == "Unauthorized"
    }

    /// Whether the error stays until the user corrects something: a context that does not exist or
    /// leads to another cluster, a refused credential, a missing right, a server certificate that
    /// is not trusted. Otherwise the cluster may answer later.
    pub fn is_lasting(&self) -> bool {
        !self.is_unreachable() || self.is_distrusted()
    }

    /// How the server keeps the user out, if it answered that.
    pub fn denial(&self) -> Option<Denial> {
        if self.is_forbidden() {
            Some(Denial::Forbidden)
        } else if self.is_unauthorized() {
            Some(Denial::Unauthorized)
        } else {
            None
        }
    }

    /// Whether the server refuses the object as invalid.
    pub fn is_invalid(&self) -> bool {
        self.reason() == "Invalid"
    }

    /// The fields that the server found wrong, as paths such as `spec.completions`
    /// (`Status.details.causes`). A policy that refuses an object names none.
    pub fn invalid_fields(&self) -> impl Iterator<Item = &str> {
        let details = match self {
            Self::Status { status, .. } => status.details.as_ref(),
            _ => None,
        };
        let causes = details.into_iter().flat_map(|details| &details.causes);
        causes.map(|cause| cause.field.as_str()).filter(|field| !field.is_empty())
    }

    /// Whether the server refuses only that fields change, and no value of the object as such
    /// (`ValidateImmutableField`, and `Forbidden` of a field).
    pub fn refuses_only_changes(&self) -> bool {
        let Self::Status { status, .. } = self else { return false };
        let causes = status.details.as_ref().map(|details| &details.causes);
        let is_change = |message: &str| {
            message.ends_with("field is immutable") || message.starts_with("Forbidden: ")
        };
        self.is_invalid()
            && causes.is_some_and(|all| {
                !all.is_empty() && all.iter().all(|cause| is_change(&cause.message))
            })
    }

    /// Whether nothing is known: the server was not reached, or could not serve the request (429,
    /// 5xx).
    ///
    /// A write may have happened all the same, and what was read for may exist.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => status.code >= 500 || status.code == 429,
            _ => false,
        }
    }

    /// Whether the context by which a cluster was to be reached does not lead to it: there is no
    /// such context, or it leads to another cluster.
    pub fn is_astray(&self) -> bool {
        matches!(self, Self::NoContext { .. } | Self::WrongCluster { .. })
    }

    /// Whether the user may not read the namespace `kube-system`, whose uid is the cluster's
    /// identity.
    pub fn hides_identity(&self) -> bool {
        let Self::Status { status, .. } = self else { return false };
        let details = status.details.as_ref();
        self.is_forbidden()
            && details.is_some_and(|it| it.kind == "namespaces" && it.name == "kube-system")
    }

    /// Whether the certificate of the server is not trusted. Waiting does not help.
    pub fn is_distrusted(&self) -> bool {
        matches!(self, Self::Unreachable { cause: Cause::Certificate(_), .. })
    }

    /// Whether the server answered a write with something else than what was written. Waiting does
    /// not help.
    pub fn is_of_other_kind(&self) -> bool {
        matches!(self, Self::Unreachable { cause: Cause::OtherKind { .. }, .. })
    }

    /// Whether all the time was used up: there was no answer in time, or each attempt was answered
    /// with 429 (too many requests). Another request would take as long.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Unreachable { cause, .. } => matches!(cause, Cause::Timeout(_)),
            Self::Status { status, .. } => status.code == 429,
            _ => false,
        }
    }

    /// What to do about it, if something is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Credentials { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// The whole text that kubectl prints for such an error, with the prefix `error: ` or
    /// `Error from server (NotFound): ` where kubectl has one.
    pub fn report(&self) -> String {
        match self {
            Self::Status { status, .. } => match status.reason.as_str() {
                "Invalid" => sentence(status),
                "Unauthorized" => format!("error: {self}"),
                "" => format!("Error from server: {self}"),
                reason => format!("Error from server ({}): {self}", printable(reason)),
            },
            Self::Unreachable { .. } => self.to_string(),
            Self::Credentials { .. } => format!("Unable to connect to the server: {self}"),
            Self::WrongCluster { .. }
            | Self::Kubeconfig { .. }
            | Self::NoContext { .. }
            | Self::Configuration { .. } => format!("error: {self}"),
        }
    }
}

fn unreachable(server: &str, cause: &Cause) -> String {
    match cause {
        Cause::Refused => {
            format!(
                "The connection to the server {server} was refused - did you specify the right \
                 host or port?"
            )
        }
        Cause::Timeout(limit) => {
            format!(
                "Unable to connect to the server: no answer from {server} within {}",
                seconds(*limit)
            )
        }
        Cause::Unresolved(words) => {
            let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
            format!(
                "Unable to connect to the server: dial tcp: lookup {host}: {}",
                printable(words)
            )
        }
        Cause::TooLarge(limit) => {
            format!("The answer of the server {server} is larger than {limit}, which is the limit")
        }
        Cause::OtherKind { expected } => {
            format!(
                "{server} answered a write of a {expected} with something else: is it an API \
                server?"
            )
        }
        Cause::Certificate(text) | Cause::Other(text) => {
            format!("Unable to connect to the server: {}", printable(text))
        }
    }
}

/// A duration such as `30s` or `1.5s`.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The error of a server's refusal in the cluster `east`.
    pub fn status(json: serde_json::Value) -> Error {
        Error::Status {
            cluster: "east".into(),
            status: Box::new(serde_json::from_value(json).unwrap()),
        }
    }

    #[test]
    fn a_status_reads_as_in_kubectl() {
        let error = status(serde_json::json!({"reason": "NotFound", "code": 404,
                "message": "jobs.batch \"x\" not found"}));
        assert_eq!(error.report(), "Error from server (NotFound): jobs.batch \"x\" not found");
        assert!(error.is_not_found() && !error.is_unreachable());

        let error = status(
            serde_json::json!({"reason": "Unauthorized", "code": 401, "message": "Unauthorized"}),
        );
        assert_eq!(error.report(), "error: You must be logged in to the server (Unauthorized)");
    }

    #[test]
    fn an_unavailable_server_is_unreachable_and_its_control_characters_are_escaped() {
        let error = status(serde_json::json!({"reason": "ServiceUnavailable", "code": 503,
                "message": "\u{1b}]0;x\u{7}"}));
        assert!(error.is_unreachable());
        assert!(!error.report().contains('\u{1b}'));
    }
}
