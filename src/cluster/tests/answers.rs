use std::io;
use std::time::Duration;

use super::*;

const POD: &str = "/api/v1/namespaces/ns/pods/p";
const PODS: &str = "/api/v1/namespaces/ns/pods";

#[tokio::test]
async fn a_request_says_who_we_are() {
    let server = Server::new(|_, _| answer(200, &json!({"kind": "Pod"})));
    let overrides = Overrides {
        as_user: Some("jane".into()),
        as_groups: vec!["a".into(), "b".into()],
        ..Overrides::default()
    };
    server.connection_as(&json!({"token": "s3cret"}), &overrides).get(POD).await.unwrap();
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "GET https://east:6443/api/v1/namespaces/ns/pods/p");
    assert_eq!(asked.headers["authorization"], "Bearer s3cret");
    assert_eq!(
        asked.headers["user-agent"],
        concat!("kubectl-federate/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked.headers["impersonate-user"], "jane");
    assert_eq!(asked.headers.get_all("impersonate-group").iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn other_ways_to_say_it() {
    let server = Server::new(|_, _| answer(200, &json!({"kind": "Pod"})));
    let none = Overrides::default();
    server
        .connection_as(&json!({"username": "jane", "password": "s3cret"}), &none)
        .get(POD)
        .await
        .unwrap();
    assert_eq!(server.asked()[0].headers["authorization"], "Basic amFuZTpzM2NyZXQ=");

    // A token file is read again for each request, because somebody renews it.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let connection = server.connection_as(&json!({"tokenFile": file}), &none);
    let error = connection.get(POD).await.unwrap_err();
    assert!(
        matches!(&error, Error::Credentials { cause, .. } if cause.ends_with("no such file or \
        directory"))
    );
    for token in ["one\n", "two"] {
        std::fs::write(&file, token).unwrap();
        connection.get(POD).await.unwrap();
    }
    assert_eq!(server.asked()[1].headers["authorization"], "Bearer one");
    assert_eq!(server.asked()[2].headers["authorization"], "Bearer two");
}

#[tokio::test]
async fn a_user_in_the_url_of_a_server_is_sent_as_a_login_and_shown_nowhere() {
    let server = Server::new(|_, _| answer(200, &json!({"gitVersion": "v1"})));
    for (user, sent) in
        [(json!({}), "Basic amFuZTpzQGNydA=="), (json!({"token": "s3cret"}), "Bearer s3cret")]
    {
        let cluster = json!({"server": "https://jane:s%40crt@east:6443"});
        let endpoint = endpoint(&cluster, &user, &Overrides::default());
        assert_eq!(
            (endpoint.host(), endpoint.server().to_string().as_str()),
            ("east:6443", "https://east:6443/")
        );
        let connection = server.dialer(DialerOptions::default()).dial("east", &endpoint).unwrap();
        connection.server_version().await.unwrap();
        assert_eq!(server.asked().last().unwrap().headers["authorization"], sent);
    }
}

#[tokio::test]
async fn a_list_is_read_in_pages_and_its_items_say_what_they_are() {
    let server = Server::new(|place, _| {
        let next = ["a/b=", "", ""][place];
        answer(
            200,
            &json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": next},
            "items": [{"metadata": {"name": format!("p{place}")}}]}),
        )
    });
    let pods = server.connection().list(PODS, "app in (x,y)").await.unwrap();
    let pod = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}});
    assert_eq!(pods, [pod("p0"), pod("p1")]);
    let asked = server.asked();
    let query = "labelSelector=app+in+%28x%2Cy%29&limit=500";
    assert_eq!(asked[0].line, format!("GET https://east:6443{PODS}?{query}"));
    assert_eq!(asked[1].line, format!("GET https://east:6443{PODS}?{query}&continue=a%2Fb%3D"));
}

#[tokio::test]
async fn a_list_whose_version_is_gone_starts_again_as_one_page() {
    let server = Server::new(|place, _| match place {
        1 => status(410, "Expired", "too old"),
        place => answer(
            200,
            &json!({"apiVersion": "v1", "kind": "PodList",
            "metadata": {"continue": if place == 0 { "more" } else { "" }},
            "items": [{"metadata": {"name": "a"}}]}),
        ),
    });
    assert_eq!(server.connection().list(PODS, "").await.unwrap().len(), 1);
    assert_eq!(server.asked()[2].line, format!("GET https://east:6443{PODS}"));
}

