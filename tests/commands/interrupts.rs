//! What every verb says where the user ends it early: what is recorded, may be recorded, or was not
//! begun. It is true.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kubectl_federate::{cli, print::Output};
use sim::{RequestInfo, Verdict, When};

use crate::stage::Stage;

/// Each verb, a command line of it, and what is said of it where the host does not answer.
const VERBS: [(&str, &str, &str); 39] = [
    ("init", "init", "no host was made"),
    ("cluster register", "cluster register spare", "cluster spare was not registered"),
    ("cluster list", "cluster list", NOTHING),
    ("cluster check", "cluster check", NOTHING),
    ("cluster label", "cluster label west a=b", "cluster west was not labeled"),
    ("cluster weight", "cluster weight west 2", "cluster west was not configured"),
    ("cluster lease", "cluster lease west 30m", "cluster west was not configured"),
    ("cluster cordon", "cluster cordon west north", "clusters west, north were not cordoned"),
    ("cluster uncordon", "cluster uncordon west", "cluster west was not uncordoned"),
    ("cluster drain", "cluster drain north", "cluster north was not set to Draining"),
    ("cluster lost", "cluster lost north --yes", "cluster north was not declared lost"),
    ("cluster match", "cluster match", "no context was remembered"),
    (
        "cluster unregister",
        "cluster unregister north --force --yes",
        "cluster north was not unregistered",
    ),
    ("job create", "job create -f fragile.yaml", "before any job was created"),
    ("job apply", "job apply -f fragile.yaml", "before any job was configured"),
    ("job diff", "job diff -f fragile.yaml", NOTHING),
    ("job get", "job get", NOTHING),
    ("job describe", "job describe pi", NOTHING),
    ("job logs", "job logs pi", NOTHING),
    ("job events", "job events pi", NOTHING),
    ("job timeline", "job timeline pi", NOTHING),
    ("job wait", "job wait pi --for=condition=complete", "The job goes on"),
    ("job scale", "job scale pi --replicas=5", "before any job was scaled"),
    ("job suspend", "job suspend pi", "before any job was suspended"),
    ("job resume", "job resume pi", "before any job was resumed"),
    ("job edit", "job edit pi", "before any job was edited"),
    ("job patch", "job patch pi -p 'spec: {suspend: true}'", "before any job was patched"),
    ("job retry", "job retry pi", "before any job was created"),
    ("job delete", "job delete pi --cascade=background", "before any job was deleted"),
    ("job adopt", "job adopt tau --clusters=west --yes", "before any job was adopted"),
    ("job recover", "job recover --all -A --yes", "before any job was recovered"),
    ("reconcile", "reconcile -A", "before any job was reconciled"),
    ("orphans list", "orphans list -A", NOTHING),
    ("orphans clean", "orphans clean -A --yes --running", "before any job was deleted"),
    ("backup", "backup ~/other.yaml", "other.yaml was not written"),
    ("restore", "restore ~/saved.yaml --yes", "nothing was restored"),
    ("version", "version", NOTHING),
    // The same verbs, asked for otherwise.
    ("init", "init --from=east --context=spare", "nothing was moved"),
    ("reconcile", "reconcile -A --watch", "goes on with the rest"),
];

const NOTHING: &str = "interrupted: nothing was changed";

/// Verbs that talk to no cluster.
const LOCAL: [&str; 2] = ["completion", "options"];

/// How long the user waits.
const PATIENCE: Duration = Duration::from_secs(2);

/// What says that something may have been changed, or was.
const CHANGED: [&str; 8] = [
    "recorded",
    "not known whether",
    "may be",
    "finishes",
    "goes on",
    "go on",
    " is Lost",
    "is drained",
];

/// Which requests are never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangs {
    /// All to the host.
    Host,
    /// All to a member.
    Member,
    /// The writes to the host, which are done.
    Done,
    /// The writes to the host, which are not done.
    Undone,
    /// The writes to members.
    Acts,
}

/// Whether a request changes something.
fn writes(request: &RequestInfo) -> bool {
    let is_dry = request.parameter("dryRun").is_some() || !request.json()["dryRun"].is_null();
    let is_question = request.resource.ends_with("reviews");
    ["create", "update", "patch", "delete"].contains(&request.verb) && !is_dry && !is_question
}

impl Hangs {
    fn verdict(self, cluster: &str, request: &RequestInfo) -> Verdict {
        let (is_host, writes) = (cluster == "east", writes(request));
        match self {
            Self::Host if is_host => Verdict::Hang(When::Before),
            Self::Member if cluster == "west" => Verdict::Hang(When::Before),
            Self::Done if is_host && writes => Verdict::Hang(When::After),
            Self::Undone if is_host && writes => Verdict::Hang(When::Before),
            Self::Acts if !is_host && writes => Verdict::Hang(When::Before),
            _ => Verdict::Pass,
        }
    }
}

/// A federation with the Job `pi`, a Job that can be adopted, and a backup.
async fn scene() -> Stage {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.quietly("backup ~/saved.yaml").await;
    stage.set("KUBE_EDITOR", "sed -i s/parallelism:.9/parallelism:.8/");
    stage
}

/// Types a command that the user ends. Gives its exit code, what it said on stderr, and how many
/// writes it had sent by then.
async fn ended(line: &str, hangs: Hangs) -> (u8, String, usize) {
    let mut stage = scene().await;
    let sent = Arc::new(AtomicUsize::new(0));
    for cluster in ["east", "west", "north", "spare"] {
        let sent = sent.clone();
        stage.cluster(cluster).on_request(move |request| {
            sent.fetch_add(usize::from(writes(request)), Ordering::SeqCst);
            hangs.verdict(cluster, request)
        });
    }
    stage.interrupts_after(PATIENCE);
    let (code, _, stderr) = stage.run(line, None).await;
    (code, stderr, sent.load(Ordering::SeqCst))
}

