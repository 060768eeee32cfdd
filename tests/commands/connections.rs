//! What the real binary says of servers and credentials that it cannot use: transcripts, as of the
//! other errors.

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::machine::{Machine, TOKEN, text};

/// What is not the same from run to run, and what stands for it. `.invalid` never resolves (RFC
/// 6761); how that is said depends on the resolver.
const FILTERS: [(&str, &str); 2] =
    [(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"), (r"(lookup nowhere\.invalid: )[^)\n]*", "$1[why]")];

/// The commands of a topic, typed one after another.
struct Transcript<'a> {
    machine: &'a Machine,
    text: String,
}

impl Transcript<'_> {
    fn about(&mut self, text: &str) -> &mut Self {
        let _ = writeln!(self.text, "# {text}");
        self
    }

    fn types(&mut self, line: &str) -> Result<(), Failed> {
        let output = self.machine.run(line)?;
        let _ = writeln!(self.text, "$ kubectl federate {line}");
        let home = self.machine.path("").display().to_string();
        for (stream, said) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            let said = text(said).replace(home.trim_end_matches('/'), "/home/jane");
            assert!(!said.contains(TOKEN), "{said}");
            for line in said.lines() {
                let _ = writeln!(self.text, "{}", format!("{stream} | {line}").trim_end());
            }
        }
        let _ = writeln!(self.text, "exit {}\n", output.status.code().unwrap_or(-1));
        Ok(())
    }
}

/// A certificate authority that signed nothing here.
fn other_authority() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    STANDARD.encode(authority.self_signed(&key).expect("a certificate").pem())
}

/// A user whose credential plugin does this.
fn plugin(machine: &Machine, name: &str, script: &str) -> Result<Value, Failed> {
    let path = machine.path(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    let api_version = "client.authentication.k8s.io/v1";
    Ok(json!({ "exec": { "apiVersion": api_version, "command": path,
            "interactiveMode": "Never" } }))
}

/// Adds contexts of the cluster `east`, changed, and with a user of its own.
fn contexts(machine: &Machine) -> Result<(), Failed> {
    let path = machine.path(".kube/config");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let east = config["clusters"][0]["cluster"].clone();
    let token = json!({ "token": TOKEN });
    let with = |field: &str, value: Value| {
        let mut cluster = east.clone();
        cluster[field] = value;
        cluster
    };
    let expired = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": { "token": "t", "expirationTimestamp": "2020-01-01T00:00:00Z" },
    });
    let missing = json!({ "exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin",
        "interactiveMode": "Never",
        "installHint": "Install no-such-plugin first.",
    } });
    for (name, cluster, user) in [
        ("nowhere", with("server", "https://nowhere.invalid:6443".into()), token.clone()),
        ("foreign", with("certificate-authority-data", other_authority().into()), token.clone()),
        ("misnamed", with("tls-server-name", "east.example".into()), token.clone()),
        ("no-authority", with("certificate-authority-data", "bm9uZQ==".into()), token.clone()),
        ("refused", east.clone(), json!({ "token": "expired" })),
        ("half-a-key", east.clone(), json!({ "client-certificate-data": "bm9uZQ==" })),
        ("expired", east.clone(), plugin(machine, "expired", &format!("echo '{expired}'"))?),
        ("failing", east.clone(), plugin(machine, "failing", "exit 3")?),
        ("chatty", east.clone(), plugin(machine, "chatty", "echo hello")?),
        ("missing", east.clone(), missing),
    ] {
        let mut add =
            |list: &str, entry: Value| config[list].as_array_mut().expect("a list").push(entry);
        add("clusters", json!({ "name": name, "cluster": cluster }));
        add("users", json!({ "name": name, "user": user }));
        add("contexts", json!({ "name": name, "context": { "cluster": name, "user": name } }));
    }
    fs::write(path, config.to_string())?;
    Ok(())
}

/// Of servers that cannot be reached or trusted, and of credentials.
pub fn connections() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    contexts(&machine)?;
    let mut transcript = Transcript { machine: &machine, text: String::new() };
    for (topic, context) in [
        ("a host that does not resolve", "nowhere"),
        ("a certificate that another authority signed", "foreign"),
        ("a certificate for another name", "misnamed"),
        ("an authority that is no certificate", "no-authority"),
        ("a credential that is refused", "refused"),
        ("half a credential", "half-a-key"),
        ("a plugin that gives what has expired", "expired"),
        ("a plugin that fails", "failing"),
        ("a plugin that answers something else", "chatty"),
        ("a plugin that is not there", "missing"),
    ] {
        transcript.about(topic).types(&format!("job get --context={context}"))?;
        transcript.types(&format!("cluster register {context}"))?;
    }
    let config = machine.path(".kube/federate.yaml");
    let remembered = fs::read_to_string(&config)?;
    for context in ["nowhere", "foreign", "refused", "failing"] {
        fs::write(&config, format!("{remembered}contexts:\n  north: {context}\n"))?;
        transcript
            .about(&format!("the context of a member is {context}"))
            .types("cluster list --no-headers -o name")?;
        transcript.types("job create -f pi.yaml --dry-run=server")?;
    }
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (varies, stands) in FILTERS {
        settings.add_filter(varies, stands);
    }
    settings.bind(|| insta::assert_snapshot!("errors-of-connections", transcript.text));
    Ok(())
}
