//! Orphans are deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Orphan,
    reason::{Known, Place, Reason},
};
use crate::{
    cluster::{self, Connection, fan_out},
    federation::{
        dry_run_strategy::DryRun,
        error::Error,
        event::Event,
        labelled::{Asked, Listing},
        open::Federation,
    },
    job::Observed,
    reconcile::{DeleteIf, Done, delete_if},
    state::{Former, Registry},
};

/// Which orphans are deleted, and how far.
#[derive(Debug, Clone, Copy)]
pub struct Cleaning {
    /// Whether one that has started to run since it was chosen is deleted, too.
    pub running: bool,
    /// Whether anything is deleted.
    pub dry_run: DryRun,
}

/// How the user has said which orphans are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Not by name.
    No,
    /// By the uids of their federated Jobs.
    FederatedJobs,
    /// By their own names.
    Jobs,
}

/// Which orphans are deleted without a question.
#[derive(Default)]
pub struct Unasked {
    /// Those that are.
    pub chosen: Vec<Orphan>,
    /// Those that are not, because their records may have been lost.
    pub recoverable: Vec<Orphan>,
    /// How many others are not, because they have not ended, and would lose work.
    pub unfinished: usize,
}

impl Unasked {
    /// Chooses among orphans. What the user has named goes. Else one whose record may have been
    /// lost stays, and `running` says whether one goes that has run and has not ended.
    pub fn choose(orphans: Vec<Orphan>, named: Named, running: bool) -> Self {
        let mut unasked = Self::default();
        for orphan in orphans {
            if orphan.record_may_be_lost && named == Named::No {
                unasked.recoverable.push(orphan);
            } else if orphan.progress().is_unfinished() && !running && named != Named::Jobs {
                unasked.unfinished += 1;
            } else {
                unasked.chosen.push(orphan);
            }
        }
        unasked
    }
}

