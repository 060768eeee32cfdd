//! The right cluster: each is known by the uid of its `kube-system` namespace.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::{Mark, Site};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("identity")
        .both_from_nothing(
            "where a member's context leads elsewhere, nothing is sent there",
            wrong_member,
        )
        .both_from_nothing(
            "where the remembered host's context leads elsewhere, nothing is sent there",
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
}

/// Fails if anything but who it is has been asked of a cluster.
async fn assert_asked_only_who_it_is(site: &Site, since: Mark) -> Outcome {
    let requests: Vec<_> =
        site.requests(since).await?.into_iter().map(|request| request.what).collect();
    assert!(!requests.is_empty(), "it was asked who it is");
    assert!(requests.iter().all(|what| what == "get namespaces/kube-system"), "{requests:?}");
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
    stage.federate("cluster list").await.fails("1 of 2 clusters").warns(explained);
    assert_asked_only_who_it_is(north, mark).await?;
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
    assert_asked_only_who_it_is(north, mark).await?;
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
            .warns("`kubectl federate init` remembered another cluster under this context");
    }
    assert_asked_only_who_it_is(north, mark).await?;
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
    stage.federate("job delete pi").await.ok().warns("kubectl --context=mine ");
    Ok(())
}
