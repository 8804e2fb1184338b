//! The longest that a caller waits for an answer. Whatever a handler waits for, above all a database
//! that took a statement and fell silent, its caller gets a problem in time.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::problem::Problem;

/// Of pages and the JSON API.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Of nodes' calls, whose polls are held open for up to 25 seconds.
pub const ANSWER_NODES_WITHIN: Duration = Duration::from_secs(40);

/// Around a handler: drops it when the time is over, which rolls its transaction back.
pub async fn limit(State(within): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(within_s = within.as_secs(), "a request took too long");
            let detail = "the answer took too long; try again in a moment";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Problem::new(status, "took_too_long", detail).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::handler::Handler;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt as _;

    use super::*;

    async fn status_of<T: 'static>(handler: impl Handler<T, ()>) -> StatusCode {
        let router = Router::new()
            .fallback(handler)
            .layer(from_fn_with_state(Duration::from_millis(20), limit));
        let answer = router.oneshot(Request::new(Body::empty())).await;
        answer.expect("an answer").status()
    }

    #[tokio::test]
    async fn a_handler_that_never_answers_is_given_up_with_a_problem() {
        assert_eq!(status_of(|| async {}).await, StatusCode::OK);
        let silent = status_of(std::future::pending::<()>).await;
        assert_eq!(silent, StatusCode::SERVICE_UNAVAILABLE);
    }
}
