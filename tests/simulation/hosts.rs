//! What people ask for that concerns the host: another one, backups, restores, recoveries; and what
//! they do when the host, its registry or a record is lost.

use std::sync::Arc;

use kubectl_federate::federation::{
    self, Cleaning, DryRun, Federation, MovedAway, Named, OtherHost, Reason, Restore, Unasked,
    last_host, relocate,
};
use kubectl_federate::state::{Backup, Store};
use serde_json::Value;

use super::commands::{ClusterCommand, Command};
use super::knowledge::Knowledge;
use super::ledger::Ledger;
use super::random::Random;
use super::registries::{NAMESPACE, REGISTRY};
use super::site::{NAMES, Person, Site};

/// What someone asks for that concerns the host. Places are those of clusters.
#[derive(Clone, Debug)]
pub enum HostCommand {
    /// `init`
    Init,
    /// `init --from`
    Move { from: usize, to: usize },
    /// `init --replace-moved`, with the host to which the federation was moved.
    ReplaceMoved { here: usize, new: usize },
    /// `backup` of the host at a place.
    Backup(usize),
    /// `restore` of the backup with a number.
    Restore { backup: usize, to: usize, replaces_newer: bool },
    /// `job recover --all --all-namespaces --federation`
    Recover { federation: String },
    /// `orphans clean --all-namespaces --yes`, with or without `--running`.
    Clean { running: bool },
    /// `cluster unregister --force`
    Unregister(&'static str),
}

impl HostCommand {
    /// One of those that nobody has to give, if it can be given here; none at some chances. `place`
    /// is any cluster.
    pub fn any(chance: u64, site: &Site, place: usize, random: &mut Random) -> Option<Self> {
        let (home, backups) = (site.home(), site.backups() as u64);
        let is_lost = site.events().knowledge.lost_record().is_some();
        match chance {
            3 | 4 => Some(Self::Backup(home)),
            5 if place != home => Some(Self::Move { from: home, to: place }),
            6 if backups > 0 => {
                let backup = random.below(backups) as usize;
                Some(Self::Restore { backup, to: place, replaces_newer: random.one_in(2) })
            }
            7 if !is_lost => Some(Self::Clean { running: random.one_in(2) }),
            8 if random.one_in(2) => Some(Self::Unregister(NAMES[place])),
            9 => {
                let moved = site.events().knowledge.registries.on(place)?.moved.clone()?;
                Some(Self::ReplaceMoved { here: place, new: site.place_of(&moved)? })
            }
            _ => None,
        }
    }

