//! The command-line flags about a connection, by kubectl's rules.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::error::Error;

/// Flags that take precedence over the kubeconfig. A flag that is absent or empty leaves the value
/// of the kubeconfig. The names are those of `ConfigFlags` in cli-runtime.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--cluster`: the kubeconfig's cluster, in place of the context's.
    pub cluster: Option<String>,
    /// `--user`: the kubeconfig's user, in place of the context's.
    pub user: Option<String>,
    /// `--server`: a URL, or host and port.
    pub server: Option<String>,
    /// `--token`: a bearer token.
    pub token: Option<SecretString>,
    /// `--client-certificate`: a PEM file.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`: a PEM file.
    pub client_key: Option<PathBuf>,
    /// `--certificate-authority`: a PEM file.
    pub certificate_authority: Option<PathBuf>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--tls-server-name`: the name that the server's certificate must have.
    pub tls_server_name: Option<String>,
    /// `--as`: the user to impersonate.
    pub as_user: Option<String>,
    /// `--as-uid`: the uid to impersonate.
    pub as_uid: Option<String>,
    /// `--as-group`: the groups to impersonate.
    pub as_groups: Vec<String>,
    /// `--request-timeout`: a Go duration or bare seconds; 0 means no limit.
    pub request_timeout: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--disable-compression`: do not ask for gzip.
    pub disable_compression: bool,
}

impl Overrides {
    /// The flags that apply to every cluster of a command: impersonation, request timeout,
    /// compression and namespace. Flags that name one server or one credential are left out.
    #[must_use]
    pub fn everywhere(&self) -> Self {
        Self {
            as_user: self.as_user.clone(),
            as_uid: self.as_uid.clone(),
            as_groups: self.as_groups.clone(),
            request_timeout: self.request_timeout.clone(),
            namespace: self.namespace.clone(),
            disable_compression: self.disable_compression,
            ..Self::default()
        }
    }
}

/// Reads `--request-timeout`: whole seconds, or a Go duration such as `1m30s`. `0` means no limit,
/// which is `None`.
///
/// # Errors
/// [`Error::Configuration`] with kubectl's sentence for any other text.
pub fn request_timeout(text: &str) -> Result<Option<Duration>, Error> {
    let duration = text
        .parse::<u64>()
        .ok()
        .map(Duration::from_secs)
        .or_else(|| go_duration(text))
        .ok_or_else(|| Error::Configuration {
            cause: "Invalid timeout value. Timeout must be a single integer in seconds, or an \
            integer followed by \
                    a corresponding time unit (e.g. 1s | 2m | 3h)"
                .into(),
        })?;
    Ok(Some(duration).filter(|d| !d.is_zero()))
}

/// A duration by the rules of Go's `time.ParseDuration`, without negative ones.
pub fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|n| *n > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_seconds_or_a_go_duration() {
        for (text, millis) in [
            ("5", Some(5_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1_500)),
            ("200ms", Some(200)),
            ("1h", Some(3_600_000)),
            ("0", None),
            ("0s", None),
        ] {
            let read = request_timeout(text).unwrap();
            assert_eq!(read.map(|d| d.as_millis()), millis, "{text}");
        }
        for text in ["", "abc", "5 s", "-1s", "1x", "s", "1m3"] {
            assert!(request_timeout(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn flags_that_name_the_host_do_not_apply_to_members() {
        let flags = Overrides {
            server: Some("https://host".into()),
            token: Some("s3cret".into()),
            as_user: Some("jane".into()),
            request_timeout: Some("5s".into()),
            ..Overrides::default()
        };
        let member = flags.everywhere();
        assert!(member.server.is_none() && member.token.is_none());
        assert_eq!(
            (member.as_user.as_deref(), member.request_timeout.as_deref()),
            (Some("jane"), Some("5s"))
        );
    }
}
