//! Which Jobs without a record still have shards in the members.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::{Instant, timeout_at};

use super::{
    key::Key,
    labelled::{Asked, Labelled, Listing},
    open::Federation,
    recover::kept_by,
};
use crate::cluster::fan_out;

impl Federation<'_> {
    /// For each of these Jobs of which members have shards, the uids of the federations that the
    /// shards belong to. What no member has said by `end` is not known. Nothing is written.
    pub async fn left_shards(
        &self,
        jobs: &BTreeSet<Key>,
        end: Instant,
    ) -> BTreeMap<Key, BTreeSet<String>> {
        let namespaces: BTreeSet<_> = jobs.iter().map(|(namespace, _)| namespace).collect();
        let members = Asked::all(&self.registry).into_iter().filter(|asked| !asked.is_former);
        let places =
            members.flat_map(|asked| namespaces.iter().map(move |it| (asked.clone(), *it)));
        let ask = async |(asked, namespace): (Asked, &String)| {
            let labelled = self.labelled(vec![asked], Some(namespace));
            timeout_at(end, labelled).await.unwrap_or_default()
        };
        let mut left = BTreeMap::<_, BTreeSet<_>>::new();
        for Listing { asked, answer } in fan_out(places, ask).await.into_iter().flatten() {
            let Ok((_, found)) = answer else { continue };
            for job in found {
                let of = of_job(&job, &asked.member.uid).filter(|of| jobs.contains(of));
                if let Some(of) = of {
                    left.entry(of).or_default().insert(job.owner.federation);
                }
            }
        }
        left
    }
}

/// The federated Job whose record can be rebuilt from a Job in the cluster with this uid, if any
/// can.
fn of_job(job: &Labelled, uid: &str) -> Option<Key> {
    let (_, recovery) = kept_by(job, uid).ok()?;
    Some((job.namespace.clone(), recovery.manifest.name().to_owned()))
}
