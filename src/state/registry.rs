//! The registry: the members of a federation, an annotation each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, VERSION, documents::Documents};

/// The namespace on the host that holds the registry.
pub(super) const NAMESPACE: &str = "kubectl-federate";
/// The name of the registry's ConfigMap.
pub(super) const NAME: &str = "federation";

const SETTINGS: &str = "kubectl-federate.dev/settings";
const MEMBER_PREFIX: &str = "member.kubectl-federate.dev/";

/// The most characters that a member's name has: it is part of an annotation's key.
const NAME_LENGTH: usize = 40;

/// A federation: who belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Registry {
    /// The federation's own uid, which the labels of its shards carry.
    pub uid: String,
    /// The uid of the host's `kube-system` namespace when the registry was made.
    pub host: String,
    /// The members by name.
    pub members: BTreeMap<String, Member>,
    pub(super) resource_version: String,
    pub(super) documents: Documents,
}

/// A registered cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Member {
    /// The kubeconfig context that reached it when it was registered: a hint, since a context's
    /// name is one person's own.
    pub context: String,
    /// Its identity: the uid of its `kube-system` namespace.
    pub uid: String,
    /// Its share beside those of the other members where a Job says nothing else; 0 or more.
    pub weight: i32,
    /// The user's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it gets new work.
    pub state: MemberState,
    /// When it was registered, in seconds since 1970.
    pub registered: i64,
}

/// Whether a member gets new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberState {
    /// It gets new work.
    Ready,
    /// It is being unregistered. It gets no new work, and no Job of a planned shard is created in
    /// it.
    Leaving,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct Settings {
    version: u32,
    uid: String,
    host: String,
}

impl Registry {
    /// The ConfigMap of a new registry without members.
    pub(super) fn new_config_map(uid: &str, host: &str) -> Value {
        let mut documents = Documents::none(object());
        documents.put(
            SETTINGS,
            &Settings { version: VERSION, uid: uid.to_owned(), host: host.to_owned() },
        );
        let mut config_map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": NAME, "namespace": NAMESPACE },
        });
        documents.write_to(&mut config_map).expect("settings are small");
        config_map
    }

    /// Reads the registry from its ConfigMap.
    ///
    /// # Errors
    /// It is damaged or newer; the error names the annotation.
    pub fn from_config_map(config_map: &Value) -> Result<Self, Error> {
        let documents = Documents::read(object(), config_map)?;
        documents.version(SETTINGS)?;
        let settings: Settings = documents.get(SETTINGS)?;
        let members: BTreeMap<String, Member> = documents.with_prefix(MEMBER_PREFIX)?;
        if let Some((name, _)) = members.iter().find(|(_, member)| member.weight < 0) {
            return Err(
                documents.damaged(&format!("{MEMBER_PREFIX}{name}"), &"its weight is negative")
            );
        }
        Ok(Self {
            uid: settings.uid,
            host: settings.host,
            members,
            resource_version: config_map["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            documents,
        })
    }

    /// The merge patch that makes `name` this member, or no member. It also writes the version, so
    /// that an older program does not take what it does not know for damage.
    pub(super) fn patch(&self, name: &str, member: Option<&Member>) -> Result<Value, Error> {
        let key = format!("{MEMBER_PREFIX}{name}");
        let mut after = self.documents.clone();
        let settings =
            Settings { version: VERSION, uid: self.uid.clone(), host: self.host.clone() };
        after.put(SETTINGS, &settings);
        match member {
            Some(member) => after.put(&key, member),
            None => after.remove(&key),
        }
        after.patch(&self.resource_version)
    }

    /// The member with this identity, if the cluster is registered.
    pub fn member_by_uid(&self, uid: &str) -> Option<(&str, &Member)> {
        self.members
            .iter()
            .find(|(_, member)| member.uid == uid)
            .map(|(name, member)| (name.as_str(), member))
    }
}

fn object() -> String {
    format!("configmap {NAMESPACE}/{NAME}")
}

/// A member's name made from the name of a context: a DNS label of at most 40 characters.
///
/// What a DNS label cannot have becomes a hyphen; of a long name the end is kept, because that is
/// where `arn:…:cluster/NAME` and the like differ. `None` where nothing is left.
pub fn member_name(context: &str) -> Option<String> {
    let mapped: String = context
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let start = mapped.len().saturating_sub(NAME_LENGTH);
    let name = mapped[start..].trim_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(uid: &str) -> Member {
        Member {
            context: "gke_p_eu_a".into(),
            uid: uid.into(),
            weight: 2,
            labels: [("zone".to_owned(), "eu".to_owned())].into(),
            state: MemberState::Ready,
            registered: 7,
        }
    }

    #[test]
    fn members_are_read_as_written_and_removed_alone() {
        let mut config_map = Registry::new_config_map("f", "h");
        let empty = Registry::from_config_map(&config_map).expect("whole");
        assert_eq!((empty.uid.as_str(), empty.host.as_str(), empty.members.len()), ("f", "h", 0));
        let patch = empty.patch("east", Some(&member("e"))).expect("fits");
        for (key, value) in patch["metadata"]["annotations"].as_object().expect("annotations") {
            config_map["metadata"]["annotations"][key] = value.clone();
        }
        let registry = Registry::from_config_map(&config_map).expect("whole");
        assert_eq!(registry.members["east"], member("e"));
        assert_eq!(registry.member_by_uid("e").map(|(name, _)| name), Some("east"));
        let patch = registry.patch("east", None).expect("fits");
        assert_eq!(
            patch["metadata"]["annotations"],
            json!({"member.kubectl-federate.dev/east": null})
        );
    }

    #[test]
    fn names_come_from_contexts() {
        for (context, name) in [
            ("east", Some("east")),
            ("kind-East", Some("kind-east")),
            ("admin@k8s.example.com:6443", Some("admin-k8s-example-com-6443")),
            (
                "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
                Some("eks-eu-west-1-123456789012-cluster-prod"),
            ),
            ("@@", None),
        ] {
            assert_eq!(member_name(context).as_deref(), name, "{context}");
        }
    }
}
