//! How long a plan takes: `cargo bench --bench plan`. The goal is 10,000 clusters in under 10 ms.

use divan::{Bencher, black_box};
use kubectl_federate::plan::{ClusterPreference, Member, Preferences, Request, Share, plan};

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// In order, as a registry has them.
fn names(members: usize) -> Vec<String> {
    (0..members).map(|i| format!("cluster-{i:05}")).collect()
}

/// Members that are alike.
#[divan::bench(args = SIZES)]
fn equal(bencher: Bencher, members: usize) {
    let names = names(members);
    let members: Vec<Member> = names.iter().map(|name| Member::new(name)).collect();
    let request = Request {
        key: "default/pi",
        members: &members,
        preferences: None,
        parallelism: 1_000_003,
        completions: Some(10_000_019),
        least: 1,
    };
    bencher.bench_local(|| plan(black_box(&request)));
}

/// The worst there is: every member has limits, a weight, a capacity and something already, all of
/// its own.
#[divan::bench(args = SIZES)]
fn all_different(bencher: Bencher, members: usize) {
    let names = names(members);
    let spread = |i: usize, below: usize| (i * 7_919 % below) as i32;
    let clusters = names.iter().enumerate().map(|(i, name)| {
        let min_replicas = spread(i, 5);
        let max_replicas = Some(min_replicas + 20 + spread(i, 997));
        (
            name.clone(),
            ClusterPreference { min_replicas, max_replicas, weight: 1 + spread(i, 10_007) },
        )
    });
    let preferences = Preferences { rebalance: false, clusters: clusters.collect() };
    let members: Vec<Member> = (names.iter().enumerate())
        .map(|(i, name)| Member {
            name,
            weight: 1,
            capacity: Some(15 + spread(i, 1_009)),
            existing: Some(Share { parallelism: spread(i, 30), completions: Some(spread(i, 300)) }),
        })
        .collect();
    let request = Request {
        key: "default/pi",
        members: &members,
        preferences: Some(&preferences),
        parallelism: 60 * members.len() as i32,
        completions: Some(600 * members.len() as i32),
        least: 1,
    };
    plan(&request).expect("the limits leave room, or the bench measures a refusal");
    bencher.bench_local(|| plan(black_box(&request)));
}
