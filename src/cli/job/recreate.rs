//! The question before a change stops pods that run.

use crate::{
    cli::{Confirmation, Session},
    error::Result,
    federation::{self, Stopped},
    print::counted,
};

/// Makes a change by `attempt`, which is given whether pods that run may be stopped. Where the
/// change stops some and `yes` was not given, asks, and makes it then.
///
/// # Errors
/// The user does not say yes, or what `attempt` gives: the user ended it. Nothing was written.
pub(super) async fn asking<T>(
    session: &Session<'_>,
    yes: bool,
    attempt: impl AsyncFn(bool) -> Result<Result<T, federation::Error>>,
) -> Result<Result<T, federation::Error>> {
    match attempt(yes).await? {
        Err(federation::Error::StopsWork(stopped)) => {
            let consequences: Vec<_> = stopped.iter().map(consequence).collect();
            Confirmation {
                consequences: &consequences,
                question: "Stop them, and run anew what they have not finished?",
                flag: "--yes",
                unchanged: "nothing was changed",
            }
            .ask(session.world(), false)
            .await?;
            attempt(true).await
        }
        done => Ok(done),
    }
}

/// What becomes of the pods of a shard.
fn consequence(Stopped { job, shard, cluster, active }: &Stopped) -> String {
    // Of several shards in one cluster each is named.
    let name = if shard == job { String::new() } else { format!(" {shard}") };
    let shard = format!("job.batch/{job}: its shard{name} in cluster {cluster} is stopped");
    match active {
        Some(1) => format!("{shard}. 1 pod runs, and loses what it has not finished."),
        Some(active) => {
            format!(
                "{shard}. {} run, and lose what they have not finished.",
                counted(*active, "pod")
            )
        }
        None => format!(
            "{shard}. The cluster does not answer: pods that run there lose what they have not \
             finished."
        ),
    }
}
