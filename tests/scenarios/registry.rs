//! The federation itself: its host and its members.

use kubectl_federate::state;
use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::LIMITED;
use crate::stage::{MEMBERS, Stage, job};

const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("registry")
        .both_from_nothing("without a registry each command names init", no_registry)
        .both_from_nothing("init twice is init once, and remembers the host", init_twice)
        .both_from_nothing("without members there is nobody to take work", no_members)
        .both_from_nothing("a cluster is registered once, under one name", registered_once)
        .both_from_nothing("a name is taken from the context, or must be a label", names)
        .both_from_nothing("two clusters that are registered at once are both there", side_by_side)
        .both_from_nothing(
            "a cluster that carries a shard of a job cannot be unregistered",
            unregister,
        )
        .both_from_nothing(
            "a cluster can be unregistered once all its jobs have ended and are recorded",
            unregister_after_the_end,
        )
        .both_from_nothing("a member that is being unregistered gets no work", leaving)
        .both_from_nothing("a damaged or newer registry is refused, by its name", damaged)
        .both_from_nothing("registering says which rights are missing", missing_rights)
        .both("clusters are listed, and one that does not answer is Unknown", listed)
}

async fn init(stage: &Stage) {
    stage.federate("init --context=host").await.ok();
}

async fn no_registry(stage: &Stage) -> Outcome {
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    for command in [
        "job get",
        "job create -f pi.yaml",
        "cluster list",
        "cluster register east",
        "reconcile",
        "job delete pi",
    ] {
        stage
            .federate(&format!("{command} --context=host"))
            .await
            .fails("error: cluster \"host\" holds no federation")
            .warns("kubectl federate init");
    }
    stage.federate("job get").await.fails("error: ");
    Ok(())
}

async fn init_twice(stage: &Stage) -> Outcome {
    let first = stage.federate("init --context=host").await.ok();
    assert_eq!(first.stdout, "federation initialized in host cluster \"host\"\n");
    let registry = stage.site("host").api.get(REGISTRY).await?;
    let second = stage.federate("init --context=host").await.ok();
    assert_eq!(second.stdout, "federation unchanged in host cluster \"host\"\n");
    assert_eq!(stage.site("host").api.get(REGISTRY).await?, registry);
    let system = stage.site("host").api.get("/api/v1/namespaces/kube-system").await?;
    let config = std::fs::read_to_string(stage.path("federate.yaml"))?;
    let uid = system["metadata"]["uid"].as_str().unwrap_or("no uid");
    assert!(config.contains("context: host\n") && config.contains(uid), "{config}");
    stage.federate("cluster list").await.ok().warns("No clusters registered.");
    Ok(())
}

async fn no_members(stage: &Stage) -> Outcome {
    init(stage).await;
    let before = stage.mark().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("no clusters are registered");
    stage.assert_nothing_of("pi", &before).await
}

async fn registered_once(stage: &Stage) -> Outcome {
    init(stage).await;
    let registered = stage.federate("cluster register east --label=zone=asia").await.ok();
    assert_eq!(registered.stdout, "cluster/east registered\n");
    stage
        .federate("cluster register orient --cluster-context=east")
        .await
        .fails("error: this cluster is registered already, as \"east\"");
    stage
        .federate("cluster register east --cluster-context=west")
        .await
        .fails("error: another cluster is registered as \"east\" already, with context \"east\"");
    stage.federate("cluster register moon").await.fails("context \"moon\" does not exist");
    let list: Value =
        serde_json::from_str(&stage.federate("clusters list -o json").await.ok().stdout)?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["metadata"]["labels"], json!({"zone": "asia"}));
    Ok(())
}

