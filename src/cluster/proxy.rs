//! The proxy of a server, by the rules of Go's `net/http`, which kubectl uses.
//!
//! The matcher of hyper-util 0.1 reads `NO_PROXY` by the rules of curl: it knows no ports in it.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use http::Uri;
use http::header::HeaderValue;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::Error;
use super::kubeconfig::Environment;

/// The address of a proxy, and the user name and password in its URL, if there are any.
#[derive(Clone)]
pub struct Proxy {
    uri: Uri,
    login: Option<(String, SecretString)>,
}

impl Proxy {
    /// Its URL, with the path `/` and without a user.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Whether it speaks SOCKS version 5. Otherwise it speaks HTTP.
    pub fn is_socks(&self) -> bool {
        matches!(self.uri.scheme_str(), Some("socks5" | "socks5h"))
    }

    /// The user name and password for a SOCKS proxy.
    pub(super) fn login(&self) -> Option<(String, String)> {
        self.login
            .as_ref()
            .map(|(user, password)| (user.clone(), password.expose_secret().to_owned()))
    }

    /// The `Proxy-Authorization` header for an HTTP proxy.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let (user, password) = self.login()?;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {basic}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn parse(url: &str) -> Result<Self, String> {
        let no_login = || "the proxy's URL is not a URL".to_owned();
        let parsed: Uri = url.parse().map_err(|_| no_login())?;
        let scheme = parsed.scheme_str().ok_or_else(no_login)?;
        if !matches!(scheme, "http" | "https" | "socks5" | "socks5h") {
            return Err(format!("unsupported scheme {scheme:?}, must be http, https, or socks5"));
        }
        let authority = parsed.authority().ok_or_else(no_login)?.as_str();
        let (user, place) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, place)| (Some(user), place));
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        };
        let place = if has_port(place) { place.to_owned() } else { format!("{place}:{port}") };
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(place)
            .path_and_query("/")
            .build()
            .map_err(|_| no_login())?;
        let login = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(name), decoded(password).into())
        });
        Ok(Self { uri, login })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.uri)
    }
}

/// The proxy for a server. The `proxy-url` of the cluster applies without exceptions. Without one,
/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply, but never to a server on this host.
pub(super) fn choose(
    server: &Uri,
    configured: Option<&str>,
    environment: &Environment,
) -> Result<Option<Proxy>, Error> {
    if let Some(url) = configured.filter(|url| !url.is_empty()) {
        let proxy = Proxy::parse(url)
            .map_err(|cause| Error::configuration(format!("invalid proxy-url: {cause}")))?;
        return Ok(Some(proxy));
    }
    let (name, url) = match server.scheme_str() {
        Some("https") => ("HTTPS_PROXY", &environment.https_proxy),
        _ => ("HTTP_PROXY", &environment.http_proxy),
    };
    let Some(url) = url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
    if is_excepted(server, environment.no_proxy.as_deref().unwrap_or_default()) {
        return Ok(None);
    }
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let proxy = Proxy::parse(&with_scheme)
        .map_err(|cause| Error::configuration(format!("invalid {name}: {cause}")))?;
    Ok(Some(proxy))
}

/// Whether a server is reached without a proxy, because it is on this host or in `NO_PROXY`.
fn is_excepted(server: &Uri, no_proxy: &str) -> bool {
    let host = server
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase();
    let port =
        server.port_u16().unwrap_or(if server.scheme_str() == Some("https") { 443 } else { 80 });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|ip| ip.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            if let (Some((network, bits)), Some(ip)) = (entry.split_once('/'), address) {
                return in_network(ip, network, bits);
            }
            let (name, wanted) = split_port(&entry);
            if wanted.is_some_and(|wanted| wanted != port) {
                return false;
            }
            if let Ok(ip) = name.parse::<IpAddr>() {
                return address == Some(ip);
            }
            let name = name.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(name);
            match name.strip_prefix('.') {
                Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')),
                None => {
                    host == name || host.strip_suffix(name).is_some_and(|sub| sub.ends_with('.'))
                }
            }
        })
}

/// The host and the port of `host:port` or `[v6]:port`. The port may be missing.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() {
        return (entry, None);
    }
    match entry.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(port))) => (host.trim_start_matches('[').trim_end_matches(']'), Some(port)),
        _ => (entry.trim_start_matches('[').trim_end_matches(']'), None),
    }
}

fn has_port(place: &str) -> bool {
    place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

fn in_network(ip: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (ip, network.parse::<IpAddr>()) {
        (IpAddr::V4(ip), Ok(IpAddr::V4(network))) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(ip), Ok(IpAddr::V6(network))) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

/// Without percent-encoding. What is no escape stays as it is.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(server: &str, configured: Option<&str>, no_proxy: &str) -> Option<String> {
        let environment = Environment {
            https_proxy: Some("secure.proxy:3128".into()),
            http_proxy: Some("http://plain.proxy".into()),
            no_proxy: Some(no_proxy.into()),
            ..Environment::default()
        };
        choose(&server.parse().unwrap(), configured, &environment)
            .unwrap()
            .map(|proxy| proxy.uri().to_string())
    }

    #[test]
    fn the_scheme_of_the_server_picks_the_variable() {
        assert_eq!(
            chosen("https://a.example:6443", None, ""),
            Some("http://secure.proxy:3128/".into())
        );
        assert_eq!(chosen("http://a.example", None, ""), Some("http://plain.proxy:80/".into()));
    }

    #[test]
    fn no_proxy_speaks_of_the_server_and_not_of_the_proxy() {
        for (server, no_proxy, excepted) in [
            ("https://a.example:6443", "a.example", true),
            ("https://a.example:6443", "example", true),
            ("https://a.example:6443", ".example", true),
            ("https://a.example:6443", "*.example", true),
            ("https://example:6443", ".example", false),
            ("https://notexample:6443", "example", false),
            ("https://a.example:6443", "secure.proxy", false),
            ("https://a.example:6443", "other, A.EXAMPLE:6443", true),
            ("https://a.example:6443", "a.example:443", false),
            ("https://a.example", "a.example:443", true),
            ("https://10.1.2.3:6443", "10.0.0.0/8", true),
            ("https://11.1.2.3:6443", "10.0.0.0/8", false),
            ("https://10.1.2.3:6443", "10.1.2.3", true),
            ("https://[fd00::1]:6443", "fd00::/8", true),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", true),
            ("https://a.example:6443", "*", true),
            ("https://localhost:6443", "", true),
            ("https://127.0.0.2:6443", "", true),
            ("https://[::1]:6443", "", true),
            ("https://a.example:6443", " , ", false),
        ] {
            assert_eq!(
                chosen(server, None, no_proxy).is_none(),
                excepted,
                "{server} with {no_proxy:?}"
            );
        }
    }

    #[test]
    fn the_proxy_of_the_cluster_holds_everywhere() {
        let chosen = chosen("https://127.0.0.1:6443", Some("socks5://s.proxy"), "*");
        assert_eq!(chosen, Some("socks5://s.proxy:1080/".into()));
    }

    #[test]
    fn a_login_is_decoded_used_and_never_shown() {
        let proxy = Proxy::parse("http://jane:s%40cret@p:1").unwrap();
        assert_eq!(proxy.login(), Some(("jane".into(), "s@cret".into())));
        assert_eq!(proxy.authorization().unwrap(), "Basic amFuZTpzQGNyZXQ=");
        assert!(!format!("{proxy:?}{:?}", proxy.authorization()).contains("cret"));
        assert!(!Proxy::parse("ftp://jane:s3cret@p").unwrap_err().contains("s3cret"));
    }
}
