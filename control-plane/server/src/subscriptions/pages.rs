//! `/t/{tenant}/plans/…`: taking a plan, changing over to one, asking for one.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::id::{ApiId, PlanId, SubscriptionId};
use domain::permission::Action;
use domain::plan::Plan;
use domain::subscription::{Subscription, SubscriptionStatus};
use serde::Deserialize;
use web::format::{moment, plural};
use web::forms::FormErrors;
use web::forms::plan_requests::RequestPlanForm;
use web::layout::{TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::plans::{ChoosePlan, PendingRequest, PlanCard, PlanOffer, RequestPlan};

use super::cards::{self, api_names};
use super::{Conflicting, Order, conflicting, end, list, subscribe};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Failure, Member, form_errors, go_to, invalid, page};

/// Plans that a tenant chooses from.
const PLANS_MAX: u32 = 200;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/plans", get(show).post(choose))
        .route(
            "/t/{tenant}/plans/{plan}/request",
            get(show_request).post(request),
        )
        .route(
            "/t/{tenant}/plans/{plan}/switch",
            get(show_switch).post(switch),
        )
        .route(
            "/t/{tenant}/subscriptions/{subscription}/end",
            get(show_end).post(end_here),
        )
        .route(
            "/t/{tenant}/plans/requests/{subscription}/withdraw",
            post(withdraw),
        )
}

#[derive(Deserialize)]
struct AtPlan {
    plan: PlanId,
}

#[derive(Deserialize)]
struct AtSubscription {
    subscription: SubscriptionId,
}

async fn show(State(app): State<App>, member: Member, now: Now) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let offered = super::offered_plans(authority, &mut tx, tenant, None, PLANS_MAX).await?;
    let held = list(authority, &mut tx, tenant).await?;
    let names = api_names(&mut tx).await?;
    let mut plans = Vec::with_capacity(offered.len());
    for one in held_plans(&mut tx, &held).await? {
        plans.push(PlanCard {
            end_href: member
                .may(Action::EndSubscription)
                .then(|| format!("/t/{tenant}/subscriptions/{}/end", one.0)),
            ..card(&one.1, PlanOffer::Current, &names)
        });
    }
    for plan in &offered {
        let own = held.iter().find(|one| one.plan_id == plan.id);
        if own.is_some_and(|one| one.status == SubscriptionStatus::Active) {
            continue;
        }
        let blocks = conflicting(&mut tx, tenant, plan).await?;
        plans.push(card(plan, offer(plan, own.is_some(), &blocks), &names));
    }
    let pending = held
        .iter()
        .find(|one| one.status == SubscriptionStatus::Pending);
    tx.commit().await?;
    page(&ChoosePlan {
        shell: member.shell(TenantTab::Plans),
        tenant_id: tenant.to_string(),
        pending: pending.map(|one| PendingRequest {
            id: one.id.to_string(),
            plan_name: one.plan_name.clone(),
            created_at: moment(one.created_at, now.0),
            message: one.message.clone(),
        }),
        plans,
        may_choose: member.may(Action::Subscribe),
    })
}

/// What the tenant is on, in the terms that hold for it, also where the plan is offered no more.
async fn held_plans(
    tx: &mut Tx,
    held: &[Subscription],
) -> Result<Vec<(SubscriptionId, Plan)>, ActionError> {
    let mut plans = Vec::new();
    for one in held {
        if one.status == SubscriptionStatus::Active {
            let plan = store::plans::get_version(tx, one.plan_id, one.plan_version).await?;
            plans.push((one.id, plan));
        }
    }
    Ok(plans)
}

fn offer(plan: &Plan, is_asked_for: bool, blocks: &[Subscription]) -> PlanOffer {
    if is_asked_for {
        PlanOffer::Pending
    } else if !plan.is_self_service {
        PlanOffer::Request
    } else if blocks.is_empty() {
        PlanOffer::Choose
    } else {
        PlanOffer::Switch
    }
}

fn card(plan: &Plan, offer: PlanOffer, names: &HashMap<ApiId, String>) -> PlanCard {
    PlanCard {
        id: plan.id.to_string(),
        name: plan.name.clone(),
        description: plan.description.clone(),
        price: cards::price_text(&plan.terms),
        rate: cards::rate_text(&plan.terms),
        burst: cards::burst_text(&plan.terms),
        quota: cards::quota_text(&plan.terms),
        apis: cards::apis_text(&plan.terms, names),
        offer,
        end_href: None,
    }
}

