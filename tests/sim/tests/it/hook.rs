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
