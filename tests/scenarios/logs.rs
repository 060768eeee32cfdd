//! `job logs` and `job events`: what the pods of all clusters wrote, and what happened to them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use libtest_mimic::Failed;
use serde_json::json;

use crate::scenarios::{Outcome, Scenarios};
use crate::site::{LIMITED, Site};
use crate::stage::{MEMBERS, Ran, SOON, Stage, job};

/// The lines that each pod writes where a stream is cut.
const LINES: usize = 300;

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("logs")
        .both("the logs of all pods of all clusters are printed", all)
        .both("a follow picks up pods that start later, and ends with the job", follow)
        .both("a follow that is cut neither loses nor repeats a line", cut)
        .both("what pods with an index and pods that failed wrote is printed alone", chosen)
        .both("a container that waits, and a cluster that is silent, cost a line each", unread)
        .both("the pods of adopted jobs are found", adopted)
        .both("more logs than may be followed are refused in kubectl's words", too_many)
        .both("who may not read logs is told so, and everything else goes on", forbidden)
        .both("describe shows the last lines of a pod that failed", last_lines)
        .both("the events of all clusters are merged", events)
        .sim("the previous instance of a container is read", previous)
}

/// Runs the pods of a Job of one pod in each cluster, and gives the pods' names by cluster.
async fn running(stage: &Stage, name: &str) -> Result<BTreeMap<&'static str, String>, Failed> {
    stage.create(&job(name, Some(3), Some(3))).await?.ok();
    let mut pods = BTreeMap::new();
    for cluster in MEMBERS {
        stage.site(cluster).run(name, 1).await?;
        pods.insert(cluster, pod_names(stage.site(cluster), name).await?.remove(0));
    }
    Ok(pods)
}

async fn pod_names(site: &Site, job: &str) -> Result<Vec<String>, Failed> {
    let name =
        |pod: &serde_json::Value| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok(site.pods(job).await?.iter().map(name).collect())
}

/// Ends the pods of a Job in all clusters.
async fn end(stage: &Stage, name: &str) -> Outcome {
    for site in stage.members() {
        site.succeed(name, 1).await?;
    }
    Ok(())
}

async fn all(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    for (cluster, pod) in &pods {
        for n in 1..=3 {
            stage.site(cluster).write(pod, &format!("line {n} of {cluster}"));
        }
    }
    let ran = stage.federate("job logs pi").await.ok();
    let mut expected = String::new();
    for (cluster, pod) in &pods {
        for n in 1..=3 {
            let _ = writeln!(expected, "[{cluster}/pod/{pod}/pi] line {n} of {cluster}");
        }
    }
    assert_eq!(ran.stdout, expected, "{ran:?}");
    assert_eq!(ran.stderr, "");
    let west = "job logs pi --clusters=west --prefix=false";
    let ran = stage.federate(west).await.ok();
    assert_eq!(ran.stdout, "line 1 of west\nline 2 of west\nline 3 of west\n");
    let ran = stage.federate(&format!("{west} --tail=1")).await.ok();
    assert_eq!(ran.stdout, "line 3 of west\n");
    let ran = stage.federate(&format!("{west} --since=1h --timestamps --tail=1")).await.ok();
    let (time, line) = ran.stdout.split_once(' ').ok_or("a time before the line")?;
    assert_eq!(line, "line 3 of west\n");
    let time: jiff::Timestamp = time.parse()?;
    assert!(jiff::Timestamp::now().duration_since(time).abs().as_secs() < 600, "{time}");
    let ran = stage.federate(&format!("{west} --since-time=2100-01-01T00:00:00Z")).await.ok();
    assert_eq!(ran.stdout, "");
    let nobody = stage.federate("job logs pi --clusters=south").await;
    nobody.fails("error: cluster \"south\" is not registered").warns("cluster list");
    let nothing = stage.federate("job logs pi -c sidecar").await;
    nothing.fails("error: container sidecar is not valid for pod pi-");
    let gone = stage.federate("job logs nothing").await;
    gone.fails(
        "error: error from server (NotFound): jobs.batch \"nothing\" not found in namespace",
    );
    Ok(())
}

