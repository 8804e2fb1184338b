//! How often strangers may try things here, by their address or by whom it would reach. Counted in
//! the database, so that several control planes count together: a bound on nuisance, beside the
//! counts that protect each account.

use std::net::IpAddr;

use snapshot::chunk::sha256;
use store::PlatformTx;
use store::throttles::{self, Pace};
use time::Duration;

use crate::app::App;
use crate::clock::Now;

/// A limit per key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throttle {
    /// Keeps the buckets of limits apart.
    name: &'static str,
    pace: Pace,
}

/// Wrong passwords and codes, by the client's network.
pub(crate) const ATTEMPTS: Throttle = Throttle::new("attempts", 30, Duration::seconds(10));
/// Questions for a passkey, which write a session each, by the client's network: pages of sign-in ask
/// by themselves.
pub(crate) const QUESTIONS: Throttle = Throttle::new("questions", 120, Duration::seconds(2));
/// Requests that send a mail, by the client's network.
pub(crate) const ASKS: Throttle = Throttle::new("asks", 20, Duration::minutes(3));
/// Mails to one address, whoever asks for them.
pub(crate) const MAILS: Throttle = Throttle::new("mails", 3, Duration::minutes(5));
/// Wrong secrets, codes and tokens at the token endpoints, by the client's network.
pub(crate) const TOKENS: Throttle = Throttle::new("tokens", 60, Duration::seconds(2));

/// Sign-ins through other providers, which have us call them, by the client's network.
pub(crate) const PROVIDERS: Throttle = Throttle::new("providers", 60, Duration::seconds(5));

/// The network that counts as one client: an IPv4 address, or an IPv6 subnet of 64 bits, of which
/// one client has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let bits = u128::from(v6) & (u128::MAX << 64);
                IpAddr::V6(bits.into())
            }
            v4 => v4,
        })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Come back after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany(pub Duration);

impl Throttle {
    /// `burst` at once, then one per `every`.
    const fn new(name: &'static str, burst: i32, every: Duration) -> Self {
        Self {
            name,
            pace: Pace { burst, every },
        }
    }

    /// What is counted is kept as a hash: neither addresses nor mailboxes can be read from it.
    fn bucket(self, key: impl std::fmt::Display) -> [u8; 32] {
        sha256(format!("{} {key}", self.name).as_bytes())
    }

    /// Counts one, unless there were too many.
    pub(crate) async fn take(
        self,
        app: &App,
        key: impl std::fmt::Display,
        now: Now,
    ) -> store::Result<Result<(), TooMany>> {
        let mut tx = app.db.platform_tx().await?;
        let taken = self.take_in(&mut tx, key, now).await?;
        tx.commit().await?;
        Ok(taken)
    }

    /// As [`Throttle::take`], in a transaction that does more.
    pub(crate) async fn take_in(
        self,
        tx: &mut PlatformTx,
        key: impl std::fmt::Display,
        now: Now,
    ) -> store::Result<Result<(), TooMany>> {
        let wait = throttles::take(tx, &self.bucket(key), self.pace, now.0).await?;
        Ok(wait.map_or(Ok(()), |wait| Err(TooMany(wait))))
    }

    /// Whether one more would be too many; counts nothing and writes nothing, so that it can be
    /// part of any transaction.
    pub(crate) async fn look(
        self,
        tx: &mut PlatformTx,
        key: impl std::fmt::Display,
        now: Now,
    ) -> store::Result<Result<(), TooMany>> {
        let wait = throttles::look(tx, &self.bucket(key), self.pace, now.0).await?;
        Ok(wait.map_or(Ok(()), |wait| Err(TooMany(wait))))
    }

    /// What was taken turned out not to count.
    pub(crate) async fn give_back(
        self,
        app: &App,
        key: impl std::fmt::Display,
    ) -> store::Result<()> {
        let mut tx = app.db.platform_tx().await?;
        throttles::give_back(&mut tx, &self.bucket(key), self.pace).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stack;

    #[tokio::test]
    async fn a_burst_passes_and_then_one_at_a_time_also_when_all_come_at_once() {
        let stack = Stack::new().await;
        let throttle = Throttle::new("test", 2, Duration::seconds(10));
        // PostgreSQL keeps microseconds.
        let start = Now::read().0.replace_nanosecond(0).expect("a whole second");
        let at = |seconds| Now(start + Duration::seconds(seconds));
        let take = async |key, now| {
            let taken = throttle.take(&stack.app, key, now).await;
            taken.expect("the database answers")
        };
        let (a, b, c) = tokio::join!(take("1", at(0)), take("1", at(0)), take("1", at(0)));
        let passed = [a, b, c].iter().filter(|taken| taken.is_ok()).count();
        assert_eq!(passed, 2);
        assert_eq!(take("1", at(0)).await, Err(TooMany(Duration::seconds(10))));
        assert_eq!(take("1", at(9)).await, Err(TooMany(Duration::seconds(1))));
        assert_eq!(take("1", at(10)).await, Ok(()));
        assert!(take("1", at(10)).await.is_err());
        assert_eq!(take("2", at(10)).await, Ok(()));
        throttle
            .give_back(&stack.app, "1")
            .await
            .expect("gives back");
        let mut tx = stack.app.db.platform_tx().await.expect("begins");
        let looked = throttle.look(&mut tx, "1", at(10)).await;
        drop(tx);
        assert_eq!(looked.expect("looks"), Ok(()));
        assert_eq!(take("1", at(10)).await, Ok(()));
    }

    #[test]
    fn an_ipv6_subnet_is_one_client() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
