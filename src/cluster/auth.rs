//! The credentials of a request: the `Authorization` header, and the certificate of a plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use http::header::HeaderValue;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretString};

use super::exec::{Credential, CredentialError, Plugin, Plugins};
use super::secrets::Secrets;
use crate::os_error;

/// How a user authenticates, besides with a client certificate.
#[derive(Debug, Clone)]
pub(super) enum Auth {
    /// Without a header.
    None,
    /// A bearer token.
    Token(SecretString),
    /// A file with a bearer token. It is read for each request, because others renew it. While it
    /// cannot be read, the inline token beside it is sent.
    TokenFile { path: PathBuf, fallback: Option<SecretString> },
    /// A user name and a password.
    Basic { username: String, password: SecretString },
    /// A plugin that gives a token or a certificate.
    Exec(Arc<Plugin>),
}

/// The credentials that one request carries.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    /// The `Authorization` header.
    pub header: Option<HeaderValue>,
    /// The certificate of a plugin.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// The answer of the plugin, to tell later whether the server refused this one.
    source: Option<Arc<Credential>>,
}

impl Credentials {
    /// What a server may quote of them.
    pub fn secrets(&self) -> Secrets {
        Secrets::of(self.header.as_ref())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Auth {
    /// The credentials to send now. Runs the plugin if it has given none that is still valid.
    pub async fn credentials(&self, plugins: &Plugins) -> Result<Credentials, CredentialError> {
        match self {
            Self::None => Ok(Credentials::default()),
            Self::Token(token) => bearer(token.expose_secret()),
            Self::TokenFile { path, fallback } => {
                let read = tokio::fs::read_to_string(path).await;
                match (read.as_deref().map(str::trim), fallback) {
                    (Ok(token), _) if !token.is_empty() => bearer(token),
                    (_, Some(token)) => bearer(token.expose_secret()),
                    (Ok(_), None) => Err(CredentialError::new(format!(
                        "the token file {} is empty",
                        path.display()
                    ))),
                    (Err(error), None) => {
                        let cause = os_error::words(&error);
                        Err(CredentialError::new(format!(
                            "unable to read the token file {}: {cause}",
                            path.display()
                        )))
                    }
                }
            }
            Self::Basic { username, password } => {
                let pair = format!("{username}:{}", password.expose_secret());
                header(&format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
            }
            Self::Exec(plugin) => from_plugin(plugins.ask(plugin).await?),
        }
    }

    /// The credentials to send after the server refused `refused` with 401. `None` if there are no
    /// others.
    pub async fn renewed(
        &self,
        refused: &Credentials,
        plugins: &Plugins,
    ) -> Result<Option<Credentials>, CredentialError> {
        match (self, &refused.source) {
            (Self::Exec(plugin), Some(credential)) => {
                Ok(Some(from_plugin(plugins.ask_again(plugin, credential).await?)?))
            }
            _ => Ok(None),
        }
    }
}

fn from_plugin(credential: Arc<Credential>) -> Result<Credentials, CredentialError> {
    let mut credentials = match &credential.token {
        Some(token) => bearer(token.expose_secret())?,
        None => Credentials::default(),
    };
    credentials.certificate.clone_from(&credential.certificate);
    credentials.source = Some(credential);
    Ok(credentials)
}

fn bearer(token: &str) -> Result<Credentials, CredentialError> {
    header(&format!("Bearer {token}"))
}

fn header(text: &str) -> Result<Credentials, CredentialError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        CredentialError::new(
            "the token or the password holds characters that a header may not have",
        )
    })?;
    value.set_sensitive(true);
    Ok(Credentials { header: Some(value), ..Credentials::default() })
}
