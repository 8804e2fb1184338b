//! One request, one decision. The order of the steps is part of the contract: match the route,
//! answer preflights, authenticate, authorize, find the subscription, then concurrency, rates,
//! quota. What was taken is given back when a later step refuses.

use std::sync::Arc;
use std::time::Duration;

use snapshot::document::OnStoreDown;

use crate::api::{Api, Route};
use crate::authenticate::{self, Credentials, Guards};
use crate::caller;
use crate::compile::Snapshot;
use crate::gcra::RateLimit;
use crate::headers::LimitReport;
use crate::permit::{Permit, RateHolder, Reserved};
use crate::quota::{Pace, QuotaSlot, QuotaTake, Unit};
use crate::rate_share::ShareLimit;
use crate::refusal::{Refusal, RefusalCode};
use crate::registry::SubscriptionState;
use crate::request::{Now, Request};
use crate::routing::Found;
use crate::tenants::Quota;

/// Longest wait for a lease where the route says nothing and the plan goes on without one.
const LEASE_WAIT: Duration = Duration::from_millis(50);
/// The same where the alternative is to refuse: a busy store is better waited for. One that is
/// known to be away is not waited for at all.
const LEASE_WAIT_OR_REFUSE: Duration = Duration::from_secs(1);
/// Longest wait for the first lease of a period, where another bound is shorter: nothing is known
/// of the store yet.
const FIRST_LEASE_WAIT: Duration = Duration::from_secs(1);

/// Longest wait for a share, where the route says nothing. A node that has just started takes a
/// second to find that its control plane is away; who waits is not to give up before that.
const SHARE_WAIT: Duration = Duration::from_secs(2);
/// A share of nothing is another one after about so long.
const SHARE_WAIT_NS: u64 = 1_000_000_000;

/// What becomes of a request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and boxing it would cost every request"
)]
pub enum Decision {
    Forward(Permit),
    Answer(LocalAnswer),
    Refuse(Box<Refusal>),
    /// The edge finds out and calls [`resume`].
    Ask(Question, Box<Pending>),
    /// Nothing is known yet of this node's share of the rate, and nothing was taken: the edge waits
    /// for it and decides again.
    AskShare(ShareQuestion),
}

/// This node's share of a subscription's rate is to be asked for. When the wait is over without
/// one, the edge says so by [`crate::rate_share::RateShare::give_up`].
#[derive(Debug)]
pub struct ShareQuestion {
    pub state: Arc<SubscriptionState>,
    pub wait: Duration,
}

/// An answer that the gateway gives itself: a CORS preflight.
#[derive(Debug)]
pub struct LocalAnswer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub api: Arc<Api>,
}

/// What a decision waits for.
#[derive(Debug)]
pub enum Question {
    /// The tenant's balance on this node is used up: draw a lease, and wait at most this long.
    Lease {
        slot: Arc<QuotaSlot>,
        wait: Duration,
    },
}

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The balance was filled up; take from it.
    LeaseArrived,
    /// The store has nothing left for the period.
    LeaseExhausted,
    /// No answer came in time.
    StoreAway,
}

/// A request between question and answer. Dropping it gives back what it reserved.
#[derive(Debug)]
pub struct Pending {
    permit: Permit,
    slot: Arc<QuotaSlot>,
    on_store_down: OnStoreDown,
    pace: Pace,
}