/// The table has every verb.
pub fn is_whole() {
    fn verbs(command: &clap::Command, path: &str, all: &mut BTreeSet<String>) {
        for verb in command.get_subcommands() {
            let path = format!("{path} {}", verb.get_name()).trim().to_owned();
            if verb.has_subcommands() {
                verbs(verb, &path, all);
            } else {
                all.insert(path);
            }
        }
    }
    let mut all = BTreeSet::new();
    verbs(&cli::command(&Output::captured().0), "", &mut all);
    all.retain(|verb| !LOCAL.iter().any(|local| verb.starts_with(local)));
    let known: BTreeSet<_> = VERBS.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    assert_eq!(all, known);
}

/// Where the host does not answer, every verb says that nothing was begun.
pub async fn before_anything() {
    for (_, line, says) in VERBS {
        let (code, stderr, sent) = ended(line, Hangs::Host).await;
        assert_eq!(code, 130, "{line}: {stderr}");
        assert!(stderr.contains("interrupted") && stderr.contains(says), "{line}: {stderr}");
        assert!(sent == 0 || line.contains("--from"), "{line}: {stderr}");
    }
}

/// Wherever the user ends it, what a verb says is true.
pub async fn meanwhile() {
    for hangs in [Hangs::Member, Hangs::Done, Hangs::Undone, Hangs::Acts] {
        for (_, line, _) in VERBS {
            let (code, stderr, sent) = ended(line, hangs).await;
            if code != 130 {
                continue;
            }
            let about = format!("{hangs:?}: {line}: {sent} writes: {stderr}");
            assert!(stderr.contains("interrupted"), "{about}");
            let is_changed = CHANGED.iter().any(|words| stderr.contains(words));
            assert!(is_changed || sent == 0, "{about}");
            let is_recorded = stderr.contains("recorded") || stderr.contains("not known whether");
            assert!(sent > 0 || !is_recorded, "{about}");
        }
    }
}

/// What is said of a change of a cluster that was begun, and of one that is recorded.
pub async fn of_clusters() {
    for (line, hangs, says) in [
        (
            "cluster lost north --yes",
            Hangs::Undone,
            "interrupted: it is not known whether cluster north was declared lost. `kubectl \
             federate cluster list` shows it",
        ),
        (
            "cluster lost north --yes",
            Hangs::Acts,
            "interrupted: cluster north is Lost, and every reconcile gives its work to others. \
             `kubectl federate reconcile --all-namespaces` goes on with that.",
        ),
        (
            "cluster drain north",
            Hangs::Acts,
            "interrupted: cluster north is Draining, and every reconcile goes on with that. \
             `kubectl federate cluster drain north` waits for it again. `kubectl federate cluster \
             uncordon north` ends it.",
        ),
        (
            "cluster cordon west north",
            Hangs::Done,
            "interrupted: it is not known whether cluster west was cordoned, and cluster north was \
             not cordoned. `kubectl federate cluster list` shows it",
        ),
        (
            "init --from=east --context=spare",
            Hangs::Done,
            "interrupted: the federation may be moved in part. Run the same command again: it moves \
             the rest",
        ),
        (
            "restore ~/saved.yaml --yes --context=spare",
            Hangs::Done,
            "interrupted: some of it may be restored. Run the same command again: it restores the \
             rest",
        ),
    ] {
        let (code, stderr, _) = ended(line, hangs).await;
        assert_eq!(code, 130, "{line}: {stderr}");
        assert!(stderr.lines().any(|said| said == says), "{line}: {stderr}");
    }
}

/// Types a command after these while `north` is away, and ends it where it writes to the host the
/// second time what is asked for; that is done, and not answered.
async fn ended_at_the_second(
    before: &[&str],
    line: &str,
    is_asked: fn(&RequestInfo) -> bool,
) -> String {
    let mut stage = scene().await;
    for line in before {
        stage.quietly(line).await;
    }
    stage.set_down("north", true);
    let sent = AtomicUsize::new(0);
    stage.cluster("east").on_request(move |request| {
        let is_asked = writes(request) && is_asked(request);
        let is_second = is_asked && sent.fetch_add(1, Ordering::SeqCst) > 0;
        if is_second { Verdict::Hang(When::After) } else { Verdict::Pass }
    });
    // Until then the steps before are done.
    stage.interrupts_after(10 * PATIENCE);
    let (code, _, stderr) = stage.run(line, None).await;
    assert_eq!(code, 130, "{line}: {stderr}");
    stderr
}

/// Of a command that does one thing and then another, both are told.
pub async fn of_several_steps() {
    let is_registry = |request: &RequestInfo| request.path.contains("/kubectl-federate/");
    let unregister = "cluster unregister north --force --yes";
    let stderr = ended_at_the_second(&[], unregister, is_registry).await;
    let says = "interrupted: it is not known whether cluster north was unregistered. `kubectl \
                federate cluster list` shows it. If it was not, it is Lost, and every reconcile \
                gives its work to others. `kubectl federate reconcile --all-namespaces` goes on \
                with that.";
    assert!(stderr.lines().any(|said| said == says), "{stderr}");
    let moved = ["job create other --image=busybox -- true", "init --from=east --context=spare"];
    let is_record = |request: &RequestInfo| request.verb == "delete";
    let replace = "init --replace-moved --context=east";
    let stderr = ended_at_the_second(&moved, replace, is_record).await;
    let says = "interrupted: the records that the federation left here may be removed, and it is \
                not known whether the host was made. Run the same command again";
    assert!(stderr.lines().any(|said| said == says), "{stderr}");
}
