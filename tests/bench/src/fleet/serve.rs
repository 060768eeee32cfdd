//! The process that serves the clusters.

use std::{ffi::OsString, io, path::Path, time::Duration};

use serde_json::{Value, json};
use sim::{Cluster, Kubelet, Link, Server, User};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{HOST, HOSTS, Traffic, member};
use crate::Error;

/// Serves as many members as the first word says, and writes a kubeconfig to the second.
pub(crate) fn serve(words: &[OsString]) -> Result<(), Error> {
    let [members, kubeconfig] = words else { return Err("how many members, and where?".into()) };
    let members: usize = members.to_str().unwrap_or_default().parse()?;
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(answer(members, Path::new(kubeconfig)))
}

async fn answer(members: usize, kubeconfig: &Path) -> Result<(), Error> {
    let mut clusters = Vec::new();
    let hosts = (0..HOSTS).map(|number| format!("{HOST}{number}"));
    for name in hosts.chain((0..members).map(member)) {
        clusters.push(Far::start(name).await?);
    }
    std::fs::write(kubeconfig, sim::kubeconfig(clusters.iter().map(|far| &far.server)))?;
    let (hosts, members) = clusters.split_at(HOSTS);
    let served = Served { hosts, members };
    let mut questions = BufReader::new(tokio::io::stdin()).lines();
    while let Some(question) = questions.next_line().await? {
        println!("{}", served.answer(&question)?);
    }
    Ok(())
}

/// A cluster that is far away.
struct Far {
    server: Server,
    link: Link,
}

impl Far {
    async fn start(name: String) -> io::Result<Self> {
        let administrator = User::admin("admin", format!("token-of-{name}"));
        let cluster = Cluster::builder(name).user(administrator).build();
        cluster.run_by_itself(Kubelet::none());
        let link = Link::default();
        Ok(Self { server: cluster.serve_over(&link).await?, link })
    }

    fn cluster(&self) -> &Cluster {
        self.server.cluster()
    }
}

struct Served<'a> {
    hosts: &'a [Far],
    members: &'a [Far],
}

impl Served<'_> {
    fn all(&self) -> impl Iterator<Item = &Far> {
        self.hosts.iter().chain(self.members)
    }

    fn answer(&self, question: &str) -> Result<Value, Error> {
        let (verb, rest) = question.split_once(' ').unwrap_or((question, ""));
        match verb {
            "ready" => {}
            "round-trip" => {
                let time = Duration::from_micros(rest.parse()?);
                for far in self.all() {
                    far.link.set_round_trip(time);
                }
            }
            "begin" => self.begin(),
            "traffic" => return Ok(serde_json::to_value(self.traffic())?),
            "silent" | "heard" => {
                let last = self.members.last().ok_or("there is no member")?;
                last.link.set_silent(verb == "silent");
            }
            "jobs" => {
                let jobs = self.members.iter().map(|far| far.cluster().list(&sim::JOBS, "").len());
                return Ok(json!(jobs.sum::<usize>()));
            }
            "clear" => self.clear()?,
            _ => return Err(format!("the fleet does not know {question:?}").into()),
        }
        Ok(Value::Null)
    }

    fn begin(&self) {
        for far in self.all() {
            far.cluster().settle();
            far.cluster().compact();
            far.cluster().forget_requests();
            far.link.forget_connections();
        }
    }

    fn traffic(&self) -> Traffic {
        let mut traffic = Traffic::default();
        // Counted whole and divided once: a sum of fractions may be more than 1.
        let (mut requests, mut writes, mut connections) = (0, 0, 0);
        for far in self.members {
            let all = far.cluster().requests();
            requests += all.len();
            writes += all.iter().filter(|request| request.mutating).count();
            let lists = all.iter().filter(|request| {
                request.verb == "list" && request.parameter("continue").is_none()
            });
            traffic.lists = traffic.lists.max(lists.count());
            connections += far.link.connections();
        }
        let each = |count: usize| count as f64 / self.members.len() as f64;
        traffic.requests = each(requests);
        traffic.writes = each(writes);
        traffic.connections = each(connections);
        traffic.host = self.hosts.iter().map(|far| far.cluster().requests().len()).sum();
        traffic
    }

    fn clear(&self) -> Result<(), Error> {
        let kinds = self.members.iter().map(|far| (far, &sim::JOBS));
        let kinds = kinds.chain(self.hosts.last().map(|far| (far, &sim::CONFIG_MAPS)));
        for (far, kind) in kinds {
            for object in far.cluster().list(kind, "default") {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let deleted = far.cluster().delete(kind, "default", name);
                deleted.map_err(|refusal| format!("{name}: {refusal:?}"))?;
            }
        }
        Ok(())
    }
}
