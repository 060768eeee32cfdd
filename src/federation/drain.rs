//! The work of a member is given to others, without loss.
//!
//! The registry says first that the member is drained. From then on every reconcile takes work off
//! the shards there. So a drain that is interrupted goes on with the next `reconcile`, and a
//! repeated one finishes it.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{
    dry_run_strategy::DryRun,
    error::Error,
    event::{Became, Event},
    key::key,
    open::Federation,
    records::Records,
    turns::at_once,
    wait::in_time,
};
use crate::{
    reconcile::{Reconciled, ShardStatus, Status, runs_on},
    state::{Member, MemberState, Record, Shard},
};

/// How long to wait before looking again whether pods have ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How a member is drained.
#[derive(Debug, Clone, Copy)]
pub struct DrainTerms {
    /// Whether running pods are stopped, rather than waited for.
    pub now: bool,
    /// How long to wait for the shards to end; none for as long as that takes.
    pub timeout: Option<Duration>,
}

impl Federation<'_> {
    /// Gives the work of a member to others: what has not started at once, and what runs as its
    /// pods end. A work queue runs on there until it ends, unless pods are to be stopped. Ends when
    /// no shard is left there. The member gets no new work from the beginning, and stays cordoned.
    ///
    /// # Errors
    /// There is no such member, or it was declared lost; the time is over; the member does not
    /// answer; or nobody else may take the work of a Job, which stays.
    pub async fn drain(&mut self, name: &str, terms: DrainTerms) -> Result<(), Error> {
        let drained = |member: &Member| match member.state {
            MemberState::Lost | MemberState::Leaving => member.clone(),
            MemberState::Ready | MemberState::Cordoned | MemberState::Draining => Member {
                state: MemberState::Draining,
                stops_pods: terms.now || member.stops_pods,
                ..member.clone()
            },
        };
        if self.change_member(name, drained).await? {
            self.notify(Event::MemberChanged {
                cluster: name,
                what: Became::Draining,
                changed: true,
            });
        }
        let member = self.not_lost(name)?.clone();
        let ends = terms.timeout.and_then(|limit| Instant::now().checked_add(limit));
        let timed_out = || Error::DrainTimedOut { name: name.to_owned() };
        let stays = |error| match error {
            error @ Error::NobodyTakes { .. } => error,
            error => Error::StaysDraining { name: name.to_owned(), error: Box::new(error) },
        };
        let mut told = BTreeSet::new();
        loop {
            let round = async {
                let Records { mut records, errors } = self.records(&[], None).await?;
                records.retain(|record| record.needs(name, &member));
                if records.is_empty() {
                    // Whether the others have work there is not known.
                    return Error::all(errors).map(|()| true);
                }
                for error in errors.iter().filter(|error| told.insert(error.to_string())) {
                    self.notify(Event::Unread(error));
                }
                self.drain_round(name, &member, records).await.map(|()| false)
            };
            let is_drained = match ends {
                // A round may be cut off between any two requests (G4).
                Some(end) => {
                    let most = end.duration_since(Instant::now());
                    let done = in_time(most, self.observer, &BTreeSet::new(), round).await;
                    done.ok_or_else(timed_out)?
                }
                None => round.await,
            };
            if is_drained.map_err(stays)? {
                break;
            }
            if ends.is_some_and(|end| Instant::now() >= end) {
                return Err(timed_out());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let cordoned = |member: &Member| match member.state {
            MemberState::Draining => {
                Member { state: MemberState::Cordoned, stops_pods: false, ..member.clone() }
            }
            _ => member.clone(),
        };
        self.change_member(name, cordoned).await?;
        self.not_lost(name)?;
        self.notify(Event::MemberChanged { cluster: name, what: Became::Drained, changed: true });
        Ok(())
    }

    /// A member that was not declared lost.
    ///
    /// # Errors
    /// It was, or there is none of this name.
    fn not_lost(&self, name: &str) -> Result<&Member, Error> {
        let member = self.member(name)?;
        match member.state {
            MemberState::Lost => Err(Error::DeclaredLost { name: name.to_owned() }),
            _ => Ok(member),
        }
    }

    /// Reconciles the Jobs that have shards in a drained member, once.
    ///
    /// # Errors
    /// The member does not answer or refuses, or nobody else may take the work of a Job.
    async fn drain_round(
        &self,
        name: &str,
        member: &Member,
        records: Vec<Record>,
    ) -> Result<(), Error> {
        let all: Vec<_> = records.iter().collect();
        let members = self.members_to_reconcile(&all).await;
        let observed = self.observe_together(&all, &members).await;
        let (mut errors, mut kept, mut left) = (Vec::new(), BTreeSet::new(), 0);
        let (mut pods, mut queues) = (Some(0_i32), BTreeSet::new());
        let run = async |federation: &Self, (record, observations)| {
            let reconciled = federation.run(record, observations, &members).await?;
            federation.notify(Event::Done(&reconciled.done, DryRun::None));
            Ok::<_, Error>(reconciled)
        };
        let (at_once, jobs) = (at_once(&records), records.into_iter().zip(observed));
        for reconciled in self.side_by_side(at_once, jobs, run).await {
            let Reconciled { record: after, observations, .. } = reconciled?;
            let Some(after) = after else { continue };
            let status = Status::new(&after, &observations);
            // That its pods have yet to end is shown as progress, and others do not hold it up.
            let fails = |shard: &ShardStatus| {
                shard.cluster == name && (shard.unknown.is_some() || shard.refused.is_some())
            };
            let is_unknown = |shard: &ShardStatus| shard.cluster == name && shard.unknown.is_some();
            pods = pods.filter(|_| !status.shards.iter().any(is_unknown));
            // Nothing is taken off a shard while the ledger may lack others.
            if status.shards.iter().any(fails) || !status.unlisted.is_empty() {
                errors.extend(self.report(&after, &status).err());
            }
            let stops_pods = member.stops_pods || after.manifest.suspended();
            for (_, shard) in after.live_in(name, &member.uid) {
                left += 1;
                pods = pods.map(|pods| pods.saturating_add(shard.active()));
                queues.extend((!stops_pods && runs_on(shard)).then(|| key(&after)));
                kept.extend((!is_leaving(&after, shard, stops_pods)).then(|| key(&after)));
            }
        }
        self.notify(Event::Draining { cluster: name, shards: left, pods, queues: &queues });
        Error::all(errors)?;
        if kept.is_empty() {
            return Ok(());
        }
        Err(Error::NobodyTakes { name: name.to_owned(), jobs: kept.into_iter().collect() })
    }
}

/// Whether a shard ends without doing anything that has not started, or nothing is known of that
/// yet. `stops_pods` says that it is not to do what runs either.
fn is_leaving(record: &Record, shard: &Shard, stops_pods: bool) -> bool {
    let state = &record.state;
    if state.outcome.is_some() || state.deleting.is_some() || !state.unlisted.is_empty() {
        return true;
    }
    let is_credited = |completions| shard.credit_target >= completions;
    // A work queue that has succeeded starts nothing more.
    let winds_down = shard.completions.is_none() && record.achieved() > 0;
    let ends_by_itself = shard.completions.is_some_and(is_credited) || runs_on(shard);
    shard.retired || winds_down || (!stops_pods && ends_by_itself)
}