/// Bytes that never end.
#[derive(Clone, Copy)]
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, io::Error>>> {
        static CHUNK: [u8; 1 << 20] = [b' '; 1 << 20];
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&CHUNK)))))
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_a_limit() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let factory = move |_: &Endpoint| {
        let count = count.clone();
        transport::wire(tower::service_fn(move |_| {
            *count.lock().unwrap() += 1;
            std::future::ready(Ok::<_, BoxError>(Response::new(Endless)))
        }))
    };
    let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
    let endpoint =
        endpoint(&json!({"server": "https://east:6443"}), &json!({}), &Overrides::default());
    let error = dialer.dial("east", &endpoint).unwrap().get(POD).await.unwrap_err();
    assert_eq!(
        error.report(),
        "The answer of the server east:6443 is larger than 64 MiB, which is the limit"
    );
    assert_eq!(error.cluster(), Some("east"));
    assert_eq!(*asked.lock().unwrap(), 1, "it would be as large again");
}

#[tokio::test]
async fn a_list_is_read_up_to_a_limit() {
    let list = |items: &Value, place: usize| {
        let token = format!("page {place}");
        answer(
            200,
            &json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"continue": token},
                "items": items}),
        )
    };
    let named = json!({"name": "p"});
    let many = Value::Array(vec![json!({ "metadata": named }); 20_000]);
    let large = json!([{"metadata": named, "data": " ".repeat(60 << 20)}]);
    for (items, limit, requests) in
        [(many, "100,000 objects", 6), (json!([]), "2,000 pages", 2_000), (large, "256 MiB", 5)]
    {
        let server = Server::new(move |place, _| list(&items, place));
        let error = server.connection().list(PODS, "").await.unwrap_err();
        let words = format!("is larger than {limit}, which is the limit");
        assert!(error.to_string().ends_with(&words), "{error}");
        assert_eq!(server.asked().len(), requests);
    }
}

#[tokio::test]
async fn the_clock_of_the_server_is_compared_with_ours() {
    let server = Server::new(|_, _| answer(200, &json!({"kind": "Pod"})));
    let connection = server.connection();
    connection.get(POD).await.unwrap();
    assert_eq!(connection.clock_skew(), None, "it sends no date");
    for ahead in [-3600, 0, 45] {
        let server = Server::new(move |_, _| {
            let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .unwrap();
            let (mut parts, body) = answer(404, &json!({"kind": "Status"})).unwrap().into_parts();
            parts.headers.insert("date", date.parse().unwrap());
            Ok(Response::from_parts(parts, body))
        });
        let connection = server.connection();
        connection.get(POD).await.unwrap_err();
        let skew = connection.clock_skew().unwrap().as_millis();
        assert!((skew - i128::from(ahead) * 1000).abs() < 1_000, "{skew} of {ahead}");
    }
}

#[tokio::test]
async fn writes_say_how() {
    let server = Server::new(|_, _| answer(200, &json!({"kind": "Pod"})));
    let connection = server.connection();
    let strict = WriteOptions { dry_run: true, field_validation: FieldValidation::Strict };
    connection.create(PODS, &json!({"kind": "Pod"}), strict).await.unwrap();
    connection.patch(POD, &json!({"a": null})).await.unwrap();
    let options =
        DeleteOptions { uid: Some("u"), resource_version: Some("7"), ..DeleteOptions::default() };
    connection.delete(POD, options).await.unwrap();
    let asked = server.asked();
    assert_eq!(
        asked[0].line,
        format!(
            "POST https://east:6443{PODS}?fieldManager=kubectl-federate&fieldValidation=Strict\
            &dryRun=All"
        )
    );
    assert_eq!(
        asked[1].line,
        format!("PATCH https://east:6443{POD}?fieldManager=kubectl-federate&fieldValidation=Warn")
    );
    assert_eq!(asked[1].headers["content-type"], "application/merge-patch+json");
    assert_eq!(asked[1].body, json!({"a": null}));
    assert_eq!(
        asked[2].body,
        json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
            "preconditions": {"uid": "u", "resourceVersion": "7"}})
    );
}

