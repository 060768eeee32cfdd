//! Which credential plugins may run, by the user's kuberc.

use std::fs;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("kuberc: no plugin runs that the policy forbids", policies),
        ("kuberc: plugins are found on the list as kubectl finds them", listed),
        ("kuberc: the file, the flag and the variables", places),
        ("kuberc: files that kubectl refuses or passes over", faults),
    ])
}

const HEAD: &str = "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n";

/// A scene whose user has the plugin `bin/plugin`, which is in `PATH` too, and notes that it ran.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "given"},
    });
    let text = format!("echo run >> {}\ncat <<'END'\n{answer}\nEND", scene.path("runs"));
    let path = scene.script("bin/plugin", &text);
    scene.user(&plugin(&path));
    let folders = format!("{}:{}", scene.path("bin"), std::env::var("PATH").expect("a PATH"));
    scene.var("PATH", folders);
    scene
}

fn plugin(command: &str) -> Value {
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": command,
        "interactiveMode": "Never",
    }})
}

fn kuberc(scene: &Scene, text: &str) -> String {
    scene.file("home/.kube/kuberc", format!("{HEAD}{text}"))
}

/// Both run the plugin, and are let in.
#[track_caller]
fn allowed(scene: &Scene, flags: &[&str]) {
    scene.file("runs", "");
    let caller = scene.both(flags).agree_on_one();
    assert_eq!(caller.authorization.as_deref(), Some("Bearer given"));
    assert!(scene.read("runs").lines().count() >= 2, "both ran it");
}

/// Neither runs the plugin, and both say the same.
#[track_caller]
fn refused(scene: &Scene, flags: &[&str], words: &str) {
    scene.file("runs", "");
    scene.both(flags).fail_alike(words);
    assert_eq!(scene.read("runs"), "", "neither ran it");
}

fn policies() {
    let scene = scene();
    for policy in ["", "credentialPluginPolicy: AllowAll", "credentialPluginPolicy: ''"] {
        kuberc(&scene, policy);
        allowed(&scene, &[]);
    }
    kuberc(&scene, "credentialPluginPolicy: DenyAll");
    let path = scene.path("bin/plugin");
    refused(&scene, &[], &format!("plugin {path:?} not allowed: policy set to \"DenyAll\""));
    // A token needs no plugin.
    scene.config(&scene.plain());
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer of-east"));
    scene.user(&plugin("plugin"));
    refused(&scene, &[], "plugin \"plugin\" not allowed");
    // No verb goes on without it.
    let before = scene.ours(&["init", "--context=east"]);
    assert!(!before.ok && before.arrived.is_empty(), "{before:#?}");

    for (text, words) in [
        ("credentialPluginPolicy: denyall", "unknown plugin policy: \"denyall\""),
        (
            "credentialPluginPolicy: DenyAll\ncredentialPluginAllowlist: []",
            "plugin policy is \"DenyAll\" but allowlist is non-nil",
        ),
        ("credentialPluginPolicy: Allowlist", "but allowlist is unspecified"),
        ("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []", "allowlist is empty"),
        (
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{}]",
            "empty allowlist entry #1",
        ),
        (
            "credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: a//b}]",
            "non-normalized file path: \"a//b\" vs \"a/b\"",
        ),
    ] {
        kuberc(&scene, text);
        refused(&scene, &[], words);
    }
}

fn listed() {
    let scene = scene();
    let path = scene.path("bin/plugin");
    let list = |entries: &str| {
        kuberc(
            &scene,
            &format!("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: {entries}"),
        );
    };
    scene.script("elsewhere/plugin", "exit 1");
    for command in ["plugin", &path, &scene.path("bin/../bin/plugin")] {
        scene.user(&plugin(command));
        for entry in ["plugin", &path] {
            list(&format!("[{{name: other}}, {{name: {entry}}}]"));
            allowed(&scene, &[]);
            list(&format!("[{{command: {entry}}}]"));
            allowed(&scene, &[]);
        }
        for entry in ["other", "bin/plugin", &scene.path("elsewhere/plugin"), "plugins"] {
            list(&format!("[{{name: {entry}}}]"));
            refused(&scene, &[], "is not permitted by the credential plugin allowlist");
        }
    }
    for (command, words) in [
        ("absent".to_owned(), "executable file not found in $PATH"),
        (scene.path("absent"), "no such file or directory"),
        (scene.path("bin"), "is a directory"),
        (scene.file("plain", ""), "permission denied"),
    ] {
        scene.user(&plugin(&command));
        list("[{name: plugin}]");
        refused(&scene, &[], words);
    }
    // What is looked for is found in the PATH of the user, and not in one that the kubeconfig sets.
    let mut user = plugin("plugin");
    user["exec"]["env"] = json!([{"name": "PATH", "value": scene.path("elsewhere")}]);
    scene.script("bin/plugin", "echo '{}'");
    scene.user(&user);
    list("[{name: plugin}]");
    scene.both(&[]).fail("getting credentials", "gave no credential");
}

