//! Rights as manifests of RBAC.

use serde_json::{Value, json};

use super::{AskedRight, Right, Role};

/// The API group of roles and bindings.
const GROUP: &str = "rbac.authorization.k8s.io";

/// The roles that grant what a user lacks of these rights, and their bindings.
///
/// A role holds all its rights, also those that the user has: `kubectl apply` replaces the rules of
/// a role that is there already, and must not take a right from anybody. For the same reason each
/// user has bindings of their own.
///
/// `jobs` is the namespace of the user's Jobs; none for all.
pub fn manifests(asked: &[AskedRight], jobs: Option<&str>, user: &str) -> Vec<Value> {
    let mut manifests = Vec::new();
    for role in [Role::Identity, Role::Registry, Role::Records, Role::Shards] {
        let rights = || asked.iter().filter(|asked| asked.right.role == role);
        if rights().any(|asked| !asked.is_granted) {
            let rights: Vec<_> = rights().map(|asked| asked.right).collect();
            let namespace = role.namespace(jobs);
            manifests.push(role.manifest(namespace, &rights));
            manifests.push(role.binding(namespace, user));
        }
    }
    manifests
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "kubectl-federate-identity",
            Self::Registry => "kubectl-federate-registry",
            Self::Records => "kubectl-federate-records",
            Self::Shards => "kubectl-federate-shards",
        }
    }

    fn manifest(self, namespace: Option<&str>, rights: &[&Right]) -> Value {
        let is_same = |one: &&Right, other: &&Right| {
            (one.group, one.resource, one.subresource, one.name)
                == (other.group, other.resource, other.subresource, other.name)
        };
        let rules = rights.chunk_by(is_same).map(|rights| {
            let first = rights[0];
            let verbs: Vec<_> = rights.iter().map(|right| right.verb).collect();
            let mut rule = json!({
                "apiGroups": [first.group], "resources": [first.resource()], "verbs": verbs,
            });
            if !first.name.is_empty() {
                rule["resourceNames"] = json!([first.name]);
            }
            rule
        });
        let kind = kind(namespace);
        let mut role = object(kind, self.name(), namespace);
        role["rules"] = rules.collect();
        role
    }

    fn binding(self, namespace: Option<&str>, user: &str) -> Value {
        let kind = kind(namespace);
        let name = format!("{}:{}", self.name(), path_segment(user));
        let mut binding = object(&format!("{kind}Binding"), &name, namespace);
        binding["roleRef"] = json!({ "apiGroup": GROUP, "kind": kind, "name": self.name() });
        binding["subjects"] = json!([{ "apiGroup": GROUP, "kind": "User", "name": user }]);
        binding
    }
}

fn kind(namespace: Option<&str>) -> &'static str {
    if namespace.is_some() { "Role" } else { "ClusterRole" }
}

fn object(kind: &str, name: &str, namespace: Option<&str>) -> Value {
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": { "name": name },
    });
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// The name of a user in a name of RBAC, which may have neither `/` nor `%`. Two users have two
/// names.
fn path_segment(user: &str) -> String {
    user.replace('_', "__").replace('/', "_s").replace('%', "_p")
}

#[cfg(test)]
mod tests {
    use super::super::IN_MEMBER;
    use super::*;

    fn asked(is_granted: impl Fn(&Right) -> bool) -> Vec<AskedRight> {
        let ask = |right| AskedRight { right, words: String::new(), is_granted: is_granted(right) };
        IN_MEMBER.iter().map(ask).collect()
    }

    fn names(manifests: &[Value]) -> Vec<String> {
        let field = |it: &Value, at| it.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let name = |it| [field(it, "/kind"), field(it, "/metadata/name")].map(Option::unwrap);
        manifests.iter().map(|it| name(it).join("/")).collect()
    }

    #[test]
    fn a_role_has_all_its_rights_where_one_is_missing() {
        let asked = asked(|right| right.verb != "delete");
        let made = manifests(&asked, Some("math"), "alice");
        let role = "kubectl-federate-shards";
        let expected = [format!("Role/{role}"), format!("RoleBinding/{role}:alice")];
        assert_eq!(names(&made), expected);
        assert_eq!(made[0]["rules"][0]["verbs"].as_array().map(Vec::len), Some(6));
        assert!(made.iter().all(|it| it["metadata"]["namespace"] == "math"));
    }

    #[test]
    fn all_namespaces_take_cluster_roles() {
        let made = manifests(&asked(|_| false), None, "alice");
        assert!(made.iter().all(|it| it["metadata"].get("namespace").is_none()));
        let kinds = ["ClusterRole", "ClusterRoleBinding"].repeat(2);
        assert_eq!(made.iter().map(|it| it["kind"].clone()).collect::<Vec<_>>(), kinds);
        assert_eq!(made[3]["roleRef"]["name"], made[2]["metadata"]["name"]);
    }

    #[test]
    fn users_of_all_names_have_bindings_of_their_own() {
        let users = ["a/b", "a_b", "a%b", "a_sb", "a__b", "https://id.example.com#x", "s:n:x"];
        let segments: std::collections::BTreeSet<_> =
            users.iter().map(|user| path_segment(user)).collect();
        assert_eq!(segments.len(), users.len());
        assert!(segments.iter().all(|segment| !segment.contains(['/', '%'])));
    }

    #[test]
    fn who_lacks_nothing_is_given_nothing() {
        assert_eq!(manifests(&asked(|_| true), None, "alice"), Vec::<Value>::new());
    }
}
