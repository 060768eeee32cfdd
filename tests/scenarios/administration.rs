//! A federation is administrated with the roles of docs/operations.md for that, and no others. None of
//! their rights is more than is needed.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::recovery::{REGISTRY, federation_of};
use crate::roles::{IDENTITY, RUN_JOBS, roles};
use crate::scenarios::{Outcome, Scenarios};
use crate::site::{OPERATOR, Site};
use crate::stage::{HOST, MEMBERS, Ran, Stage, job};

/// The section of the page with the roles of administrators.
const ADMINISTRATE: &str = "\n### Rights to administrate\n";

const OF_MEMBERS: &str = "kubectl-federate-members";
const ALL_RECORDS: &str = "kubectl-federate-all-records";
const ALL_SHARDS: &str = "kubectl-federate-all-shards";

/// A right of a role: its name, the number of the rule, and the verb.
type Right = (String, usize, String);

pub fn scenarios() -> Scenarios {
    let scenarios = Scenarios::of_any_version("administration")
        .both_from_nothing("the roles of the page suffice for all that administrators do", suffice);
    rights().into_iter().fold(scenarios, |scenarios, right| {
        let (role, rule, verb) = &right;
        let resource = resource(role, *rule);
        let name = format!("without {verb} {resource} of {role} a command fails, and says so");
        scenarios.sim_from_nothing(&name, async move |stage: &Stage| is_needed(stage, right).await)
    })
}

/// The role of the page with this name.
fn role(name: &str) -> Value {
    let all = roles(ADMINISTRATE).into_iter().chain(roles(RUN_JOBS));
    let mut named = all.filter(|role| role["metadata"]["name"] == name);
    named.next().unwrap_or_else(|| panic!("the page has no role {name}"))
}

/// The resource of a rule.
fn resource(name: &str, rule: usize) -> String {
    role(name)["rules"][rule]["resources"][0].as_str().expect("a resource").to_owned()
}

/// All rights of the roles of administrators.
fn rights() -> Vec<Right> {
    let mut rights = Vec::new();
    let administrate = roles(ADMINISTRATE);
    let names = administrate.iter().map(|role| role["metadata"]["name"].as_str().expect("a name"));
    for name in names.chain([IDENTITY]) {
        for (rule, rules) in role(name)["rules"].as_array().into_iter().flatten().enumerate() {
            let verbs = rules["verbs"].as_array().into_iter().flatten();
            let verbs = verbs.map(|verb| verb.as_str().expect("a verb").to_owned());
            rights.extend(verbs.map(|verb| (name.to_owned(), rule, verb)));
        }
    }
    rights
}

/// Why a session of an administrator ended.
enum End {
    /// A command failed.
    Refused,
    /// The scene broke.
    Broken(Failed),
}

impl From<Failed> for End {
    fn from(error: Failed) -> Self {
        Self::Broken(error)
    }
}

impl From<real::Error> for End {
    fn from(error: real::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// What [`OPERATOR`] does, who has the roles that were granted so far.
struct Session<'s> {
    stage: &'s Stage,
    /// A right that the roles lack.
    lack: Option<Right>,
    /// The commands, of which the last one may have failed.
    ran: Vec<Ran>,
}

impl Session<'_> {
    /// Grants a role of the page in a cluster.
    async fn grant(&self, site: &Site, name: &str) -> Result<(), Failed> {
        let role = role(name);
        let mut rules = role["rules"].clone();
        if let Some((_, rule, verb)) = self.lack.as_ref().filter(|(of, ..)| of == name) {
            let verbs = rules[rule]["verbs"].as_array_mut().expect("verbs");
            verbs.retain(|each| each != verb);
        }
        site.grant_to(OPERATOR, role["metadata"]["namespace"].as_str(), rules).await
    }

    /// Runs commands until one fails.
    async fn run(&mut self, commands: &[&str]) -> Result<(), End> {
        for command in commands {
            self.ran.push(self.stage.federate(command).await);
            if self.ran.last().is_some_and(|ran| ran.code != 0) {
                return Err(End::Refused);
            }
        }
        Ok(())
    }

    /// Runs commands as the cluster's administrator, whose rights are not in question.
    async fn prepare(&self, commands: &[&str]) -> Result<(), Failed> {
        self.stage.contexts(&contexts(), "admin")?;
        for command in commands {
            self.stage.federate(command).await.ok();
        }
        self.stage.contexts(&contexts(), OPERATOR)
    }
}

/// A context for each cluster.
fn contexts() -> Vec<(&'static str, &'static str)> {
    MEMBERS.into_iter().chain([HOST]).map(|name| (name, name)).collect()
}

async fn suffice(stage: &Stage) -> Outcome {
    let (ran, ended) = administrate(stage, None).await;
    match ended {
        Err(End::Broken(error)) => return Err(error),
        Err(End::Refused) => return Err(format!("{:#?}", ran.last()).into()),
        Ok(()) => {}
    }
    for ran in ran {
        // A registration names the rights of those who run jobs.
        let is_registration = ran.stdout.contains(" registered");
        assert!(is_registration || !ran.stderr.contains("forbidden"), "{ran:#?}");
    }
    Ok(())
}

