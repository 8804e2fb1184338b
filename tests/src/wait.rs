//! Waiting for a condition instead of a length of time.

use std::time::{Duration, Instant};

const ASK_EVERY: Duration = Duration::from_millis(10);

/// Asks until the answer is there; panics with `what` after `within`.
pub async fn until<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {within:?} in vain: {what}"
        );
        tokio::time::sleep(ASK_EVERY).await;
    }
}
