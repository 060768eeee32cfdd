//! Jobs that are made of flags.

use crate::stage::Stage;

/// `job create NAME --image=IMAGE`.
pub async fn made(snapshot: String) {
    let mut stage = Stage::new();
    stage.about("before there is a federation");
    for dry_run in ["--dry-run=client -o yaml", "--dry-run=client"] {
        stage.types(&format!("job create pi --image=perl:5.34.0 {dry_run}")).await;
    }
    let mut stage = stage.anew().await;
    stage.about("nothing is written by dry runs");
    for command in [
        "job create pi --image=perl:5.34.0 --completions=9 --parallelism=3 --dry-run=client -o yaml \
         -- perl -wle 'print bpi(2000)'",
        "job create pi --image=perl:5.34.0 --dry-run=server",
        "job get",
    ] {
        stage.types(command).await;
    }
    let create = "job create pi --image=perl:5.34.0 --completions=9 --parallelism=3";
    stage.about("written").types(create).await;
    stage.types("job get pi -o yaml").await;
    stage.about("again").types(create).await;
    stage.types("job create pi --image=perl:5.34.0 --dry-run=server").await;
    stage.about("what is refused");
    for command in [
        "job create",
        "job create pi",
        "job create pi.yaml",
        "job create --image=perl",
        "job create pi euler --image=perl",
        "job create --completions=3",
        "job create pi -f pi.yaml",
        "job create -f pi.yaml --image=perl",
        "job create -f pi.yaml --parallelism=3 --completions=9",
        "job create hello --from=cronjob/nightly",
        "job create hello --from=cronjob/nightly -n work",
        "job create Hello --image=perl",
        "job create hello --image=perl --parallelism=-1",
        "job create hello --image=perl --parallelism=many",
        "job create hello --image=perl -n nowhere",
        "job create hello --image=perl -n nowhere --create-namespace -o name",
    ] {
        stage.types(command).await;
    }
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job create hello --image=perl").await;
    stage.end(&snapshot);
}
