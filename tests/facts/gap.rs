//! Between two writes of the Job controller: what the status does not say yet, and what a credit
//! does there.

use serde_json::json;

use crate::facts::{Facts, Outcome};
use crate::hold::Held;
use crate::place::{Place, number, uncounted};

pub fn facts() -> Facts {
    Facts::of("gap")
        .fact("pods_are_made_before_the_status_says_so", pods_come_first)
        .fact("a_credit_by_the_status_kills_pods_that_it_does_not_show", by_the_status)
        .fact("a_credit_by_the_pods_kills_none", by_the_pods)
        .fact("a_credit_by_the_status_forgets_successes_that_it_does_not_show", forgets_successes)
        .fact(
            "a_credit_by_the_pods_counts_successes_that_the_status_does_not_show",
            counts_successes,
        )
        .fact(
            "pods_made_since_the_list_are_killed_by_a_credit_that_leaves_no_margin",
            without_margin,
        )
        .fact("a_margin_of_parallelism_covers_pods_made_since_the_list", with_margin)
        .fact("pods_that_ended_are_listed_until_their_finalizer_is_off", uncounted_pods)
        .fact("an_index_that_runs_unseen_may_be_credited_and_runs_on", unseen_index)
        .fact("leaving_the_first_free_indexes_covers_those_started_since", tail)
        .fact(
            "a_credited_index_is_started_where_the_controller_looked_before",
            started_before_the_credit,
        )
}

async fn pods_come_first(place: &Place) -> Outcome {
    place.create_held("j", json!({"parallelism": 2, "completions": 4}), Held::Status).await?;
    place.live("j", 2).await;
    assert_eq!(place.job("j").await?["status"], json!({}));
    place.release("j").await?;
    place.until_active("j", 2).await;
    Ok(())
}

/// One pod that the status knows, and two that it does not.
async fn two_unknown(place: &Place) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    place.running("j", json!({"parallelism": 1, "completions": 5}), 1).await?;
    place.hold_status("j").await?;
    place.patch("j", json!({"spec": {"parallelism": 3}})).await?;
    let pods = place.run("j", 3).await?;
    let job = place.job("j").await?;
    assert_eq!((number(&job, "active"), number(&job, "succeeded")), (1, 0));
    Ok(pods)
}

async fn by_the_status(place: &Place) -> Outcome {
    two_unknown(place).await?;
    place.credit("j", 5 - 1).await?;
    place.release("j").await?;
    place.live("j", 1).await;
    assert_eq!(number(&place.until_active("j", 1).await, "succeeded"), 4);
    Ok(())
}

async fn by_the_pods(place: &Place) -> Outcome {
    let pods = two_unknown(place).await?;
    place.credit("j", 5 - 3).await?;
    place.release("j").await?;
    place.kubelet.succeed(&pods[0]).await?;
    place
        .until("j", "one more", |job| number(job, "succeeded") == 3 && number(job, "active") == 2)
        .await;
    for pod in &pods {
        assert!(place.is_untouched(pod).await?, "{}", pod.name);
        place.kubelet.succeed(pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (5, 0));
    Ok(())
}

/// Two pods that succeeded and two that replaced them, where the status says two active and no
/// success.
async fn two_uncounted(place: &Place) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    let first = place.running("j", json!({"parallelism": 2, "completions": 6}), 2).await?;
    place.hold_status("j").await?;
    for pod in &first {
        place.kubelet.succeed(pod).await?;
    }
    let pods = place.run("j", 2).await?;
    assert!(pods.iter().all(|pod| first.iter().all(|old| old.name != pod.name)));
    let job = place.job("j").await?;
    assert_eq!(
        (number(&job, "active"), number(&job, "succeeded"), uncounted(&job, "succeeded")),
        (2, 0, 0)
    );
    Ok(pods)
}

async fn forgets_successes(place: &Place) -> Outcome {
    let pods = two_uncounted(place).await?;
    place.credit("j", 6 - 2).await?;
    place.release("j").await?;
    for pod in &pods {
        place.until_deleted(pod).await;
        place.kubelet.release(pod).await?;
    }
    assert_eq!(number(&place.until_true("j", "Complete").await, "succeeded"), 6);
    Ok(())
}

async fn counts_successes(place: &Place) -> Outcome {
    let pods = two_uncounted(place).await?;
    let tracked = place
        .pods("j")
        .await?
        .iter()
        .filter(|pod| pod.object["metadata"]["finalizers"].is_array())
        .count();
    assert_eq!(tracked, 4);
    place.credit("j", 6 - 4).await?;
    place.release("j").await?;
    place.until("j", "all counted", |job| number(job, "succeeded") == 4).await;
    for pod in &pods {
        assert!(place.is_untouched(pod).await?, "{}", pod.name);
        place.kubelet.succeed(pod).await?;
    }
    assert_eq!(number(&place.until_true("j", "Complete").await, "succeeded"), 6);
    Ok(())
}

