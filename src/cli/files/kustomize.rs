//! `-k`: what `kubectl kustomize` makes of a directory.

use std::io;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;

use super::MAX_BYTES;
use crate::cli::{World, kubectl::kubectl};
use crate::error::{Error, Result};
use crate::os_error;

/// The most of kubectl's messages that is shown, in bytes.
const MAX_MESSAGE_BYTES: u64 = 64 << 10;

/// Runs `kubectl kustomize` on a directory, or on the URL of one, and returns the manifests that it
/// prints, at most 16 MiB. Its warnings go to stderr.
///
/// # Errors
/// kubectl is not on the `PATH`, or it fails: the error has its message.
pub(super) async fn build(directory: &str, world: &World) -> Result<Vec<u8>> {
    // The `--` keeps a directory whose name starts with a dash from being a flag.
    let mut kubectl = kubectl(world)
        .args(["kustomize", "--", directory])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_run(&error))?;
    let mut output = kubectl.stdout.take().expect("stdout is a pipe").take(MAX_BYTES + 1);
    let messages = kubectl.stderr.take().expect("stderr is a pipe");
    let manifests = async {
        let mut manifests = Vec::new();
        output.read_to_end(&mut manifests).await.map_err(|error| not_run(&error))?;
        if manifests.len() as u64 > MAX_BYTES {
            let limit = MAX_BYTES >> 20;
            return Err(Error::new(format!("kustomize {directory} makes more than {limit} MiB")));
        }
        Ok(manifests)
    };
    let said = async { said(messages).await.map_err(|error| not_run(&error)) };
    let (manifests, said) = tokio::try_join!(manifests, said)?;
    let status = kubectl.wait().await.map_err(|error| not_run(&error))?;
    if !status.success() {
        let said = said.trim();
        let reason = said.strip_prefix("error: ").unwrap_or(said);
        return Err(Error::new(format!("kubectl kustomize {directory} failed: {reason}")));
    }
    said.lines().for_each(|line| world.output.note(line));
    Ok(manifests)
}

/// What kubectl says. All is read, so that kubectl never waits for a reader.
async fn said(mut messages: ChildStderr) -> io::Result<String> {
    let mut shown = Vec::new();
    (&mut messages).take(MAX_MESSAGE_BYTES).read_to_end(&mut shown).await?;
    tokio::io::copy(&mut messages, &mut tokio::io::sink()).await?;
    Ok(String::from_utf8_lossy(&shown).into_owned())
}

fn not_run(error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::new("-k needs kubectl, which is not on the PATH")
            .hint("Install kubectl, or pipe the output of kustomize to -f -.");
    }
    Error::new(format!("running kubectl kustomize: {}", os_error::words(error)))
}