/// What the page said would end.
#[derive(Deserialize)]
struct Confirmed {
    #[serde(default)]
    ends: Vec<SubscriptionId>,
}

#[derive(Deserialize)]
struct Choice {
    plan_id: PlanId,
}

async fn choose(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(choice): Form<Choice>,
) -> Answer {
    let order = Order {
        plan: choice.plan_id,
        conflicting: Conflicting::Refuse,
    };
    take(&app, &member, order, now).await
}

/// Orders and goes back to the plans, saying what came of it.
async fn take(app: &App, member: &Member, order: Order, now: Now) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let plan = order.plan;
    let mut tx = Tx::open(app, authority).await?;
    match subscribe(authority, &mut tx, tenant, order, now).await {
        Ok(made) => {
            tx.commit().await?;
            said(member, &made).await
        }
        Err(ActionError::EditedMeanwhile) => {
            let text = "Your plans changed in the meantime. Nothing was done yet: look again.";
            member.flash(Tone::Warning, text).await?;
            go_to(&format!("/t/{tenant}/plans/{plan}/switch"))
        }
        Err(cause) => {
            // Nothing was typed on this page that would have to be shown again.
            let text = first_message(&form_errors(cause)?);
            member.flash(Tone::Danger, &text).await?;
            go_to(&format!("/t/{tenant}/plans"))
        }
    }
}

async fn said(member: &Member, made: &Subscription) -> Answer {
    let name = &made.plan_name;
    let text = match made.status {
        SubscriptionStatus::Active => {
            format!("{name} is yours. Nodes know it within about a second.")
        }
        _ => format!("Your request for {name} is sent."),
    };
    member.flash(Tone::Good, &text).await?;
    go_to(&format!("/t/{}/plans", member.tenant.id))
}

fn first_message(errors: &FormErrors) -> String {
    ["plan_id", FormErrors::FORM]
        .into_iter()
        .find_map(|field| errors.get(field))
        .unwrap_or("That is not possible any more.")
        .to_owned()
}

async fn show_request(
    State(app): State<App>,
    member: Member,
    Path(AtPlan { plan }): Path<AtPlan>,
) -> Answer {
    let filled = (RequestPlanForm::default(), FormErrors::default());
    page(&request_page(&app, &member, plan, filled).await?)
}

async fn request_page(
    app: &App,
    member: &Member,
    plan: PlanId,
    (form, errors): (RequestPlanForm, FormErrors),
) -> Result<RequestPlan, Failure> {
    let mut tx = Tx::open(app, &member.authority).await?;
    let plan = offered(&mut tx, plan).await?;
    let names = api_names(&mut tx).await?;
    let blocks = conflicting(&mut tx, member.tenant.id, &plan).await?;
    let ends = cards::with_apis(&mut tx, &blocks).await?;
    tx.commit().await?;
    Ok(RequestPlan {
        ends,
        shell: member.shell(TenantTab::Plans),
        tenant_id: member.tenant.id.to_string(),
        plan: card(&plan, PlanOffer::Request, &names),
        form,
        errors,
    })
}

async fn request(
    State(app): State<App>,
    member: Member,
    Path(AtPlan { plan }): Path<AtPlan>,
    now: Now,
    Form(form): Form<RequestPlanForm>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let message = form.parse().unwrap_or_default();
    match super::request(authority, &mut tx, tenant, (plan, &message), now).await {
        Ok(made) => {
            tx.commit().await?;
            said(&member, &made).await
        }
        Err(cause) => {
            let errors = form_errors(cause)?;
            drop(tx);
            let page = request_page(&app, &member, plan, (form, errors)).await?;
            invalid(&page)
        }
    }
}

async fn show_switch(
    State(app): State<App>,
    member: Member,
    Path(AtPlan { plan }): Path<AtPlan>,
) -> Answer {
    let tenant = member.tenant.id;
    let mut tx = Tx::open(&app, &member.authority).await?;
    let plan = offered(&mut tx, plan).await?;
    let blocks = conflicting(&mut tx, tenant, &plan).await?;
    let ending = cards::with_apis(&mut tx, &blocks).await?;
    tx.commit().await?;
    let mut consequences: Vec<String> = ending
        .iter()
        .map(|one| format!("Your subscription to {one} ends now."))
        .collect();
    consequences.push(format!(
        "{} is in force within about a second: {}, {}.",
        plan.name,
        cards::rate_text(&plan.terms),
        cards::quota_text(&plan.terms)
    ));
    consequences.push(
        "Your keys stay. What you have used of a quota in this period stays used.".to_owned(),
    );
    confirm(&member, |tenant| Confirm {
        title: format!("Switch to {}?", plan.name),
        intro: format!("{}.", cards::price_text(&plan.terms)),
        consequences,
        action: format!("/t/{tenant}/plans/{}/switch", plan.id),
        button: "Switch plan".to_owned(),
        is_danger: false,
        fields: blocks
            .iter()
            .map(|one| ("ends".to_owned(), one.id.to_string()))
            .collect(),
        ..blank(&member)
    })
}

