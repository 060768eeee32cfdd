//! The properties of a reconcile, whatever users, networks and other processes do between any two of its requests.

use kubectl_federate::{
    job::Manifest,
    reconcile::propose,
    state::{Cascade, Phase, Record, Registry, Verdict},
};
use proptest::prelude::*;
use serde_json::json;

use super::decide_model::{Loss, Process, Running, Shared, World, new_job, step};

/// Something that happens. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Event {
    /// Somebody runs a verb; its requests are the steps that follow.
    Run {
        stale: bool,
        deleting: Option<Cascade>,
    },
    /// `job delete --cascade=orphan`, at once.
    Forget,
    /// A process gets on by so many requests.
    Step(usize, u8),
    Kill(usize),
    /// The host loses its next request or the answer to it.
    HostLoses(Loss),
    In(usize, Happening),
}

/// Something that happens in one member.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Unreachable(bool),
    Loses(Loss),
    /// Stale lists show what is there now.
    Remembered,
    PodSucceeds,
    AllSucceed,
    JobFails,
    UserDeletes,
    UserDeletesWithFinalizer,
    UserCopies,
    UserStripsLabels,
    UserSuspends(bool),
    StrangerTakesName,
}

/// A Job of this size, over so many members.
#[derive(Debug, Clone)]
struct Case {
    members: usize,
    parallelism: i32,
    completions: Option<i32>,
    suspended: bool,
    events: Vec<Event>,
}

impl Case {
    fn record(&self) -> Record {
        let member = |n: usize| json!({"context": "c", "uid": n.to_string(), "weight": 1, "state": "ready", "registered": 1});
        let mut annotations = serde_json::Map::new();
        let settings = json!({"version": 1, "uid": "f", "host": "h"});
        annotations.insert("kubectl-federate.dev/settings".into(), settings.to_string().into());
        for n in 0..self.members {
            annotations.insert(format!("member.kubectl-federate.dev/m{n}"), member(n).to_string().into());
        }
        let registry = Registry::from_config_map(&json!({"metadata": {"annotations": annotations}}));
        let mut spec = json!({"parallelism": self.parallelism, "suspend": self.suspended, "template": {}});
        if let Some(completions) = self.completions {
            spec["completions"] = completions.into();
        }
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        propose(&registry.expect("whole"), manifest, jiff::Timestamp::UNIX_EPOCH).expect("fits")
    }
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![Just(Loss::Request), Just(Loss::Answer)]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        4 => any::<bool>().prop_map(Unreachable),
        4 => loss().prop_map(Loses),
        3 => Just(Remembered),
        5 => Just(PodSucceeds),
        4 => Just(AllSucceed),
        1 => Just(JobFails),
        2 => Just(UserDeletes),
        1 => Just(UserDeletesWithFinalizer),
        1 => Just(UserCopies),
        1 => Just(UserStripsLabels),
        2 => any::<bool>().prop_map(UserSuspends),
        1 => Just(StrangerTakesName),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let cascade = prop_oneof![Just(Cascade::Background), Just(Cascade::Foreground)];
    prop_oneof![
        16 => any::<bool>().prop_map(|stale| Event::Run { stale, deleting: None }),
        1 => cascade.prop_map(|cascade| Event::Run { stale: false, deleting: Some(cascade) }),
        1 => Just(Event::Forget),
        60 => (0..8_usize, 1..24_u8).prop_map(|(n, steps)| Event::Step(n, steps)),
        4 => (0..8_usize).prop_map(Event::Kill),
        3 => loss().prop_map(Event::HostLoses),
        30 => (0..4_usize, happening()).prop_map(|(n, happening)| Event::In(n, happening)),
    ]
}

prop_compose! {
    fn case()(
        members in 1..4_usize,
        parallelism in 1..7,
        completions in proptest::option::weighted(0.8, 0..10),
        suspended in proptest::bool::weighted(0.1),
        events in prop::collection::vec(event(), 0..80),
    ) -> Case {
        Case { members, parallelism, completions, suspended, events }
    }
}

/// Makes an event happen.
fn happen(world: &Shared, processes: &mut Vec<Running>, event: &Event) {
    match *event {
        Event::Run { stale, deleting } => processes.push(Process::run(world, stale, deleting)),
        Event::Forget => {
            let mut world = world.borrow_mut();
            if world.record.as_ref().is_some_and(|record| record.state.deleting.is_none()) {
                world.record = None;
            }
        }
        Event::Step(n, steps) if !processes.is_empty() => {
            let n = n % processes.len();
            if (0..steps).any(|_| step(&mut processes[n])) {
                drop(processes.remove(n));
            }
        }
        Event::Kill(n) if !processes.is_empty() => drop(processes.remove(n % processes.len())),
        Event::Step(..) | Event::Kill(_) => {}
        Event::HostLoses(loss) => world.borrow_mut().host_loss = Some(loss),
        Event::In(n, happening) => happen_in(&mut world.borrow_mut(), n, happening),
    }
}

