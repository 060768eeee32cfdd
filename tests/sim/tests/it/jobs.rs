//! Jobs: what the API server makes of them, and what their controller does.

use std::time::Duration;

use super::*;

async fn made(cluster: &Cluster, name: &str, spec: Value) -> Value {
    let answer = post(cluster, JOBS, job(name, spec)).await;
    assert_eq!(answer.code, 201, "{}", answer.message());
    cluster.settle();
    stored(cluster, name)
}

fn stored(cluster: &Cluster, name: &str) -> Value {
    cluster.get(&sim::JOBS, "default", name).expect("the Job is there")
}

fn condition<'a>(job: &'a Value, kind: &str) -> &'a Value {
    static NONE: Value = Value::Null;
    job["status"]["conditions"]
        .as_array()
        .and_then(|c| c.iter().find(|c| c["type"] == kind))
        .unwrap_or(&NONE)
}

#[tokio::test]
async fn a_new_job_gets_its_defaults() {
    let cluster = Cluster::new("a");
    let made = post(&cluster, JOBS, job("j", json!({}))).await.body;
    let uid = made["metadata"]["uid"].as_str().expect("a uid");
    assert_eq!(made["metadata"]["generation"], 1);
    let spec = &made["spec"];
    assert_eq!(
        (&spec["parallelism"], &spec["completions"], &spec["backoffLimit"]),
        (&json!(1), &json!(1), &json!(6))
    );
    assert_eq!((&spec["completionMode"], &spec["suspend"]), (&json!("NonIndexed"), &json!(false)));
    assert_eq!(spec["podReplacementPolicy"], "TerminatingOrFailed");
    assert_eq!(
        spec["selector"],
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
    );
    let labels = json!({
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "j",
        "controller-uid": uid, "job-name": "j",
    });
    assert_eq!(spec["template"]["metadata"]["labels"], labels);
    assert_eq!(made["metadata"]["labels"], labels);
    assert_eq!(made["status"], json!({}));
    let queue = post(&cluster, JOBS, job("q", json!({"parallelism": 3}))).await.body;
    assert!(queue["spec"]["completions"].is_null());
}

