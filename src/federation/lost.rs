//! A cluster is declared lost: what it was not seen to have done is done by others (G8).
//!
//! The registry says so first, by compare-and-swap. From then on every reconcile gives up the
//! shards there. So whatever is interrupted, the next `reconcile` finishes it.

use std::time::Duration;

use super::{
    error::Error,
    event::{Became, Event},
    key::{Key, key},
    open::Federation,
    reconcile::Reopen,
    records::Records,
};
use crate::{
    reconcile::Members,
    state::{Accepted, Member, MemberState, Record, Shard},
};

/// Work that may run twice once its cluster is declared lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
    /// The Job, by its namespace and its name.
    pub job: Key,
    /// How much, a phrase such as `6 completions of cluster west`.
    pub work: String,
}

/// What may run twice once a cluster is declared lost.
#[derive(Debug)]
pub struct Risks {
    /// Its work, of each Job whose record was read.
    pub jobs: Vec<AtRisk>,
    /// Why other records were not read: whether those Jobs have work there is not known.
    pub unread: Vec<Error>,
}

impl Risks {
    /// Whether there may be any.
    pub fn is_any(&self) -> bool {
        !(self.jobs.is_empty() && self.unread.is_empty())
    }
}

/// How long a member may take to say who it is before it counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a member can be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// It answers, and is the registered cluster.
    Answers,
    /// Something keeps this user from it until they correct it, such as a context that leads
    /// elsewhere.
    Barred,
    /// It gives no answer.
    Silent,
}

impl Federation<'_> {
    /// Asks a member who it is, and tells why it cannot be asked. None that does not answer is
    /// waited for long.
    pub async fn contact(&self, name: &str) -> Contact {
        let dial = |name: &str, member: &Member| self.access.dial(name, member);
        let names = [name.to_owned()].into();
        let asked = Members::connect(&self.registry, names, dial);
        let Ok(members) = tokio::time::timeout(PATIENCE, asked).await else {
            self.notify(Event::Silent { cluster: name, why: "it gives no answer" });
            return Contact::Silent;
        };
        self.name_the_astray(&members);
        match members.get(name) {
            Ok(_) => Contact::Answers,
            Err(why) => {
                self.notify(Event::Silent { cluster: name, why });
                let is_barred = members.lasting_error(name).is_some();
                if is_barred { Contact::Barred } else { Contact::Silent }
            }
        }
    }

    /// The work that may run twice if a cluster is declared lost, by what was recorded last. No
    /// member is asked. It is a member, or none that has shards.
    ///
    /// # Errors
    /// There is no such cluster, or the host cannot be asked.
    pub async fn at_risk(&self, name: &str) -> Result<Risks, Error> {
        let member = self.member_or_carrier(name).await?;
        let at_risk = |record: &Record| {
            Some(AtRisk { job: key(record), work: record.at_risk_in(name, &member.uid)? })
        };
        let Records { records, errors } = self.records(&[], None).await?;
        Ok(Risks { jobs: records.iter().filter_map(at_risk).collect(), unread: errors })
    }

    /// Declares a cluster lost, and gives what it was not seen to have done to others. No answer of
    /// it is needed. One that is no member, and has shards, becomes a member that is lost. A record
    /// that cannot be read keeps back no other Job.
    ///
    /// # Errors
    /// There is no such cluster; or for a Job, what kept its work from being given to others.
    pub async fn declare_lost(&mut self, name: &str) -> Result<(), Error> {
        let declared = self.acceptance(Accepted::Lost, &format!("cluster {name}")).await;
        let lost = |member: &Member| Member {
            state: MemberState::Lost,
            lost: member.lost.clone().or_else(|| Some(declared.clone())),
            stops_pods: false,
            state_before: None,
            ..member.clone()
        };
        let is_new = self.register_lost(name, &declared).await?;
        let changed = self.change_member(name, lost).await? || is_new;
        self.notify(Event::MemberChanged { cluster: name, what: Became::Lost, changed });
        let member = self.member(name)?.clone();
        let Records { mut records, mut errors } = self.records(&[], None).await?;
        records.retain(|record| record.needs(name, &member));
        errors.extend(self.reconcile_records(records).await.err());
        Error::all(errors)
    }

    /// Reconciles these records, side by side.
    ///
    /// # Errors
    /// For each Job, what kept it from being reconciled wholly.
    pub(super) async fn reconcile_records(&self, records: Vec<Record>) -> Result<(), Error> {
        let all: Vec<_> = records.iter().collect();
        let members = self.members_to_reconcile(&all).await;
        let observed = self.observe_together(&all, &members).await;
        let jobs = records.into_iter().zip(observed).collect();
        Error::all(self.reconcile_all(jobs, &members, Reopen::None).await)
    }

    /// The records of all namespaces.
    ///
    /// # Errors
    /// One cannot be read: what it has in a member is not known.
    pub(super) async fn all_records(&self) -> Result<Vec<Record>, Error> {
        let Records { records, errors } = self.records(&[], None).await?;
        Error::all(errors)?;
        Ok(records)
    }

    /// Says what has succeeded twice, each time that more has; and that it is all, or that nothing
    /// has, once nothing can be added.
    fn name_what_ran_twice(&self, before: &Record, after: &Record) {
        let has_grown = after.ran_twice().count > before.ran_twice().count;
        let is_known_now = after.knows_what_ran_twice() && !before.knows_what_ran_twice();
        if has_grown || is_known_now {
            self.notify(Event::RanTwice { record: after });
        }
    }

    /// Says which work was given up in a reconcile, and which lost shards have ended.
    pub(super) fn name_the_lost(&self, before: &Record, after: &Record) {
        let known = &before.state.accepted;
        let given_up = after.state.accepted.iter().filter(|entry| entry.what == Accepted::Lost);
        for entry in given_up.filter(|entry| !known.contains(entry)) {
            let cluster = entry.detail.rsplit(' ').next().unwrap_or_default();
            self.notify(Event::GivenUp { record: after, cluster, work: &entry.detail });
        }
        let leased = after.state.accepted.iter().filter(|entry| entry.what == Accepted::Leased);
        for entry in leased.filter(|entry| !known.contains(entry)) {
            self.notify(Event::LeaseOver { record: after, work: &entry.detail });
        }
        let ran = |id: &u32| before.shards.get(id).is_some_and(|shard| !shard.phase.ended());
        let has_expired = |shard: &Shard| shard.has_expired() && shard.given_up.is_none();
        let expired = after.shards.iter().filter(|(id, shard)| ran(id) && has_expired(shard));
        // Of a Job that has ended, nothing is left.
        for (id, shard) in expired.filter(|_| after.state.outcome.is_none()) {
            self.notify(Event::Expired { record: after, id: *id, cluster: &shard.cluster });
        }
        let was_lost = |id: &u32| before.shards.get(id).is_some_and(Shard::is_lost);
        let returned = after.shards.iter().filter(|(id, shard)| was_lost(id) && !shard.is_lost());
        self.name_what_ran_twice(before, after);
        for (_, shard) in returned {
            self.notify(Event::Returned { record: after, shard });
            let member = self.registry.members.get(&shard.cluster);
            if member.is_some_and(|member| member.state == MemberState::Lost) {
                self.notify(Event::LostAnswers { cluster: &shard.cluster });
            }
        }
    }
}
