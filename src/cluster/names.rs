//! The look-up of hosts' names. A look-up takes a thread of the system, so that few run at once.
//! The same name is looked up once for all who ask for it together.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

/// How many names are looked up at once.
const AT_ONCE: usize = 64;

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

/// A look-up that is under way or has ended; an error as its kind and its words.
type Answer = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, (io::ErrorKind, String)>>>;

struct Known {
    answer: Answer,
    asked: Instant,
}

impl Names {
    /// Names as the system knows them.
    pub fn of_system() -> Self {
        Self::by(Box::new(|name| {
            async { Ok(GaiResolver::new().oneshot(name).await?.collect()) }.boxed()
        }))
    }

    fn by(look_up: LookUp) -> Self {
        let (turns, known) = (Semaphore::new(AT_ONCE), Mutex::default());
        Self(Arc::new(Inner { look_up, turns, known }))
    }

    fn answer(&self, name: Name) -> Answer {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |known: &Known| match known.answer.peek() {
            None => true,
            Some(answer) => answer.is_ok() && known.asked.elapsed() < KEPT,
        };
        match known.get(name.as_str()).filter(|known| is_fresh(known)) {
            Some(known) => known.answer.clone(),
            None => {
                let text = name.as_str().to_owned();
                let answer = self.clone().ask(name).boxed().shared();
                known.insert(text, Known { answer: answer.clone(), asked: Instant::now() });
                answer
            }
        }
    }

    async fn ask(self, name: Name) -> Result<Vec<SocketAddr>, (io::ErrorKind, String)> {
        let _turn = self.0.turns.acquire().await.expect("it is never closed");
        let found = (self.0.look_up)(name).await;
        found.map_err(|error| (error.kind(), error.to_string()))
    }
}

impl Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let answer = self.answer(name);
        let found = async {
            let found = answer.await.map_err(|(kind, words)| io::Error::new(kind, words))?;
            Ok(found.into_iter())
        };
        found.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

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
        let look_up = async |name: &str| names.clone().oneshot(name.parse().expect("a name")).await;
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