#[tokio::test]
async fn wrong_jobs_are_refused_in_the_servers_words() {
    let cluster = Cluster::new("a");
    let long = "x".repeat(64);
    let mut always = job("j", json!({}));
    always["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let mut bare = job("j", json!({}));
    bare["spec"]["template"]["spec"]["containers"][0] = json!({"name": "c"});
    for (object, sentence) in [
        (
            always,
            "Job.batch \"j\" is invalid: spec.template.spec.restartPolicy: Required value: valid \
             values: \"OnFailure\", \"Never\"",
        ),
        (
            bare,
            "Job.batch \"j\" is invalid: spec.template.spec.containers[0].image: Required value",
        ),
        (
            job("j", json!({"parallelism": -1})),
            "Job.batch \"j\" is invalid: spec.parallelism: Invalid value: -1: must be greater than \
             or equal to 0",
        ),
        (
            job("j", json!({"completionMode": "Indexed", "parallelism": 1})),
            "Job.batch \"j\" is invalid: spec.completions: Required value: when completion mode is \
             Indexed",
        ),
        (job(&long, json!({})), "must be no more than 63"),
    ] {
        let refused = post(&cluster, JOBS, object).await;
        assert_eq!(refused.code, 422);
        assert!(refused.message().contains(sentence), "{}", refused.message());
    }
}

#[tokio::test]
async fn what_may_not_change_does_not() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"completions": 4})).await;
    let path = format!("{JOBS}/j");
    let refused = patch(&cluster, &path, json!({"spec": {"completions": 5}})).await;
    assert_eq!(
        (refused.code, refused.message()),
        (422, "Job.batch \"j\" is invalid: spec.completions: Invalid value: 5: field is immutable")
    );
    let template = json!({"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}});
    assert_eq!(patch(&cluster, &path, template).await.code, 422);
    let changed = patch(&cluster, &path, json!({"spec": {"parallelism": 3}})).await;
    assert_eq!((changed.code, &changed.body["metadata"]["generation"]), (200, &json!(2)));
    made(&cluster, "i", json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed"}))
        .await;
    let refused = patch(&cluster, &format!("{JOBS}/i"), json!({"spec": {"completions": 3}})).await;
    assert!(refused.message().contains("can only be modified in tandem with spec.parallelism"));
    let both = json!({"spec": {"completions": 3, "parallelism": 3}});
    assert_eq!(patch(&cluster, &format!("{JOBS}/i"), both).await.code, 200);
}

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let cluster = Cluster::new("a");
    let job = made(&cluster, "j", json!({"parallelism": 2, "completions": 3})).await;
    assert_eq!((&job["status"]["active"], &job["status"]["ready"]), (&json!(2), &json!(0)));
    assert_eq!(job["status"]["terminating"], 0);
    assert_eq!(job["status"]["uncountedTerminatedPods"], json!({}));
    let pods = cluster.pods_of("default", "j");
    assert_eq!(pods[0]["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
    assert_eq!(pods[0]["metadata"]["ownerReferences"][0]["kind"], "Job");
    cluster.run_pod("default", pods[0]["metadata"]["name"].as_str().expect("a name"));
    cluster.settle();
    assert_eq!(stored(&cluster, "j")["status"]["ready"], 1);
    assert_eq!(cluster.succeed_pods("default", "j", 1), 1);
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!((&job["status"]["succeeded"], &job["status"]["active"]), (&json!(1), &json!(2)));
    let job = cluster.run_to_end("default", "j").expect("the Job is there");
    assert_eq!(job["status"]["succeeded"], 3);
    assert!(job["status"]["active"].is_null());
    assert!(job["status"]["completionTime"].is_string());
    for kind in ["SuccessCriteriaMet", "Complete"] {
        assert_eq!(condition(&job, kind)["reason"], "CompletionsReached");
        assert_eq!(condition(&job, kind)["message"], "Reached expected number of succeeded pods");
    }
    assert!(cluster.pods_of("default", "j").iter().all(|p| p["metadata"]["finalizers"].is_null()));
}

#[tokio::test]
async fn indexed_pods_know_their_index_and_credits_are_believed() {
    let cluster = Cluster::new("a");
    let spec =
        json!({"parallelism": 9, "completions": 9, "completionMode": "Indexed", "suspend": true});
    let job = made(&cluster, "i", spec).await;
    assert_eq!(condition(&job, "Suspended")["status"], "True");
    assert!(job["status"]["startTime"].is_null());
    let credit = json!({
        "metadata": {"resourceVersion": job["metadata"]["resourceVersion"],
            "annotations": {"credited": "0-2,6-8"}},
        "status": {"succeeded": 6, "completedIndexes": "0-2,6-8"},
    });
    let credited = patch(&cluster, &format!("{JOBS}/i/status"), credit).await;
    assert_eq!(
        (credited.code, &credited.body["metadata"]["annotations"]["credited"]),
        (200, &json!("0-2,6-8"))
    );
    patch(&cluster, &format!("{JOBS}/i"), json!({"spec": {"suspend": false}})).await;
    cluster.settle();
    let pods = cluster.pods_of("default", "i");
    let names: Vec<&str> = pods.iter().filter_map(|p| p["spec"]["hostname"].as_str()).collect();
    assert_eq!(names, ["i-3", "i-4", "i-5"]);
    assert_eq!(pods[0]["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"], "3");
    assert_eq!(pods[0]["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    let job = cluster.run_to_end("default", "i").expect("the Job is there");
    assert_eq!(
        (&job["status"]["completedIndexes"], &job["status"]["succeeded"]),
        (&json!("0-8"), &json!(9))
    );
    assert_eq!(condition(&job, "Complete")["status"], "True");
}

#[tokio::test]
async fn status_patches_keep_to_the_rules() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"completions": 8})).await;
    let path = format!("{JOBS}/j/status");
    assert_eq!(patch(&cluster, &path, json!({"status": {"succeeded": 3}})).await.code, 200);
    let refused = patch(&cluster, &path, json!({"status": {"succeeded": 2}})).await;
    assert_eq!(
        refused.message(),
        "Job.batch \"j\" is invalid: status.succeeded: Invalid value: 2: cannot decrease the \
         succeeded counter"
    );
    let spec = json!({"spec": {"parallelism": 7}, "status": {"succeeded": 4}});
    let patched = patch(&cluster, &path, spec).await.body;
    assert_eq!(
        (&patched["spec"]["parallelism"], &patched["status"]["succeeded"]),
        (&json!(1), &json!(4))
    );
}

#[tokio::test]
async fn a_suspended_job_kills_its_pods_and_starts_anew() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"parallelism": 2, "completions": 4})).await;
    patch(&cluster, &format!("{JOBS}/j"), json!({"spec": {"suspend": true}})).await;
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!(
        (condition(&job, "Suspended")["status"].as_str(), &job["status"]["terminating"]),
        (Some("True"), &json!(0))
    );
    assert!(job["status"]["active"].is_null() && job["status"]["failed"].is_null());
    assert!(cluster.pods_of("default", "j").is_empty());
    cluster.advance(Duration::from_mins(1));
    patch(&cluster, &format!("{JOBS}/j"), json!({"spec": {"suspend": false}})).await;
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!(condition(&job, "Suspended")["reason"], "JobResumed");
    assert_eq!(job["status"]["startTime"], cluster.now().to_string());
    assert_eq!(job["status"]["active"], 2);
}

