//! Jobs for the planner alone.

use kubectl_federate::plan::{ClusterPreference, Member, Preferences, Request, Share};

/// Members and preferences from which requests are made.
#[derive(Debug)]
pub struct Plans {
    names: Vec<String>,
    preferences: Preferences,
}

impl Plans {
    /// So many members, in order, as a registry has them.
    pub fn new(members: usize) -> Self {
        let names: Vec<_> = (0..members).map(|i| format!("cluster-{i:05}")).collect();
        let clusters = names.iter().enumerate().map(|(i, name)| {
            let min_replicas = spread(i, 5);
            let max_replicas = Some(min_replicas + 20 + spread(i, 997));
            let weight = 1 + spread(i, 10_007);
            (name.clone(), ClusterPreference { min_replicas, max_replicas, weight })
        });
        let preferences = Preferences { rebalance: false, clusters: clusters.collect() };
        Self { names, preferences }
    }

    /// Members that are alike.
    pub fn equal(&self) -> Vec<Member<'_>> {
        self.names.iter().map(|name| Member::new(name)).collect()
    }

    /// The Job for members that are alike.
    pub fn of_equal<'a>(&self, members: &'a [Member<'a>]) -> Request<'a> {
        Request {
            key: "default/pi",
            members,
            preferences: None,
            parallelism: 1_000_003,
            completions: Some(10_000_019),
            least: 1,
        }
    }

    /// The worst there is: every member has limits, a weight, a capacity and something already, all
    /// of its own.
    pub fn different(&self) -> Vec<Member<'_>> {
        let members = self.names.iter().enumerate().map(|(i, name)| Member {
            name,
            weight: 1,
            capacity: Some(15 + spread(i, 1_009)),
            existing: Some(Share { parallelism: spread(i, 30), completions: Some(spread(i, 300)) }),
        });
        members.collect()
    }

    /// The Job for members that differ.
    pub fn of_different<'a>(&'a self, members: &'a [Member<'a>]) -> Request<'a> {
        Request {
            key: "default/pi",
            members,
            preferences: Some(&self.preferences),
            parallelism: 60 * members.len() as i32,
            completions: Some(600 * members.len() as i32),
            least: 1,
        }
    }
}

/// A number below a limit, another one for each member.
fn spread(i: usize, below: usize) -> i32 {
    (i * 7_919 % below) as i32
}
