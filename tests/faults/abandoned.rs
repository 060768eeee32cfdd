//! A deletion that was begun is ended by `--cascade=orphan`. Nobody finishes it afterwards, so each
//! cluster is asked in full, whoever waits. Time stands still.

use std::time::Duration;

use sim::When;

use super::net::{Fate, Sent};
use super::stage::{CREATE, Stage};
use super::witness::Witness;

/// The three clusters with these Jobs, the deletion of the last of which was begun while these
/// clusters did not answer.
async fn begun(names: &[&str], away: &'static [&'static str]) -> Stage {
    let stage = Stage::federated().await;
    stage.net.witness(Witness::leave);
    stage.several_of(names, 3, 6);
    stage.must(CREATE).await;
    let is_away = |sent: &Sent| away.contains(&sent.cluster.as_str());
    stage.net.watch(move |sent, _| if is_away(sent) { Fate::Refused } else { Fate::Pass });
    let last = names.last().expect("a name");
    let ran = stage.run(&format!("job delete {last} --cascade=background")).await;
    assert!(ran.code == 1 && ran.stderr.contains("could not be asked"), "{ran:?}");
    stage.net.heal();
    stage
}

fn delayed(milliseconds: u64) -> Fate {
    Fate::Delay(Duration::from_millis(milliseconds))
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_takes_its_time_is_not_left_behind() {
    for terms in ["", " --wait=false", " --timeout=1s"] {
        let stage = begun(&["a"], &["west"]).await;
        stage.net.watch(|sent, _| match sent.cluster.as_str() {
            "west" => delayed(3500),
            _ => Fate::Pass,
        });
        let ran = stage.must(&format!("job delete a --cascade=orphan{terms}")).await;
        assert!(!ran.stderr.contains("left behind"), "{terms}: {ran:?}");
        stage.nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_where_one_cluster_is_gone_and_the_others_are_far_away() {
    for (terms, gone) in [
        (" --wait=false", Fate::Refused),
        (" --wait=false", Fate::Hang(When::Before)),
        (" --timeout=1s", Fate::Hang(When::Before)),
    ] {
        let stage = begun(&["a"], &["west", "north"]).await;
        stage.net.watch(move |sent, _| match sent.cluster.as_str() {
            "west" => gone.clone(),
            "north" => delayed(1000),
            _ => Fate::Pass,
        });
        let ran = stage.must(&format!("job delete a --cascade=orphan{terms}")).await;
        assert!(ran.stdout.contains("job.batch \"a\" deleted"), "{terms}: {ran:?}");
        assert!(ran.stderr.contains("Warning: [west] job.batch/a is left behind"), "{ran:?}");
        assert!(stage.records().is_empty(), "{terms}: {ran:?}");
        let left: Vec<_> = stage.jobs().into_iter().map(|job| job.cluster).collect();
        assert_eq!(left, ["west"], "{terms}: {ran:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_waited_for_at_one_job_is_asked_about_another() {
    let stage = begun(&["a", "b"], &["west"]).await;
    stage.net.watch(|sent, _| match sent.cluster.as_str() {
        "west" => delayed(2100),
        _ => Fate::Pass,
    });
    let ran = stage.must("job delete a b --cascade=orphan").await;
    assert!(!ran.stderr.contains("left behind"), "{ran:?}");
    assert!(ran.stderr.contains("What is in west is not known, and stays, too."), "{ran:?}");
    assert!(stage.jobs().iter().all(|job| job.name == "a"), "{ran:?}");
    assert_eq!(stage.jobs().len(), 3, "{ran:?}");
}