#[tokio::test]
async fn failures_are_replaced_after_a_while_and_counted() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"backoffLimit": 1})).await;
    cluster.fail_pods("default", "j", 1);
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!((&job["status"]["failed"], &job["status"]["active"]), (&json!(1), &Value::Null));
    cluster.advance(Duration::from_secs(9));
    assert!(stored(&cluster, "j")["status"]["active"].is_null());
    cluster.advance(Duration::from_secs(2));
    assert_eq!(stored(&cluster, "j")["status"]["active"], 1);
    cluster.fail_pods("default", "j", 1);
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!(job["status"]["failed"], 2);
    for kind in ["FailureTarget", "Failed"] {
        assert_eq!(condition(&job, kind)["reason"], "BackoffLimitExceeded");
        assert_eq!(condition(&job, kind)["message"], "Job has reached the specified backoff limit");
    }
}

#[tokio::test]
async fn a_deadline_ends_a_job_and_a_ttl_removes_it() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 30})).await;
    cluster.advance(Duration::from_secs(59));
    assert!(condition(&stored(&cluster, "j"), "Failed").is_null());
    cluster.advance(Duration::from_secs(1));
    assert_eq!(condition(&stored(&cluster, "j"), "Failed")["reason"], "DeadlineExceeded");
    cluster.advance(Duration::from_secs(30));
    assert!(cluster.get(&sim::JOBS, "default", "j").is_none());
    assert!(cluster.pods_of("default", "j").is_empty());
}

#[tokio::test]
async fn kubelets_obey_the_deadlines_of_pods_while_controllers_stand_still() {
    let cluster = Cluster::new("a");
    cluster.set_kubelet(sim::Kubelet::obeys_deadlines());
    let containers = json!([{"name": "c", "image": "busybox"}]);
    let template = json!({"spec": {
        "restartPolicy": "Never", "containers": containers, "activeDeadlineSeconds": 60,
        "terminationGracePeriodSeconds": 5,
    }});
    made(&cluster, "j", json!({"parallelism": 2, "completions": 2, "template": template})).await;
    let pods = cluster.pods_of("default", "j");
    let [one, other] = [0, 1].map(|n| pods[n]["metadata"]["name"].as_str().expect("a name"));
    cluster.stop_controllers();
    cluster.bind_pod("default", one);
    cluster.run_pod("default", one);
    let phase = |name: &str| {
        cluster.get(&sim::PODS, "default", name).expect("it is there")["status"].clone()
    };
    cluster.advance(Duration::from_secs(64));
    assert_eq!(phase(one)["phase"], "Running");
    cluster.advance(Duration::from_secs(1));
    assert_eq!(
        (&phase(one)["phase"], &phase(one)["reason"]),
        (&json!("Failed"), &json!("DeadlineExceeded"))
    );
    assert_eq!(phase(other)["phase"], "Pending", "no node has it");
    cluster.bind_pod("default", other);
    cluster.run_pod("default", other);
    cluster.delete(&sim::PODS, "default", other).expect("deleted");
    cluster.advance(Duration::from_secs(4));
    assert_eq!(phase(other)["phase"], "Running");
    cluster.advance(Duration::from_secs(1));
    assert_eq!(phase(other)["phase"], "Failed", "its finalizer keeps it");
}

