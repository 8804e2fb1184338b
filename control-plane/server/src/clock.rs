//! The one place that reads the wall clock.

use time::OffsetDateTime;

/// The instant of a request or a background cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub OffsetDateTime);

impl Now {
    pub fn read() -> Self {
        Self(OffsetDateTime::now_utc())
    }

    pub fn unix_ms(self) -> i64 {
        (self.0.unix_timestamp_nanos() / 1_000_000) as i64
    }

    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }
}

impl<S: Sync> axum::extract::FromRequestParts<S> for Now {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        _: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self::read())
    }
}
