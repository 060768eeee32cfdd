//! What can be rebuilt from the Jobs in the members; nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use super::usable::{Newest, Unusable, Usable, newest_of, usable};
use crate::{
    cluster::fan_out,
    federation::{
        error::{Error, HostError, InUse},
        key::Key,
        labelled::{Asked, Labelled, Listing},
        open::Federation,
        records::jobs_of,
    },
    job::Indexes,
    reconcile::{Status, preview},
    state::{self, MISSED_IDS, Record, Recovery, Store},
};

/// What the members have, and what can be rebuilt from it.
#[derive(Debug)]
pub struct Survey {
    /// The uid of the federation that the shards belong to.
    pub federation: String,
    /// Whether the registry of the host is to take over that uid.
    pub takes_over: bool,
    /// The Jobs whose records can be rebuilt, by namespace and name.
    pub jobs: Vec<Recoverable>,
    /// The Jobs that have a record that is whole, by namespace and name.
    pub whole: BTreeSet<(String, String)>,
    /// The Jobs in members from which nothing can be rebuilt. They are not touched.
    pub unusable: Vec<Unusable>,
    /// The members that did not answer, and why.
    pub silent: BTreeMap<String, String>,
    /// The uids of other federations that have Jobs in these members.
    pub others: BTreeSet<String>,
    /// Whether the registry's own federation has Jobs, so that it cannot take over another one's.
    pub in_use: bool,
    /// These Jobs, by namespace and name, as far as they are known.
    pub own_jobs: Vec<Key>,
    /// The clusters in which records have shards that may run, and that are no members.
    pub unregistered: BTreeSet<String>,
}

/// A federated Job whose record can be rebuilt.
#[derive(Debug)]
pub struct Recoverable {
    /// The record as it is written: without shards, until the members are listed.
    pub record: Record,
    /// How the Job stands, by what was found.
    pub status: Status,
    /// How many shards were found.
    pub shards: usize,
    /// How many completions no shard that was found carries: they will run in new shards.
    pub anew: i32,
    /// The ids of shards that were found nowhere, although there are some with larger ids.
    pub missing: Indexes,
    /// Where its manifest is from, if only one cluster has it and others have an older one.
    pub newest: Option<Newest>,
    /// What is wrong with the record that the host has; none if the host has none.
    pub damage: Option<String>,
    /// The clusters whose Jobs the record that the host has lacks, although others did their work.
    pub lacking: BTreeSet<String>,
    /// Whether the host has the record already: an earlier command wrote it, and its members have
    /// not all been listed; or it lacks shards; or, if there is a damage, it only lacks its label.
    pub is_stored: bool,
    /// Whether that record is marked as moved, on a host that acts: it counts again.
    pub is_left: bool,
}

impl Survey {
    /// Whether the host has records that no verb uses now, and the recovery makes them count again.
    pub fn revives(&self) -> bool {
        self.takes_over && !self.whole.is_empty()
    }
}

