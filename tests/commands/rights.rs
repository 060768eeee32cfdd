//! The rights that docs/operations.md gives as YAML: with them, and with nothing else, a Job can be
//! submitted, changed, described and deleted.

use std::sync::LazyLock;

use kubectl_federate::yaml;
use serde_json::{Value, json};
use sim::{Access, NAMESPACES};

use crate::{
    roles::{IDENTITY, RUN_JOBS, allows, roles},
    stage::{May, Stage},
};

/// The namespace of the page's roles.
const NAMESPACE: &str = "math";

/// The roles of the page.
static ROLES: LazyLock<Vec<Value>> = LazyLock::new(|| roles(RUN_JOBS));

/// Whether one of these roles of the page allows it.
fn allowed(names: &[&str], access: &Access) -> bool {
    ROLES.iter().any(|role| {
        let is_named = names.iter().any(|name| role["metadata"]["name"] == *name);
        let here =
            role["kind"] == "ClusterRole" || role["metadata"]["namespace"] == access.namespace;
        is_named && here && allows(&role["rules"], access)
    })
}

/// Somebody who has the roles for the host.
fn submits(access: &Access) -> bool {
    allowed(&[IDENTITY, "kubectl-federate-registry", "kubectl-federate-records"], access)
}

/// Somebody who has the roles for a member.
fn runs(access: &Access) -> bool {
    allowed(&[IDENTITY, "kubectl-federate-shards"], access)
}

/// A Job's whole life with these rights.
pub async fn suffice() {
    let users: [(&str, May); 2] = [("host", submits), ("member", runs)];
    let mut stage = Stage::with_users(&users);
    stage.quietly("init").await;
    for cluster in ["east", "west", "north"] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE },
        });
        stage.cluster(cluster).create(&NAMESPACES, "", namespace).expect("it can be created");
        let register = format!("cluster register {cluster} --cluster-context=member@{cluster}");
        stage.quietly(&register).await;
    }
    for command in [
        "job create -f pi.yaml",
        "job get pi -o wide",
        "job scale pi --parallelism=2",
        "job scale pi --completions=12",
        "job describe pi",
        "job suspend pi",
        "job resume pi",
        "reconcile",
        "job diff -f pi.yaml",
        "job apply -f pi.yaml",
        "job delete pi --cascade=background",
        "job create -f pi.yaml",
        "job delete pi",
        "orphans list",
        "orphans clean pi --yes",
    ] {
        let typed = format!("{command} --namespace={NAMESPACE} --context=host@east");
        let (code, stdout, stderr) = stage.run(&typed, None).await;
        let differs = i32::from(command.starts_with("job diff"));
        assert_eq!(i32::from(code), differs, "{typed}\n{stdout}\n{stderr}");
        let refused = ["forbidden", "cannot", "may not"].iter().any(|word| stderr.contains(word));
        assert!(!refused, "{typed}\n{stderr}");
    }
}

/// `cluster check --print-rbac` prints the page's roles, and binds each to the user.
pub async fn checked() {
    let mut stage = Stage::with_users(&[("nobody", |_| false)]);
    stage.federate(["east", "north"]).await;
    let east = stage.cluster("east").kube_system_uid();
    let config =
        format!("host: {{context: east, uid: {east}}}\ncontexts: {{north: nobody@north}}\n");
    stage.write(".kube/federate.yaml", &config);
    let mut printed = Vec::new();
    for which in ["--host --context=nobody@east", "north"] {
        let command = format!("cluster check {which} --print-rbac --namespace={NAMESPACE}");
        let (code, stdout, stderr) = stage.run(&command, None).await;
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        printed.extend(yaml::read(&stdout).expect("it is YAML"));
    }
    let (roles, bindings): (Vec<Value>, Vec<Value>) =
        printed.into_iter().partition(|document| document.get("rules").is_some());
    for (role, binding) in roles.iter().zip(&bindings) {
        assert_eq!(binding["kind"], format!("{}Binding", role["kind"].as_str().expect("a kind")));
        assert_eq!(binding["roleRef"]["kind"], role["kind"]);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
        assert_eq!(binding["subjects"][0]["name"], "nobody");
    }
    assert_eq!(roles.len(), bindings.len());
    // The page has the role that all clusters need once.
    let is_identity = |role: &Value| role["metadata"]["name"] == IDENTITY;
    let identity = roles.iter().position(is_identity).expect("it is printed");
    let again = |place: usize, role: &Value| place != identity && is_identity(role);
    let once = roles.iter().enumerate().filter(|(place, role)| !again(*place, role));
    assert_eq!(once.map(|(_, role)| role.clone()).collect::<Vec<_>>(), *ROLES);
}