/// Decides a request. `stale_ms`: since when the control plane has not confirmed the snapshot.
pub fn decide<R: Request>(
    snapshot: &Snapshot,
    guards: Guards<'_>,
    request: &R,
    stale_ms: u64,
    now: Now,
) -> Decision {
    match admit(snapshot, guards, request, stale_ms, now) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

/// Goes on with a request whose question was answered.
pub fn resume(pending: Box<Pending>, fact: Fact, now: Now) -> Decision {
    match fact {
        Fact::LeaseArrived => take_unit(pending, now),
        Fact::LeaseExhausted => refuse_permit(
            pending.permit,
            &pending.slot,
            RefusalCode::QuotaExceeded,
            now,
        ),
        Fact::StoreAway => go_beyond(pending, now),
    }
}

/// Does what the plan says where no lease covers a request and the store is away.
fn go_beyond(pending: Box<Pending>, now: Now) -> Decision {
    let unit = match pending.on_store_down {
        OnStoreDown::Refuse => None,
        OnStoreDown::LocalShare => pending.slot.take_share(pending.pace, now.mono_ns),
        OnStoreDown::Allow => Some(pending.slot.take_beyond()),
    };
    let Some(unit) = unit else {
        let code = RefusalCode::LimitsUnavailable;
        return refuse_permit(pending.permit, &pending.slot, code, now);
    };
    pending.forward(unit, now)
}

/// Takes a unit; asks for a lease where there is none, also where others have taken what came.
fn take_unit(pending: Box<Pending>, now: Now) -> Decision {
    match pending.slot.take(now.mono_ns) {
        QuotaTake::Taken(unit) => pending.forward(unit, now),
        QuotaTake::Exhausted => refuse_permit(
            pending.permit,
            &pending.slot,
            RefusalCode::QuotaExceeded,
            now,
        ),
        QuotaTake::Empty => {
            let question = Question::Lease {
                slot: pending.slot.clone(),
                wait: pending.lease_wait(now),
            };
            Decision::Ask(question, pending)
        }
    }
}

impl Pending {
    fn forward(self, unit: Unit, now: Now) -> Decision {
        let Pending {
            mut permit, slot, ..
        } = self;
        permit.limits.set_quota_now(&slot, now.mono_ns);
        permit.reserved.add_quota(slot, unit);
        Decision::Forward(permit)
    }

    fn lease_wait(&self, now: Now) -> Duration {
        let default = match self.on_store_down {
            OnStoreDown::Refuse => LEASE_WAIT_OR_REFUSE,
            OnStoreDown::LocalShare | OnStoreDown::Allow => LEASE_WAIT,
        };
        let wait = self.permit.route().lease_wait.unwrap_or(default);
        // A new tenant's first request is not refused for the milliseconds that drawing takes.
        let is_first = self.slot.known(now.mono_ns).is_none();
        if is_first {
            wait.max(FIRST_LEASE_WAIT)
        } else {
            wait
        }
    }
}

fn refuse_permit(mut permit: Permit, slot: &QuotaSlot, code: RefusalCode, now: Now) -> Decision {
    permit.limits.set_quota_now(slot, now.mono_ns);
    let identity = permit.identity.as_ref();
    let mut refusal = Refusal {
        api: Some(permit.api.clone()),
        route: Some(permit.route),
        tenant_id: identity.map(|identity| identity.tenant_id),
        key_id: identity.and_then(|identity| identity.key_id),
        limits: permit.limits.clone(),
        ..Refusal::new(code)
    };
    refusal.retry_after_s = Some(match code {
        RefusalCode::QuotaExceeded => slot.ends_in_s(now.mono_ns),
        _ => 1,
    });
    Decision::Refuse(Box::new(refusal))
}

pub(crate) type Step<T> = Result<T, Box<Refusal>>;

fn admit<R: Request>(
    snapshot: &Snapshot,
    guards: Guards<'_>,
    request: &R,
    stale_ms: u64,
    now: Now,
) -> Step<Decision> {
    let (api, rest) = find_api(snapshot, request)?;
    if let Some(answer) = preflight(api, rest, request) {
        return Ok(Decision::Answer(answer));
    }
    let index = find_route(api, rest, request)?;
    let route = &api.routes[index];
    let refuse = |code| refusal(code, api, Some(index));
    if api.max_stale_ms.is_some_and(|max| stale_ms > max) {
        return Err(refuse(RefusalCode::SnapshotTooStale));
    }
    let upstream = route
        .upstream
        .clone()
        .ok_or_else(|| refuse(RefusalCode::ApiUnavailable))?;
    let mut permit = Permit {
        api: api.clone(),
        route: index,
        upstream,
        identity: None,
        carrier: None,
        limits: LimitReport::default(),
        reserved: Reserved::default(),
    };
    let Some(credentials) = authenticate(snapshot, guards, &permit, request, now)? else {
        take_rates(&mut permit, [own_rate(&route.rate), None, None], now)?;
        return Ok(Decision::Forward(permit));
    };
    let caller = caller::authorize(snapshot, &permit, &credentials, request)?;
    permit.carrier = Some(credentials.carrier);
    permit.identity = Some(caller.identity(&credentials));
    let state = caller.subscription.state(&snapshot.registry);
    let share = match &caller.plan.rate {
        None => None,
        Some(plan) => {
            let on_store_down = caller.plan.rate_on_store_down;
            match state.rate.limit(plan, on_store_down, now.mono_ns) {
                ShareLimit::Limit(limit) => Some(limit),
                ShareLimit::Nothing => {
                    permit.limits.add_rate(plan, 0, SHARE_WAIT_NS);
                    return Err(refuse_caller(&permit, RefusalCode::RateExceeded, 1));
                }
                ShareLimit::Unknown => return Ok(ask_share(route, state)),
                ShareLimit::Unavailable => {
                    return Err(refuse_caller(&permit, RefusalCode::LimitsUnavailable, 1));
                }
            }
        }
    };
    if state.in_flight.enter(caller.plan.concurrency).is_err() {
        return Err(refuse_caller(&permit, RefusalCode::ConcurrencyExceeded, 1));
    }
    permit.reserved.add_in_flight(state.clone());
    let subscription = share.map(|limit| (limit, RateHolder::Subscription(state.clone())));
    let rates = [
        own_rate(&route.rate),
        subscription,
        credentials
            .key
            .and_then(|key| key.rate())
            .map(|(limit, gcra)| (*limit, RateHolder::Own(gcra.clone()))),
    ];
    take_rates(&mut permit, rates, now)?;
    match &caller.plan.quota {
        None => Ok(Decision::Forward(permit)),
        Some(quota) => {
            let slot =
                caller
                    .subscription
                    .quota(caller.tenant.id, &quota.group, &snapshot.registry);
            Ok(take_quota(permit, slot.clone(), quota, now))
        }
    }
}

/// A share is asked for by the first request in a while: it is worth some wait.
fn ask_share(route: &Route, state: &Arc<SubscriptionState>) -> Decision {
    Decision::AskShare(ShareQuestion {
        state: state.clone(),
        wait: route.lease_wait.unwrap_or(SHARE_WAIT),
    })
}

fn find_api<'s, 'r, R: Request>(
    snapshot: &'s Snapshot,
    request: &'r R,
) -> Step<(&'s Arc<Api>, &'r str)> {
    let Some((api, rest)) = snapshot.hosts.find(request.host(), request.path()) else {
        let mut refusal = Refusal::new(RefusalCode::RouteNotFound);
        // A browser can read a 404 only with the host's CORS headers on it.
        refusal.api = snapshot
            .hosts
            .apis_for_host(request.host())
            .find(|api| api.cors.is_some())
            .cloned();
        return Err(Box::new(refusal));
    };
    Ok((api, rest))
}

fn find_route<R: Request>(api: &Arc<Api>, rest: &str, request: &R) -> Step<usize> {
    let Some(table) = &api.table else {
        return Err(refusal(RefusalCode::ApiUnavailable, api, None));
    };
    match table.find(request.method(), rest) {
        Found::Route(index) => Ok(*index),
        Found::NotFound => Err(refusal(RefusalCode::RouteNotFound, api, None)),
        Found::MethodNotAllowed { allow } => {
            let mut refusal = refusal(RefusalCode::MethodNotAllowed, api, None);
            refusal.allow = Some(allow);
            Err(refusal)
        }
    }
}

/// Fetch standard, section 3.2.2: an OPTIONS with Origin and Access-Control-Request-Method is a
/// preflight, answered here where the route it asks about has CORS.
fn preflight<R: Request>(api: &Arc<Api>, rest: &str, request: &R) -> Option<LocalAnswer> {
    if request.method() != "OPTIONS" {
        return None;
    }
    let text = |name| {
        request
            .header(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    };
    let origin = text("origin")?;
    let method = text("access-control-request-method")?;
    let route = match api.table.as_ref()?.find(method, rest) {
        Found::Route(index) => api.routes.get(*index),
        Found::MethodNotAllowed { .. } | Found::NotFound => None,
    };
    let cors = route
        .and_then(|route| route.cors.as_ref())
        .or(api.cors.as_ref())?;
    let preflight = cors.preflight(origin, method, text("access-control-request-headers"));
    Some(LocalAnswer {
        status: 204,
        headers: preflight.headers,
        api: api.clone(),
    })
}

fn authenticate<'s, R: Request>(
    snapshot: &'s Snapshot,
    guards: Guards<'_>,
    permit: &Permit,
    request: &R,
    now: Now,
) -> Step<Option<Credentials<'s>>> {
    let refuse = |code| refusal(code, &permit.api, Some(permit.route));
    let route = permit.route();
    let failures = guards.failures;
    if route.asks_for_credentials()
        && let Some(wait) = failures.wait_s(request.client_ip(), now.mono_ns)
    {
        let mut refusal = refuse(RefusalCode::TooManyFailures);
        refusal.retry_after_s = Some(wait);
        return Err(refusal);
    }
    let at = (&*permit.api, route);
    authenticate::authenticate(snapshot, guards, at, request, now).map_err(|code| {
        if authenticate::is_guess(code) {
            failures.record(request.client_ip(), now.mono_ns);
        }
        let mut refusal = refuse(code);
        refusal.retry_after_s = (code == RefusalCode::VerificationBusy).then_some(1);
        refusal
    })
}