    /// Carries it out for a person. What makes another host the one to use has that remembered.
    pub async fn carry_out(self, process: &Person) -> Result<(), federation::Error> {
        let site = process.site();
        match self {
            Self::Init => {
                Store::new(process.host()).init().await?;
            }
            Self::Move { from, to } => {
                let [old, new] = [from, to].map(|place| Store::new(process.host_at(place)));
                relocate(&old, &new, NAMES[to], &()).await?;
                new.init().await?;
                site.uses(process.name(), to);
            }
            Self::ReplaceMoved { here, new } => {
                let [store, new] = [here, new].map(|place| Store::new(process.host_at(place)));
                let registry = store.any_registry().await?;
                if let Some(moved) = &registry.moved {
                    MovedAway::find(&store, moved, Some(&new)).await?.replace(&store).await?;
                }
            }
            Self::Backup(place) => {
                let host = process.host_at(place);
                let federation = Federation::open(host, None, [], process, &()).await?;
                site.keep_backup(federation.backup().await?.to_value());
            }
            Self::Restore { backup, to, replaces_newer } => {
                restore(process, &site.backup(backup), to, replaces_newer).await?;
            }
            Self::Recover { federation: uid } => {
                let mut federation =
                    Federation::open(process.host(), None, [], process, &()).await?;
                let survey = federation.survey(&[], None, Some(&uid), None).await?;
                if survey.takes_over {
                    // If it has another host, nobody uses that one any more.
                    site.all_use(site.host_of(process.name()));
                }
                federation.recover(survey).await?;
            }
            Self::Clean { running } => {
                let federation = Federation::open(process.host(), None, [], process, &()).await?;
                let mut orphans = federation.orphans(None).await?.orphans;
                orphans.retain(|orphan| orphan.reason != Reason::Unreadable);
                let chosen = Unasked::choose(orphans, Named::No, running).chosen;
                let cleaning = Cleaning { running, dry_run: DryRun::None };
                federation.clean(chosen, cleaning).await?;
            }
            Self::Unregister(name) => {
                let mut federation =
                    Federation::open(process.host(), None, [], process, &()).await?;
                federation.declare_lost(name).await?;
                federation.unregister(name).await?;
            }
        }
        Ok(())
    }
}

/// Restores a backup on a host, as the command does: the host before is marked as moved if it
/// answers. Where it is not, nobody uses it any more.
async fn restore(
    process: &Person,
    document: &Value,
    to: usize,
    replaces_newer: bool,
) -> Result<(), federation::Error> {
    let site = process.site();
    let (backup, records) = Backup::read(document.clone()).expect("it was written");
    let store = Store::new(process.host_at(to));
    let uid = store.host().identity().await.map_err(kubectl_federate::state::Error::Cluster)?;
    let first = Restore::host_now(&store, &backup).await;
    let find = async |uid: &str| {
        let place = site.place_of(uid);
        Ok::<_, federation::Error>(place.map(|place| Store::new(process.host_at(place))))
    };
    let (of_host, before) = last_host(first, &uid, &backup.federation.uid, find).await?;
    let now = site.now();
    let before = before.as_ref();
    let plan =
        Restore::plan(&store, backup, records, before, now, replaces_newer, &of_host).await?;
    let all = plan.every_name_is_free();
    let is_told = matches!(&plan.other_host, None | Some(OtherHost::Left { .. }));
    plan.apply(&store, before, NAMES[to], &()).await?;
    if is_told {
        site.uses(process.name(), to);
    } else {
        site.all_use(to);
    }
    all
}

/// What a user does next who sees that the host, the registry or a record is lost, damaged or
/// elsewhere. None where nothing is.
pub fn remedy(site: &Arc<Site>, person: &'static str, random: &mut Random) -> Option<Command> {
    let home = site.host_of(person);
    if site.clusters[home].is_away() && site.clusters.len() > 1 {
        let others = site.clusters.len() as u64 - 1;
        let to = (home + 1 + random.below(others) as usize) % site.clusters.len();
        let acts = |place| {
            let events = site.events();
            events.knowledge.registries.on(place).is_some_and(|it| it.moved.is_none())
        };
        if acts(to) {
            // What it has is older than what the one before has.
            let backup = site.backups().checked_sub(1)?;
            let restore = HostCommand::Restore { backup, to, replaces_newer: false };
            return Some(Command::Host(restore));
        }
        site.all_use(to);
    }
    remedy_here(site, person, random)
}

fn remedy_here(site: &Arc<Site>, person: &'static str, random: &mut Random) -> Option<Command> {
    let home = site.host_of(person);
    let backups = site.backups();
    let restore = |random: &mut Random| {
        let backup = backups.checked_sub(1 + random.below(backups.max(1) as u64) as usize)?;
        Some(HostCommand::Restore { backup, to: home, replaces_newer: random.one_in(4) })
    };
    let restore = if random.one_in(2) { restore(random) } else { None };
    let events = site.events();
    let knowledge = &events.knowledge;
    let registries = &knowledge.registries;
    let Some(registry) = registries.on(home) else {
        let is_damaged = registries.is_damaged(home);
        drop(events);
        if let Some(restore) = restore {
            return Some(Command::Host(restore));
        }
        if is_damaged {
            site.delete_registry(home);
        }
        site.lack_members();
        return Some(Command::Host(HostCommand::Init));
    };
    if registry.moved.is_some() {
        drop(events);
        return remedy_of_move(site, person, random, restore);
    }
    let is_strange = |ledger: &&Ledger| !ledger.gone && ledger.federation != registry.federation;
    let strange = knowledge.ledgers.values().find(is_strange);
    let lost = knowledge.lost_record().or(strange);
    if lost.is_some() {
        // What runs in a cluster that is not registered would not be known.
        site.lack_members();
    }
    if let Some(name) = knowledge.work_elsewhere() {
        return Some(if !registry.members.contains_key(name) {
            Command::Cluster(ClusterCommand::Lost, name)
        } else if site.attempts().is_multiple_of(2) {
            Command::Unregister(name)
        } else {
            // The cluster that has the name now may have got work of its own.
            Command::Cluster(ClusterCommand::DrainNow, name)
        });
    }
    if let Some(name) = knowledge.given_up_for_good() {
        return Some(Command::Cluster(ClusterCommand::Register, name));
    }
    let is_member = |name: &&'static str| registry.members.contains_key(*name);
    let mut names = NAMES.into_iter().take(site.clusters.len());
    if let Some(name) = names.find(|name| site.lacks_members() && !is_member(name)) {
        return Some(Command::Cluster(ClusterCommand::Register, name));
    }
    site.have_members();
    let left = lost.and_then(|ledger| Some((ledger, ledger.moved_to.as_ref()?)));
    if let Some((ledger, moved)) = left {
        // The move was not finished before the registry was lost. It is made anew on the new host,
        // if that was not left too.
        let was_left = |place: &usize| {
            let registry = registries.on(*place).filter(|it| it.federation == ledger.federation);
            registry.is_some_and(|it| it.moved.is_some())
        };
        let new = site.place_of(moved).filter(|place| *place != home && !was_left(place));
        drop(events);
        match new {
            Some(place) => site.all_use(place),
            None => site.delete_records(home, |_| true),
        }
        return remedy_here(site, person, random);
    }
    if let Some(ledger) = lost {
        let federation = ledger.federation.clone();
        let is_other = federation != registry.federation;
        let acts = |place: &usize| is_other && !site.clusters[*place].is_away();
        let acting = registries.others_of(&federation).find(acts);
        if let Some(place) = acting {
            // It has a host that answers, and is taken over by no other.
            drop(events);
            site.all_use(place);
            return remedy_here(site, person, random);
        }
        return Some(Command::Host(HostCommand::Recover { federation }));
    }
    let other = registries.others_of(&registry.federation).next()?;
    drop(events);
    // Another host acts for the federation, too. What it alone has is restored here first.
    Some(Command::Host(match site.attempts() % 3 {
        0 => HostCommand::Move { from: other, to: home },
        1 => HostCommand::Backup(other),
        _ => HostCommand::Restore {
            backup: site.backups().saturating_sub(1),
            to: home,
            replaces_newer: false,
        },
    }))
}

/// The same where the federation of the host was moved away. `restore` brings it back there.
fn remedy_of_move(
    site: &Arc<Site>,
    person: &'static str,
    random: &mut Random,
    restore: Option<HostCommand>,
) -> Option<Command> {
    let home = site.host_of(person);
    let events = site.events();
    let registries = &events.knowledge.registries;
    let registry = registries.on(home)?;
    let new = site.place_of(registry.moved.as_ref()?);
    // It may have been moved on from there.
    let there = registries.last_of(home, |uid| site.place_of(uid));
    let own = site.clusters[home].kube_system_uid();
    let is_back = new.is_some_and(|place| registries.is_moved_back(place, registry, &own));
    let is_taken = new.is_some_and(|place| registries.is_of_another(place, registry));
    let is_broken = new.is_some_and(|to| {
        // It may be that of an older move: the records there are in the way of another one.
        let has_records = || registries.on(to).is_none() && site.has_records(to);
        registries.is_damaged(to) || (has_records() && site.attempts() % 3 == 2)
    });
    drop(events);
    match (there, new) {
        // It was being moved back.
        (None, Some(from)) if is_back => {
            // A record that is damaged there is made anew when it is here.
            site.delete_damaged_records(from);
            Some(Command::Host(HostCommand::Move { from, to: home }))
        }
        (Some(place), _) => {
            site.uses(person, place);
            remedy_here(site, person, random)
        }
        (None, Some(to)) if is_taken || is_broken || site.has_damaged_record(home) => {
            // It cannot be moved. What the new host lacks is recovered there.
            site.all_use(to);
            remedy_here(site, person, random)
        }
        (None, Some(to)) => Some(Command::Host(HostCommand::Move { from: home, to })),
        // The new host is gone for good.
        (None, None) => {
            if let Some(restore) = restore {
                return Some(Command::Host(restore));
            }
            site.delete_registry(home);
            site.lack_members();
            Some(Command::Host(HostCommand::Init))
        }
    }
}

/// Whether a ConfigMap is a record that cannot be read.
fn is_damaged(map: &Value) -> bool {
    Ledger::is_labelled(map) && Ledger::uid_of(map).is_none()
}

impl Knowledge {
    /// The name of a cluster that is gone for good and has shards, and that the registry does not
    /// know: it has the name for another one, or not at all.
    fn work_elsewhere(&self) -> Option<&'static str> {
        let registry = self.registries.current()?;
        let is_known =
            |name: &str, uid: &str| registry.members.get(name).is_some_and(|member| member == uid);
        let mut live = self.live_places(&registry.federation);
        let (name, _) = live.find(|(name, uid)| self.is_no_more(uid) && !is_known(name, uid))?;
        NAMES.into_iter().find(|known| *known == name)
    }

