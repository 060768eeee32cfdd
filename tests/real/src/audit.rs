//! Who asked what of an API server, from its audit log.

use crate::error::{Error, during};
use crate::until::poll;
use crate::{Cluster, process};
use serde_json::{Value, json};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

const LOG: &str = "audit.log";
const POLICY: &str = "audit-policy.json";

/// How long a request may take to be in the log. It is there as soon as it was answered.
const WRITTEN: Duration = Duration::from_secs(15);

/// A moment in the audit log of one API server.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// One request, as the audit log has it (audit.k8s.io/v1, level Metadata).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Kubernetes' verb: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// The resource in plural, such as `jobs`; empty for a path that is no resource, such as
    /// `/version`.
    pub resource: String,
    /// The subresource, such as `status`; empty where there is none.
    pub subresource: String,
    /// The namespace; empty where there is none.
    pub namespace: String,
    /// The object's name; empty for a collection, and for a create.
    pub name: String,
    /// The user that asked.
    pub user: String,
    /// The User-Agent header.
    pub user_agent: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// Whether the request was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Path and query.
    pub uri: String,
}

impl AuditEntry {
    /// Whether the request was to change something: its verb is a writing one, and it was no dry
    /// run.
    pub fn is_mutating(&self) -> bool {
        let writing = ["create", "update", "patch", "delete", "deletecollection"]
            .contains(&self.verb.as_str());
        writing && !self.dry_run
    }

    fn parse(line: &str) -> Result<Self, Error> {
        let event: Value = serde_json::from_str(line).map_err(during("read the audit log"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (uri, object) = (text(&event["requestURI"]), &event["objectRef"]);
        Ok(Self {
            verb: text(&event["verb"]),
            resource: text(&object["resource"]),
            subresource: text(&object["subresource"]),
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            user: text(&event["user"]["username"]),
            user_agent: text(&event["userAgent"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default() as u16,
            dry_run: uri.contains("dryRun=All"),
            uri,
        })
    }
}

impl Cluster {
    /// The present moment, for [`Cluster::requests_since`].
    pub async fn mark(&self) -> Result<Mark, Error> {
        let written = std::fs::metadata(self.directory().join(LOG))
            .map_err(during("read the audit log"))?
            .len();
        let (_, end) = self.read_to_now(Mark(written)).await?;
        Ok(end)
    }

    /// All requests that were answered since `mark`, in the order of their answers, of all users,
    /// the controllers' too.
    ///
    /// A watch is in it when it began, everything else when it was answered. Fails while the API
    /// server does not answer.
    pub async fn requests_since(&self, mark: Mark) -> Result<Vec<AuditEntry>, Error> {
        let (lines, _) = self.read_to_now(mark).await?;
        lines.iter().map(|line| AuditEntry::parse(line)).collect()
    }

    /// The lines since a mark, and the end of them. "Now" is a request of ours, for which the log
    /// is read until it is in there.
    async fn read_to_now(&self, since: Mark) -> Result<(Vec<String>, Mark), Error> {
        let now = format!("mark-{:016x}", process::random());
        match self.get(&format!("/api/v1/namespaces/default/configmaps/{now}")).await {
            Err(Error::Status { code: 404, .. }) | Ok(_) => {}
            Err(error) => return Err(error),
        }
        let log = self.directory().join(LOG);
        poll(WRITTEN, || async {
            let text = read_from(&log, since.0).map_err(|error| error.to_string())?;
            let mut end = since.0;
            let mut lines = Vec::new();
            for line in text.split_inclusive('\n') {
                end += line.len() as u64;
                if line.contains(&now) && line.ends_with('\n') {
                    return Ok((lines, Mark(end)));
                }
                lines.push(line.to_owned());
            }
            Err(format!("{} requests, and not the last", lines.len()))
        })
        .await
        .map_err(during("wait for the audit log"))
    }
}

fn read_from(log: &Path, offset: u64) -> std::io::Result<String> {
    let mut file = std::fs::File::open(log)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Each request once: a watch when it begins, because it may never end; all others when they were
/// answered.
pub(crate) fn write_policy(directory: &Path) -> Result<(), Error> {
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [
            {"level": "Metadata", "verbs": ["watch"], "omitStages": ["RequestReceived",
                "ResponseComplete"]},
            {"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]},
        ],
    });
    std::fs::write(directory.join(POLICY), policy.to_string())
        .map_err(during("write the audit policy"))
}

/// Blocking: a request is in the log before its answer has ended. Never rotated: marks are offsets.
pub(crate) fn arguments(directory: &Path) -> [String; 4] {
    [
        format!("--audit-policy-file={}", directory.join(POLICY).display()),
        format!("--audit-log-path={}", directory.join(LOG).display()),
        "--audit-log-mode=blocking".to_owned(),
        "--audit-log-maxsize=100000".to_owned(),
    ]
}
