//! Clusters on sockets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sim::{CONFIG_MAPS, Link, Server, User, Verdict, When};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

async fn connect(server: &Server, protocol: &str) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).expect("a certificate");
    roots.add(ca).expect("the authority is trusted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let socket = TcpStream::connect(server.url().trim_start_matches("https://"))
        .await
        .expect("a connection");
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .expect("the certificate is good")
}

fn request(server: &Server) -> Request<Full<bytes::Bytes>> {
    Request::get(format!("{}/version", server.url()))
        .header("host", "127.0.0.1")
        .header("authorization", "Bearer t")
        .body(Full::default())
        .expect("a request")
}

#[tokio::test]
async fn both_versions_of_http_are_served_until_the_server_is_dropped() {
    let cluster = Cluster::builder("a").user(User::admin("root", "t")).build();
    let server = cluster.serve().await.expect("a free port");
    let (mut one, driver) =
        http1::handshake(TokioIo::new(connect(&server, "http/1.1").await)).await.expect("HTTP/1.1");
    let one_ends = tokio::spawn(driver);
    assert_eq!(one.send_request(request(&server)).await.expect("an answer").status(), 200);
    let io = TokioIo::new(connect(&server, "h2").await);
    let (mut two, driver) = http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    let two_ends = tokio::spawn(driver);
    assert_eq!(two.send_request(request(&server)).await.expect("an answer").status(), 200);

    cluster.on_request(|_| Verdict::Reset(When::Before));
    assert!(one.send_request(request(&server)).await.is_err());
    assert!(two.send_request(request(&server)).await.is_err());
    let _ = tokio::join!(one_ends, two_ends);

    let address = server.url().trim_start_matches("https://").to_owned();
    drop(server);
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_kubeconfig_names_each_cluster() {
    let mut servers = Vec::new();
    for name in ["a", "b", "c"] {
        let cluster =
            Cluster::builder(name).user(User::admin("root", format!("token-{name}"))).build();
        servers.push(cluster.serve().await.expect("a free port"));
    }
    let config: Value = serde_json::from_str(&sim::kubeconfig(&servers)).expect("JSON is YAML");
    assert_eq!(config["current-context"], "a");
    assert_eq!(
        config["contexts"][2],
        json!({"name": "c", "context": {"cluster": "c", "user": "c"}})
    );
    assert_eq!(config["users"][1]["user"]["token"], "token-b");
    assert_eq!(config["clusters"][0]["cluster"]["server"], servers[0].url());
}

/// Asks over HTTP/2, on a connection of its own, for a ConfigMap.
async fn read(server: &Server, name: &str) -> Value {
    let io = TokioIo::new(connect(server, "h2").await);
    let (mut client, driver) = http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(driver);
    let url = format!("{}/api/v1/namespaces/default/configmaps/{name}", server.url());
    let request = Request::get(url).body(Full::<bytes::Bytes>::default()).expect("a request");
    let answer = client.send_request(request).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn over_a_link_connecting_handshakes_and_answers_take_a_round_trip_each() {
    let cluster = Cluster::new("a");
    let round_trip = Duration::from_millis(20);
    let link = Link::new(round_trip);
    let server = cluster.serve_over(&link).await.expect("a free port");
    let text = "0123456789".repeat(90_000);
    let object = json!({"metadata": {"name": "large"}, "data": {"text": text}});
    cluster.create(&CONFIG_MAPS, "default", object).expect("it is valid");

    let start = Instant::now();
    let found = read(&server, "large").await;
    assert!(start.elapsed() >= 3 * round_trip, "{:?}", start.elapsed());
    assert_eq!(found["data"]["text"], text.as_str(), "nothing is lost on the way");
    assert_eq!(link.connections(), 1);

    link.set_silent(true);
    let address = server.url().trim_start_matches("https://").to_owned();
    let mut unheard = TcpStream::connect(&address).await.expect("the network is there");
    unheard.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("it takes bytes");
    unheard.shutdown().await.expect("it is told that no more come");
    // What is no TLS is answered where it is heard.
    let mut answer = Vec::new();
    let _ = unheard.read_to_end(&mut answer).await;
    assert_eq!((answer.len(), link.connections()), (0, 2));

    link.set_silent(false);
    assert_eq!(read(&server, "large").await, found);
}
