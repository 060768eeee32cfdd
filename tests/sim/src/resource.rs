//! The resources that a simulated cluster serves.

use serde_json::{Value, json};

/// A resource of the API, with what discovery says about it.
#[derive(Debug)]
pub struct Resource {
    /// The API group, empty for the core group.
    pub group: &'static str,
    /// The plural name, as in paths.
    pub plural: &'static str,
    /// The singular name.
    pub singular: &'static str,
    /// The kind of its objects.
    pub kind: &'static str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    pub(crate) short: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) status: bool,
}

impl Resource {
    /// The name as messages print it: `jobs.batch`, `configmaps`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The kind as messages print it: `Job.batch`, `ConfigMap`.
    pub(crate) fn qualified_kind(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// The `apiVersion` of its objects.
    pub(crate) fn api_version(&self) -> &'static str {
        match self.group {
            "batch" => "batch/v1",
            "authorization.k8s.io" => "authorization.k8s.io/v1",
            "authentication.k8s.io" => "authentication.k8s.io/v1",
            _ => "v1",
        }
    }

    /// Whether its objects are stored; a review is answered and forgotten.
    pub(crate) fn stored(&self) -> bool {
        !self.group.starts_with("auth")
    }

    fn discovery(&self) -> Vec<Value> {
        let verbs = if self.stored() {
            json!([
                "create",
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "update",
                "watch"
            ])
        } else {
            json!(["create"])
        };
        let mut entry = json!({
            "name": self.plural, "singularName": self.singular, "namespaced": self.namespaced,
            "kind": self.kind, "verbs": verbs,
        });
        if !self.short.is_empty() {
            entry["shortNames"] = self.short.into();
        }
        if !self.categories.is_empty() {
            entry["categories"] = self.categories.into();
        }
        let mut entries = vec![entry];
        if self.status {
            entries.push(json!({
                "name": format!("{}/status", self.plural), "singularName": "",
                "namespaced": self.namespaced,
                "kind": self.kind, "verbs": ["get", "patch", "update"],
            }));
        }
        entries
    }
}

const fn core(
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
) -> Resource {
    Resource {
        group: "",
        plural,
        singular,
        kind,
        namespaced: true,
        short,
        categories: &[],
        status: false,
    }
}

/// Namespaces.
pub static NAMESPACES: Resource = Resource {
    namespaced: false,
    status: true,
    ..core("namespaces", "namespace", "Namespace", &["ns"])
};
/// `ConfigMaps`.
pub static CONFIG_MAPS: Resource = core("configmaps", "configmap", "ConfigMap", &["cm"]);
/// Pods.
pub static PODS: Resource =
    Resource { status: true, categories: &["all"], ..core("pods", "pod", "Pod", &["po"]) };
/// Events.
pub static EVENTS: Resource = core("events", "event", "Event", &["ev"]);
/// Secrets.
pub static SECRETS: Resource = core("secrets", "secret", "Secret", &[]);
/// Jobs.
pub static JOBS: Resource = Resource {
    group: "batch",
    status: true,
    categories: &["all"],
    ..core("jobs", "job", "Job", &[])
};
/// Reviews of what a user may do.
pub static REVIEWS: Resource = Resource {
    group: "authorization.k8s.io",
    namespaced: false,
    ..core("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", &[])
};
/// Reviews of who a user is.
pub static IDENTITY_REVIEWS: Resource = Resource {
    group: "authentication.k8s.io",
    namespaced: false,
    ..core("selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", &[])
};

/// All resources, in the order of discovery.
pub(crate) static ALL: [&Resource; 8] =
    [&CONFIG_MAPS, &EVENTS, &NAMESPACES, &PODS, &SECRETS, &JOBS, &IDENTITY_REVIEWS, &REVIEWS];

/// The resource of a group with a plural name.
pub(crate) fn find(group: &str, plural: &str) -> Option<&'static Resource> {
    ALL.into_iter().find(|r| r.group == group && r.plural == plural)
}

/// The `APIResourceList` of a group.
pub(crate) fn discovery(group: &str) -> Option<Value> {
    let resources: Vec<Value> =
        ALL.into_iter().filter(|r| r.group == group).flat_map(Resource::discovery).collect();
    let version = ALL.into_iter().find(|r| r.group == group)?.api_version();
    let mut list =
        json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources});
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Some(list)
}

/// The groups besides the core group.
pub(crate) const GROUPS: [&str; 3] = ["authentication.k8s.io", "authorization.k8s.io", "batch"];

/// The `APIGroup` of a group.
pub(crate) fn group(group: &str) -> Value {
    let version = json!({"groupVersion": format!("{group}/v1"), "version": "v1"});
    json!({"name": group, "versions": [version], "preferredVersion": version})
}
