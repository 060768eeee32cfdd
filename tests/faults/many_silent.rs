//! Many Jobs in one command, and a cluster that gives no answer or a user who ends the command: what
//! is said, how often, and how long it takes. Time stands still, so that this is exact.

use std::time::Duration;

use sim::When;
use tokio::time::{Instant, sleep};

use super::net::{Fate, Sent};
use super::stage::{CREATE, Ran, Stage};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// The three clusters with these Jobs.
async fn with_jobs(names: &[&str]) -> Stage {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(names, 6, 12);
    stage.must(CREATE).await;
    stage
}

/// How many lines of stderr are as asked for.
fn lines(ran: &Ran, is_asked: impl Fn(&str) -> bool) -> usize {
    ran.stderr.lines().filter(|line| is_asked(line)).count()
}

#[tokio::test(start_paused = true)]
async fn of_a_silent_cluster_one_warning_is_printed_and_of_each_job_one_line() {
    let names = NAMES.join(" ");
    let commands = [
        CREATE.to_owned() + " --dry-run=server",
        CREATE.to_owned(),
        "job get".to_owned(),
        "reconcile".to_owned(),
        format!("job suspend {names}"),
        format!("job resume {names}"),
        format!("job scale {names} --parallelism=3"),
        format!("job scale {names} --parallelism=9 --dry-run=server"),
        "job apply -f pi.yaml".to_owned(),
        "cluster drain west".to_owned(),
        format!("job delete {names} --cascade=background"),
    ];
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    stage.several_of(&NAMES, 6, 12);
    for command in &commands {
        let away = |sent: &Sent| if sent.cluster == "west" { Fate::Refused } else { Fate::Pass };
        stage.net.watch(move |sent, _| away(sent));
        let ran = stage.run(command).await;
        assert_eq!(lines(&ran, |line| line.contains("[west]")), 1, "{command}: {}", ran.stderr);
        assert!(lines(&ran, |line| line.starts_with("hint:")) <= 3, "{command}: {}", ran.stderr);
        for name in NAMES {
            let of_job = format!("error: job.batch/{name}: ");
            let count = lines(&ran, |line| line.starts_with(&of_job));
            let fails = !command.contains("dry-run") && !command.contains("get");
            assert_eq!(count, usize::from(fails), "{command}: {}", ran.stderr);
        }
        let stays = ran.stderr.contains("error: cluster \"west\" stays Draining");
        assert_eq!(stays, command.contains("drain"), "{command}: {}", ran.stderr);
        stage.net.heal();
        if command == CREATE {
            stage.must("reconcile").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_a_command_early_learns_which_jobs_were_not_begun() {
    let names: Vec<String> = (10..80).map(|n| format!("p{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    for names in names.chunks(35) {
        stage.several_of(names, 1, 1);
        stage.must(CREATE).await;
        stage.net.heal();
    }
    let suspend = format!("job suspend {}", names.join(" "));
    let half = Duration::from_millis(500);
    // Before anything is begun.
    let hangs = |hangs| if hangs { Fate::Hang(When::Before) } else { Fate::Pass };
    stage.net.watch(move |sent, _| hangs(sent.of_jobs()));
    let ran = stage.interrupted_after(half, "job suspend p10 p11 p12").await;
    let none = "error: interrupted before 3 jobs were suspended: p10, p11, p12\n\
        hint: The same command does the rest.\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (130, none));
    let one = stage.interrupted_after(half, "job suspend p10").await;
    let none = "error: interrupted before 1 job was suspended: p10\n";
    assert_eq!((one.code, one.stderr.as_str()), (130, none));
    let many = stage.interrupted_after(half, &suspend).await;
    assert!(many.stderr.contains("before 70 jobs were suspended: p10, p11, "), "{many:?}");
    assert!(many.stderr.contains(" and 50 more\n"), "{many:?}");
    // So many are begun at once.
    stage.net.watch(move |sent, _| hangs(sent.of_jobs() && sent.mutating));
    let ran = stage.interrupted_after(half, &suspend).await;
    let recorded = "error: interrupted. The changes of 64 jobs (p10, p11, ";
    assert_eq!(lines(&ran, |line| line.starts_with(recorded)), 1, "{ran:?}");
    let rest = "error: interrupted before 6 jobs were suspended: p74, p75, p76, p77, p78, p79\n";
    assert!(ran.stderr.contains(rest), "{ran:?}");
    assert_eq!(lines(&ran, |line| line.starts_with("hint:")), 2, "{}", ran.stderr);
    stage.net.heal();
    let again = stage.must(&suspend).await;
    assert_eq!(again.stdout.matches(" suspended").count(), 6, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn who_ends_an_apply_while_it_asks_learns_that_nothing_was_begun() {
    let names = &NAMES[..3];
    let stage = with_jobs(names).await;
    stage.several_of(names, 3, 12);
    let asks = |sent: &Sent| sent.of_jobs() && sent.method != "GET";
    stage.net.watch(move |sent, _| if asks(sent) { Fate::Hang(When::Before) } else { Fate::Pass });
    let ran = stage.interrupted_after(Duration::from_millis(500), "job apply -f pi.yaml").await;
    let said = "error: interrupted before 3 jobs were configured: a, b, c\n\
        hint: The same command does the rest.\n";
    assert!(ran.code == 130 && ran.stderr.ends_with(said), "{ran:?}");
    stage.net.heal();
    stage.must("job apply -f pi.yaml").await;
}

#[tokio::test(start_paused = true)]
async fn a_member_stays_draining_where_the_host_goes_away() {
    let stage = with_jobs(&NAMES[..1]).await;
    let mut is_marked = false;
    stage.net.watch(move |sent, _| {
        let is_list = !sent.mutating && sent.path.ends_with("/configmaps");
        is_marked |= sent.mutating && sent.path.ends_with("/configmaps/federation");
        if is_list && is_marked { Fate::Refused } else { Fate::Pass }
    });
    let ran = stage.run("cluster drain west").await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("error: cluster \"west\" stays Draining\n"), "{ran:?}");
    assert!(ran.stderr.contains("hint: The drain goes on with each reconcile"), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_keeps_its_time_though_a_cluster_is_silent() {
    let timeout = Duration::from_secs(10);
    for hangs in [
        |sent: &Sent| sent.cluster == "west",
        |sent: &Sent| sent.cluster == "west" && sent.mutating,
    ] {
        let stage = with_jobs(&NAMES[..3]).await;
        let fate =
            move |sent: &Sent| if hangs(sent) { Fate::Hang(When::Before) } else { Fate::Pass };
        stage.net.watch(move |sent, _| fate(sent));
        let begun = Instant::now();
        let delete = "job delete a b c --cascade=background --timeout=10s";
        let ran = stage.run(delete).await;
        assert!(begun.elapsed() <= timeout, "{:?}: {ran:?}", begun.elapsed());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stderr.contains("did not answer in time"), "it may not have been asked");
        assert_eq!(ran.stdout.matches("is being deleted from default").count(), 3, "{ran:?}");
        // What answers is not kept waiting.
        let left = stage.jobs().len();
        assert_eq!(left, 3, "{ran:?}");
        stage.net.heal();
        stage.must("reconcile").await;
        stage.nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_answer_delete_at_once_though_another_hangs() {
    let stage = with_jobs(&NAMES[..3]).await;
    let hangs = |sent: &Sent| sent.cluster == "west";
    let fate = move |sent: &Sent| if hangs(sent) { Fate::Hang(When::Before) } else { Fate::Pass };
    stage.net.watch(move |sent, _| fate(sent));
    let look = async {
        sleep(Duration::from_secs(2)).await;
        stage.jobs().len()
    };
    let (ran, left) = tokio::join!(stage.run("job delete a b c --cascade=background"), look);
    assert_eq!((ran.code, left), (1, 3), "{ran:?}");
    assert_eq!(ran.stdout.matches("is being deleted from default").count(), 3, "{ran:?}");
    assert_eq!(lines(&ran, |line| line.contains("[west]")), 1, "{}", ran.stderr);
    stage.net.heal();
    stage.must("reconcile").await;
    stage.nothing_left();
}

/// What is in a cluster that was declared lost is left behind only if that does not answer.
/// What a deletion leaves behind if it gets no answer is waited for.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_given_up_and_answers_late_deletes_its_jobs_too() {
    for uncordoned in [false, true] {
        let stage = with_jobs(&NAMES[..1]).await;
        if uncordoned {
            stage.net.watch(|sent, _| match sent.cluster.as_str() {
                "west" => Fate::Refused,
                _ => Fate::Pass,
            });
        }
        stage.must("cluster lost west --yes").await;
        if uncordoned {
            // Its shard stays given up until the cluster has been seen.
            stage.must("cluster uncordon west").await;
        }
        stage.net.watch(|sent, _| match sent.cluster.as_str() {
            "west" => Fate::Delay(Duration::from_secs(2)),
            _ => Fate::Pass,
        });
        let ran = stage.must("job delete a --cascade=background").await;
        assert!(!ran.stderr.contains("is not deleted"), "{ran:?}");
        stage.nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_keeps_its_time_and_names_who_is_silent() {
    const WAIT: &str = "--for=condition=complete --timeout=10s";
    let waits = [
        ("west", format!("job wait a b {WAIT}")),
        ("east", format!("job wait a b {WAIT}")),
        ("east", format!("job wait --selector=team=math {WAIT}")),
        ("west", format!("job wait --all {WAIT}")),
        ("east", "job apply -f pi.yaml --wait --timeout=10s".to_owned()),
        ("west", "cluster drain north --timeout=10s".to_owned()),
    ];
    for (silent, command) in waits {
        let stage = with_jobs(&NAMES[..2]).await;
        let begun = Instant::now();
        // An apply is done by then.
        let since = Duration::from_secs(command.contains("apply").into());
        stage.net.watch(move |sent, _| {
            let hangs = sent.cluster == silent && begun.elapsed() >= since;
            if hangs { Fate::Hang(When::Before) } else { Fate::Pass }
        });
        let ran = stage.run(&command).await;
        let most = since + Duration::from_secs(11);
        assert!(begun.elapsed() <= most, "{command}: {:?}", begun.elapsed());
        let named = format!("Warning: [{silent}] it did not answer before the time was over\n");
        assert!(ran.code == 1 && ran.stderr.contains(&named), "{command}: {ran:?}");
        let times = ran.stderr.matches("timed out waiting for the condition").count();
        assert!(times <= 2 && (times > 0 || command.contains("drain")), "{command}: {ran:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_a_command_while_the_host_hangs_learns_that_nothing_was_begun() {
    let stage = with_jobs(&NAMES[..1]).await;
    stage.net.watch(|sent, _| match sent.cluster.as_str() {
        "east" => Fate::Hang(When::Before),
        _ => Fate::Pass,
    });
    for (command, what) in [
        (CREATE, "created"),
        ("job apply -f pi.yaml", "configured"),
        ("job scale a --parallelism=3", "scaled"),
        ("job suspend a", "suspended"),
        ("job retry a", "created"),
        ("job adopt a --clusters=west", "adopted"),
        ("job recover a", "recovered"),
        ("job delete a --cascade=background", "deleted"),
        ("orphans clean --yes", "deleted"),
        ("reconcile a", "reconciled"),
    ] {
        let ran = stage.interrupted_after(Duration::from_millis(500), command).await;
        let said = format!("error: interrupted before any job was {what}\n");
        assert_eq!((ran.code, ran.stderr), (130, said), "{command}");
    }
}
