//! `--validate`: fields that clusters do not know.

use sim::{RequestInfo, Verdict, When};

use crate::stage::Stage;

/// What a server of an older version says of a field that others know.
const OLDER: &str = "Job in version \"v1\" cannot be handled as a Job: strict decoding error: \
                     unknown field \"spec.podReplacementPolicy\"";

/// Makes a cluster refuse that field wherever it is asked to be strict.
fn without_the_field(stage: &Stage, cluster: &str) {
    stage.cluster(cluster).on_request(|request: &RequestInfo| {
        let is_strict = request.parameter("fieldValidation") == Some("Strict");
        if is_strict && !request.json()["spec"]["podReplacementPolicy"].is_null() {
            return Verdict::refusal(When::Before, 400, "BadRequest", OLDER);
        }
        Verdict::Pass
    });
}

/// Fields that no cluster knows, or only some.
pub async fn validate(snapshot: String) {
    let mut stage = Stage::federation().await;
    for command in [
        "job create -f unknown-field.yaml --validate=maybe",
        "job create -f unknown-field.yaml --validate",
        "job create -f unknown-field.yaml --validate=warn --dry-run=server",
        "job create -f unknown-field.yaml --validate=ignore --dry-run=server",
        "job create -f unknown-field.yaml --dry-run=client",
        "job get",
    ] {
        stage.types(command).await;
    }
    stage.about("created all the same");
    stage.types("job create -f unknown-field.yaml --validate=false").await;
    stage.about("they were let pass once");
    for command in [
        "job scale pi --parallelism=6",
        "job patch pi -p '{\"spec\":{\"backofLimt\":1}}'",
        "job get pi -o 'jsonpath={.spec.backofLimit}{.spec.backofLimt}{\"\\n\"}'",
    ] {
        stage.types(command).await;
    }
    stage.about("a file is asked about anew");
    for command in [
        "job apply -f unknown-field.yaml",
        "job diff -f unknown-field.yaml",
        "job diff -f unknown-field.yaml --validate=ignore",
        "job apply -f unknown-field.yaml --validate=warn",
    ] {
        stage.types(command).await;
    }
    stage = stage.anew().await;
    without_the_field(&stage, "west");
    stage.about("one cluster is older");
    let pi = std::fs::read_to_string("pi.yaml").expect("it is there");
    let newer = pi.replace("spec:\n  par", "spec:\n  podReplacementPolicy: Failed\n  par");
    assert_ne!(pi, newer);
    stage.write("newer.yaml", &newer);
    stage.types("job create -f ~/newer.yaml").await;
    stage.types("job get").await;
    stage.types("job create -f ~/newer.yaml --validate=warn").await;
    stage.about("what is new is judged, and what was let pass is not");
    let typo = newer.replace("spec:\n  pod", "spec:\n  backofLimt: 1\n  pod");
    assert_ne!(newer, typo);
    stage.write("typo.yaml", &typo);
    for command in [
        "job patch pi -p '{\"spec\":{\"backofLimt\":1}}'",
        "job patch pi -p '{\"spec\":{\"backofLimt\":1,\"parallelism\":6}}' --recreate --yes",
        "job apply -f ~/typo.yaml --validate=warn",
        "job scale pi --parallelism=6",
    ] {
        stage.types(command).await;
    }
    stage.about("a cluster that was away says once what it does not keep");
    stage.quietly("job delete pi --cascade=background").await;
    stage.set_down("west", true);
    let away = "job create -f unknown-field.yaml --validate=warn";
    let (_, _, said) = stage.run(away, None).await;
    assert!(said.contains("(clusters east, north)"), "{said}");
    stage.set_down("west", false);
    for command in ["reconcile", "job scale pi --parallelism=6", "reconcile"] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}
