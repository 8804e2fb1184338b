//! How many client connections the node holds, in all and of each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Limits;
use crate::shared::Shared;

/// Shared by all cores; locked once when a connection begins and once when it ends.
pub(super) struct Door {
    shared: Arc<Shared>,
    connections_max: u64,
    per_address_max: u32,
    per_address: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection's place. Dropping it makes room.
pub(super) struct Entered {
    door: Arc<Door>,
    address: IpAddr,
}

impl Door {
    pub(super) fn new(limits: &Limits, shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            connections_max: limits.connections_max,
            per_address_max: limits.connections_per_address_max,
            per_address: Mutex::default(),
        })
    }

    /// None where there is no room.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let gauges = &self.shared.gauges;
        let open = gauges.client_connections.fetch_add(1, Ordering::Relaxed);
        if open >= self.connections_max || !self.count_in(address) {
            gauges.client_connections.fetch_sub(1, Ordering::Relaxed);
            gauges
                .client_connections_refused
                .fetch_add(1, Ordering::Relaxed);
            return None;
        }
        gauges
            .client_connections_accepted
            .fetch_add(1, Ordering::Relaxed);
        Some(Entered {
            door: self.clone(),
            address,
        })
    }

    fn count_in(&self, address: IpAddr) -> bool {
        let mut per_address = self
            .per_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = per_address.entry(address).or_default();
        let has_room = *count < self.per_address_max;
        *count += u32::from(has_room);
        has_room
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let gauges = &self.door.shared.gauges;
        gauges.client_connections.fetch_sub(1, Ordering::Relaxed);
        let mut per_address = self
            .door
            .per_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                per_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_in_all_and_of_each_address() {
        let (shared, _inbox) = Shared::new();
        let limits = Limits {
            connections_max: 3,
            connections_per_address_max: 2,
            ..Limits::default()
        };
        let door = Door::new(&limits, shared);
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let first = door.enter(one);
        let second = door.enter(one);
        assert!(first.is_some() && second.is_some());
        assert!(door.enter(one).is_none(), "its address has two");
        let third = door.enter(two);
        assert!(third.is_some());
        assert!(
            door.enter(IpAddr::from([192, 0, 2, 3])).is_none(),
            "three in all"
        );
        drop(first);
        assert!(door.enter(one).is_some());
    }
}
