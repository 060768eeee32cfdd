//! The look-up of hosts' names. A look-up takes a thread of the system, so that few run at once.
//! The same name is looked up once for all who ask for it together. A look-up goes on where nobody
//! waits for it any more, so that it keeps no turn from others.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt as _};

use super::patience::Queue;

/// How many names are looked up at once, without those that take longer than [`SLOW`].
const AT_ONCE: usize = 64;

/// After this time a look-up gives its turn to the next. Where the servers of one domain are
/// silent, the system waits for each of its names for many seconds.
const SLOW: Duration = Duration::from_secs(1);

/// How long the addresses of a name are kept. A command may run for hours, and names move.
const KEPT: Duration = Duration::from_secs(10);

/// Looks up names for all connections of a process. IP addresses do not get here.
#[derive(Clone)]
pub(super) struct Names(Arc<Inner>);

struct Inner {
    look_up: LookUp,
    turns: Semaphore,
    known: Mutex<HashMap<String, Known>>,
}

type LookUp = Box<dyn Fn(Name) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The addresses of a name; an error as its kind and its words.
type Found = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

/// A look-up that waits for its turn, is under way or has ended.
#[derive(Clone)]
struct Answer {
    /// Its turn has come.
    begun: Shared<oneshot::Receiver<()>>,
    found: Shared<BoxFuture<'static, Found>>,
}

struct Known {
    answer: Answer,
    asked: Instant,
}

/// Looks up names for the connections to one server.
#[derive(Clone)]
pub(super) struct Resolver {
    names: Names,
    /// Counts what they wait for the turns of their look-ups.
    queue: Arc<Queue>,
}

impl Names {
    /// Names as the system knows them.
    pub fn of_system() -> Self {
        Self::by(Box::new(|name| {
            async { Ok(GaiResolver::new().oneshot(name).await?.collect()) }.boxed()
        }))
    }

    /// Looks up names for the connections whose waiting `queue` counts.
    pub fn resolver(&self, queue: &Arc<Queue>) -> Resolver {
        Resolver { names: self.clone(), queue: queue.clone() }
    }

    fn by(look_up: LookUp) -> Self {
        let (turns, known) = (Semaphore::new(AT_ONCE), Mutex::default());
        Self(Arc::new(Inner { look_up, turns, known }))
    }

    fn answer(&self, name: Name) -> Answer {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |known: &Known| match known.answer.found.peek() {
            None => true,
            Some(found) => found.is_ok() && known.asked.elapsed() < KEPT,
        };
        match known.get(name.as_str()).filter(|known| is_fresh(known)) {
            Some(known) => known.answer.clone(),
            None => {
                let text = name.as_str().to_owned();
                let (begins, begun) = oneshot::channel();
                let found = self.clone().ask(name, begins).boxed().shared();
                let answer = Answer { begun: begun.shared(), found };
                // It ends also where all who asked have given up.
                tokio::spawn(answer.found.clone());
                known.insert(text, Known { answer: answer.clone(), asked: Instant::now() });
                answer
            }
        }
    }

