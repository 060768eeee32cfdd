//! The control planes: members, Karmada, and what is done on them.

use std::{
    thread,
    time::{Duration, Instant},
};

use real::{Cluster, Fleet, Karmada, Load, Version};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::{
    super::{Bench, documents, folder::Folder, job},
    arrivals::Arrivals,
    player::{FEDERATED, PROPAGATED, Player},
};
use crate::{
    Error,
    fleet::Traffic,
    measure::Usage,
    program,
    rows::{Sample, Subject},
};

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a command that waits may need until it has begun to.
const BEGUN: Duration = Duration::from_secs(2);

/// How long everything rests before it is looked at how much it takes at rest.
const REST: Duration = Duration::from_secs(10);

/// How many pods of a Job run in each member.
const PODS: usize = 2;

/// Control planes. They end when it is dropped.
pub(super) struct Ground {
    folder: Folder,
    karmada: Karmada,
    members: Fleet,
    runtime: Runtime,
}

impl Ground {
    /// So many members, which have joined Karmada too.
    pub fn new(bench: &Bench<'_>, members: usize) -> Result<Self, Error> {
        let (runtime, folder) = (Runtime::new()?, Folder::new()?);
        let names = (1..=members).map(|number| format!("member-{number}"));
        let fleet = Fleet::builder(Version::NEWEST).unaudited();
        let fleet = names.fold(fleet, |fleet, name| fleet.cluster(&name));
        let (members, karmada) = runtime.block_on(async {
            let karmada = Karmada::start(bench.arguments.karmada_qps).await?;
            let members = fleet.start().await?;
            for member in members.clusters() {
                karmada.join(member).await?;
            }
            prepare(&members, &karmada).await?;
            Ok::<_, Error>((members, karmada))
        })?;
        std::fs::copy(members.kubeconfig(), folder.kubeconfig())?;
        Ok(Self { folder, karmada, members, runtime })
    }

    /// Each build, with a federation of all members in one of them; this build called by kubectl;
    /// and kubectl with Karmada.
    pub fn players(&self, bench: &Bench<'_>) -> Result<Vec<Player>, Error> {
        let kubectl = program::kubectl(bench.arguments)?;
        let mut players = Vec::new();
        for (build, host) in bench.builds.iter().zip(self.members.clusters()) {
            let player = Player::of_build(build, &self.folder)?;
            let context = format!("--context={}", host.name());
            let run = |words: &[&str]| {
                self.folder.run(&player.command(&self.folder, words.iter().copied()))
            };
            run(&["init", &context])?;
            for member in self.members.clusters() {
                run(&["cluster", "register", member.name()])?;
            }
            players.push(player);
        }
        let ours = players.iter().find(|player| player.subject == Subject::Ours);
        let plugin = ours.map(|player| player.by_kubectl(&kubectl)).transpose()?;
        players.extend(plugin);
        players.push(Player::of_karmada(&kubectl, self.karmada.kubeconfig(), &self.folder)?);
        Ok(players)
    }

    /// From the start of the command that creates Jobs of these names until they are in all
    /// members. A command of a build has ended then; kubectl, with Karmada, may have ended long
    /// before.
    pub fn create(&self, player: &Player, names: &[String]) -> Result<Sample, Error> {
        let members = self.members.clusters();
        let pods = PODS * members.len();
        let jobs = names.iter().map(|name| {
            let mut job = job(name, pods, pods);
            job["metadata"]["namespace"] = player.namespace().into();
            job
        });
        let file = self.folder.write("jobs.yaml", &documents(jobs))?;
        let arrivals = Arrivals::new(&self.runtime, members, player.namespace(), names.len())?;
        let before = self.karmada.load()?;
        let usage = self.folder.run(&player.apply(&self.folder, &file))?;
        let ended = Instant::now();
        let arrived = arrivals.last()?;
        let wall = if player.is_karmada() {
            arrived.duration_since(ended.checked_sub(usage.wall).unwrap_or(ended))
        } else {
            usage.wall
        };
        self.sample(player, Usage { wall, ..usage }, before)
    }

