//! The permission to forward one request, and what it reserved.

use std::sync::Arc;

use snapshot::id::{ApiKeyId, SubscriptionId, TenantId};

use crate::api::{Api, Route, Upstream};
use crate::authenticate::Carrier;
use crate::cors::Cors;
use crate::gcra::{Gcra, Taken};
use crate::headers::LimitReport;
use crate::quota::{QuotaSlot, Unit};
use crate::registry::SubscriptionState;
use crate::tenants::Plan;

/// How a forwarded request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered; it counts whatever the status.
    Completed { status: u16 },
    /// Client or upstream broke off after the request had reached the upstream; it counts.
    Aborted,
    /// The upstream could not be reached; rate and quota are given back.
    NotReached,
}

/// Who the caller is. Everything that is forwarded, logged and metered about it.
#[derive(Debug, Clone)]
pub struct Identity {
    pub tenant_id: TenantId,
    /// The person, or the client for itself; API keys have none.
    pub subject: Option<Arc<str>>,
    pub key_id: Option<ApiKeyId>,
    pub subscription_id: SubscriptionId,
    pub(crate) plan: Arc<Plan>,
    /// `None`: all of the plan's.
    pub(crate) narrowed_scopes: Option<Arc<[String]>>,
}

impl Identity {
    pub fn plan_name(&self) -> &str {
        &self.plan.name
    }

    /// What the caller may do: the plan's scopes, narrowed to the credential's.
    pub fn scopes(&self) -> &[String] {
        self.narrowed_scopes.as_deref().unwrap_or(&self.plan.scopes)
    }
}

/// What was taken for a request. Dropping it gives everything back.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    rates: [Option<(Taken, RateHolder)>; 3],
    in_flight: Option<Arc<SubscriptionState>>,
    quota: Option<(Arc<QuotaSlot>, Unit)>,
}

/// Where a rate's counter lives.
#[derive(Debug)]
pub(crate) enum RateHolder {
    Own(Arc<Gcra>),
    Subscription(Arc<SubscriptionState>),
}

impl RateHolder {
    pub(crate) fn gcra(&self) -> &Gcra {
        match self {
            RateHolder::Own(gcra) => gcra,
            RateHolder::Subscription(state) => &state.rate.bucket,
        }
    }
}

impl Reserved {
    pub(crate) fn add_rate(&mut self, taken: Taken, holder: RateHolder) {
        if let Some(place) = self.rates.iter_mut().find(|place| place.is_none()) {
            *place = Some((taken, holder));
        }
    }

    pub(crate) fn add_in_flight(&mut self, state: Arc<SubscriptionState>) {
        self.in_flight = Some(state);
    }

    pub(crate) fn add_quota(&mut self, slot: Arc<QuotaSlot>, unit: Unit) {
        self.quota = Some((slot, unit));
    }

    /// The request counts: only its place among those in flight is given back.
    fn keep(&mut self) {
        self.rates = Default::default();
        self.quota = None;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        for (taken, holder) in self.rates.iter_mut().filter_map(Option::take) {
            holder.gcra().give_back(taken);
        }
        if let Some((slot, unit)) = self.quota.take() {
            slot.give_back(unit);
        }
        if let Some(state) = &self.in_flight {
            state.in_flight.leave();
        }
    }
}

/// May forward one request. Settle it when the request has ended; dropping it gives everything back.
#[derive(Debug)]
#[must_use = "a permit that is dropped gives back what it reserved"]
pub struct Permit {
    pub(crate) api: Arc<Api>,
    pub(crate) route: usize,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) identity: Option<Identity>,
    pub(crate) carrier: Option<Carrier>,
    pub(crate) limits: LimitReport,
    pub(crate) reserved: Reserved,
}

impl Permit {
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    pub fn route(&self) -> &Route {
        &self.api.routes[self.route]
    }

    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    /// `None` on an open route.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The request's path below the API's base path, as the upstream gets it.
    pub fn forward_path<'p>(&self, path: &'p str) -> &'p str {
        match path.get(self.api.base_path.len()..) {
            Some("") | None => "/",
            Some(rest) => rest,
        }
    }

    /// The header whose value authenticated the call and is not to be forwarded.
    pub fn credential_header(&self) -> Option<&str> {
        if self.route().forward_credentials {
            return None;
        }
        self.carrier.map(|carrier| match carrier {
            Carrier::KeyHeader => self.api.api_key_header.as_str(),
            Carrier::Authorization => "authorization",
        })
    }

    /// The API's key header too is dropped when a bearer token came beside it, a key or another.
    pub fn key_header(&self) -> Option<&str> {
        let drops = self.carrier.is_some() && !self.route().forward_credentials;
        drops.then_some(self.api.api_key_header.as_str())
    }

    pub fn limits(&self) -> &LimitReport {
        &self.limits
    }

    pub fn cors(&self) -> Option<&Cors> {
        self.route().cors.as_ref().or(self.api.cors.as_ref())
    }

    /// Ends the request: what it took is kept or given back by how it ended.
    pub fn settle(mut self, outcome: Outcome) {
        match outcome {
            Outcome::Completed { .. } | Outcome::Aborted => self.reserved.keep(),
            Outcome::NotReached => {}
        }
    }
}
