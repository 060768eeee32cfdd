//! The clusters of the demo, simulated or real.

use std::time::Duration;

use super::Error;

/// Clusters whose pods succeed by themselves; they end when it is dropped.
pub enum Clusters {
    /// In this process.
    Simulated(Vec<sim::Server>),
    /// Real control planes, and what plays their nodes, which stand still when it is dropped.
    Real(Box<real::Fleet>, real::Player),
}

impl Clusters {
    /// Starts clusters of these names, in which each pod runs for `pod` and succeeds.
    pub async fn start(real: bool, names: &[&str], pod: Duration) -> Result<Self, Error> {
        if real {
            let fleet = real::Fleet::start(names).await?;
            let player = real::Kubelet::run_all(&fleet, pod);
            return Ok(Self::Real(Box::new(fleet), player));
        }
        let mut servers = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let administrator = sim::User::admin("admin", format!("simulated-{number}"));
            let cluster = sim::Cluster::builder(*name).user(administrator).build();
            cluster.run_by_itself(sim::Kubelet::succeed_after(pod));
            servers.push(cluster.serve().await?);
        }
        Ok(Self::Simulated(servers))
    }

    /// Has each pod run for `pod` from now on.
    pub fn run_pods_for(&mut self, pod: Duration) {
        match self {
            Self::Simulated(servers) => {
                for server in servers {
                    server.cluster().set_kubelet(sim::Kubelet::succeed_after(pod));
                }
            }
            Self::Real(fleet, player) => *player = real::Kubelet::run_all(fleet, pod),
        }
    }

    /// A kubeconfig with a context for each, named as the cluster.
    pub fn kubeconfig(&self) -> Result<String, Error> {
        Ok(match self {
            Self::Simulated(servers) => sim::kubeconfig(servers),
            Self::Real(fleet, _) => std::fs::read_to_string(fleet.kubeconfig())?,
        })
    }

    /// What is to be typed to see a Job in one of them, and what is seen: by kubectl where there is
    /// one.
    pub async fn show_job(&self, cluster: &str, name: &str) -> Result<String, Error> {
        let fields = "-o=custom-columns=NAME:.metadata.name,PARALLELISM:.spec.parallelism,\
                      COMPLETIONS:.spec.completions,SUCCEEDED:.status.succeeded";
        let command = format!("$ kubectl --context={cluster} get job {name} {fields}");
        match self {
            Self::Real(fleet, _) => {
                let output = fleet.cluster(cluster).kubectl(["get", "job", name, fields]).await?;
                Ok(format!("{command}\n{}", String::from_utf8_lossy(&output.stdout)))
            }
            Self::Simulated(servers) => {
                let server = servers.iter().find(|server| server.cluster().name() == cluster);
                let cluster = server.ok_or("there is no such cluster")?.cluster();
                let job = cluster.get(&sim::JOBS, "default", name).ok_or("there is no such job")?;
                let row = [
                    &job["spec"]["parallelism"],
                    &job["spec"]["completions"],
                    &job["status"]["succeeded"],
                ];
                let [parallelism, completions, succeeded] = row.map(ToString::to_string);
                let mut table = kubectl_federate::print::Table::new([
                    "NAME",
                    "PARALLELISM",
                    "COMPLETIONS",
                    "SUCCEEDED",
                ]);
                table.row([name.to_owned(), parallelism, completions, succeeded]);
                Ok(format!("{command}\n{}", table.render()))
            }
        }
    }
}
