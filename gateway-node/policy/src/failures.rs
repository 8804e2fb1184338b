//! Failed authentications per client address: a table of fixed size whose buckets only failures
//! fill, so that guessing is slowed before any cryptography and an attacker cannot grow memory.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

const SLOTS: usize = 1 << 14;
/// Failures that an address may have at once.
const BURST: u64 = 60;
/// One failure is forgiven this often.
const FORGIVE_EVERY_NS: u64 = 1_000_000_000;

/// One word per bucket: when it would be empty again, in nanoseconds of the monotonic clock.
/// Addresses that share a bucket share its fate; the seed keeps an attacker from choosing whom
/// they share it with.
pub struct Failures {
    seed: RandomState,
    empty_at: Box<[AtomicU64]>,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            seed: RandomState::new(),
            empty_at: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl std::fmt::Debug for Failures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Failures(…)")
    }
}

impl Failures {
    /// Seconds until the address may try again; `None`: now.
    pub(crate) fn wait_s(&self, address: IpAddr, now_ns: u64) -> Option<u64> {
        let empty_at = self.bucket(address).load(Ordering::Relaxed);
        let full = now_ns.saturating_add(BURST * FORGIVE_EVERY_NS);
        let over = empty_at
            .saturating_add(FORGIVE_EVERY_NS)
            .checked_sub(full)
            .filter(|over| *over > 0)?;
        Some(over.div_ceil(1_000_000_000))
    }

    pub(crate) fn record(&self, address: IpAddr, now_ns: u64) {
        let fill = |empty_at: u64| Some(empty_at.max(now_ns).saturating_add(FORGIVE_EVERY_NS));
        let _ = self
            .bucket(address)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
    }

    /// IPv6 clients own a /64 and more: the bucket is the network's.
    fn bucket(&self, address: IpAddr) -> &AtomicU64 {
        let network = match address.to_canonical() {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        };
        &self.empty_at[self.seed.hash_one(network) as usize % SLOTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slowed_after_its_burst_of_failures_and_forgiven_over_time() {
        let failures = Failures::default();
        let address: IpAddr = "192.0.2.1".parse().expect("an address");
        let second = 1_000_000_000;
        for _ in 0..BURST {
            assert_eq!(failures.wait_s(address, 5 * second), None);
            failures.record(address, 5 * second);
        }
        assert_eq!(failures.wait_s(address, 5 * second), Some(1));
        assert_eq!(failures.wait_s(address, 6 * second), None);
    }
}
