//! The file of lease balances: units that this node was granted and that no process has spent or
//! may be spending.
//!
//! Units are spent from memory only, and what stands in memory was subtracted from the file before.
//! So whatever the file holds can be spent by the process that has the state directory's lock, from
//! its first request on, whether or not the control plane has registered its incarnation yet and
//! under whichever incarnation the units were granted: they are out of the store's hands either
//! way, and every process that could have spent them is dead. Two things void the file: another boot of
//! the machine, where writes may have been lost and the clock that periods end by started anew; and
//! another lock file, which is how a copied directory shows.
//!
//! Writes are not flushed to the disk: what a crash of the machine could lose, the next boot voids.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use policy::quota::Held;
use prost::Message;
use snapshot::id::TenantId;

use super::state_dir::StateDir;
use crate::shared::Clock;

const FILE: &str = "balances";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";
/// `/proc/uptime` counts in hundredths of a second.
const UPTIME_STEP_MS: u64 = 10;

/// An entry: what is held of one tenant's quota in one period, not counting what is in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Balance {
    pub(crate) tenant_id: TenantId,
    pub(crate) group: Arc<str>,
    pub(crate) held: Held,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredBalances {
    #[prost(string, tag = "1")]
    boot_id: String,
    #[prost(uint64, tag = "2")]
    lock_device: u64,
    #[prost(uint64, tag = "3")]
    lock_inode: u64,
    #[prost(message, repeated, tag = "4")]
    balances: Vec<StoredBalance>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredBalance {
    #[prost(bytes = "vec", tag = "1")]
    tenant_id: Vec<u8>,
    #[prost(string, tag = "2")]
    group: String,
    #[prost(int64, tag = "3")]
    period_start_ms: i64,
    #[prost(uint64, tag = "4")]
    units: u64,
    /// Milliseconds since the machine started, here and below.
    #[prost(uint64, tag = "5")]
    starts_at_uptime_ms: u64,
    #[prost(uint64, tag = "6")]
    ends_at_uptime_ms: u64,
    #[prost(uint64, tag = "7")]
    limit: u64,
}

/// The file, and what makes its content this process's to spend.
#[derive(Debug)]
pub(crate) struct BalanceFile {
    dir: Arc<StateDir>,
    /// `None`: this system cannot tell its boots apart, so nothing is kept across processes.
    boot: Option<Boot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Boot {
    id: String,
    lock: (u64, u64),
    /// How long the machine had been up when the node's monotonic clock stood at zero.
    uptime_at_zero: Duration,
}

impl BalanceFile {
    /// The file of this state directory with what of it may be spent now.
    pub(crate) fn open(dir: Arc<StateDir>, clock: Clock) -> (Self, Vec<Balance>) {
        let boot = Boot::read(&dir, clock);
        let file = Self { dir, boot };
        let balances = file.load(clock.mono_ns());
        (file, balances)
    }

    /// Replaces the file's content, or where the disk takes nothing, removes it: what is in no file
    /// is spent by this process or by none. When this fails, what is not in `balances` may still
    /// stand in the file and must not be spent.
    pub(crate) fn write(&self, balances: &[Balance]) -> io::Result<()> {
        let Some(boot) = &self.boot else {
            return Ok(());
        };
        let stored = StoredBalances {
            boot_id: boot.id.clone(),
            lock_device: boot.lock.0,
            lock_inode: boot.lock.1,
            balances: balances.iter().map(|held| boot.to_stored(held)).collect(),
        };
        let written = self.dir.write_unflushed(FILE, &stored.encode_to_vec());
        written.or_else(|cause| self.dir.remove(FILE).map_err(|_| cause))
    }

    fn load(&self, now_ns: u64) -> Vec<Balance> {
        let read = self.dir.read(FILE).unwrap_or_else(|cause| {
            tracing::error!(%cause, "stored lease balances are not used");
            None
        });
        let stored = read.and_then(|bytes| StoredBalances::decode(bytes.as_slice()).ok());
        let (Some(stored), Some(boot)) = (stored, &self.boot) else {
            return Vec::new();
        };
        if stored.boot_id != boot.id || (stored.lock_device, stored.lock_inode) != boot.lock {
            tracing::info!("stored lease balances are of another boot or directory and void");
            return Vec::new();
        }
        let balances = stored.balances.into_iter();
        balances
            .filter_map(|stored| boot.revive(stored))
            .filter(|balance| balance.held.ends_at_ns > now_ns && balance.held.units > 0)
            .collect()
    }
}

impl Boot {
    fn read(dir: &StateDir, clock: Clock) -> Option<Self> {
        let id = std::fs::read_to_string(BOOT_ID).ok()?.trim().to_owned();
        let uptime = std::fs::read_to_string(UPTIME).ok()?;
        let seconds: f64 = uptime.split_whitespace().next()?.parse().ok()?;
        let uptime = Duration::try_from_secs_f64(seconds).ok()?;
        let mono = Duration::from_nanos(clock.mono_ns());
        Some(Self {
            id,
            lock: dir.lock_identity().ok()?,
            uptime_at_zero: uptime.checked_sub(mono)?,
        })
    }

    fn to_stored(&self, balance: &Balance) -> StoredBalance {
        let uptime_ms = |mono_ns: u64| {
            let uptime = self.uptime_at_zero + Duration::from_nanos(mono_ns);
            u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
        };
        let held = &balance.held;
        StoredBalance {
            tenant_id: balance.tenant_id.to_bytes(),
            group: balance.group.as_ref().to_owned(),
            period_start_ms: held.period_start_ms,
            units: held.units,
            starts_at_uptime_ms: uptime_ms(held.starts_at_ns),
            ends_at_uptime_ms: uptime_ms(held.ends_at_ns),
            limit: held.limit,
        }
    }

    /// Rounded so that a period neither begins early nor ends late.
    fn revive(&self, stored: StoredBalance) -> Option<Balance> {
        let mono_ns = |uptime_ms: u64| {
            let mono = Duration::from_millis(uptime_ms).saturating_sub(self.uptime_at_zero);
            u64::try_from(mono.as_nanos()).unwrap_or(u64::MAX)
        };
        Some(Balance {
            tenant_id: TenantId::from_bytes(&stored.tenant_id).ok()?,
            group: stored.group.into(),
            held: Held {
                period_start_ms: stored.period_start_ms,
                units: stored.units,
                limit: stored.limit,
                starts_at_ns: mono_ns(stored.starts_at_uptime_ms.saturating_add(UPTIME_STEP_MS)),
                ends_at_ns: mono_ns(stored.ends_at_uptime_ms.saturating_sub(UPTIME_STEP_MS)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::TempDir;
    use crate::shared::Shared;

    fn balance(units: u64) -> Balance {
        Balance {
            tenant_id: TenantId(uuid::Uuid::from_u128(1)),
            group: "default".into(),
            held: Held {
                period_start_ms: 1_000,
                units,
                limit: 100,
                starts_at_ns: 0,
                ends_at_ns: 3_600_000_000_000,
            },
        }
    }

    fn clock() -> Clock {
        Shared::new().0.clock
    }

    #[test]
    fn the_next_process_of_the_same_boot_finds_the_balances() {
        let temp = TempDir::new();
        let dir = Arc::new(StateDir::open(temp.path()).expect("opens"));
        let (file, found) = BalanceFile::open(dir.clone(), clock());
        assert_eq!(found, []);
        file.write(&[balance(7), balance(0)]).expect("writes");
        let (_, found) = BalanceFile::open(dir, clock());
        let units: Vec<u64> = found.iter().map(|found| found.held.units).collect();
        assert_eq!(units, [7]);
        // Both clocks started at about the same time.
        let ends_at_ns = found[0].held.ends_at_ns;
        assert!(
            (3_590_000_000_000..3_600_000_000_000).contains(&ends_at_ns),
            "{ends_at_ns}"
        );
    }

    #[test]
    fn another_boot_voids_the_balances() {
        let temp = TempDir::new();
        let dir = Arc::new(StateDir::open(temp.path()).expect("opens"));
        let (mut file, _) = BalanceFile::open(dir.clone(), clock());
        if let Some(boot) = &mut file.boot {
            boot.id = String::from("another");
        }
        file.write(&[balance(7)]).expect("writes");
        assert_eq!(BalanceFile::open(dir, clock()).1, []);
    }

    #[test]
    fn a_copied_state_directory_has_no_balances() {
        let temp = TempDir::new();
        let dir = Arc::new(StateDir::open(&temp.path().join("a")).expect("opens"));
        let (file, _) = BalanceFile::open(dir.clone(), clock());
        file.write(&[balance(7)]).expect("writes");
        let copy = Arc::new(StateDir::open(&temp.path().join("b")).expect("opens"));
        std::fs::copy(dir.path(FILE), copy.path(FILE)).expect("copies");
        assert_eq!(BalanceFile::open(copy, clock()).1, []);
    }

    #[test]
    fn an_ended_period_holds_nothing() {
        let temp = TempDir::new();
        let dir = Arc::new(StateDir::open(temp.path()).expect("opens"));
        let clock = clock();
        let (file, _) = BalanceFile::open(dir.clone(), clock);
        let mut ended = balance(7);
        ended.held.ends_at_ns = clock.mono_ns();
        file.write(&[ended]).expect("writes");
        assert_eq!(BalanceFile::open(dir, clock).1, []);
    }
}