    /// The name of a cluster that is gone for good, was declared lost, and has no shards any more.
    fn given_up_for_good(&self) -> Option<&'static str> {
        let registry = self.registries.current().filter(|_| self.has_hosts)?;
        let is_given_up = |name: &&'static str| {
            let uid = registry.members.get(*name).filter(|_| registry.lost.contains(*name));
            let has_work = self.live_places(&registry.federation).any(|(live, _)| live == *name);
            uid.is_some_and(|uid| self.is_no_more(uid)) && !has_work
        };
        NAMES.into_iter().find(is_given_up)
    }

    /// The clusters of the shards that could do something of a federation's Jobs.
    fn live_places<'k>(&'k self, federation: &'k str) -> impl Iterator<Item = (&'k str, &'k str)> {
        let ours = move |ledger: &&Ledger| !ledger.gone && ledger.federation == federation;
        let has_hosts = self.ledgers.values().filter(move |_| self.has_hosts);
        has_hosts.filter(ours).flat_map(Ledger::live_places)
    }

    /// Whether no cluster has a uid any more.
    fn is_no_more(&self, uid: &str) -> bool {
        !uid.is_empty() && self.clusters.iter().all(|(_, identity)| identity != uid)
    }
}

impl Site {
    /// Whether a host has a record that cannot be read.
    fn has_damaged_record(&self, place: usize) -> bool {
        self.clusters[place].stored(&sim::CONFIG_MAPS, "").iter().any(|map| is_damaged(map))
    }

