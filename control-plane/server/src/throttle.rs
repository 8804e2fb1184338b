//! How often strangers may try things here, by their address or by whom it would reach. Counted in
//! this process: a bound on nuisance, beside the counts in the database that protect accounts.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;

use snapshot::chunk::sha256;
use time::Duration;

use crate::clock::Now;

/// More callers than this at once are forgotten rather than remembered at any cost.
const CALLERS_MAX: usize = 50_000;

/// All throttles of a control plane.
#[derive(Debug)]
pub struct Throttles {
    /// Wrong passwords and codes, by the client's address.
    pub attempts: Throttle<Network>,
    /// Requests that send a mail, by the client's address.
    pub asks: Throttle<Network>,
    /// Mails to one address, whoever asks for them.
    pub mails: Throttle<[u8; 32]>,
}

impl Default for Throttles {
    fn default() -> Self {
        Self {
            attempts: Throttle::new(30, Duration::seconds(10)),
            asks: Throttle::new(20, Duration::minutes(3)),
            mails: Throttle::new(3, Duration::minutes(5)),
        }
    }
}

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

/// The key of mails to an address, which itself is not kept.
pub(crate) fn mailbox(email: &str) -> [u8; 32] {
    sha256(email.as_bytes())
}

/// A token bucket per key (GCRA: kept is the instant at which the bucket is full again).
#[derive(Debug)]
pub struct Throttle<K> {
    burst: i32,
    every: Duration,
    full_at_ms: Mutex<HashMap<K, i64>>,
}

/// Come back after this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany(pub Duration);

impl<K: Copy + Eq + Hash> Throttle<K> {
    /// `burst` at once, then one per `every`.
    pub fn new(burst: i32, every: Duration) -> Self {
        Self {
            burst,
            every,
            full_at_ms: Mutex::default(),
        }
    }

    pub fn take(&self, key: K, now: Now) -> Result<(), TooMany> {
        let now_ms = now.unix_ms();
        let mut callers = self.lock();
        if callers.len() >= CALLERS_MAX {
            callers.retain(|_, full_at| *full_at > now_ms);
            if callers.len() >= CALLERS_MAX {
                callers.clear();
            }
        }
        let every_ms = self.every_ms();
        let full_at = callers.get(&key).copied().unwrap_or(0).max(now_ms);
        let empty_for = full_at + every_ms - now_ms - every_ms * i64::from(self.burst);
        if empty_for > 0 {
            return Err(TooMany(Duration::milliseconds(empty_for)));
        }
        callers.insert(key, full_at + every_ms);
        Ok(())
    }

    /// What was taken turned out not to count.
    pub fn give_back(&self, key: K) {
        let every_ms = self.every_ms();
        if let Some(full_at) = self.lock().get_mut(&key) {
            *full_at -= every_ms;
        }
    }

    fn every_ms(&self) -> i64 {
        i64::try_from(self.every.whole_milliseconds()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, i64>> {
        // What is inside is right after every statement, so a panic elsewhere does no harm.
        self.full_at_ms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn at(seconds: i64) -> Now {
        Now(OffsetDateTime::UNIX_EPOCH + Duration::seconds(1_000_000 + seconds))
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let throttle = Throttle::new(2, Duration::seconds(10));
        assert!(throttle.take(1, at(0)).is_ok());
        assert!(throttle.take(1, at(0)).is_ok());
        assert_eq!(throttle.take(1, at(0)), Err(TooMany(Duration::seconds(10))));
        assert_eq!(throttle.take(1, at(9)), Err(TooMany(Duration::seconds(1))));
        assert!(throttle.take(1, at(10)).is_ok());
        assert!(throttle.take(1, at(10)).is_err());
        assert!(throttle.take(2, at(10)).is_ok());
        throttle.give_back(1);
        assert!(throttle.take(1, at(10)).is_ok());
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
