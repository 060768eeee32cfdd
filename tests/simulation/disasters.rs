//! What befalls hosts: records and the registry are deleted or damaged, and the host is lost.

use std::sync::Arc;

use serde_json::{Value, json};

use super::evidence::SHARD_PREFIX;
use super::random::Random;
use super::registries::{NAMESPACE, OURS, REGISTRY};
use super::site::{NAMES, Site};

/// Something that befalls the host that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disaster {
    /// A record is deleted, and not the federated Job.
    RecordDeleted,
    /// A document of a record is damaged, or the label or the entry of a shard is removed.
    RecordDamaged,
    /// The registry is deleted.
    RegistryDeleted,
    /// A document of the registry is damaged.
    RegistryDamaged,
    /// All ConfigMaps are deleted.
    AllDeleted,
    /// The host is replaced by a new cluster with nothing in it.
    Replaced,
    /// The host goes away.
    Away,
}

const DISASTERS: [Disaster; 8] = [
    Disaster::RecordDeleted,
    Disaster::RecordDeleted,
    Disaster::RecordDamaged,
    Disaster::RegistryDeleted,
    Disaster::RegistryDamaged,
    Disaster::AllDeleted,
    Disaster::Replaced,
    Disaster::Away,
];

/// Something befalls the host that counts.
pub fn strike(site: &Arc<Site>, random: &mut Random) {
    let mut disaster = *random.pick(&DISASTERS);
    let home = site.home();
    if site.clusters.len() == 1 && disaster == Disaster::Replaced {
        // Nothing would be left.
        disaster = Disaster::AllDeleted;
    }
    let cluster = &site.clusters[home];
    {
        let mut events = site.events();
        events.note(|| format!("    {}: {disaster:?}", NAMES[home]));
        events.knowledge.records_are_lost();
    }
    let maps = cluster.stored(&sim::CONFIG_MAPS, "");
    let place = |map: &Value| {
        let text = |field: &str| map["metadata"][field].as_str().unwrap_or_default().to_owned();
        (text("namespace"), text("name"))
    };
    let (registry, records): (Vec<_>, Vec<_>) =
        maps.iter().map(|map| (place(map), map)).partition(|((_, name), _)| name == REGISTRY);
    match disaster {
        Disaster::RecordDeleted | Disaster::AllDeleted | Disaster::RegistryDeleted => {
            let registry = registry.iter().filter(|_| disaster != Disaster::RecordDeleted);
            let records = records.iter().filter(|_| disaster != Disaster::RegistryDeleted);
            for ((namespace, name), _) in registry.chain(records) {
                let _ = cluster.delete(&sim::CONFIG_MAPS, namespace, name);
            }
        }
        Disaster::RecordDamaged => {
            for ((namespace, name), map) in &records {
                let patch = if random.one_in(4) {
                    json!({"metadata": {"labels": {"kubectl-federate.dev/federation": null}}})
                } else {
                    damage(map, random)
                };
                let _ = cluster.patch(&sim::CONFIG_MAPS, namespace, name, patch);
            }
        }
        Disaster::RegistryDamaged => {
            for (_, map) in &registry {
                let patch = damage(map, random);
                let _ = cluster.patch(&sim::CONFIG_MAPS, NAMESPACE, REGISTRY, patch);
            }
        }
        Disaster::Replaced => {
            cluster.rebuild();
            site.events().knowledge.rebuilt(home);
        }
        Disaster::Away => cluster.go_away(),
    }
    site.look(home);
}

/// A patch after which one of the documents of a ConfigMap cannot be read, or the entry of a shard is
/// gone.
fn damage(map: &Value, random: &mut Random) -> Value {
    let annotations = map["metadata"]["annotations"].as_object();
    let ours: Vec<&String> = annotations
        .into_iter()
        .flat_map(|annotations| annotations.keys())
        .filter(|key| key.contains(OURS))
        .collect();
    let key = ours[random.below(ours.len() as u64) as usize];
    let mut patch = json!({"metadata": {"annotations": {}}});
    let is_removed = key.starts_with(SHARD_PREFIX) && random.one_in(2);
    patch["metadata"]["annotations"][key.as_str()] =
        if is_removed { Value::Null } else { "{".into() };
    patch
}