    /// Whether a host has records that can be read.
    fn has_records(&self, place: usize) -> bool {
        let maps = self.clusters[place].stored(&sim::CONFIG_MAPS, "");
        maps.iter().any(|map| Ledger::uid_of(map).is_some())
    }

    /// A user deletes the records on a host by hand that cannot be read.
    fn delete_damaged_records(self: &Arc<Self>, place: usize) {
        if self.has_damaged_record(place) {
            self.delete_records(place, is_damaged);
        }
    }

    /// A user deletes records on a host by hand.
    fn delete_records(self: &Arc<Self>, place: usize, which: impl Fn(&Value) -> bool) {
        let cluster = &self.clusters[place];
        for map in cluster.stored(&sim::CONFIG_MAPS, "") {
            let text = |field: &str| map["metadata"][field].as_str().unwrap_or_default().to_owned();
            if text("name") != REGISTRY && which(&map) {
                let _ = cluster.delete(&sim::CONFIG_MAPS, &text("namespace"), &text("name"));
            }
        }
        self.events().note(|| format!("    {}: records are deleted", NAMES[place]));
        self.look(place);
    }

    /// A user deletes the registry of a host by hand.
    pub fn delete_registry(self: &Arc<Self>, place: usize) {
        let deleted = self.clusters[place].delete(&sim::CONFIG_MAPS, NAMESPACE, REGISTRY);
        if deleted.is_ok() {
            self.events().note(|| format!("    {}: no registry any more", NAMES[place]));
            self.look(place);
        }
    }
}
