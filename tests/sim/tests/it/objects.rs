//! Creating, changing and deleting objects.

use super::*;

#[tokio::test]
async fn what_is_created_has_an_identity() {
    let cluster = Cluster::new("a");
    let made = post(&cluster, MAPS, map("m")).await;
    assert_eq!(made.code, 201);
    let metadata = &made.body["metadata"];
    assert_eq!(metadata["namespace"], "default");
    assert!(metadata["uid"].as_str().is_some_and(|u| u.len() == 36));
    assert!(
        metadata["creationTimestamp"].as_str().is_some_and(|t| t.ends_with('Z') && t.len() == 20)
    );
    let again = post(&cluster, MAPS, map("m")).await;
    assert_eq!((again.code, again.message()), (409, "configmaps \"m\" already exists"));
    assert_eq!(again.body["reason"], "AlreadyExists");
    let lost = post(&cluster, "/api/v1/namespaces/x/configmaps", map("m")).await;
    assert_eq!((lost.code, lost.message()), (404, "namespaces \"x\" not found"));
    let named = post(&cluster, MAPS, json!({"metadata": {"generateName": "g-"}})).await.body;
    assert!(
        named["metadata"]["name"].as_str().is_some_and(|n| n.len() == 7 && n.starts_with("g-"))
    );
}

#[tokio::test]
async fn clusters_are_told_apart_by_kube_system() {
    let (a, b) = (Cluster::new("a"), Cluster::new("b"));
    let seen = get(&a, "/api/v1/namespaces/kube-system").await.body;
    assert_eq!(seen["metadata"]["uid"], a.kube_system_uid());
    assert_ne!(a.kube_system_uid(), b.kube_system_uid());
}

#[tokio::test]
async fn a_write_under_an_old_version_is_refused() {
    let cluster = Cluster::new("a");
    let old = post(&cluster, MAPS, map("m")).await.body;
    let mut new = old.clone();
    new["data"]["a"] = json!("2");
    let put = call(&cluster, Method::PUT, &format!("{MAPS}/m"), new.clone()).await;
    assert_eq!(put.code, 200);
    let refused = call(&cluster, Method::PUT, &format!("{MAPS}/m"), new).await;
    assert_eq!(refused.code, 409);
    assert_eq!(
        refused.message(),
        "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    let version = json!({"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}});
    assert_eq!(patch(&cluster, &format!("{MAPS}/m"), version).await.code, 409);
    let unconditional = json!({"data": {"b": "3", "a": null}});
    let patched = patch(&cluster, &format!("{MAPS}/m"), unconditional).await.body;
    assert_eq!(patched["data"], json!({"b": "3"}));
    let nothing = patch(&cluster, &format!("{MAPS}/m"), json!({"data": {"b": "3"}})).await.body;
    assert_eq!(nothing["metadata"]["resourceVersion"], patched["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn strategic_patches_merge_by_key() {
    let cluster = Cluster::new("a");
    post(&cluster, JOBS, job("j", json!({}))).await;
    let strategic = async |body: Value| {
        let kind = "application/strategic-merge-patch+json";
        read(
            send(&cluster, Method::PATCH, &format!("{JOBS}/j/status"), kind, body.to_string())
                .await,
        )
        .await
    };
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "reason": "R", "message": "M"});
    strategic(json!({"status": {"conditions": [condition("A")]}})).await;
    let both = strategic(json!({"status": {"conditions": [condition("B")]}})).await.body;
    assert_eq!(both["status"]["conditions"].as_array().map(Vec::len), Some(2));
    assert_eq!(both["status"]["conditions"][0]["type"], "B");
    assert!(both["status"]["conditions"][0]["lastProbeTime"].is_null());
    let one = strategic(json!({"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}))
        .await
        .body;
    assert_eq!(one["status"]["conditions"][0]["type"], "B");
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let cluster = Cluster::new("a");
    let mark = cluster.mark();
    let made = post(&cluster, &format!("{JOBS}?dryRun=All"), job("j", json!({}))).await;
    assert_eq!((made.code, &made.body["spec"]["backoffLimit"]), (201, &json!(6)));
    assert_eq!(get(&cluster, &format!("{JOBS}/j")).await.code, 404);
    post(&cluster, JOBS, job("j", json!({}))).await;
    delete(&cluster, &format!("{JOBS}/j?propagationPolicy=Background"), json!({"dryRun": ["All"]}))
        .await;
    assert_eq!(get(&cluster, &format!("{JOBS}/j")).await.code, 200);
    assert_eq!(cluster.mutations_since(mark).len(), 1);
    assert_eq!(cluster.requests_since(mark).len(), 5);
}

#[tokio::test]
async fn strict_validation_refuses_unknown_fields() {
    let cluster = Cluster::new("a");
    let wrong = job("j", json!({"parallelizm": 2}));
    let refused = post(&cluster, &format!("{JOBS}?fieldValidation=Strict"), wrong.clone()).await;
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.message(),
        "Job in version \"v1\" cannot be handled as a Job: strict decoding error: unknown \
         field \"spec.parallelizm\""
    );
    let warned = post(&cluster, JOBS, wrong).await;
    assert_eq!(warned.code, 201);
    assert_eq!(warned.warnings, ["299 - \"unknown field \\\"spec.parallelizm\\\"\""]);
    assert!(warned.body["spec"].get("parallelizm").is_none());
    let mistyped = post(&cluster, JOBS, job("k", json!({"parallelism": "2"}))).await;
    assert_eq!(
        mistyped.message(),
        "Job in version \"v1\" cannot be handled as a Job: json: cannot unmarshal string into Go \
         struct field JobSpec.spec.parallelism of type int32"
    );
}

#[tokio::test]
async fn annotations_have_a_limit() {
    let cluster = Cluster::new("a");
    let mut large = map("m");
    large["metadata"]["annotations"] = json!({"k": "x".repeat(256 * 1024)});
    let refused = post(&cluster, MAPS, large.clone()).await;
    assert_eq!(refused.code, 422);
    assert_eq!(
        refused.message(),
        "ConfigMap \"m\" is invalid: metadata.annotations: Too long: may not be more than 262144 \
         bytes"
    );
    large["metadata"]["annotations"] = json!({"k": "x".repeat(256 * 1024 - 1)});
    assert_eq!(post(&cluster, MAPS, large).await.code, 201);
}

#[tokio::test]
async fn deletes_have_preconditions() {
    let cluster = Cluster::new("a");
    let made = post(&cluster, MAPS, map("m")).await.body;
    let path = format!("{MAPS}/m");
    let wrong = json!({"preconditions": {"uid": "x"}});
    let refused = delete(&cluster, &path, wrong).await;
    assert_eq!(refused.code, 409);
    assert!(
        refused
            .message()
            .contains("the UID in the precondition (x) does not match the UID in record")
    );
    let stale = json!({"preconditions": {"resourceVersion": "1"}});
    assert_eq!(delete(&cluster, &path, stale).await.code, 409);
    let right = json!({"preconditions": {
        "uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"],
    }});
    let gone = delete(&cluster, &path, right).await;
    assert_eq!((gone.code, &gone.body["status"]), (200, &json!("Success")));
    assert_eq!(delete(&cluster, &path, Value::Null).await.message(), "configmaps \"m\" not found");
}

