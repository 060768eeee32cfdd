//! Work that is moved from one Job to another, at the moments that matter.

use std::time::Duration;

use kubectl_federate::job::{Indexes, Observed, Pod};
use kubectl_federate::reconcile::{Credited, Measure, Wanted};
use libtest_mimic::{Failed, Trial};
use real::{Fleet, Versions};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::between::credit_during;
use crate::nodes::{self, Pace, Seen};
use crate::place::{Place, any, rest};
use crate::random::Random;

type Outcome = Result<(), Failed>;

/// The tests.
pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (version, here, there) in [("1.36", "east", "west"), ("1.30", "west", "north")] {
        let mut add =
            |name: &str, test: fn(Places) -> futures::future::LocalBoxFuture<'static, Outcome>| {
                let name = format!("{version}::{name}");
                trials.push(Versions::Mixed.trial(&name, async move |fleet: &'static Fleet| {
                    test(Places {
                        here: Place::of(fleet, here).await?,
                        there: Place::of(fleet, there).await?,
                    })
                    .await
                }));
            };
        add("all but what runs is moved, and what runs ends", |places| {
            Box::pin(what_runs_stays(places))
        });
        add("a pod that succeeds while its job is credited is counted once", |places| {
            Box::pin(succeeds_between(places))
        });
        add(
            "pods that succeed and start unseen while their job is credited are counted once",
            |places| Box::pin(starts_unseen(places)),
        );
        add("pods that end when they have just begun are counted once", |places| {
            Box::pin(soon_after_the_start(places))
        });
        add("of an indexed job the tail is moved, and each index runs in one place", |places| {
            Box::pin(tail_moves(places))
        });
        add("an index that is done is not moved", |places| Box::pin(done_stays(places)));
        add("an index that starts while its job is credited is not moved", |places| {
            Box::pin(index_starts_between(places))
        });
        add("indexes that start unseen while their job is credited are not moved", |places| {
            Box::pin(indexes_start_unseen(places))
        });
    }
    trials
}

struct Places {
    here: Place,
    there: Place,
}

fn spec(parallelism: i32, completions: i32, more: Value) -> Value {
    let mut spec = json!({"parallelism": parallelism, "completions": completions});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    spec
}

fn indexed() -> Value {
    json!({"completionMode": "Indexed"})
}

/// Creates a Job and runs its first pods, of which the status says nothing that is not so.
async fn running(place: &Place, name: &str, spec: Value) -> Result<(Observed, Vec<Pod>), Failed> {
    let count = place.create(name, spec).await?.parallelism;
    let pods = place.until_live(name, count as usize).await;
    nodes::start_all(place, &pods).await?;
    Ok((place.until_settled(name, count).await, pods))
}

/// The same with 40 completions of 100 done and 5 running.
async fn well_on_the_way(
    place: &Place,
    name: &str,
    more: Value,
) -> Result<(Observed, Vec<Pod>), Failed> {
    let (_, mut pods) = running(place, name, spec(5, 100, more)).await?;
    for _ in 0..8 {
        nodes::end_all(place, &pods).await?;
        let old = std::mem::take(&mut pods);
        while pods.len() < old.len() {
            pods = place.until_live(name, old.len()).await;
            pods.retain(|pod| old.iter().all(|old| old.name != pod.name));
        }
        nodes::start_all(place, &pods).await?;
    }
    let job = place.until_settled(name, 5).await;
    assert_eq!(job.succeeded, 40);
    Ok((job, pods))
}

/// Runs whatever is left of a Job, and gives what the nodes saw of it.
async fn finish(place: &Place, name: &str) -> Result<(Seen, Observed), Failed> {
    nodes::play(place, name, Pace::AtOnce, &mut Random::new(0), &watch::Sender::new(0)).await
}

/// Credits all that can be.
async fn credit_rest(place: &Place, job: &Observed) -> Result<(i32, i32), Failed> {
    let taken = place.credit(job, |job| any(job, rest(job)), &Measure::default()).await?;
    let taken = taken.ok_or("the job kept changing")?;
    assert!(taken.doubled.is_empty(), "{taken:?}");
    Ok((taken.count, taken.kept))
}

