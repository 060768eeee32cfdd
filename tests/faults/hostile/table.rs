//! Each verb, where a member or the host answers with each kind of hostility: that costs one clear
//! error and few requests, and the work of the other members goes on.

use std::collections::BTreeSet;

use serde_json::json;
use sim::{Cluster, EVENTS};

use super::super::evidence::Recorded;
use super::super::net::{Fate, Sent};
use super::super::stage::{CLUSTERS, CREATE, Ran, Stage};
use super::answers::{Hostility, light};
use super::{HOSTILE, clusters_with_jobs, others};

/// The most requests of a command while a server is hostile.
const REQUESTS: usize = 500;

/// The most that is said on stderr, in bytes.
const WORDS: usize = 50_000;

/// Who is hostile.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// A member, whatever it is asked. One that lies says the truth of who it is.
    Member,
    /// The host, whatever it is asked. It does not lie.
    Host,
    /// The host, about the registry.
    Registry,
    /// The host, about records.
    Records,
}

const PLACES: [Place; 4] = [Place::Member, Place::Host, Place::Registry, Place::Records];

impl Place {
    /// How it is hostile.
    fn hostilities(self) -> Vec<Hostility> {
        let mut all = light();
        all.retain(|hostility| self != Self::Host || !hostility.lies);
        all
    }

    /// Whether this is asked there.
    fn is_asked(self, sent: &Sent, lies: bool) -> bool {
        let is_record = sent.path.contains("/configmaps") && !sent.path.ends_with("/federation");
        match self {
            _ if lies && sent.watches => false,
            Self::Member => {
                let is_who = sent.path.ends_with("/namespaces/kube-system");
                sent.cluster == HOSTILE && !(lies && is_who)
            }
            Self::Host => sent.cluster == CLUSTERS[0],
            Self::Registry => sent.path.ends_with("/configmaps/federation"),
            Self::Records => is_record,
        }
    }
}

/// Runs a command where somebody is hostile, and looks at what it says.
async fn opposed(stage: &Stage, command: &str, place: Place, hostility: &Hostility) -> Ran {
    let Hostility { name, fate, lies } = hostility.clone();
    stage.net.watch(
        move |sent, _| {
            if place.is_asked(sent, lies) { fate.clone() } else { Fate::Pass }
        },
    );
    let start = std::time::Instant::now();
    let ran = stage.run(command).await;
    let sent = stage.net.sent();
    println!("{command}, {place:?}, {name}: {} requests, {:?}", sent.len(), start.elapsed());
    stage.net.heal();
    let case = format!("{command}, {place:?}, {name}: {ran:#?}");
    assert!(sent.len() <= REQUESTS, "{} requests: {case:.9000}", sent.len());
    assert!(ran.stderr.len() <= WORDS, "{} bytes: {case:.9000}", ran.stderr.len());
    let lines: Vec<_> = ran.stderr.lines().filter(|line| !line.is_empty()).collect();
    let once: BTreeSet<_> = lines.iter().collect();
    assert_eq!(once.len(), lines.len(), "something is said twice: {case}");
    if place == Place::Member && ran.code != 0 && !lies && !command.contains(HOSTILE) {
        assert!(ran.stderr.contains(HOSTILE), "it is not said who: {case}");
    }
    ran
}

/// A Job that runs in each cluster, whose pods write and of which there are events, and another one
/// that is known nowhere any more.
async fn busy() -> Stage {
    let stage = Stage::federated().await;
    stage.several(&["pi", "tau"]);
    stage.must(CREATE).await;
    stage.must("job delete tau").await;
    stage.clusters.iter().for_each(busy_cluster);
    stage.net.witness(super::super::witness::Witness::allow_cleaning);
    stage
}

fn busy_cluster(cluster: &Cluster) {
    for pod in cluster.pods_of("default", "pi") {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        cluster.bind_pod("default", name);
        cluster.run_pod("default", name);
        cluster.write_log("default", name, "pi", &format!("said in {}", cluster.name()));
        let event = json!({"metadata": {"name": format!("{name}.1")}, "type": "Warning",
            "reason": "BackOff", "message": format!("seen in {}", cluster.name()), "count": 1,
            "firstTimestamp": cluster.now().to_string(),
            "lastTimestamp": cluster.now().to_string(),
            "involvedObject": {"kind": "Pod", "name": name, "namespace": "default",
                "uid": pod["metadata"]["uid"]}});
        cluster.create(&EVENTS, "default", event).expect("it is new");
    }
}