/// Waits until a command that runs has printed so many lines.
async fn until_lines(said: impl Fn() -> String, count: usize) {
    real::until(&format!("{count} lines"), SOON, || async {
        let text = said();
        if text.lines().count() >= count { Ok(()) } else { Err(text) }
    })
    .await;
}

async fn follow(stage: &Stage) -> Outcome {
    // Each cluster runs one pod at a time, and two in all.
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let following = stage.begin("job logs pi --follow --prefix=false");
    let playing = async {
        for round in 1..=2 {
            for site in stage.members() {
                site.until_pods("pi", round).await;
                let pod = site.live_pods("pi").await?.pop().ok_or("a pod that has not ended")?;
                site.start("pi", &pod).await?;
                site.write(&pod, &format!("{} {round}", site.name));
                site.succeed("pi", 1).await?;
            }
        }
        Ok::<_, Failed>(())
    };
    let (ran, played) = tokio::join!(following.run(), playing);
    played?;
    let ran = ran.ok();
    let mut lines: Vec<_> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["east 1", "east 2", "north 1", "north 2", "west 1", "west 2"], "{ran:?}");
    Ok(())
}

/// The numbers of the lines that were printed of each cluster.
fn numbers(ran: &Ran) -> BTreeMap<String, Vec<usize>> {
    let mut numbers = BTreeMap::<_, Vec<_>>::new();
    for line in ran.stdout.lines() {
        let (source, text) = line.split_once("] ").unwrap_or_default();
        let cluster = source.trim_start_matches('[').split('/').next().unwrap_or_default();
        let number = text.strip_prefix("line ").and_then(|n| n.parse().ok()).unwrap_or_default();
        numbers.entry(cluster.to_owned()).or_default().push(number);
    }
    numbers
}

async fn cut(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    let write = |from: usize, to: usize| {
        for n in from..to {
            for (cluster, pod) in &pods {
                stage.site(cluster).write(pod, &format!("line {n}"));
            }
        }
    };
    let following = stage.begin("job logs pi -f");
    let said = || following.stdout();
    let playing = async {
        write(0, 50);
        until_lines(said, 150).await;
        // Between the user and a server.
        stage.site("west").link.cut().await?;
        write(50, 100);
        stage.site("west").link.restore().await?;
        until_lines(said, 300).await;
        write(100, 150);
        // Between a server and its node; and what is written at the same time.
        stage.site("north").cut_logs();
        write(150, 200);
        until_lines(said, 600).await;
        stage.site("east").link.cut().await?;
        write(200, LINES);
        for site in stage.members().filter(|site| site.name != "east") {
            site.succeed("pi", 1).await?;
        }
        stage.site("east").succeed("pi", 1).await?;
        stage.site("east").link.restore().await?;
        Ok::<_, Failed>(())
    };
    let (ran, played) = tokio::join!(following.run(), playing);
    played?;
    let ran = ran.ok();
    let expected: Vec<_> = (0..LINES).collect();
    for (cluster, numbers) in numbers(&ran) {
        assert_eq!(numbers, expected, "{cluster}: {}", ran.stderr);
    }
    assert_eq!(ran.stdout.lines().count(), 3 * LINES);
    Ok(())
}

