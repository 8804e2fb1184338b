//! What tenants subscribe to.

pub(crate) mod input;
mod json;
mod pages;

use domain::id::PlanId;
use domain::permission::Action;
use domain::plan::{ApplyTo, Plan, PlanName, PlanTerms};
use store::PlatformTx;
use store::plans::{Listed, PlanEdit};
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use input::PlanView;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// What an operator says of a plan.
#[derive(Debug, Clone)]
pub(crate) struct NewPlan {
    pub name: PlanName,
    pub description: String,
    pub is_self_service: bool,
    pub terms: PlanTerms,
}

impl NewPlan {
    fn edit(&self) -> PlanEdit<'_> {
        PlanEdit {
            name: &self.name,
            description: &self.description,
            is_self_service: self.is_self_service,
            terms: &self.terms,
        }
    }
}

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    new: NewPlan,
    now: Now,
) -> Result<Plan, ActionError> {
    authority.require(Action::CreatePlan)?;
    let id = PlanId(Uuid::now_v7());
    let plan = store::plans::insert(tx, id, &new.edit()).await?;
    let event = (subject(&plan), Change::created(&PlanView::of(&plan)));
    action::audit(tx, authority, Action::CreatePlan, event, now).await?;
    Ok(plan)
}

/// Changes a plan: for everybody on it, or for those who subscribe from now on. Fails as a whole
/// where a tenant would be left with an API, or a quota group, in two subscriptions.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (PlanId, Option<i32>),
    (new, apply_to): (NewPlan, ApplyTo),
    now: Now,
) -> Result<Plan, ActionError> {
    authority.require(Action::UpdatePlan)?;
    let before = store::plans::get(tx, id).await?;
    let after = store::plans::update(tx, id, &new.edit(), apply_to, seen).await?;
    let mut told = serde_json::to_value(PlanView::of(&after)).unwrap_or_default();
    told["apply_to"] = apply_to.as_str().into();
    let event = (
        subject(&after),
        Change::updated(&PlanView::of(&before), &told),
    );
    action::audit(tx, authority, Action::UpdatePlan, event, now).await?;
    Ok(after)
}

/// Takes no new subscriptions from now on; tenants on it stay. Retiring again changes nothing.
pub(crate) async fn retire(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (PlanId, Option<i32>),
    now: Now,
) -> Result<Plan, ActionError> {
    authority.require(Action::RetirePlan)?;
    let before = store::plans::get(tx, id).await?;
    action::check_seen(before.edition, seen)?;
    if before.retired_at.is_some() {
        return Ok(before);
    }
    let after = store::plans::retire(tx, id, now.0, seen).await?;
    let change = Change::updated(&PlanView::of(&before), &PlanView::of(&after));
    let event = (subject(&after), change);
    action::audit(tx, authority, Action::RetirePlan, event, now).await?;
    Ok(after)
}

/// With the terms that new subscriptions get.
pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: PlanId,
) -> Result<Plan, ActionError> {
    authority.require(Action::ListPlans)?;
    Ok(store::plans::get(tx, id).await?)
}

/// Oldest first, retired ones too.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<PlanId>,
    limit: u32,
) -> Result<Vec<Plan>, ActionError> {
    authority.require(Action::ListPlans)?;
    Ok(store::plans::list(tx, Listed::All, after, limit).await?)
}

fn subject(plan: &Plan) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "plan",
        id: plan.id.0,
        label: &plan.name,
    }
}
