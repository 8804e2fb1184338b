//! Tenants on plans: taking one, asking for one, changing over, and ending.

mod cards;
mod json;
mod pages;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use domain::FieldError;
use domain::conflict::Conflict;
use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::permission::Action;
use domain::plan::Plan;
use domain::subscription::{MESSAGE_CHARS_MAX, Subscription, SubscriptionStatus};
use serde_json::{Value, json};
use store::Conn;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use cards::{burst_text, cards, price_text, quota_text, rate_text, with_apis};
pub(crate) use json::api;
pub(crate) use pages::pages;

/// A tenant has few subscriptions; lists over them are never cut off.
pub(crate) const SUBSCRIPTIONS_MAX: u32 = 1_000;

/// What a tenant wants.
#[derive(Debug)]
pub(crate) struct Order {
    pub plan: PlanId,
    pub conflicting: Conflicting,
}

/// What becomes of subscriptions that cannot stand beside the new one, because both open an API
/// or both count in a quota group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Conflicting {
    Refuse,
    End,
    /// Only where no other would end than these, which a person was shown.
    EndShown(Vec<SubscriptionId>),
}

/// Takes a plan. It is in force at once where the plan is self-service, or where it is not the
/// tenant itself that orders; otherwise it waits for approval.
pub(crate) async fn subscribe(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    order: Order,
    now: Now,
) -> Result<Subscription, ActionError> {
    action::require_change_in(authority, tx, Action::Subscribe, tenant).await?;
    let plan = offered(tx, order.plan).await?;
    let needs_approval = authority.own_tenant().is_some() && !plan.is_self_service;
    let id = SubscriptionId(Uuid::now_v7());
    let asked = store::subscriptions::insert(tx, tenant, id, plan.id, authority.user()).await?;
    if needs_approval {
        let change = (subject(&asked), Change::created(&shown(&asked)));
        action::audit(tx, authority, Action::Subscribe, change, now).await?;
        return Ok(asked);
    }
    make_room(authority, tx, (tenant, &plan), &order.conflicting, now).await?;
    let active = store::subscriptions::activate(tx, tenant, id, now.0).await?;
    let change = (subject(&active), Change::created(&shown(&active)));
    action::audit(tx, authority, Action::Subscribe, change, now).await?;
    Ok(active)
}

/// As [`subscribe`], with what the tenant writes to whoever approves.
pub(crate) async fn request(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    (plan, message): (PlanId, &str),
    now: Now,
) -> Result<Subscription, ActionError> {
    if message.chars().count() > MESSAGE_CHARS_MAX {
        let text = format!("Use at most {MESSAGE_CHARS_MAX} characters.");
        return Err(FieldError::new("message", "too_long", text).into());
    }
    let order = Order {
        plan,
        conflicting: Conflicting::Refuse,
    };
    let asked = subscribe(authority, tx, tenant, order, now).await?;
    if message.is_empty() || asked.status != SubscriptionStatus::Pending {
        return Ok(asked);
    }
    Ok(store::subscriptions::set_message(tx, tenant, asked.id, message).await?)
}

/// Ends a subscription, or takes back a request. `seen`: the edition that the caller knows.
pub(crate) async fn end(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, SubscriptionId),
    seen: Option<i32>,
    now: Now,
) -> Result<Subscription, ActionError> {
    action::require_change_in(authority, tx, Action::EndSubscription, tenant).await?;
    let before = store::subscriptions::get(tx, tenant, id).await?;
    let ended = store::subscriptions::end(tx, tenant, id, now.0, seen).await?;
    let change = (
        subject(&ended),
        Change::updated(&shown(&before), &shown(&ended)),
    );
    action::audit(tx, authority, Action::EndSubscription, change, now).await?;
    Ok(ended)
}

