//! Jobs that exist become shards.

use serde_json::{Value, json};

use crate::stage::Stage;

/// The path of the Jobs of the namespace.
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";

/// Has clusters run a Job `pi` that is no shard, with this parallelism and these completions.
pub async fn run(stage: &Stage, clusters: &[(&str, i32, i32)]) {
    for (cluster, parallelism, completions) in clusters {
        let spec = json!({
            "parallelism": parallelism, "completions": completions, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl:5.34.0"}],
            }},
        });
        create(stage, cluster, &spec).await;
    }
}

async fn create(stage: &Stage, cluster: &str, spec: &Value) {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": spec});
    stage.request(cluster, "POST", JOBS, Some(&job)).await;
    stage.cluster(cluster).settle();
}

/// `job adopt`.
pub async fn adopt(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("job adopt pi").await;
    stage.types("job adopt pi --clusters=east,west").await;
    run(&stage, &[("east", 2, 6), ("west", 1, 3)]).await;
    stage.succeed("east", "pi", 1);
    stage.about("what would change").types("job adopt pi --clusters=east,west --dry-run").await;
    stage.types("job adopt pi --clusters=east,west --dry-run=server").await;
    stage.about("nobody to ask").types("job adopt pi --clusters=east,west").await;
    stage.about("no").answers("job adopt pi --clusters=east,west", "\n").await;
    stage.about("yes").answers("job adopt pi --clusters=east,west", "yes\n").await;
    stage.types("job describe pi").await;
    stage.about("again").types("job adopt pi --clusters=east,west").await;
    stage.about("another job has the name").types("job adopt pi --clusters=north").await;
    stage.quietly("job delete pi").await;
    stage.about("it was a shard").types("job adopt pi --clusters=east,west --yes").await;

    let mut stage = stage.anew().await;
    run(&stage, &[("east", 2, 6)]).await;
    let spec = json!({
        "parallelism": 1, "completions": 3, "backoffLimit": 3, "ttlSecondsAfterFinished": 60,
        "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl:5.36.0"}],
        }},
    });
    create(&stage, "west", &spec).await;
    stage.quietly("cluster cordon north").await;
    stage.about("they do not fit").types("job adopt pi --clusters=east,west,north --yes").await;
    stage.types("job adopt pi --clusters=east,west --yes").await;
    stage.about("one that expires").types("job adopt pi --clusters=west --yes").await;
    stage.end(&snapshot);
}