async fn what_runs_stays(Places { here, .. }: Places) -> Outcome {
    let (job, running) = well_on_the_way(&here, "pi", json!({})).await?;
    let (mut credited, mut kept) = credit_rest(&here, &job).await?;
    while credited < 55 {
        // It was not still: the next reconcile gets the rest.
        assert_eq!((credited, kept), (50, 10));
        let more;
        (more, kept) = credit_rest(&here, &job).await?;
        credited += more;
    }
    assert_eq!((credited, kept), (55, 5));
    assert_eq!(credit_rest(&here, &job).await?, (0, 5));
    nodes::end_all(&here, &running).await?;
    let end = here.until("pi", "it to end", |job| job.end.is_some()).await;
    assert_eq!((end.succeeded, end.credited_count(), end.failed), (100, 55, 0));
    Ok(())
}

async fn succeeds_between(Places { here, .. }: Places) -> Outcome {
    for counted in [false, true] {
        let name = if counted { "counted" } else { "not-counted" };
        let (job, pods) = running(&here, name, spec(3, 30, json!({}))).await?;
        let meanwhile = async {
            nodes::end_all(&here, &pods[..1]).await?;
            if counted {
                here.until(name, "it to count one", |job| job.succeeded == 1).await;
            }
            Ok(())
        };
        let (taken, read) = credit_during(&here, &job, Measure::default(), meanwhile).await?;
        assert!(taken.count > 0, "{taken:?}");
        assert!(read > 1 || !counted, "it has changed: {taken:?}");
        let (seen, end) = finish(&here, name).await?;
        assert_eq!(1 + seen.successes() + taken.count, 30, "{taken:?}");
        assert_eq!((seen.killed(), end.succeeded), (vec![], 30));
    }
    Ok(())
}

/// Three pods of a Job of 30 end and three others start, and its status does not say so, while it
/// is credited.
async fn credit_while_three_start_unseen(here: &Place, kind: Value) -> Result<Credited, Failed> {
    let (_, pods) = running(here, "pi", spec(3, 30, kind)).await?;
    here.hold("pi").await?;
    let job = here.job("pi").await?;
    let meanwhile = async {
        nodes::end_all(here, &pods).await?;
        let next = here.until_live("pi", 3).await;
        nodes::start_all(here, &next).await
    };
    let (taken, _) = credit_during(here, &job, Measure::default(), meanwhile).await?;
    here.release("pi").await?;
    Ok(taken)
}

async fn starts_unseen(Places { here, .. }: Places) -> Outcome {
    let taken = credit_while_three_start_unseen(&here, json!({})).await?;
    let (seen, end) = finish(&here, "pi").await?;
    assert_eq!(3 + seen.successes() + taken.count, 30, "{taken:?}");
    assert_eq!((seen.killed(), end.succeeded), (vec![], 30));
    Ok(())
}

/// The controller looks at a pod that begins a second after it did, and finds that it has ended in
/// the meantime: at whatever moment of that second the credit is given, nobody has told of it yet.
async fn soon_after_the_start(Places { here, .. }: Places) -> Outcome {
    let at = async |moment: u64| {
        let name = format!("pi-{moment}");
        let job = here.create(&name, spec(3, 30, json!({}))).await?;
        let pods = here.until_live(&name, 3).await;
        here.until(&name, "its status to say so", |job| job.active == 3).await;
        nodes::start_all(&here, &pods).await?;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let meanwhile = async {
            nodes::end_all(&here, &pods).await?;
            let replaced = async {
                while here.live(&name).await?.is_empty() {}
                Ok::<_, Failed>(())
            };
            // For longer it need not wait, since what it has read is too old then.
            tokio::time::timeout(Duration::from_secs(1), replaced).await.unwrap_or(Ok(()))
        };
        let (taken, _) = credit_during(&here, &job, Measure::default(), meanwhile).await?;
        let (seen, end) = finish(&here, &name).await?;
        assert_eq!(
            (3 + seen.successes() + taken.count, end.succeeded),
            (30, 30),
            "{moment} ms: {taken:?}"
        );
        assert!(seen.killed().is_empty(), "{:?}", seen.killed());
        Ok::<_, Failed>(())
    };
    futures::future::try_join_all([200, 400, 600, 800].map(at)).await.map(drop)
}