impl Federation<'_> {
    /// Deletes orphans, all clusters side by side, in the background: the pods go after the Job.
    ///
    /// The registry and the records are read again first, because somebody may have been asked a
    /// question meanwhile. The identity of each cluster is checked again (G7). Each deletion holds
    /// for the Job that was seen alone, by its uid and its resourceVersion. A Job that a ledger
    /// knows by now stays, also in a cluster that is a member again. Clusters that are no members
    /// and are clean by now are forgotten.
    ///
    /// # Errors
    /// The host cannot be asked; the federation was moved to another one; or some orphans were not
    /// deleted, and why.
    pub async fn clean(&self, mut orphans: Vec<Orphan>, cleaning: Cleaning) -> Result<(), Error> {
        let registry = self.store.registry().await?;
        if registry.uid != self.registry.uid {
            let why = "the host has another federation by now";
            return Error::all(orphans.iter().map(|orphan| orphan.kept(why)).collect());
        }
        for orphan in &mut orphans {
            orphan.place_by(&registry);
        }
        let namespaces: BTreeSet<_> =
            orphans.iter().map(|orphan| orphan.namespace.clone()).collect();
        let mut known = BTreeMap::new();
        for namespace in namespaces {
            let (mut knows, _) = self.known(Some(&namespace)).await?;
            let here = orphans.iter().filter(|orphan| {
                orphan.namespace == namespace && !knows.has(&namespace, &orphan.owner)
            });
            let here =
                here.map(|it| (it.namespace.clone(), it.owner.job.clone(), it.federated.clone()));
            let here = here.collect();
            self.note_unlabelled(&mut knows, here).await?;
            known.insert(namespace, knows);
        }
        let clusters: BTreeMap<_, _> =
            orphans.iter().map(|orphan| (&orphan.cluster_uid, &orphan.connection)).collect();
        let verify = async |(uid, connection): (&String, &Connection)| {
            (uid.clone(), connection.verify_again(uid).await.err())
        };
        let moved: BTreeMap<_, _> = fan_out(clusters, verify).await.into_iter().collect();
        let one = async |orphan: &Orphan| {
            let error = moved.get(&orphan.cluster_uid).and_then(Option::as_ref);
            match error {
                Some(error) => Err(orphan.failure(error)),
                None => self.clean_one(orphan, &known[&orphan.namespace], cleaning).await,
            }
        };
        let mut errors: Vec<Error> =
            fan_out(&orphans, one).await.into_iter().filter_map(Result::err).collect();
        if cleaning.dry_run == DryRun::None {
            errors.extend(self.forget_clean(registry).await.err());
        }
        Error::all(errors)
    }

    /// Forgets clusters that were unregistered, by the names that they had, or by their uids, and
    /// hosts that could not be marked as moved, by their uids. What they still have stays there.
    ///
    /// # Errors
    /// No such cluster is known; several had the same name; or the registry cannot be written.
    pub async fn forget_former(&self, names: &[String]) -> Result<(), Error> {
        let mut uids = Vec::new();
        let mut hosts = Vec::new();
        for name in names {
            if self.registry.unmarked.contains_key(name) {
                hosts.push(name);
                if !self.registry.former.contains_key(name) {
                    continue;
                }
            }
            let is_it = |(uid, former): &(&String, &Former)| *uid == name || former.name == *name;
            let found: Vec<_> = self.registry.former.iter().filter(is_it).collect();
            uids.push(match found[..] {
                [(uid, _)] => uid.clone(),
                [] => return Err(Error::NotFormer { name: name.clone() }),
                _ => {
                    let uids = found.into_iter().map(|(uid, _)| uid.clone()).collect();
                    return Err(Error::SeveralFormer { name: name.clone(), uids });
                }
            });
        }
        self.store.forget_former(Registry::clone(&self.registry), &uids).await?;
        for host in hosts {
            self.store.forget_unmarked(host).await?;
        }
        Ok(())
    }

    async fn clean_one(
        &self,
        orphan: &Orphan,
        known: &Known,
        cleaning: Cleaning,
    ) -> Result<(), Error> {
        let reason = known.reason(&orphan.owner, &orphan.job, orphan.place());
        if matches!(reason, None | Some(Reason::Unreadable)) {
            return Err(orphan.kept(match reason {
                None => "a record has it by now",
                Some(_) => {
                    "a record of its namespace cannot be read, and it may belong to that one"
                }
            }));
        }
        let may_go = |job: &Observed| {
            let owner = job.owner.as_ref() == Some(&orphan.owner);
            let is_unfinished = job.end.is_none() && !job.has_run_nothing();
            let was_unfinished = orphan.progress().is_unfinished();
            owner && (!is_unfinished || was_unfinished || cleaning.running)
        };
        if cleaning.dry_run != DryRun::Client {
            let deletion = DeleteIf {
                namespace: &orphan.namespace,
                job: &orphan.job,
                may_go: &may_go,
                dry_run: cleaning.dry_run == DryRun::Server,
            };
            match delete_if(&orphan.connection, deletion).await {
                Ok(true) => {}
                Ok(false) => return Err(orphan.kept("it has changed since it was looked at")),
                Err(error) => return Err(orphan.failure(&error)),
            }
        }
        let done = Done {
            cluster: orphan.cluster.clone(),
            name: orphan.job.name.clone(),
            what: "deleted".to_owned(),
        };
        self.notify(Event::Done(&[done], cleaning.dry_run));
        Ok(())
    }

    /// Forgets the clusters that are no members and have no Jobs of this federation any more.
    async fn forget_clean(&self, registry: Registry) -> Result<(), Error> {
        let former: Vec<_> =
            Asked::all(&registry).into_iter().filter(|asked| asked.is_former).collect();
        if former.is_empty() {
            return Ok(());
        }
        let listings = self.labelled(former, None).await;
        let ours = &registry.uid;
        let is_clean = |listing: &Listing| {
            let jobs = listing.answer.as_ref().map(|(_, jobs)| jobs);
            jobs.is_ok_and(|jobs| {
                jobs.iter().all(|job| job.owner.federation != *ours || job.observed.deleting)
            })
        };
        let clean: Vec<_> =
            listings.into_iter().filter(is_clean).map(|listing| listing.asked.member.uid).collect();
        if clean.is_empty() {
            return Ok(());
        }
        Ok(self.store.forget_former(registry, &clean).await?)
    }
}

impl Orphan {
    fn place(&self) -> Place<'_> {
        Place {
            namespace: &self.namespace,
            cluster: &self.cluster,
            uid: &self.cluster_uid,
            is_former: self.is_former,
        }
    }

    fn kept(&self, why: &str) -> Error {
        Error::OrphanKept {
            cluster: self.cluster.clone(),
            name: self.job.name.clone(),
            why: why.to_owned(),
        }
    }

    fn failure(&self, error: &cluster::Error) -> Error {
        self.kept(&error.to_string())
    }
}
