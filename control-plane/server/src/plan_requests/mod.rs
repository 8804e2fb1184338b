//! Plans that tenants asked for and operators give, or do not.

mod json;
mod pages;

use domain::email::Email;
use domain::id::{SubscriptionId, TenantId};
use domain::permission::Action;
use domain::subscription::{Subscription, SubscriptionStatus};
use serde_json::json;
use store::PlatformTx;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::subscriptions::{self, Conflicting};

pub(crate) use json::api;
pub(crate) use pages::pages;

/// A request that waits, with what its reader needs to know.
#[derive(Debug)]
pub(crate) struct PlanRequest {
    pub subscription: Subscription,
    pub tenant_name: String,
    /// Email address; `None`: the person is gone.
    pub asked_by: Option<String>,
}

/// Those that wait, oldest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<PlanRequest>, ActionError> {
    authority.require(Action::ListPlanRequests)?;
    let status = SubscriptionStatus::Pending;
    let found = store::subscriptions::all_tenants_list(tx, status, after, limit).await?;
    let ids: Vec<SubscriptionId> = found.iter().map(|(one, _)| one.id).collect();
    let people = store::overview::all_tenants_requesters(tx, &ids).await?;
    Ok(found
        .into_iter()
        .map(|(subscription, tenant_name)| PlanRequest {
            asked_by: people
                .iter()
                .find(|(id, _)| *id == subscription.id)
                .map(|(_, email)| email.clone()),
            subscription,
            tenant_name,
        })
        .collect())
}

/// One that waits.
pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: SubscriptionId,
) -> Result<PlanRequest, ActionError> {
    authority.require(Action::ListPlanRequests)?;
    let subscription = pending(tx, id).await?;
    let tenant = store::tenants::get(tx, subscription.tenant_id).await?;
    let people = store::overview::all_tenants_requesters(tx, &[id]).await?;
    Ok(PlanRequest {
        subscription,
        tenant_name: tenant.name,
        asked_by: people.into_iter().next().map(|(_, email)| email),
    })
}

/// Gives the plan. Subscriptions of the tenant that cannot stand beside it end, as far as the
/// caller says so: the tenant changes over.
pub(crate) async fn approve(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, conflicting): (SubscriptionId, &Conflicting),
    now: Now,
) -> Result<Subscription, ActionError> {
    authority.require(Action::ApprovePlanRequest)?;
    let asked = pending(tx, id).await?;
    let plan = store::plans::get(tx, asked.plan_id).await?;
    let tenant = asked.tenant_id;
    let ended = subscriptions::make_room(authority, tx, (tenant, &plan), conflicting, now).await?;
    let active = store::subscriptions::activate(tx, tenant, id, now.0).await?;
    let told = json!({
        "status": active.status,
        "ended": ended.iter().map(|one| &one.plan_name).collect::<Vec<_>>(),
    });
    let change = Change::updated(&json!({ "status": asked.status }), &told);
    let event = (subject(&active), change);
    action::audit(tx, authority, Action::ApprovePlanRequest, event, now).await?;
    let text = format!(
        "You asked for the plan {}. It is yours: its limits are in force now.",
        active.plan_name
    );
    tell(tx, (tenant, id), "Your plan request was approved", &text).await?;
    Ok(active)
}

/// Turns a request down; the tenant keeps what it has. The reason goes to who asked.
pub(crate) async fn decline(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: SubscriptionId,
    reason: Option<&str>,
    now: Now,
) -> Result<Subscription, ActionError> {
    authority.require(Action::DeclinePlanRequest)?;
    let asked = pending(tx, id).await?;
    let tenant = asked.tenant_id;
    let declined = store::subscriptions::end(tx, tenant, id, now.0, None).await?;
    let told = json!({ "status": declined.status, "reason": reason });
    let change = Change::updated(&json!({ "status": asked.status }), &told);
    let event = (subject(&declined), change);
    action::audit(tx, authority, Action::DeclinePlanRequest, event, now).await?;
    let mut text = format!(
        "You asked for the plan {}. The request was declined; you keep what you have.",
        declined.plan_name
    );
    if let Some(reason) = reason {
        text.push_str("\n\nThe reason given:\n\n");
        text.push_str(reason);
    }
    tell(tx, (tenant, id), "Your plan request was declined", &text).await?;
    Ok(declined)
}

/// An answered request is not there any more.
async fn pending(tx: &mut PlatformTx, id: SubscriptionId) -> Result<Subscription, ActionError> {
    let missing = ActionError::NotFound("plan request");
    let tenant = match store::overview::all_tenants_tenant_of(tx, id).await {
        Err(store::Error::NotFound { .. }) => return Err(missing),
        tenant => tenant?,
    };
    let found = store::subscriptions::get(tx, tenant, id).await?;
    if found.status != SubscriptionStatus::Pending {
        return Err(missing);
    }
    Ok(found)
}

async fn tell(
    tx: &mut PlatformTx,
    (tenant, id): (TenantId, SubscriptionId),
    subject: &str,
    text: &str,
) -> Result<(), ActionError> {
    let people = store::overview::all_tenants_requesters(tx, &[id]).await?;
    for (_, email) in people {
        // Addresses in the database were parsed before.
        let Ok(to) = Email::parse(&email) else {
            continue;
        };
        let letter = Letter {
            to: &to,
            tenant: Some(tenant),
            subject,
            body: text,
        };
        mail::post(tx, letter).await?;
    }
    Ok(())
}

fn subject(subscription: &Subscription) -> Subject<'_> {
    Subject {
        tenant: Some(subscription.tenant_id),
        noun: "plan_request",
        id: subscription.id.0,
        label: &subscription.plan_name,
    }
}
