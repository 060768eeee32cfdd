//! An admission policy of a real API server by which the Job controller's writes are refused, of
//! Jobs and pods that a test chooses.

use std::collections::BTreeSet;
use std::time::Duration;

use libtest_mimic::Failed;
use real::until;
use serde_json::json;
use tokio::sync::Mutex;

/// The label of Jobs, and of pods, of which a real API server refuses the Job controller's writes
/// once it has the policy.
pub const LABEL: &str = "example.com/hold";

/// The user that a real controller manager is.
const CONTROLLERS: &str = "system:kube-controller-manager";

/// How long an API server may take to heed a policy.
const SOON: Duration = Duration::from_mins(1);

/// Has a real API server refuse the Job controller what bears [`LABEL`].
pub async fn install(cluster: &real::Cluster) -> Result<(), Failed> {
    static MADE: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    let mut made = MADE.lock().await;
    if !made.contains(cluster.name()) {
        make(cluster).await?;
        made.insert(cluster.name().to_owned());
    }
    Ok(())
}

async fn make(cluster: &real::Cluster) -> Result<(), Failed> {
    let group = "/apis/admissionregistration.k8s.io/v1";
    let rule = |group: &str, resource: &str| {
        let (versions, operations) = (["v1"], ["UPDATE"]);
        json!({"apiGroups": [group], "apiVersions": versions, "operations": operations,
            "resources": [resource]})
    };
    let policy = json!({
        "metadata": {"name": "hold"},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [rule("batch", "jobs/status"), rule("", "pods")],
                "objectSelector": {"matchLabels": {LABEL: "yes"}},
            },
            "validations": [{
                "expression": format!("request.userInfo.username != '{CONTROLLERS}'"),
                "message": "a test holds it back",
            }],
        },
    });
    let binding = json!({"metadata": {"name": "hold"}, "spec": {"policyName": "hold",
        "validationActions": ["Deny"]}});
    cluster.create(&format!("{group}/validatingadmissionpolicies"), &policy).await?;
    cluster.create(&format!("{group}/validatingadmissionpolicybindings"), &binding).await?;
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "main",
        "image": "busybox"}]}});
    let job = json!({
        "metadata": {"name": "probe", "labels": {LABEL: "yes"}},
        "spec": {"suspend": true, "template": template},
    });
    cluster.create(jobs, &job).await?;
    let controllers = cluster.api_of(CONTROLLERS)?;
    until("the policy to hold", SOON, || async {
        let path = format!("{jobs}/probe/status?dryRun=All");
        match controllers.patch(&path, &json!({"status": {"active": 1}})).await {
            Err(error) if error.to_string().contains("a test holds it back") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    cluster.delete(&format!("{jobs}/probe"), &json!({"propagationPolicy": "Background"})).await?;
    Ok(())
}
