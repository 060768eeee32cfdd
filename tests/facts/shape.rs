//! How many pods a Job wants, and what is left of it.

use serde_json::json;

use crate::facts::{Facts, Outcome};
use crate::place::{Place, number, refused};

pub fn facts() -> Facts {
    Facts::of("shape")
        .fact("nothing_set_means_one_of_one", nothing_set)
        .fact("no_completions_wanted_completes_at_once", none_wanted)
        .fact("no_more_pods_than_are_left_to_do", left_to_do)
        .fact("pods_are_found_by_name_and_by_uid", labels)
        .fact("a_finished_job_goes_after_its_time", time_to_live)
        .fact("a_deleted_job_leaves_its_pods_or_takes_them", deletion)
}

async fn nothing_set(place: &Place) -> Outcome {
    let spec = place.create("j", json!({})).await?["spec"].clone();
    assert_eq!(
        (&spec["parallelism"], &spec["completions"], &spec["backoffLimit"]),
        (&json!(1), &json!(1), &json!(6))
    );
    let spec = place.create("q", json!({"parallelism": 2})).await?["spec"].clone();
    assert!(spec["completions"].is_null());
    place.live("j", 1).await;
    place.live("q", 2).await;
    Ok(())
}

async fn none_wanted(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 0, "parallelism": 3})).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (0, 0));
    assert!(job["status"]["startTime"].is_string() && job["status"]["completionTime"].is_string());
    Ok(())
}

async fn left_to_do(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 3, "parallelism": 9})).await?;
    let pods = place.live("j", 3).await;
    place.kubelet.succeed(&pods[0]).await?;
    place.until("j", "one less", |job| number(job, "succeeded") == 1 && number(job, "active") == 2).await;
    assert_eq!(place.pods("j").await?.len(), 3);
    Ok(())
}

async fn labels(place: &Place) -> Outcome {
    let uid =
        place.create("j", json!({"parallelism": 2, "completions": 2})).await?["metadata"]["uid"].clone();
    place.create("k", json!({})).await?;
    place.live("k", 1).await;
    let mut pods: Vec<String> = place.live("j", 2).await.into_iter().map(|pod| pod.name).collect();
    pods.sort();
    let uid = uid.as_str().unwrap_or_default();
    for (label, value) in [("job-name", "j"), ("controller-uid", uid)] {
        let mut found = place.select_pods(&format!("batch.kubernetes.io/{label}"), value).await?;
        found.sort();
        assert_eq!(found, pods, "{label}");
    }
    Ok(())
}

async fn time_to_live(place: &Place) -> Outcome {
    place.create("j", json!({})).await?;
    let pods = place.live("j", 1).await;
    place.kubelet.succeed(&pods[0]).await?;
    place.until_true("j", "Complete").await;
    // A time that is given when the Job has ended counts too.
    place.patch("j", json!({"spec": {"ttlSecondsAfterFinished": 0}})).await?;
    place.until_gone("j").await;
    Ok(())
}

async fn deletion(place: &Place) -> Outcome {
    for name in ["left", "taken"] {
        place.create(name, json!({})).await?;
        place.live(name, 1).await;
    }
    let wrong = json!({"propagationPolicy": "Background", "preconditions": {"uid": "another"}});
    refused(place.delete("taken", wrong).await, 409, "Precondition failed");
    place.delete("taken", json!({"propagationPolicy": "Background"})).await?;
    place.live("taken", 0).await;
    place.until_gone("taken").await;
    place.delete("left", json!({})).await?;
    place.until_gone("left").await;
    assert!(!place.live("left", 1).await[0].terminating);
    Ok(())
}
