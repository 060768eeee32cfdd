//! Jobs in the clusters that no federated Job knows: how they are shown, chosen and deleted.

use std::time::Duration;

use crate::stage::Stage;

/// `orphans list` and `orphans clean`.
pub async fn orphans(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("orphans list").await;
    stage.types("orphans clean").await;
    stage.quietly("job create -f pi.yaml -f several/").await;
    stage.types("orphans list -A").await;
    stage.pass(Duration::from_secs(90));
    stage.succeed("east", "pi", 6);
    stage.about("what a deletion kept").types("job delete pi").await;
    stage.types("orphans list").await;
    stage.types("orphans list -A -o wide").await;
    stage.types("orphan list pi --clusters=east -o yaml").await;
    stage.types("orphans list -o name").await;
    stage.types("orphans list --selector=team=math --no-headers").await;
    stage.about("nobody can be asked").types("orphans clean").await;
    stage.types("orphans clean --dry-run=client").await;
    stage.types("orphans clean --running --dry-run=server").await;
    stage.about("cancelled").answers("orphans clean", "\n").await;
    stage.answers("orphans clean", "4\n").await;
    stage.answers("orphans clean", "1-2\nno\n").await;
    stage.about("chosen").answers("orphans clean", "1-2\nyes\n").await;
    stage.about("a cluster is away").set_down("west", true);
    stage.types("orphans list").await;
    stage.types("orphans clean --yes").await;
    stage.set_down("west", false);
    stage.about("by name").types("orphans clean pi --yes").await;
    stage.about("mistakes").types("orphans clean pi").await;
    stage.types("orphans list pi --selector=team=math").await;
    stage.types("orphans").await;
    stage.end(&snapshot);
}