async fn names(stage: &Stage) -> Outcome {
    stage.contexts(&[("host", "host"), ("admin@East:6443", "east"), ("west", "west")], "admin")?;
    init(stage).await;
    stage
        .federate("cluster register West_1 --cluster-context=west")
        .await
        .fails("error: \"West_1\" cannot be a cluster's name")
        .warns("kubectl federate cluster register west-1 ");
    let derived = stage.federate("cluster register --cluster-context=admin@East:6443").await.ok();
    assert_eq!(derived.stdout, "cluster/admin-east-6443 registered\n");
    stage.create(&job("pi", Some(1), Some(1))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/1"]);
    Ok(())
}

async fn side_by_side(stage: &Stage) -> Outcome {
    init(stage).await;
    let [east, west, north] = MEMBERS.map(|member| format!("cluster register {member}"));
    let (east, west, north) =
        tokio::join!(stage.federate(&east), stage.federate(&west), stage.federate(&north));
    for registered in [east, west, north] {
        registered.ok();
    }
    let names = stage.federate("cluster list -o name").await.ok();
    assert_eq!(names.stdout.lines().count(), 3, "{names:#?}");
    let (one, two) = tokio::join!(
        stage.federate("cluster unregister east"),
        stage.federate("cluster register second --cluster-context=host"),
    );
    one.ok();
    two.ok();
    let names = stage.federate("cluster list -o name").await.ok();
    for (name, there) in [("east", false), ("west", true), ("north", true), ("second", true)] {
        assert_eq!(names.stdout.contains(name), there, "{names:#?}");
    }
    Ok(())
}

async fn unregister(stage: &Stage) -> Outcome {
    init(stage).await;
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let namespace = &stage.namespace;
    let refused = stage.federate("cluster unregister west").await;
    refused.fails(&format!("error: cluster \"west\" carries a shard of {namespace}/pi"));
    stage.federate("job delete pi --cascade=background").await.ok();
    let gone = stage.federate("cluster unregister west").await.ok();
    assert_eq!(gone.stdout, "cluster \"west\" unregistered\n");
    stage
        .federate("cluster unregister west")
        .await
        .fails("error: cluster \"west\" is not registered");
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2"]);
    Ok(())
}

async fn unregister_after_the_end(stage: &Stage) -> Outcome {
    init(stage).await;
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    let refused = stage.federate("cluster unregister west").await;
    refused.fails("carries a shard of");
    stage.federate("reconcile pi").await.ok().says("Complete 6/6");
    stage.federate("cluster unregister west").await.ok();
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    stage
        .federate("job delete pi --cascade=background")
        .await
        .ok()
        .warns("[west] job.batch/pi: could not be asked: its cluster is not registered any more");
    assert_eq!(stage.record("pi").await?, None);
    assert_eq!(stage.shares("pi").await?, ["west 1/2"], "what is in a cluster that left stays");
    Ok(())
}

async fn leaving(stage: &Stage) -> Outcome {
    init(stage).await;
    for member in ["east", "west"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let host = &stage.site("host").api;
    let key = "member.kubectl-federate.dev/west";
    let registry = host.get(REGISTRY).await?;
    let member = registry["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let marked = member.replace("\"ready\"", "\"leaving\"");
    assert_ne!(marked, member);
    host.patch(REGISTRY, &json!({"metadata": {"annotations": {key: marked}}})).await?;
    stage.federate("cluster list").await.ok().says("Leaving");
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2/4"]);
    let taken_back = stage.federate("cluster register west").await.ok();
    assert_eq!(taken_back.stdout, "cluster/west configured\n");
    stage.create(&job("tau", Some(2), Some(4))).await?.ok();
    assert_eq!(stage.shares("tau").await?, ["east 1/2", "west 1/2"]);
    stage.federate("cluster unregister west").await.fails("carries a shard of");
    stage.federate("cluster list").await.ok().says("Ready");
    let list = stage.federate("cluster list").await.ok();
    assert!(!list.stdout.contains("Leaving"), "a refusal takes the mark back: {list:#?}");
    // One that was to get no work gets none after the refusal either.
    let marked = member.replace("\"ready\"", "\"leaving\",\"stateBefore\":\"cordoned\"");
    host.patch(REGISTRY, &json!({"metadata": {"annotations": {key: marked}}})).await?;
    stage.federate("cluster unregister west").await.fails("carries a shard of");
    stage.federate("cluster list").await.ok().says("Cordoned");
    Ok(())
}

async fn damaged(stage: &Stage) -> Outcome {
    init(stage).await;
    stage.federate("cluster register east").await.ok();
    let api = &stage.site("host").api;
    let set = async |key: &str, value: &str| {
        api.patch(REGISTRY, &json!({"metadata": {"annotations": {key: value}}})).await
    };
    let whole = api.get(REGISTRY).await?["metadata"]["annotations"].take();
    let object = "configmap kubectl-federate/federation";
    let newer = state::VERSION + 1;
    let (settings, has_version) =
        (json!({"version": newer}).to_string(), format!("has version {newer}"));
    for (key, value, explained) in [
        (
            "member.kubectl-federate.dev/east",
            "{}",
            "is damaged: annotation \"member.kubectl-federate.dev/east\"",
        ),
        (
            "kubectl-federate.dev/settings",
            "[]",
            "is damaged: annotation \"kubectl-federate.dev/settings\"",
        ),
        ("kubectl-federate.dev/settings", &settings, &has_version),
    ] {
        set(key, value).await?;
        stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
        let before = stage.mark().await?;
        for command in [
            "job get",
            "job create -f pi.yaml",
            "cluster list",
            "cluster register west",
            "init --context=host",
        ] {
            stage.federate(command).await.fails(&format!("error: {object} {explained}"));
        }
        assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
        set(key, whole[key].as_str().unwrap_or_default()).await?;
    }
    stage.federate("cluster list").await.ok().says("east");
    Ok(())
}

async fn missing_rights(stage: &Stage) -> Outcome {
    init(stage).await;
    let rule = |resources: &[&str], verbs: &[&str]| {
        json!([{"apiGroups": ["", "batch"],
        "resources": resources, "verbs": verbs}])
    };
    let (host, west) = (stage.site("host"), stage.site("west"));
    host.grant(None, rule(&["namespaces"], &["get"])).await?;
    host.grant(Some("kubectl-federate"), rule(&["configmaps"], &["get", "patch"])).await?;
    west.grant(None, rule(&["namespaces"], &["get"])).await?;
    stage.contexts(&[("host", "host"), ("west", "west")], LIMITED)?;
    let registered = stage.federate("cluster register west").await.ok();
    let here = format!("in namespace {}: ", stage.namespace);
    registered
        .warns(&format!(
            "Warning: [west] may not create jobs.batch {here}it cannot be given work\n"
        ))
        .warns(&format!(
            "Warning: [west] may not patch jobs.batch/status {here}work cannot be taken off it \
             once it runs\n"
        ));
    // Rights in the namespace are enough.
    let verbs = ["list", "get", "watch", "create", "patch", "delete"];
    west.grant(
        Some(&stage.namespace),
        rule(&["jobs", "jobs/status", "pods", "pods/log", "events"], &verbs),
    )
    .await?;
    let registered = stage.federate("cluster register west").await.ok();
    assert_eq!(registered.stderr, "");
    let elsewhere = stage.federate("cluster register west -n kubectl-federate").await.ok();
    elsewhere.warns("may not list jobs.batch in namespace kubectl-federate: nothing can be known");
    Ok(())
}

async fn listed(stage: &Stage) -> Outcome {
    let all = stage.federate("cluster list").await.ok().stdout;
    let rows: Vec<Vec<_>> = all.lines().map(|line| line.split_whitespace().collect()).collect();
    let columns = ["NAME", "STATE", "VERSION", "CONTEXT", "WEIGHT", "JOBS", "PODS", "AGE"];
    assert_eq!(rows[0], columns);
    for (row, name) in rows[1..].iter().zip(["east", "north", "west"]) {
        let version = stage.site(name).api.get("/version").await?["gitVersion"].take();
        assert_eq!(row[..5], [name, "Ready", version.as_str().unwrap_or_default(), name, "1"]);
    }
    stage.site("west").link.cut().await?;
    let one_silent = stage.federate("cluster list").await.ok().warns("Warning: [west] ");
    let row = one_silent.stdout.lines().find(|line| line.starts_with("west")).unwrap_or_default();
    assert_eq!(row.split_whitespace().nth(1), Some("Unknown"), "{one_silent:#?}");
    Ok(())
}
