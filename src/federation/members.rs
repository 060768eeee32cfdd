//! The members: listing and unregistering them.

use super::{error::Error, event::Event, labelled::Asked, lost::Contact, open::Federation};
use crate::{
    cluster::{self, Denial, fan_out},
    state::{Member, MemberChange, MemberState, Record, Registry},
};

/// The Jobs of a federation that stay in a cluster that is taken out of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Staying {
    /// How many there are.
    pub jobs: usize,
    /// How many of them are of federated Jobs that have records.
    pub recorded: usize,
    /// Whether one has run and has not ended.
    pub run_on: bool,
}

/// What a member answered when it was asked who it is.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its name.
    pub name: String,
    /// What the registry says of it.
    pub member: Member,
    /// The kubeconfig context by which this user reaches it.
    pub context: String,
    /// Its server's version; or why it cannot be used.
    pub version: Result<String, String>,
    /// How it keeps this user out, if it answered that.
    pub denial: Option<Denial>,
    /// What it carries; none where not all records of all namespaces can be read.
    pub carried: Option<Carried>,
}

/// The unended work of a member, as it was recorded last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Federated Jobs with a shard there that has not ended.
    pub jobs: usize,
    /// Those shards.
    pub shards: usize,
    /// Their pods that are pending or running.
    pub pods: i32,
}

impl Carried {
    /// What a member carries of these records.
    fn of_records(records: &[Record], name: &str, member: &Member) -> Self {
        let mut carried = Self::default();
        for record in records {
            let shards = record.live_in(name, &member.uid).map(|(_, shard)| shard);
            let (count, pods) = shards.fold((0, 0_i32), |(count, pods), shard| {
                (count + 1, pods.saturating_add(shard.active()))
            });
            carried.jobs += usize::from(count > 0);
            carried.shards += count;
            carried.pods = carried.pods.saturating_add(pods);
        }
        carried
    }
}

impl Federation<'_> {
    /// Takes a member out of the registry, unless a federated Job needs it
    /// ([`Record::needs`](crate::state::Record::needs)). Nothing is changed in the cluster itself.
    /// Gives what stays there; none if it could not be asked. Unless that is nothing, the cluster
    /// stays known as a former one.
    ///
    /// One compare-and-swap cannot cover the registry and the records. So the member is marked as
    /// leaving, then the records are read, then it is removed. Whoever gives a member a shard
    /// writes the record, then reads the registry, and creates the Job only if there is no mark. So
    /// either the shard is found here, or the mark is seen there.
    ///
    /// # Errors
    /// There is no such member, or it carries shards: their work would be forgotten.
    pub async fn unregister(&self, name: &str) -> Result<Option<Staying>, Error> {
        let mut registry = Registry::clone(&self.registry);
        loop {
            let mut jobs = Vec::new();
            let mut left = None;
            let change = async |registry: &Registry| {
                let Some(member) = registry.members.get(name) else {
                    return Err(Error::not_registered(name, registry));
                };
                let records = self.all_records().await?;
                jobs = needing(&records, name, member);
                Ok(match (member.state, jobs.is_empty()) {
                    // A lost member gets no shard: no mark is needed.
                    (MemberState::Leaving | MemberState::Lost, true) => {
                        left = self.staying(name, member, &records).await;
                        let is_clean = left.is_some_and(|left| left.jobs == 0);
                        if is_clean { MemberChange::Forget } else { MemberChange::Remove }
                    }
                    (MemberState::Leaving, false) => MemberChange::Set(member.staying()),
                    (_, true) => MemberChange::Set(member.leaving()),
                    (_, false) => MemberChange::Keep,
                })
            };
            let changed = self.store.update_member(registry, name, change).await?;
            if !jobs.is_empty() {
                let silent = self.contact(name).await == Contact::Silent;
                return Err(Error::CarriesShards { name: name.to_owned(), jobs, silent });
            }
            if matches!(changed, MemberChange::Remove | MemberChange::Forget) {
                return Ok(left);
            }
            // It was marked. Only somebody who registers it again meanwhile has it marked anew.
            registry = self.store.registry().await?;
        }
    }

    /// What a cluster has of this federation, which has these records; none if it could not be
    /// asked.
    async fn staying(&self, name: &str, member: &Member, records: &[Record]) -> Option<Staying> {
        let (name, member) = (name.to_owned(), member.clone());
        let asked = vec![Asked { name, member, is_former: false }];
        let (_, jobs) = self.labelled(asked, None).await.pop()?.answer.ok()?;
        let mut staying = Staying::default();
        for job in jobs.iter().filter(|job| job.owner.federation == self.registry.uid) {
            let is_its = |record: &Record| record.state.uid == job.owner.job;
            staying.jobs += 1;
            staying.recorded += usize::from(records.iter().any(is_its));
            staying.run_on |= job.observed.end.is_none() && !job.observed.has_run_nothing();
        }
        Some(staying)
    }

    /// Makes sure that no Job needs a lost member, so that its name may stand for another cluster.
    ///
    /// # Errors
    /// A Job does, or a record cannot be read.
    pub(super) async fn must_be_given_up(&self, name: &str, lost: &Member) -> Result<(), Error> {
        let jobs = needing(&self.all_records().await?, name, lost);
        if jobs.is_empty() {
            return Ok(());
        }
        Err(Error::NotGivenUp { name: name.to_owned(), jobs })
    }

    /// Asks the members that `selected` chooses who they are and which versions their servers have,
    /// side by side. Says what each carries, by the records on the host, or why that is not known.
    /// One that does not answer is not waited for long.
    pub async fn members(&self, selected: impl Fn(&Member) -> bool) -> Vec<Answered> {
        let chosen: Vec<_> =
            self.registry.members.iter().filter(|(_, member)| selected(member)).collect();
        let members = self.unasked();
        let names = chosen.iter().map(|(name, _)| (*name).clone()).collect();
        let (records, ()) = tokio::join!(self.all_records(), self.join(&members, names));
        // Who may read some namespaces only has nothing to mend.
        if let Err(error) = &records
            && !error.hides_registry()
        {
            self.notify(Event::Unread(error));
        }
        let records = records.ok();
        let ask = async |(name, member): (&String, &Member)| {
            let (version, denial) = match members.get(name) {
                Ok(connection) => {
                    let version = connection.server_version().await;
                    let denial = version.as_ref().err().and_then(cluster::Error::denial);
                    (version.map_err(|error| error.to_string()), denial)
                }
                Err(why) => {
                    let denial = members.lasting_error(name).and_then(cluster::Error::denial);
                    (Err(why.to_owned()), denial)
                }
            };
            let carried =
                records.as_ref().map(|records| Carried::of_records(records, name, member));
            let context = self.access.context(name, member).to_owned();
            let (name, member) = (name.clone(), member.clone());
            Answered { name, member, context, version, denial, carried }
        };
        let mut answers = fan_out(chosen, ask).await;
        answers.sort_by(|one, other| one.name.cmp(&other.name));
        answers
    }
}

/// The namespaces and names of the federated Jobs that need a member.
fn needing(records: &[Record], name: &str, member: &Member) -> Vec<(String, String)> {
    let needing = records.iter().filter(|record| record.needs(name, member));
    needing.map(|record| (record.namespace().to_owned(), record.name().to_owned())).collect()
}
