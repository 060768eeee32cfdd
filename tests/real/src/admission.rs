//! Admission policies of a cluster: what its API server adds to the Jobs of a namespace, and what
//! it demands of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Cluster;
use crate::error::{Error, during};
use crate::until::poll;

/// How long an API server may take to heed a policy.
const HEED: Duration = Duration::from_mins(1);

/// The API group of policies, in the one version that both versions of servers have.
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

impl Cluster {
    /// Has the API server set a field of every Job of a namespace in writes of these operations:
    /// `CREATE`, and `UPDATE` too or not. `path` is the field as a JSON pointer. Writes of a Job's
    /// status are left alone. Returns when the server heeds the policy.
    ///
    /// This is a `MutatingAdmissionPolicy`, which servers before 1.36 do not have: they refuse it.
    pub async fn set_on_jobs(
        &self,
        namespace: &str,
        operations: &[&str],
        path: &str,
        value: &Value,
    ) -> Result<(), Error> {
        // JSON is an expression of CEL, which has numbers, strings, lists and maps alike.
        let patch = format!("[JSONPatch{{op: \"add\", path: {path:?}, value: {value}}}]");
        let mutation = json!({"patchType": "JSONPatch", "jsonPatch": {"expression": patch}});
        let rule = json!({"reinvocationPolicy": "Never", "mutations": [mutation]});
        let name = format!("set-{namespace}{}", path.replace('/', "-").to_lowercase());
        self.make_policy("mutatingadmissionpolic", &name, namespace, operations, rule).await?;
        self.until_heeded(namespace, |answer| match answer {
            Ok(job) if job.pointer(path) == Some(value) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
    }

    /// Has the API server refuse every Job of a namespace whose spec lacks a field, saying this,
    /// when it is created and when it is changed. Returns when the server heeds the
    /// policy.
    ///
    /// This is a `ValidatingAdmissionPolicy`, whose name is `require-NAMESPACE-FIELD`, the field in
    /// lower case. So is the name of its binding.
    pub async fn require_of_jobs(
        &self,
        namespace: &str,
        field: &str,
        message: &str,
    ) -> Result<(), Error> {
        let validation =
            json!({"expression": format!("has(object.spec.{field})"), "message": message});
        let rule = json!({"validations": [validation]});
        let name = format!("require-{namespace}-{}", field.to_lowercase());
        let operations = ["CREATE", "UPDATE"];
        self.make_policy("validatingadmissionpolic", &name, namespace, &operations, rule).await?;
        self.until_heeded(namespace, |answer| match answer {
            Err(error) if error.to_string().contains(message) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await
    }

    /// Makes a policy on the Jobs of a namespace, and its binding.
    async fn make_policy(
        &self,
        kind: &str,
        name: &str,
        namespace: &str,
        operations: &[&str],
        mut rule: Value,
    ) -> Result<(), Error> {
        rule["failurePolicy"] = "Fail".into();
        rule["matchConstraints"] = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "resourceRules": [{
                "apiGroups": ["batch"], "apiVersions": ["v1"], "operations": operations,
                "resources": ["jobs"],
            }],
        });
        let policy = json!({"metadata": {"name": name}, "spec": rule});
        self.create(&format!("{GROUP}/{kind}ies"), &policy).await?;
        let mut binding = json!({"metadata": {"name": name}, "spec": {"policyName": name}});
        if kind.starts_with("validating") {
            binding["spec"]["validationActions"] = json!(["Deny"]);
        }
        self.create(&format!("{GROUP}/{kind}ybindings"), &binding).await?;
        Ok(())
    }

    /// Creates a Job again and again, as a dry run, until the answer is the one that is wanted.
    async fn until_heeded(
        &self,
        namespace: &str,
        wanted: impl Fn(Result<Value, Error>) -> Result<(), String>,
    ) -> Result<(), Error> {
        let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs?dryRun=All");
        let container = json!({"name": "main", "image": "busybox"});
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        let probe = json!({"metadata": {"name": "probe"}, "spec": {"template": template}});
        poll(HEED, || async { wanted(self.create(&path, &probe).await) })
            .await
            .map_err(during("wait for an admission policy"))
    }
}
