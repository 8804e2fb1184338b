//! Counters that outlive snapshots, by id. The cores reach them through what was compiled; the
//! look-up here happens once per counter and snapshot, never per request.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use snapshot::id::{ApiKeyId, RouteId, SubscriptionId, TenantId};

use crate::gcra::Gcra;
use crate::in_flight::InFlight;
use crate::quota::QuotaSlot;
use crate::rate_share::RateShare;

/// What is counted per subscription.
#[derive(Debug)]
pub struct SubscriptionState {
    pub rate: RateShare,
    pub(crate) in_flight: InFlight,
}

/// All counters of a node, cheap to clone. A counter lives while a snapshot or a request uses it.
#[derive(Debug, Clone, Default)]
pub struct Registry(Arc<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    subscriptions: Shelf<SubscriptionId, SubscriptionState>,
    keys: Shelf<ApiKeyId, Gcra>,
    routes: Shelf<RouteId, Gcra>,
    quotas: Shelf<(TenantId, Arc<str>), QuotaSlot>,
}

impl Registry {
    pub(crate) fn subscription(&self, id: SubscriptionId) -> Arc<SubscriptionState> {
        self.0.subscriptions.get(id, || SubscriptionState {
            rate: RateShare::new(id),
            in_flight: InFlight::default(),
        })
    }

    pub(crate) fn key(&self, id: ApiKeyId) -> Arc<Gcra> {
        self.0.keys.get(id, Gcra::default)
    }

    pub(crate) fn route(&self, id: RouteId) -> Arc<Gcra> {
        self.0.routes.get(id, Gcra::default)
    }

    /// The quota slot of a tenant's group; the lease task asks for those it restored.
    pub fn quota(&self, tenant: TenantId, group: &str) -> Arc<QuotaSlot> {
        let group: Arc<str> = group.into();
        self.0
            .quotas
            .get((tenant, group.clone()), || QuotaSlot::new(tenant, group))
    }
}

#[derive(Debug)]
struct Shelf<K, V>(Mutex<Slots<K, V>>);

#[derive(Debug)]
struct Slots<K, V> {
    by_id: HashMap<K, Weak<V>>,
    /// Size at which abandoned slots are cleared away next.
    clear_at: usize,
}

impl<K, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Slots {
            by_id: HashMap::new(),
            clear_at: 1024,
        }))
    }
}

impl<K: Eq + Hash, V> Shelf<K, V> {
    fn get(&self, id: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = slots.by_id.get(&id).and_then(Weak::upgrade) {
            return found;
        }
        if slots.by_id.len() >= slots.clear_at {
            slots.by_id.retain(|_, slot| slot.strong_count() > 0);
            slots.clear_at = (slots.by_id.len() * 2).max(1024);
        }
        let made = Arc::new(make());
        slots.by_id.insert(id, Arc::downgrade(&made));
        made
    }
}
