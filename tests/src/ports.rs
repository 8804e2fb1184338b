//! Ports for stacks that run at once, in this process and in others.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;

/// Stacks of `up` listen within 200 ports above their bases; offsets are this far apart.
const STEP: u16 = 100;
const SLOTS: u16 = 150;
/// Away from the ports that a developer's own stack uses.
const FIRST: u16 = 1_000;

/// An offset that nobody else uses while this value lives.
#[derive(Debug)]
pub struct PortOffset {
    pub offset: u16,
    _lock: File,
}

impl PortOffset {
    /// Takes the first free slot. Slots differ by 100, bases by 1,100 at most: the bases 8000 to
    /// 8080 and 9100 of different slots could meet, so only every other thousand is used.
    pub fn take() -> Self {
        let folder = std::env::temp_dir().join("tollgate-e2e-ports");
        std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
        (0..SLOTS)
            .filter_map(|slot| Self::try_slot(folder.join(slot.to_string()), slot))
            .next()
            .expect("one of 150 slots is free")
    }

    fn try_slot(path: PathBuf, slot: u16) -> Option<Self> {
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .ok()?;
        lock.try_lock().ok()?;
        // 1,000 to 1,900, 3,000 to 3,900, …: gateway and admin ports are 1,100 apart.
        let offset = FIRST + (slot / 10) * 1_000 * 2 % 20_000 + (slot % 10) * STEP;
        Some(Self {
            offset,
            _lock: lock,
        })
    }
}
