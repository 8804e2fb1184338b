//! Operators move a tenant from one plan to another, in one step.

use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::permission::Action;
use domain::subscription::Subscription;
use serde_json::json;
use store::PlatformTx;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

/// Ends a subscription and brings one on `plan` into force in its place. What was used of a quota
/// stays used where both plans count in one group.
pub(crate) async fn change(
    authority: &Authority,
    tx: &mut PlatformTx,
    (tenant, id, seen): (TenantId, SubscriptionId, Option<i32>),
    plan: PlanId,
    now: Now,
) -> Result<Subscription, ActionError> {
    authority.require(Action::ChangeSubscription)?;
    let before = store::subscriptions::get(tx, tenant, id).await?;
    action::check_seen(before.edition, seen)?;
    if before.plan_id == plan {
        return Ok(before);
    }
    store::subscriptions::end(tx, tenant, id, now.0, seen).await?;
    let new = SubscriptionId(Uuid::now_v7());
    store::subscriptions::insert(tx, tenant, new, plan, authority.user()).await?;
    let after = store::subscriptions::activate(tx, tenant, new, now.0).await?;
    let subject = Subject {
        tenant: Some(tenant),
        noun: "subscription",
        id: after.id.0,
        label: &after.plan_name,
    };
    let told = |one: &Subscription| {
        json!({
            "id": one.id, "plan_id": one.plan_id, "plan": one.plan_name,
            "plan_version": one.plan_version, "status": one.status,
        })
    };
    let event = (subject, Change::updated(&told(&before), &told(&after)));
    action::audit(tx, authority, Action::ChangeSubscription, event, now).await?;
    Ok(after)
}