async fn is_needed(stage: &Stage, right: Right) -> Outcome {
    let (role, rule, verb) = right.clone();
    let (ran, ended) = administrate(stage, Some(right)).await;
    if let Err(End::Broken(error)) = ended {
        return Err(error);
    }
    let last = ran.last().expect("a command");
    assert!(ended.is_err(), "nothing needs {verb} {} of {role}", resource(&role, rule));
    let what = format!("cannot {verb} resource \"{}\"", resource(&role, rule));
    assert!(last.stderr.contains(&what), "{what} is not in {last:#?}");
    let places = ["in the namespace \"", "at the cluster scope"];
    assert!(places.iter().any(|place| last.stderr.contains(place)), "{last:#?}");
    Ok(())
}

/// All that administrators do, until a command fails. Gives the commands, and whether one failed.
async fn administrate(stage: &Stage, lack: Option<Right>) -> (Vec<Ran>, Result<(), End>) {
    let mut session = Session { stage, lack, ran: Vec::new() };
    let ended = async {
        make(&mut session).await?;
        move_work(&mut session).await?;
        lose_and_recover(&mut session).await?;
        move_host(&mut session).await
    };
    let ended = ended.await;
    (session.ran, ended)
}

/// The federation is made, and its members are changed.
async fn make(session: &mut Session<'_>) -> Result<(), End> {
    let stage = session.stage;
    stage.contexts(&contexts(), OPERATOR)?;
    let host = stage.host();
    let namespace = json!({"metadata": {"name": "kubectl-federate"}});
    match host.api.create("/api/v1/namespaces", &namespace).await {
        Err(error) if error.code() != Some(409) => return Err(error.into()),
        _ => {}
    }
    for site in stage.members().chain([host]) {
        session.grant(site, IDENTITY).await?;
    }
    session.grant(host, OF_MEMBERS).await?;
    session.run(&["init --context=host"]).await?;
    register(session).await?;
    session
        .run(&[
            "cluster cordon east",
            "cluster uncordon east",
            "cluster label east zone=a",
            "cluster weight east 2",
            "cluster weight east 1",
            "cluster lease east 30m",
            "cluster lease east none",
            "cluster match",
        ])
        .await
}

async fn register(session: &mut Session<'_>) -> Result<(), End> {
    session.run(&["cluster register east", "cluster register west", "cluster register north"]).await
}

/// Work leaves clusters, and what has no record is deleted.
async fn move_work(session: &mut Session<'_>) -> Result<(), End> {
    let stage = session.stage;
    let mut indexed = job("euler", Some(3), Some(30));
    indexed["spec"]["completionMode"] = "Indexed".into();
    stage.write("euler.yaml", &indexed)?;
    stage.write("pi.yaml", &job("pi", Some(3), Some(9)))?;
    session.prepare(&["job create -f euler.yaml"]).await?;
    session.grant(stage.host(), ALL_RECORDS).await?;
    session.run(&["cluster list", "backup"]).await?;
    for site in stage.members() {
        session.grant(site, ALL_SHARDS).await?;
    }
    tokio::select! {
        drained = session.run(&["cluster drain west --timeout=60s"]) => drained?,
        ended = pods_end(stage.site("west")) => ended?,
    }
    session.run(&["cluster uncordon west"]).await?;
    session.prepare(&["job create -f pi.yaml"]).await?;
    session
        .run(&[
            "backup federation.yaml",
            "cluster drain west --now --timeout=60s",
            "cluster uncordon west",
            "cluster lost north --yes",
            "cluster unregister north --force --yes",
            "cluster register north",
            "reconcile --all-namespaces",
        ])
        .await?;
    session.prepare(&["job delete euler --cascade=orphan"]).await?;
    session.run(&["orphans list --all-namespaces", "orphans clean euler --yes"]).await
}

/// Pods succeed one after another, as they come.
async fn pods_end(site: &Site) -> Outcome {
    loop {
        site.succeed("euler", 1).await?;
    }
}

/// Records and the registry are lost or damaged, and come back.
async fn lose_and_recover(session: &mut Session<'_>) -> Result<(), End> {
    let stage = session.stage;
    let host = stage.host();
    let record = format!("{}/pi.federated-job", host.path("configmaps"));
    host.api.delete(&record, &json!({})).await?;
    session
        .run(&["job recover --all --all-namespaces --yes", "reconcile --all-namespaces"])
        .await?;
    let damage = json!({"metadata": {"annotations": {"kubectl-federate.dev/state": "[]"}}});
    host.api.patch(&record, &damage).await?;
    session
        .run(&["restore federation.yaml --context=host --yes", "reconcile --all-namespaces"])
        .await?;
    let federation = federation_of(stage).await?;
    session.prepare(&["job delete euler --cascade=background"]).await?;
    for path in [record.as_str(), REGISTRY] {
        host.api.delete(path, &json!({})).await?;
    }
    session.run(&["init --context=host"]).await?;
    register(session).await?;
    let recover = "job recover --all --all-namespaces --yes --federation";
    session.run(&[&format!("{recover}={federation}")]).await
}

/// The federation gets another host, and what is left on the one before is removed.
async fn move_host(session: &mut Session<'_>) -> Result<(), End> {
    let stage = session.stage;
    let west = stage.site("west");
    session.grant(west, ALL_RECORDS).await?;
    session
        .run(&[
            "init --from=host --context=west",
            "reconcile --all-namespaces",
            "init --replace-moved --context=host",
        ])
        .await?;
    session.prepare(&["job delete pi --cascade=background --context=west"]).await?;
    Ok(west.api.delete(REGISTRY, &json!({})).await.map(drop)?)
}
