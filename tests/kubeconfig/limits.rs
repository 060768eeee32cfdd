//! More clusters than open files.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::front::{Front, Manner};
use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[("limits: 300 members with 256 open files", many_members)])
}

const MEMBERS: usize = 300;

/// Registers the others as the first one was, in one request.
fn register_alike(scene: &Scene, clusters: &[sim::Cluster]) {
    let registry =
        clusters[0].get(&sim::CONFIG_MAPS, "kubectl-federate", "federation").expect("it was made");
    let prefix = "member.kubectl-federate.dev/";
    let first = registry["metadata"]["annotations"][format!("{prefix}m0")]
        .as_str()
        .expect("it was registered");
    let first: Value = serde_json::from_str(first).expect("JSON");
    let mut args: Vec<_> =
        ["annotate", "configmap", "federation", "-nkubectl-federate"].map(str::to_owned).into();
    for cluster in &clusters[1..] {
        let mut member = first.clone();
        member["context"] = cluster.name().into();
        member["uid"] = cluster.kube_system_uid().into();
        args.push(format!("{prefix}{}={member}", cluster.name()));
    }
    let run = scene.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run.ok, "{run:#?}");
}

fn many_members() {
    // The servers are in this process, which has both ends of nothing, but one of each connection.
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit can be raised to what is allowed");
    let clusters: Vec<_> = (0..MEMBERS).map(|n| sim::Cluster::new(format!("m{n}"))).collect();
    let scene = Scene::on(&clusters[0], &clusters[1]);
    let fronts: Vec<_> =
        clusters.iter().map(|cluster| Front::serve(cluster, &Manner::default())).collect();
    let list = |inner: &str, entry: &dyn Fn(&Front) -> Value| -> Value {
        fronts
            .iter()
            .map(|front| json!({"name": front.cluster.name(), inner: entry(front)}))
            .collect()
    };
    scene.config(&json!({
        "current-context": "m0",
        "clusters": list("cluster", &|front| {
            let mut cluster = scene.cluster("east");
            cluster["server"] = front.url().into();
            cluster
        }),
        "users": list("user", &|front| json!({"token": front.cluster.name()})),
        "contexts": list("context", &|front| json!({"cluster": front.cluster.name(), "user": front.cluster.name()})),
    }));
    // Both limits, so that it cannot be raised.
    let limited = |args: &str| {
        let run =
            scene.run("sh", &["-c", &format!("ulimit -n 256; exec {} {args}", super::scene::OURS)]);
        assert!(run.ok, "{args}: {run:#?}");
        run.stdout
    };
    limited("init");
    limited("cluster register m0");
    register_alike(&scene, &clusters);
    assert_eq!(
        limited("cluster list --no-headers").lines().filter(|line| line.contains("Ready")).count(),
        MEMBERS
    );
    let job = scene.file(
        "pi.yaml",
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"parallelism": MEMBERS, "completions": 2 * MEMBERS, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl"}],
            }}},
        })
        .to_string(),
    );
    limited(&format!("job create -f {job}"));
    let made = || clusters.iter().filter(|c| c.get(&sim::JOBS, "default", "pi").is_some()).count();
    assert_eq!(made(), MEMBERS);
    let got: Value = serde_json::from_str(&limited("job get pi -o json")).expect("JSON");
    assert_eq!(got["status"]["shards"].as_array().map(Vec::len), Some(MEMBERS), "{got:#}");
    limited("job delete pi --cascade=background");
    // The clusters' own collectors remove what was deleted.
    clusters.iter().for_each(sim::Cluster::settle);
    assert_eq!(made(), 0);
}
