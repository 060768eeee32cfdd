//! From a chain of library errors to one sentence.

use std::error::Error as StdError;
use std::io;

use super::error::Cause;
use super::patience::{CONNECT_TIMEOUT, ConnectTimeout};
use super::tls_words;
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
            let words = tls_words::of(tls);
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
    tls_words::of_text(text).unwrap_or_else(|| os_error::words(&text))
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
