//! What is said of an error of TLS, in the words of Go where it has some.

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};

use super::tls::Distrusted;

/// Go's words for alerts (`alertText` in crypto/tls), by their number.
const ALERTS: [(u8, &str); 35] = [
    (0, "close notify"),
    (10, "unexpected message"),
    (20, "bad record MAC"),
    (21, "decryption failed"),
    (22, "record overflow"),
    (30, "decompression failure"),
    (40, "handshake failure"),
    // RFC 5246, section 7.2: Go has no words for it.
    (41, "no certificate"),
    (42, "bad certificate"),
    (43, "unsupported certificate"),
    (44, "revoked certificate"),
    (45, "expired certificate"),
    (46, "unknown certificate"),
    (47, "illegal parameter"),
    (48, "unknown certificate authority"),
    (49, "access denied"),
    (50, "error decoding message"),
    (51, "error decrypting message"),
    (60, "export restriction"),
    (70, "protocol version not supported"),
    (71, "insufficient security level"),
    (80, "internal error"),
    (86, "inappropriate fallback"),
    (90, "user canceled"),
    (100, "no renegotiation"),
    (109, "missing extension"),
    (110, "unsupported extension"),
    (111, "certificate unobtainable"),
    (112, "unrecognized name"),
    (113, "bad certificate status response"),
    (114, "bad certificate hash value"),
    (115, "unknown PSK identity"),
    (116, "certificate required"),
    (120, "no application protocol"),
    (121, "encrypted client hello required"),
];

const UNEXPECTED: &str = "tls: the server sent an unexpected message";
const NO_TLS: &str = "the server does not speak TLS, or not on this port";
const NOTHING_IN_COMMON: &str =
    "tls: the server offers no version, cipher or key exchange of TLS that is supported here";
const OLD: &str = "tls: server selected unsupported protocol version: TLS 1.2 or 1.3 is needed";
const BAD_RECORD: &str = "tls: bad record MAC: what the server sent cannot be decrypted";
const OVERSIZED: &str = "tls: oversized record received";
const NO_PROTOCOL: &str = "tls: the server speaks no protocol that was offered";
const NO_CERTIFICATE: &str = "tls: the server sent no certificate";
const BROKEN_RULES: &str = "tls: the server breaks the rules of the protocol";
const FAILED: &str = "tls: the connection failed";

/// The sentence for an error.
pub(super) fn of(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(cause) => of_certificate(cause),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(_) => NO_TLS.to_owned(),
        Error::PeerIncompatible(why) => match why {
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => OLD.to_owned(),
            _ => NOTHING_IN_COMMON.to_owned(),
        },
        other => of_text(&other.to_string()).unwrap_or_else(|| FAILED.to_owned()),
    }
}

/// The sentence for the text of an error of rustls; none for another text. Below HTTP/2, only this
/// text is left of an error.
pub(super) fn of_text(text: &str) -> Option<String> {
    if let Some(name) = text.strip_prefix("received fatal alert: ") {
        let is_it = |alert: &AlertDescription| format!("{alert:?}") == name;
        let alert = (0..=u8::MAX).map(AlertDescription::from).find(is_it);
        return Some(alert.map_or_else(|| FAILED.to_owned(), of_alert));
    }
    let texts = [
        ("received unexpected ", UNEXPECTED),
        ("received corrupt message ", NO_TLS),
        ("peer is incompatible: ", NOTHING_IN_COMMON),
        ("peer misbehaved: ", BROKEN_RULES),
        ("peer sent no certificates", NO_CERTIFICATE),
        ("cannot decrypt peer's message", BAD_RECORD),
        ("peer sent excess record size", OVERSIZED),
        ("peer doesn't support any known protocol", NO_PROTOCOL),
        ("invalid peer certificate: ", "tls: failed to verify certificate"),
        ("handshake not complete", FAILED),
    ];
    texts.iter().find(|(start, _)| text.starts_with(start)).map(|(_, words)| (*words).to_owned())
}

fn of_alert(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    match ALERTS.iter().find(|(known, _)| *known == number) {
        Some((_, words)) => format!("remote error: tls: {words}"),
        None => format!("remote error: tls: alert({number})"),
    }
}

fn of_certificate(cause: &CertificateError) -> String {
    let certificate = "tls: failed to verify certificate: x509:";
    match cause {
        // Another authority of the same name gives a bad signature. The authorities of clusters
        // often have the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            format!("{certificate} certificate signed by unknown authority")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("{certificate} {}", misnamed(expected, presented))
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
    }
}

/// Names that the certificate has in place of the expected one: addresses in place of an address,
/// because one that is written as a DNS name does not count.
fn misnamed(expected: &ServerName<'_>, presented: &[String]) -> String {
    let name = expected.to_str();
    let is_address = matches!(expected, ServerName::IpAddress(_));
    let kind = if is_address { "IpAddress(" } else { "DnsName(" };
    let names: Vec<&str> = presented
        .iter()
        .filter(|listed| listed.starts_with(kind))
        .map(|listed| bare_name(listed))
        .collect();
    match (names.is_empty(), is_address) {
        (true, true) => {
            format!("cannot validate certificate for {name} because it doesn't contain any IP SANs")
        }
        (true, false) => {
            format!("certificate is not valid for any names, but wanted to match {name}")
        }
        (false, _) => format!("certificate is valid for {}, not {name}", names.join(", ")),
    }
}

/// `api.example` from `DnsName("api.example")`, the form in which rustls lists names.
fn bare_name(listed: &str) -> &str {
    let inside =
        listed.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(listed);
    inside.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use rustls::{ContentType, HandshakeType, InvalidMessage, PeerMisbehaved};

    use super::*;

    #[test]
    fn no_text_of_a_library_is_shown() {
        let unexpected = Error::InappropriateMessage {
            expect_types: vec![ContentType::Handshake],
            got_type: ContentType::ApplicationData,
        };
        let handshake = Error::InappropriateHandshakeMessage {
            expect_types: vec![HandshakeType::ServerHello],
            got_type: HandshakeType::Finished,
        };
        for (error, words) in [
            (unexpected, UNEXPECTED),
            (handshake, UNEXPECTED),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), NO_TLS),
            (PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), OLD),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), NOTHING_IN_COMMON),
            (PeerMisbehaved::UnsolicitedServerHelloExtension.into(), BROKEN_RULES),
            (Error::NoCertificatesPresented, NO_CERTIFICATE),
            (Error::DecryptError, BAD_RECORD),
            (Error::PeerSentOversizedRecord, OVERSIZED),
            (Error::NoApplicationProtocol, NO_PROTOCOL),
            (Error::HandshakeNotComplete, FAILED),
            (Error::EncryptError, FAILED),
            (Error::General("Inner { x: 1 }".into()), FAILED),
        ] {
            assert_eq!(of(&error), words, "{error:?}");
        }
    }

    #[test]
    fn each_alert_has_words_also_where_only_its_text_is_left() {
        for number in 0..=u8::MAX {
            let error = Error::AlertReceived(number.into());
            let words = of(&error);
            let known = ALERTS.iter().find(|(known, _)| *known == number);
            let expected =
                known.map_or_else(|| format!("alert({number})"), |(_, text)| (*text).into());
            assert_eq!(words, format!("remote error: tls: {expected}"));
            assert_eq!(of_text(&error.to_string()), Some(words));
        }
        assert_eq!(of_text("no route to host"), None);
    }
}
