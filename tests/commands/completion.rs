//! What a shell is told that completes a command line.

use crate::stage::Stage;

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
