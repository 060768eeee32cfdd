//! The binary as a process: what only shows there.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};

use bytes::Bytes;
use http::{Response, StatusCode};
use libtest_mimic::Failed;
use sim::{Verdict, When};

use crate::machine::{BINARY, CLUSTERS, Machine, TOKEN, text};
use crate::terminal::{self, exit_code};

/// The user that may do nothing.
const NOBODY: u32 = 65534;

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

/// A signal that ends the process at a question leaves the terminal as it was.
pub fn ended_by_a_signal() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let file = machine.path("pid");
    for (signal, code) in [("TERM", 143), ("HUP", 129)] {
        let shell = format!(
            "before=$(stty -g); sh -c 'echo $$ > {}; exec \"$0\" job delete pi' \"$0\"; code=$?; \
             test \"$before\" = \"$(stty -g)\" && echo the terminal is as it was; exit $code",
            file.display()
        );
        let mut terminal = terminal::in_shell(&machine, &shell)?;
        terminal.exp_string("CANCEL] ")?;
        let process = fs::read_to_string(&file)?;
        let kill = Command::new("kill").args([&format!("-{signal}"), process.trim()]).status()?;
        assert!(kill.success());
        terminal.exp_string("the terminal is as it was")?;
        terminal.exp_eof()?;
        assert_eq!((exit_code(&mut terminal)?, machine.jobs("pi")), (code, 3));
    }
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
            assert!(
                lines.lines().any(|line| line.contains(&request) && line.contains("200")),
                "{lines}"
            );
        }
        assert!(!lines.contains(TOKEN) && !text(&told.stdout).contains(TOKEN), "{lines}");
        assert_eq!(text(&told.stdout), text(&quiet.stdout), "-v is for stderr");
    }
    Ok(())
}

/// A file that the user may not read is named, and the reason. Root may read all of them, so it is
/// nobody who asks.
pub fn forbidden_files() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let (locked, closed) = (machine.path("locked.yaml"), machine.path("closed"));
    fs::copy("pi.yaml", &locked)?;
    fs::create_dir(&closed)?;
    let root = fs::metadata(&locked)?.uid() == 0;
    let binary = machine.path("kubectl-federate");
    fs::copy(BINARY, &binary)?;
    for (path, bits) in
        [("", 0o755), (".kube", 0o755), (".kube/config", 0o644), (".kube/federate.yaml", 0o644)]
    {
        mode(&machine.path(path), bits)?;
    }
    mode(&locked, 0)?;
    mode(&closed, 0)?;
    let ask = |line: &str, config: Option<&Path>| -> io::Result<String> {
        let mut command = Command::new(&binary);
        command.args(line.split_whitespace()).env_clear().env("HOME", machine.path(""));
        command.current_dir(machine.path("")).stdin(Stdio::null());
        if let Some(config) = config {
            command.env("KUBECTL_FEDERATE_CONFIG", config);
        }
        if root {
            command.uid(NOBODY);
        }
        // A process that another test starts meanwhile may hold the copy open for writing.
        let output = loop {
            match command.output() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    std::thread::yield_now();
                }
                ran => break ran?,
            }
        };
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(1), String::new()),
            "{line}"
        );
        Ok(text(&output.stderr))
    };
    for (line, said) in [
        ("job create -f locked.yaml", "error: reading locked.yaml: permission denied\n"),
        ("job create -f closed", "error: reading closed: permission denied\n"),
        ("job create -f closed/pi.yaml", "error: reading closed/pi.yaml: permission denied\n"),
        (
            "job get --kubeconfig=locked.yaml",
            "error: error loading config file \"locked.yaml\": permission denied\n",
        ),
    ] {
        assert_eq!(ask(line, None)?, said);
    }
    let said = ask("job get", Some(&locked))?;
    let sentence = format!(
        "error: cannot read the configuration file {}: permission denied\n",
        locked.display()
    );
    assert!(said.starts_with(&sentence), "{said}");
    let new = closed.join("federate.yaml");
    let said = ask("init", Some(&new))?;
    assert!(
        said.contains(&format!("the configuration file {}: permission denied\n", new.display())),
        "{said}"
    );
    Ok(())
}

