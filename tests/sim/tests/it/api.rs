//! The API beneath objects: discovery, users, selectors, pages, watches.

use futures::StreamExt;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use sim::{Access, Operation, Policy, Rule, User};

use super::*;

#[tokio::test]
async fn discovery_names_the_resources() {
    let cluster = Cluster::builder("a").version(sim::Version::V1_36).build();
    assert_eq!(get(&cluster, "/version").await.body["minor"], "36");
    let jobs = get(&cluster, "/apis/batch/v1").await.body;
    assert_eq!(jobs["resources"][0]["name"], "jobs");
    assert_eq!(jobs["resources"][1]["name"], "jobs/status");
    assert_eq!(get(&cluster, "/readyz").await.code, 200);
    assert_eq!(get(&cluster, "/apis/apps/v1/deployments").await.code, 404);
}

#[tokio::test]
async fn a_token_is_asked_for_and_rights_are_kept() {
    let reader = |access: &Access| access.verb == "get" && access.namespace == "default";
    let cluster = Cluster::builder("a")
        .user(User::admin("root", "r"))
        .user(User::new("dev", "d", reader))
        .build();
    assert_eq!(get(&cluster, MAPS).await.message(), "Unauthorized");
    let with = async |path: &str| {
        let request = Request::get(format!("http://sim{path}")).header("authorization", "Bearer d");
        let request = request.body(Full::from(String::new())).expect("a request");
        read(cluster.service().oneshot(request).await.expect("an answer")).await
    };
    assert_eq!(with(&format!("{MAPS}/x")).await.code, 404);
    let refused = with(MAPS).await;
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message(),
        "configmaps is forbidden: User \"dev\" cannot list resource \"configmaps\" in API \
         group \"\" in the namespace \"default\""
    );
    let review = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "jobs",
        "namespace": "default"}}});
    let request = Request::post("http://sim/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        .header("authorization", "Bearer d")
        .body(Full::from(review.to_string()))
        .expect("a request");
    let answer = read(cluster.service().oneshot(request).await.expect("an answer")).await;
    assert_eq!((answer.code, &answer.body["status"]["allowed"]), (201, &json!(true)));
}

