//! How long a plan takes: `cargo bench --bench plan`. The goal is 10,000 clusters in under 10 ms.

use bench::plans::Plans;
use divan::{Bencher, black_box};
use kubectl_federate::plan::plan;

fn main() {
    divan::main();
}

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// Members that are alike.
#[divan::bench(args = SIZES)]
fn equal(bencher: Bencher, members: usize) {
    let plans = Plans::new(members);
    let members = plans.equal();
    let request = plans.of_equal(&members);
    bencher.bench_local(|| plan(black_box(&request)));
}

/// The worst there is: members that all differ.
#[divan::bench(args = SIZES)]
fn all_different(bencher: Bencher, members: usize) {
    let plans = Plans::new(members);
    let members = plans.different();
    let request = plans.of_different(&members);
    plan(&request).expect("the limits leave room, or the bench measures a refusal");
    bencher.bench_local(|| plan(black_box(&request)));
}