impl Federation<'_> {
    /// Lists all members, and says which records can be rebuilt: those with these names, or all
    /// where none is given; in one namespace, or in all. `chosen` is the uid of the federation that
    /// the shards must belong to. `manifest_of` is the member whose manifest counts where members
    /// keep different ones of one edit.
    ///
    /// # Errors
    /// The host cannot be read; a Job or a member that was named is not found; or it is not clear
    /// which federation is meant.
    pub async fn survey(
        &self,
        names: &[String],
        namespace: Option<&str>,
        chosen: Option<&str>,
        manifest_of: Option<&str>,
    ) -> Result<Survey, Error> {
        if let Some(name) = manifest_of.filter(|name| !self.registry.members.contains_key(*name)) {
            return Err(Error::not_registered(name, &self.registry));
        }
        let mut silent = BTreeMap::new();
        let mut found = Vec::new();
        for Listing { asked, answer } in self.labelled(self.listable(), namespace).await {
            match answer {
                Ok((_, jobs)) => found.extend(jobs.into_iter().map(|job| (asked.clone(), job))),
                Err(error) => drop(silent.insert(asked.name, error.to_string())),
            }
        }
        let mut others: BTreeSet<_> =
            found.iter().map(|(_, job)| job.owner.federation.clone()).collect();
        let own = &self.registry.uid;
        let records = self.store.records(own, None).await;
        let mut own_jobs = records.as_deref().map(jobs_of).unwrap_or_default();
        if own_jobs.is_empty() {
            let orphans = found.iter().filter(|(_, job)| job.owner.federation == *own);
            own_jobs = orphans.map(|(_, job)| key_of(job)).collect();
            own_jobs.sort_unstable();
            own_jobs.dedup();
        }
        let mut use_by = match (others.contains(own), records) {
            (true, Ok(records)) if records.is_empty() => Some(InUse::Orphans),
            // Whoever may not list the records of all namespaces has Jobs there all the same.
            (true, _) => Some(InUse::Jobs),
            (false, records) => (!records?.is_empty()).then_some(InUse::Jobs),
        };
        if use_by.is_none() {
            others.extend(self.store.left_behind(Some(own)).await?.jobs.into_keys());
        }
        let mut federation = self.choose(&others, chosen, use_by, &own_jobs)?;
        if federation != *own && namespace.is_some() && self.has_own(&silent).await? {
            use_by = Some(InUse::Orphans);
            federation = self.choose(&others, chosen, use_by, &own_jobs)?;
        }
        others.remove(&federation);
        others.remove(&self.registry.uid);
        found.retain(|(_, job)| job.owner.federation == federation);
        let mut survey = Survey {
            takes_over: federation != self.registry.uid,
            federation,
            jobs: Vec::new(),
            whole: BTreeSet::new(),
            unusable: Vec::new(),
            silent,
            others,
            in_use: use_by.is_some(),
            own_jobs,
            unregistered: BTreeSet::new(),
        };
        let mut by_job: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (asked, job) in found {
            by_job.entry(job.owner.job.clone()).or_default().push((asked, job));
        }
        for (uid, jobs) in by_job {
            let usable = usable(jobs, manifest_of, &mut survey.unusable);
            self.add_job(&mut survey, &uid, usable, names).await?;
        }
        if survey.takes_over {
            self.must_have_no_host(&survey.federation).await?;
            self.add_left(&mut survey, names, namespace).await?;
        }
        let missing = names.iter().find(|name| {
            survey.whole.iter().all(|(_, whole)| whole != *name)
                && survey.jobs.iter().all(|job| job.record.name() != *name)
        });
        match missing {
            Some(name) => Err(self.nothing_of(name, namespace, &survey).await),
            None => self.look_at(survey).await,
        }
    }

    /// The error that the record of a Job cannot be rebuilt.
    async fn nothing_of(&self, name: &str, namespace: Option<&str>, survey: &Survey) -> Error {
        let unusable = survey.unusable.iter().find(|it| it.may_be_shard_of(name));
        let unusable = unusable.map(|Unusable { cluster, name, why, .. }| {
            format!("job {name} in cluster {cluster} is left as it is: {why}")
        });
        let silent: Vec<_> = survey.silent.keys().map(String::as_str).collect();
        let silent = (!silent.is_empty()).then(|| silent.join(", "));
        let mut damaged_in = None;
        if let (Some(namespace), None) = (namespace, &silent) {
            let there = self.store.any_record(&survey.federation, namespace, name).await;
            let is_damaged = matches!(there, Err(state::Error::Damaged { .. }));
            damaged_in = is_damaged.then(|| namespace.to_owned());
        }
        let silent = silent.map(|silent| format!("{silent} could not be asked"));
        Error::NothingToRecover { name: name.to_owned(), why: unusable.or(silent), damaged_in }
    }

    /// Makes sure that no member is a host that acts for a federation. Whoever may not read its
    /// registry is told nothing.
    ///
    /// # Errors
    /// One is.
    async fn must_have_no_host(&self, federation: &str) -> Result<(), Error> {
        let members = self.all_members().await;
        let ask = async |name: &String| {
            let host = Store::new(members.get(name).ok()?.clone());
            let registry = host.any_registry().await.ok()?;
            (registry.uid == federation && registry.moved.is_none()).then(|| name.clone())
        };
        let acting = fan_out(self.registry.members.keys(), ask).await.into_iter().flatten().next();
        match acting.and_then(|name| self.context(&name).map(|context| (name, context))) {
            None => Ok(()),
            Some((name, context)) => {
                let federation = federation.to_owned();
                Err(HostError::ActsElsewhere { name, context, federation }.into())
            }
        }
    }

    /// Whether any member has shards of the registry's own federation, in whatever namespace. Those
    /// that are `silent` are not asked again.
    ///
    /// # Errors
    /// A member does not say what it has in all namespaces.
    async fn has_own(&self, silent: &BTreeMap<String, String>) -> Result<bool, Error> {
        let mut asked = self.listable();
        asked.retain(|asked| !silent.contains_key(&asked.name));
        let mut has_own = false;
        for Listing { answer, .. } in self.labelled(asked, None).await {
            let (_, jobs) = answer?;
            has_own |= jobs.iter().any(|job| job.owner.federation == self.registry.uid);
        }
        Ok(has_own)
    }

    /// The members that have to be listed: all, also those that are lost and may answer by now.
    fn listable(&self) -> Vec<Asked> {
        Asked::all(&self.registry).into_iter().filter(|asked| !asked.is_former).collect()
    }

    /// The federation whose shards are meant: the registry's own, if something uses it, or the only
    /// one that was found. `own_jobs` are the Jobs that use it.
    fn choose(
        &self,
        found: &BTreeSet<String>,
        chosen: Option<&str>,
        use_by: Option<InUse>,
        own_jobs: &[Key],
    ) -> Result<String, Error> {
        let own = &self.registry.uid;
        if chosen == Some(own) {
            return Ok(own.clone());
        }
        let uids = || found.iter().cloned().collect::<Vec<_>>();
        match (chosen, use_by) {
            (Some(_), Some(by)) => {
                let (own, jobs) = (own.clone(), own_jobs.to_vec());
                Err(Error::FederationInUse { own, by, jobs })
            }
            (Some(uid), None) if found.contains(uid) => Ok(uid.to_owned()),
            (Some(uid), None) => {
                Err(Error::NoShardsOf { federation: uid.to_owned(), found: uids() })
            }
            (None, Some(_)) => Ok(own.clone()),
            (None, None) if found.len() > 1 => Err(Error::SeveralFederations { found: uids() }),
            (None, None) => Ok(found.first().unwrap_or(own).clone()),
        }
    }

    /// Adds the records of a federation that the registry is to take over, and of which no member
    /// has a shard any more.
    async fn add_left(
        &self,
        survey: &mut Survey,
        names: &[String],
        namespace: Option<&str>,
    ) -> Result<(), Error> {
        for record in self.store.records(&survey.federation, namespace).await? {
            let Ok(record) = record else { continue };
            let key = (record.namespace().to_owned(), record.name().to_owned());
            let is_meant = names.is_empty() || names.contains(&key.1);
            let mut found = survey.jobs.iter().map(|job| &job.record);
            if is_meant && !found.any(|it| it.state.uid == record.state.uid) {
                self.add_unregistered(&mut survey.unregistered, &record);
                survey.whole.insert(key);
            }
        }
        Ok(())
    }

    /// Adds one federated Job to a survey, if it is one of those that are meant.
    async fn add_job(
        &self,
        survey: &mut Survey,
        uid: &str,
        usable: Vec<Usable>,
        names: &[String],
    ) -> Result<(), Error> {
        let Some(newest) = usable.first() else { return Ok(()) };
        let manifest = newest.recovery.manifest.clone();
        if !names.is_empty() && !names.iter().any(|name| name == manifest.name()) {
            return Ok(());
        }
        let (namespace, name) = (manifest.namespace().to_owned(), manifest.name().to_owned());
        let mut record = Record::new(&survey.federation, manifest, Vec::new(), self.now());
        record.state.uid = uid.to_owned();
        record.state.created = newest.recovery.created;
        record.state.create_namespace = newest.recovery.create_namespace;
        record.state.field_validation = newest.recovery.field_validation;
        record.state.revision = newest.recovery.revision;
        record.state.template_edits = newest.recovery.template_edits.clone();
        record.state.unlisted = self.listable().into_iter().map(|asked| asked.name).collect();
        // A cluster that is registered later may have shards that nothing here tells of.
        let told = usable.iter().flat_map(|it| {
            let Recovery { ended, folded, heard, .. } = &it.recovery;
            let together = heard.as_ref().and_then(|heard| heard.totals.last());
            ended.keys().copied().chain(folded.last()).chain(together).chain([it.shard])
        });
        let last = told.max().unwrap_or(0);
        record.leave_ids_free(last);
        let mut damage = None;
        let (mut is_stored, mut is_left) = (false, false);
        let mut lacking = BTreeSet::new();
        let there = self.store.any_record(&survey.federation, &namespace, &name).await;
        let mut unusable = |why: &str| {
            survey.unusable.extend(usable.iter().map(|it| it.unusable(&namespace, why)));
        };
        match there {
            Ok(there) if there.state.uid != uid => {
                unusable(&format!("the host has another federated job {name:?}"));
                return Ok(());
            }
            Ok(mut there) if there.state.moved.is_some() => {
                // The host acts: a restore has left the record that could not write it. It is as
                // old as a backup.
                there.state.moved = None;
                there.mark_restored();
                there.state.unlisted.clone_from(&record.state.unlisted);
                (record, is_stored, is_left) = (there, true, true);
            }
            Err(error @ state::Error::NoRecord { .. }) => {
                let unlabelled = self.store.unlabelled(&namespace, &name).await?;
                let Some(mut there) = unlabelled.filter(|there| there.state.uid == uid) else {
                    unusable(&error.to_string());
                    return Ok(());
                };
                there.federation.clone_from(&survey.federation);
                (record, is_stored) = (there, true);
                damage = Some(error.to_string());
            }
            Err(error @ state::Error::OtherFederation { .. }) => {
                unusable(&error.to_string());
                return Ok(());
            }
            Ok(mut there) if there.state.unlisted.is_empty() => {
                for it in &usable {
                    if there.knows_shard(it.shard) {
                        continue;
                    }
                    lacking.insert(it.cluster.clone());
                    there.miss(&it.cluster, &it.cluster_uid);
                }
                if lacking.is_empty() || there.state.deleting.is_some() {
                    self.add_unregistered(&mut survey.unregistered, &there);
                    survey.whole.insert((namespace, name));
                    return Ok(());
                }
                (record, is_stored) = (there, true);
            }
            Ok(there) => (record, is_stored) = (there, true),
            Err(error @ state::Error::Damaged { .. }) => {
                damage = Some(error.to_string());
                let salvaged = self.store.salvage_record(&survey.federation, &namespace, &name);
                if let Some(mut there) = salvaged.await?.filter(|there| there.state.uid == uid) {
                    // The shards that cannot be read may have done their work, and keep their ids.
                    there.mark_restored();
                    there.leave_ids_free(last);
                    there.state.unlisted.clone_from(&record.state.unlisted);
                    record = there;
                }
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let status = Status::new(&record, &crate::reconcile::Observations::default());
        survey.jobs.push(Recoverable {
            record,
            status,
            shards: 0,
            anew: 0,
            missing: Indexes::default(),
            newest: newest_of(&usable).filter(|_| !is_stored),
            damage,
            lacking,
            is_stored,
            is_left,
        });
        Ok(())
    }

    /// Notes the clusters in which a record has shards that may run, and that are no members.
    fn add_unregistered(&self, unregistered: &mut BTreeSet<String>, record: &Record) {
        let may_run = record.shards.values().filter(|shard| !shard.is_over());
        let is_member = |uid: &String| self.registry.member_by_uid(uid).is_some();
        let away = may_run.filter(|shard| !shard.cluster_uid.as_ref().is_none_or(is_member));
        unregistered.extend(away.map(|shard| shard.cluster.clone()));
    }

    /// Looks at the Jobs of a survey as the reconcile that follows will.
    async fn look_at(&self, mut survey: Survey) -> Result<Survey, Error> {
        let members = self.all_members().await;
        let records: Vec<_> = survey.jobs.iter().map(|job| job.record.clone()).collect();
        let observed = self.observe_together(&records.iter().collect::<Vec<_>>(), &members).await;
        for (job, observations) in survey.jobs.iter_mut().zip(observed) {
            let (seen, observations) =
                preview(&job.record, observations, &members, self.now()).await;
            job.status = Status::new(&seen, &observations);
            self.add_unregistered(&mut survey.unregistered, &seen);
            let opened = seen.shards.values().filter(|shard| shard.uid.is_none());
            let opened = opened.filter_map(|shard| shard.share().completions);
            job.anew = opened.fold(job.status.unplaced, i32::saturating_add);
            job.shards = seen.shards.values().filter(|shard| shard.uid.is_some()).count();
            let found = seen.shards.iter().filter(|(_, shard)| shard.uid.is_some());
            let ids: Indexes = found.filter_map(|(id, _)| i32::try_from(*id).ok()).collect();
            // A record leaves so many ids free where clusters may have unknown shards. Those that
            // were found since have some of them.
            let known = ids.with(&seen.state.folded.ids);
            let missing = Indexes::from(1..=ids.end() - 1).without(&known);
            job.missing = missing.without_runs(MISSED_IDS / 2);
        }
        survey.jobs.sort_by(|one, other| {
            let key = |job: &Recoverable| {
                (job.record.namespace().to_owned(), job.record.name().to_owned())
            };
            key(one).cmp(&key(other))
        });
        Ok(survey)
    }
}

/// The federated Job of a Job, by its namespace and its name, or that of the Job where that is not
/// kept.
fn key_of(job: &Labelled) -> Key {
    let kept = Recovery::from_job(&job.object).ok();
    let name = kept.map_or_else(|| job.observed.name.clone(), |it| it.manifest.name().to_owned());
    (job.namespace.clone(), name)
}
