//! Pods that are scheduled together, where the gates for that are open.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, condition, refused};

pub fn facts() -> Facts {
    Facts::of("gangs")
        .gangs("a_group_is_made_at_the_first_look_and_not_after_a_credit", first_look)
        .gangs("only_the_size_of_a_gang_may_change", mutable)
}

fn spec(suspend: bool, parallelism: i32, gang: Value) -> Value {
    let scheduling = json!({"schedulingPolicy": {"gang": gang}, "disruptionMode": {"all": {}}});
    json!({
        "suspend": suspend, "parallelism": parallelism, "completions": 4, "scheduling": scheduling,
    })
}

/// How many of so many pods of a Job are in a group, once they are there.
async fn grouped(place: &Place, name: &str, pods: usize) -> usize {
    let pods = place.live(name, pods).await;
    let group = |pod: &real::Pod| pod.object["spec"]["schedulingGroup"]["podGroupName"].is_string();
    pods.iter().filter(|pod| group(pod)).count()
}

async fn first_look(place: &Place) -> Outcome {
    let seen = |job: &Value| condition(job, "Suspended")["status"] == "True";
    let resume = json!({"spec": {"suspend": false}});
    place.create("late", spec(true, 3, json!({"minCount": 2}))).await?;
    place.until("late", "seen", seen).await;
    place.credit("late", 1).await?;
    place.patch("late", resume.clone()).await?;
    assert_eq!(grouped(place, "late", 3).await, 3);

    place.stop_controllers();
    place.create("early", spec(true, 3, json!({"minCount": 2}))).await?;
    place.credit("early", 1).await?;
    place.start_controllers()?;
    place.until("early", "seen", seen).await;
    place.patch("early", resume).await?;
    assert_eq!(grouped(place, "early", 3).await, 0, "no group, and no word of it");
    Ok(())
}

async fn mutable(place: &Place) -> Outcome {
    let gang = |parallelism: i32, gang: Value| {
        let scheduling = json!({"schedulingPolicy": {"gang": gang}});
        json!({"spec": {"parallelism": parallelism, "scheduling": scheduling}})
    };
    let min_count = |count: Value| json!({ "minCount": count });
    place.create("j", spec(false, 4, min_count(json!(3)))).await?;
    for (parallelism, count) in [(4, json!(2)), (5, json!(5)), (0, Value::Null), (3, json!(1))] {
        place.patch("j", gang(parallelism, min_count(count))).await?;
    }
    let too_many = "must not be greater than parallelism";
    refused(place.try_patch("j", gang(3, min_count(json!(4)))).await, 422, too_many);
    refused(place.try_patch("j", gang(0, min_count(json!(1)))).await, 422, too_many);
    let too_few = "must be greater than or equal to 1";
    refused(place.try_patch("j", gang(3, min_count(json!(0)))).await, 422, too_few);
    let mode = json!({"spec": {"scheduling": {"disruptionMode": {"all": null, "single": {}}}}});
    refused(place.try_patch("j", mode).await, 422, "spec.scheduling");
    let none = json!({"spec": {"scheduling": null}});
    refused(place.try_patch("j", none).await, 422, "spec.scheduling");
    place.create("plain", json!({"parallelism": 4, "completions": 4})).await?;
    let added = gang(4, min_count(json!(2)));
    refused(place.try_patch("plain", added).await, 422, "spec.scheduling");
    Ok(())
}
