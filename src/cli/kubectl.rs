//! The real kubectl, for what is left to it.

use std::{io, process::Stdio};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::World;
use crate::{
    error::{Error, Result},
    os_error,
    print::format::GoTemplate,
};

/// The kubectl that runs this plugin, as it says itself from 1.37 on; else that on the `PATH`.
pub fn kubectl(world: &World) -> Command {
    let path = world.var("KUBECTL_PATH").filter(|path| !path.is_empty());
    let mut command = Command::new(path.as_deref().unwrap_or("kubectl"));
    command.env("PATH", world.var("PATH").unwrap_or_default());
    command
}

/// Prints what a template in Go's language makes of an object. kubectl runs it, and asks no server.
///
/// # Errors
/// kubectl is not there, or the template does not fit: the error is kubectl's.
pub(super) async fn run_template(
    world: &World,
    template: &GoTemplate,
    mut object: Value,
) -> Result<()> {
    // kubectl takes the items of a list one by one. So they come under another name, and a patch
    // makes the list of it again.
    let mut patch = json!([]);
    if let Some(items) = object.as_object_mut().and_then(|list| list.remove("items")) {
        object["objects"] = items;
        patch = json!([{ "op": "move", "from": "/objects", "path": "/items" }]);
    }
    let GoTemplate { text, allow_missing_keys } = template;
    let mut command = kubectl(world);
    command
        .args(["patch", "--local", "--filename=-", "--type=json", "--output=go-template"])
        .arg(format!("--patch={patch}"))
        .arg(format!("--template={text}"))
        .arg(format!("--allow-missing-template-keys={allow_missing_keys}"))
        // Neither a kubeconfig nor settings of kubectl have a say in it.
        .env("KUBECONFIG", "")
        .env("KUBECTL_KUBERC", "false")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| not_run(&error))?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let write = async move {
        // kubectl may have refused the template and not read the object.
        let _ = stdin.write_all(object.to_string().as_bytes()).await;
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    let output = output.map_err(|error| not_run(&error))?;
    world.output.exactly(&String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        said.lines().for_each(|line| world.output.note(line));
        return Ok(());
    }
    let code = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Err(Error::verbatim(said.trim_end()).exit(code))
}

fn not_run(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new("-o go-template needs kubectl, which is not on the PATH")
            .hint("Install kubectl, or use -o jsonpath=TEMPLATE.");
    }
    Error::new(format!("running kubectl: {}", os_error::words(error)))
}
