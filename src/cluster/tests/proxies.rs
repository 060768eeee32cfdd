//! Proxies on loopback that count what goes through them.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::tls::{Authority, serve};
use super::*;

type Heard = Arc<Mutex<Vec<String>>>;

/// An HTTP proxy: tunnels for CONNECT, and answers by itself for anything else.
async fn http_proxy() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let all = heard.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let all = all.clone();
            tokio::spawn(async move {
                let mut tcp = BufReader::new(tcp);
                let mut request = String::new();
                while !request.ends_with("\r\n\r\n") {
                    if tcp.read_line(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                all.lock().unwrap().push(request.clone());
                if let Some(target) =
                    request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next())
                {
                    let mut upstream = TcpStream::connect(target).await.unwrap();
                    tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut tcp, &mut upstream).await;
                } else {
                    let body = r#"{"gitVersion":"by the proxy"}"#;
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    let _ = tcp.write_all(answer.as_bytes()).await;
                }
            });
        }
    });
    (address, heard)
}

/// A SOCKS5 proxy without authentication, for IPv4 addresses.
async fn socks_proxy() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let all = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let all = all.clone();
            tokio::spawn(async move {
                let mut greeting = [0; 3];
                tcp.read_exact(&mut greeting).await.unwrap();
                tcp.write_all(&[5, 0]).await.unwrap();
                let mut request = [0; 10];
                tcp.read_exact(&mut request).await.unwrap();
                let target = SocketAddr::from((
                    [request[4], request[5], request[6], request[7]],
                    u16::from_be_bytes([request[8], request[9]]),
                ));
                all.lock().unwrap().push(target.to_string());
                let mut upstream = TcpStream::connect(target).await.unwrap();
                tcp.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut tcp, &mut upstream).await;
            });
        }
    });
    (address, heard)
}

async fn version(cluster: &Value) -> Result<String, Error> {
    let endpoint = endpoint(cluster, &json!({}), &Overrides::default());
    Dialer::new(DialerOptions::default()).dial("east", &endpoint)?.server_version().await
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_is_verified_at_its_end() {
    let authority = Authority::new();
    let server = serve(&authority, &["127.0.0.1"], 2999, &["h2"]).await;
    let (proxy, heard) = http_proxy().await;
    let cluster = json!({
        "server": format!("https://{server}"), "certificate-authority-data": authority.data(),
        "proxy-url": format!("http://jane:s3cret@{proxy}")});
    assert_eq!(version(&cluster).await.unwrap(), "HTTP/2.0 0");
    let heard = heard.lock().unwrap().clone();
    assert!(heard[0].starts_with(&format!("CONNECT {server} HTTP/1.1\r\n")), "{heard:?}");
    assert!(
        heard[0].to_lowercase().contains("proxy-authorization: basic amfuztpzm2nyzxq="),
        "{heard:?}"
    );
}

#[tokio::test]
async fn plain_http_is_asked_of_the_proxy_by_its_whole_url() {
    let (proxy, heard) = http_proxy().await;
    let cluster =
        json!({"server": "http://api.example:8080", "proxy-url": format!("http://{proxy}")});
    assert_eq!(version(&cluster).await.unwrap(), "by the proxy");
    assert!(
        heard.lock().unwrap()[0].starts_with("GET http://api.example:8080/version HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn socks_carries_tls() {
    let authority = Authority::new();
    let server = serve(&authority, &["127.0.0.1"], 2999, &["h2"]).await;
    let (proxy, heard) = socks_proxy().await;
    let cluster = json!({
        "server": format!("https://{server}"), "certificate-authority-data": authority.data(),
        "proxy-url": format!("socks5://{proxy}")});
    assert_eq!(version(&cluster).await.unwrap(), "HTTP/2.0 0");
    assert_eq!(*heard.lock().unwrap(), [server.to_string()]);
}
