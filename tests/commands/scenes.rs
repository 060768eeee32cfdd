//! States in which something is asked: what a user has done before, and what has happened since.

use std::fs;

use libtest_mimic::Failed;
use serde_json::json;

use crate::machine::{CLUSTERS, Machine};

/// Nothing was done yet.
pub fn new() -> Result<Machine, Failed> {
    Ok(Machine::new()?)
}

pub fn host() -> Result<Machine, Failed> {
    let machine = Machine::new()?;
    machine.succeeds("init --context=east")?;
    machine.succeeds("cluster register east")?;
    Ok(machine)
}

/// A federation with the Job `pi`, and the file of another one with another image.
pub fn pi() -> Result<Machine, Failed> {
    let machine = Machine::federation()?;
    machine.succeeds("job create -f pi.yaml")?;
    let pi = fs::read_to_string("pi.yaml")?;
    assert!(pi.contains("perl:5.34.0"), "{pi}");
    fs::write(machine.path("image.yaml"), pi.replace("perl:5.34.0", "perl:5.36.0"))?;
    // What the members say is known, and pods run.
    machine.succeeds("reconcile pi")?;
    Ok(machine)
}

/// `pi`, and another Job.
pub fn two() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds("job create other --image=busybox -- true")?;
    Ok(machine)
}

/// The user's context of a member leads to another one.
pub fn astray() -> Result<Machine, Failed> {
    let machine = pi()?;
    let path = machine.path(".kube/federate.yaml");
    let config = fs::read_to_string(&path)?;
    fs::write(&path, format!("{config}contexts:\n  west: north\n"))?;
    Ok(machine)
}

/// A member does not answer.
pub fn silent() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.servers()[1].cluster().go_away();
    Ok(machine)
}

pub fn half_deleted() -> Result<Machine, Failed> {
    let machine = silent()?;
    assert!(!machine.run("job delete pi --cascade=background")?.status.success());
    Ok(machine)
}

pub fn orphans() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds("job delete pi")?;
    Ok(machine)
}

/// Jobs that are no shards.
pub fn strangers() -> Result<Machine, Failed> {
    let machine = Machine::federation()?;
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": {
        "parallelism": 2, "completions": 6, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl:5.34.0"}],
        }},
    }});
    for server in &machine.servers()[..2] {
        let created = server.cluster().create(&sim::JOBS, "default", job.clone());
        created.map_err(|why| format!("{why:?}"))?;
    }
    Ok(machine)
}

/// A ConfigMap of the host is lost.
fn lose(machine: &Machine, namespace: &str, name: &str) -> Result<(), Failed> {
    let host = machine.servers()[0].cluster();
    let lost = host.delete(&sim::CONFIG_MAPS, namespace, name);
    Ok(lost.map(drop).map_err(|why| format!("{why:?}"))?)
}

/// A record was lost.
pub fn forgotten() -> Result<Machine, Failed> {
    let machine = pi()?;
    lose(&machine, "default", "pi.federated-job")?;
    Ok(machine)
}

/// The registry was lost.
pub fn without_registry() -> Result<Machine, Failed> {
    let machine = pi()?;
    lose(&machine, "kubectl-federate", "federation")?;
    Ok(machine)
}

/// All was lost, and there is another registry.
pub fn begun_anew() -> Result<Machine, Failed> {
    let machine = without_registry()?;
    lose(&machine, "default", "pi.federated-job")?;
    machine.succeeds("init --context=east")?;
    for cluster in CLUSTERS {
        machine.succeeds(&format!("cluster register {cluster}"))?;
    }
    Ok(machine)
}

/// The federation has another host than `east` by now.
pub fn moved() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds("init --from=east --context=west")?;
    Ok(machine)
}

/// `pi` has failed, and another Job runs what was left of it.
pub fn retried() -> Result<Machine, Failed> {
    let machine = pi()?;
    for server in machine.servers() {
        server.cluster().settle();
        server.cluster().fail_pods("default", "pi", 3);
        server.cluster().settle();
    }
    machine.succeeds("reconcile pi")?;
    machine.succeeds("job wait pi --for=condition=failed --timeout=30s")?;
    machine.succeeds("reconcile pi")?;
    machine.succeeds("job retry pi")?;
    Ok(machine)
}

/// A backup was made.
pub fn saved() -> Result<Machine, Failed> {
    let machine = pi()?;
    machine.succeeds(&format!("backup {}", machine.path("federation.yaml").display()))?;
    Ok(machine)
}

/// A command was run since a backup was made.
fn since(command: &str) -> Result<Machine, Failed> {
    let machine = saved()?;
    machine.succeeds(command)?;
    Ok(machine)
}

pub fn reweighed() -> Result<Machine, Failed> {
    since("cluster weight west 5")
}

pub fn edited() -> Result<Machine, Failed> {
    since("job scale pi --parallelism=6")
}

pub fn deleted() -> Result<Machine, Failed> {
    since("job delete pi --cascade=background")
}

/// The host of a backup does not answer.
pub fn without_host() -> Result<Machine, Failed> {
    let machine = saved()?;
    machine.servers()[0].cluster().go_away();
    Ok(machine)
}

/// Somebody deleted the Job of a shard, and it is recorded.
pub fn shard_deleted() -> Result<Machine, Failed> {
    let machine = pi()?;
    let west = machine.servers()[1].cluster();
    west.delete(&sim::JOBS, "default", "pi").map_err(|why| format!("{why:?}"))?;
    machine.succeeds("reconcile pi")?;
    Ok(machine)
}

/// A shard is gone that may have finished.
pub fn gone() -> Result<Machine, Failed> {
    let machine = pi()?;
    let west = machine.servers()[1].cluster();
    let expires = json!({"spec": {"ttlSecondsAfterFinished": 60}});
    west.patch(&sim::JOBS, "default", "pi", expires).map_err(|why| format!("{why:?}"))?;
    machine.succeeds("reconcile pi")?;
    west.delete(&sim::JOBS, "default", "pi").map_err(|why| format!("{why:?}"))?;
    Ok(machine)
}