    async fn ask(self, name: Name, begins: oneshot::Sender<()>) -> Found {
        let turn = self.0.turns.acquire().await.expect("it is never closed");
        // Nobody may be waiting for it.
        let _ = begins.send(());
        let mut looked_up = (self.0.look_up)(name);
        let soon = timeout(SLOW, &mut looked_up).await;
        drop(turn);
        let found = match soon {
            Ok(found) => found,
            Err(_) => looked_up.await,
        };
        found.map_err(|error| (error.kind(), error.to_string()))
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Answer { begun, found } = self.names.answer(name);
        let queue = self.queue.clone();
        let found = async move {
            // An error is a look-up that was dropped, and has no answer either.
            let _ = queue.wait_for(begun).await;
            let found = found.await.map_err(|(kind, words)| io::Error::new(kind, words))?;
            Ok(found.into_iter())
        };
        found.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::cluster::patience::{BRIEF, Patience};

    async fn look_up(
        names: &Names,
        queue: &Arc<Queue>,
        name: &str,
    ) -> io::Result<std::vec::IntoIter<SocketAddr>> {
        names.resolver(queue).oneshot(name.parse().expect("a name")).await
    }

    /// Looks up names as requests do that may take this long, each for a server of its own. Says
    /// how many were found.
    async fn found_within(limit: Duration, names: &Names, hosts: &[String]) -> usize {
        let found = hosts.iter().map(async |host| {
            let queue = Arc::default();
            let mut patience = Patience::new(Some(limit), &queue);
            let found = patience.wait_for(look_up(names, &queue, host), || Box::new(())).await;
            found.is_ok_and(|found| found.is_ok())
        });
        futures::future::join_all(found).await.into_iter().filter(|found| *found).count()
    }

    fn hosts(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{prefix}-{n}")).collect()
    }

    /// Each is found after a moment, but those that hang after very long.
    fn some_hang() -> Names {
        Names::by(Box::new(|name| {
            async move {
                let hangs = name.as_str().starts_with("hangs");
                let takes = if hangs { 3_600_000 } else { 250 };
                tokio::time::sleep(Duration::from_millis(takes)).await;
                Ok(vec![([127, 0, 0, 1], 0).into()])
            }
            .boxed()
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn to_wait_for_the_look_up_of_others_takes_no_time_of_a_request() {
        assert_eq!(found_within(BRIEF, &some_hang(), &hosts("host", 1000)).await, 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_hang_and_that_nobody_waits_for_keep_no_others_from_their_turn() {
        let names = some_hang();
        let both = [hosts("hangs", 200), hosts("host", 800)].concat();
        let start = Instant::now();
        assert_eq!(found_within(BRIEF, &names, &both).await, 800);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert_eq!(names.0.turns.available_permits(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_ends_by_itself_and_its_failure_is_not_kept() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let names = Names::by(Box::new(move |_| {
            let place = count.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_secs(20)).await;
                if place == 0 { Err(io::Error::other("no such host")) } else { Ok(Vec::new()) }
            }
            .boxed()
        }));
        let patient = Duration::from_mins(1);
        assert_eq!(found_within(BRIEF, &names, &hosts("host", 1)).await, 0);
        tokio::time::sleep(patient).await;
        assert_eq!(found_within(patient, &names, &hosts("host", 1)).await, 1);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_once_for_all_and_few_at_once() {
        let (asked, now, most) =
            <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counts = (asked.clone(), now, most.clone());
        let names = Names::by(Box::new(move |name| {
            let (asked, now, most) = counts.clone();
            async move {
                asked.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                match name.as_str() {
                    "gone" => Err(io::Error::other("no such host")),
                    _ => Ok(vec![([127, 0, 0, 1], 0).into()]),
                }
            }
            .boxed()
        }));
        let queue = Arc::default();
        let look_up = async |name: &str| look_up(&names, &queue, name).await;
        let many: Vec<_> = (0..1000).map(|n| format!("host-{}", n % 200)).collect();
        let found = futures::future::join_all(many.iter().map(|name| look_up(name))).await;
        assert!(found.into_iter().all(|found| found.is_ok_and(|mut it| it.next().is_some())));
        assert_eq!((asked.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (200, AT_ONCE));
        // The last of them was asked for four seconds ago.
        look_up("host-199").await.expect("it is known");
        assert_eq!(asked.load(Ordering::SeqCst), 200);
        tokio::time::sleep(KEPT).await;
        look_up("host-199").await.expect("it is looked up again");
        assert_eq!(asked.load(Ordering::SeqCst), 201);
        for _ in 0..2 {
            let error = look_up("gone").await.expect_err("nobody has it");
            assert_eq!(error.to_string(), "no such host");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 203, "a failure is not kept");
    }
}