fn places() {
    let mut scene = scene();
    let denies = scene.file("denies", format!("{HEAD}credentialPluginPolicy: DenyAll"));
    let allows = scene.file("allows", HEAD);
    let usual = kuberc(&scene, "credentialPluginPolicy: DenyAll");
    refused(&scene, &[], "DenyAll");
    allowed(&scene, &[&format!("--kuberc={allows}")]);
    allowed(&scene, &["--kuberc=allows"]);
    scene.var("KUBERC", &allows);
    allowed(&scene, &[]);
    allowed(&scene, &[&format!("--kuberc={usual}")]);
    refused(&scene, &["--kuberc", "denies"], "DenyAll");
    scene.var("KUBERC", "off");
    allowed(&scene, &[]);
    refused(&scene, &["--kuberc=denies"], "KUBERC=off and passing kuberc flag are mutually exclus");
    scene.var("KUBERC", &denies).var("KUBECTL_KUBERC", "False");
    allowed(&scene, &[]);
    scene.both(&["--kuberc=denies"]).fail("unknown flag: --kuberc", "unknown flag: --kuberc");
    scene.var("KUBECTL_KUBERC", "0");
    refused(&scene, &[], "DenyAll");
    scene.var("KUBERC", scene.path("absent"));
    refused(&scene, &[], "absent: no such file or directory");
    refused(&scene, &["--kuberc=gone"], "open gone: no such file or directory");
    scene.var("KUBERC", "");
    fs::remove_file(usual).expect("it is there");
    allowed(&scene, &[]);
}

fn faults() {
    let scene = scene();
    let deny = "credentialPluginPolicy: DenyAll\n";
    let old = HEAD.replace("v1beta1", "v1alpha1");
    for text in [
        ": [".to_owned(),
        "just a text".to_owned(),
        "apiVersion: v1\nkind: Config\n".to_owned(),
        format!("{}{deny}", HEAD.replace("v1beta1", "v1")),
        format!("{}{deny}", HEAD.replace("Preference", "Preferences")),
        format!("{HEAD}credentialPluginPolicy: [DenyAll]"),
        format!("{HEAD}{deny}aliases: {{}}"),
        format!("{HEAD}credentialPluginAllowlist: [{{name: a, command: b}}]"),
        // Of an older version, which has no such field.
        format!("{old}{deny}"),
        format!("{HEAD}unknown: 1\n"),
        format!("{HEAD}---\n{HEAD}{deny}"),
        "---\n---\n# nothing\n".to_owned(),
        String::new(),
    ] {
        let path = scene.file("home/.kube/kuberc", &text);
        scene.file("runs", "");
        let both = scene.both(&[]);
        both.agree();
        // What is said of it stands before all else, and kubectl ends no line after it.
        let said = |stderr: &str| {
            let from = stderr.find("kuberc: ").map(|at| stderr[at..].to_owned());
            from.map(|text| text.lines().next().unwrap_or_default().to_owned())
        };
        assert_eq!(said(&both.kubectl.stderr), said(&both.ours.stderr), "{text}: {both:#?}");
        let named = format!("--kuberc={path}");
        let both = scene.both(&[&named]);
        if both.kubectl.ok { drop(both.agree()) } else { both.fail_alike("no valid preferences") }
    }
    // It denies what it can be read to deny.
    let slips = "unknown: 1\naliases: [{name: a, options: [{nam: b}]}]\n";
    scene.file("home/.kube/kuberc", format!("{HEAD}{deny}{slips}"));
    let denied = "not allowed: policy set to \"DenyAll\"";
    for words in ["field \"aliases[0].options[0].nam\", unknown field \"unknown\"", denied] {
        scene.both(&[]).fail(words, words);
    }
    for text in [
        format!("apiVersion: v1\nkind: Config\n--- # next\n{HEAD}{deny}"),
        format!(": [\n---\n{HEAD}{deny}"),
        json!({"kind": "Preference", "apiVersion": "kubectl.config.k8s.io/v1beta1",
               "credentialPluginPolicy": "DenyAll", "aliases": null})
        .to_string(),
    ] {
        scene.file("home/.kube/kuberc", &text);
        refused(&scene, &[], "DenyAll");
    }
}
