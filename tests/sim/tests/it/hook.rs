//! What a test can do to requests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sim::{RequestInfo, Verdict, When};
use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn a_hook_sees_what_a_request_is() {
    let cluster = Cluster::new("a");
    post(&cluster, JOBS, job("j", json!({}))).await;
    patch(&cluster, &format!("{JOBS}/j/status?dryRun=All"), json!({})).await;
    get(&cluster, &format!("{JOBS}?watch=false")).await;
    let seen: Vec<String> = cluster
        .requests()
        .iter()
        .map(|r| {
            let RequestInfo { verb, resource, subresource, namespace, name, .. } = r;
            format!(
                "{verb} {resource}/{subresource} {namespace} {name} {} {}",
                r.dry_run, r.mutating
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "create jobs/ default  false true",
            "patch jobs/status default j true false",
            "list jobs/ default  false false",
        ]
    );
}

#[tokio::test]
async fn a_client_is_killed_before_or_after_its_request_takes_effect() {
    for (when, there) in [(When::Before, false), (When::After, true)] {
        let cluster = Cluster::new("a");
        let signal = Arc::new(Notify::new());
        let heard = signal.clone();
        cluster.on_request(move |_| Verdict::Kill(when, heard.clone()));
        tokio::select! {
            _ = post(&cluster, MAPS, map("m")) => panic!("it must not be answered"),
            () = signal.notified() => {}
        }
        cluster.clear_hook();
        assert_eq!(cluster.get(&sim::CONFIG_MAPS, "default", "m").is_some(), there);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_replaced_delayed_cut_or_never_given() {
    let cluster = Cluster::new("a");
    cluster.on_request(|_| {
        let answer =
            Response::builder().status(503).header("retry-after", "1").body(Bytes::from("{}"));
        Verdict::Answer(When::After, answer.expect("a response"))
    });
    assert_eq!(post(&cluster, MAPS, map("m")).await.code, 503);
    cluster.on_request(|_| Verdict::Warn(vec!["careful".to_owned()]));
    let warned = get(&cluster, &format!("{MAPS}/m")).await;
    assert_eq!((warned.code, warned.warnings), (200, vec!["299 - \"careful\"".to_owned()]));
    cluster.on_request(|_| Verdict::Delay(Duration::from_secs(7)));
    let begin = tokio::time::Instant::now();
    get(&cluster, MAPS).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(7));
    cluster.on_request(|_| Verdict::Hang(When::Before));
    assert!(tokio::time::timeout(Duration::from_mins(1), get(&cluster, MAPS)).await.is_err());
    for verdict in [Verdict::Cut(5), Verdict::Reset(When::Before)] {
        cluster.on_request(move |_| verdict.clone());
        let response = send(&cluster, Method::GET, MAPS, "", String::new()).await;
        assert!(response.into_body().collect().await.is_err());
    }
}

#[tokio::test]
async fn a_list_is_as_old_as_asked_and_an_object_never_is() {
    let cluster = Cluster::new("a");
    let names = |answer: &Answer| -> Vec<String> {
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    post(&cluster, MAPS, map("one")).await;
    post(&cluster, MAPS, map("two")).await;
    for (age, there) in [(0, vec!["one", "two"]), (1, vec!["one"]), (2, vec![]), (99, vec![])] {
        cluster.on_request(move |_| Verdict::Stale(age));
        assert_eq!(names(&get(&cluster, MAPS).await), there, "{age}");
        assert_eq!(get(&cluster, &format!("{MAPS}/two")).await.code, 200, "{age}");
    }
}

#[tokio::test]
async fn a_server_is_away_refuses_or_is_another_one() {
    let cluster = Cluster::new("a");
    post(&cluster, MAPS, map("m")).await;
    let refused = async || {
        let request = Request::get(MAPS).body(Full::<Bytes>::default()).expect("a request");
        let ended = cluster.service().oneshot(request).await;
        ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    };
    cluster.on_request(|_| Verdict::Refuse);
    assert!(refused().await);
    cluster.clear_hook();
    cluster.go_away();
    assert!(refused().await && cluster.is_away());
    cluster.come_back();
    assert!(!refused().await);

    let before = cluster.kube_system_uid();
    cluster.rebuild();
    assert_ne!(cluster.kube_system_uid(), before);
    assert_eq!(get(&cluster, &format!("{MAPS}/m")).await.code, 404);
    assert_eq!(post(&cluster, MAPS, map("m")).await.code, 201);
}

#[tokio::test]
async fn a_refusal_is_a_status_and_has_headers() {
    let cluster = Cluster::new("a");
    for (code, reason) in [(401, "Unauthorized"), (410, "Expired"), (429, "TooManyRequests")] {
        cluster.on_request(move |_| {
            let refusal = Verdict::refusal(When::Before, code, reason, "not now");
            refusal.header(http::header::RETRY_AFTER, "1")
        });
        let answer = post(&cluster, MAPS, map("m")).await;
        assert_eq!((answer.code, answer.body["reason"].as_str()), (code, Some(reason)));
    }
    cluster.clear_hook();
    assert_eq!(get(&cluster, &format!("{MAPS}/m")).await.code, 404);
}

#[test]
fn a_driven_clock_is_put_ahead_and_goes_on_from_there() {
    let start = "2026-01-01T00:00:00Z".parse().expect("a time");
    let cluster = Cluster::builder("a").starting_at(start).build();
    cluster.set_clock_ahead(jiff::SignedDuration::from_secs(-90));
    cluster.advance(Duration::from_secs(30));
    assert_eq!(cluster.now().to_string(), "2025-12-31T23:59:00Z");
    cluster.set_clock_ahead(jiff::SignedDuration::ZERO);
    assert_eq!(cluster.now().to_string(), "2026-01-01T00:00:30Z");
}
