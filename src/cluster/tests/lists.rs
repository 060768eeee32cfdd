//! Lists whose items are taken out of the answers as they come.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;

const JOBS: &str = "/apis/batch/v1/jobs";

/// A page of Jobs with these numbers, and the token of the next page.
fn page(numbers: std::ops::Range<usize>, next: &str) -> String {
    let job = |n: usize| {
        json!({"metadata": {"name": format!("j{n}"), "managedFields": [{"manager": "x"}]},
            "status": {"active": n}})
    };
    let items: Vec<_> = numbers.map(job).collect();
    json!({"apiVersion": "batch/v1", "kind": "JobList", "metadata": {"continue": next},
        "items": items})
    .to_string()
}

/// A connection to a server whose answers come in small pieces, and how often it was asked. With
/// `breaks` the second answer breaks off.
fn in_pieces(pages: Vec<String>, breaks: bool) -> (Connection, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let answer = move |_: Request<Body>| {
        let place = count.fetch_add(1, Ordering::SeqCst);
        let is_broken = breaks && place == 1;
        let text = pages[if breaks && place > 1 { place - 1 } else { place }].clone();
        let mut pieces: Vec<_> = text
            .as_bytes()
            .chunks(1000)
            .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
            .collect();
        if is_broken {
            pieces.truncate(3);
            pieces.push(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        let body = StreamBody::new(futures::stream::iter(pieces).boxed());
        std::future::ready(Ok::<_, BoxError>(Response::new(body)))
    };
    let factory = move |_: &Endpoint| transport::wire(tower::service_fn(answer.clone()));
    let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
    let endpoint =
        endpoint(&json!({"server": "https://east:6443"}), &json!({}), &Overrides::default());
    (dialer.dial("east", &endpoint).unwrap(), asked)
}

#[tokio::test]
async fn a_long_list_is_one_request_for_each_page_and_only_what_is_read_is_kept() {
    let pages = [page(0..500, "a"), page(500..1000, "b"), page(1000..1200, "")];
    let (east, asked) = in_pieces(pages.into(), false);
    let read = |job: Value| {
        assert_eq!(job["metadata"]["managedFields"], Value::Null);
        let active = job["status"]["active"].as_u64()?;
        (active % 2 == 0).then_some(active)
    };
    let found = east.list_each(JOBS, "", &read).await.unwrap();
    assert_eq!(found, (0..1200).step_by(2).collect::<Vec<u64>>());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_breaks_off_is_read_again_from_its_beginning() {
    let (east, asked) = in_pieces(vec![page(0..500, "a"), page(500..1000, "")], true);
    let read = |job: Value| job["status"]["active"].as_u64();
    let found = east.list_each(JOBS, "", &read).await.unwrap();
    assert_eq!(found, (0..1000).collect::<Vec<u64>>());
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_list_that_is_none_or_ends_early_is_an_error() {
    let whole = page(0..3, "");
    for text in [
        whole[..whole.len() - 1].to_owned(),
        whole.replace("JobList", "Job"),
        whole.replace("\"active\":1", "\"active\" 1"),
        "[1, 2]".to_owned(),
        String::new(),
    ] {
        let (east, _) = in_pieces(vec![text.clone()], false);
        let error = east.list(JOBS, "").await.unwrap_err();
        assert!(error.is_unreachable(), "{text}: {error}");
        assert!(error.to_string().contains("the answer is not a"), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_list_that_repeats_a_page_is_an_error() {
    let (east, asked) = in_pieces(vec![page(0..1, "a"), page(1..2, "a")], false);
    let error = east.list(JOBS, "").await.unwrap_err();
    assert!(error.to_string().ends_with("the list does not go on"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
