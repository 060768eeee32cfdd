//! The way to the server: proxies, names, ports, time.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use serde_json::json;

use super::front::{Manner, base64, listen};
use super::proxy::Proxy;
use super::scene::{Both, Scene};

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("network: a cluster's own proxy", proxy_url),
        ("network: the environment's proxy, and what it is not for", environment),
        ("network: a proxy that is none", no_proxy),
        ("network: a port where nobody listens", refused),
        ("network: a host that does not resolve", unresolved),
        ("network: server addresses of every form", addresses),
        ("network: forms of --request-timeout", timeouts),
        ("network: a server that never answers", silent),
    ])
}

/// Both agree, and ask the proxy for the same.
#[track_caller]
fn through(proxy: &Proxy, scene: &Scene, flags: &[&str]) -> Vec<String> {
    proxy.take();
    let kubectl = scene.kubectl(&[&["get", "--raw=/version"], flags].concat());
    let asked = proxy.take();
    let ours = scene.ours(&[&["version"], flags].concat());
    Both { kubectl, ours }.agree();
    assert_eq!(asked, proxy.take());
    asked
}

fn proxy_url() {
    let scene = Scene::new();
    let (http, socks) = (Proxy::http(scene.east.address), Proxy::socks(scene.east.address));
    let mut cluster = scene.cluster("east");
    let user = json!({"token": "t"});
    // The proxy of a cluster is for loopback as well.
    for server in
        [scene.east.url(), "https://api.example:6443".to_owned(), "https://api.example".to_owned()]
    {
        let target = server.trim_start_matches("https://").to_owned();
        let target = if target.contains(':') { target } else { target + ":443" };
        cluster["server"] = server.into();
        cluster["proxy-url"] = format!("http://{}", http.address).into();
        scene.entries(&cluster, &user);
        assert_eq!(through(&http, &scene, &[]), std::slice::from_ref(&target));
        cluster["proxy-url"] = format!("socks5://{}", socks.address).into();
        scene.entries(&cluster, &user);
        assert_eq!(through(&socks, &scene, &[]), [target]);
    }
    cluster["proxy-url"] = format!("http://jane:s%40crt@{}", http.address).into();
    scene.entries(&cluster, &user);
    assert_eq!(
        through(&http, &scene, &[]),
        [format!("api.example:443 Basic {}", base64("jane:s@crt"))]
    );
    assert_eq!(through(&http, &scene, &["--server=https://api.example:1"]).len(), 1);
}

fn environment() {
    let mut scene = Scene::in_manner(&Manner {
        names: &["127.0.0.1", "localhost", "api.example", "192.0.2.1"],
        ..Manner::default()
    });
    let proxy = Proxy::http(scene.east.address);
    let url = format!("http://{}", proxy.address);
    scene.config(&scene.plain());
    let away = "--server=https://api.example:6443";
    let asked: [&[String]; 2] = [&["api.example:6443".to_owned()], &[]];
    let port = scene.east.address.port();
    for (name, value) in [
        ("HTTPS_PROXY", url.clone()),
        ("https_proxy", url.clone()),
        ("HTTPS_PROXY", proxy.address.to_string()),
    ] {
        scene.var(name, value);
        assert_eq!(through(&proxy, &scene, &[away]), asked[0]);
        assert_eq!(
            through(&proxy, &scene, &["--server=https://192.0.2.1:6443"]),
            ["192.0.2.1:6443"]
        );
        // It is never for this host.
        assert_eq!(through(&proxy, &scene, &[]), asked[1]);
        assert_eq!(
            through(&proxy, &scene, &[&format!("--server=https://localhost:{port}")]),
            asked[1]
        );
        scene.var("HTTPS_PROXY", "").var("https_proxy", "");
    }
    scene.var("HTTP_PROXY", &url);
    assert_eq!(through(&proxy, &scene, &[]), asked[1]);
    scene.var("HTTPS_PROXY", &url);
    // What is not excepted goes to the proxy; what is would go to a name that does not resolve.
    for no_proxy in
        ["example.com", "pi.example", "api.example:443", "xapi.example", "10.0.0.0/8", " , "]
    {
        scene.var("NO_PROXY", no_proxy);
        assert_eq!(through(&proxy, &scene, &[away]), asked[0], "{no_proxy}");
    }
    for no_proxy in
        ["*", "example", ".example", "*.example", "API.example", "other, api.example:6443"]
    {
        scene.var("NO_PROXY", no_proxy);
        proxy.take();
        let both = scene.both(&[away]);
        assert!(!both.kubectl.ok && !both.ours.ok, "{no_proxy}: {both:#?}");
        assert!(proxy.take().is_empty(), "{no_proxy}");
    }
    // The cluster's own proxy wins, and knows no exceptions.
    scene.var("NO_PROXY", "*").var("HTTPS_PROXY", "http://127.0.0.1:1");
    let mut cluster = scene.cluster("east");
    cluster["proxy-url"] = url.into();
    scene.entries(&cluster, &json!({"token": "t"}));
    assert_eq!(through(&proxy, &scene, &[away]), asked[0]);
}