async fn chosen(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(3), Some(3));
    indexed["spec"]["completionMode"] = "Indexed".into();
    stage.create(&indexed).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
        for pod in site.pods("pi").await? {
            let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            site.write(name, &format!("index {}", index.as_str().unwrap_or_default()));
        }
    }
    for index in 0..3 {
        let logs = format!("job logs pi --index={index} --prefix=false");
        assert_eq!(stage.federate(&logs).await.ok().stdout, format!("index {index}\n"));
    }
    let none = stage.federate("job logs pi --failed").await.ok();
    let said = format!("No logs of job.batch/pi found in {} namespace.\n", stage.namespace);
    assert_eq!((none.stdout.as_str(), none.stderr), ("", said));
    let west = stage.site("west");
    west.fail("pi", 1).await?;
    west.until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    let failed = stage.federate("job logs pi --failed").await.ok();
    assert!(failed.stdout.starts_with("[west/pod/pi-"), "{failed:?}");
    assert_eq!(failed.stdout.lines().count(), 1);
    stage.create(&job("queue", Some(3), Some(3))).await?.ok();
    let none = stage.federate("job logs queue --index=0").await;
    none.fails("error: job.batch/queue is not Indexed: its pods have no index");
    Ok(())
}

async fn unread(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    for (cluster, pod) in &pods {
        stage.site(cluster).write(pod, "here");
    }
    stage.site("north").link.cut().await?;
    let west = stage.site("west");
    west.fail("pi", 1).await?;
    west.until_pods("pi", 2).await;
    let names = pod_names(west, "pi").await?;
    let new = names.iter().find(|name| **name != pods["west"]).ok_or("another pod")?;
    west.bind(new).await?;
    let ran = stage.federate("job logs pi").await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let line = |cluster: &str| format!("[{cluster}/pod/{}/pi] here\n", pods[cluster]);
    assert_eq!(ran.stdout, line("east") + &line("west"));
    let waits = format!(
        "Warning: [west] pod/{new}: container \"pi\" in pod \"{new}\" is waiting to start: \
         ContainerCreating"
    );
    let (silent, waiting): (Vec<_>, Vec<_>) =
        ran.stderr.lines().partition(|line| line.starts_with("Warning: [north] "));
    assert_eq!(waiting, [waits]);
    assert_eq!(silent.len(), 1, "{silent:?}");
    stage.federate("job logs pi --ignore-errors").await.ok();
    stage.site("north").link.restore().await?;
    Ok(())
}

async fn adopted(stage: &Stage) -> Outcome {
    for cluster in ["east", "west"] {
        let site = stage.site(cluster);
        site.create("jobs", &job("pi", Some(1), Some(1))).await?;
        site.run("pi", 1).await?;
        site.write(&pod_names(site, "pi").await?[0], "before it was adopted");
    }
    stage.federate("job adopt pi --clusters=east,west --yes").await.ok();
    let ran = stage.federate("job logs pi --prefix=false").await.ok();
    assert_eq!(ran.stdout, "before it was adopted\n".repeat(2));
    Ok(())
}

async fn too_many(stage: &Stage) -> Outcome {
    running(stage, "pi").await?;
    let refused = stage.federate("job logs pi -f --max-log-requests=2").await;
    let refused = refused.fails(
        "error: you are attempting to follow 3 log streams, but maximum allowed concurrency is 2, \
         use --max-log-requests to increase the limit",
    );
    assert_eq!(refused.stdout, "");
    stage.federate("job logs pi --max-log-requests=2").await.ok();
    Ok(())
}

async fn forbidden(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    stage.site("east").write(&pods["east"], "secret");
    let rule = |group: &str, resources: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": ["get", "list"]});
    let maps = json!([rule("", &["configmaps"])]);
    stage.host().grant(Some("kubectl-federate"), maps.clone()).await?;
    stage.host().grant(Some(&stage.namespace), maps).await?;
    for site in stage.members() {
        let mut identity = rule("", &["namespaces"]);
        identity["resourceNames"] = json!(["kube-system"]);
        site.grant(None, json!([identity])).await?;
        let rules = json!([rule("batch", &["jobs"]), rule("", &["pods", "events"])]);
        site.grant(Some(&stage.namespace), rules).await?;
    }
    stage.contexts(&MEMBERS.map(|name| (name, name)), LIMITED)?;
    let refused = "cannot get resource \"pods/log\" in API group \"\"";
    let ran = stage.federate("job logs pi --clusters=east").await.fails(refused);
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{ran:?}");
    let ending = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        end(stage, "pi").await
    };
    let following = stage.federate("job logs pi --clusters=east -f");
    let (ran, ended) = tokio::join!(following, ending);
    ended?;
    ran.fails(refused);
    Ok(())
}