/// Who only looks, and what is shown of the other members.
const LOOKS: [(&str, &[&str]); 14] = [
    ("job get", &[]),
    ("job get pi -o json", &[]),
    ("job get pi --tree", &["east", "west"]),
    ("job describe pi", &["east", "west"]),
    ("job logs pi", &["said in east", "said in west"]),
    ("job events pi", &["seen in east", "seen in west"]),
    ("job timeline pi", &["east", "west"]),
    ("job wait pi --for=condition=complete --no-reconcile --timeout=2s", &[]),
    ("cluster list", &["east", "west"]),
    ("cluster check", &["east", "west"]),
    ("orphans list -A", &["east", "west"]),
    ("orphans clean -A --yes --running --dry-run=client", &[]),
    ("version", &[]),
    ("backup", &["east", "west"]),
];

#[tokio::test(start_paused = true)]
async fn who_looks_sees_the_others_and_changes_nothing() {
    let stage = busy().await;
    for place in PLACES {
        for hostility in place.hostilities() {
            for (command, shown) in LOOKS {
                let jobs = stage.jobs().len();
                let ran = opposed(&stage, command, place, &hostility).await;
                assert_eq!(stage.jobs().len(), jobs, "{command}: {ran:#?}");
                for shown in shown.iter().filter(|_| place == Place::Member) {
                    assert!(
                        ran.stdout.contains(shown),
                        "{command}, {}, {shown}: {ran:#?}",
                        hostility.name
                    );
                }
            }
        }
    }
    stage.must("orphans clean tau --yes --running").await;
    stage.settle().await;
    stage.completes().await;
}

/// What there is before a command.
#[derive(Clone, Copy, PartialEq)]
enum Ground {
    /// Three members.
    Federated,
    /// Two members: the hostile one is registered.
    Unregistered,
    /// A Job that runs.
    Running,
    /// The same, and its record is gone.
    Recordless,
    /// The same, and there is a backup.
    BackedUp,
}

impl Ground {
    async fn stage(self) -> Stage {
        match self {
            Self::Federated => Stage::federated().await,
            Self::Unregistered => {
                let stage = Stage::bare(&CLUSTERS);
                stage.must("init").await;
                stage.must("cluster register east").await;
                stage.must("cluster register west").await;
                stage
            }
            Self::Running => Stage::running().await,
            Self::Recordless | Self::BackedUp => {
                let stage = Stage::running().await;
                if self == Self::BackedUp {
                    stage.must("backup pi.yaml").await;
                }
                stage.must("job delete pi").await;
                stage
            }
        }
    }
}

/// How a Job that runs is brought to its end once nobody is hostile any more.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// It is there as a whole, or not at all.
    Whole,
    /// The pods run to their end, however the Job is divided by now.
    Plays,
    /// Nothing is left.
    Nothing,
}

/// A command that changes something.
struct Deed {
    command: &'static str,
    ground: Ground,
    /// What is done once nobody is hostile any more.
    then: &'static [&'static str],
    end: End,
    /// Whether it leaves the Jobs of other members as they are.
    spares: bool,
}

fn deeds() -> Vec<Deed> {
    let deed = |command, ground, end| Deed { command, ground, then: &[], end, spares: false };
    let spares = |command| Deed { spares: true, ..deed(command, Ground::Running, End::Whole) };
    let then = |command, ground, then, end| Deed { then, ..deed(command, ground, end) };
    vec![
        deed(CREATE, Ground::Federated, End::Whole),
        spares("reconcile"),
        spares("job apply -f pi.yaml"),
        spares("cluster label west zone=a"),
        then("job suspend pi", Ground::Running, &["job resume pi", "reconcile"], End::Whole),
        then("job scale pi --parallelism=6", Ground::Running, &[], End::Plays),
        deed("job delete pi --cascade=background", Ground::Running, End::Whole),
        deed("cluster lost west --yes", Ground::Running, End::Plays),
        deed("cluster lost north --yes", Ground::Running, End::Plays),
        deed("cluster drain west --now --timeout=1m", Ground::Running, End::Plays),
        then(
            "cluster register north",
            Ground::Unregistered,
            &["cluster register north", "job create -f pi.yaml"],
            End::Whole,
        ),
        then(
            "job recover --all --yes",
            Ground::Recordless,
            &["job recover --all --yes"],
            End::Whole,
        ),
        then("restore pi.yaml --yes", Ground::BackedUp, &["restore pi.yaml --yes"], End::Whole),
        then(
            "orphans clean pi --yes --running",
            Ground::Recordless,
            &["orphans clean pi --yes --running"],
            End::Nothing,
        ),
    ]
}