/// A disk that takes no more, as a limit on the size of files shows it: the configuration stays as
/// it was.
pub fn full_disk() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let config = machine.path(".kube/federate.yaml");
    let before = fs::read_to_string(&config)?;
    let full = format!("trap '' XFSZ; ulimit -f 0; exec {BINARY} init --context=west");
    let output = Command::new("sh")
        .args(["-c", &full])
        .env_clear()
        .env("HOME", machine.path(""))
        .output()?;
    let made = "federation initialized in host cluster \"west\"\n".to_owned();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), made));
    assert!(text(&output.stderr).contains("name it with --context"), "{}", text(&output.stderr));
    let said = format!(
        "error: cannot write the configuration file {}: file too large\n",
        config.display()
    );
    assert!(text(&output.stderr).starts_with(&said), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(&config)?, before);
    assert_eq!(
        fs::read_dir(machine.path(".kube"))?.count(),
        2,
        "nothing else is left in the folder"
    );
    Ok(())
}

/// From `-v=1` on, what is sent again is told in a line: where, what, why, and when.
pub fn repetitions_are_told() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    let trouble = || {
        let left = AtomicU32::new(2);
        machine.servers()[1].cluster().on_request(move |info| {
            let again = info.path == "/version"
                && left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
            if !again {
                return Verdict::Pass;
            }
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Verdict::Answer(When::Before, response)
        });
    };
    for (level, told) in [(0, false), (1, true), (4, true), (6, true)] {
        trouble();
        let stderr = text(&machine.succeeds(&format!("cluster list -o name -v={level}"))?.stderr);
        let lines: Vec<_> =
            stderr.lines().filter(|line| line.contains("is sent again in ")).collect();
        assert_eq!(lines.len(), if told { 2 } else { 0 }, "{stderr}");
        for (attempt, line) in (2..).zip(lines) {
            for words in [
                " [west] GET /version is sent again in ",
                " milliseconds",
                &format!(", attempt {attempt} of 4: "),
                "503 Service Unavailable",
            ] {
                assert!(line.contains(words), "{words}: {line}");
            }
        }
        assert!(level > 1 || stderr.lines().count() == if told { 2 } else { 0 }, "{stderr}");
    }
    Ok(())
}

/// A reader that had enough is no failure.
pub fn broken_pipe() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    for line in ["options", "job --help", "job get -o yaml", "job get -w", "version --client"] {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let output = machine.command(line).stdout(writer).stderr(Stdio::piped()).output()?;
        assert_eq!(text(&output.stderr), "", "{line}");
        assert_eq!(output.status.code(), Some(0), "{line}");
    }
    Ok(())
}

/// `KUBECTL_EXTERNAL_DIFF` names the program that compares; what could name a file is not passed to
/// it.
pub fn external_diff() -> Result<(), Failed> {
    let machine = Machine::federation()?;
    for (program, code, said) in [
        ("diff -r -N -u /etc/passwd", 1, "+  completions: 18"),
        ("true", 0, "job.batch/pi created in cluster east (dry run)"),
        ("false", 1, "job.batch/pi created in cluster east (dry run)"),
    ] {
        let output = machine
            .command("job diff -f pi.yaml")
            .env("KUBECTL_EXTERNAL_DIFF", program)
            .output()?;
        assert_eq!(output.status.code(), Some(code), "{program}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains(said), "{program}: {}", text(&output.stdout));
    }
    for program in ["no-such-program", "diff --no-such-flag"] {
        let output = machine
            .command("job diff -f pi.yaml")
            .env("KUBECTL_EXTERNAL_DIFF", program)
            .output()?;
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
