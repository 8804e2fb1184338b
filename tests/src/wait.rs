//! Waiting for a condition instead of a length of time.

use std::time::{Duration, Instant};

use tokio::process::Child;

const ASK_EVERY: Duration = Duration::from_millis(10);

const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// Kills a process and waits until it is gone: only then are its ports anybody's.
pub(crate) fn end(child: &mut Child) {
    let deadline = Instant::now() + ENDED_WITHIN;
    let _ = child.start_kill();
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(ASK_EVERY);
    }
}

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
