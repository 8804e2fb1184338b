//! Tenants in memory, with their subscriptions and the counters that hang on them.

use std::sync::{Arc, OnceLock};

use snapshot::document;
use snapshot::id::{ApiId, PlanId, SubscriptionId, TenantId};
use snapshot::trie::{Entry, Tree};
use snapshot::{DecodeError, decode};

use crate::api::rate_limit;
use crate::compile::CompileError;
use crate::gcra::RateLimit;
use crate::quota::{Pace, QuotaSlot, Terms};
use crate::registry::{Registry, SubscriptionState};

const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// One leaf of the map of tenants, sorted by id.
#[derive(Debug)]
pub(crate) struct TenantLeaf(Box<[Tenant]>);

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) is_suspended: bool,
    pub(crate) is_refused: bool,
    subscriptions: Box<[Subscription]>,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) plan_id: PlanId,
    pub(crate) plan_version: u32,
    api_ids: Box<[ApiId]>,
    /// Reached for the first time by the first request, so that idle tenants cost nothing.
    state: OnceLock<Arc<SubscriptionState>>,
    quota: OnceLock<Arc<QuotaSlot>>,
}

impl TenantLeaf {
    pub(crate) fn compile(entries: &[Entry]) -> Result<Self, CompileError> {
        let mut tenants = Vec::with_capacity(entries.len());
        for entry in entries {
            let document: document::Tenant = decode("tenant", &entry.value, DOCUMENT_BYTES_MAX)?;
            if document.id != entry.key {
                return Err(DecodeError::NotCanonical { what: "tenant" }.into());
            }
            tenants.push(Tenant::compile(&document)?);
        }
        tenants.sort_by_key(|tenant| tenant.id);
        Ok(Self(tenants.into()))
    }

    fn find(&self, id: TenantId) -> Option<&Tenant> {
        let place = self.0.binary_search_by_key(&id, |tenant| tenant.id).ok()?;
        self.0.get(place)
    }
}

/// Finds a tenant by its id and (the beginning of) its path in the map.
pub(crate) fn find<'t>(
    tree: &'t Tree<TenantLeaf>,
    id: TenantId,
    path: &[u8; 32],
) -> Option<&'t Tenant> {
    tree.leaf(path)?.find(id)
}

impl Tenant {
    fn compile(document: &document::Tenant) -> Result<Self, CompileError> {
        let subscriptions: Result<Vec<Subscription>, CompileError> = document
            .subscriptions
            .iter()
            .map(Subscription::compile)
            .collect();
        Ok(Self {
            id: TenantId::from_bytes(&document.id)?,
            is_suspended: document.is_suspended,
            is_refused: document.refused.is_some(),
            subscriptions: subscriptions?.into(),
        })
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter()
    }

    /// The one subscription that opens the API.
    pub(crate) fn subscription_for(&self, api: ApiId) -> Option<&Subscription> {
        self.subscriptions
            .iter()
            .find(|subscription| subscription.api_ids.contains(&api))
    }
}

impl Subscription {
    fn compile(document: &document::Subscription) -> Result<Self, CompileError> {
        let api_ids: Result<Vec<ApiId>, DecodeError> = document
            .api_ids
            .iter()
            .map(|id| ApiId::from_bytes(id))
            .collect();
        Ok(Self {
            id: SubscriptionId::from_bytes(&document.id)?,
            plan_id: PlanId::from_bytes(&document.plan_id)?,
            plan_version: document.plan_version,
            api_ids: api_ids?.into(),
            state: OnceLock::new(),
            quota: OnceLock::new(),
        })
    }

    pub(crate) fn terms(&self) -> Terms {
        (self.plan_id, self.plan_version)
    }

    pub(crate) fn state(&self, registry: &Registry) -> &Arc<SubscriptionState> {
        self.state.get_or_init(|| registry.subscription(self.id))
    }

    /// A version of a plan never changes, so neither does the group.
    pub(crate) fn quota(
        &self,
        tenant: TenantId,
        group: &str,
        registry: &Registry,
    ) -> &Arc<QuotaSlot> {
        self.quota.get_or_init(|| registry.quota(tenant, group))
    }
}

/// One version of a plan.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) rate_on_store_down: document::OnStoreDown,
    pub(crate) quota: Option<Quota>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) scopes: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Quota {
    pub(crate) group: String,
    pub(crate) limit: u64,
    pub(crate) period: document::Period,
    pub(crate) on_store_down: document::OnStoreDown,
}

impl Quota {
    /// Months count as the longest, so that a share is never larger than the even pace.
    pub(crate) fn pace(&self) -> Pace {
        let days = match self.period {
            document::Period::Day => 1,
            document::Period::Week => 7,
            document::Period::Month | document::Period::Unspecified => 31,
        };
        Pace {
            limit: self.limit,
            period_ns: days * 86_400 * 1_000_000_000,
        }
    }
}

impl Plan {
    pub(crate) fn compile(document: document::Plan) -> Result<Self, CompileError> {
        let invalid = |detail: &str| DecodeError::Invalid {
            what: "plan",
            detail: detail.to_owned(),
        };
        let rate = match &document.rate {
            None => None,
            Some(rate) => Some(rate_limit(rate).ok_or_else(|| invalid("rate"))?),
        };
        let rate_on_store_down = match document.rate_on_store_down {
            None => document::OnStoreDown::LocalShare,
            Some(_) => document.rate_on_store_down(),
        };
        let quota = match document.quota {
            None => None,
            Some(quota) => Some(Quota {
                period: match quota.period() {
                    document::Period::Unspecified => return Err(invalid("quota period").into()),
                    period => period,
                },
                on_store_down: quota.on_store_down(),
                limit: quota.limit,
                group: quota.group,
            }),
        };
        Ok(Self {
            rate_on_store_down,
            name: document.name,
            rate,
            quota,
            concurrency: document.concurrency,
            scopes: document.scopes,
        })
    }
}
