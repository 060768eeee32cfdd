//! Credential plugins, as scripts that count their runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

const V1: &str = "client.authentication.k8s.io/v1";

/// A script that keeps its environment, adds a line to `runs` each time, and then does `then`.
fn script(folder: &Path, then: &str) -> PathBuf {
    let path = folder.join("plugin");
    let dir = folder.display();
    let text = format!(
        "#!/bin/sh\necho run >> {dir}/runs\nprintf %s \"$KUBERNETES_EXEC_INFO\" > \
        {dir}/info\n{then}\n"
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("runs")).map_or(0, |text| text.lines().count())
}

/// Prints a token that holds the number of the run.
fn token(folder: &Path, status: &str) -> String {
    let runs = folder.join("runs");
    format!(
        r#"n=$(($(wc -l < {})))
    echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"token":"t'$n'"{status}}}}}'"#,
        runs.display()
    )
}

fn user(command: &Path, more: &Value) -> Value {
    let mut exec = json!({"apiVersion": V1, "command": command, "interactiveMode": "Never"});
    for (key, value) in more.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    json!({ "exec": exec })
}

fn connect(dialer: &Dialer, name: &str, user: &Value) -> Connection {
    let cluster = json!({"server": format!("https://{name}:6443")});
    dialer.dial(name, &endpoint(&cluster, user, &Overrides::default())).unwrap()
}

