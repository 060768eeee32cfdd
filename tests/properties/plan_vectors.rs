//! The test vectors of Kubernetes Federation v1, from the unit tests of its planner, the scenarios
//! of its design document, and its Job tests.
//!
//! `DIFFERENCES` has the vectors with another result here, each with the reason. The module `plan`
//! lists the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kubectl_federate::plan::{Error, Member, Preferences, Request, Share, plan};

/// v1's planner divided one number, so these are work queues. `plan` is v1's, or the document's
/// layout; clusters that get nothing are left out of it. The key is empty, as in v1's tests.
const VECTORS: &str = "\
case                          | reb. | weight:min..max                           | pods | clusters  | existing  | capacity | plan
TestEqual/1                   |      | *:1                                       | 50   | A B C     |           |          | A=16 B=17 C=17
TestEqual/2                   |      | *:1                                       | 50   | A B       |           |          | A=25 B=25
TestEqual/4                   |      | *:1                                       | 1    | A B C D   |           |          | D=1
TestEqual/5                   |      | *:1                                       | 1    | A         |           |          | A=1
TestEqualWithExisting/1       |      | *:1                                       | 50   | A B C     | C=30      |          | A=10 B=10 C=30
TestEqualWithExisting/2       |      | *:1                                       | 50   | A B       | A=30      |          | A=30 B=20
TestEqualWithExisting/4       |      | *:1                                       | 15   | A B       | A=1 B=8   |          | A=7 B=8
TestEqualWithExisting/5       |      | *:1                                       | 15   | A B       | A=4 B=8   |          | A=7 B=8
TestEqualWithExisting/7       |      | *:1                                       | 15   | A B       | A=6 B=8   |          | A=7 B=8
TestEqualWithExisting/8       |      | *:1                                       | 15   | A B       | A=7 B=8   |          | A=7 B=8
TestEqualWithExisting/10      |      | *:1                                       | 50   | A B       | A=10      |          | A=25 B=25
TestEqualWithExisting/11      |      | *:1                                       | 50   | A B       | A=10 B=70 |          | B=50
TestEqualWithExisting/13      |      | *:1                                       | 50   | A B       | A=10 B=20 |          | A=25 B=25
TestWithExistingAndCapacity/1 | yes  | *:1                                       | 50   | A B C     |           | C=10     | A=20 B=20 C=10
TestWithExistingAndCapacity/3 | yes  | A:1 B:2                                   | 60   | A B C     |           | B=10     | A=50 B=10
TestWithExistingAndCapacity/4 | yes  | A:10000:0..10 B:1 C:1:0..21 D:1:0..10     | 71   | A B C D   |           | C=10     | A=10 B=41 C=10 D=10
TestWithExistingAndCapacity/6 |      | A:1 B:5                                   | 60   | A B C     |           | B=10     | A=50 B=10
TestWithExistingAndCapacity/7 |      | *:0:20..                                  | 50   | A B C     |           | B=10     | A=20 B=10 C=20
TestMin/1                     |      | *:0:2..                                   | 50   | A B C     |           |          | A=2 B=2 C=2
TestMin/2                     |      | *:0:20..                                  | 50   | A B C     |           |          | A=10 B=20 C=20
TestMin/4                     |      | *:1:10..12                                | 50   | A B C     |           |          | A=12 B=12 C=12
TestMax/1                     |      | *:1:0..2                                  | 50   | A B C     |           |          | A=2 B=2 C=2
TestWeight/1                  |      | A:1 B:2                                   | 60   | A B C     |           |          | A=20 B=40
TestWeight/2                  |      | A:10000 B:1                               | 50   | A B C     |           |          | A=50
TestWeight/4                  |      | A:10000:0..10 B:1 C:1                     | 50   | A B C     |           |          | A=10 B=20 C=20
TestWeight/5                  |      | A:10000:0..10 B:1 C:1:0..10               | 50   | A B C     |           |          | A=10 B=30 C=10
TestWeight/7                  |      | A:10000:0..10 B:1 C:1:0..21 D:1:0..10 E:1 | 91   | A B C D E |           |          | A=10 B=25 C=21 D=10 E=25
S1/all                        | yes  | *:1                                       | 50   | A B C     |           |          | A=16 B=17 C=17
S1/B-C-offline                | yes  | *:1                                       | 50   | A         |           |          | A=50
S2/min2-weight0               | yes  | *:0:2..                                   | 50   | A B C     |           |          | A=2 B=2 C=2
S3/min20                      | yes  | *:0:20..                                  | 50   | A B C     |           |          | A=20 B=20 C=10
S4/B-offline                  | yes  | *:1 C:1:0..20                             | 50   | A C       |           |          | A=30 C=20
S4/A-B-offline                | yes  | *:1 C:1:0..20                             | 50   | C         |           |          | C=20
S5/A-capacity-40              |      | A:1000000 B:1 C:1                         | 50   | A B C     |           | A=40     | A=40 B=5 C=5
S7/A-has-20-C-capacity-6      |      | *:1                                       | 50   | A B C     | A=20      | C=6      | A=22 B=22 C=6
";

