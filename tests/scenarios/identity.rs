//! The right cluster: each is known by the uid of its `kube-system` namespace.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::{Mark, Site};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("identity")
        .both_from_nothing(
            "where a member's context leads elsewhere, nothing is written there",
            wrong_member,
        )
        .both_from_nothing(
            "where the remembered host's context leads elsewhere, nothing is written there",
            wrong_host,
        )
        .both_from_nothing(
            "a registry that was copied to another cluster is not used there",
            copied_registry,
        )
        .both_from_nothing(
            "a member whose certificate does not fit is refused at create, and Unknown later",
            distrusted,
        )
        .both_from_nothing(
            "a shard stays with its cluster when another one is registered under its name",
            registered_anew,
        )
        .sim("a member that leaves while a job is created gets no shard", leaves_during_create)
        .both_from_nothing(
            "one's own context for a member is used in place of the registered one",
            own_context,
        )
        .both_from_nothing(
            "cluster match finds the members among contexts of other names",
            other_names,
        )
        .both_from_nothing("the clusters of all contexts are registered, each once", all_contexts)
}

async fn other_names(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    // Of another user: no context has the registered name, and "west" leads to another cluster.
    let theirs = [("h", "host"), ("my-east", "east"), ("west", "north"), ("second", "east")];
    stage.contexts(&theirs, "admin")?;
    stage.federate("init --context=h").await.ok();
    let got = stage.federate("job get pi").await.ok().says("Unknown");
    for name in ["east", "west"] {
        let advised = format!("`kubectl federate cluster match {name}`");
        assert!(got.stderr.contains(&advised), "{got:#?}");
    }
    let orphans = stage.federate("orphans list").await;
    orphans.fails("").warns("`kubectl federate cluster match west`");
    let matched = stage.federate("cluster match").await;
    let matched = matched
        .fails("1 of 2 clusters cannot be reached by your contexts")
        .says("cluster/east matched by context \"my-east\"")
        .warns("Warning: [west] none of your contexts leads to it");
    assert!(matched.stderr.contains("context \"second\" leads to it, too"), "{matched:#?}");
    stage.contexts(&[("h", "host"), ("my-east", "east"), ("w", "west")], "admin")?;
    stage.federate("cluster match west").await.ok().says("cluster/west matched by context \"w\"");
    stage.federate("cluster match").await.ok().says("cluster/west unchanged");
    let got = stage.federate("job get pi").await.ok().says("Running   0/4");
    assert_eq!(got.stderr, "");
    stage.federate("job scale pi --completions=6").await.ok();
    stage.federate("cluster match nobody").await.fails("cluster \"nobody\" is not registered");
    // What others use stays as it was.
    let shown = stage.federate("cluster list -o json").await.ok().stdout;
    let shown: Value = serde_json::from_str(&shown)?;
    assert!(shown.to_string().contains("west"), "{shown:#}");
    std::fs::remove_file(stage.path("federate.yaml"))?;
    stage.contexts(&RIGHT, "admin")?;
    let got = stage.federate("job get pi --context=host").await.ok().says("Running   0/6");
    assert_eq!(got.stderr, "");
    Ok(())
}

async fn all_contexts(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    stage.federate("cluster register east --weight=2").await.ok();
    let contexts = [
        ("My_East", "east"),
        ("east", "east"),
        ("host", "host"),
        ("north", "north"),
        ("west", "west"),
    ];
    stage.contexts(&contexts, "admin")?;
    stage.site("north").link.cut().await?;
    let registered = stage.federate("cluster register --all-contexts").await;
    let registered = registered
        .fails("error: context \"north\": The connection to the server")
        .says("cluster/east unchanged")
        .says("cluster/host registered")
        .says("cluster/west registered");
    assert!(registered.stderr.contains("context \"east\" leads to the same"), "{registered:#?}");
    let lines = registered.stdout.lines().count();
    assert_eq!(lines, 3, "{registered:#?}");
    stage.site("north").link.restore().await?;
    // A name that cannot be registered does not keep the others from it.
    let several = stage.federate("cluster register nowhere north host --label=a=b").await;
    let several = several
        .fails("cluster/nowhere was not registered: context \"nowhere\" does not exist")
        .says("cluster/north registered")
        .says("cluster/host configured");
    assert!(several.stderr.contains("cluster/host: label a=b added"), "{several:#?}");
    Ok(())
}

