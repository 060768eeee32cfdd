//! Holding back a write of the Job controller: on simulated clusters a switch, on real ones an admission policy of
//! the API server.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use real::until;
use serde_json::json;
use tokio::sync::Mutex;

use crate::place::{SOON, manifest};

/// The label of Jobs, and of pods, of which a real API server refuses the Job controller's writes once it has the
/// [`policy`].
pub const LABEL: &str = "example.com/hold";

/// The user that a real controller manager is.
const CONTROLLERS: &str = "system:kube-controller-manager";

/// Which write of the Job controller is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// That of the Job's status.
    Status,
    /// That which takes the finalizer off a pod.
    Finalizers,
}

impl Held {
    /// As the simulation calls it.
    pub fn simulated(self) -> sim::Held {
        match self {
            Self::Status => sim::Held::Status,
            Self::Finalizers => sim::Held::Finalizers,
        }
    }
}

/// Has a real API server refuse the Job controller what bears [`LABEL`].
pub async fn policy(cluster: &real::Cluster) -> Result<(), Failed> {
    static MADE: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
    let mut made = MADE.lock().await;
    if !made.contains(cluster.name()) {
        make_policy(cluster).await?;
        made.insert(cluster.name().to_owned());
    }
    Ok(())
}

async fn make_policy(cluster: &real::Cluster) -> Result<(), Failed> {
    let group = "/apis/admissionregistration.k8s.io/v1";
    let rule = |group: &str, resource: &str| {
        let (versions, operations) = (["v1"], ["UPDATE"]);
        json!({"apiGroups": [group], "apiVersions": versions, "operations": operations, "resources": [resource]})
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
    let binding =
        json!({"metadata": {"name": "hold"}, "spec": {"policyName": "hold", "validationActions": ["Deny"]}});
    cluster.create(&format!("{group}/validatingadmissionpolicies"), &policy).await?;
    cluster.create(&format!("{group}/validatingadmissionpolicybindings"), &binding).await?;
    let jobs = "/apis/batch/v1/namespaces/default/jobs";
    let mut job = manifest("probe", json!({"suspend": true}));
    job["metadata"]["labels"] = json!({LABEL: "yes"});
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