/// Brings everything to its end.
async fn ends(stage: &Stage, Deed { then, end, .. }: &Deed) {
    for command in *then {
        stage.run(command).await;
    }
    stage.settle().await;
    // A member may have said that it has no such Job.
    let is_deleted = |record: &Recorded| record.shards.values().any(|it| it["phase"] == "deleted");
    match end {
        // What it denies to have stays there.
        End::Whole if stage.records().is_empty() => {
            let left = clusters_with_jobs(stage);
            assert!(left.iter().all(|cluster| cluster == HOSTILE), "{left:?}");
        }
        End::Whole if !stage.records().iter().any(is_deleted) => stage.completes().await,
        End::Nothing => stage.nothing_left(),
        End::Whole | End::Plays => {
            for _ in 0..20 {
                // What a member denied to have may be there all the same.
                stage.run("reconcile pi --reopen --yes").await;
                while stage.net.witness(|witness| witness.succeed(usize::MAX)) > 0 {}
                stage.must("reconcile").await;
                if stage.records()[0].complete() {
                    return;
                }
            }
            panic!("it does not end: {:#?}", stage.records());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_done_in_the_others_and_ends_once_nobody_is_hostile() {
    for (number, deed) in deeds().into_iter().enumerate() {
        for (at, place) in PLACES.into_iter().enumerate() {
            let mut unchanged = None;
            for (kind, hostility) in place.hostilities().into_iter().enumerate() {
                // Each verb meets a third of them at each place, and all of them somewhere.
                if !(number + at + kind).is_multiple_of(3) {
                    continue;
                }
                let stage = match unchanged.take() {
                    Some(stage) => stage,
                    None => deed.ground.stage().await,
                };
                stage.net.witness(super::super::witness::Witness::allow_cleaning);
                let before = state(&stage);
                let spared = others(&stage);
                let ran = opposed(&stage, deed.command, place, &hostility).await;
                let case = || format!("{}, {place:?}, {}: {ran:#?}", deed.command, hostility.name);
                if place == Place::Member {
                    assert!(!deed.spares || others(&stage) == spared, "{}", case());
                    reaches_the_others(&stage, &deed, &hostility, &ran);
                }
                if state(&stage) == before {
                    unchanged = Some(stage);
                } else if place == Place::Member || !hostility.lies {
                    println!("{}", case());
                    ends(&stage, &deed).await;
                }
            }
            if let Some(stage) = unchanged {
                ends(&stage, &deed).await;
            }
        }
    }
}

/// All that is stored and says what is to be done.
fn state(stage: &Stage) -> Vec<String> {
    let maps = stage.clusters.iter().flat_map(|it| it.list(&sim::CONFIG_MAPS, ""));
    let jobs = stage.clusters.iter().flat_map(|it| it.list(&sim::JOBS, ""));
    maps.chain(jobs).map(|object| object.to_string()).collect()
}

/// What is to be done in all members is done in those that are not hostile.
fn reaches_the_others(stage: &Stage, deed: &Deed, hostility: &Hostility, ran: &Ran) {
    let with_jobs = clusters_with_jobs(stage);
    let case = || format!("{}, {}: {with_jobs:?}, {ran:#?}", deed.command, hostility.name);
    match deed.command {
        // What a member refuses is refused as a whole, before anything is written.
        CREATE if with_jobs.is_empty() => assert!(stage.records().is_empty(), "{}", case()),
        CREATE => assert!(with_jobs.starts_with(&["east".into()]), "{}", case()),
        "job delete pi --cascade=background" | "orphans clean pi --yes --running" => {
            assert!(with_jobs.iter().all(|cluster| cluster == HOSTILE), "{}", case());
        }
        "job recover --all --yes" => assert_eq!(stage.records().len(), 1, "{}", case()),
        _ => {}
    }
}
