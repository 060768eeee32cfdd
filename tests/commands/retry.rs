//! A failed Job is run again.

use crate::stage::Stage;

/// `job retry`.
pub async fn retry(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("job retry pi").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.about("it runs").types("job retry pi").await;
    stage.succeed("east", "pi", 2);
    stage.fail().await;
    stage.about("it has failed").types("job get").await;
    stage.types("job retry pi --dry-run=client").await;
    stage.types("job retry pi --dry-run=server").await;
    stage.types("job retry pi").await;
    stage.types("job get").await;
    stage.about("again").types("job retry job/pi").await;
    stage.types("job retry pi --name=pi-retry").await;
    stage.about("a name that a job cannot have").types("job retry pi --name=Pi").await;
    stage.end(&snapshot);
}
