//! What some lives have besides. It is decided by numbers of its own, so that the lives that have
//! none of it stay as they were.

use super::random::Random;

/// What sets these numbers apart from the others of a seed.
const APART: u64 = 0x6c65_6173_6573;

/// What sets the numbers about gangs apart from both.
const GANGS: u64 = 0x0067_616e_6773;

/// What sets the numbers about hosts apart from all.
const HOSTS: u64 = 0x0068_6f73_7473;

/// What one life has besides.
pub struct Extras {
    /// Decides what becomes of it.
    pub random: Random,
    /// The leases of the clusters in seconds, as far as they have one. None where nobody in this
    /// life thinks of leases.
    pub leases: Option<[Option<i64>; 4]>,
    /// The lease that the Job asks for.
    pub own_lease: Option<&'static str>,
    /// After how many seconds administrators have ended Jobs deleted, where they do.
    pub ttl: Option<u64>,
    /// Whether users make Jobs of the same name in place of those of shards.
    pub remakes: bool,
    /// Whether pods fail often, and what did not succeed of a Failed Job is retried.
    pub retries: bool,
    /// Decides about hosts, backups and recoveries. None where the host stays as it is.
    pub hosts: Option<Random>,
    /// Decides about gangs. None where pods are scheduled one by one.
    pub gangs: Option<Random>,
    /// By how many seconds the clock of each cluster is ahead from the beginning.
    pub clocks: [i64; 4],
}

/// One life of so many has each.
pub const ONE_IN: [(&str, usize); 6] =
    [("leases", 6), ("ttl", 8), ("remakes", 8), ("retries", 8), ("gangs", 8), ("hosts", 8)];

impl Extras {
    /// The names of those that it has, as in [`ONE_IN`].
    pub fn names(&self) -> Vec<&'static str> {
        let has = [
            self.leases.is_some(),
            self.ttl.is_some(),
            self.remakes,
            self.retries,
            self.gangs.is_some(),
            self.hosts.is_some(),
        ];
        let names = ONE_IN.iter().zip(has).filter(|(_, has)| *has);
        names.map(|((name, _), _)| *name).collect()
    }

    /// What the life of a seed has. Those of even seeds have nothing: some of them once showed a
    /// fault.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ APART);
        let has_leases = random.one_in(3) && seed % 2 == 1;
        let lease = |random: &mut Random| *random.pick(&[None, Some(60), Some(300), Some(1200)]);
        let leases = [(); 4].map(|()| lease(&mut random));
        let own_lease = *random.pick(&[None, None, None, Some("2m")]);
        let clock = |random: &mut Random| *random.pick(&[0, 0, -3000, 20, 3000]);
        let clocks = [(); 4].map(|()| clock(&mut random));
        let ttl = random.one_in(4) && seed % 2 == 1;
        let ttl = ttl.then_some(*random.pick(&[0, 5, 30]));
        let remakes = random.one_in(4) && seed % 2 == 1;
        let retries = random.one_in(4) && seed % 2 == 1;
        let mut gangs = Random::new(seed ^ GANGS);
        let has_gangs = gangs.one_in(4) && seed % 2 == 1;
        let mut hosts = Random::new(seed ^ HOSTS);
        let has_hosts = hosts.one_in(4) && seed % 2 == 1;
        Self {
            random,
            hosts: has_hosts.then_some(hosts),
            gangs: has_gangs.then_some(gangs),
            ttl,
            remakes,
            retries,
            leases: has_leases.then_some(leases),
            own_lease: own_lease.filter(|_| has_leases),
            clocks: if has_leases { clocks } else { [0; 4] },
        }
    }
}

#[test]
fn so_many_lives_have_each() {
    let seeds = 4000;
    let lives: Vec<_> = (0..seeds).map(|seed| Extras::of(seed).names()).collect();
    for (name, one_in) in ONE_IN {
        let count = lives.iter().filter(|names| names.contains(&name)).count();
        let expected = seeds as usize / one_in;
        assert!(count.abs_diff(expected) < expected / 5, "{name}: {count} of {seeds}");
    }
}
