//! What users let run again: it is no fault of the product.

use std::collections::BTreeSet;

use super::knowledge::Knowledge;

impl Knowledge {
    /// A record that was rebuilt says what a user has accepted: the work of Jobs in clusters that
    /// were not registered then may run again, and of those in clusters that did not let their Jobs
    /// be listed and had been declared lost. Nothing else may.
    pub fn see_consents(&mut self, uid: &str) {
        let Some(ledger) = self.ledgers.get_mut(uid) else { return };
        let (recovers, missed) = (ledger.accepts_recovery(), ledger.misses());
        if !recovers && missed.is_empty() {
            return;
        }
        let places: BTreeSet<usize> = self.jobs.values().map(|job| job.place).collect();
        let is_given_up = |place: &usize| {
            (recovers && !self.is_member(*place)) || self.is_lost_one(*place, &missed)
        };
        let left: BTreeSet<usize> = places.into_iter().filter(is_given_up).collect();
        let ours = self.jobs.values_mut().filter(|job| job.shard.0 == uid);
        ours.filter(|job| left.contains(&job.place)).for_each(|job| job.may_repeat = true);
    }

    /// Whether the cluster of a place is declared lost, by one of these uids.
    fn is_lost_one(&self, place: usize, uids: &[String]) -> bool {
        let name = &self.clusters[place].0;
        self.registries.current().is_some_and(|registry| {
            let is_one = registry.members.get(name).is_some_and(|uid| uids.contains(uid));
            is_one && registry.lost.contains(name)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use sim::Cluster;

    use super::super::registries::{self, REGISTRY};
    use super::*;

    const NAMESPACE: &str = "default";

    /// A federated Job of 6 completions, of which each of two clusters has 3.
    struct Scene {
        clusters: [Cluster; 2],
        knowledge: Knowledge,
    }

    impl Scene {
        fn new() -> Self {
            let clusters = ["east", "west"].map(Cluster::new);
            let knowledge = Knowledge::new(&clusters);
            let mut scene = Self { clusters, knowledge };
            let member = |place: usize| {
                let uid = scene.clusters[place].kube_system_uid();
                json!({"uid": uid}).to_string()
            };
            let registry = json!({"metadata": {"name": REGISTRY, "annotations": {
                "kubectl-federate.dev/settings": json!({"uid": "f"}).to_string(),
                "member.kubectl-federate.dev/east": member(0),
                "member.kubectl-federate.dev/west": member(1),
            }}});
            let namespace = json!({"metadata": {"name": registries::NAMESPACE}});
            scene.clusters[0].create(&sim::NAMESPACES, "", namespace).expect("created");
            let created =
                scene.clusters[0].create(&sim::CONFIG_MAPS, registries::NAMESPACE, registry);
            created.expect("nothing is in the way");
            scene.record(&["east", "west"], &json!({}));
            scene.shard(0, "1");
            scene.shard(1, "2");
            scene.look();
            assert_eq!(scene.knowledge.first_broken(), None);
            scene
        }

        fn create(&self, map: &Value) {
            self.clusters[0].create(&sim::CONFIG_MAPS, NAMESPACE, map.clone()).expect("created");
        }

        /// `state` is what its state says besides its uid.
        fn record(&self, shards: &[&str], state: &Value) {
            let mut state = state.clone();
            state["uid"] = "u".into();
            let mut annotations = json!({
                "kubectl-federate.dev/manifest": json!({
                    "metadata": {"name": "pi"}, "spec": {"completions": 6, "parallelism": 2},
                }).to_string(),
                "kubectl-federate.dev/state": state.to_string(),
            });
            for (id, cluster) in (1..).zip(shards) {
                let key = format!("shard.kubectl-federate.dev/{id}");
                annotations[key] =
                    json!({"cluster": cluster, "phase": "started"}).to_string().into();
            }
            self.create(&json!({"metadata": {
                "name": "pi", "labels": {"kubectl-federate.dev/federation": "f"},
                "annotations": annotations,
            }}));
        }

        /// The Job of a shard, which runs.
        fn shard(&self, place: usize, id: &str) {
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": format!("pi-{id}"), "labels": {
                    "kubectl-federate.dev/job": "u", "kubectl-federate.dev/shard": id,
                }},
                "spec": {"completions": 3, "parallelism": 1, "template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl"}],
                }}},
            });
            self.clusters[place].create(&sim::JOBS, NAMESPACE, job).expect("created");
        }

        /// A user forgets the Job without its shards.
        fn abandon(&mut self) {
            let gone = self.clusters[0].delete(&sim::CONFIG_MAPS, NAMESPACE, "pi");
            gone.expect("the record is there");
            self.look();
        }

        fn unregister_west(&mut self) {
            self.register_west(Value::Null);
        }

        fn lose_west(&mut self) {
            let member = json!({"uid": self.clusters[1].kube_system_uid(), "state": "lost"});
            self.register_west(member.to_string().into());
        }

        fn register_west(&mut self, member: Value) {
            let change = json!({"metadata": {"annotations": {
                "member.kubectl-federate.dev/west": member,
            }}});
            let changed =
                self.clusters[0].patch(&sim::CONFIG_MAPS, registries::NAMESPACE, REGISTRY, change);
            changed.expect("the registry is there");
            self.look();
        }

        fn look(&mut self) {
            for (place, cluster) in self.clusters.iter().enumerate() {
                self.knowledge.look(place, cluster);
            }
        }

        fn broken(&mut self) -> bool {
            self.look();
            self.knowledge.first_broken().is_some_and(|what| what.starts_with("G1: 9 are done"))
        }
    }

    fn accepted(what: &str) -> Value {
        json!({"accepted": [{"what": what, "detail": "", "who": "alice", "when": 7}]})
    }

    #[test]
    fn work_in_a_cluster_that_was_not_registered_at_a_recovery_may_run_again() {
        for (what, leaves, expected) in [
            (Some("recovered"), true, false),
            (Some("recovered"), false, true),
            (Some("restored"), true, true),
            (None, true, true),
        ] {
            let mut scene = Scene::new();
            scene.abandon();
            if leaves {
                scene.unregister_west();
            }
            scene.record(&["east"], &what.map_or(json!({}), accepted));
            scene.look();
            scene.shard(0, "3");
            assert_eq!(scene.broken(), expected, "{what:?}, west leaves: {leaves}");
        }
    }

    #[test]
    fn work_in_a_lost_cluster_that_was_not_listed_at_a_recovery_may_run_again() {
        for (is_lost, is_west, expected) in
            [(true, true, false), (false, true, true), (true, false, true)]
        {
            let mut scene = Scene::new();
            scene.abandon();
            if is_lost {
                scene.lose_west();
            }
            let missed = scene.clusters[usize::from(is_west)].kube_system_uid();
            scene.record(&["east"], &json!({"missed": {missed: "west"}}));
            scene.look();
            scene.shard(0, "3");
            assert_eq!(scene.broken(), expected, "lost: {is_lost}, missed: {is_west}");
        }
    }

    #[test]
    fn work_may_run_once_again_and_not_twice() {
        let mut scene = Scene::new();
        scene.abandon();
        scene.unregister_west();
        scene.record(&["east"], &accepted("recovered"));
        scene.look();
        scene.shard(0, "3");
        assert!(!scene.broken());
        scene.shard(1, "4");
        assert!(scene.broken(), "nobody has accepted that");
    }

    #[test]
    fn a_cluster_that_leaves_after_a_recovery_keeps_its_work() {
        let mut scene = Scene::new();
        scene.abandon();
        scene.record(&["east", "west"], &accepted("recovered"));
        scene.look();
        scene.unregister_west();
        scene.shard(0, "3");
        assert!(scene.broken());
    }
}
