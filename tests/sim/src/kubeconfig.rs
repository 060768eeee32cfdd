//! A kubeconfig for simulated clusters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::server::Server;

/// A kubeconfig, as JSON, which is YAML too: for each server a context of the cluster's name, with
/// the cluster's first user, where it has any. The first server's context is the current one.
pub fn kubeconfig<'a>(servers: impl IntoIterator<Item = &'a Server>) -> String {
    write(servers.into_iter().map(|server| (server, server.cluster().users().into_iter().next())))
}

/// The same for a user of a certain name. A context of a cluster that has no such user has no
/// token.
pub fn kubeconfig_for<'a>(user: &str, servers: impl IntoIterator<Item = &'a Server>) -> String {
    write(
        servers.into_iter().map(|server| {
            (server, server.cluster().users().into_iter().find(|u| u.name() == user))
        }),
    )
}

fn write<'a>(entries: impl Iterator<Item = (&'a Server, Option<crate::User>)>) -> String {
    let (mut clusters, mut users, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    for (server, user) in entries {
        let name = server.cluster().name();
        let ca = STANDARD.encode(server.ca_pem());
        clusters.push(json!({
            "name": name, "cluster": {"server": server.url(), "certificate-authority-data": ca},
        }));
        let token = user.map_or_else(|| json!({}), |user| json!({"token": user.token()}));
        users.push(json!({"name": name, "user": token}));
        contexts.push(json!({"name": name, "context": {"cluster": name, "user": name}}));
    }
    let current = contexts.first().map_or_else(|| json!(""), |c| c["name"].clone());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users,
        "contexts": contexts,
        "current-context": current,
    });
    format!("{config:#}\n")
}
