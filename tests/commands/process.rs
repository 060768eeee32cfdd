//! The binary as a process: what only shows there.

use std::{fs, io, process::Stdio};

use libtest_mimic::Failed;

use crate::machine::{CLUSTERS, Machine, TOKEN, text};

/// `KUBECONFIG` names several files; those that are missing are skipped.
pub fn several_kubeconfigs() -> Result<(), Failed> {
    let machine = Machine::new()?;
    let mut files = vec![machine.path("missing")];
    for server in machine.servers() {
        let file = machine.path(server.cluster().name());
        fs::write(&file, sim::kubeconfig([server]))?;
        files.push(file);
    }
    let list = std::env::join_paths(files)?;
    let run = |line: &str| machine.command(line).env("KUBECONFIG", &list).output();
    assert!(run("init")?.status.success());
    for cluster in CLUSTERS {
        assert!(run(&format!("cluster register {cluster}"))?.status.success(), "{cluster}");
    }
    let listed = run("cluster list --no-headers")?;
    assert_eq!((listed.status.code(), text(&listed.stdout).lines().count()), (Some(0), 3));
    Ok(())
}

/// `-v=6` tells of each request, and no level shows the token.
pub fn requests_are_told() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let quiet = machine.succeeds("cluster list -o name")?;
    assert_eq!(text(&quiet.stderr), "");
    for level in [6, 9] {
        let told = machine.succeeds(&format!("cluster list -o name -v={level}"))?;
        let lines = text(&told.stderr);
        for server in machine.servers() {
            let request = format!("{}/version", server.url());
            assert!(lines.lines().any(|line| line.contains(&request) && line.contains("200")), "{lines}");
        }
        assert!(!lines.contains(TOKEN) && !text(&told.stdout).contains(TOKEN), "{lines}");
        assert_eq!(text(&told.stdout), text(&quiet.stdout), "-v is for stderr");
    }
    Ok(())
}

/// A reader that had enough is no failure.
pub fn broken_pipe() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    for line in ["options", "job --help", "job get -o yaml", "version --client"] {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let output = machine.command(line).stdout(writer).stderr(Stdio::piped()).output()?;
        assert_eq!(text(&output.stderr), "", "{line}");
        assert_eq!(output.status.code(), Some(0), "{line}");
    }
    Ok(())
}

/// `KUBECTL_EXTERNAL_DIFF` names the program that compares; what could name a file is not passed to it.
pub fn external_diff() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    for (program, code, said) in [
        ("diff -r -N -u /etc/passwd", 1, "+  completions: 18"),
        ("true", 0, "job.batch/pi created in cluster east (dry run)"),
        ("false", 1, "job.batch/pi created in cluster east (dry run)"),
    ] {
        let output = machine.command("job diff -f pi.yaml").env("KUBECTL_EXTERNAL_DIFF", program).output()?;
        assert_eq!(output.status.code(), Some(code), "{program}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(said), "{program}: {}", text(&output.stdout));
    }
    for program in ["no-such-program", "diff --no-such-flag"] {
        let output = machine.command("job diff -f pi.yaml").env("KUBECTL_EXTERNAL_DIFF", program).output()?;
        assert_eq!(output.status.code(), Some(2), "{program}");
        let words = text(&output.stderr);
        assert!(words.contains("error: failed to run "), "{words}");
    }
    Ok(())
}

/// Exit codes are the process's own.
pub fn exit_codes() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    for (line, code) in [
        ("job get", 0),
        ("job get nothing", 1),
        ("job get --nothing", 1),
        ("job", 1),
        ("", 0),
        ("job diff", 2),
    ] {
        assert_eq!(machine.run(line)?.status.code(), Some(code), "{line}");
    }
    Ok(())
}
