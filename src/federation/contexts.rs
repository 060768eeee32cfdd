//! Which of a user's contexts lead to which clusters.
//!
//! The name of a context is one person's own. The registry has one as a hint; a user who calls it
//! otherwise finds the member by the uid of its cluster.

use std::{collections::BTreeMap, time::Duration};

use super::rights::{IN_MEMBER, ask_rights};
use crate::{
    cluster::{Connection, Error, fan_out},
    state::{Member, Registry},
};

/// How long the cluster of a context may take to answer. Contexts of clusters that are gone are
/// common in kubeconfigs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A context, and what the cluster that it leads to says.
#[derive(Debug, Clone)]
pub struct AskedContext {
    /// The name of the context.
    pub name: String,
    /// Host and port of its server; empty where the kubeconfig leads to none.
    pub server: String,
    /// The cluster; or why it cannot be told which one it is.
    pub cluster: Result<Identified, String>,
}

/// A cluster that answered.
#[derive(Debug, Clone)]
pub struct Identified {
    /// The uid of its namespace `kube-system`.
    pub uid: String,
    /// The version of its server, such as `v1.36.3`; none where it does not say.
    pub version: Option<String>,
    /// How many of the rights that are needed in a member the context's user lacks; 0 where these
    /// were not asked for.
    pub lacks: usize,
}

/// How a user reaches a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the context that is in use already.
    Used,
    /// By another context; and by these further ones.
    Found(String, Vec<String>),
    /// By none that answered.
    None,
}

/// Whether the cluster of a context can be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Free,
    /// It is a member, with this name.
    Member(String),
    /// This context, which stands before it, leads to the same cluster.
    Same(String),
    /// It is not known which cluster it is, and why.
    Unknown(String),
}

/// Whether the cluster of each context can be registered, in the order of the contexts.
pub fn standings(contexts: &[AskedContext], registry: Option<&Registry>) -> Vec<Standing> {
    let standing = |(at, context): (usize, &AskedContext)| match &context.cluster {
        Err(why) => Standing::Unknown(why.clone()),
        Ok(cluster) => {
            let member = registry.and_then(|registry| context.member(registry));
            let same = contexts[..at].iter().find(|other| other.leads_to(&cluster.uid));
            match (member, same) {
                (Some(name), _) => Standing::Member(name.to_owned()),
                (None, Some(other)) => Standing::Same(other.name.clone()),
                (None, None) => Standing::Free,
            }
        }
    };
    contexts.iter().enumerate().map(standing).collect()
}

/// Asks the clusters of these contexts which they are, side by side; and which rights their users
/// have in a namespace, if one is given. The answers have the order of the contexts.
pub async fn ask_contexts(
    contexts: impl IntoIterator<Item = (String, Result<Connection, Error>)>,
    rights_in: Option<&str>,
) -> Vec<AskedContext> {
    let ask = async |(name, connection): (String, Result<Connection, Error>)| {
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => {
                return AskedContext {
                    name,
                    server: String::new(),
                    cluster: Err(error.to_string()),
                };
            }
        };
        let server = connection.host().to_owned();
        let cluster = match tokio::time::timeout(PATIENCE, identify(&connection, rights_in)).await {
            Ok(identified) => identified.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {}s", PATIENCE.as_secs())),
        };
        AskedContext { name, server, cluster }
    };
    fan_out(contexts, ask).await
}

async fn identify(connection: &Connection, rights_in: Option<&str>) -> Result<Identified, Error> {
    let lacks = async {
        let Some(namespace) = rights_in else { return 0 };
        let asked = ask_rights(connection, IN_MEMBER, Some(namespace)).await;
        asked.map_or(IN_MEMBER.len(), |all| all.iter().filter(|asked| !asked.is_granted).count())
    };
    let (uid, version, lacks) =
        tokio::join!(connection.identity(), connection.server_version(), lacks);
    Ok(Identified { uid: uid?, version: version.ok(), lacks })
}

impl AskedContext {
    /// Whether it leads to the cluster with this uid.
    pub fn leads_to(&self, uid: &str) -> bool {
        self.cluster.as_ref().is_ok_and(|cluster| cluster.uid == uid)
    }

    /// How many of the rights that are needed in a member its user lacks.
    fn lacks(&self) -> usize {
        self.cluster.as_ref().map_or(0, |cluster| cluster.lacks)
    }

    /// The name of the member that it leads to, if it leads to one.
    pub fn member<'r>(&self, registry: &'r Registry) -> Option<&'r str> {
        let cluster = self.cluster.as_ref().ok()?;
        registry.member_by_uid(&cluster.uid).map(|(name, _)| name)
    }
}

/// How a user who has these contexts reaches each member. `used` is the context by which the user
/// reaches it now. Of several others the one comes first whose user has the most rights; of those
/// with as many the registered one, then the first of the alphabet.
pub fn ways(
    members: &BTreeMap<String, Member>,
    contexts: &[AskedContext],
    used: impl Fn(&str, &Member) -> String,
) -> BTreeMap<String, Way> {
    let way = |(name, member): (&String, &Member)| {
        let mut leading: Vec<_> =
            contexts.iter().filter(|context| context.leads_to(&member.uid)).collect();
        let is_other = |name: &str| name != member.context;
        leading.sort_by_key(|one| (one.lacks(), is_other(&one.name), one.name.clone()));
        let leading: Vec<_> = leading.into_iter().map(|context| context.name.clone()).collect();
        let used = used(name, member);
        let way = match leading.split_first() {
            None => Way::None,
            Some(_) if leading.contains(&used) => Way::Used,
            Some((first, others)) => Way::Found(first.clone(), others.to_vec()),
        };
        (name.clone(), way)
    };
    members.iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context(name: &str, uid: Option<&str>) -> AskedContext {
        let cluster = uid.map(|uid| Identified { uid: uid.to_owned(), version: None, lacks: 0 });
        AskedContext {
            name: name.to_owned(),
            server: String::new(),
            cluster: cluster.ok_or_else(|| "no answer".to_owned()),
        }
    }

    #[test]
    fn a_member_is_found_by_its_uid() {
        let member = |uid: &str| -> Member {
            let member = json!({"context": "hint", "uid": uid, "weight": 1, "state": "ready",
                "registered": 0});
            serde_json::from_value(member).expect("a member")
        };
        let members = [("a", "1"), ("b", "2"), ("c", "3")];
        let members = members.map(|(name, uid)| (name.to_owned(), member(uid))).into();
        let contexts = [
            context("z", Some("1")),
            context("hint", Some("1")),
            context("mine", Some("2")),
            context("y", Some("2")),
            context("gone", None),
        ];
        let found = |used: &str| ways(&members, &contexts, |_, _| used.to_owned());
        let others = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let by_y = found("y");
        assert_eq!(by_y["a"], Way::Found("hint".to_owned(), others(&["z"])));
        assert_eq!(by_y["b"], Way::Used);
        assert_eq!(by_y["c"], Way::None);
        assert_eq!(found("hint")["b"], Way::Found("mine".to_owned(), others(&["y"])));
        let mut contexts = contexts.clone();
        contexts[1].cluster.as_mut().expect("it answered").lacks = 3;
        let ways = ways(&members, &contexts, |_, _| "y".to_owned());
        assert_eq!(ways["a"], Way::Found("z".to_owned(), others(&["hint"])), "it has more rights");
    }
}