#[tokio::test]
async fn a_condition_of_ours_ends_a_job_and_slow_pods_delay_it() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"completions": 4})).await;
    let pod =
        cluster.pods_of("default", "j")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    cluster.bind_pod("default", &pod);
    let target = json!({"status": {"conditions": [
        {"type": "FailureTarget", "status": "True", "reason": "Sibling",
            "message": "another failed"},
    ]}});
    let kind = "application/strategic-merge-patch+json";
    send(&cluster, Method::PATCH, &format!("{JOBS}/j/status"), kind, target.to_string()).await;
    cluster.settle();
    let job = stored(&cluster, "j");
    assert!(condition(&job, "Failed").is_null());
    assert_eq!(job["status"]["terminating"], 1);
    cluster.remove_pod("default", &pod);
    cluster.settle();
    let job = stored(&cluster, "j");
    assert_eq!(
        (&condition(&job, "Failed")["reason"], &job["status"]["failed"]),
        (&json!("Sibling"), &json!(1))
    );
}

#[tokio::test]
async fn a_work_queue_ends_with_its_last_pod() {
    let cluster = Cluster::new("a");
    made(&cluster, "q", json!({"parallelism": 3})).await;
    cluster.succeed_pods("default", "q", 1);
    cluster.settle();
    assert_eq!(stored(&cluster, "q")["status"]["active"], 2);
    cluster.fail_pods("default", "q", 1);
    cluster.settle();
    assert_eq!(stored(&cluster, "q")["status"]["active"], 1);
    cluster.succeed_pods("default", "q", 1);
    cluster.settle();
    assert_eq!(condition(&stored(&cluster, "q"), "Complete")["status"], "True");
}

#[tokio::test]
async fn a_credit_between_the_pods_and_the_status_makes_the_look_fail() {
    let cluster = Cluster::new("a");
    post(&cluster, JOBS, job("j", json!({"parallelism": 2, "completions": 4}))).await;
    let mut look = cluster.begin_sync("default", "j").expect("a look");
    assert_eq!(look.step().expect("pods are created"), sim::Step::Pods);
    assert_eq!(cluster.pods_of("default", "j").len(), 2);
    assert!(stored(&cluster, "j")["status"]["active"].is_null());
    patch(&cluster, &format!("{JOBS}/j/status"), json!({"status": {"succeeded": 3}})).await;
    assert_eq!(look.step().expect_err("the version is old").code, 409);
    cluster.settle();
    assert_eq!(stored(&cluster, "j")["status"]["active"], 1);
}

#[tokio::test]
async fn a_cluster_runs_by_itself() {
    let cluster = Cluster::new("a");
    cluster.run_by_itself(sim::Kubelet::succeed_after(Duration::from_millis(10)));
    post(&cluster, JOBS, job("j", json!({"parallelism": 2, "completions": 4}))).await;
    let complete = async {
        while condition(&stored(&cluster, "j"), "Complete").is_null() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), complete).await.expect("the Job completes");
}

#[tokio::test]
async fn a_look_is_done_by_hand_while_the_controllers_stand_still() {
    let cluster = Cluster::new("a");
    cluster.run_by_itself(sim::Kubelet::none());
    cluster.stop_controllers();
    post(&cluster, JOBS, job("j", json!({"parallelism": 2, "completions": 4}))).await;
    cluster.settle();
    assert!(cluster.pods_of("default", "j").is_empty());
    let mut look = cluster.begin_sync("default", "j").expect("a look");
    assert_eq!(look.step().expect("pods are created"), sim::Step::Pods);
    cluster.settle();
    assert_eq!(stored(&cluster, "j")["status"], json!({}));
    cluster.start_controllers();
    assert_eq!(stored(&cluster, "j")["status"]["active"], 2);
}

#[tokio::test]
async fn a_write_of_the_controller_is_held_back() {
    let cluster = Cluster::new("a");
    cluster.hold(Some(sim::Held::Status));
    made(&cluster, "j", json!({"parallelism": 1, "completions": 1})).await;
    assert_eq!(cluster.pods_of("default", "j").len(), 1);
    assert_eq!(stored(&cluster, "j")["status"], json!({}));
    cluster.hold(Some(sim::Held::Finalizers));
    cluster.succeed_pods("default", "j", 1);
    cluster.settle();
    let uid = &cluster.pods_of("default", "j")[0]["metadata"]["uid"];
    assert_eq!(
        stored(&cluster, "j")["status"]["uncountedTerminatedPods"],
        json!({"succeeded": [uid]})
    );
    cluster.hold(None);
    assert_eq!(condition(&stored(&cluster, "j"), "Complete")["status"], "True");
}