/// The vectors with another result here: the numbers of the clusters, or the sentence of a refusal.
const DIFFERENCES: [(&str, &str); 6] = [
    // v1 placed the minima, and lost the rest.
    ("TestMin/1", REFUSED_MIN_2),
    ("S2/min2-weight0", REFUSED_MIN_2),
    // v1 filled all clusters to their maximum, and lost the rest.
    (
        "TestMin/4",
        "14 of 50 pods have no place: A takes 12 (its maxReplicas), B takes 12 (its maxReplicas), C takes 12 (its maxReplicas)",
    ),
    (
        "TestMax/1",
        "44 of 50 pods have no place: A takes 2 (its maxReplicas), B takes 2 (its maxReplicas), C takes 2 (its maxReplicas)",
    ),
    ("S4/A-B-offline", "30 of 50 pods have no place: C takes 20 (its maxReplicas)"),
    // The document serves the clusters by name; v1's code, and its TestMin/2 of the same numbers,
    // by hash.
    ("S3/min20", "A=10 B=20 C=20"),
];

const REFUSED_MIN_2: &str = "44 of 50 pods have no place: A takes 2 (its weight is 0, so nothing beyond that), \
    B takes 2 (its weight is 0, so nothing beyond that), C takes 2 (its weight is 0, so nothing beyond that)";

/// Reads `A=1 B=2` as numbers by name.
fn numbers(cell: &str) -> BTreeMap<&str, i32> {
    cell.split_whitespace()
        .map(|entry| entry.split_once('=').expect("name=number"))
        .map(|(name, number)| (name, number.parse().expect("a number")))
        .collect()
}

