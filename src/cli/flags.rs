//! The flags that every verb has: kubectl's, for reaching a cluster.

use std::path::PathBuf;

use clap::Args;

use crate::cluster::Overrides;

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
}
