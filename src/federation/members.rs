//! The members: registering clusters, listing and unregistering them.

use std::collections::BTreeMap;

use super::{error::Error, open::Federation};
use crate::{
    cluster::{self, Connection, fan_out},
    state::{Member, MemberChange, MemberState, Registry},
};

/// What a member must let us do, as verb, resource and subresource, and what cannot be done without
/// it.
const RIGHTS: [(&str, &str, &str, &str); 6] = [
    ("list", "jobs", "", "nothing can be known of its jobs"),
    ("get", "jobs", "", "nothing can be known of its jobs"),
    ("create", "jobs", "", "it cannot be given work"),
    ("patch", "jobs", "", "its jobs cannot be started"),
    ("delete", "jobs", "", "its jobs cannot be deleted"),
    ("patch", "jobs", "status", "work cannot be taken off it once it runs"),
];

/// A cluster that is to be registered, or registered anew with something changed.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The member's name.
    pub name: String,
    /// The kubeconfig context that leads to it.
    pub context: String,
    /// Whether the context was given, so that it replaces the one that a member has.
    pub context_given: bool,
    /// Its weight, if it is to change.
    pub weight: Option<i32>,
    /// Labels that it gets beside those that it has.
    pub labels: Vec<(String, String)>,
}

/// What came of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The cluster is a member from now on.
    New,
    /// The member was changed.
    Changed,
    /// It was so already.
    Unchanged,
}

/// What a member answered when it was asked who it is.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its name.
    pub name: String,
    /// What the registry says of it.
    pub member: Member,
    /// Its server's version; or why it cannot be used.
    pub version: Result<String, String>,
}

impl Federation<'_> {
    /// Asks a cluster who it is, then adds it to the registry, or changes what is given anew. Gives
    /// the rights that the user lacks there, in words, each with what cannot be done without it.
    ///
    /// # Errors
    /// The cluster cannot be asked, is registered under another name, or its name is taken.
    pub async fn register(
        &self,
        connection: &Connection,
        registration: &Registration,
    ) -> Result<(Registered, Vec<(String, &'static str)>), Error> {
        let uid = connection.identity().await?;
        let missing = missing_rights(connection).await?;
        let mut what = Registered::Unchanged;
        let change = async |registry: &Registry| {
            let member;
            (member, what) = registration.member(registry, &uid, self.now().as_second())?;
            Ok::<_, Error>(match what {
                Registered::Unchanged => MemberChange::Keep,
                Registered::New | Registered::Changed => MemberChange::Set(member),
            })
        };
        self.store.update_member(self.registry.clone(), &registration.name, change).await?;
        Ok((what, missing))
    }

    /// Takes a member out of the registry, unless a federated Job needs it ([`Record::needs`](crate::state::Record::needs)).
    /// Nothing is changed in the cluster itself.
    ///
    /// One compare-and-swap cannot cover the registry and the records. So the member is marked as
    /// leaving, then the records are read, then it is removed. Whoever gives a member a shard
    /// writes the record, then reads the registry, and creates the Job only if there is no mark. So
    /// either the shard is found here, or the mark is seen there.
    ///
    /// # Errors
    /// There is no such member, or it carries shards: their work would be forgotten.
    pub async fn unregister(&self, name: &str) -> Result<(), Error> {
        let mut registry = self.registry.clone();
        loop {
            let mut jobs = Vec::new();
            let change = async |registry: &Registry| {
                let Some(member) = registry.members.get(name) else {
                    return Err(Error::NotRegistered { name: name.to_owned() });
                };
                jobs = self.jobs_that_need(name, member).await?;
                let with = |state| MemberChange::Set(Member { state, ..member.clone() });
                Ok(match (member.state, jobs.is_empty()) {
                    (MemberState::Ready, true) => with(MemberState::Leaving),
                    (MemberState::Leaving, true) => MemberChange::Remove,
                    (MemberState::Leaving, false) => with(MemberState::Ready),
                    (MemberState::Ready, false) => MemberChange::Keep,
                })
            };
            let changed = self.store.update_member(registry, name, change).await?;
            if !jobs.is_empty() {
                return Err(Error::CarriesShards { name: name.to_owned(), jobs });
            }
            if changed == MemberChange::Remove {
                return Ok(());
            }
            // It was marked. Only somebody who registers it again meanwhile has it marked anew.
            registry = self.store.registry().await?;
        }
    }

    /// The namespaces and names of the federated Jobs that need a member.
    async fn jobs_that_need(
        &self,
        name: &str,
        member: &Member,
    ) -> Result<Vec<(String, String)>, Error> {
        let mut jobs = Vec::new();
        for record in self.store.records(&self.registry.uid, None).await? {
            let record = record?;
            if record.needs(name, member) {
                jobs.push((record.namespace().to_owned(), record.name().to_owned()));
            }
        }
        Ok(jobs)
    }

    /// Asks every member who it is and which version its server has.
    pub async fn members(&self) -> Vec<Answered> {
        let members = self.all_members().await;
        let ask = async |(name, member): (&String, &Member)| {
            let version = match members.get(name) {
                Ok(connection) => {
                    connection.server_version().await.map_err(|error| error.to_string())
                }
                Err(why) => Err(why.to_owned()),
            };
            Answered { name: name.clone(), member: member.clone(), version }
        };
        let mut answers = fan_out(self.registry.members.iter(), ask).await;
        answers.sort_by(|one, other| one.name.cmp(&other.name));
        answers
    }
}

impl Registration {
    /// The member as it is to be, and what that makes of it.
    fn member(
        &self,
        registry: &Registry,
        uid: &str,
        now: i64,
    ) -> Result<(Member, Registered), Error> {
        let name = &self.name;
        let before = registry.members.get(name);
        if let Some(other) = before.filter(|member| member.uid != uid) {
            return Err(Error::NameTaken { name: name.clone(), context: other.context.clone() });
        }
        if let Some((other, _)) = registry.member_by_uid(uid).filter(|(other, _)| other != name) {
            return Err(Error::RegisteredAs { name: other.to_owned() });
        }
        let mut member = before.cloned().unwrap_or_else(|| Member {
            context: self.context.clone(),
            uid: uid.to_owned(),
            weight: 1,
            labels: BTreeMap::new(),
            state: MemberState::Ready,
            registered: now,
        });
        // An interrupted `cluster unregister` may have left its mark.
        member.state = MemberState::Ready;
        if self.context_given {
            member.context.clone_from(&self.context);
        }
        member.weight = self.weight.unwrap_or(member.weight);
        member.labels.extend(self.labels.iter().cloned());
        let what = match before {
            None => Registered::New,
            Some(before) if *before == member => Registered::Unchanged,
            Some(_) => Registered::Changed,
        };
        Ok((member, what))
    }
}

/// The rights that we lack there, as words, and what that means.
async fn missing_rights(
    connection: &Connection,
) -> Result<Vec<(String, &'static str)>, cluster::Error> {
    let ask = async |(verb, resource, subresource, without)| {
        let allowed = connection.allowed(verb, "batch", resource, subresource, "").await?;
        let words = if subresource.is_empty() {
            format!("{verb} {resource}.batch")
        } else {
            format!("{verb} {resource}.batch/{subresource}")
        };
        Ok((!allowed).then_some((words, without)))
    };
    let answers: Result<Vec<_>, cluster::Error> = fan_out(RIGHTS, ask).await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}
