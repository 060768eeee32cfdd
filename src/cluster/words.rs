//! From a chain of library errors to one sentence.

use std::error::Error as StdError;
use std::io;

use rustls::{CertificateError, OtherError};

use super::error::Cause;
use super::tls::Distrusted;
use super::transport::{CONNECT_TIMEOUT, ConnectTimeout};
use crate::os_error;

/// The cause of a failure on the wire, taken from its chain of errors.
pub(super) fn cause(error: &(dyn StdError + 'static)) -> Cause {
    let chain = chain(error);
    for link in &chain {
        if let Some(io) = link.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return Cause::Refused;
        }
        if let Some(tls) = link.downcast_ref::<rustls::Error>() {
            let words = tls_words(tls);
            let distrusted = matches!(tls, rustls::Error::InvalidCertificate(_));
            return if distrusted { Cause::Certificate(words) } else { Cause::Other(words) };
        }
        if link.is::<ConnectTimeout>() {
            return Cause::Timeout(CONNECT_TIMEOUT);
        }
    }
    // This comes second: a TLS error further down may be the reason why the connection was closed.
    for link in &chain {
        if let Some(http) = link.downcast_ref::<hyper::Error>()
            && (http.is_incomplete_message() || http.is_canceled() || http.is_closed())
        {
            return Cause::Other("the connection was closed before the answer was complete".into());
        }
    }
    let names = chain.iter().any(|link| link.to_string().starts_with("dns error"));
    let deepest = chain.last().map_or_else(String::new, ToString::to_string);
    let last = chain.last().and_then(|link| link.downcast_ref::<io::Error>());
    // An early end wraps an error with the address of a library's manual, which no user needs.
    let eof = |io: &&io::Error| io.kind() == io::ErrorKind::UnexpectedEof;
    let ended = || chain.iter().rev().find_map(|link| link.downcast_ref::<io::Error>()).filter(eof);
    let words = match last.or_else(ended) {
        Some(io) => io_words(io),
        None => plain(&deepest),
    };
    if names { Cause::Unresolved(words) } else { Cause::Other(words) }
}

/// Whether the failure happened before any byte of the request was sent, so that the request had no
/// effect.
pub(super) fn unsent(error: &(dyn StdError + 'static)) -> bool {
    chain(error).iter().any(|link| {
        link.downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
            || link
                .downcast_ref::<io::Error>()
                .is_some_and(|io| io.kind() == io::ErrorKind::ConnectionRefused)
    })
}

/// Whether trying again soon may help. A server that restarts refuses or drops connections. A wrong
/// certificate or an unknown name stays wrong.
pub(super) fn passing(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof,
    };
    chain(error).iter().any(|link| {
        link.downcast_ref::<io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                ConnectionRefused
                    | ConnectionReset
                    | ConnectionAborted
                    | BrokenPipe
                    | UnexpectedEof
            )
        }) || link.downcast_ref::<hyper::Error>().is_some_and(|http| {
            http.is_incomplete_message() || http.is_canceled() || http.is_closed()
        })
    })
}

/// The error and all its sources. `io::Error` and `kube::Error` do not give the error that they
/// wrap as their source, so it is taken out here.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut links = vec![error];
    let mut link = error;
    while links.len() < 32 {
        let wrapped = link
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        let boxed = link.downcast_ref::<kube::Error>().and_then(|error| match error {
            kube::Error::Service(inner) => Some(&**inner as &(dyn StdError + 'static)),
            _ => None,
        });
        let Some(next) = wrapped.or(boxed).or_else(|| link.source()) else { break };
        links.push(next);
        link = next;
    }
    links
}

fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server closed the connection".into()
        }
        io::ErrorKind::UnexpectedEof => {
            "the server closed the connection before it answered".into()
        }
        io::ErrorKind::TimedOut => "i/o timeout".into(),
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        _ => plain(&error.to_string()),
    }
}

/// The text of a library, without the words that only its authors need.
fn plain(text: &str) -> String {
    // "failed to lookup address information: Name or service not known", "Too many open files (os
    // error 24)"
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    // hyper-util 0.1 hides the cause of this error.
    if text == "SOCKS error: failed to create underlying connection" {
        return "the SOCKS proxy cannot be reached".into();
    }
    if text == "Name or service not known" {
        return "no such host".into();
    }
    match text.strip_prefix(ALERT) {
        Some(alert) => alert_words(alert),
        None => os_error::words(&text),
    }
}

fn tls_words(error: &rustls::Error) -> String {
    let certificate = "tls: failed to verify certificate: x509:";
    match error {
        rustls::Error::InvalidCertificate(cause) => match cause {
            // Another authority of the same name gives a bad signature. The authorities of clusters
            // often have the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("{certificate} certificate signed by unknown authority")
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names: Vec<&str> = presented.iter().map(|name| bare_name(name)).collect();
                let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                format!("{certificate} certificate is valid for {names}, not {}", expected.to_str())
            }
            CertificateError::NotValidForName => {
                format!("{certificate} certificate is not valid for this name")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("{certificate} certificate has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("{certificate} certificate is not valid yet")
            }
            CertificateError::Revoked => format!("{certificate} certificate has been revoked"),
            CertificateError::Other(OtherError(cause)) if cause.is::<Distrusted>() => {
                format!("tls: failed to verify certificate: {cause}")
            }
            _ => format!("{certificate} certificate is not valid"),
        },
        rustls::Error::AlertReceived(alert) => alert_words(&format!("{alert:?}")),
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS, or not on this port".into()
        }
        other => format!("tls: {other}"),
    }
}

/// `api.example` from `DnsName("api.example")`, the form in which rustls lists names.
fn bare_name(listed: &str) -> &str {
    let inside =
        listed.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(listed);
    inside.trim_matches('"')
}

/// The start of the text of rustls for an alert. Below HTTP/2, only this text is left of it.
const ALERT: &str = "received fatal alert: ";

/// `remote error: tls: certificate required` from `CertificateRequired`.
fn alert_words(name: &str) -> String {
    let mut words = String::from("remote error: tls:");
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_ends_early_has_a_message_without_library_text() {
        for text in [
            "tls handshake eof",
            "peer closed connection without sending TLS close_notify: \
            https://docs.rs/rustls/latest/rustls/manual",
        ] {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, text);
            let words = cause(&io::Error::other(error)).to_string();
            assert_eq!(words, "the server closed the connection before it answered");
        }
    }
}