/// Fails unless a cluster was asked who it is, and nothing was sent there besides but reads: no dry
/// run either.
async fn assert_only_read(site: &Site, since: Mark) -> Outcome {
    let requests: Vec<_> =
        site.requests(since).await?.into_iter().map(|request| request.what).collect();
    assert!(requests.iter().any(|what| what == "get namespaces/kube-system"), "{requests:?}");
    let is_read = |what: &String| what.starts_with("get ") || what.starts_with("list ");
    assert!(requests.iter().all(is_read), "{requests:?}");
    Ok(())
}

const RIGHT: [(&str, &str); 4] =
    [("host", "host"), ("east", "east"), ("west", "west"), ("north", "north")];
const WEST_IS_NORTH: [(&str, &str); 3] = [("host", "host"), ("east", "east"), ("west", "north")];

async fn federation_of_two(stage: &Stage) {
    stage.federate("init --context=host").await.ok();
    stage.federate("cluster register east").await.ok();
    stage.federate("cluster register west").await.ok();
}

async fn wrong_member(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    let explained = "cluster \"west\" is not the one that was registered: the uid of its \
        kube-system namespace is";
    let north = stage.site("north");
    stage.contexts(&WEST_IS_NORTH, "admin")?;
    let mark = north.mark().await?;
    stage.create(&job("pi", Some(2), Some(4))).await?.fails("nothing was created").warns(explained);
    assert_eq!(stage.shares("pi").await?, Vec::<String>::new());
    stage.federate("cluster list").await.ok().warns(explained);
    assert_only_read(north, mark).await?;
    stage.contexts(&RIGHT, "admin")?;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "west 1/2"]);
    stage.contexts(&WEST_IS_NORTH, "admin")?;
    north.create("jobs", &job("pi", Some(1), Some(1))).await?;
    let mark = north.mark().await?;
    stage.federate("job get pi").await.warns(explained).says("Running,Unknown");
    stage.federate("reconcile pi").await.fails("1 of 2 clusters").warns(explained);
    stage
        .federate("job delete pi --cascade=background")
        .await
        .fails(": 1 cluster ")
        .warns(explained);
    assert_only_read(north, mark).await?;
    assert_eq!(stage.shares("pi").await?, ["north 1/1", "west 1/2"]);
    Ok(())
}

/// Has the kubeconfig trust another authority for west than its server's.
fn distrust_west(stage: &Stage) -> Outcome {
    use base64::Engine as _;
    let mut config: Value =
        serde_json::from_str(&std::fs::read_to_string(stage.path("kubeconfig"))?)?;
    let other = rcgen::generate_simple_self_signed(vec!["somebody.else".to_owned()])?.cert.pem();
    let clusters = config["clusters"].as_array_mut().into_iter().flatten();
    for west in clusters.filter(|cluster| cluster["name"] == "west") {
        let authority = base64::engine::general_purpose::STANDARD.encode(&other);
        west["cluster"]["certificate-authority-data"] = authority.into();
    }
    Ok(std::fs::write(stage.path("kubeconfig"), config.to_string())?)
}

async fn distrusted(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    stage.create(&job("tau", Some(2), Some(4))).await?.ok();
    let before = stage.mark().await?;
    distrust_west(stage)?;
    let words = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    let refused = stage.create(&job("pi", Some(2), Some(4))).await?;
    refused
        .fails("nothing was created: 1 of 2 clusters refused")
        .warns(&format!("{words} (cluster west)"));
    stage.assert_nothing_of("pi", &before).await?;
    stage
        .federate("reconcile tau")
        .await
        .fails("1 of 2 clusters could not be asked")
        .says("Running,Unknown 0/4");
    stage.contexts(&RIGHT, "admin")?;
    assert_eq!(stage.shares("tau").await?, ["east 1/2", "west 1/2"]);
    stage.federate("reconcile tau").await.ok().says("Running 0/4");
    Ok(())
}

async fn wrong_host(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    let north = stage.site("north");
    stage.contexts(&[("host", "north"), ("east", "east"), ("west", "west")], "admin")?;
    stage.write("pi.yaml", &job("tau", Some(2), Some(4)))?;
    let (before, mark) = (stage.mark().await?, north.mark().await?);
    for command in [
        "job get",
        "job create -f pi.yaml",
        "job delete pi",
        "reconcile",
        "cluster unregister east",
    ] {
        stage
            .federate(command)
            .await
            .fails("cluster \"host\" is not the one that was registered")
            .warns("The host was another cluster when it was remembered");
    }
    assert_only_read(north, mark).await?;
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert!(stage.record("pi").await?.is_some());
    Ok(())
}

