//! As whom a request is sent: the `Authorization` header, and a certificate where a plugin gives
//! one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use http::header::HeaderValue;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret as _, SecretString};

use super::exec::{Credential, CredentialError, Plugin, Plugins};
use crate::os_error;

/// How a user is known to the server, beside a client certificate.
#[derive(Debug, Clone)]
pub(super) enum Auth {
    /// Not by a header.
    None,
    /// A bearer token.
    Token(SecretString),
    /// A file with a bearer token, read for each request because others renew it; what was given
    /// inline beside it holds while the file cannot be read.
    TokenFile { path: PathBuf, fallback: Option<SecretString> },
    /// A name and a password.
    Basic { username: String, password: SecretString },
    /// A plugin that gives a token or a certificate.
    Exec(Arc<Plugin>),
}

/// What one request carries.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    /// The `Authorization` header.
    pub header: Option<HeaderValue>,
    /// A plugin's certificate.
    pub certificate: Option<Arc<CertifiedKey>>,
    /// What the plugin gave, to say later that the server refused it.
    from: Option<Arc<Credential>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Auth {
    /// What to send now; runs the plugin if there is none of its answers that holds.
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
            Self::Exec(plugin) => of_plugin(plugins.ask(plugin).await?),
        }
    }

    /// What to send after the server refused those credentials with 401; `None` where nothing else
    /// can be had.
    pub async fn renewed(
        &self,
        refused: &Credentials,
        plugins: &Plugins,
    ) -> Result<Option<Credentials>, CredentialError> {
        match (self, &refused.from) {
            (Self::Exec(plugin), Some(credential)) => {
                Ok(Some(of_plugin(plugins.ask_again(plugin, credential).await?)?))
            }
            _ => Ok(None),
        }
    }
}

fn of_plugin(credential: Arc<Credential>) -> Result<Credentials, CredentialError> {
    let mut credentials = match &credential.token {
        Some(token) => bearer(token.expose_secret())?,
        None => Credentials::default(),
    };
    credentials.certificate.clone_from(&credential.certificate);
    credentials.from = Some(credential);
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