async fn tail_moves(Places { here, there }: Places) -> Outcome {
    let (job, running) = well_on_the_way(&here, "pi", indexed()).await?;
    // Those that the controller may start any moment stay.
    assert_eq!(credit_rest(&here, &job).await?, (50, 10));
    let job = here.job("pi").await?;
    assert_eq!(job.credited_indexes().to_string(), "50-99");

    let supplement = spec(20, 100, json!({"completionMode": "Indexed", "suspend": true}));
    let supplement = there.create("pi-2", supplement).await?;
    let others = |job: &Observed| {
        let others =
            Indexes::all(100).without(&Indexes::from(50..=99)).without(&job.credited_indexes());
        Wanted { count: others.len(), from: vec![(others, i32::MAX)] }
    };
    while let Some(taken) = Some(there.credit(&supplement, others, &Measure::default()).await?)
        && taken.is_none_or(|taken| taken.kept > 0)
    {}
    there.patch("pi-2", json!({"spec": {"suspend": false}})).await?;

    nodes::end_all(&here, &running).await?;
    let (seen_here, _) = finish(&here, "pi").await?;
    let (seen_there, _) = finish(&there, "pi-2").await?;
    assert_eq!(seen_here.indexes_that_ran().to_string(), "45-49");
    assert_eq!(seen_there.indexes_that_ran().to_string(), "50-99");
    assert_eq!((seen_here.killed(), seen_there.killed()), (vec![], vec![]));
    Ok(())
}

async fn done_stays(Places { here, .. }: Places) -> Outcome {
    let (job, pods) = running(&here, "pi", spec(4, 12, indexed())).await?;
    let third = pods.iter().find(|pod| pod.index == Some(3)).ok_or("no pod of index 3")?;
    nodes::end_all(&here, std::slice::from_ref(third)).await?;
    let next = here.until_live("pi", 4).await;
    nodes::start_all(&here, &next).await?;
    here.until_settled("pi", 4).await;
    let of_old = |_: &Observed| Wanted {
        count: 2,
        from: vec![(Indexes::from(3..=3), 1), (Indexes::from(11..=11), 1)],
    };
    for count in [1, 0] {
        let taken =
            here.credit(&job, of_old, &Measure::default()).await?.ok_or("it kept changing")?;
        assert_eq!((taken.count, taken.job.credited_indexes().to_string().as_str()), (count, "11"));
        assert_eq!(taken.job.completed_indexes.to_string(), "3,11");
    }
    let (seen, end) = finish(&here, "pi").await?;
    assert_eq!((seen.indexes_that_ran().to_string().as_str(), end.succeeded), ("0-2,4-10", 12));
    Ok(())
}

async fn index_starts_between(Places { here, .. }: Places) -> Outcome {
    let (job, _) = running(&here, "pi", spec(2, 30, indexed())).await?;
    let meanwhile = async {
        here.patch("pi", json!({"spec": {"parallelism": 10}})).await?;
        here.until_live("pi", 10).await;
        Ok(())
    };
    let (taken, read) = credit_during(&here, &job, Measure::default(), meanwhile).await?;
    assert!(read > 1 && taken.doubled.is_empty(), "{taken:?}");
    assert_eq!(taken.job.credited_indexes().to_string(), "20-29");
    let (seen, end) = finish(&here, "pi").await?;
    assert_eq!(seen.indexes_that_ran().to_string(), "0-19");
    assert_eq!((seen.killed(), end.succeeded), (vec![], 30));
    Ok(())
}

async fn indexes_start_unseen(Places { here, .. }: Places) -> Outcome {
    let taken = credit_while_three_start_unseen(&here, indexed()).await?;
    let credited = taken.job.credited_indexes();
    let (seen, end) = finish(&here, "pi").await?;
    assert!(taken.count > 0 && taken.doubled.is_empty(), "{taken:?}");
    assert_eq!(
        seen.indexes_that_ran(),
        Indexes::all(30).without(&credited).without(&Indexes::all(3))
    );
    assert_eq!((seen.killed(), end.succeeded), (vec![], 30));
    Ok(())
}