/// The annotation for which `A:weight:min..max …` stands.
fn annotation(rebalance: bool, entries: &str) -> String {
    let mut clusters = String::new();
    for entry in entries.split_whitespace() {
        let mut fields = entry.splitn(3, ':');
        let (name, weight) = (fields.next().expect("a name"), fields.next().expect("a weight"));
        let separator = if clusters.is_empty() { "" } else { "," };
        write!(clusters, r#"{separator}"{name}":{{"weight":{weight}"#)
            .expect("writing to a string");
        if let Some((min, max)) = fields.next().and_then(|limits| limits.split_once("..")) {
            write!(clusters, r#","minReplicas":{min}"#).expect("writing to a string");
            if !max.is_empty() {
                write!(clusters, r#","maxReplicas":{max}"#).expect("writing to a string");
            }
        }
        clusters.push('}');
    }
    format!(r#"{{"rebalance":{rebalance},"clusters":{{{clusters}}}}}"#)
}

/// The planner's result for a row: the numbers of the clusters, or the sentence of the refusal.
fn planned(cells: &[&str]) -> String {
    let [_, rebalance, entries, pods, clusters, existing, capacity, _] = cells[..] else {
        panic!("eight cells: {cells:?}")
    };
    let clusters: Vec<&str> = clusters.split_whitespace().collect();
    let (existing, capacity) = (numbers(existing), numbers(capacity));
    let members: Vec<Member> = (clusters.iter())
        .map(|&name| Member {
            capacity: capacity.get(name).copied(),
            existing: existing
                .get(name)
                .map(|&parallelism| Share { parallelism, completions: None }),
            ..Member::new(name)
        })
        .collect();
    let preferences = Preferences::parse(&annotation(rebalance == "yes", entries), &clusters)
        .expect("valid preferences");
    let parallelism = pods.parse().expect("a number");
    match plan(&Request {
        key: "",
        members: &members,
        preferences: Some(&preferences),
        parallelism,
        completions: None,
        least: 1,
    }) {
        Ok(plan) => {
            let shares =
                plan.shares.iter().map(|(name, share)| format!("{name}={}", share.parallelism));
            shares.collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_planners_vectors_come_out_as_in_v1_but_for_the_differences() {
    let differences = BTreeMap::from(DIFFERENCES);
    let (mut same, mut different) = (0, 0);
    for row in VECTORS.lines().skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (case, v1) = (cells[0], cells[7]);
        let ours = planned(&cells);
        if let Some(&expected) = differences.get(case) {
            assert_eq!(ours, expected, "{case}");
            different += 1;
        } else {
            assert_eq!(ours, v1, "{case}");
            same += 1;
        }
    }
    assert_eq!((same, different), (24 + 5, 3 + 3));
}

/// Divides a Job over equal members, without preferences.
fn shares(
    key: &str,
    parallelism: i32,
    completions: Option<i32>,
    names: &[&str],
) -> Vec<(String, i32, Option<i32>)> {
    let members: Vec<Member> = names.iter().map(|name| Member::new(name)).collect();
    let plan = plan(&Request {
        key,
        members: &members,
        preferences: None,
        parallelism,
        completions,
        least: 1,
    })
    .expect("no limits");
    plan.shares
        .into_iter()
        .map(|(name, share)| (name, share.parallelism, share.completions))
        .collect()
}

#[test]
fn v1s_jobs_are_divided_as_in_v1_but_for_the_one_with_nothing_to_do() {
    let clusters = ["k8s-1", "k8s-2"];
    let divided = |job: &str, parallelism, completions| {
        shares(&format!("default/{job}"), parallelism, completions, &clusters)
    };
    let [first, second] = clusters.map(str::to_owned);
    assert_eq!(
        divided("job1", 2, Some(7)),
        [(first.clone(), 1, Some(4)), (second.clone(), 1, Some(3))]
    );
    assert_eq!(divided("job2", 2, None), [(first.clone(), 1, None), (second.clone(), 1, None)]);
    assert_eq!(divided("job3", 7, Some(2)), [(first.clone(), 4, Some(1)), (second, 3, Some(1))]);
    // v1: 4/1 and 3/0. A share of no completions can run nothing.
    assert_eq!(divided("job4", 7, Some(1)), [(first, 7, Some(1))]);
}

#[test]
fn what_v1_lost_or_starved_is_placed() {
    let sorted = |parallelism, completions, names: &[&str]| {
        let mut shares: Vec<_> = shares("default/pi", parallelism, completions, names)
            .into_iter()
            .map(|(_, p, c)| (p, c))
            .collect();
        shares.sort_unstable_by(|a, b| b.cmp(a));
        shares
    };
    let three = ["gce-asia-east1a", "gce-europe-west1a", "gce-us-east1a"];
    let four = ["a", "b", "c", "d"];
    assert_eq!(sorted(9, Some(18), &three), [(3, Some(6)); 3]);
    assert_eq!(sorted(10, Some(18), &three), [(4, Some(6)), (3, Some(6)), (3, Some(6))]);
    assert_eq!(sorted(1, Some(3), &three), [(1, Some(3))]);
    assert_eq!(
        sorted(5, Some(5000), &four),
        [(2, Some(1250)), (1, Some(1250)), (1, Some(1250)), (1, Some(1250))]
    );
    assert_eq!(sorted(5, Some(2), &four), [(3, Some(1)), (2, Some(1))]);
    assert_eq!(sorted(0, Some(18), &three), [(0, Some(6)); 3]);
    assert_eq!(sorted(0, None, &three), [(0, None); 3]);
    assert_eq!(sorted(9, Some(0), &three), []);
    assert_eq!(sorted(1, Some(1), &three), [(1, Some(1))]);
}

#[test]
fn a_maximum_bounds_pods_and_not_completions() {
    let clusters = ["a", "b"];
    let members = clusters.map(Member::new);
    let preferences =
        Preferences::parse(&annotation(false, "a:1:0..5 b:1:0..5"), &clusters).expect("valid");
    let request = Request {
        key: "default/pi",
        members: &members,
        preferences: Some(&preferences),
        parallelism: 10,
        completions: Some(100),
        least: 1,
    };
    let fifty = Share { parallelism: 5, completions: Some(50) };
    assert_eq!(plan(&request).expect("fits").shares.into_values().collect::<Vec<_>>(), [fifty; 2]);

    // Twelve could run at once, and ten may. Eight that can run may, whatever the parallelism.
    let twelve = plan(&Request { parallelism: 12, ..request });
    assert!(
        matches!(twelve, Err(Error::Shortfall(shortfall)) if (shortfall.asked, shortfall.placed) == (12, 10))
    );
    let eight = plan(&Request { parallelism: 12, completions: Some(8), ..request }).expect("fits");
    let six_for_four = Share { parallelism: 6, completions: Some(4) };
    assert_eq!(eight.shares.into_values().collect::<Vec<_>>(), [six_for_four; 2]);
}

#[test]
fn a_refusal_says_why_of_a_few_and_how_much_of_the_rest() {
    let refusal = |names: &[&str], entries: &str, capacity: Option<i32>| {
        let members: Vec<Member> =
            names.iter().map(|name| Member { capacity, ..Member::new(name) }).collect();
        let preferences = Preferences::parse(&annotation(false, entries), names).expect("valid");
        let request = Request {
            key: "",
            members: &members,
            preferences: Some(&preferences),
            parallelism: 50,
            completions: None,
            least: 1,
        };
        plan(&request).expect_err("no room").to_string()
    };
    assert_eq!(
        refusal(&["a", "b", "c"], "a:1:0..5 b:1", Some(7)),
        "38 of 50 pods have no place: a takes 5 (its maxReplicas), b takes 7 (its capacity), \
         c takes none (the preferences do not name it)"
    );
    assert_eq!(refusal(&[], "", None), "there is no cluster that could run the 50 pods asked for");
    let names: Vec<String> = (10..30).map(|i| format!("c{i}")).collect();
    let many = refusal(&names.iter().map(String::as_str).collect::<Vec<_>>(), "*:1:0..2", None);
    assert!(
        many.ends_with("c17 takes 2 (its maxReplicas), and 12 more clusters take 24 together"),
        "{many}"
    );
}