/// Ends what `plan` could not stand beside, as far as the order says so; part of an action that
/// was allowed. Returns what ended.
pub(crate) async fn make_room(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, plan): (TenantId, &Plan),
    how: &Conflicting,
    now: Now,
) -> Result<Vec<Subscription>, ActionError> {
    let others = match how {
        Conflicting::Refuse => Vec::new(),
        Conflicting::End | Conflicting::EndShown(_) => conflicting(tx, tenant, plan).await?,
    };
    if let Conflicting::EndShown(shown) = how
        && others.iter().any(|other| !shown.contains(&other.id))
    {
        return Err(ActionError::EditedMeanwhile);
    }
    let mut ended = Vec::with_capacity(others.len());
    for before in others {
        let after = store::subscriptions::end(tx, tenant, before.id, now.0, None).await?;
        let mut told = shown(&after);
        told["replaced_by"] = plan.name.as_str().into();
        let change = (subject(&after), Change::updated(&shown(&before), &told));
        action::audit(tx, authority, Action::EndSubscription, change, now).await?;
        ended.push(after);
    }
    Ok(ended)
}

/// Those that are active or wait for approval.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
) -> Result<Vec<Subscription>, ActionError> {
    authority.require_in(Action::ListSubscriptions, tenant)?;
    let mut all = store::subscriptions::list(tx, tenant, None, SUBSCRIPTIONS_MAX).await?;
    all.retain(|one| one.status != SubscriptionStatus::Ended);
    Ok(all)
}

/// Oldest first, after `after`; ended ones too.
pub(crate) async fn history(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<Subscription>, ActionError> {
    authority.require_in(Action::ListSubscriptions, tenant)?;
    Ok(store::subscriptions::list(tx, tenant, after, limit).await?)
}

pub(crate) async fn show(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
) -> Result<Subscription, ActionError> {
    authority.require_in(Action::ListSubscriptions, tenant)?;
    Ok(store::subscriptions::get(tx, tenant, id).await?)
}

/// The plans that the tenant may take or ask for, oldest first.
pub(crate) async fn offered_plans(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<PlanId>,
    limit: u32,
) -> Result<Vec<Plan>, ActionError> {
    authority.require_in(Action::ListOfferedPlans, tenant)?;
    // Where nobody is, nothing is offered.
    store::tenants::get(tx, tenant).await?;
    let listed = store::plans::Listed::Offered;
    Ok(store::plans::list(tx, listed, after, limit).await?)
}

/// The tenant's active subscriptions that `plan` could not stand beside.
pub(crate) async fn conflicting(
    tx: &mut Conn,
    tenant: TenantId,
    plan: &Plan,
) -> Result<Vec<Subscription>, ActionError> {
    let mut found = Vec::new();
    for other in store::subscriptions::list(tx, tenant, None, SUBSCRIPTIONS_MAX).await? {
        if other.status != SubscriptionStatus::Active || other.plan_id == plan.id {
            continue;
        }
        let its = store::plans::get_version(tx, other.plan_id, other.plan_version).await?;
        if overlap(&its, plan) {
            found.push(other);
        }
    }
    Ok(found)
}

fn overlap(one: &Plan, other: &Plan) -> bool {
    let opens_the_same = one
        .terms
        .api_ids
        .iter()
        .any(|api| other.terms.api_ids.contains(api));
    let counts_together = match (&one.terms.quota, &other.terms.quota) {
        (Some(quota), Some(another)) => quota.group == another.group,
        _ => false,
    };
    opens_the_same || counts_together
}

async fn offered(tx: &mut Conn, id: PlanId) -> Result<Plan, ActionError> {
    let plan = match store::plans::get(tx, id).await {
        Err(store::Error::NotFound { .. }) => return Err(unfit(Conflict::UnknownPlan)),
        found => found?,
    };
    if plan.retired_at.is_some() {
        return Err(unfit(Conflict::PlanRetired));
    }
    Ok(plan)
}

fn unfit(conflict: Conflict) -> ActionError {
    let error = FieldError::new("plan_id", conflict.code(), conflict.to_string());
    ActionError::Invalid(vec![error])
}

fn subject(subscription: &Subscription) -> Subject<'_> {
    Subject {
        tenant: Some(subscription.tenant_id),
        noun: "subscription",
        id: subscription.id.0,
        label: &subscription.plan_name,
    }
}

fn shown(subscription: &Subscription) -> Value {
    json!({
        "plan_id": subscription.plan_id.to_string(),
        "plan_name": subscription.plan_name,
        "plan_version": subscription.plan_version,
        "status": subscription.status,
    })
}
