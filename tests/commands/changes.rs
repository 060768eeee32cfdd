//! The verbs that change a federated job.

use serde_json::Value;

use crate::stage::Stage;

/// The Job of all these, with one change.
fn pi(old: &str, new: &str) -> String {
    let pi = include_str!("manifests/pi.yaml");
    assert!(pi.contains(old), "{old}");
    pi.replace(old, new)
}

/// `job apply`.
pub async fn apply(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("a new job").types("job apply -f pi.yaml --dry-run=client").await;
    stage.types("job apply -f pi.yaml --dry-run=server").await;
    stage.types("job apply -f pi.yaml").await;
    stage.about("again").types("job apply -f pi.yaml").await;
    stage.types("job apply -f pi.yaml --dry-run=server").await;
    stage.write(
        "spelt.yaml",
        &pi("  completions: 18", "  completions: 18\n  suspend: false\n  backoffLimit: 6"),
    );
    stage
        .about("what a server would fill in is no change")
        .types("job apply -f ~/spelt.yaml")
        .await;
    stage.write(
        "deadline.yaml",
        &pi("  completions: 18", "  completions: 18\n  activeDeadlineSeconds: 600"),
    );
    stage.about("a change").types("job apply -f ~/deadline.yaml --dry-run=client").await;
    stage.types("job apply -f ~/deadline.yaml --dry-run=server").await;
    stage.types("job apply -f ~/deadline.yaml").await;
    stage.types("job get pi -o json").await;
    stage.about("what the file leaves out is taken away").types("job apply -f pi.yaml").await;
    stage.types("job get pi -o yaml").await;
    stage
        .about("several documents, one of them new")
        .types("job apply -f two.yaml -f ~/deadline.yaml")
        .await;
    stage.set_down("north", true);
    stage.about("a cluster is away").types("job apply -f pi.yaml").await;
    stage.types("job apply -f ~/deadline.yaml --dry-run=server").await;
    stage.end(&snapshot);
}

/// What `job apply` refuses.
pub async fn apply_refused(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.write("image.yaml", &pi("perl:5.34.0", "perl:5.36.0"));
    stage.about("another template").types("job apply -f ~/image.yaml").await;
    stage.write(
        "indexed.yaml",
        &pi("  completions: 18", "  completions: 18\n  completionMode: Indexed"),
    );
    stage.about("another way of counting").types("job apply -f ~/indexed.yaml").await;
    stage.write("queue.yaml", &pi("  completions: 18\n", ""));
    stage.about("a work queue").types("job apply -f ~/queue.yaml --recreate --yes").await;
    stage.write("limit.yaml", &pi("  completions: 18", "  completions: 18\n  backoffLimit: -1"));
    stage.about("an invalid number").types("job apply -f ~/limit.yaml").await;
    stage.write("unknown.yaml", &pi("  completions: 18", "  completions: 18\n  backofLimit: 1"));
    stage.about("an unknown field").types("job apply -f ~/unknown.yaml --recreate --yes").await;
    stage.about("a name to be made").types("job apply -f generated.yaml").await;
    stage
        .about("nothing is written if one is refused")
        .types("job apply -f two.yaml,~/image.yaml")
        .await;
    stage.types("job get -o name").await;
    stage.about("another namespace").types("job apply -f pi.yaml -n play").await;
    stage.about("preferences that cannot be met").types("job apply -f preferences-room.yaml").await;
    for cluster in ["east", "north", "west"] {
        stage.succeed(cluster, "pi", 6);
    }
    stage.quietly("reconcile pi").await;
    stage.about("it has finished").types("job apply -f ~/image.yaml").await;
    stage.types("job scale pi --parallelism=3").await;
    stage.types("job edit pi").await;
    stage.types("job apply -f pi.yaml").await;
    stage.write("nothing.json", "");
    stage.about("nothing").types("job apply -f ~/nothing.json").await;
    stage.types("job apply").await;
    stage.end(&snapshot);
}