fn no_proxy() {
    let scene = Scene::new();
    let mut cluster = scene.cluster("east");
    for (url, kubectl, ours) in [
        (
            "ftp://proxy",
            "unsupported scheme \"ftp\", must be http, https, or socks5",
            "unsupported scheme \"ftp\", must be http, https, or socks5",
        ),
        ("proxy:3128", "unsupported scheme \"proxy\"", "invalid proxy-url"),
        // Where kubectl says that the server refused, we name the one that did.
        ("http://127.0.0.1:1", "refused", "the proxy 127.0.0.1:1 refused the connection"),
        ("socks5://127.0.0.1:1", "refused", "the SOCKS proxy cannot be reached"),
        ("http://nowhere.invalid:1", "lookup nowhere.invalid", "lookup nowhere.invalid: "),
    ] {
        cluster["proxy-url"] = url.into();
        scene.entries(&cluster, &json!({"token": "t"}));
        scene.both(&[]).fail(kubectl, ours);
    }
}

fn refused() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    scene.both(&["--server=https://127.0.0.1:1"]).fail_alike(
        "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?",
    );
    scene
        .both(&["--server=127.0.0.1:1"])
        .fail_alike("The connection to the server 127.0.0.1:1 was refused");
}

fn unresolved() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    // `.invalid` never resolves (RFC 6761); how that is said depends on the resolver.
    scene.both(&["--server=https://nowhere.invalid:6443"]).fail(
        "Unable to connect to the server: dial tcp: lookup nowhere.invalid",
        "Unable to connect to the server: dial tcp: lookup nowhere.invalid",
    );
}

fn addresses() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    let port = scene.east.address.port();
    // Without a scheme it is plain HTTP, whatever else the file says.
    scene
        .both(&["--server", &format!("127.0.0.1:{port}")])
        .fail("HTTP", "Unable to connect to the server: ");
    for server in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}"),
        format!("HTTPS://LOCALHOST:{port}"),
    ] {
        let caller = scene.both(&["--server", &server]).agree_on_one();
        assert_eq!(caller.server, "east", "{server}");
    }
    for (server, words) in [
        ("https://exa mple:1", "host must be a URL or a host:port pair: \"https://exa mple:1\""),
        ("https://", ""),
    ] {
        scene.both(&["--server", server]).fail(words, words);
    }
}

fn timeouts() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    for text in ["0", "30", "30s", "1m30s", "1.5h", "2000ms", "0s", "1h0m"] {
        scene.both(&["--request-timeout", text]).agree();
    }
    for text in ["abc", "5 s", "1x", "s"] {
        scene
            .both(&["--request-timeout", text])
            .fail_alike("Invalid timeout value. Timeout must be a single integer in seconds");
    }
}

fn silent() {
    let scene = Scene::new();
    let hole = listen(async |tcp| {
        let _open = tcp;
        std::future::pending::<()>().await;
    });
    let mut cluster = scene.cluster("east");
    cluster["server"] = format!("https://{hole}").into();
    scene.entries(&cluster, &json!({"token": "t"}));
    let start = Instant::now();
    let run = scene.ours(&["version", "--request-timeout=1"]);
    assert!(
        !run.ok && run.error().contains(&format!("no answer from {hole} within 1s")),
        "{run:#?}"
    );
    assert!(start.elapsed() >= Duration::from_secs(1));
}