#[tokio::test]
async fn selectors_narrow_lists() {
    let cluster = Cluster::new("a");
    for (name, tier) in [("a", "web"), ("b", "db"), ("c", "")] {
        let mut object = map(name);
        if !tier.is_empty() {
            object["metadata"]["labels"] = json!({"tier": tier, "app.io/x": "1"});
        }
        post(&cluster, MAPS, object).await;
    }
    for (selector, names) in [
        ("labelSelector=tier%3Dweb", "a"),
        ("labelSelector=tier%3D%3Ddb", "b"),
        ("labelSelector=tier!%3Dweb", "bc"),
        ("labelSelector=tier+in+(web,db)", "ab"),
        ("labelSelector=tier+notin+(web,db)", "c"),
        ("labelSelector=tier", "ab"),
        ("labelSelector=!tier", "c"),
        ("labelSelector=app.io/x%3D1,tier%3Ddb", "b"),
        ("fieldSelector=metadata.name%3Db", "b"),
        ("fieldSelector=metadata.namespace!%3Ddefault", ""),
    ] {
        let list = get(&cluster, &format!("{MAPS}?{selector}")).await.body;
        let found: String = list["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter_map(|o| o["metadata"]["name"].as_str())
            .collect();
        assert_eq!(found, names, "{selector}");
    }
    let refused = get(&cluster, &format!("{MAPS}?fieldSelector=data.a%3D1")).await;
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.message(),
        "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
}

#[tokio::test]
async fn pages_show_the_list_as_it_was_at_the_first() {
    let cluster = Cluster::new("a");
    for name in ["a", "b", "c", "d"] {
        post(&cluster, MAPS, map(name)).await;
    }
    let first = get(&cluster, &format!("{MAPS}?limit=3")).await.body;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let token = first["metadata"]["continue"].as_str().expect("a token").to_owned();
    delete(&cluster, &format!("{MAPS}/d"), Value::Null).await;
    post(&cluster, MAPS, map("e")).await;
    let second = get(&cluster, &format!("{MAPS}?limit=3&continue={token}")).await.body;
    assert_eq!(second["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(second["items"][0]["metadata"]["name"], "d");
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    assert!(second["metadata"]["continue"].is_null());

    cluster.compact();
    let expired = get(&cluster, &format!("{MAPS}?limit=3&continue={token}")).await;
    assert_eq!((expired.code, &expired.body["reason"]), (410, &json!("Expired")));
    let token = expired.body["metadata"]["continue"].as_str().expect("a token for the rest");
    let rest = get(&cluster, &format!("{MAPS}?continue={token}")).await.body;
    assert_eq!(rest["items"][0]["metadata"]["name"], "e");
}

async fn events(cluster: &Cluster, path: &str) -> Vec<Value> {
    let response = send(cluster, Method::GET, path, "application/json", String::new()).await;
    let mut events = Vec::new();
    let mut stream = response.into_body().into_data_stream();
    while let Some(line) = stream.next().await {
        events.push(serde_json::from_slice(&line.expect("a line")).expect("an event a line"));
    }
    events
}

#[tokio::test(start_paused = true)]
async fn watches_go_on_from_a_version() {
    let cluster = Cluster::new("a");
    let mut labelled = map("a");
    labelled["metadata"]["labels"] = json!({"x": "1"});
    let made = post(&cluster, MAPS, labelled).await.body;
    let version = made["metadata"]["resourceVersion"].as_str().expect("a version");
    let path = format!(
        "{MAPS}?watch=true&resourceVersion={version}&labelSelector=x&timeoutSeconds=5\
         &allowWatchBookmarks=true"
    );
    let changes = async {
        patch(&cluster, &format!("{MAPS}/a"), json!({"data": {"a": "2"}})).await;
        post(&cluster, MAPS, map("b")).await;
        patch(&cluster, &format!("{MAPS}/a"), json!({"metadata": {"labels": null}})).await;
    };
    let (events, ()) = tokio::join!(events(&cluster, &path), changes);
    let kinds: Vec<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!(kinds, ["MODIFIED", "DELETED", "BOOKMARK"]);
    assert_eq!(events[0]["object"]["data"]["a"], "2");
}

#[tokio::test]
async fn a_watch_from_a_forgotten_version_is_told_so() {
    let cluster = Cluster::new("a");
    post(&cluster, MAPS, map("a")).await;
    cluster.compact();
    let events = events(&cluster, &format!("{MAPS}?watch=true&resourceVersion=1")).await;
    assert_eq!((&events[0]["type"], &events[0]["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[tokio::test]
async fn a_clock_that_is_ahead_or_behind_shows_in_objects_and_answers() {
    for seconds in [-3600, 0, 3600] {
        let cluster = Cluster::new("a");
        cluster.run_by_itself(sim::Kubelet::none());
        cluster.set_clock_ahead(SignedDuration::from_secs(seconds));
        let response = send(&cluster, Method::GET, "/version", "", String::new()).await;
        let date = response.headers()["date"].to_str().expect("a date is text");
        let date = jiff::fmt::rfc2822::parse(date).expect("a date").timestamp();
        let made = post(&cluster, MAPS, map("m")).await.body;
        let made = made["metadata"]["creationTimestamp"].as_str().expect("a time");
        let made: Timestamp = made.parse().expect("a time");
        for time in [date, made] {
            let ahead = time.duration_since(Timestamp::now()).as_secs();
            assert!((ahead - seconds).abs() < 60, "{ahead}, not {seconds}");
        }
    }
}

#[tokio::test]
async fn policies_apply_to_their_namespace_and_operations() {
    let cluster = Cluster::new("a");
    let policy = |namespace: &str, operation: Operation, backoff: i64| Policy {
        name: "set".to_owned(),
        namespace: namespace.to_owned(),
        operations: vec![operation],
        rule: Rule::Set { path: "/spec/backoffLimit".to_owned(), value: json!(backoff) },
    };
    cluster.add_policy(policy("default", Operation::Create, 1));
    cluster.add_policy(policy("default", Operation::Update, 2));
    cluster.add_policy(policy("kube-public", Operation::Create, 3));
    let limit = |answer: Answer| answer.body["spec"]["backoffLimit"].clone();
    assert_eq!(limit(post(&cluster, JOBS, job("j", json!({}))).await), 1);
    let change = json!({"spec": {"parallelism": 3}});
    assert_eq!(limit(patch(&cluster, &format!("{JOBS}/j"), change).await), 2);
    let elsewhere = JOBS.replace("default", "kube-public");
    assert_eq!(limit(post(&cluster, &elsewhere, job("j", json!({}))).await), 3);
}
