//! The binary as kubectl finds it, on real control planes.

use std::{io, path::Path, process::Stdio, time::Duration};

use libtest_mimic::Failed;
use real::{Fleet, until};

use crate::machine::{BINARY, folder, text};

const SOON: Duration = Duration::from_mins(1);

const CLUSTERS: [&str; 3] = ["east", "west", "north"];

/// The main job, as it is typed.
pub async fn main_job(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("plugin").await?;
    let home = tempfile::tempdir()?;
    let kubectl = async |line: &str| kubectl(fleet, home.path(), line).await;
    let version = kubectl("federate version --client").await?;
    assert_eq!(
        version.1,
        concat!(
            "Client Version: v",
            env!("CARGO_PKG_VERSION"),
            "\nTested Servers: v1.30 to v1.37\n"
        )
    );
    let plugins = kubectl("plugin list").await?;
    assert!(plugins.1.lines().any(|line| line == BINARY), "{plugins:?}");

    succeed(&kubectl("federate init --context=east").await?);
    for cluster in CLUSTERS {
        let registered = kubectl(&format!("federate cluster register {cluster}")).await?;
        assert_eq!(registered, (0, format!("cluster/{cluster} registered\n"), String::new()));
    }
    let created = kubectl(&format!("federate job create -f pi.yaml -n {namespace}")).await?;
    assert_eq!((created.0, created.1.as_str()), (0, "job.batch/pi created\n"), "{created:?}");
    let job = format!("/apis/batch/v1/namespaces/{namespace}/jobs/pi");
    for cluster in CLUSTERS {
        let spec = fleet.cluster(cluster).get(&job).await?["spec"].take();
        assert_eq!(
            (&spec["parallelism"], &spec["completions"]),
            (&3.into(), &6.into()),
            "{cluster}"
        );
        fleet.cluster(cluster).kubelet().succeed_n(&namespace, "pi", 6).await?;
    }
    completed(&namespace, home.path(), kubectl).await?;
    let get = format!("federate job get pi --no-headers -n {namespace}");
    until("the job to be complete", SOON, || async {
        let (_, row, why) = kubectl(&get).await.map_err(|error| error.to_string())?;
        let complete = row.split_whitespace().take(4).eq(["pi", "Complete", "18/18", "3/3"]);
        if complete { Ok(()) } else { Err(row + &why) }
    })
    .await;

    let deleted =
        kubectl(&format!("federate job delete pi --cascade=background -n {namespace}")).await?;
    let said = format!("job.batch \"pi\" deleted from {namespace} namespace\n");
    assert_eq!(deleted, (0, said, String::new()));
    let gone = kubectl(&get).await?;
    let why = "Error from server (NotFound): jobs.batch \"pi\" not found\n";
    assert_eq!(gone, (1, String::new(), why.to_owned()), "exit codes pass through kubectl");
    Ok(())
}

/// kubectl completes the arguments of the plugin.
async fn completed(
    namespace: &str,
    home: &Path,
    kubectl: impl AsyncFn(&str) -> io::Result<(i32, String, String)>,
) -> Result<(), Failed> {
    let nothing = kubectl("__complete federate cluster cordon e").await?;
    assert_eq!(nothing.1, ":0\n", "there is no program for it");
    let install = format!("federate completion install --dir={}", home.display());
    succeed(&kubectl(&install).await?);
    // Names that are not heard at once are there a moment later.
    until("the names", SOON, || async {
        let told = kubectl("__complete federate cluster cordon e").await;
        let (_, found, _) = told.map_err(|error| error.to_string())?;
        if found.starts_with("east") { Ok(()) } else { Err(found) }
    })
    .await;
    for (words, found) in [
        ("cluster cordon e".to_owned(), "east\n:4\n"),
        (format!("job get -n {namespace} p"), "pi\n:4\n"),
        ("job get pi -o n".to_owned(), "name\n:4\n"),
        ("cluster uncord".to_owned(), "uncordon\tGive clusters new work again\n:4\n"),
        ("job create -f p".to_owned(), ":0\n"),
    ] {
        let told = kubectl(&format!("__complete federate {words}")).await?;
        assert_eq!((told.0, told.1.as_str()), (0, found), "{words}: {told:?}");
    }
    Ok(())
}

fn succeed((code, _, stderr): &(i32, String, String)) {
    assert_eq!(*code, 0, "{stderr}");
}

/// Types a command of kubectl, and gives its exit code, stdout and stderr.
async fn kubectl(
    fleet: &Fleet,
    home: &Path,
    line: &str,
) -> Result<(i32, String, String), std::io::Error> {
    let output = tokio::process::Command::new(fleet.binaries().kubectl())
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", home)
        .env("KUBECONFIG", fleet.kubeconfig())
        .env("PATH", format!("{}:{}", folder().display(), home.display()))
        .stdin(Stdio::null())
        .output()
        .await?;
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}