    /// From the moment when all pods of a Job have succeeded until a command that waits for the Job
    /// ends.
    pub fn complete(&self, player: &Player, name: &str) -> Result<Sample, Error> {
        let wait = player.wait(&self.folder, name);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (self.folder.run(&wait), Instant::now()));
            thread::sleep(BEGUN);
            let before = self.karmada.load()?;
            self.runtime.block_on(self.succeed(player, name))?;
            let succeeded = Instant::now();
            let (usage, shown) = waiting.join().map_err(|_| "the command broke off")?;
            let usage = Usage { wall: shown.duration_since(succeeded), ..usage? };
            self.sample(player, usage, before)
        })
    }

    /// What all processes of Karmada take while nothing is done, and what the command takes:
    /// nothing.
    pub fn rest(&self, time: Duration) -> Result<[(Subject, Sample); 2], Error> {
        thread::sleep(REST);
        let before = self.karmada.load()?;
        thread::sleep(time);
        let nothing = Usage { wall: time, cpu: Duration::ZERO, memory: 0, succeeded: true };
        let sample = |usage| Sample { usage, traffic: Traffic::default() };
        let karmada = with_karmada(nothing, before, self.karmada.load()?);
        Ok([(Subject::Ours, sample(nothing)), (Subject::Karmada, sample(karmada))])
    }

    /// Deletes Jobs, and returns when nothing is left of them.
    pub fn delete(&self, player: &Player, names: &[String]) -> Result<(), Error> {
        self.folder.run(&player.delete(&self.folder, names))?;
        let namespace = player.namespace();
        let mut kinds = Vec::new();
        for member in self.members.clusters() {
            kinds.push((member.api(), format!("/api/v1/namespaces/{namespace}/pods")));
            kinds.push((member.api(), format!("/apis/batch/v1/namespaces/{namespace}/jobs")));
        }
        if player.is_karmada() {
            let bindings = "/apis/work.karmada.io/v1alpha2/namespaces";
            let path = format!("{bindings}/{namespace}/resourcebindings");
            kinds.push((self.karmada.api(), path));
        }
        let gone = async {
            for (api, path) in kinds {
                let probe = || async {
                    let left = api.list(&path).await.map_err(|error| error.to_string())?;
                    if left.is_empty() { Ok(()) } else { Err(format!("{} are left", left.len())) }
                };
                real::poll(PATIENCE, probe).await.map_err(|seen| format!("{path}: {seen}"))?;
            }
            Ok(())
        };
        self.runtime.block_on(gone)
    }

    /// Has all pods of a Job succeed at once, in all members.
    async fn succeed(&self, player: &Player, name: &str) -> Result<(), Error> {
        let mut pods = Vec::new();
        for member in self.members.clusters() {
            let kubelet = member.kubelet();
            let live = kubelet.live_pods(player.namespace(), name, PODS).await?;
            pods.extend(live.into_iter().map(|pod| (kubelet.clone(), pod)));
        }
        let mut ending = tokio::task::JoinSet::new();
        for (kubelet, pod) in pods {
            ending.spawn(async move { kubelet.succeed(&pod).await });
        }
        Ok(ending.join_all().await.into_iter().collect::<Result<(), _>>()?)
    }

    fn sample(&self, player: &Player, usage: Usage, before: Load) -> Result<Sample, Error> {
        let usage = if player.is_karmada() {
            with_karmada(usage, before, self.karmada.load()?)
        } else {
            usage
        };
        Ok(Sample { usage, traffic: Traffic::default() })
    }
}

/// What a command took, with what all processes of Karmada took meanwhile.
fn with_karmada(command: Usage, before: Load, after: Load) -> Usage {
    let cpu = command.cpu + after.cpu.saturating_sub(before.cpu);
    Usage { cpu, memory: command.memory + after.memory, ..command }
}

/// The namespaces, and the policy by which Karmada divides all Jobs in its own over all members.
async fn prepare(members: &Fleet, karmada: &Karmada) -> Result<(), Error> {
    let namespace = |name: &str| json!({"metadata": {"name": name}});
    for member in members.clusters() {
        member.create("/api/v1/namespaces", &namespace(FEDERATED)).await?;
    }
    karmada.api().create("/api/v1/namespaces", &namespace(PROPAGATED)).await?;
    let path =
        format!("/apis/policy.karmada.io/v1alpha1/namespaces/{PROPAGATED}/propagationpolicies");
    karmada.api().create(&path, &policy(members.clusters())).await?;
    for member in members.clusters() {
        let path = format!("/api/v1/namespaces/{PROPAGATED}");
        let probe =
            || async { member.get(&path).await.map(drop).map_err(|error| error.to_string()) };
        real::poll(PATIENCE, probe).await.map_err(|seen| format!("no namespace: {seen}"))?;
    }
    Ok(())
}

/// Each member gets as much as another.
fn policy(members: &[Cluster]) -> Value {
    let names: Vec<&str> = members.iter().map(Cluster::name).collect();
    let weight = |name: &&str| json!({"targetCluster": {"clusterNames": [name]}, "weight": 1});
    let weights: Vec<Value> = names.iter().map(weight).collect();
    json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
        "metadata": {"name": "divided"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "batch/v1", "kind": "Job"}],
            "placement": {
                "clusterAffinity": {"clusterNames": names},
                "replicaScheduling": {
                    "replicaSchedulingType": "Divided",
                    "replicaDivisionPreference": "Weighted",
                    "weightPreference": {"staticWeightList": weights},
                },
            },
        },
    })
}
