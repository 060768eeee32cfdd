use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::cluster::auth::Auth;
use crate::cluster::endpoint::Endpoint;
use crate::cluster::flags::Overrides;
use crate::cluster::tls::Material;
use crate::yaml;

/// Files in a folder of their own, and an environment.
struct Given {
    folder: tempfile::TempDir,
    environment: HashMap<String, String>,
}

impl Given {
    fn files(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self { folder, environment: HashMap::new() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let value = value.replace("DIR", &self.folder.path().to_string_lossy());
        self.environment.insert(name.into(), value);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Kubeconfig, Error> {
        Kubeconfig::load(None, |name| self.environment.get(name).cloned())
    }
}

const RED: &str = "
current-context: red
clusters:
- {name: red, cluster: {server: 'https://red:6443', certificate-authority: ca/red.pem}}
- {name: both, cluster: {server: 'https://first:6443'}}
contexts:
- {name: red, context: {cluster: red, user: red, namespace: crimson}}
- {name: mixed, context: {cluster: both, user: blue}}
users:
- {name: red, user: {tokenFile: token, client-certificate: /abs/c.pem, client-key: k.pem}}
";

const BLUE: &str = "
current-context: blue
clusters:
- {name: blue, cluster: {server: 'https://blue:6443', insecure-skip-tls-verify: true}}
- {name: both, cluster: {server: 'https://second:6443', tls-server-name: second}}
contexts:
- {name: blue, context: {cluster: blue, user: blue}}
- {name: red, context: {cluster: blue, user: blue, namespace: navy}}
users:
- {name: blue, user: {token: bl8e}}
";

fn endpoint(
    files: &Given,
    context: Option<&str>,
    overrides: &Overrides,
) -> Result<Endpoint, Error> {
    files.load()?.endpoint(context, overrides)
}

fn refused(text: &str, context: Option<&str>, overrides: &Overrides) -> String {
    let given = Given::files(&[("config", text)]).with("KUBECONFIG", "DIR/config");
    endpoint(&given, context, overrides).unwrap_err().to_string()
}

#[test]
fn the_first_file_wins_per_name_and_whole() {
    for (list, current, contexts, both) in [
        ("DIR/red:DIR/blue", Some("red"), "blue mixed red", "https://first:6443/"),
        ("DIR/blue:DIR/red", Some("blue"), "blue mixed red", "https://second:6443/"),
        ("DIR/none:DIR/empty:DIR/red:DIR/red", Some("red"), "mixed red", "https://first:6443/"),
        (":DIR/nocurrent::DIR/blue:", Some("blue"), "blue red", "https://second:6443/"),
        ("DIR/nocurrent", None, "", ""),
        (":", None, "", ""),
        ("DIR/none", None, "", ""),
    ] {
        let given = Given::files(&[
            ("red", RED),
            ("blue", BLUE),
            ("empty", "\n"),
            (
                "nocurrent",
                "current-context: ''\nclusters:\ncontexts: null\nusers: []\npreferences: {}\nkind: \
                Config\n",
            ),
        ])
        .with("KUBECONFIG", list);
        let config = given.load().unwrap();
        assert_eq!(config.current_context(), current, "{list}");
        assert_eq!(config.contexts().collect::<Vec<_>>().join(" "), contexts, "{list}");
        if !both.is_empty() {
            let overrides = Overrides { cluster: Some("both".into()), ..Overrides::default() };
            let endpoint = config.endpoint(None, &overrides).unwrap();
            assert_eq!(endpoint.server().to_string(), both, "{list}");
            // Nothing of the second file's entry is mixed into the first's.
            assert_eq!(endpoint.trust.server_name.is_some(), both.contains("second"), "{list}");
        }
    }
}

#[test]
fn an_empty_list_is_the_file_in_the_home_folder() {
    let given =
        Given::files(&[("home/.kube/config", RED)]).with("HOME", "DIR/home").with("KUBECONFIG", "");
    assert_eq!(given.load().unwrap().current_context(), Some("red"));
    assert_eq!(Given::files(&[]).load().unwrap().current_context(), None);
}

#[test]
fn an_explicit_file_must_be_there_and_is_the_only_one() {
    let given = Given::files(&[("red", RED), ("blue", BLUE)]).with("KUBECONFIG", "DIR/red");
    let env = |name: &str| given.environment.get(name).cloned();
    let config = Kubeconfig::load(Some(&given.path("blue")), env).unwrap();
    assert_eq!(config.contexts().collect::<Vec<_>>(), ["blue", "red"]);
    let error = Kubeconfig::load(Some(Path::new("/no/such/file")), env).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error loading config file \"/no/such/file\": no such file or directory"
    );
}

#[test]
fn paths_are_relative_to_their_own_file() {
    let given = Given::files(&[("a/red", RED)]).with("KUBECONFIG", "DIR/a/red");
    let endpoint = endpoint(&given, None, &Overrides::default()).unwrap();
    let file = |material: &Material| match material {
        Material::File(path) => path.clone(),
        Material::Inline(_) => panic!("a file was named"),
    };
    assert_eq!(file(endpoint.trust.ca.as_ref().unwrap()), given.path("a/ca/red.pem"));
    let identity = endpoint.identity.unwrap();
    assert_eq!(file(&identity.certificate), Path::new("/abs/c.pem"));
    assert_eq!(file(&identity.key), given.path("a/k.pem"));
    assert!(matches!(
        &endpoint.auth,
        Auth::TokenFile { path, fallback: None } if *path == given.path("a/token")
    ));
    assert_eq!(endpoint.namespace, "crimson");
}

#[test]
fn an_error_in_a_file_has_its_place_and_no_secret() {
    for (text, words) in [
        ("clusters:\n- name: [a\n", "line "),
        ("users:\n- name: a\n  user: {token: \"s3cret}\n", "line "),
        ("s3cret", "it is not a mapping of fields"),
        ("clusters: s3cret", "clusters is not a list"),
        ("current-context: [s3cret]", "current-context is not a string"),
        ("kind: Pod\n", "its kind is Pod, not Config"),
    ] {
        let given = Given::files(&[("config", text)]).with("KUBECONFIG", "DIR/config");
        let Error::Kubeconfig { file, cause } = given.load().unwrap_err() else { panic!("{text}") };
        assert_eq!(file, given.path("config"));
        assert!(cause.contains(words), "{text}: {cause}");
        assert!(!cause.contains("s3cret") && !cause.contains('\n'), "{text}: {cause}");
    }
    let given = Given::files(&[("folder/file", "")]).with("KUBECONFIG", "DIR/folder");
    assert!(given.load().unwrap_err().to_string().ends_with("is a directory"));
}

#[test]
fn an_entry_that_cannot_be_read_is_an_error_where_it_is_used() {
    for (entry, words) in [
        ("clusters: [{name: red, cluster: 5}]", "clusters: \"red\": invalid type: "),
        ("users: [{name: red, user: s3cret}]", "users: \"red\": invalid type: "),
        ("users: [{name: red, user: {token: [s3cret]}}]", "users: \"red\": token: invalid type"),
        ("users: [{name: red, user: {exec: {args: [s3cret, 5]}}}]", "exec.args[1]: invalid type"),
        ("users: [{name: red}, {name: red}]", "users has the name \"red\" twice"),
    ] {
        let given = Given::files(&[("broken", entry), ("red", RED)])
            .with("KUBECONFIG", "DIR/broken:DIR/red");
        let text = endpoint(&given, None, &Overrides::default()).unwrap_err().to_string();
        assert!(text.starts_with("error loading config file \""), "{text}");
        assert!(text.contains("broken\": ") && text.contains(words), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}

/// A context, a cluster and a user with every field that is read, under the list of each.
fn all_fields() -> [(&'static str, &'static str, Value); 3] {
    let extension = json!({"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}});
    let cluster = json!({
        "server": "https://h", "tls-server-name": "n", "insecure-skip-tls-verify": false,
        "certificate-authority": "a", "certificate-authority-data": "Q0E=", "proxy-url": "http://p",
        "disable-compression": true, "extensions": [extension],
    });
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "c", "args": ["a"],
        "env": [{"name": "A", "value": "b"}], "installHint": "i", "provideClusterInfo": true,
        "interactiveMode": "Never",
    });
    let user = json!({
        "client-certificate": "c", "client-certificate-data": "Q0E=", "client-key": "k",
        "client-key-data": "Q0E=", "token": "t", "tokenFile": "f", "as": "a", "as-uid": "u",
        "as-groups": ["g"], "as-user-extra": {"k": ["v"]}, "username": "u", "password": "p",
        "auth-provider": {"name": "gcp"}, "exec": exec,
    });
    let context = json!({"cluster": "red", "user": "red", "namespace": "n"});
    [("clusters", "cluster", cluster), ("users", "user", user), ("contexts", "context", context)]
}

/// The value, with one node after another replaced.
fn with_each_node(value: &Value, replace: &impl Fn(&Value) -> Value) -> Vec<Value> {
    let mut changed = vec![replace(value)];
    match value {
        Value::Object(fields) => {
            for (key, inner) in fields {
                changed.extend(with_each_node(inner, replace).into_iter().map(|inner| {
                    let mut copy = value.clone();
                    copy[key] = inner;
                    copy
                }));
            }
        }
        Value::Array(items) => {
            for (place, inner) in items.iter().enumerate() {
                changed.extend(with_each_node(inner, replace).into_iter().map(|inner| {
                    let mut copy = value.clone();
                    copy[place] = inner;
                    copy
                }));
            }
        }
        _ => {}
    }
    changed
}

/// Reads the sound file after a list of entries was put before its own.
fn beside(list: &str, entries: &[Value]) -> Result<Kubeconfig, Error> {
    let mut config: Value = yaml::read(RED).unwrap().remove(0);
    let own = config[list].as_array_mut().unwrap();
    own.splice(0..0, entries.iter().cloned());
    let mut merged = Kubeconfig::default();
    merged.add(File::parse(config.to_string().as_bytes(), Path::new("/config"))?);
    Ok(merged)
}

#[test]
fn a_broken_entry_hurts_nobody_who_does_not_use_it() {
    let none = Overrides::default();
    let sound = format!("{:?}", beside("users", &[]).unwrap().endpoint(None, &none).unwrap());
    let junk = [
        json!(null),
        json!(true),
        json!(5),
        json!(1.5),
        json!(""),
        json!("junk"),
        json!([]),
        json!([null]),
        json!([[5]]),
        json!({}),
        json!({"name": 5}),
    ];
    for (list, field, content) in all_fields() {
        let entry = json!({"name": "broken", field: content});
        for junk in &junk {
            for broken in with_each_node(&entry, &|_| junk.clone()) {
                for entries in [vec![broken.clone()], vec![broken.clone(), broken.clone()]] {
                    let config = beside(list, &entries).unwrap_or_else(|e| panic!("{broken}: {e}"));
                    let used = config.endpoint(None, &none).map(|used| format!("{used:?}"));
                    assert_eq!(used.unwrap(), sound, "{broken}");
                }
            }
        }
    }
}

#[test]
fn null_is_the_zero_value_in_every_field() {
    for (list, field, content) in all_fields() {
        for entry in with_each_node(&content, &|_| Value::Null) {
            let config = beside(list, &[json!({"name": "n", field: entry})]).unwrap();
            let read = match list {
                "clusters" => config.cluster("n").map(|found| found.is_some()),
                "users" => config.user("n").map(|found| found.is_some()),
                _ => config.context("n").map(|found| found.is_some()),
            };
            assert!(read.unwrap_or_else(|error| panic!("{entry}: {error}")), "{entry}");
        }
    }
}

#[test]
fn the_first_document_counts_in_any_encoding() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let first = "current-context: é\n";
    for text in [
        first.to_owned(),
        format!("{first}---\n"),
        format!("{first}---\ncurrent-context: b\n"),
        format!("{first}---\r\n{{[broken"),
        format!("{first}...\n{{[broken"),
        format!("---\n{first}--- # more\nkind: Pod\n"),
        format!("# a comment\n\n---\n{first}---\n"),
        format!("%YAML 1.1\n---\n{first}"),
        format!("---\n\u{feff}{first}"),
        format!("kind: Config\n\u{feff}{first}"),
        format!("{first}users:\n- name: a\n  user: {{token: '---'}}\n"),
    ] {
        let mut encodings = vec![
            text.clone().into_bytes(),
            format!("\u{feff}{text}").into_bytes(),
            utf16(&text, u16::to_le_bytes),
            utf16(&text, u16::to_be_bytes),
        ];
        encodings.push([text.as_bytes(), b"\n---\n\xff"].concat());
        for bytes in encodings {
            let file = File::parse(&bytes, Path::new("/config"));
            let file = file.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(file.current_context, "é", "{text}");
        }
    }
    for empty in ["", "---\n---\ncurrent-context: a\n", "null\n---\ncurrent-context: a\n"] {
        let file = File::parse(empty.as_bytes(), Path::new("/config")).unwrap();
        assert_eq!(file.current_context, "", "{empty}");
    }
    for broken in [&b"a: \xff"[..], b"\xff\xfea", b"\xfe\xff\xd8\x00"] {
        assert!(File::parse(broken, Path::new("/config")).is_err(), "{broken:?}");
    }
}

#[test]
fn a_large_file_is_read() {
    use std::fmt::Write as _;
    let mut text = String::from(RED);
    for n in 0..25_000 {
        let _ = writeln!(text, "- {{name: u{n}, user: {{token: t, as-groups: [a, b]}}}}");
    }
    let file = File::parse(text.as_bytes(), Path::new("/config")).unwrap();
    assert_eq!(file.users.len(), 25_001);
}

#[test]
fn names_may_hold_any_character() {
    let name = "arn:aws:eks:eu-west-1:1:cluster/a@b";
    let text =
        RED.replace("name: mixed", &format!("name: '{name}'")).replace("user: blue", "user: red");
    let given = Given::files(&[("config", &text)]).with("KUBECONFIG", "DIR/config");
    assert_eq!(endpoint(&given, Some(name), &Overrides::default()).unwrap().host(), "first:6443");
}

#[test]
fn what_does_not_exist_is_named_in_kubectls_words() {
    let none = Overrides::default();
    assert_eq!(refused(RED, Some("x"), &none), "context \"x\" does not exist");
    let text = RED.replace("current-context: red", "current-context: gone");
    assert_eq!(refused(&text, None, &none), "context was not found for specified context: gone");
    let overrides = Overrides { cluster: Some("x".into()), ..Overrides::default() };
    assert_eq!(refused(RED, None, &overrides), "cluster \"x\" does not exist");
    let overrides = Overrides { user: Some("x".into()), ..Overrides::default() };
    assert_eq!(refused(RED, None, &overrides), "auth info \"x\" does not exist");
    assert_eq!(
        refused(RED, Some("mixed"), &none),
        "context \"mixed\" names the user \"blue\", whom no kubeconfig file has"
    );
    assert!(refused("", None, &none).starts_with("no configuration has been provided"));
    let overrides = Overrides { request_timeout: Some("abc".into()), ..Overrides::default() };
    assert!(refused(RED, None, &overrides).starts_with("Invalid timeout value."));
}

#[test]
fn fields_that_exclude_each_other_are_refused() {
    let config = |cluster: &str, user: &str| {
        format!(
            "current-context: x\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{server: 'https://h', {cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        )
    };
    for (cluster, user, words) in [
        (
            "certificate-authority: a, insecure-skip-tls-verify: true",
            "",
            "the insecure flag is not allowed",
        ),
        (
            "certificate-authority-data: '*'",
            "",
            "certificate-authority-data of cluster \"c\" is not base64",
        ),
        ("proxy-url: 'ftp://p'", "", "unsupported scheme \"ftp\", must be http, https, or socks5"),
        ("", "token: s3cret, username: u", "found [token basicAuth], only one is allowed"),
        ("", "client-certificate: c.pem", "client-key-data or client-key must be specified for u"),
        ("", "as-groups: [g]", "without impersonating a user"),
        ("", "auth-provider: {name: gcp}", "gke-gcloud-auth-plugin"),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: p}",
            "interactiveMode must be specified for u",
        ),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: p}",
            "invalid apiVersion",
        ),
        ("", "exec: {command: p}", "apiVersion must be specified for u"),
    ] {
        let text = refused(&config(cluster, user), None, &Overrides::default());
        assert!(text.contains(words) && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn the_flags_win() {
    let given =
        Given::files(&[("config", &format!("{RED}- {{name: blue, user: {{token: bl8e}}}}\n"))])
            .with("KUBECONFIG", "DIR/config");
    let overrides = Overrides {
        server: Some("https://other:1".into()),
        token: Some("fl4g".into()),
        certificate_authority: Some("/flag/ca.pem".into()),
        as_user: Some("jane".into()),
        as_groups: vec!["a".into(), "b".into()],
        request_timeout: Some("5".into()),
        namespace: Some("flagged".into()),
        ..Overrides::default()
    };
    let endpoint = endpoint(&given, None, &overrides).unwrap();
    assert_eq!(endpoint.server().to_string(), "https://other:1/");
    assert!(matches!(&endpoint.auth, Auth::Token(token) if token.expose_secret() == "fl4g"));
    assert!(matches!(
        &endpoint.trust.ca,
        Some(Material::File(path)) if path == Path::new("/flag/ca.pem")
    ));
    assert_eq!(endpoint.impersonation["impersonate-user"], "jane");
    assert_eq!(endpoint.impersonation.get_all("impersonate-group").iter().count(), 2);
    assert_eq!(endpoint.timeout, Some(Duration::from_secs(5)));
    assert_eq!(endpoint.namespace(), "flagged");
    assert!(!format!("{endpoint:?}").contains("fl4g"));
}

#[test]
fn a_server_is_a_url_or_a_host_and_port() {
    let server = |server: &str, more: &str| {
        let text = format!(
            "current-context: x\ncontexts: [{{name: x, context: {{cluster: c}}}}]\n\
             clusters: [{{name: c, cluster: {{server: '{server}', {more}}}}}]\n"
        );
        let given = Given::files(&[("config", &text)]).with("KUBECONFIG", "DIR/config");
        endpoint(&given, None, &Overrides::default())
            .map(|e| e.server().to_string())
            .map_err(|e| e.to_string())
    };
    assert_eq!(server("https://h", "").unwrap(), "https://h/");
    assert_eq!(server("https://h/k8s/c-1/", "").unwrap(), "https://h/k8s/c-1");
    assert_eq!(server("h:1", "").unwrap(), "http://h:1/");
    assert_eq!(server("h:1", "insecure-skip-tls-verify: true").unwrap(), "http://h:1/");
    assert_eq!(server("https://[::1]:6443", "").unwrap(), "https://[::1]:6443/");
    assert_eq!(
        server("https://exa mple:1", "").unwrap_err(),
        "host must be a URL or a host:port pair: \"https://exa mple:1\""
    );
    assert_eq!(server("https://jane:s3cret@h", ""), server("https://h", ""));
    assert!(
        server("https://jane:s3cret@exa mple", "").is_err_and(|error| !error.contains("s3cret"))
    );
    assert!(server("ftp://h", "").is_err());
    assert_eq!(server("", "").unwrap_err(), "no server found for cluster \"c\"");
}

#[test]
fn no_secret_goes_over_plain_http() {
    let text = RED
        .replace("https://red:6443", "http://red:8080")
        .replace("certificate-authority: ca/red.pem", "");
    let text = text.replace(
        "tokenFile: token, client-certificate: /abs/c.pem, client-key: k.pem",
        "token: s3cret",
    );
    let given = Given::files(&[("config", &text)]).with("KUBECONFIG", "DIR/config");
    assert!(matches!(endpoint(&given, None, &Overrides::default()).unwrap().auth, Auth::None));
}
