//! Leases where the clock of the host, or of a member, is not known.

use super::*;

#[test]
fn an_unknown_clock_never_lets_a_lease_pass() {
    let record = begun(json!({"completions": 6, "backoffLimit": 0}));
    let jobs = [1, 2].map(|id| (id, running(&record, id)));
    for passed in [0, 1, LEASE / 2, LEASE - 1, LEASE, LEASE + 61, 10 * LEASE, 1000 * LEASE] {
        for clocks in [Clocks::without("c1"), Clocks::unknown()] {
            let now = at(START + passed);
            let mut seen = seen(&record, jobs.clone());
            seen.clocks.clone_from(&clocks);
            let before = decide(&record, &seen, now).record;
            assert_eq!(lease(&before, 1).until, None, "{passed}: {clocks:?}");
            assert!(!overdue(&before, &seen, now).contains_key(&1), "{passed}: {clocks:?}");
            // Its cluster falls silent, and its clock counts as known again.
            let mut silent = self::seen(&before, [(2, running(&before, 2))]);
            silent.clocks = Clocks::default();
            let after = decide(&before, &silent, at(START + passed + 1000 * LEASE)).record;
            assert!(after.shards[&1].given_up.is_none(), "{passed}: {clocks:?}");
        }
    }
    let mut known = seen(&record, jobs);
    known.clocks = Clocks::without("c2");
    let late = at(START + LEASE + 5);
    assert_eq!(overdue(&record, &known, late), [(1, START + LEASE)].into());
}

#[test]
fn an_unknown_clock_ends_no_job_and_has_none_go_on_that_has_passed() {
    let before = begun(json!({"completions": 6, "backoffLimit": 0}));
    let decide_at = |record: &Record, clocks: Clocks, second: i64| {
        let mut seen = seen(record, [1, 2].map(|id| (id, running(record, id))));
        seen.clocks = clocks;
        let decided = decide(record, &seen, at(second));
        let is_first = |action: &Action| action.shard() == 1;
        (lease(&decided.record, 1).deadline_seconds, decided.actions.iter().any(is_first))
    };
    // By a clock that is far behind it seems to have run for no time, and to have too much left.
    let mut long = before.clone();
    let lease = long.shards.get_mut(&1).and_then(|shard| shard.lease.as_mut());
    lease.expect("it has one").deadline_seconds = 10 * LEASE;
    for clocks in [Clocks::without("c1"), Clocks::unknown()] {
        let decided = decide_at(&long, clocks.clone(), START - 1000 * LEASE);
        assert_eq!(decided, (10 * LEASE, false), "{clocks:?}");
    }
    // It has passed as far as anybody knows.
    assert_eq!(decide_at(&before, Clocks::without("c1"), START + LEASE + 61), (LEASE, false));
    // It has not: the contact counts.
    let (deadline, is_changed) = decide_at(&before, Clocks::without("c1"), START + LEASE - 100);
    assert!(deadline > LEASE && is_changed);
}
