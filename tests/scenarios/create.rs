//! What `job create` takes, refuses, and makes.

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::LIMITED;
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("create")
        .both(
            "a job that was fetched from a cluster is taken as if it were written by hand",
            fetched,
        )
        .both(
            "a generated name is the same in every cluster, also in one that is reached later",
            generated_name,
        )
        .both("a job that sets its own completion index is warned of and taken as it is", own_index)
        .both("a time to live does not delete a shard before its result was seen", time_to_live)
        .both("a manifest of half a megabyte is kept, compressed", large_manifest)
        .both("several documents are all rehearsed before the first is written", several_documents)
        .both("a name that is taken in one cluster is refused before any write", name_taken)
        .both("a job that is there already is not created twice", twice)
        .both("a missing namespace is refused in the server's words", missing_namespace)
        .both("a missing namespace is created everywhere where that is asked for", create_namespace)
        .both("an unknown field is refused in the server's words", unknown_field)
        .both("an unknown field passes where the user lets it", unknown_field_that_passes)
        .both("an invalid job is refused in the server's words", invalid_job)
        .both("a dry run writes nothing", dry_run)
        .both(
            "who may not create jobs in one cluster is refused, with the right that is missing",
            limited_user,
        )
        .sim("a server that drops what keeps a shard from running at once is refused", old_server)
        .sim(
            "a job of that name that appears after the rehearsal is left alone",
            appears_after_rehearsal,
        )
}

