//! The commands that look again and again, by clocks that run while they wait.

use std::time::Duration;

use crate::stage::{Event, Stage};

const MEMBERS: [&str; 3] = ["east", "west", "north"];

/// So many seconds.
fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A manifest.
fn job(name: &str, spec: &str) -> String {
    let template =
        "template: {spec: {restartPolicy: Never, containers: [{name: pi, image: perl}]}}";
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}}}, spec: {{{spec}, \
         {template}}}}}"
    )
}

/// A federation in which time passes, with the Job `pi`.
async fn pi() -> Stage {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.let_time_pass();
    stage
}

/// `job wait`, where what is waited for comes.
pub async fn wait(snapshot: String) {
    let mut stage = pi().await;
    stage.types("job wait --help").await;
    stage.about("it is there").types("job wait pi --for=create").await;
    for (n, cluster) in (2..).zip(MEMBERS) {
        stage.later(seconds(5 * n), cluster, Event::Succeed("pi", 6));
    }
    stage.about("within a minute").types("job wait pi --for=condition=complete --timeout=1m").await;
    stage.about("it was recorded").types("job get pi").await;
    stage.about("it is so").types("job wait pi --for=condition=Complete=True --timeout=0").await;
    stage.piped(&job("tau", "completions: 3, parallelism: 3")).quietly("job create -f -").await;
    for cluster in MEMBERS {
        stage.later(seconds(2), cluster, Event::Succeed("tau", 1));
    }
    stage
        .about("one after another")
        .types(
            "job wait tau --for create --for condition=complete --for jsonpath=.status.succeeded=3",
        )
        .await;
    stage.piped(&job("later", "suspend: true")).quietly("job create -f -").await;
    stage.about("it is suspended").types("job wait later --for=condition=suspended").await;
    stage
        .about("all that there are")
        .types("job wait --all --for=condition=complete --timeout=2s")
        .await;
    stage.types("job wait -A --for=create").await;
    stage.about("by label, and as objects");
    stage.quietly("job patch later -p 'metadata: {labels: {team: math}}'").await;
    for command in [
        "job wait -l team=math --for=condition=suspended -o name",
        "job wait -l team=math --for=condition=suspended --for=create",
        "job wait --field-selector=metadata.name!=tau --for=condition=failed --timeout=0",
        "job wait -l team=none --for=condition=complete",
        "job wait -l team=none --for=delete",
        "job wait tau --for=condition=complete -o 'jsonpath={.status.succeeded}{\"\\n\"}'",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `job wait`, where it does not.
pub async fn in_vain(snapshot: String) {
    let mut stage = pi().await;
    for command in [
        "job wait pi --for=condition=complete --timeout=3s",
        "job wait pi --for=condition=complete --timeout=0",
        "job wait pi --for=condition=complete --timeout=3s --no-reconcile",
        "job wait pi --for=delete --timeout 1.5s",
        "job wait pi --for=condition=whatever --timeout=2s",
        "job wait pi --for=jsonpath={.status.active}=3 --for=condition=complete --timeout=2s",
        "job wait pi --for=jsonpath={.status.active}=9 --for=condition=complete --timeout=2s",
        "job wait pi --for=jsonpath={.status.completionTime} --timeout=2s",
    ] {
        stage.types(command).await;
    }
    stage.about("nobody is there").types("job wait nothing --for=condition=complete").await;
    stage.types("job wait nothing --for=delete").await;
    stage.types("job wait nothing --for=create --for=condition=complete --timeout=2s").await;
    stage.types("job wait nothing pi --for=condition=complete --timeout=1s").await;
    stage.types("-n elsewhere job wait --all --for=condition=complete").await;
    stage.types("-n elsewhere job wait --all --for=delete").await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.later(seconds(4), "west", Event::Fail("fragile"));
    stage
        .about("it fails meanwhile")
        .types("job wait fragile --for=condition=complete --timeout=1h")
        .await;
    stage.types("job wait fragile --for=condition=failed").await;
    stage.about("the host goes away").later(seconds(1), "east", Event::Down);
    stage.types("job wait pi --for=condition=complete --timeout=20s").await;
    stage.set_down("east", false);
    stage.about("a cluster goes, and comes back").later(seconds(1), "north", Event::Down);
    stage.later(seconds(20), "north", Event::Up);
    stage.later(seconds(35), "north", Event::Down);
    stage.types("job wait pi --for=condition=complete --timeout=50s").await;
    stage.set_down("north", false);
    for cluster in MEMBERS {
        stage.succeed(cluster, "pi", 6);
    }
    stage.about("it is complete").types("job wait pi --for=condition=failed").await;
    for command in [
        "job wait --for=delete",
        "job wait pi",
        "job wait pi --for=complete",
        "job wait pi --for=jsonpath={.status.active",
        "job wait pi --for=jsonpath={.status.active}=",
        "job wait pi --for=jsonpath={.status}=1",
        "job wait pi --for=jsonpath={.status.shards[*].name}",
        "job wait pi --for=condition=complete --timeout=30",
        "job wait pi --for=condition=complete --timeout=soon",
        "job wait pi --all --for=delete",
        "job wait pi -A --for=delete",
    ] {
        stage.about("wrong").types(command).await;
    }
    stage.end(&snapshot);
}

/// `job get --watch`.
pub async fn watch(snapshot: String) {
    let mut stage = pi().await;
    // What lasts for minutes is shown in minutes: how long attempts are repeated does not show.
    stage.pass(15 * seconds(60));
    stage.interrupts_after(seconds(30));
    let play = |stage: &Stage| {
        stage.later(seconds(10), "east", Event::Succeed("pi", 1));
        stage.later(seconds(18), "north", Event::Down);
        stage.later(seconds(24), "north", Event::Up);
    };
    play(&stage);
    stage.types("job get pi --watch").await;
    play(&stage);
    stage.types("job get -A -w -o wide").await;
    play(&stage);
    stage.types("job get -w -o name").await;
    play(&stage);
    stage.types("job get pi -w -o yaml").await;
    play(&stage);
    stage.types("job get -w -o custom-columns=NAME:.metadata.name,DONE:.status.succeeded").await;
    stage.about("selected").types("job get -w -l team=none").await;
    stage.types("job get -w --field-selector=metadata.name!=pi").await;
    stage.types("job get -w --sort-by=.metadata.name --no-headers").await;
    stage.about("nobody is there").types("job get nothing -w").await;
    stage.types("job get nothing -w --ignore-not-found").await;
    stage.types("job get nothing pi -w").await;
    stage.end(&snapshot);
}

/// `reconcile --watch`.
pub async fn reconcile(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.let_time_pass();
    stage.types("reconcile --watch").await;
    stage.types("reconcile nothing --watch").await;
    stage.set_down("north", true);
    stage.about("a cluster is away").types("job create -f pi.yaml").await;
    stage.later(seconds(10), "north", Event::Up);
    for cluster in ["east", "west"] {
        stage.later(seconds(20), cluster, Event::Succeed("pi", 6));
    }
    stage.later(seconds(60), "north", Event::Succeed("pi", 6));
    stage.types("reconcile pi --watch").await;
    stage.about("nothing is left to do").types("reconcile --watch").await;
    stage.types("reconcile pi nothing --watch").await;
    for (name, spec) in [("later", "suspend: true"), ("paused", "parallelism: 0, completions: 3")] {
        stage.piped(&job(name, spec)).quietly("job create -f -").await;
    }
    stage.about("the rest waits for the user").types("reconcile --watch").await;
    stage.end(&snapshot);
}