#[tokio::test]
async fn a_hook_may_let_the_cluster_go_on_before_a_request() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({"parallelism": 1, "completions": 2})).await;
    let version = stored(&cluster, "j")["metadata"]["resourceVersion"].clone();
    let inside = cluster.clone();
    cluster.on_request(move |_| {
        inside.succeed_pods("default", "j", 1);
        inside.settle();
        sim::Verdict::Pass
    });
    let credit = json!({"metadata": {"resourceVersion": version}, "status": {"succeeded": 1}});
    assert_eq!(patch(&cluster, &format!("{JOBS}/j/status"), credit).await.code, 409);
    assert_eq!(stored(&cluster, "j")["status"]["succeeded"], 1);
}

#[tokio::test]
async fn an_exit_code_fails_a_job_by_its_policy() {
    let cluster = Cluster::new("a");
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    made(&cluster, "j", json!({"podFailurePolicy": {"rules": [rule]}})).await;
    let pod =
        cluster.pods_of("default", "j")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    assert!(cluster.exit_pod("default", &pod, 42));
    cluster.settle();
    assert_eq!(condition(&stored(&cluster, "j"), "Failed")["reason"], "PodFailurePolicy");
}

#[tokio::test]
async fn tests_put_in_conditions_of_pods_and_events() {
    let cluster = Cluster::new("a");
    made(&cluster, "j", json!({})).await;
    let pod = cluster.pods_of("default", "j")[0].clone();
    let name = pod["metadata"]["name"].as_str().expect("a name");
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable"});
    let change = json!({"status": {"conditions": [condition]}});
    let pod = cluster.patch_status(&sim::PODS, "default", name, change).expect("a pod");
    assert_eq!(pod["status"]["conditions"][0]["reason"], "Unschedulable");
    let event = json!({
        "metadata": {"name": "e"}, "type": "Warning", "reason": "FailedScheduling",
        "message": "no nodes",
        "involvedObject": {"kind": "Pod", "name": name, "namespace": "default",
            "uid": pod["metadata"]["uid"]},
    });
    cluster.create(&sim::EVENTS, "default", event).expect("an event");
    let path =
        format!("/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{name}");
    let events = get(&cluster, &path).await.body;
    assert_eq!(events["items"][0]["reason"], "FailedScheduling");
}

#[tokio::test]
async fn an_old_cluster_says_so_and_drops_what_it_does_not_offer() {
    let cluster = Cluster::builder("a").version(sim::Version::V1_30).build();
    assert_eq!(get(&cluster, "/version").await.body["gitVersion"], "v1.30.14");
    let policy = json!({"rules": [{"succeededCount": 1}]});
    let spec = json!({"completions": 2, "completionMode": "Indexed", "successPolicy": policy});
    let job = made(&cluster, "j", spec).await;
    assert!(job["spec"]["successPolicy"].is_null());
    let job = cluster.run_to_end("default", "j").expect("the Job is there");
    let kinds: Vec<&Value> =
        job["status"]["conditions"].as_array().into_iter().flatten().map(|c| &c["type"]).collect();
    assert_eq!(
        (kinds, &condition(&job, "Complete")["reason"]),
        (vec![&json!("Complete")], &Value::Null)
    );
}

#[test]
fn controllers_come_to_rest_whatever_write_is_held() {
    for held in [sim::Held::Status, sim::Held::Finalizers] {
        let cluster = Cluster::new("a");
        cluster.create(&sim::JOBS, "default", job("j", json!({}))).expect("a job");
        cluster.hold(Some(held));
        cluster.succeed_pods("default", "j", 1);
        cluster
            .patch(&sim::JOBS, "default", "j", json!({"spec": {"suspend": true}}))
            .expect("a job");
        cluster.settle();
        cluster.hold(None);
        cluster.settle();
        assert!(cluster.list(&sim::EVENTS, "default").len() < 20, "{held:?}");
    }
}
