//! The user of an endpoint: client certificate, other credentials, impersonation.

use std::sync::Arc;

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use super::values::{filled, material, some_path};
use crate::cluster::auth::Auth;
use crate::cluster::error::Error;
use crate::cluster::exec::Plugin;
use crate::cluster::flags::Overrides;
use crate::cluster::kubeconfig::{Cluster, User};
use crate::cluster::redact::printable;
use crate::cluster::tls::Identity;

/// Puts the flags in place of the file's values. A path also replaces inline data of its kind.
pub(super) fn override_user(user: &mut User, flags: &Overrides) {
    if let Some(token) = flags.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
        user.token = Some(token.clone());
        user.token_file = None;
    }
    if let Some(path) = some_path(flags.client_certificate.as_ref()) {
        user.client_certificate = Some(path.clone());
        user.client_certificate_data = None;
    }
    if let Some(path) = some_path(flags.client_key.as_ref()) {
        user.client_key = Some(path.clone());
        user.client_key_data = None;
    }
    if let Some(name) = filled(flags.as_user.as_deref()) {
        user.impersonate = Some(name.to_owned());
    }
    if let Some(uid) = filled(flags.as_uid.as_deref()) {
        user.impersonate_uid = Some(uid.to_owned());
    }
    if !flags.as_groups.is_empty() {
        user.impersonate_groups.clone_from(&flags.as_groups);
    }
}

/// The client certificate and its key, if the user has one.
pub(super) fn identity(name: &str, user: &User) -> Result<Option<Identity>, Error> {
    let what = |field: &str| format!("{field} of user {name:?}");
    if filled(user.client_certificate_data.as_deref()).is_some()
        && some_path(user.client_certificate.as_ref()).is_some()
    {
        return Err(Error::configuration(format!(
            "client-cert-data and client-cert are both specified for {name}. client-cert-data will \
            override."
        )));
    }
    let inline_key =
        user.client_key_data.as_ref().is_some_and(|data| !data.expose_secret().is_empty());
    if inline_key && some_path(user.client_key.as_ref()).is_some() {
        return Err(Error::configuration(format!(
            "client-key-data and client-key are both specified for {name}; client-key-data will \
            override"
        )));
    }
    let certificate = material(
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_ref(),
        &what("client-certificate-data"),
    )?;
    let key = material(
        user.client_key_data.as_ref().map(SecretString::expose_secret),
        user.client_key.as_ref(),
        &what("client-key-data"),
    )?;
    match (certificate, key) {
        (None, _) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(Identity { user: name.to_owned(), certificate, key }))
        }
        (Some(_), None) => Err(Error::configuration(format!(
            "client-key-data or client-key must be specified for {name} to use the clientCert \
            authentication method."
        ))),
    }
}

/// The credentials that go into a header, with the precedence of client-go. `identity` says whether
/// the user also has a client certificate.
pub(super) fn auth(
    name: &str,
    user: User,
    identity: bool,
    server: &Uri,
    cluster: &Cluster,
) -> Result<Auth, Error> {
    let token = user.token.filter(|token| !token.expose_secret().is_empty());
    let file = user.token_file.filter(|path| !path.as_os_str().is_empty());
    let basic = filled(user.username.as_deref()).is_some()
        || user.password.as_ref().is_some_and(|password| !password.expose_secret().is_empty());
    if basic && (token.is_some() || file.is_some()) {
        return Err(Error::configuration(format!(
            "more than one authentication method found for {name}; found [token basicAuth], only \
            one is allowed"
        )));
    }
    if user.exec.is_some() && user.auth_provider.is_some() {
        return Err(Error::configuration(format!(
            "authProvider cannot be provided in combination with an exec plugin for {name}"
        )));
    }
    // A plugin's description is checked also where another method takes precedence.
    let plugin = user.exec.map(|exec| Plugin::new(name, exec, server, cluster)).transpose()?;
    if let Some(path) = file {
        return Ok(Auth::TokenFile { path, fallback: token });
    }
    if let Some(token) = token {
        return Ok(Auth::Token(token));
    }
    if basic {
        return Ok(Auth::Basic {
            username: user.username.unwrap_or_default(),
            password: user.password.unwrap_or_default(),
        });
    }
    if let Some(plugin) = plugin {
        // As in client-go, a plugin is not run for a user who has another credential.
        return Ok(if identity { Auth::None } else { Auth::Exec(Arc::new(plugin)) });
    }
    user.auth_provider.map_or(Ok(Auth::None), |provider| {
        let provider = provider.name.unwrap_or_default();
        let plugin = match provider.as_str() {
            "gcp" => {
                "install `gke-gcloud-auth-plugin` and run `gcloud container clusters \
                 get-credentials`, which writes an exec plugin"
            }
            "azure" => "run `kubelogin convert-kubeconfig`, which writes an exec plugin",
            _ => "use an exec plugin instead, such as `kubectl oidc-login`",
        };
        Err(Error::configuration(format!(
            "the user {name:?} has an auth-provider ({}), which is not supported: {plugin}",
            printable(&provider)
        )))
    })
}

/// The headers for whom the user wants to be.
pub(super) fn impersonation(name: &str, user: &User) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let (groups, extra) = (&user.impersonate_groups, &user.impersonate_extra);
    let Some(as_user) = filled(user.impersonate.as_deref()) else {
        if groups.is_empty()
            && extra.is_empty()
            && filled(user.impersonate_uid.as_deref()).is_none()
        {
            return Ok(headers);
        }
        return Err(Error::configuration(format!(
            "requesting uid, groups or user-extra for {name} without impersonating a user"
        )));
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Error::configuration(format!("cannot impersonate {text:?}: not a header's value"))
        })
    };
    headers.insert("impersonate-user", value(as_user)?);
    if let Some(uid) = filled(user.impersonate_uid.as_deref()) {
        headers.insert("impersonate-uid", value(uid)?);
    }
    for group in groups {
        headers.append("impersonate-group", value(group)?);
    }
    for (key, values) in extra {
        let header = HeaderName::try_from(format!("impersonate-extra-{}", header_key(key)))
            .map_err(|_| {
                Error::configuration(format!("cannot impersonate the extra key {key:?}"))
            })?;
        for text in values {
            headers.append(header.clone(), value(text)?);
        }
    }
    Ok(headers)
}

/// The bytes that client-go encodes in the key of an `Impersonate-Extra-` header: those that the
/// name of a header may not have (RFC 9110 section 5.6.2), and `%`.
const NOT_IN_HEADER_KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

fn header_key(key: &str) -> String {
    utf8_percent_encode(key, NOT_IN_HEADER_KEY).to_string().to_ascii_lowercase()
}