async fn fetched(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    east.create("jobs", &job("pi", Some(3), Some(6))).await?;
    let mut fetched =
        east.until_job("pi", "it runs", |job| job["status"]["startTime"].is_string()).await;
    assert!(
        fetched["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/controller-uid"]
            .is_string()
    );
    fetched["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "cron", "uid": "9dd1"}]);
    east.delete("pi").await?;
    stage.create(&fetched).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    for site in stage.members() {
        let made = site.job("pi").await?;
        assert_eq!(made["metadata"].get("ownerReferences"), None);
        assert_ne!(made["metadata"]["uid"], fetched["metadata"]["uid"]);
        let uid = &made["metadata"]["uid"];
        assert_eq!(
            made["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"],
            *uid
        );
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn generated_name(stage: &Stage) -> Outcome {
    let mut unnamed = job("pi", Some(3), Some(3));
    unnamed["metadata"] = json!({"generateName": "pi-"});
    let west = stage.site("west");
    west.link.cut().await?;
    let created = stage.create(&unnamed).await?.fails("1 of 3 clusters could not be asked");
    let name = created.stdout.trim().trim_start_matches("job.batch/").trim_end_matches(" created");
    assert!(name.starts_with("pi-") && name.len() == 8, "{name}");
    assert_eq!(stage.shares(name).await?, ["east 1/1", "north 1/1"]);
    west.link.restore().await?;
    stage.federate("reconcile").await.ok();
    assert_eq!(stage.shares(name).await?, ["east 1/1", "north 1/1", "west 1/1"]);
    Ok(())
}

async fn large_manifest(stage: &Stage) -> Outcome {
    let mut large = job("pi", Some(3), Some(6));
    let lines = (0..50_000).map(|n| format!("echo {n}")).collect::<Vec<_>>().join("; ");
    large["spec"]["template"]["spec"]["containers"][0]["args"] = json!([lines]);
    stage.create(&large).await?.ok();
    let record = stage.record("pi").await?.unwrap_or_default();
    assert!(record["binaryData"]["kubectl-federate.dev_manifest"].is_string());
    assert!(record["metadata"]["annotations"]["shard.kubectl-federate.dev/1"].is_string());
    let args = "/spec/template/spec/containers/0/args/0";
    assert_eq!(stage.get("pi").await?.pointer(args), Some(&json!(lines)));
    stage.federate("job scale pi --parallelism=6").await.ok();
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn own_index(stage: &Stage) -> Outcome {
    let mut own = job("pi", Some(3), Some(6));
    own["spec"]["completionMode"] = "Indexed".into();
    let variable = json!([{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]);
    own["spec"]["template"]["spec"]["containers"][0]["env"] = variable.clone();
    stage.create(&own).await?.ok().warns(
        "Warning: job.batch/pi: spec.template.spec.containers[0].env[0] sets JOB_COMPLETION_INDEX: \
         the container sees that, and not the index of its pod\n",
    );
    for site in stage.members() {
        site.until_pods("pi", 1).await;
        assert_eq!(
            site.pods("pi").await?[0]["spec"]["containers"][0]["env"],
            variable,
            "{}",
            site.name
        );
    }
    Ok(())
}

/// Servers before 1.21 know neither `suspend` nor `completionMode`.
async fn old_server(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    for (field, value) in [("suspend", json!(true)), ("completionMode", json!("Indexed"))] {
        west.cluster().on_request(move |request| {
            if (request.verb, request.resource.as_str()) != ("create", "jobs") {
                return sim::Verdict::Pass;
            }
            let mut stored = request.json();
            stored["metadata"]["uid"] = "u".into();
            stored["spec"].as_object_mut().expect("a spec").remove(field);
            let answer =
                http::Response::builder().status(201).header("content-type", "application/json");
            sim::Verdict::Answer(
                sim::When::Before,
                answer.body(stored.to_string().into()).expect("it is whole"),
            )
        });
        let before = stage.mark().await?;
        let mut job = job("pi", Some(3), Some(6));
        job["spec"][field] = value;
        let refused = stage.create(&job).await?.fails("nothing was created");
        let refused = refused.warns(&format!("spec.{field}: this server does not keep it"));
        refused.warns("(cluster west)");
        stage.assert_nothing_of("pi", &before).await?;
    }
    Ok(())
}

async fn time_to_live(stage: &Stage) -> Outcome {
    let mut fleeting = job("pi", Some(3), Some(3));
    fleeting["spec"]["ttlSecondsAfterFinished"] = 0.into();
    stage.create(&fleeting).await?.ok();
    for site in stage.members() {
        assert_eq!(site.job("pi").await?["spec"].get("ttlSecondsAfterFinished"), None);
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Complete 3/3").await;
    assert_eq!(stage.shares("pi").await?.len(), 3);
    assert_eq!(
        stage.get("pi").await?["spec"]["ttlSecondsAfterFinished"],
        0,
        "it prints as submitted"
    );
    Ok(())
}

async fn several_documents(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    let mut broken = job("tau", Some(3), Some(3));
    broken["spec"]["template"]["spec"]["restartPolicy"] = "Always".into();
    let two = format!("{}\n---\n{broken}\n", job("pi", Some(3), Some(3)));
    std::fs::write(stage.path("two.yaml"), two)?;
    stage.federate("job create -f two.yaml").await.fails("The Job \"tau\" is invalid");
    stage.assert_nothing_of("pi", &before).await?;
    stage.write(
        "two.yaml",
        &json!({
            "apiVersion": "v1", "kind": "List", "items": [job("pi", Some(3), Some(3)), job("tau",
                Some(3), Some(3))],
        }),
    )?;
    let created = stage.federate("job create -f two.yaml").await.ok();
    assert_eq!(created.stdout, "job.batch/pi created\njob.batch/tau created\n");
    assert_eq!(stage.shares("tau").await?.len(), 3);
    Ok(())
}

/// The object without what changes with each write by its controller.
fn stable(mut object: Value) -> Value {
    object["metadata"]["managedFields"].take();
    object["metadata"]["resourceVersion"].take();
    object["status"].take();
    object
}

async fn name_taken(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    let foreign = stable(west.create("jobs", &job("pi", Some(1), Some(1))).await?);
    let before = stage.mark().await?;
    let refused = stage.create(&job("pi", Some(9), Some(18))).await?;
    refused
        .fails("Error from server (AlreadyExists): error when creating")
        .warns("jobs.batch \"pi\" already exists (cluster west)")
        .warns("error: nothing was created");
    stage.assert_nothing_of("pi", &before).await?;
    assert_eq!(stable(west.job("pi").await?), foreign);
    Ok(())
}

async fn appears_after_rehearsal(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    let (cluster, namespace) = (west.cluster().clone(), stage.namespace.clone());
    let made = std::sync::Once::new();
    // The record is written after the rehearsal and before any member.
    stage.site("east").cluster().on_request(move |request| {
        if request.resource == "configmaps" && request.verb == "create" && request.mutating {
            made.call_once(|| {
                let foreign = job("pi", Some(1), Some(1));
                cluster.create(&sim::JOBS, &namespace, foreign).expect("the name is free");
            });
        }
        sim::Verdict::Pass
    });
    let created = stage.create(&job("pi", Some(9), Some(18))).await?;
    let explained = "[west] job.batch/pi: Pending: jobs.batch \"pi\" in namespace \"work\" exists \
        already and is not part of this federated job";
    created.fails("1 of 3 clusters refused").warns(explained);
    let foreign = west.job("pi").await?;
    assert_eq!(foreign["spec"]["parallelism"], 1);
    assert_eq!(foreign["metadata"]["labels"].get("kubectl-federate.dev/job"), None);
    for name in ["east", "north"] {
        stage.site(name).until_pods("pi", 3).await;
    }
    stage.federate("reconcile pi").await.fails(explained);
    west.delete("pi").await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi created in cluster west");
    assert_eq!(stage.shares("pi").await?, ["east 3/6", "north 3/6", "west 3/6"]);
    Ok(())
}

async fn twice(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let before = stage.mark().await?;
    let again = stage.create(&job("pi", Some(6), Some(6))).await?;
    again.fails("Error from server (AlreadyExists)").warns("jobs.batch \"pi\" already exists");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    Ok(())
}

/// A job in a namespace that some clusters lack.
fn elsewhere(namespace: &str) -> Value {
    let mut job = job("pi", Some(3), Some(6));
    job["metadata"]["namespace"] = namespace.into();
    job
}

async fn missing_namespace(stage: &Stage) -> Outcome {
    let namespace = format!("{}-lacking", stage.namespace);
    for name in ["east", "north"] {
        let object = json!({"metadata": {"name": namespace}});
        stage.site(name).api.create("/api/v1/namespaces", &object).await?;
    }
    let refused = stage.create(&elsewhere(&namespace)).await?;
    refused
        .fails("Error from server (NotFound): error when creating")
        .warns(&format!("namespaces \"{namespace}\" not found (cluster west)"))
        .warns("nothing was created");
    for name in ["east", "north"] {
        let api = &stage.site(name).api;
        assert_eq!(
            api.list(&format!("/apis/batch/v1/namespaces/{namespace}/jobs")).await?.len(),
            0
        );
        let maps = api.list(&format!("/api/v1/namespaces/{namespace}/configmaps")).await?;
        assert!(maps.iter().all(|map| map["metadata"]["name"] == "kube-root-ca.crt"), "{maps:?}");
    }
    Ok(())
}

async fn create_namespace(stage: &Stage) -> Outcome {
    let namespace = format!("{}-new", stage.namespace);
    stage.write("pi.yaml", &elsewhere(&namespace))?;
    stage.federate("job create -f pi.yaml --create-namespace --dry-run=server").await.ok();
    for name in MEMBERS {
        let found = stage.site(name).api.get(&format!("/api/v1/namespaces/{namespace}")).await;
        assert_eq!(found.expect_err("a dry run makes nothing").code(), Some(404));
    }
    stage.federate("job create -f pi.yaml --create-namespace").await.ok();
    for name in MEMBERS {
        let job = stage
            .site(name)
            .api
            .get(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/pi"))
            .await?;
        assert_eq!(
            (&job["spec"]["parallelism"], &job["spec"]["suspend"]),
            (&json!(1), &json!(false))
        );
    }
    stage.federate(&format!("job get pi -n {namespace}")).await.ok().says("Running");
    Ok(())
}

async fn unknown_field(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    let mut mistyped = job("pi", Some(3), Some(6));
    mistyped["spec"]["paralelism"] = 3.into();
    let refused = stage.create(&mistyped).await?;
    refused
        .fails("strict decoding error: unknown field \"spec.paralelism\"")
        .warns("(clusters east, north, west)");
    stage.assert_nothing_of("pi", &before).await
}

/// What no cluster knows passes where the user lets it, also when the Job is changed later.
async fn unknown_field_that_passes(stage: &Stage) -> Outcome {
    let mut mistyped = job("pi", Some(3), Some(6));
    mistyped["spec"]["paralelism"] = 3.into();
    mistyped["spec"]["template"]["spec"]["containers"][0]["imag"] = "x".into();
    stage.write("pi.yaml", &mistyped)?;
    let warned = stage.federate("job create -f pi.yaml --validate=warn").await.ok();
    assert_eq!(warned.stdout, "job.batch/pi created\n");
    let line =
        |field: &str| format!("Warning: unknown field {field:?} (clusters east, north, west)");
    warned.warns(&line("spec.paralelism")).warns(&line("spec.template.spec.containers[0].imag"));
    let scaled = stage.federate("job scale pi --parallelism=6").await.ok();
    assert_eq!(scaled.stderr, "", "it was said once");
    stage.federate("job get pi -o yaml").await.ok().says("paralelism: 3");
    Ok(())
}

async fn invalid_job(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    let mut invalid = job("pi", Some(3), Some(6));
    invalid["spec"]["template"]["spec"]["restartPolicy"] = "Always".into();
    let refused = stage.create(&invalid).await?;
    refused
        .fails(
            "The Job \"pi\" is invalid: spec.template.spec.restartPolicy: Required value: valid \
            values: \"OnFailure\", \"Never\"",
        )
        .warns("(clusters east, north, west)");
    let mut nameless = job("pi", Some(3), Some(6));
    nameless["spec"]["template"]["spec"]["containers"] = json!([]);
    stage.create(&nameless).await?.fails("spec.template.spec.containers: Required value");
    stage.assert_nothing_of("pi", &before).await
}

async fn dry_run(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    stage.write("pi.yaml", &job("pi", Some(9), Some(18)))?;
    let client = stage
        .federate("job create -f pi.yaml --dry-run=client")
        .await
        .ok()
        .warns("north     3             6");
    assert_eq!(client.stdout, "job.batch/pi created (dry run)\n");
    let server = stage
        .federate("job create -f pi.yaml --dry-run=server")
        .await
        .ok()
        .warns("north     3             6");
    assert_eq!(server.stdout, "job.batch/pi created (server dry run)\n");
    assert_eq!(stage.shares("pi").await?, Vec::<String>::new());
    stage.assert_nothing_of("pi", &before).await
}

async fn limited_user(stage: &Stage) -> Outcome {
    let host = stage.host();
    let rule = |group: &str, resource: &str, verbs: &[&str]| {
        json!({"apiGroups": [group],
        "resources": [resource], "verbs": verbs})
    };
    let identity = || {
        let mut rule = rule("", "namespaces", &["get"]);
        rule["resourceNames"] = json!(["kube-system"]);
        json!([rule])
    };
    let all = ["get", "list", "create", "patch", "delete"];
    host.grant(Some("kubectl-federate"), json!([rule("", "configmaps", &["get"])])).await?;
    host.grant(Some(&stage.namespace), json!([rule("", "configmaps", &all)])).await?;
    for name in MEMBERS {
        let verbs = if name == "west" { &all[..2] } else { &all };
        stage.site(name).grant(None, identity()).await?;
        stage
            .site(name)
            .grant(Some(&stage.namespace), json!([rule("batch", "jobs", verbs)]))
            .await?;
    }
    stage.contexts(&MEMBERS.map(|name| (name, name)), LIMITED)?;
    let before = stage.mark().await?;
    let namespace = &stage.namespace;
    let refused = stage.create(&job("pi", Some(3), Some(6))).await?;
    refused.fails("Error from server (Forbidden): error when creating").warns(&format!(
        "jobs.batch is forbidden: User \"{LIMITED}\" cannot create resource \"jobs\" in API \
         group \"batch\" in the namespace \"{namespace}\" (cluster west)"
    ));
    stage.assert_nothing_of("pi", &before).await?;
    stage.site("west").grant(Some(namespace), json!([rule("batch", "jobs", &all)])).await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    stage.federate("job get pi").await.ok().says("Running");
    stage.federate("job delete pi --cascade=background").await.ok();
    Ok(())
}
