//! Requests to many clusters side by side.

use futures::StreamExt as _;

/// How many are asked at once. Few of them wait for anything else than an answer: what a request
/// costs besides is bounded where it is sent, whoever asks.
pub const FAN_OUT: usize = 512;

/// Runs `ask` for every item, at most [`FAN_OUT`] at once. The answers have the order of the items.
/// A slow item does not delay the others.
pub async fn fan_out<I, T, F>(items: I, ask: impl FnMut(I::Item) -> F) -> Vec<T>
where
    I: IntoIterator,
    F: Future<Output = T>,
{
    fan_out_by(FAN_OUT, items, ask).await
}

/// The same, at most `most` at once, which is not 0.
pub async fn fan_out_by<I, T, F>(most: usize, items: I, ask: impl FnMut(I::Item) -> F) -> Vec<T>
where
    I: IntoIterator,
    F: Future<Output = T>,
{
    let mut answers: Vec<(usize, T)> =
        futures::stream::iter(items.into_iter().map(ask).enumerate())
            .map(|(place, answer)| async move { (place, answer.await) })
            .buffer_unordered(most)
            .collect()
            .await;
    answers.sort_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_have_the_order_of_the_items_and_the_limit_holds() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (now, most) = (&now, &most);
        let answers = fan_out(0..2000u64, |n| async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_millis(2000 - n)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            n
        })
        .await;
        assert_eq!(answers, (0..2000).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), FAN_OUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_that_hangs_does_not_delay_the_others() {
        let start = tokio::time::Instant::now();
        fan_out(0..5120u64, |n| {
            tokio::time::sleep(std::time::Duration::from_secs(if n == 0 { 30 } else { 1 }))
        })
        .await;
        assert_eq!(start.elapsed().as_secs(), 30);
    }
}
