//! Things that are opened ahead, in order, while one of them is used.

use std::collections::VecDeque;

use futures::{StreamExt as _, stream::FuturesOrdered};

/// What is opened ahead. All that is being opened is polled also while one is used: it may hold
/// leave to send a request, and the one that is used may need that to go on.
pub(super) struct Ahead<I: Iterator<Item: Future>> {
    rest: I,
    most: usize,
    opening: FuturesOrdered<I::Item>,
    opened: VecDeque<<I::Item as Future>::Output>,
}

impl<I: Iterator<Item: Future>> Ahead<I> {
    /// At most `most` are open at once, with the one that is used. That is at least 1.
    pub fn new(rest: I, most: usize) -> Self {
        Self { rest, most, opening: FuturesOrdered::new(), opened: VecDeque::new() }
    }

    /// The next that is opened; none at the end.
    pub async fn next(&mut self) -> Option<<I::Item as Future>::Output> {
        self.fill(self.most);
        match self.opened.pop_front() {
            Some(next) => Some(next),
            None => self.opening.next().await,
        }
    }

    /// Uses one while others are opened.
    pub async fn beside<T>(&mut self, used: impl Future<Output = T>) -> T {
        let mut used = std::pin::pin!(used);
        self.fill(self.most - 1);
        loop {
            tokio::select! {
                ended = &mut used => return ended,
                Some(opened) = self.opening.next() => self.opened.push_back(opened),
            }
        }
    }

    fn fill(&mut self, most: usize) {
        let room = most.saturating_sub(self.opening.len() + self.opened.len());
        self.opening.extend(self.rest.by_ref().take(room));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_opened_ahead_keeps_nothing_that_the_one_needs_that_is_used() {
        let turns = Semaphore::new(2);
        let (now, most) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
        let open = async |n: u64| {
            let _turn = turns.acquire().await.expect("it is open");
            tokio::time::sleep(Duration::from_secs(10 - n)).await;
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            n
        };
        let mut ahead = Ahead::new((0..10).map(open), 4);
        let mut used = Vec::new();
        while let Some(n) = ahead.next().await {
            let again = async {
                let _turn = turns.acquire().await.expect("it is open");
                tokio::time::sleep(Duration::from_mins(1)).await;
            };
            ahead.beside(again).await;
            now.set(now.get() - 1);
            used.push(n);
        }
        assert_eq!(used, (0..10).collect::<Vec<_>>());
        assert_eq!(most.get(), 4, "one is used, and three are opened ahead");
    }
}
