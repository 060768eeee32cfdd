//! Clusters become members, or what is recorded of members is changed.

use std::collections::BTreeMap;

use super::{
    error::Error,
    labelled::{Labelled, list_labelled},
    member_changes::checked,
    open::Federation,
    rights::{AskedRight, IN_MEMBER, ask_rights},
};
use crate::{
    cluster::{Connection, fan_out, path},
    state::{Consent, Member, MemberChange, MemberState, Registry},
};

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
    /// Its lease in seconds, if it is to change; none inside for no lease.
    pub lease: Option<Option<i64>>,
    /// Labels that it gets beside those that it has.
    pub labels: Vec<(String, String)>,
}

/// What came of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// The cluster is a member from now on.
    New,
    /// The member was changed.
    Changed {
        /// As it was.
        before: Box<Member>,
        /// As it is for everybody who uses this federation.
        after: Box<Member>,
    },
    /// It was so already.
    Unchanged,
}

impl Federation<'_> {
    /// Asks clusters who they are, side by side, then adds them to the registry in one write, or
    /// changes there what is given anew. One that cannot be registered does not keep the others
    /// from it. Gives, in the order in which they were given, what came of each, and the rights
    /// that the user lacks there in a namespace.
    ///
    /// What came of one is an error where the cluster cannot be asked, is registered under another
    /// name, or its name is taken: also by a lost member whose shards are not all given up, because
    /// its uid identifies them.
    ///
    /// # Errors
    /// The registry cannot be read or written: nothing was registered.
    pub async fn register(
        &self,
        clusters: &[(Connection, Registration)],
        namespace: &str,
    ) -> Result<Vec<Result<(Registered, Vec<AskedRight>), Error>>, Error> {
        let ask = async |(connection, _): &(Connection, Registration)| {
            let uid = connection.identity().await?;
            let mut missing = ask_rights(connection, IN_MEMBER, Some(namespace)).await?;
            missing.retain(|asked| !asked.is_granted);
            Ok::<_, Error>((uid, missing))
        };
        let asked = fan_out(clusters, ask).await;
        let is_leased = clusters.iter().any(|(_, it)| it.lease.flatten().is_some());
        let consent = if is_leased { Some(self.consent().await) } else { None };
        let mut decided = Vec::new();
        let decide = async |registry: &Registry| {
            let (mut draft, mut changes) = (registry.clone(), BTreeMap::new());
            decided.clear();
            for ((_, registration), asked) in clusters.iter().zip(&asked) {
                let Ok((uid, _)) = asked else { continue };
                let change = self.decide(&draft, registration, uid, consent.as_ref()).await;
                decided.push(change.map(|(member, what)| {
                    if what != Registered::Unchanged {
                        let name = &registration.name;
                        draft.members.insert(name.clone(), member.clone());
                        changes.insert(name.clone(), MemberChange::Set(member));
                    }
                    what
                }));
            }
            Ok::<_, Error>(changes)
        };
        self.store.update_members(Registry::clone(&self.registry), decide).await?;
        let mut decided = decided.into_iter();
        let with_rights = |asked: Result<(String, Vec<AskedRight>), Error>| {
            let (_, missing) = asked?;
            let what = decided.next().expect("there is one for each that has answered")?;
            Ok((what, missing))
        };
        Ok(asked.into_iter().map(with_rights).collect())
    }

    /// The member that a cluster with this uid becomes, and what that makes of it.
    async fn decide(
        &self,
        registry: &Registry,
        registration: &Registration,
        uid: &str,
        consent: Option<&Consent>,
    ) -> Result<(Member, Registered), Error> {
        if let Some(lost) = registration.replaced(registry, uid) {
            self.must_be_given_up(&registration.name, lost).await?;
        }
        registration.member(registry, uid, consent, self.now().as_second())
    }

    /// How many Jobs each of these clusters has that are shards which the records of their
    /// federated Jobs lack: others were given their work while the cluster was no member. A cluster
    /// that cannot be asked is left out, and all are where the records cannot be read.
    pub async fn lacked<'n>(
        &self,
        clusters: impl IntoIterator<Item = (&'n str, &'n Connection)>,
    ) -> Vec<(&'n str, usize)> {
        let path = path::collection(path::BATCH, None, "jobs");
        let ask = async |(name, connection): (&'n str, &'n Connection)| {
            Some((name, list_labelled(connection, &path).await.ok()?))
        };
        let listed: Vec<_> = fan_out(clusters, ask).await.into_iter().flatten().collect();
        if listed.iter().all(|(_, jobs)| jobs.is_empty()) {
            return Vec::new();
        }
        let Ok(records) = self.all_records().await else { return Vec::new() };
        let records: BTreeMap<_, _> = records
            .iter()
            .filter(|record| record.state.deleting.is_none() && !record.awaits_lists())
            .map(|record| ((record.namespace(), record.state.uid.as_str()), record))
            .collect();
        let is_lacked = |job: &&Labelled| {
            let record = records.get(&(job.namespace.as_str(), job.owner.job.as_str()));
            let id: Option<u32> = job.owner.shard.parse().ok();
            record.zip(id).is_some_and(|(record, id)| !record.knows_shard(id))
        };
        let count = |(name, jobs): (_, Vec<_>)| (name, jobs.iter().filter(is_lacked).count());
        listed.into_iter().map(count).filter(|(_, count)| *count > 0).collect()
    }
}

impl Registration {
    /// The member whose name the cluster with this uid takes: a lost cluster makes room for one
    /// that was built anew.
    fn replaced<'r>(&self, registry: &'r Registry, uid: &str) -> Option<&'r Member> {
        let before = registry.members.get(&self.name)?;
        (before.uid != uid && before.state == MemberState::Lost).then_some(before)
    }

    /// The member as it is to be, and what that makes of it. `consent` says who asks for a lease.
    fn member(
        &self,
        registry: &Registry,
        uid: &str,
        consent: Option<&Consent>,
        now: i64,
    ) -> Result<(Member, Registered), Error> {
        let name = &self.name;
        let before = match self.replaced(registry, uid) {
            Some(_) => None,
            None => registry.members.get(name),
        };
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
            lost: None,
            stops_pods: false,
            lease: None,
            state_before: None,
        });
        // An interrupted `cluster unregister` may have left its mark.
        member = member.staying();
        if self.context_given {
            member.context.clone_from(&self.context);
        }
        member.weight = self.weight.unwrap_or(member.weight);
        if let Some(seconds) = self.lease {
            member = member.leased(seconds, consent);
        }
        member.labels.extend(self.labels.iter().cloned());
        checked(name, &member)?;
        let what = match before {
            None => Registered::New,
            Some(before) if *before == member => Registered::Unchanged,
            Some(before) => Registered::Changed {
                before: Box::new(before.clone()),
                after: Box::new(member.clone()),
            },
        };
        Ok((member, what))
    }
}