fn bearer(asked: &Asked) -> String {
    asked.headers["authorization"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_run_serves_all_clusters_that_name_the_same_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(folder.path(), &token(folder.path(), ""));
    let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
    let dialer = server.dialer(DialerOptions::default());
    let connections: Vec<_> =
        (0..40).map(|n| connect(&dialer, &format!("c{n}"), &user(&command, &json!({})))).collect();
    let versions = fan_out(&connections, Connection::server_version).await;
    assert!(versions.iter().all(Result::is_ok));
    connections[0].server_version().await.unwrap();
    assert_eq!(runs(folder.path()), 1);
    assert!(server.asked().iter().all(|asked| bearer(asked) == "Bearer t1"));

    // Another environment or another cluster to be told of is another plugin.
    for more in [json!({"env": [{"name": "A", "value": "1"}]}), json!({"provideClusterInfo": true})]
    {
        let before = runs(folder.path());
        for name in ["c1", "c1", "c2"] {
            connect(&dialer, name, &user(&command, &more)).server_version().await.unwrap();
        }
        let told = usize::from(more["provideClusterInfo"] == true);
        assert_eq!(runs(folder.path()), before + 1 + told);
    }
}

#[tokio::test]
async fn it_is_told_of_the_cluster_where_it_asks_and_gets_its_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("arguments");
    let then = format!("echo \"$1 $GREETING\" > {}; {}", out.display(), token(folder.path(), ""));
    let command = script(folder.path(), &then);
    let more = json!({"args": ["hello"], "env": [{"name": "GREETING", "value": "world"}],
        "provideClusterInfo": true});
    let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
    let cluster = json!({"server": "https://east:6443", "certificate-authority-data": "Q0E=",
        "extensions": [{"name": "client.authentication.k8s.io/exec",
        "extension": {"audience": "a"}}]});
    let endpoint = endpoint(&cluster, &user(&command, &more), &Overrides::default());
    server
        .dialer(DialerOptions::default())
        .dial("east", &endpoint)
        .unwrap()
        .server_version()
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(out).unwrap(), "hello world\n");
    let info: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("info")).unwrap())
            .unwrap();
    assert_eq!(
        info,
        json!({
            "kind": "ExecCredential", "apiVersion": V1,
            "spec": {"interactive": false, "cluster": {
                "server": "https://east:6443", "certificate-authority-data": "Q0E=",
                "config": {"audience": "a"},
            }},
        })
    );
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(folder.path(), &token(folder.path(), ""));
    let server = Server::new(|_, asked| match bearer(asked).as_str() {
        "Bearer t2" => answer(200, &json!({"gitVersion": "v1"})),
        _ => status(401, "Unauthorized", "Unauthorized"),
    });
    let dialer = server.dialer(DialerOptions::default());
    let connections: Vec<_> =
        (0..8).map(|n| connect(&dialer, &format!("c{n}"), &user(&command, &json!({})))).collect();
    assert!(fan_out(&connections, Connection::server_version).await.iter().all(Result::is_ok));
    assert_eq!(runs(folder.path()), 2);

    let server = Server::new(|_, _| status(401, "Unauthorized", "Unauthorized"));
    let dialer = server.dialer(DialerOptions::default());
    let error =
        connect(&dialer, "east", &user(&command, &json!({}))).server_version().await.unwrap_err();
    assert_eq!(error.report(), "error: You must be logged in to the server (Unauthorized)");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn an_expired_answer_is_used_once_and_a_lasting_one_again() {
    for (expires, expected) in [("2001-01-01T00:00:00Z", 2), ("2999-01-01T00:00:00Z", 1)] {
        let folder = tempfile::tempdir().unwrap();
        let status = format!(r#","expirationTimestamp":"{expires}""#);
        let command = script(folder.path(), &token(folder.path(), &status));
        let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
        let connection =
            connect(&server.dialer(DialerOptions::default()), "east", &user(&command, &json!({})));
        connection.get("/version").await.unwrap();
        connection.get("/version").await.unwrap();
        assert_eq!(runs(folder.path()), expected, "{expires}");
    }
}

#[tokio::test]
async fn what_went_wrong_is_told_without_what_it_printed() {
    for (then, words) in [
        ("echo s3cret; exit 3", "failed with exit code 3"),
        ("kill -9 $$", "was ended by a signal"),
        ("printf '{\"kind\": s3cret'", "gave no credential: its output is n"),
        ("echo s3cret", "its output is not an ExecCredential"),
        (
            "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"s3cret\"}'",
            "exec plugin is configured to use API version client.auth",
        ),
        (
            "echo '{\"kind\":\"ExecCredential\",\
            \"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"x\":\"s3cret\"}}'",
            "there is neither a token nor a certificate in its answer",
        ),
        (
            "printf %s '{\"kind\":\"ExecCredential\",\
            \"apiVersion\":\"client.authentication.k8s.io/v1\",\
            \"status\":{\"token\":\"s3\\ncret\"}}'",
            "characters that a header may not have",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let command = script(folder.path(), then);
        let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
        let dialer = server.dialer(DialerOptions::default());
        let connections: Vec<_> = (0..8)
            .map(|n| connect(&dialer, &format!("c{n}"), &user(&command, &json!({}))))
            .collect();
        for error in fan_out(&connections, Connection::server_version).await {
            let text = error.unwrap_err().report();
            assert!(
                text.starts_with("Unable to connect to the server: getting credentials: "),
                "{text}"
            );
            assert!(
                text.contains(words) && !text.contains("s3cret") && !text.contains("cret\""),
                "{text}"
            );
        }
        assert_eq!(runs(folder.path()), 1, "those who waited share the failure");
        assert!(server.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_hangs_costs_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(folder.path(), "exec sleep 1000");
    let server = Server::new(|_, _| answer(200, &json!({})));
    let dialer = server.dialer(DialerOptions::default());
    let connection = connect(&dialer, "east", &user(&command, &json!({})));
    let start = tokio::time::Instant::now();
    let error = connection.server_version().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 60);
    assert!(error.to_string().ends_with("/plugin gave no credential within 60 s"), "{error}");
    assert_eq!(error.hint(), Some("Run the plugin in a terminal to see what it waits for."));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn plugins_that_hang_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    let given = token(folder.path(), "");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done; {given}", done.display());
    let hanging = script(folder.path(), &wait);
    let quick = folder.path().join("quick");
    std::fs::create_dir(&quick).unwrap();
    let quick = script(&quick, &format!("echo > {}; {given}", done.display()));
    let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
    let dialer = server.dialer(DialerOptions::default());
    // Each has an argument of its own, so that each is run.
    let mut connections: Vec<_> = (0..40)
        .map(|n| {
            connect(&dialer, &format!("c{n}"), &user(&hanging, &json!({"args": [n.to_string()]})))
        })
        .collect();
    connections.push(connect(&dialer, "quick", &user(&quick, &json!({}))));
    let versions = fan_out(&connections, Connection::server_version).await;
    assert!(versions.iter().all(Result::is_ok), "{versions:?}");
    assert_eq!(runs(folder.path()), 40);
}

#[tokio::test]
async fn a_plugin_that_prints_too_much_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(folder.path(), "exec yes s3cret");
    let server = Server::new(|_, _| answer(200, &json!({})));
    let dialer = server.dialer(DialerOptions::default());
    let connection = connect(&dialer, "east", &user(&command, &json!({})));
    let error = connection.server_version().await.unwrap_err();
    assert!(error.to_string().ends_with("/plugin printed more than 1 MiB"), "{error}");
}

#[tokio::test]
async fn a_missing_plugin_says_how_to_install_it() {
    let server = Server::new(|_, _| answer(200, &json!({})));
    let dialer = server.dialer(DialerOptions::default());
    let more = json!({"installHint": "brew install \u{1b}[1mit"});
    let connection = connect(&dialer, "east", &user(Path::new("no-such-plugin"), &more));
    let error = connection.server_version().await.unwrap_err();
    assert_eq!(
        error.report(),
        "Unable to connect to the server: getting credentials: exec: executable no-such-plugin not \
        found"
    );
    assert_eq!(error.hint(), Some("brew install \\u{1b}[1mit"));
}

#[tokio::test]
async fn one_that_needs_a_terminal_is_not_run_without() {
    let folder = tempfile::tempdir().unwrap();
    let command = script(folder.path(), &token(folder.path(), ""));
    let server = Server::new(|_, _| answer(200, &json!({})));
    let dialer = server.dialer(DialerOptions::default());
    let connection =
        connect(&dialer, "east", &user(&command, &json!({"interactiveMode": "Always"})));
    let error = connection.server_version().await.unwrap_err();
    assert!(error.to_string().contains("standard input is not a terminal"), "{error}");
    assert_eq!(runs(folder.path()), 0);
}