async fn last_lines(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    let west = stage.site("west");
    for n in 1..=20 {
        west.write(&pods["west"], &format!("line {n}\u{1b}[2J"));
    }
    let title = "Last Lines of Pods That Failed:\n";
    let before = stage.federate("job describe pi").await.ok();
    assert!(!before.stdout.contains(title), "{before:?}");
    west.fail("pi", 1).await?;
    west.until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    let shown = stage.federate("job describe pi").await.ok();
    let mut expected = format!("{title}  west/pod/{}/pi:\n", pods["west"]);
    for n in 16..=20 {
        let _ = writeln!(expected, "    line {n}^[[2J");
    }
    shown.says(&expected);
    Ok(())
}

async fn events(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    let west = stage.site("west");
    let pod = west.find("pods", &pods["west"]).await?.ok_or("the pod")?;
    let about = |kind: &str, name: &str, uid: &serde_json::Value| json!({"kind": kind, "name": name, "uid": uid, "namespace": stage.namespace});
    let event = |name: &str, about: serde_json::Value, at: &str| {
        json!({
            "metadata": {"name": name}, "involvedObject": about, "type": "Warning",
            "reason": "BackOff", "message": "Back-off pulling image", "count": 1,
            "firstTimestamp": at, "lastTimestamp": at,
        })
    };
    let own = about("Pod", &pods["west"], &pod["metadata"]["uid"]);
    west.create("events", &event("own", own, "2000-01-01T00:00:00Z")).await?;
    let other = about("Pod", "other", &"0".into());
    west.create("events", &event("other", other, "2000-01-01T00:00:01Z")).await?;
    let created = |text: &str| {
        MEMBERS.iter().all(|cluster| {
            let rows = text.lines().filter(|row| row.starts_with(&format!("{cluster} ")));
            rows.filter(|row| row.contains("SuccessfulCreate")).count() == 1
        })
    };
    // The controllers write events a moment after what they are about.
    let shown = real::until("all events", SOON, || async {
        let ran = stage.federate("job events pi").await.ok();
        if created(&ran.stdout) { Ok(ran) } else { Err(format!("{ran:?}")) }
    })
    .await;
    let rows: Vec<Vec<_>> =
        shown.stdout.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["CLUSTER", "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    let object = format!("Pod/{}", pods["west"]);
    assert_eq!((rows[1][0], rows[1][2], rows[1][4]), ("west", "Warning", object.as_str()));
    assert!(!shown.stdout.contains("other"), "{shown:?}");
    let warned = stage.federate("job events pi --types=warning -o json").await.ok();
    let warned: serde_json::Value = serde_json::from_str(&warned.stdout)?;
    let items = warned["items"].as_array().ok_or("a list")?;
    assert_eq!(items.len(), 1, "{warned}");
    assert_eq!(items[0]["metadata"]["annotations"]["kubectl-federate.dev/cluster"], "west");
    let watched = stage.federate_until("job events pi --watch", created).await;
    assert_eq!(watched.code, 130);
    Ok(())
}

async fn previous(stage: &Stage) -> Outcome {
    let pods = running(stage, "pi").await?;
    let west = stage.site("west");
    west.write(&pods["west"], "first try");
    west.cluster().restart_log(&stage.namespace, &pods["west"], "pi");
    west.write(&pods["west"], "second try");
    let logs = "job logs pi --prefix=false --clusters=west";
    assert_eq!(stage.federate(logs).await.ok().stdout, "second try\n");
    let ran = stage.federate(&format!("{logs} --previous")).await.ok();
    assert_eq!(ran.stdout, "first try\n");
    let none = stage.federate("job logs pi --previous --clusters=east").await;
    none.fails("previous terminated container \"pi\" in pod");
    Ok(())
}