#[tokio::test]
async fn deleting_a_job_keeps_or_deletes_its_pods_as_told() {
    let cluster = Cluster::new("a");
    for (policy, left, warned) in
        [("", 2, true), ("Orphan", 2, false), ("Background", 0, false), ("Foreground", 0, false)]
    {
        let name = format!("j{}", policy.to_lowercase());
        post(&cluster, JOBS, job(&name, json!({"parallelism": 2, "completions": 4}))).await;
        cluster.settle();
        assert_eq!(cluster.pods_of("default", &name).len(), 2);
        let options =
            if policy.is_empty() { Value::Null } else { json!({"propagationPolicy": policy}) };
        let answer = delete(&cluster, &format!("{JOBS}/{name}"), options).await;
        assert_eq!((answer.code, !answer.warnings.is_empty()), (200, warned), "{policy}");
        cluster.settle();
        assert_eq!(get(&cluster, &format!("{JOBS}/{name}")).await.code, 404, "{policy}");
        let pods = cluster.pods_of("default", &name);
        assert_eq!(pods.len(), left, "{policy}");
        assert!(pods.iter().all(|p| p["metadata"]["ownerReferences"].is_null()), "{policy}");
        assert!(pods.iter().all(|p| p["metadata"]["finalizers"].is_null()), "{policy}");
    }
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let cluster = Cluster::new("a");
    let path = "/api/v1/namespaces";
    assert_eq!(post(&cluster, path, json!({"metadata": {"name": "n"}})).await.code, 201);
    post(&cluster, "/api/v1/namespaces/n/configmaps", map("m")).await;
    let ending = delete(&cluster, &format!("{path}/n"), Value::Null).await.body;
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = post(&cluster, "/api/v1/namespaces/n/configmaps", map("o")).await;
    assert_eq!(
        (refused.code, refused.message()),
        (
            403,
            "configmaps \"o\" is forbidden: unable to create new content in namespace n because it \
             is being terminated"
        )
    );
    cluster.settle();
    assert_eq!(get(&cluster, &format!("{path}/n")).await.code, 404);
    assert!(cluster.list(&sim::CONFIG_MAPS, "n").is_empty());
}
