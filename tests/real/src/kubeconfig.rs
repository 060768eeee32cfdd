//! Kubeconfig files.

use crate::Cluster;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fmt::Write as _;

/// A kubeconfig with these contexts: each a name, the cluster it means, and the user it is for
/// ([`crate::ADMINISTRATOR`] or one that [`crate::FleetBuilder::user`] named). The first is the
/// current one.
///
/// # Panics
///
/// Where a user was not named when the fleet was made.
pub fn kubeconfig(contexts: &[(&str, &Cluster, &str)]) -> String {
    let (mut clusters, mut users, mut entries) = (String::new(), String::new(), String::new());
    for (name, cluster, user) in contexts {
        let quoted = Value::from(*name);
        let authority = STANDARD.encode(cluster.authority());
        let (server, token) = (cluster.server(), cluster.token(user));
        // Writing to a String cannot fail.
        let _ = writeln!(
            clusters,
            "- name: {quoted}\n  cluster:\n    server: {server}\n    certificate-authority-data: \
             {authority}"
        );
        let _ = writeln!(users, "- name: {quoted}\n  user:\n    token: {token}");
        let _ = writeln!(
            entries,
            "- name: {quoted}\n  context:\n    cluster: {quoted}\n    user: {quoted}"
        );
    }
    let current = Value::from(contexts.first().map_or("", |(name, ..)| *name));
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: \
         {current}\nclusters:\n{clusters}contexts:\n{entries}users:\n{users}"
    )
}