async fn copied_registry(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    let (host, north) = (stage.site("host"), stage.site("north"));
    let place = "/api/v1/namespaces/kubectl-federate/configmaps";
    let registry = host.api.get(&format!("{place}/federation")).await?;
    let metadata =
        json!({"name": "federation", "annotations": registry["metadata"]["annotations"]});
    let namespace = json!({"metadata": {"name": "kubectl-federate"}});
    match north.api.create("/api/v1/namespaces", &namespace).await {
        Err(error) if error.code() != Some(409) => return Err(error.into()),
        _ => {}
    }
    north.api.create(place, &json!({"metadata": metadata})).await?;
    stage.write("pi.yaml", &job("pi", Some(2), Some(4)))?;
    let before = stage.mark().await?;
    for command in ["job create -f pi.yaml", "reconcile", "cluster register north", "init"] {
        stage
            .federate(&format!("{command} --context=north"))
            .await
            .fails("cluster \"north\" is not the one that was registered");
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    north.api.delete(&format!("{place}/federation"), &json!({})).await?;
    Ok(())
}

const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";
const WEST: &str = "member.kubectl-federate.dev/west";
const ANEW: &str = "cluster \"west\" was registered anew as another cluster";

/// A patch of the registry after which the name `west` stands for the cluster of `north`.
async fn west_becomes_north(stage: &Stage) -> Result<Value, libtest_mimic::Failed> {
    let system = stage.site("north").api.get("/api/v1/namespaces/kube-system").await?;
    let member = json!({
        "context": "north", "uid": system["metadata"]["uid"], "weight": 1, "state": "ready",
        "registered": 1,
    });
    Ok(json!({"metadata": {"annotations": {
        WEST: member.to_string(), "member.kubectl-federate.dev/north": null,
    }}}))
}

async fn registered_anew(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    stage.host().api.patch(REGISTRY, &west_becomes_north(stage).await?).await?;
    let north = stage.site("north");
    let mark = north.mark().await?;
    stage.federate("job get pi").await.says("Running,Unknown").warns(ANEW);
    for command in ["reconcile pi", "reconcile pi --reopen"] {
        stage.federate(command).await.fails("1 of 2 clusters").warns(ANEW);
    }
    stage.federate("job describe pi").await.ok().says(ANEW);
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "west 1/2"]);
    stage.site("east").succeed("pi", 2).await?;
    stage.until_row("pi", "Running,Unknown 2/4").await;
    stage.federate("job delete pi --cascade=background").await.fails(ANEW);
    assert_eq!(stage.shares("pi").await?, ["west 1/2"], "what is elsewhere is not deleted");
    assert_eq!(north.mutations(mark).await?, Vec::<String>::new());
    Ok(())
}

async fn leaves_during_create(stage: &Stage) -> Outcome {
    let change = west_becomes_north(stage).await?;
    let host = stage.host().cluster().clone();
    let once = std::sync::Once::new();
    stage.host().cluster().on_request(move |request| {
        if request.resource == "configmaps" && request.verb == "create" && request.mutating {
            once.call_once(|| {
                host.patch(&sim::CONFIG_MAPS, "kubectl-federate", "federation", change.clone())
                    .expect("there is a registry");
            });
        }
        sim::Verdict::Pass
    });
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 2 clusters").warns(ANEW);
    assert_eq!(stage.shares("pi").await?, ["east 1/2"], "no other is made");
    stage.site("east").succeed("pi", 2).await?;
    // What was planned for clusters that left has run nothing: those that are members now do it.
    stage.federate("reconcile pi").await.ok();
    stage.federate("reconcile pi --reopen").await.ok();
    let shares = stage.shares("pi").await?;
    assert!(shares.iter().all(|share| !share.starts_with("west ")), "it has left: {shares:?}");
    work_until(stage, "pi", "Complete 6/6").await
}

async fn own_context(stage: &Stage) -> Outcome {
    federation_of_two(stage).await;
    stage.contexts(&[("host", "host"), ("east", "east"), ("mine", "west")], "admin")?;
    stage.create(&job("pi", Some(2), Some(4))).await?.fails("context \"west\" does not exist");
    let config = std::fs::read_to_string(stage.path("federate.yaml"))?;
    std::fs::write(stage.path("federate.yaml"), format!("{config}contexts:\n  west: mine\n"))?;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "west 1/2"]);
    stage.site("west").patch("jobs", "pi", &json!({"spec": {"suspend": true}})).await?;
    stage.federate("job describe pi").await.ok().says("kubectl --context=mine ");
    Ok(())
}
