//! All Jobs in a cluster that carry the labels of shards, whatever the records say.

use serde_json::Value;

use super::open::Federation;
use crate::{
    cluster::{Connection, Error, fan_out, path},
    job::{Observed, Ownership, labels},
    state::{Former, Member, MemberState, Registry},
};

/// A cluster that is asked for its Jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its name as a member, or the one that it had.
    pub name: String,
    /// How it is reached, and the uid that it must have.
    pub member: Member,
    /// Whether it is a member no more.
    pub is_former: bool,
}

/// A Job that carries the three labels of a shard, of this federation or of another one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Labelled {
    /// Its namespace.
    pub namespace: String,
    /// What its labels say.
    pub owner: Ownership,
    /// What decisions need of it.
    pub observed: Observed,
    /// The Job as the cluster has it.
    pub object: Value,
}

/// What one cluster answered.
pub(super) struct Listing {
    /// The cluster.
    pub asked: Asked,
    /// The connection and the Jobs; or why there is no answer.
    pub answer: Result<(Connection, Vec<Labelled>), Error>,
}

impl Asked {
    /// All clusters that a registry knows, each once: the members, then those that were
    /// unregistered. A member is no former cluster, whatever else the registry says.
    pub fn all(registry: &Registry) -> Vec<Self> {
        let members = registry.members.iter().map(|(name, member)| Self {
            name: name.clone(),
            member: member.clone(),
            is_former: false,
        });
        let former = registry.former.iter();
        let former = former.filter(|(uid, _)| registry.member_by_uid(uid).is_none());
        let former = former.map(|(uid, Former { name, context })| Self {
            name: name.clone(),
            member: Member::unregistered(uid, context, MemberState::Leaving),
            is_former: true,
        });
        members.chain(former).collect()
    }
}

impl Federation<'_> {
    /// Asks clusters, side by side, for the Jobs of a namespace (none: of all) that carry the
    /// labels of shards. The identity of each cluster is checked first (G7).
    pub(super) async fn labelled(
        &self,
        clusters: Vec<Asked>,
        namespace: Option<&str>,
    ) -> Vec<Listing> {
        let path = path::collection(path::BATCH, namespace, "jobs");
        let ask = async |asked: Asked| {
            let answer = async {
                let connection = self.access.dial(&asked.name, &asked.member)?;
                connection.verify(&asked.member.uid).await?;
                let jobs = list_labelled(&connection, &path).await?;
                Ok((connection, jobs))
            };
            let answer = answer.await;
            if let Err(error) = &answer
                && !asked.is_former
            {
                self.name_if_astray(&asked.name, &asked.member, error);
            }
            Listing { asked, answer }
        };
        fan_out(clusters, ask).await
    }
}

/// The Jobs at a path of a cluster that carry the labels of shards.
pub(super) async fn list_labelled(
    connection: &Connection,
    path: &str,
) -> Result<Vec<Labelled>, Error> {
    let jobs = connection.list(path, labels::FEDERATION).await?;
    Ok(jobs.into_iter().filter_map(Labelled::read).collect())
}

impl Labelled {
    /// Reads a Job; none if it lacks one of the three labels.
    pub fn read(object: Value) -> Option<Self> {
        let observed = Observed::from_object(&object);
        let namespace = object["metadata"]["namespace"].as_str()?.to_owned();
        Some(Self { namespace, owner: observed.owner.clone()?, observed, object })
    }

    /// Whether another object made it, such as a CronJob.
    pub fn has_owner(&self) -> bool {
        self.object["metadata"]["ownerReferences"].as_array().is_some_and(|all| !all.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_asked_once_and_as_a_member_although_it_is_noted_as_former() {
        let text = |value: Value| Value::from(value.to_string());
        let member = json!({"context": "c", "uid": "e", "weight": 1, "state": "ready",
            "registered": 0});
        let former = json!({"name": "old", "context": "c"});
        let registry = Registry::from_config_map(&json!({"metadata": {"annotations": {
            "kubectl-federate.dev/settings": text(json!({"version": 3, "uid": "f", "host": "h"})),
            "member.kubectl-federate.dev/east": text(member),
            "former.kubectl-federate.dev/e": text(former.clone()),
            "former.kubectl-federate.dev/w": text(former),
        }}}))
        .expect("whole");
        let asked = Asked::all(&registry).into_iter();
        let asked: Vec<_> = asked.map(|asked| (asked.member.uid, asked.is_former)).collect();
        assert_eq!(asked, [("e".to_owned(), false), ("w".to_owned(), true)]);
    }
}