async fn switch(
    State(app): State<App>,
    member: Member,
    Path(AtPlan { plan }): Path<AtPlan>,
    now: Now,
    Form(confirmed): Form<Confirmed>,
) -> Answer {
    let order = Order {
        plan,
        conflicting: Conflicting::EndShown(confirmed.ends),
    };
    take(&app, &member, order, now).await
}

async fn show_end(
    State(app): State<App>,
    member: Member,
    Path(AtSubscription { subscription }): Path<AtSubscription>,
) -> Answer {
    let tenant = member.tenant.id;
    let mut tx = Tx::open(&app, &member.authority).await?;
    let held = list(&member.authority, &mut tx, tenant).await?;
    let keys = store::api_keys::count(&mut tx, tenant).await?;
    tx.commit().await?;
    let one = held
        .into_iter()
        .find(|one| one.id == subscription)
        .ok_or(ActionError::NotFound("subscription"))?;
    confirm(&member, |tenant| Confirm {
        title: format!("End {}?", one.plan_name),
        intro: "The APIs that this plan opens are closed to you.".to_owned(),
        consequences: vec![
            format!(
                "Requests to them are refused with 403 within about a second, with any of your {}.",
                plural(keys, "key")
            ),
            "Your keys and what was counted stay.".to_owned(),
            "Taking the plan again does not give back what was used of a quota.".to_owned(),
        ],
        action: format!("/t/{tenant}/subscriptions/{}/end", one.id),
        button: "End subscription".to_owned(),
        ..blank(&member)
    })
}

async fn end_here(
    State(app): State<App>,
    member: Member,
    Path(AtSubscription { subscription }): Path<AtSubscription>,
    now: Now,
) -> Answer {
    finish(
        &app,
        &member,
        (subscription, SubscriptionStatus::Active),
        now,
    )
    .await
}

async fn withdraw(
    State(app): State<App>,
    member: Member,
    Path(AtSubscription { subscription }): Path<AtSubscription>,
    now: Now,
) -> Answer {
    finish(
        &app,
        &member,
        (subscription, SubscriptionStatus::Pending),
        now,
    )
    .await
}

/// Ends it if it still is what the page showed: a request that was approved meanwhile is not
/// withdrawn, it is a subscription.
async fn finish(
    app: &App,
    member: &Member,
    (id, shown): (SubscriptionId, SubscriptionStatus),
    now: Now,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(app, authority).await?;
    let before = store::subscriptions::get(&mut tx, tenant, id).await?;
    if before.status != shown {
        let text = match before.status {
            SubscriptionStatus::Active => {
                format!(
                    "{} was approved meanwhile: it is yours now.",
                    before.plan_name
                )
            }
            _ => format!("{} has ended already.", before.plan_name),
        };
        member.flash(Tone::Warning, &text).await?;
        return go_to(&format!("/t/{tenant}/plans"));
    }
    end(authority, &mut tx, (tenant, id), Some(before.edition), now).await?;
    tx.commit().await?;
    let text = match before.status {
        SubscriptionStatus::Pending => {
            format!("The request for {} is withdrawn.", before.plan_name)
        }
        _ => format!("The subscription to {} has ended.", before.plan_name),
    };
    member.flash(Tone::Good, &text).await?;
    go_to(&format!("/t/{tenant}/plans"))
}

async fn offered(tx: &mut Tx, id: PlanId) -> Result<Plan, Failure> {
    let plan = store::plans::get(tx, id).await?;
    if plan.retired_at.is_some() {
        return Err(ActionError::NotFound("plan").into());
    }
    Ok(plan)
}

fn confirm(member: &Member, build: impl FnOnce(String) -> Confirm) -> Result<Response, Failure> {
    page(&build(member.tenant.id.to_string()))
}

fn blank(member: &Member) -> Confirm {
    Confirm {
        shell: member.shell(TenantTab::Plans),
        title: String::new(),
        intro: String::new(),
        consequences: Vec::new(),
        action: String::new(),
        button: String::new(),
        is_danger: true,
        cancel_href: format!("/t/{}/plans", member.tenant.id),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    }
}