fn happen_in(world: &mut World, n: usize, happening: Happening) {
    let clusters: Vec<_> = world.members.keys().cloned().collect();
    let Some(cluster) = clusters.get(n % clusters.len().max(1)) else { return };
    let record = world.record.as_ref();
    let shard = record.and_then(|record| record.shards.iter().find(|(_, shard)| shard.cluster == *cluster));
    let completions = shard.and_then(|(_, shard)| shard.completions);
    let owner = record.zip(shard).map(|(record, (id, _))| record.ownership(*id));
    let uid = world.uid();
    match happening {
        Happening::PodSucceeds => return world.succeed(cluster, completions, false),
        Happening::AllSucceed => return world.succeed(cluster, completions, true),
        Happening::JobFails => return world.fail(cluster),
        _ => {}
    }
    let ran: Vec<_> = world.ran.values().cloned().collect();
    let member = world.members.get_mut(cluster).expect("a member");
    match happening {
        Happening::Unreachable(unreachable) => member.unreachable = unreachable,
        Happening::Loses(loss) => member.loss = Some(loss),
        Happening::Remembered => member.old.clone_from(&member.job),
        Happening::UserDeletes => member.job = None,
        Happening::UserDeletesWithFinalizer => {
            if let Some(job) = &mut member.job {
                job.deleting = true;
            }
        }
        Happening::UserCopies if member.job.is_some() => member.job = Some(new_job(uid, owner, false)),
        Happening::StrangerTakesName if member.job.is_none() => member.job = Some(new_job(uid, None, false)),
        Happening::UserStripsLabels => {
            if let Some(job) = &mut member.job {
                job.owner = None;
            }
        }
        Happening::UserSuspends(suspended) => {
            if let Some(job) = member.job.as_mut().filter(|job| ran.contains(&job.uid) && job.end.is_none()) {
                job.suspended = suspended;
                job.start = None;
                job.active = 0;
            }
        }
        _ => {}
    }
}

/// One reconcile that nothing disturbs; how many writes and changes it made.
fn reconcile(world: &Shared) -> u32 {
    let before = { world.borrow().writes + world.borrow().changes };
    let mut process = Process::run(world, false, None);
    let ended = (0..1000).any(|_| step(&mut process));
    assert!(ended, "a reconcile does not come to an end");
    let world = world.borrow();
    world.writes + world.changes - before
}

fn heal(world: &Shared) {
    let mut world = world.borrow_mut();
    world.host_loss = None;
    for member in world.members.values_mut() {
        member.unreachable = false;
        member.loss = None;
        member.job.take_if(|job| job.deleting);
    }
}

fn play(case: &Case) -> Shared {
    let world = World::new(&case.record());
    let mut processes = Vec::new();
    for event in &case.events {
        happen(&world, &mut processes, event);
    }
    // Those that still run are frozen, and go on after everything else.
    heal(&world);
    reconcile(&world);
    for mut process in processes {
        assert!((0..1000).any(|_| step(&mut process)), "a process does not come to an end");
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// After anything at all, one reconcile does what is left to do, and a second one nothing (G4, G5).
    #[test]
    fn one_undisturbed_reconcile_reaches_a_fixed_point(case in case()) {
        let world = play(&case);
        heal(&world);
        reconcile(&world);
        prop_assert_eq!(reconcile(&world), 0, "{:?}", world.borrow());
        let deleting = world.borrow().record.as_ref().is_some_and(|record| record.state.deleting.is_some());
        prop_assert!(!deleting, "a deletion is not finished: {:?}", world.borrow());
    }

    /// Whatever was disturbed: where every shard's Job is ours and runs to its end, the whole is Complete, and
    /// has done exactly what was asked for.
    #[test]
    fn work_that_nobody_took_away_is_done_once(case in case()) {
        let world = play(&case);
        for n in 0..case.members {
            happen_in(&mut world.borrow_mut(), n, Happening::UserSuspends(false));
            happen_in(&mut world.borrow_mut(), n, Happening::AllSucceed);
        }
        reconcile(&world);
        let world = world.borrow();
        let Some(record) = &world.record else { return Ok(()) };
        let phases = || record.shards.values().map(|shard| shard.phase);
        let verdict = record.state.outcome.as_ref().map(|outcome| outcome.verdict);
        if phases().all(|phase| phase == Phase::Complete) && (!record.shards.is_empty() || case.completions == Some(0)) {
            prop_assert_eq!(verdict, Some(Verdict::Complete));
        }
        if phases().any(|phase| phase == Phase::Failed) {
            prop_assert_eq!(verdict, Some(Verdict::Failed));
        }
        if verdict == Some(Verdict::Complete) && case.completions.is_some() {
            let achieved: i32 = record.shards.values().map(kubectl_federate::state::Shard::achieved).sum();
            prop_assert_eq!(Some(achieved), case.completions);
        }
    }
}
