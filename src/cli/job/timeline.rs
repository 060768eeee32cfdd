//! `kubectl federate job timeline`.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{
        InClusters, Session,
        events::{Reporter, Wording},
        job_name::job_name,
    },
    error::{Error, Exit, Result},
    federation::{PodRun, Timeline as Found},
    print::{
        Format, age,
        chart::{Chart, End, Stretch},
        format::Asked,
    },
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show when the pods of each cluster waited and ran
  kubectl federate job timeline pi

  # Show each pod of one cluster
  kubectl federate job timeline pi --pods --clusters=west

  # Draw it as a picture, for a browser
  kubectl federate job timeline pi -o svg

  # Print how long the pods of each cluster waited and ran, in seconds
  kubectl federate job timeline pi -o json";

/// The format that is a picture.
const SVG: &str = "svg";

/// Show when the pods of a federated job waited and ran, in all clusters
///
/// Each cluster has a bar. In the bar of a cluster, the height shows how many pods ran at a time,
/// compared with the most that ran at a time there. QUEUED and RAN are the times of all pods
/// together. A pod is queued from its creation until its first container starts.
///
/// The times are those that the pods say themselves. Pods that are deleted are not there any more.
/// A cluster that does not answer is told on stderr.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Timeline {
    /// The name of the job
    #[arg(value_name = "NAME", value_parser = job_name)]
    job: String,
    /// Show each pod in a row of its own
    #[arg(long)]
    pods: bool,
    #[command(flatten)]
    clusters: InClusters,
    /// How to print: json, yaml, kyaml, or svg, which is a picture
    #[arg(short, long, value_name = "FORMAT", default_value = "", hide_default_value = true)]
    output: String,
}

/// What one row shows: the pods of a cluster, or one of them.
struct Rows<'t> {
    found: &'t Found,
    now: Timestamp,
}

impl Timeline {
    /// Reads the pods of all clusters, and draws when they ran.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let is_picture = self.output == SVG;
        let format = if is_picture { None } else { self.format()? };
        let (namespace, clusters) = (session.namespace()?, self.clusters.names());
        let reporter = Reporter::new(session, Wording::new("read"));
        let federation = session.federation(&reporter).await?;
        let found = federation.timeline(&namespace, &self.job, &clusters).await?;
        let (rows, output) = (Rows { found: &found, now: session.now() }, session.output());
        let chart = if self.pods { rows.of_pods() } else { rows.of_clusters() };
        if let Some(printed) = format.and_then(|format| format.print(&rows.object(), "timeline")) {
            output.exactly(&printed.text);
        } else if is_picture {
            output.exactly(&chart.svg());
        } else if !found.pods.is_empty() {
            output.block(&chart.render(output.room(), output.signs()));
        } else if found.silent.is_empty() {
            let name = &self.job;
            output.note(format!("No pods of job.batch/{name} found in {namespace} namespace."));
        }
        for (cluster, why) in &found.silent {
            output.warning(Some(cluster), why);
        }
        if found.silent.is_empty() { Ok(()) } else { Err(Error::silent(Exit::Failed.code())) }
    }

    fn format(&self) -> Result<Option<Format>> {
        let asked =
            Asked { output: &self.output, template: "", allow_missing_keys: true, headers: true };
        let no_file = |_: &str| Err(String::new());
        Format::choose(asked, &["json", "kyaml", SVG, "yaml"], no_file).map_err(Error::new)
    }
}

impl Rows<'_> {
    fn title(&self) -> String {
        format!("job.batch/{}", self.found.record.name())
    }

    fn by_cluster(&self) -> BTreeMap<&str, Vec<&PodRun>> {
        let mut clusters: BTreeMap<&str, Vec<&PodRun>> = BTreeMap::new();
        for pod in &self.found.pods {
            clusters.entry(&pod.cluster).or_default().push(pod);
        }
        clusters
    }

    fn stretch(&self, PodRun { times, .. }: &PodRun) -> Stretch {
        let end = match times.ended {
            None => End::Open,
            Some(_) if times.failed => End::Failed,
            Some(_) => End::Done,
        };
        let second = Timestamp::as_second;
        let to = second(times.ended.unwrap_or(self.now));
        Stretch::new(second(times.created), times.started.map(second), to, end)
    }

    fn of_clusters(&self) -> Chart {
        let mut chart = Chart::new(self.title(), ["CLUSTER", "PODS", "FAILED", "QUEUED", "RAN"]);
        for (cluster, pods) in self.by_cluster() {
            let stretches: Vec<_> = pods.iter().map(|pod| self.stretch(pod)).collect();
            let failed = pods.iter().filter(|pod| pod.times.failed).count();
            let [queued, ran] = sums(&stretches).map(seconds);
            let counts = [pods.len(), failed].map(|count| count.to_string());
            let cells = [cluster.to_owned()].into_iter().chain(counts).chain([queued, ran]);
            chart.row(cells, stretches);
        }
        chart
    }

    fn of_pods(&self) -> Chart {
        let mut chart = Chart::new(self.title(), ["POD", "STATUS", "RESTARTS", "QUEUED", "RAN"]);
        for pod in &self.found.pods {
            let stretch = self.stretch(pod);
            let [queued, ran] = sums(&[stretch]).map(seconds);
            let name = format!("{}/{}", pod.cluster, pod.name);
            let (word, restarts) = (pod.times.word.clone(), pod.times.restarts.to_string());
            chart.row([name, word, restarts, queued, ran], vec![stretch]);
        }
        chart
    }

    /// All that is known, for programs.
    fn object(&self) -> Value {
        let record = &self.found.record;
        let clusters = self.by_cluster().into_iter().map(|(cluster, pods)| {
            let stretches: Vec<_> = pods.iter().map(|pod| self.stretch(pod)).collect();
            let [queued, ran] = sums(&stretches);
            json!({
                "cluster": cluster, "pods": pods.len(),
                "failed": pods.iter().filter(|pod| pod.times.failed).count(),
                "queuedSeconds": queued, "ranSeconds": ran,
            })
        });
        json!({
            "apiVersion": "kubectl-federate.dev/v1",
            "kind": "Timeline",
            "metadata": { "name": record.name(), "namespace": record.namespace() },
            "clusters": clusters.collect::<Vec<_>>(),
            "pods": self.found.pods.iter().map(|pod| self.pod(pod)).collect::<Vec<_>>(),
            "unread": self.found.silent,
        })
    }

    fn pod(&self, run: &PodRun) -> Value {
        let PodRun { cluster, job, name, index, times } = run;
        let [queued, ran] = sums(&[self.stretch(run)]);
        let time = |at: Timestamp| Value::from(at.to_string());
        let mut pod = json!({
            "cluster": cluster, "job": job, "name": name, "status": times.word,
            "failed": times.failed, "restarts": times.restarts, "created": time(times.created),
            "queuedSeconds": queued, "ranSeconds": ran,
        });
        let known = [
            ("index", index.map(Value::from)),
            ("scheduled", times.scheduled.map(time)),
            ("started", times.started.map(time)),
            ("ended", times.ended.map(time)),
        ];
        for (field, value) in known {
            if let Some(value) = value {
                pod[field] = value;
            }
        }
        pod
    }
}

/// How many seconds all of them waited, and ran.
fn sums(stretches: &[Stretch]) -> [i64; 2] {
    let sum = |of: fn(&Stretch) -> i64| stretches.iter().map(of).sum();
    [sum(Stretch::waited), sum(Stretch::ran_for)]
}

fn seconds(count: i64) -> String {
    age::human(jiff::SignedDuration::from_secs(count))
}