fn own_rate(rate: &Option<(RateLimit, Arc<crate::gcra::Gcra>)>) -> Option<(RateLimit, RateHolder)> {
    rate.as_ref()
        .map(|(limit, gcra)| (*limit, RateHolder::Own(gcra.clone())))
}

/// Takes all limits in a fixed order, or none: what was taken goes back with the permit.
fn take_rates(
    permit: &mut Permit,
    rates: [Option<(RateLimit, RateHolder)>; 3],
    now: Now,
) -> Step<()> {
    for (limit, holder) in rates.into_iter().flatten() {
        match holder.gcra().take(&limit, now.mono_ns) {
            Ok(taken) => {
                permit
                    .limits
                    .add_rate(&limit, taken.remaining, taken.reset_ns);
                permit.reserved.add_rate(taken, holder);
            }
            Err(refused) => {
                permit.limits.add_rate(&limit, 0, refused.reset_ns);
                let seconds = refused.retry_after_ns.div_ceil(1_000_000_000).max(1);
                return Err(refuse_caller(permit, RefusalCode::RateExceeded, seconds));
            }
        }
    }
    Ok(())
}

fn take_quota(mut permit: Permit, slot: Arc<QuotaSlot>, quota: &Quota, now: Now) -> Decision {
    permit.limits.set_quota(quota.limit, quota.period);
    match slot.take(now.mono_ns) {
        QuotaTake::Taken(unit) => {
            permit.reserved.add_quota(slot.clone(), unit);
            permit.limits.set_quota_now(&slot, now.mono_ns);
            Decision::Forward(permit)
        }
        QuotaTake::Exhausted => refuse_permit(permit, &slot, RefusalCode::QuotaExceeded, now),
        QuotaTake::Empty => {
            let pending = Pending {
                permit,
                slot: slot.clone(),
                on_store_down: quota.on_store_down,
                pace: quota.pace(),
            };
            let wait = pending.lease_wait(now);
            Decision::Ask(Question::Lease { slot, wait }, Box::new(pending))
        }
    }
}

pub(crate) fn refusal(code: RefusalCode, api: &Arc<Api>, route: Option<usize>) -> Box<Refusal> {
    Box::new(Refusal {
        api: Some(api.clone()),
        route,
        ..Refusal::new(code)
    })
}

fn refuse_caller(permit: &Permit, code: RefusalCode, retry_after_s: u64) -> Box<Refusal> {
    let identity = permit.identity.as_ref();
    let mut refusal = refusal(code, &permit.api, Some(permit.route));
    refusal.tenant_id = identity.map(|identity| identity.tenant_id);
    refusal.key_id = identity.and_then(|identity| identity.key_id);
    refusal.limits = permit.limits.clone();
    refusal.retry_after_s = Some(retry_after_s);
    refusal
}

#[cfg(test)]
mod tests;
