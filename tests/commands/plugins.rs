//! Credential plugins that ask the user for something, beside the questions of this program.

use std::{fs, os::unix::fs::PermissionsExt as _};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    machine::{Machine, TOKEN},
    terminal::{exit_code, types_in},
};

/// A plugin that reads a line where it may, and writes down what it has read.
const PLUGIN: &str = r#"#!/bin/sh
case "$KUBERNETES_EXEC_INFO" in
*'"interactive":true'*) printf 'Password: ' >&2; read -r line; echo "$line" >>"$HOME/heard" ;;
esac
"#;

/// A machine whose user of the context `north` comes from the plugin.
fn machine() -> Result<Machine, Failed> {
    let machine = Machine::new()?;
    let program = machine.path("plugin");
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": TOKEN}});
    fs::write(&program, format!("{PLUGIN}echo '{answer}'\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let path = machine.path(".kube/config");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let user = json!({"name": "asking", "user": {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": program,
        "interactiveMode": "IfAvailable",
    }}});
    config["users"].as_array_mut().ok_or("no users")?.push(user);
    let contexts = config["contexts"].as_array_mut().ok_or("no contexts")?;
    for context in contexts.iter_mut().filter(|context| context["name"] == "north") {
        context["context"]["user"] = "asking".into();
    }
    fs::write(path, config.to_string())?;
    Ok(machine)
}

/// At `register` and `init` all questions come first, and no answer goes to the plugin. What it
/// asks for comes afterwards, and no question takes that.
pub fn reads_a_line() -> Result<(), Failed> {
    for line in ["cluster register", "init"] {
        let machine = machine()?;
        if line != "init" {
            machine.succeeds("init --context=east")?;
        }
        let mut terminal = types_in(&machine, line, 80)?;
        let mut seen = terminal.exp_string("Which clusters? ")?;
        // The contexts in order are east, north, west.
        terminal.send_line("2")?;
        for (question, answer) in [
            ("Name of north [north]: ", ""),
            ("Weight of north [1]: ", ""),
            ("Lease of north, such as 30m [none]: ", ""),
            ("Labels of north, such as region=eu,tier=a [none]: ", ""),
            ("Write this to the registry? [yes/CANCEL] ", "yes"),
        ] {
            seen.push_str(&terminal.exp_string(question)?);
            terminal.send_line(answer)?;
        }
        assert!(!seen.contains("Password"), "{line}: {seen:?}");
        assert!(!machine.path("heard").exists(), "{line}: {seen:?}");
        terminal.exp_string("Password: ")?;
        terminal.send_line("hush")?;
        terminal.exp_string("cluster/north registered")?;
        terminal.exp_eof()?;
        assert_eq!(exit_code(&mut terminal)?, 0, "{line}");
        assert_eq!(fs::read_to_string(machine.path("heard"))?, "hush\n", "{line}");
    }
    Ok(())
}
