//! Orphans as rows of a table, and as objects.

use serde_json::{Value, json};

use crate::{
    cli::{Session, TableFlags},
    federation::{Orphan, Reason},
    print::{Table, age},
};

/// Which columns the table has beside those that it always has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    /// The first numbers the rows.
    pub numbers: bool,
    /// One says the namespace.
    pub namespace: bool,
    /// The last say the uids, of the Job and of its federated Job, the shard, and what the reason
    /// means.
    pub wide: bool,
}

impl Columns {
    /// The table of these orphans.
    pub fn table(
        self,
        session: &Session<'_>,
        orphans: &[Orphan],
        flags: Option<&TableFlags>,
    ) -> Table {
        let mut headers = Vec::new();
        headers.extend(self.numbers.then_some("#"));
        headers.extend(self.namespace.then_some("NAMESPACE"));
        headers.extend(["NAME", "CLUSTER", "STATUS", "PODS", "SUCCEEDED", "FAILED", "AGE"]);
        headers.push("REASON");
        let wide = ["UID", "JOB", "SHARD", "MESSAGE"];
        headers.extend(self.wide.then_some(wide).into_iter().flatten());
        let table = Table::new(headers);
        let mut table = flags.iter().fold(table, |table, flags| flags.dressed(table));
        for (number, orphan) in (1..).zip(orphans) {
            let mut row = Vec::new();
            row.extend(self.numbers.then(|| format!("{number}")));
            row.extend(self.namespace.then(|| orphan.namespace.clone()));
            row.extend(cells(session, orphan));
            let Orphan { job, owner, .. } = orphan;
            let message = words(orphan.reason).to_owned();
            let wide = [job.uid.clone(), owner.job.clone(), owner.shard.clone(), message];
            row.extend(self.wide.then_some(wide).into_iter().flatten());
            row.extend(flags.iter().flat_map(|flags| flags.label_cells(&orphan.labels)));
            table.row(row);
        }
        table
    }
}

fn cells(session: &Session<'_>, orphan: &Orphan) -> [String; 8] {
    let job = &orphan.job;
    // What a shard was credited, it has not done itself.
    let succeeded = (job.succeeded - job.credited_count()).max(0);
    [
        job.name.clone(),
        orphan.cluster.clone(),
        orphan.progress().word().to_owned(),
        job.active.to_string(),
        succeeded.to_string(),
        job.failed.to_string(),
        orphan.created_by_host.map_or(age::UNKNOWN.to_owned(), |at| session.age(at)),
        orphan.reason.word().to_owned(),
    ]
}

/// Why a Job is an orphan, in words.
fn words(reason: Reason) -> &'static str {
    match reason {
        Reason::NoRecord => "its federated job has no record",
        Reason::Unregistered => "its cluster was unregistered",
        Reason::NotInLedger => "its federated job has no such shard",
        Reason::OtherCluster => "its federated job has the shard in another cluster",
        Reason::OtherJob => "its federated job has another job as this shard",
        Reason::Unreadable => "unknown: a record of its namespace cannot be read",
    }
}

/// An orphan as an object.
pub(super) fn object(orphan: &Orphan) -> Value {
    let job = &orphan.job;
    json!({
        "apiVersion": "kubectl-federate.dev/v1",
        "kind": "Orphan",
        "metadata": {
            "name": job.name,
            "namespace": orphan.namespace,
            "uid": job.uid,
            "labels": orphan.labels,
            "creationTimestamp": orphan.created.map(|at| at.to_string()),
        },
        "spec": {
            "cluster": orphan.cluster,
            "job": orphan.owner.job,
            "shard": orphan.owner.shard,
            "reason": orphan.reason.word(),
        },
        "status": {
            "state": orphan.progress().word(),
            "active": job.active,
            "succeeded": (job.succeeded - job.credited_count()).max(0),
            "failed": job.failed,
        },
    })
}
