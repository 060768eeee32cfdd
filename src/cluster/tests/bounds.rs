//! What is under way at once, to one server and to all, and what waits for a server that is silent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Servers that count together. Each answers after a second, as long as it is not asked more at
/// once than it takes.
#[derive(Clone)]
struct Busy {
    takes: usize,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Busy {
    fn new(takes: usize) -> Self {
        let [now, most, asked] = <[Arc<AtomicUsize>; 3]>::default();
        Self { takes, now, most, asked }
    }

    async fn answer(self) -> Answer {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let before = self.now.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(before + 1, Ordering::SeqCst);
        let answered = if before < self.takes {
            tokio::time::sleep(SECOND).await;
            answer(200, &json!({"kind": "Pod", "apiVersion": "v1"}))
        } else {
            text(429, &[("retry-after", "1")], "Too many requests, please try again later.\n")
        };
        self.now.fetch_sub(1, Ordering::SeqCst);
        answered
    }

    fn connections(&self, servers: usize) -> Vec<Connection> {
        let busy = self.clone();
        let answer = move |_: Request<Body>| busy.clone().answer();
        dialled(servers, DialerOptions::default(), &Overrides::default(), answer)
    }

    fn counted(&self) -> (usize, usize) {
        (self.asked.load(Ordering::SeqCst), self.most.load(Ordering::SeqCst))
    }
}

/// Connections to servers that all answer so.
fn dialled<F: Future<Output = Answer> + Send + 'static>(
    servers: usize,
    options: DialerOptions,
    overrides: &Overrides,
    answer: impl FnMut(Request<Body>) -> F + Clone + Send + Sync + 'static,
) -> Vec<Connection> {
    let factory = move |_: &Endpoint| transport::wire(tower::service_fn(answer.clone()));
    let dialer = Dialer::in_process(options, Arc::new(factory));
    let endpoint = endpoint(&json!({"server": "https://east:6443"}), &json!({}), overrides);
    (0..servers).map(|_| dialer.dial("east", &endpoint).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_are_bounded_for_a_server_and_for_all() {
    let busy = Busy::new(usize::MAX);
    let connections = busy.connections(1);
    let pods = fan_out(0..500, |n| connections[0].get(format!("/api/v1/pods/{n}").leak())).await;
    assert!(pods.iter().all(Result::is_ok), "what waits for its turn takes no time: {pods:?}");
    assert_eq!(busy.counted(), (500, 32));

    let busy = Busy::new(usize::MAX);
    let connections = busy.connections(1000);
    let versions = futures::future::join_all(connections.iter().map(|it| it.get("/x"))).await;
    assert!(versions.iter().all(Result::is_ok));
    assert_eq!(busy.counted(), (1000, 512));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_few_at_once_answers_all_in_the_end() {
    for takes in [1, 3, 6, 12] {
        let busy = Busy::new(takes);
        let east = &busy.connections(1)[0];
        let jobs = fan_out(0..50, async |_| {
            for _ in 0..4 {
                east.create("/api/v1/pods", &json!({}), WriteOptions::default()).await?;
            }
            Ok::<_, Error>(())
        });
        let failed: Vec<_> = jobs.await.into_iter().filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{takes}: {failed:?}");
        let again = busy.counted().0 - 200;
        assert!(again <= 50, "{takes}: {again} requests were sent again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_given_up() {
    let busy = Busy::new(0);
    let east = &busy.connections(1)[0];
    let start = Instant::now();
    let failed = fan_out(0..16, |_| east.get("/api/v1/pods/p")).await;
    assert!(failed.iter().all(|it| it.as_ref().is_err_and(Error::is_timeout)));
    assert!(start.elapsed() < 30 * SECOND, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_costs_the_timeout_once() {
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let silence = move |_: &str| {
        count.fetch_add(1, Ordering::SeqCst);
        Box::new(()) as Box<dyn Send>
    };
    let options = DialerOptions { silence: Arc::new(silence), ..DialerOptions::default() };
    let hangs = |_: Request<Body>| std::future::pending();
    let east = &dialled(1, options, &Overrides::default(), hangs)[0];
    let start = Instant::now();
    let failed = fan_out(0..500, |_| east.get("/api/v1/pods/p")).await;
    assert!(failed.iter().all(|it| it.as_ref().is_err_and(Error::is_timeout)));
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(told.load(Ordering::SeqCst), 32, "only who was asked can be silent");
}

#[tokio::test(start_paused = true)]
async fn who_can_be_done_without_is_waited_for_briefly() {
    let flag =
        |text: &str| Overrides { request_timeout: Some(text.into()), ..Overrides::default() };
    for (overrides, identity, then) in
        [(Overrides::default(), 3, 0), (flag("5s"), 5, 5), (flag("1"), 1, 1)]
    {
        let hangs = |_: Request<Body>| std::future::pending();
        let east = &dialled(1, DialerOptions::default(), &overrides, hangs)[0];
        east.wait_briefly();
        for (asks_identity, seconds) in [(true, identity), (false, then), (true, identity)] {
            let start = Instant::now();
            let error = if asks_identity {
                east.verify("u").await.unwrap_err()
            } else {
                east.get("/api/v1/pods/p").await.unwrap_err()
            };
            assert!(error.is_timeout() && error.is_unreachable(), "{error}");
            assert_eq!(start.elapsed().as_secs(), seconds);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_keeps_its_time() {
    let slow = |request: Request<Body>| async move {
        let seconds = if request.uri().path().ends_with("kube-system") { 2 } else { 29 };
        tokio::time::sleep(seconds * SECOND).await;
        answer(200, &json!({"kind": "Namespace", "metadata": {"uid": "u"}}))
    };
    let east = &dialled(1, DialerOptions::default(), &Overrides::default(), slow)[0];
    east.wait_briefly();
    east.verify("u").await.unwrap();
    east.get("/api/v1/pods/p").await.unwrap();
}

/// A connection to a server that does not answer one path, and all others after so many seconds.
fn hangs_once(overrides: &Overrides, seconds: u32) -> Connection {
    let hangs = move |request: Request<Body>| async move {
        if request.uri().path().ends_with("/hangs") {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(seconds * SECOND).await;
        answer(200, &json!({"kind": "Pod", "apiVersion": "v1"}))
    };
    dialled(1, DialerOptions::default(), overrides, hangs).remove(0)
}

/// Gets a hundred objects at once, of which the fourth hangs. Says which of them failed.
async fn failed_of_hundred(east: &Connection) -> Vec<usize> {
    let path = |n| if n == 3 { "/api/v1/hangs".to_owned() } else { format!("/api/v1/pods/{n}") };
    let answers = fan_out(0..100, |n| east.get(path(n).leak())).await;
    let failed = answers.iter().enumerate().filter(|(_, it)| it.is_err());
    failed.map(|(n, _)| n).collect()
}

#[tokio::test(start_paused = true)]
async fn one_request_that_hangs_fails_alone_where_others_are_answered() {
    let flag = Overrides { request_timeout: Some("5s".into()), ..Overrides::default() };
    let east = hangs_once(&flag, 3);
    assert_eq!(failed_of_hundred(&east).await, [3]);
    east.get("/api/v1/pods/p").await.expect("the server answers");
    let brief = hangs_once(&Overrides::default(), 7);
    brief.wait_briefly();
    assert_eq!(failed_of_hundred(&brief).await, [3]);
    brief.get("/api/v1/pods/p").await.expect("the server answers");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_answering_and_falls_silent_costs_the_timeout_once_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let falls_silent = move |_: Request<Body>| {
        let place = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if place >= 40 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(SECOND).await;
            answer(200, &json!({"kind": "Pod", "apiVersion": "v1"}))
        }
    };
    let east = &dialled(1, DialerOptions::default(), &Overrides::default(), falls_silent)[0];
    let start = Instant::now();
    let ended = fan_out(0..500, |_| east.get("/api/v1/pods/p")).await;
    assert_eq!(ended.iter().filter(|it| it.is_ok()).count(), 40);
    // Twenty-four were sent after one second, and the last answer came after two: they prove
    // nothing. Eight that were sent with that answer do. What follows the others is on its way by
    // then.
    assert_eq!(start.elapsed(), 61 * SECOND);
    assert_eq!(asked.load(Ordering::SeqCst), 40 + 32 + 24);
}

#[tokio::test(start_paused = true)]
async fn the_host_is_asked_while_silent_members_hold_all_requests() {
    let hangs = |request: Request<Body>| async move {
        if request.uri().path().ends_with("/hangs") {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(SECOND).await;
        answer(200, &json!({"kind": "ConfigMap", "apiVersion": "v1"}))
    };
    let factory = move |_: &Endpoint| transport::wire(tower::service_fn(hangs));
    let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
    let overrides = Overrides { request_timeout: Some("0".into()), ..Overrides::default() };
    let endpoint = endpoint(&json!({"server": "https://east:6443"}), &json!({}), &overrides);
    let host = dialer.dial_host("host", &endpoint).unwrap();
    let members = [(); 40].map(|()| dialer.dial("east", &endpoint).unwrap());
    let asking = fan_out(0..1000, |n| members[n % 40].get("/api/v1/hangs"));
    let records = async {
        tokio::time::sleep(SECOND).await;
        fan_out(0..160, |_| host.get("/api/v1/record")).await
    };
    let start = Instant::now();
    tokio::select! {
        _ = asking => panic!("they hang"),
        records = records => assert!(records.iter().all(Result::is_ok), "{records:?}"),
    }
    assert_eq!(start.elapsed(), 6 * SECOND);
}