#[tokio::test]
async fn a_write_that_is_answered_with_another_kind_is_an_error() {
    let job = "/apis/batch/v1/namespaces/ns/jobs/pi";
    let map = "/api/v1/namespaces/configmaps/configmaps/jobs";
    for (path, version, kind, taken) in [
        (job, "batch/v1", "Job", true),
        (job, "batch/v1", "Pod", false),
        (job, "v1", "Job", false),
        ("/apis/batch/v1/namespaces/ns/jobs/pi/status", "v1", "Status", false),
        (map, "v1", "ConfigMap", true),
        (map, "v1", "Namespace", false),
        ("/api/v1/namespaces", "v1", "Namespace", true),
        ("/api/v1/namespaces/ns", "v1", "ConfigMap", false),
        (POD, "v1", "Binding", true),
    ] {
        let object = json!({"apiVersion": version, "kind": kind});
        let server = Server::new(move |_, _| answer(200, &object));
        let answered = server.connection().patch(path, &json!({})).await;
        assert_eq!(answered.is_ok(), taken, "{path} {version} {kind}");
        let Err(error) = answered else { continue };
        assert!(error.is_of_other_kind() && error.is_unreachable(), "{error}");
        assert!(error.report().contains("answered a write of a"), "{}", error.report());
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_lost_is_repeated_and_a_write_is_not() {
    for lost in [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof] {
        let server = Server::new(move |place, _| match place {
            0 => Err(io::Error::from(lost).into()),
            _ => answer(200, &json!({"kind": "Pod"})),
        });
        let connection = server.connection();
        let error = connection.create(PODS, &json!({}), WriteOptions::default()).await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert_eq!(server.asked().len(), 1);

        let server = Server::new(move |place, _| match place {
            0..=2 => Err(io::Error::from(lost).into()),
            _ => answer(200, &json!({"kind": "Pod"})),
        });
        server.connection().get(POD).await.unwrap();
        assert_eq!(server.asked().len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_told_as_in_kubectl_after_a_few_attempts() {
    let server = Server::new(|_, _| Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()));
    let error =
        server.connection().create(PODS, &json!({}), WriteOptions::default()).await.unwrap_err();
    assert_eq!(
        error.report(),
        "The connection to the server east:6443 was refused - did you specify the right host or \
        port?"
    );
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_when_it_says_so() {
    let busy = |seconds: &'static str| {
        Server::new(move |place, _| match place {
            0 => text(
                429,
                &[("retry-after", seconds)],
                "Too many requests, please try again later.\n",
            ),
            _ => answer(201, &json!({"kind": "Pod"})),
        })
    };
    let start = tokio::time::Instant::now();
    let server = busy("3");
    server.connection().create(PODS, &json!({}), WriteOptions::default()).await.unwrap();
    assert_eq!((server.asked().len(), start.elapsed().as_secs()), (2, 3));

    let server = busy("60");
    let error = server.connection().get(POD).await.unwrap_err();
    assert_eq!((error.reason(), server.asked().len()), ("TooManyRequests", 1));
}

#[tokio::test]
async fn an_answer_of_the_server_is_one_whatever_its_code() {
    let server = Server::new(|_, _| status(404, "NotFound", "pods \"p\" not found"));
    let error = server.connection().get(POD).await.unwrap_err();
    assert!(error.is_not_found() && !error.is_unreachable());
    assert_eq!(error.report(), "Error from server (NotFound): pods \"p\" not found");
    for (code, reason) in
        [(409, "Conflict"), (409, "AlreadyExists"), (403, "Forbidden"), (422, "Invalid")]
    {
        let server = Server::new(move |_, _| status(code, reason, "no"));
        let error = server
            .connection()
            .create(PODS, &json!({}), WriteOptions::default())
            .await
            .unwrap_err();
        assert_eq!(
            (error.reason(), error.is_unreachable(), server.asked().len()),
            (reason, false, 1)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_somebody_else_says_nothing_about_the_cluster() {
    for (code, body) in [
        (404, "404 page not found"),
        (502, "<html>Bad Gateway"),
        (200, "<html>"),
        (200, "[]"),
        (200, ""),
    ] {
        let server = Server::new(move |_, _| text(code, &[], body));
        let error = server.connection().get(POD).await.unwrap_err();
        assert!(error.is_unreachable() && !error.is_not_found(), "{code} {body}: {error}");
        assert!(!error.to_string().contains("html"), "{error}");
    }
    let server = Server::new(|_, _| text(401, &[], "who?"));
    assert!(server.connection().get(POD).await.unwrap_err().is_unauthorized());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_the_request_timeout() {
    let factory =
        |_: &Endpoint| transport::wire(tower::service_fn(|_| std::future::pending::<Answer>()));
    let dialer = Dialer::in_process(DialerOptions::default(), Arc::new(factory));
    for (flag, seconds) in [(None, 30), (Some("5"), 5), (Some("1m"), 60)] {
        let overrides =
            Overrides { request_timeout: flag.map(str::to_owned), ..Overrides::default() };
        let endpoint = endpoint(&json!({"server": "https://east:6443"}), &json!({}), &overrides);
        let start = tokio::time::Instant::now();
        let error = dialer.dial("east", &endpoint).unwrap().get(POD).await.unwrap_err();
        assert_eq!(start.elapsed(), Duration::from_secs(seconds));
        assert_eq!(
            error.to_string(),
            format!("Unable to connect to the server: no answer from east:6443 within {seconds}s")
        );
    }
}

#[tokio::test]
async fn the_identity_is_asked_once_and_another_cluster_is_refused() {
    let server =
        Server::new(|_, _| answer(200, &json!({"kind": "Namespace", "metadata": {"uid": "u-1"}})));
    let connection = server.connection();
    connection.verify("u-1").await.unwrap();
    let error = connection.verify("u-2").await.unwrap_err();
    assert!(matches!(&error, Error::WrongCluster { cluster, expected, found }
        if cluster == "east" && expected == "u-2" && found == "u-1"));
    assert_eq!(server.asked().len(), 1);
    assert_eq!(server.asked()[0].line, "GET https://east:6443/api/v1/namespaces/kube-system");
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_could_not_be_had_is_asked_again() {
    let server = Server::new(|place, _| match place {
        0 => status(403, "Forbidden", "no"),
        _ => answer(200, &json!({"kind": "Namespace", "metadata": {"uid": "u-1"}})),
    });
    let connection = server.connection();
    assert!(connection.identity().await.unwrap_err().is_forbidden());
    assert_eq!(connection.identity().await.unwrap(), "u-1");
}

#[tokio::test]
async fn rights_and_version_are_asked_of_the_server() {
    let server = Server::new(|place, _| match place {
        0 => answer(
            201,
            &json!({"kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": true}}),
        ),
        1 => answer(
            201,
            &json!({"kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1", "status": {"allowed": false}}),
        ),
        _ => answer(200, &json!({"gitVersion": "v1.36.3"})),
    });
    let connection = server.connection();
    let patch = Attributes {
        verb: "patch",
        group: "batch",
        resource: "jobs",
        subresource: "status",
        namespace: "ns",
        ..Attributes::default()
    };
    assert!(connection.allowed(&patch).await.unwrap());
    let create = Attributes { verb: "create", resource: "namespaces", ..Attributes::default() };
    assert!(!connection.allowed(&create).await.unwrap());
    assert_eq!(connection.server_version().await.unwrap(), "v1.36.3");
    assert_eq!(
        server.asked()[0].body["spec"]["resourceAttributes"],
        json!({"verb": "patch", "group": "batch", "resource": "jobs", "subresource": "status",
            "namespace": "ns", "name": ""})
    );
}

#[tokio::test]
async fn warnings_reach_the_sink_with_the_name_of_the_cluster() {
    let server = Server::new(|_, _| {
        text(200, &[("warning", "299 - \"old\""), ("warning", "299 - \"odd\"")], "{}")
    });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    let warnings =
        move |cluster: &str, text: &str| sink.lock().unwrap().push(format!("{cluster}: {text}"));
    let dialer =
        server.dialer(DialerOptions { warnings: Arc::new(warnings), ..DialerOptions::default() });
    let endpoint =
        endpoint(&json!({"server": "https://east:6443"}), &json!({}), &Overrides::default());
    dialer.dial("east", &endpoint).unwrap().get(POD).await.unwrap();
    assert_eq!(*heard.lock().unwrap(), ["east: old", "east: odd"]);
}

#[test]
fn the_log_of_a_request_has_its_line_and_no_secret() {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("kubectl_federate=trace")
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, a log line that another thread passes first would be off for this
    // one too.
    let _second = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server =
                Server::new(|_, _| answer(200, &json!({"kind": "Pod", "metadata": {"name": "p"}})));
            server.connection().get(POD).await.unwrap();
        });
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("GET https://east:6443/api/v1/namespaces/ns/pods/p 200 OK in "),
        "{text}"
    );
    assert!(
        text.contains("authorization: Bearer <masked>") && text.contains("\"name\":\"p\""),
        "{text}"
    );
    assert!(!text.contains("s3cret"), "{text}");
}
