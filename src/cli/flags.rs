//! The flags that every verb has: kubectl's, for reaching a cluster.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{cluster::Overrides, print::Repeated};

/// Which cluster is the host, and as whom it is asked.
///
/// `--server`, `--token`, certificates and the like are for the host; the members are reached by
/// the contexts that they were registered with. `--as…` and `--request-timeout` hold for all of
/// them.
#[derive(Debug, Clone, Default, Args)]
pub struct ConnectionFlags {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Path to the kuberc file that says which credential plugins may run
    #[arg(long, global = true, value_name = "FILE")]
    pub kuberc: Option<String>,
    /// The kubeconfig context of the host cluster
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig cluster of the host
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The kubeconfig user for the host
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// The namespace of the federated jobs
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The address of the host's API server
    #[arg(short, long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Bearer token for the host's API server
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Path to a client certificate for the host
    #[arg(long, global = true, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// Path to the client certificate's key
    #[arg(long, global = true, value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// Path to the certificate authority of the host
    #[arg(long, global = true, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,
    /// Do not check the host's certificate
    #[arg(long, global = true)]
    pub insecure_skip_tls_verify: bool,
    /// The name that the host's certificate must have
    #[arg(long, global = true, value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub as_user: Option<String>,
    /// UID to impersonate
    #[arg(long, global = true, value_name = "UID")]
    pub as_uid: Option<String>,
    /// Group to impersonate, can be repeated
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub as_groups: Vec<String>,
    /// Do not ask for compressed responses
    #[arg(long, global = true)]
    pub disable_compression: bool,
    /// How long one request may take: 30s, 2m, or seconds; 0 is no limit
    #[arg(long, global = true, value_name = "DURATION")]
    pub request_timeout: Option<String>,
}

impl ConnectionFlags {
    /// The context that they name. An empty one is none, as for kubectl: a script may have an unset
    /// variable there.
    pub fn context(&self) -> Option<&str> {
        named(self.context.as_deref())
    }

    /// Whether they name the host otherwise, so that a context alone may lead elsewhere.
    pub fn name_a_server(&self) -> bool {
        [&self.server, &self.cluster].into_iter().any(|flag| named(flag.as_deref()).is_some())
    }

    /// What they say about the way to the host. [`Overrides::everywhere`] of it holds for the
    /// members too.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            token: self.token.clone().map(Into::into),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            certificate_authority: self.certificate_authority.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            tls_server_name: self.tls_server_name.clone(),
            as_user: self.as_user.clone(),
            as_uid: self.as_uid.clone(),
            as_groups: self.as_groups.clone(),
            request_timeout: self.request_timeout.clone(),
            namespace: self.namespace.clone(),
            disable_compression: self.disable_compression,
        }
    }

    /// Those that say which clusters the command is about, for the command lines that it offers. A
    /// secret stays out of them: an upper-case word stands for it.
    pub fn repeated(&self) -> Repeated {
        let mut everywhere = Flags::default();
        everywhere.path("kubeconfig", self.kubeconfig.as_deref());
        everywhere.text("kuberc", self.kuberc.as_deref());
        everywhere.text("as", self.as_user.as_deref());
        everywhere.text("as-uid", self.as_uid.as_deref());
        for group in &self.as_groups {
            everywhere.text("as-group", Some(group));
        }
        let mut host = Flags::default();
        host.text("context", self.context.as_deref());
        host.text("cluster", self.cluster.as_deref());
        host.text("user", self.user.as_deref());
        host.text("server", self.server.as_deref().map(without_login).as_deref());
        host.text("tls-server-name", self.tls_server_name.as_deref());
        host.path("certificate-authority", self.certificate_authority.as_deref());
        if self.insecure_skip_tls_verify {
            host.0.push("--insecure-skip-tls-verify".to_owned());
        }
        host.path("client-certificate", self.client_certificate.as_deref());
        host.path("client-key", self.client_key.as_deref());
        host.text("token", self.token.as_ref().map(|_| TOKEN));
        let namespace = self.namespace.clone().filter(|name| !name.is_empty());
        Repeated { everywhere: everywhere.0, host: host.0, namespace }
    }
}

/// The value of a flag, if it has one.
fn named(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

/// What stands for a token where a flag with it is printed.
pub(super) const TOKEN: &str = "TOKEN";

/// Flags as words of a command line, those with an empty value left out.
#[derive(Default)]
struct Flags(Vec<String>);

impl Flags {
    fn text(&mut self, name: &str, value: Option<&str>) {
        self.0.extend(named(value).map(|value| format!("--{name}={value}")));
    }

    fn path(&mut self, name: &str, value: Option<&Path>) {
        self.text(name, value.map(Path::to_string_lossy).as_deref());
    }
}

/// A URL with upper-case words in place of who logs in by it, and of its query, which may have the
/// signature of a link. A name without a password may be a token.
pub(super) fn without_login(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?QUERY"));
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    let Some(at) = url[start..end].rfind('@').map(|at| start + at) else {
        return format!("{url}{query}");
    };
    let login = if url[start..at].contains(':') { "USER:PASSWORD" } else { "USER" };
    // The sign between a short flag and its value stays.
    let flag = if start == 0 && url.starts_with('=') { 1 } else { start };
    format!("{}{login}{}{query}", &url[..flag], &url[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_clusters_is_repeated_and_no_secret_is() {
        let flags = ConnectionFlags {
            kubeconfig: Some("f.kc".into()),
            context: Some("b c".into()),
            user: Some(String::new()),
            namespace: Some("math".into()),
            server: Some("https://jane:s3cret@host:6443/path".into()),
            token: Some("s3cret".into()),
            client_key: Some("key.pem".into()),
            insecure_skip_tls_verify: true,
            as_user: Some("jane".into()),
            as_groups: vec!["a".into(), "b".into()],
            request_timeout: Some("3s".into()),
            ..ConnectionFlags::default()
        };
        let Repeated { everywhere, host, namespace } = flags.repeated();
        assert_eq!(everywhere, ["--kubeconfig=f.kc", "--as=jane", "--as-group=a", "--as-group=b"]);
        let expected = [
            "--context=b c",
            "--server=https://USER:PASSWORD@host:6443/path",
            "--insecure-skip-tls-verify",
            "--client-key=key.pem",
            "--token=TOKEN",
        ];
        assert_eq!(
            (host, namespace.as_deref()),
            (expected.map(str::to_owned).into(), Some("math"))
        );
        assert_eq!(ConnectionFlags::default().repeated(), Repeated::default());
    }

    #[test]
    fn a_login_in_a_url_is_not_shown() {
        for (url, shown) in [
            ("https://u:p@h:6443", "https://USER:PASSWORD@h:6443"),
            ("https://u:p@q@h", "https://USER:PASSWORD@h"),
            ("u:p@h:6443/a", "USER:PASSWORD@h:6443/a"),
            ("https://t0ken@h", "https://USER@h"),
            ("https://t0ken:@h", "https://USER:PASSWORD@h"),
            ("t0ken@h", "USER@h"),
            ("=t0ken@h", "=USER@h"),
            ("https://h:6443/a@b:c", "https://h:6443/a@b:c"),
            ("https://[::1]:6443", "https://[::1]:6443"),
            ("https://h/a?sig=s3cret", "https://h/a?QUERY"),
            ("https://u:p@h?a@b", "https://USER:PASSWORD@h?QUERY"),
        ] {
            assert_eq!(without_login(url), shown);
        }
    }
}
