//! What a plugin prints: an `ExecCredential` in JSON or YAML.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use rustls::sign::CertifiedKey;
use secrecy::SecretString;
use serde_json::Value;

use super::{CredentialError, Plugin, failed};
use crate::cluster::tls::Tls;
use crate::yaml;

/// The API group of what plugins are told and answer.
const GROUP: &str = "client.authentication.k8s.io";

/// The answer of a plugin: a token, a certificate with its key, or both.
pub(in crate::cluster) struct Credential {
    pub token: Option<SecretString>,
    pub certificate: Option<Arc<CertifiedKey>>,
    /// When it expires; `None` is never.
    pub expires: Option<Timestamp>,
}

impl Credential {
    /// Reads what a plugin printed. No error quotes it, because a part of it may be a token.
    pub fn read(plugin: &Plugin, stdout: &[u8], tls: &Tls) -> Result<Self, CredentialError> {
        let wrong = |problem: &str| failed(plugin, &format!("gave no credential: {problem}"));
        let answer: Value = serde_json::from_slice(stdout)
            .ok()
            .or_else(|| yaml_document(stdout))
            .ok_or_else(|| wrong("its output is neither JSON nor YAML"))?;
        if answer["kind"] != "ExecCredential" {
            return Err(wrong("its output is not an ExecCredential"));
        }
        if answer["apiVersion"] != plugin.api_version.as_str() {
            // Only what is a version for certain is quoted.
            let known = ["v1", "v1beta1", "v1alpha1"].map(|version| format!("{GROUP}/{version}"));
            let returned = known.iter().find(|known| answer["apiVersion"] == known.as_str());
            return Err(CredentialError::new(format!(
                "exec plugin is configured to use API version {}, plugin returned version {}",
                plugin.api_version,
                returned.map_or("unknown", String::as_str)
            )));
        }
        let text = |field: &str| answer["status"][field].as_str().filter(|text| !text.is_empty());
        let certificate = match (text("clientCertificateData"), text("clientKeyData")) {
            (Some(chain), Some(key)) => {
                let certified = tls
                    .certified_pem(chain.as_bytes(), key.as_bytes())
                    .map_err(|cause| wrong(&cause))?;
                Some(Arc::new(certified))
            }
            (None, None) => None,
            _ => return Err(wrong("a certificate and its key come only together")),
        };
        let token = text("token").map(SecretString::from);
        if token.is_none() && certificate.is_none() {
            return Err(wrong("there is neither a token nor a certificate in its answer"));
        }
        let expires = text("expirationTimestamp")
            .map(expiration)
            .transpose()
            .map_err(|()| wrong("its expirationTimestamp is not a time"))?
            .flatten();
        Ok(Self { token, certificate, expires })
    }
}

fn yaml_document(text: &[u8]) -> Option<Value> {
    yaml::read(std::str::from_utf8(text).ok()?).ok()?.into_iter().next()
}

/// Reads an `expirationTimestamp` (RFC 3339). `None` means never: plugins that know no end give the
/// end of the year 9999 or a later time, which is beyond what [`Timestamp`] holds.
fn expiration(text: &str) -> Result<Option<Timestamp>, ()> {
    if let Ok(time) = text.parse() {
        return Ok(Some(time));
    }
    let year = text.split('-').next().unwrap_or_default();
    if year.len() > 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match Pieces::parse(text) {
        Ok(pieces) if pieces.date().year() == 9999 && pieces.offset().is_some() => Ok(None),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::exec::Interactive;

    proptest! {
        #[test]
        fn an_answer_is_a_credential_or_an_error_that_does_not_quote_it(
            at in any::<prop::sample::Index>(), many in 0_usize..40,
            word in prop_oneof![any::<String>(), "[{}\\[\\]\":,0-9]{0,6}"],
            end in any::<prop::sample::Index>(),
        ) {
            let text = r#"{"kind": "ExecCredential", "status": {"token": "sesame",
                "expirationTimestamp": "2030-01-01T00:00:00Z", "clientKeyData": ""},
                "apiVersion": "client.authentication.k8s.io/v1"}"#;
            let mut answer: Vec<char> = text.chars().collect();
            let at = at.index(answer.len());
            answer.splice(at..(at + many).min(answer.len()), word.chars());
            let mut answer = answer.into_iter().collect::<String>().into_bytes();
            if at % 5 == 0 {
                // Within a character, or before the end.
                answer.truncate(end.index(answer.len()));
            }
            let plugin = Plugin {
                api_version: format!("{GROUP}/v1"),
                command: "get-token".to_owned(),
                args: Vec::new(),
                env: Vec::new(),
                install_hint: None,
                interactive: Interactive::Never,
                cluster: None,
            };
            match Credential::read(&plugin, &answer, &Tls::new()) {
                Ok(credential) => prop_assert!(credential.token.is_some()),
                Err(error) => {
                    prop_assert!(!error.cause.contains("sesame"), "{}", error.cause);
                    prop_assert!(!error.cause.contains("Some("), "{}", error.cause);
                }
            }
        }
    }

    #[test]
    fn a_time_that_is_too_late_to_be_held_is_never() {
        for (text, expected) in [
            ("2999-01-01T00:00:00Z", Ok(true)),
            ("9999-12-30T00:00:00Z", Ok(true)),
            ("9999-12-31T23:59:59Z", Ok(false)),
            ("9999-12-31T23:59:59.999999999Z", Ok(false)),
            ("9999-12-31T23:59:59-12:00", Ok(false)),
            ("9999-12-31T23:59:60Z", Ok(false)),
            ("10000-01-01T00:00:00Z", Ok(false)),
            ("292277026596-12-04T15:30:07Z", Ok(false)),
            ("9999-12-31T23:59:59", Err(())),
            ("9999-13-31T23:59:59Z", Err(())),
            ("2026-13-01T00:00:00Z", Err(())),
            ("noon", Err(())),
            ("-", Err(())),
        ] {
            assert_eq!(expiration(text).map(|time| time.is_some()), expected, "{text}");
        }
    }
}