/// Two running pods are listed; then both succeed and two others take their place. The credit comes
/// under the version of before, which the controller's work on pods has not changed. Returns the
/// two others.
async fn after_the_list(
    place: &Place,
    margin: i64,
) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    let first = place.running("j", json!({"parallelism": 2, "completions": 6}), 2).await?;
    place.hold_status("j").await?;
    let version = place.job("j").await?["metadata"]["resourceVersion"].clone();
    let listed = place.pods("j").await?.len() as i64;
    for pod in &first {
        place.kubelet.succeed(pod).await?;
    }
    let pods = place.run("j", 2).await?;
    let credit = json!({"metadata": {"resourceVersion": version},
        "status": {"succeeded": 6 - listed - margin}});
    place.patch_status("j", credit).await?;
    place.release("j").await?;
    Ok(pods)
}

async fn without_margin(place: &Place) -> Outcome {
    for pod in after_the_list(place, 0).await? {
        place.until_deleted(&pod).await;
        place.kubelet.release(&pod).await?;
    }
    assert_eq!(number(&place.until_true("j", "Complete").await, "succeeded"), 6);
    Ok(())
}

async fn with_margin(place: &Place) -> Outcome {
    let pods = after_the_list(place, 2).await?;
    place.until("j", "all counted", |job| number(job, "succeeded") == 4).await;
    for pod in &pods {
        assert!(place.is_untouched(pod).await?, "{}", pod.name);
        place.kubelet.succeed(pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (6, 4));
    Ok(())
}

async fn uncounted_pods(place: &Place) -> Outcome {
    place.create_held("j", json!({"parallelism": 1, "completions": 2}), Held::Finalizers).await?;
    let pods = place.run("j", 1).await?;
    place.kubelet.succeed(&pods[0]).await?;
    let job = place.until("j", "listed", |job| uncounted(job, "succeeded") == 1).await;
    assert_eq!(number(&job, "succeeded"), 0);
    assert_eq!(
        job["status"]["uncountedTerminatedPods"]["succeeded"][0],
        pods[0].object["metadata"]["uid"]
    );
    let next = place.live("j", 1).await;
    assert_ne!(next[0].name, pods[0].name);
    place.release("j").await?;
    let job = place.until("j", "counted", |job| number(job, "succeeded") == 1).await;
    assert_eq!(uncounted(&job, "succeeded"), 0);
    place.kubelet.succeed(&next[0]).await?;
    assert_eq!(number(&place.until_true("j", "Complete").await, "succeeded"), 2);
    Ok(())
}

async fn unseen_index(place: &Place) -> Outcome {
    let spec = json!({"parallelism": 2, "completions": 4, "completionMode": "Indexed"});
    place.create_held("i", spec, Held::Status).await?;
    let pods = place.run("i", 2).await?;
    place.credit_indexes("i", "0,1", 2).await?;
    place.release("i").await?;
    place.until_active("i", 2).await;
    for pod in &pods {
        assert!(place.is_untouched(pod).await?, "{}", pod.name);
        place.kubelet.succeed(pod).await?;
    }
    // The two successes are no news: two indexes are left.
    let rest = place.live("i", 2).await;
    assert_eq!(crate::place::indexes(&rest), [2, 3]);
    assert_eq!(number(&place.job("i").await?, "succeeded"), 2);
    Ok(())
}

async fn tail(place: &Place) -> Outcome {
    let spec = json!({"parallelism": 2, "completions": 6, "completionMode": "Indexed"});
    let pods = place.running("i", spec, 2).await?;
    place.hold_status("i").await?;
    // Free are 2 to 5; while the list is read, two of them are started.
    for pod in &pods {
        place.kubelet.succeed(pod).await?;
    }
    let next = place.run("i", 2).await?;
    place.credit_indexes("i", "4,5", 2).await?;
    place.release("i").await?;
    place.until("i", "counted", |job| job["status"]["completedIndexes"] == "0,1,4,5").await;
    for pod in &next {
        assert!(place.is_untouched(pod).await?, "{}", pod.name);
        place.kubelet.succeed(pod).await?;
    }
    let job = place.until_true("i", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("i").await?.len()), (6, 4));
    Ok(())
}

async fn started_before_the_credit(place: &Place) -> Outcome {
    let spec = json!({"parallelism": 2, "completions": 6, "completionMode": "Indexed"});
    let pods = place.running("i", spec, 2).await?;
    place.hold_status("i").await?;
    place.kubelet.succeed(&pods[0]).await?;
    // Index 2 is started before the status says that index 0 is done: by the status, 2 to 5 are
    // free.
    assert_eq!(crate::place::indexes(&place.live("i", 2).await), [1, 2]);
    place.credit_indexes("i", "2-5", 4).await?;
    place.release("i").await?;
    // Only index 1 is left, and one of the two pods goes: that of index 2, which is pending.
    assert_eq!(crate::place::indexes(&place.live("i", 1).await), [1]);
    place.kubelet.succeed(&pods[1]).await?;
    let job = place.until_true("i", "Complete").await;
    assert_eq!(job["status"]["completedIndexes"], "0-5");
    Ok(())
}
