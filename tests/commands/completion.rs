//! What a shell is told that completes a command line.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use libtest_mimic::Failed;

use crate::{
    machine::{Machine, folder, text},
    stage::Stage,
};

/// The protocol of kubectl's plugins: a line for each word, and a directive.
pub async fn protocol(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    for words in [
        "clu",
        "cluster u",
        "job get ''",
        "job get pi ''",
        "job get --cl",
        "job get -o ''",
        "job scale pi -o ''",
        "job events pi -o ''",
        "job delete pi -o ''",
        "job edit pi -o ''",
        "job timeline pi -o ''",
        "job wait pi --for=''",
        "job create -f ''",
        "job create --dry-run=''",
        "cluster cordon ''",
        "cluster cordon east n",
        "cluster register ''",
        "orphans list --clusters ''",
        "job get -n ''",
        "job get -n other ''",
        "job get --context w",
        "nonsense ''",
        "help ''",
        "help e",
        "help job w",
        "help job get ''",
        "help nonsense ''",
        "job get --clusters ''",
        "job describe pi --clusters n",
        "job get --clusters=east,",
        "job get --clusters east,n",
        "job get --clusters=east,north,",
        "job get --clusters=east,west,north,",
        "job wait pi --for=con",
        "job create --validate=",
    ] {
        stage.types(&format!("__complete {words}")).await;
    }
    for member in ["east", "north", "west"] {
        stage.set_down(member, true);
    }
    stage.about("offline, by what was heard before").types("__complete job get ''").await;
    stage.pass(std::time::Duration::from_mins(1));
    stage.types("__complete job get ''").await;
    stage.pass(std::time::Duration::from_hours(48));
    stage.about("too old").types("__complete job get ''").await;
    stage.set("KUBECONFIG", "/nonexistent/config");
    stage.about("without a kubeconfig").types("__complete job get --context ''").await;
    stage.end(&snapshot);
}

/// `completion`.
pub async fn scripts(snapshot: String) {
    let mut stage = Stage::federation().await;
    for shell in ["bash", "zsh", "fish"] {
        stage.types(&format!("completion {shell}")).await;
    }
    stage.set("PATH", "/nonexistent");
    stage.about("not on the PATH").types("completion install").await;
    stage.types("completion install --dir=~").await;
    stage.shows("kubectl_complete-federate");
    stage.about("again").types("completion install --dir=~").await;
    stage.write("kubectl_complete-federate", "#!/bin/sh\necho mine\n");
    stage.about("something else has the name").types("completion install --dir=~").await;
    stage.types("completion install --dir=~/missing").await;
    stage.end(&snapshot);
}

/// Has kubectl's code for bash complete a line, and prints what it finds. What bash-completion does
/// with a line is done here.
const OF_KUBECTL: &str = r#"
source <(kubectl completion bash)
_init_completion() {
    words=("${TYPED[@]}"); cword=$((${#words[@]} - 1))
    cur=${words[cword]}; prev=${words[cword - 1]}
}
TYPED=(kubectl federate "$@")
__start_kubectl 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// The same with our own code, which gets the words as bash takes them apart.
const OF_OURS: &str = r#"
source <(kubectl-federate completion bash)
read -ra COMP_WORDS <<<"kubectl-federate $(sed 's/=/ = /g' <<<"$*")"
if [[ -z ${*: -1} ]]; then COMP_WORDS+=(""); fi
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kubectl_federate 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What stands behind the `=` of a flag is completed alone, and a name in a list only once.
pub fn in_bash() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let machine = Machine::federation()?;
    let home = machine.path("");
    machine.succeeds(&format!("completion install --dir={}", home.display()))?;
    let path = std::env::join_paths([
        folder(),
        kubectl.parent().ok_or("a binary is in a folder")?,
        &home,
        "/usr/bin".as_ref(),
        "/bin".as_ref(),
    ])?;
    let complete = |script: &str, words: &[&str]| -> Result<String, Failed> {
        let output = Command::new("bash")
            .args(["--norc", "-c", script, "bash"])
            .args(words)
            .env_clear()
            .env("HOME", &home)
            .env("PATH", &path)
            .stdin(Stdio::null())
            .output()?;
        // kubectl quotes what is alone.
        let found = text(&output.stdout).replace('\\', "");
        Ok(found.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    for (line, found) in [
        ("job wait pi --for=con", "condition=complete condition=failed"),
        ("job wait pi --for=d", "delete"),
        ("job wait pi --fo", "--for"),
        ("job create --validate=w", "warn"),
        ("job get --clusters=east,w", "east,west"),
        ("job get --clusters east,w", "east,west"),
        ("job get --clusters=east,west,", "east,west,north"),
    ] {
        for script in [OF_KUBECTL, OF_OURS] {
            let words: Vec<_> = line.split(' ').collect();
            // Names that are not heard at once are there a moment later.
            let begun = Instant::now();
            let mut completed = complete(script, &words)?;
            while completed != found && begun.elapsed() < Duration::from_secs(30) {
                std::thread::sleep(Duration::from_millis(100));
                completed = complete(script, &words)?;
            }
            assert_eq!(completed, found, "{line}: {script}");
        }
    }
    Ok(())
}
