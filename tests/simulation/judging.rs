//! What requests are about to do, judged before they take effect.

use serde_json::Value;
use sim::{Cluster, RequestInfo};

use super::evidence::{named_uid, shard_of};
use super::knowledge::{Doing, Knowledge};

impl Knowledge {
    /// What a request is about to do, the host has said before (G3); it is done to what is ours
    /// (G6), in the cluster that is meant (G7), and it is sent once (G4).
    pub fn judge(&mut self, place: usize, cluster: &Cluster, request: &RequestInfo) {
        if !(request.mutating || request.dry_run) {
            return;
        }
        self.look(place, cluster);
        let (name, identity) = self.clusters[place].clone();
        // What is written to a host is no work of a member, and a new one may have an old name.
        let is_of_host = matches!(request.resource.as_str(), "configmaps" | "namespaces");
        let registry = self.registries.of(&request.user);
        let registered = registry.and_then(|it| it.members.get(&name));
        // Orphans are removed from clusters that were members, whoever has their names now.
        let was_one = registry.is_some_and(|it| it.former.contains(&identity))
            && self.doing(request) == Doing::Cleans;
        if !is_of_host && !was_one && registered.is_some_and(|uid| *uid != identity) {
            self.accuse(|| format!("G7: {} in another cluster than {name}", request.verb));
        }
        if !request.mutating {
            return;
        }
        let body = request.json();
        let created = created(request, &body);
        if let Some(what) = created
            && self.unread.contains(&(place, request.user.clone(), what.clone()))
        {
            self.accuse(|| {
                format!("G4: the creation of {what} is sent again with no read between")
            });
        }
        match request.resource.as_str() {
            "configmaps" => self.judge_host(place, request, &body),
            "jobs" => self.judge_member(place, cluster, request, &body),
            _ => {}
        }
    }

    fn judge_host(&mut self, place: usize, request: &RequestInfo, body: &Value) {
        let version = match request.verb {
            "patch" => &body["metadata"]["resourceVersion"],
            "delete" => &body["preconditions"]["resourceVersion"],
            _ => return,
        };
        if !version.is_string() {
            self.accuse(|| format!("G3: {} is no compare-and-swap", request.path));
        }
        let removes = request.verb == "delete" && place == self.registries.home;
        if removes && self.doing(request) != Doing::Rebuilds {
            let job = request.name.strip_suffix(".federated-job").unwrap_or_default();
            let mut there = self.ledgers.values_mut().filter(|ledger| !ledger.gone);
            if let Some(ledger) = there.find(|ledger| ledger.name == job) {
                ledger.removed = true;
            }
        }
    }

    /// What the command is for that sends a request.
    fn doing(&self, request: &RequestInfo) -> Doing {
        self.doing.get(request.user.as_str()).copied().unwrap_or(Doing::Neither)
    }

    fn judge_member(
        &mut self,
        place: usize,
        cluster: &Cluster,
        request: &RequestInfo,
        body: &Value,
    ) {
        let (name, identity) = &self.clusters[place];
        let registered = self.registries.of(&request.user).and_then(|it| it.members.get(name));
        let is_member = registered.is_some_and(|uid| uid == identity);
        if request.verb == "create" {
            let named = shard_of(body).is_some_and(|(uid, id)| {
                self.ledgers.get(&uid).is_some_and(|ledger| ledger.named(&id, name, identity))
            });
            if !named || body["spec"]["suspend"] != true {
                let path = request.path.clone();
                self.accuse(|| format!("G3: {path} makes a Job in no ledger, or not suspended"));
            }
            return;
        }
        let uid = named_uid(body);
        let Some(there) = cluster.get(&sim::JOBS, &request.namespace, &request.name) else {
            return;
        };
        if uid.is_empty() {
            self.accuse(|| format!("G6: {} names no uid", request.path));
        }
        if !uid.is_empty() && text(&there["metadata"]["uid"]) != uid {
            return;
        }
        let Some((federated, id)) = shard_of(&there) else {
            self.accuse(|| format!("G6: {} of a Job that is nobody's", request.verb));
            return;
        };
        let ledger = self.ledgers.get(&federated);
        let unstarted = there["spec"]["suspend"] == true && !self.has_run(&there);
        let fine = match request.verb {
            "patch" => ledger.is_some_and(|ledger| ledger.knows(&id, &uid)),
            _ => {
                let is_orphan =
                    ledger.is_none_or(|ledger| ledger.gone || !ledger.has(&uid)) || !is_member;
                let is_cleaned = self.doing(request) == Doing::Cleans && is_orphan;
                unstarted || is_cleaned || ledger.is_some_and(|ledger| ledger.deleting)
            }
        };
        if !fine {
            self.accuse(|| {
                format!("G3: {} {} that no record has said", request.verb, request.path)
            });
        }
    }

    /// A request was sent, and its sender does not know what became of it.
    pub fn lost(&mut self, place: usize, request: &RequestInfo) {
        if let Some(what) = created(request, &request.json()) {
            self.unread.insert((place, request.user.clone(), what));
        }
    }

    /// A request is answered: a read says what there is.
    pub fn answered(&mut self, place: usize, request: &RequestInfo) {
        if matches!(request.verb, "get" | "list") {
            let kind = &request.resource;
            self.unread.retain(|(where_, user, what)| {
                *where_ != place || *user != request.user || !what.starts_with(kind.as_str())
            });
        }
    }
}

/// What a request creates: a Job by its name, and the federated Job that it is of. One that was made
/// anew under the same name sends a creation of its own.
fn created(request: &RequestInfo, body: &Value) -> Option<String> {
    let creates = request.mutating && request.verb == "create" && request.resource == "jobs";
    let (name, labels) = (&body["metadata"]["name"], &body["metadata"]["labels"]);
    let of = text(&labels["kubectl-federate.dev/job"]);
    creates.then(|| format!("{}/{} of {of}", request.resource, text(name)))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
