//! Members that answer delete at once what they have, while others are waited for.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{Going, How, Patience, within};
use crate::{
    cluster::fan_out_by,
    federation::{
        dry_run_strategy::DryRun, error::Error, event::Event, key::key, open::Federation,
        turns::Turns,
    },
    reconcile::{Members, Observations, Status},
    state::{MemberState, Record},
};

/// How long all members are waited for before those that have answered are asked to delete.
const SOON: Duration = Duration::from_secs(1);

/// What has become of the Jobs of a deletion, by their places: what is left to do in the members,
/// if there is anything.
type Begun = Vec<(usize, Result<Option<Going>, Error>)>;

impl Federation<'_> {
    /// Begins the deletion of Jobs by `begin`, while members are asked by `joined` who they are.
    /// Where some have not answered soon after that, the others delete meanwhile what they have.
    /// `terms` are how many Jobs are settled at once, when the deletion is cut off, and who waits
    /// for it.
    pub(super) async fn begin_beside(
        &self,
        turns: &Turns<'_, '_>,
        terms: (usize, Option<Instant>, Patience),
        members: &Members,
        begin: impl Future<Output = Begun>,
        joined: impl Future<Output = ()>,
    ) -> Begun {
        let (tell, told) = oneshot::channel();
        let joined = async {
            joined.await;
            // Nobody listens where the deletion was cut off.
            let _ = tell.send(());
        };
        let begin = async {
            let begun = begin.await;
            let is_joined = timeout(SOON, told).await.is_ok();
            if is_joined { begun } else { self.go_ahead(turns, terms, members, begun).await }
        };
        tokio::join!(begin, joined).0
    }

    /// Deletes what the members have that have answered by now.
    async fn go_ahead(
        &self,
        turns: &Turns<'_, '_>,
        (at_once, cut, patience): (usize, Option<Instant>, Patience),
        members: &Members,
        begun: Begun,
    ) -> Begun {
        let (mut all, mut going) = (Vec::new(), Vec::new());
        for (place, begun) in begun {
            match begun {
                Ok(Some(job)) if self.may_go_ahead(&job, members) => going.push((place, job)),
                begun => all.push((place, begun)),
            }
        }
        let records: Vec<_> = going.iter().map(|(_, job)| &job.record).collect();
        let Some(observed) = within(cut, self.observe(&records, members)).await else {
            all.extend(going.into_iter().map(|(place, job)| (place, Ok(Some(job)))));
            return all;
        };
        let go_ahead = async |((place, job), seen): ((usize, Going), Observations)| {
            let (federation, record) = (turns.at(place), job.record.clone());
            let rest = within(cut, federation.delete_what_answers(job, seen, members)).await;
            let cut_off = || federation.cut_off(&record, patience).map(|()| None);
            let rest = rest.unwrap_or_else(cut_off);
            if !matches!(rest, Ok(Some(_))) {
                turns.settled(place);
            }
            (place, rest)
        };
        all.extend(fan_out_by(at_once, going.into_iter().zip(observed), go_ahead).await);
        all
    }

    /// Whether something can be deleted already. What is in a cluster that was given up, or missed
    /// at a recovery, is left behind if that does not answer, so it is waited for.
    fn may_go_ahead(&self, job: &Going, members: &Members) -> bool {
        let asked: BTreeSet<_> = members.asked().collect();
        let record = &job.record;
        let is_lost = |name: &str| {
            let member = self.registry.members.get(name);
            member.is_some_and(|member| member.state == MemberState::Lost)
        };
        let given_up = record.shards.values().filter(|shard| shard.is_lost());
        let given_up = given_up.map(|shard| shard.cluster.as_str());
        let missed = record.state.missed.values().map(String::as_str);
        let mut left_behind = given_up
            .chain(missed)
            .chain(record.clusters().into_iter().filter(|name| is_lost(name)));
        matches!(job.how, How::Marked { .. })
            && record.clusters().into_iter().any(|name| members.get(name).is_ok())
            && left_behind.all(|name| asked.contains(name))
    }

    /// Deletes what is in members that have answered. Gives what is left, if anything is.
    async fn delete_what_answers(
        &self,
        Going { record: before, how }: Going,
        seen: Observations,
        members: &Members,
    ) -> Result<Option<Going>, Error> {
        let rest = async {
            let reconciled = self.run(before.clone(), seen, members).await?;
            let status = Status::new(&before, &reconciled.observations);
            self.name_the_meddled(&before, &status);
            self.name_those_not_adopted(&before, &reconciled.observations);
            if reconciled.record.is_none() {
                self.name_those_lost(&before, &reconciled.observations);
            }
            Ok::<Option<Record>, Error>(reconciled.record)
        };
        let rest = rest.await;
        if let Ok(None) = rest {
            self.notify(Event::Deleted(&key(&before), DryRun::None));
        }
        if !matches!(rest, Ok(Some(_))) {
            self.notify(Event::Ended);
        }
        Ok(rest?.map(|record| Going { record, how }))
    }
}