/// `job diff`.
pub async fn diff(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.about("a new job").types("job diff -f pi.yaml").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("no difference").types("job diff -f pi.yaml").await;
    stage.write(
        "deadline.yaml",
        &pi("  completions: 18", "  completions: 18\n  activeDeadlineSeconds: 600"),
    );
    stage.about("a difference").types("job diff -f ~/deadline.yaml").await;
    stage.write("image.yaml", &pi("perl:5.34.0", "perl:5.36.0"));
    stage.about("what cannot be applied").types("job diff -f ~/image.yaml").await;
    stage.quietly("job suspend pi").await;
    stage.quietly("job resume pi").await;
    stage.about("suspended and resumed, which is no difference").types("job diff -f pi.yaml").await;
    stage.types("job diff -f ~/deadline.yaml").await;
    stage.set_down("west", true);
    stage.about("a cluster that cannot be asked");
    for file in ["pi.yaml", "~/deadline.yaml", "several/euler.yaml"] {
        stage.types(&format!("job diff -f {file}")).await;
    }
    stage.set_down("west", false);
    for command in ["job diff -f nowhere.yaml", "job diff", "job diff -f pi.yaml --context=mars"] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `job scale`.
pub async fn scale(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.types("job scale pi --parallelism=6 --dry-run=client").await;
    stage.types("job scale pi --parallelism=6 --dry-run=server").await;
    stage.types("job scale pi --parallelism 9").await;
    stage.types("job scale pi --replicas=9 --completions=18").await;
    stage.write("queue.yaml", &pi("  completions: 18\n", "").replace("name: pi", "name: queue"));
    stage.quietly("job create -f ~/queue.yaml").await;
    stage.about("a work queue").types("job scale queue --completions=3").await;
    stage.write(
        "small.yaml",
        &pi("parallelism: 9", "parallelism: 1").replace("completions: 18", "completions: 3"),
    );
    stage.quietly("job create -f ~/small.yaml -n away --create-namespace").await;
    // As if somebody had made the namespace in one cluster.
    let (config_map, key) = (("away", "pi.federated-job"), "kubectl-federate.dev/state");
    let state = stage.annotate(config_map, key, &Value::Null).await;
    let made = r#""createNamespace":true"#;
    assert!(state.as_str().is_some_and(|state| state.contains(made)), "{state}");
    let state = state.as_str().unwrap_or_default().replace(made, r#""createNamespace":false"#);
    stage.annotate(config_map, key, &state.into()).await;
    stage
        .about("a namespace that is missing where it would go")
        .types("job scale pi -n away --parallelism=3 --completions=9")
        .await;
    stage.about("no such job").types("job scale tau --replicas=3").await;
    for command in [
        "job scale pi",
        "job scale",
        "job scale pi --parallelism=-1",
        "job scale pi --parallelism=many",
        "job scale pi --parallelism=1 --replicas=1",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `job suspend` and `job resume`.
pub async fn suspend(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.write("suspended.yaml", &pi("  completions: 18", "  completions: 18\n  suspend: true"));
    stage.quietly("job create -f ~/suspended.yaml").await;
    stage.types("job suspend pi").await;
    stage.types("job resume pi --dry-run=client").await;
    stage.types("job get pi").await;
    stage.types("job resume pi").await;
    stage.types("job get pi").await;
    stage.about("again").types("job resume pi").await;
    stage.about("one of two").types("job resume tau pi").await;
    for command in ["job suspend", "job resume"] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `job edit`.
pub async fn edit(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.set("TMPDIR", "~");
    stage.set("KUBE_EDITOR", "sh ~/editor.sh");
    // Each editor keeps what it was given, to be shown.
    let keep = "cp \"$1\" \"$(dirname \"$1\")/given.txt\"\n";
    let edits = |script: &str| format!("{keep}{script}\n");
    stage.write("editor.sh", keep);
    stage.about("nothing is changed").types("job edit pi").await;
    stage.shows("given.txt");
    stage.types("job edit pi -o json").await;
    stage.shows("given.txt");
    stage.write("editor.sh", &edits("echo '# a remark' >> \"$1\""));
    stage.about("only a comment").types("job edit pi").await;
    stage.write("editor.sh", &edits(": > \"$1\""));
    stage.about("an empty file").types("job edit pi").await;
    stage.write(
        "editor.sh",
        &edits("sed -i.bak 's/^  completions.*/&\\n  activeDeadlineSeconds: 600/' \"$1\""),
    );
    stage.about("a change").types("job edit pi").await;
    stage.types("job get pi -o yaml").await;
    stage.write("editor.sh", &edits("sed -i.bak 's/perl:5.34.0/perl:5.36.0/' \"$1\""));
    stage.about("what is immutable is opened again, and given up").types("job edit pi").await;
    stage.shows("given.txt");
    stage.write(
        "editor.sh",
        &edits("sed -i.bak 's/^  activeDeadlineSeconds: .*/  activeDeadlineSeconds: -1/' \"$1\""),
    );
    stage.about("what the clusters refuse, too").types("job edit pi").await;
    stage.shows("given.txt");
    stage.write(
        "editor.sh",
        &edits("sed -i.bak 's/^  activeDeadlineSeconds: .*/  activeDeadlineSeconds: soon/' \"$1\""),
    );
    stage.about("and what cannot be read").types("job edit pi").await;
    stage.shows("given.txt");
    stage.write(
        "editor.sh",
        &edits("sed -i.bak 's/^  activeDeadlineSeconds:/  activeDeadlineSecond:/' \"$1\""),
    );
    stage.types("job edit pi").await;
    let mends = "if grep -q 'syntax error' \"$1\"\n\
                 then sed -i.bak 's/^spec: {$/spec:/; s/600/900/' \"$1\"\n\
                 else sed -i.bak 's/^spec:$/spec: {/' \"$1\"\nfi";
    stage.write("editor.sh", &edits(mends));
    stage.about("what is no YAML can be mended").types("job edit pi").await;
    stage.shows("given.txt");
    stage.set("KUBE_EDITOR", "false");
    stage.about("an editor that fails").types("job edit pi").await;
    stage.set("KUBE_EDITOR", "");
    stage.set("EDITOR", "no-such-editor --wait");
    stage.about("no editor").types("job edit pi").await;
    stage.set("EDITOR", "sh -c 'sed -i.bak s/900/950/ \"$1\"' editor");
    stage.about("an editor with words in quotes").types("job edit pi").await;
    stage.types("job edit tau").await;
    stage.types("job edit pi -o wide").await;
    stage.set_down("west", true);
    stage.set("EDITOR", "sh -c 'sed -i.bak s/950/960/ \"$1\"' editor");
    stage.about("a cluster is away: what is recorded is printed");
    stage.types("job edit pi -o yaml").await;
    stage.types("job patch pi -p '{\"spec\":{\"activeDeadlineSeconds\":970}}' -o name").await;
    stage.end(&snapshot);
}

/// `job patch`.
pub async fn patch(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    for command in [
        r#"job patch pi -p '{"spec":{"activeDeadlineSeconds":600}}' --dry-run=client"#,
        r#"job patch pi -p '{"spec":{"activeDeadlineSeconds":600}}' --dry-run=server"#,
        r#"job patch pi -p '{"spec":{"activeDeadlineSeconds":600}}'"#,
        r#"job patch pi -p '{"spec":{"activeDeadlineSeconds":600}}'"#,
        "job patch pi --patch 'metadata: {labels: {team: math}}'",
        "job patch pi --type=json \
         -p '[{\"op\":\"replace\",\"path\":\"/spec/activeDeadlineSeconds\",\"value\":900}]'",
        "job get pi -o yaml",
    ] {
        stage.types(command).await;
    }
    stage.write("patch.yaml", "spec:\n  activeDeadlineSeconds: null\n");
    stage.about("from a file").types("job patch pi --patch-file ~/patch.yaml").await;
    stage.about("what is refused");
    for command in [
        r#"job patch pi -p '{"metadata":{"name":"tau"}}'"#,
        r#"job patch pi -p '{"spec":{"template":{"spec":{"nodeSelector":{"disk":"ssd"}}}}}'"#,
        r#"job patch pi -p '{"spec":{"template":{"spec":{"restartPolicy":"OnFailure"}}}}'"#,
        r#"job patch pi -p '{"spec":{"backoffLimit":-1}}'"#,
        r#"job patch pi -p '{"spec":{"parallelism":"many"}}'"#,
        r#"job patch pi -p '{"spec":{"backoffLimit":"many"}}'"#,
        r#"job patch pi -p '{"spec":{"template":{"spec":{"containers":{}}}}}'"#,
        r#"job patch pi -p '{"spec":{"backofLimit":1}}'"#,
        r#"job patch pi -p '{"spec":{"template":{"spec":{"restartsPolicy":"Never"}}}}'"#,
        r#"job patch pi --type=json -p '[{"op":"test","path":"/spec/completions","value":1}]'"#,
        r#"job patch pi --type=json -p '[{"op":"remove","path":"/spec/nothing"}]'"#,
        r#"job patch pi --type=json -p '{"spec":{}}'"#,
        "job patch pi -p '[]'",
        "job patch pi -p '{'",
        "job patch pi -p ''",
        "job patch pi",
        "job patch pi --patch-file nowhere.yaml",
        "job patch pi --type=strategic -p '{}'",
        "job patch pi --type=three-way -p '{}'",
        "job patch tau -p '{}'",
        "job patch",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// `--recreate` stops pods that run, and is asked about.
pub async fn recreate(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    for name in ["east", "west", "north"] {
        stage.cluster(name).settle();
    }
    let pi = std::fs::read_to_string("pi.yaml").expect("it is there");
    stage.write("image.yaml", &pi.replace("perl:5.34.0", "perl:5.36.0"));
    let apply = "job apply -f ~/image.yaml --recreate";
    stage.about("nobody to ask").types(apply).await;
    stage.types("job get pi").await;
    stage.about("what would be done").types(&format!("{apply} --dry-run=client")).await;
    stage.about("Enter alone").answers(apply, "\n").await;
    stage.set_down("west", true);
    stage.about("a cluster does not answer").answers(apply, "no\n").await;
    stage.set_down("west", false);
    let labels = "'spec: {template: {metadata: {labels: {a: b}}}}'";
    stage.about("a patch").types(&format!("job patch pi --recreate -p {labels}")).await;
    stage.about("yes").answers(apply, "yes\n").await;
    stage.about("again, and nothing changes").types(apply).await;
    stage.about("without a question").types("job apply -f pi.yaml --recreate --yes").await;
    stage.about("its shards are stopped already").types("job suspend pi").await;
    stage.types(apply).await;
    stage.about("a new job").types("job apply -f several/euler.yaml --recreate").await;
    stage.about("without --recreate").types("job apply -f pi.yaml --yes").await;
    stage.end(&snapshot);
}
