//! `/admin/requests/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::audit::Event;
use domain::id::{SubscriptionId, TenantId};
use domain::permission::Action;
use serde::Deserialize;
use store::PlatformTx;
use store::audit::Filter;
use web::format::moment;
use web::forms::FormErrors;
use web::forms::plan_requests::DeclineRequestForm;
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::plan_requests::{AnsweredRequestRow, DeclineRequest, PlanRequestRow, PlanRequests};

use super::{PlanRequest, approve, decline, get as find, json::reason, list};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, form_errors, go_to, invalid, page};
use crate::subscriptions::{
    Conflicting, burst_text, conflicting, price_text, quota_text, rate_text, with_apis,
};

const PENDING_MAX: u32 = 200;
const ANSWERED_MAX: usize = 10;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/requests", get(show_list))
        .route(
            "/admin/requests/{request}/approve",
            get(show_approve).post(approve_here),
        )
        .route(
            "/admin/requests/{request}/decline",
            get(show_decline).post(decline_here),
        )
}

async fn show_list(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let waiting = list(&operator.authority, &mut tx, None, PENDING_MAX).await?;
    let mut pending = Vec::with_capacity(waiting.len());
    for request in &waiting {
        pending.push(row(&mut tx, request, now).await?);
    }
    page(&PlanRequests {
        shell: operator.shell(OperatorTab::Requests),
        pending,
        answered: answered(&mut tx, now).await?,
    })
}

async fn row(
    tx: &mut PlatformTx,
    request: &PlanRequest,
    now: Now,
) -> Result<PlanRequestRow, Failure> {
    let asked = &request.subscription;
    let plan = store::plans::get(tx, asked.plan_id).await?;
    let present = store::subscriptions::all_tenants_active_of(tx, &[asked.tenant_id]).await?;
    let names: Vec<String> = present.into_iter().map(|one| one.plan_name).collect();
    let blocks = conflicting(tx, asked.tenant_id, &plan).await?;
    let terms = &plan.terms;
    let mut limits = vec![rate_text(terms)];
    if terms.rate.is_some() {
        limits.push(format!("burst {}", burst_text(terms)));
    }
    let quota = terms.quota.as_ref();
    limits.push(quota.map_or_else(|| "no quota".to_owned(), |_| quota_text(terms)));
    limits.push(price_text(terms));
    Ok(PlanRequestRow {
        id: asked.id.to_string(),
        tenant_id: asked.tenant_id.to_string(),
        tenant_name: request.tenant_name.clone(),
        plan_name: asked.plan_name.clone(),
        limits: limits.join(", "),
        present_plan: match names.is_empty() {
            true => "No plan".to_owned(),
            false => names.join(", "),
        },
        ends: with_apis(tx, &blocks).await?,
        asked_by: request
            .asked_by
            .clone()
            .unwrap_or_else(|| "somebody who is gone".to_owned()),
        created_at: moment(asked.created_at, now.0),
        message: asked.message.clone(),
    })
}

/// The latest answers, from the log of who did what.
async fn answered(tx: &mut PlatformTx, now: Now) -> Result<Vec<AnsweredRequestRow>, Failure> {
    let mut events: Vec<(Event, bool)> = Vec::new();
    for (action, is_given) in [
        (Action::ApprovePlanRequest, true),
        (Action::DeclinePlanRequest, false),
    ] {
        let filter = Filter {
            action: Some(action.name().to_owned()),
            ..Filter::default()
        };
        let found = store::audit::all_tenants_list(tx, &filter, None, ANSWERED_MAX as u32).await?;
        events.extend(found.into_iter().map(|event| (event, is_given)));
    }
    events.sort_by_key(|(event, _)| std::cmp::Reverse(event.at));
    events.truncate(ANSWERED_MAX);
    let tenants: Vec<TenantId> = events.iter().filter_map(|(one, _)| one.tenant_id).collect();
    let names = store::overview::all_tenants_names(tx, &tenants).await?;
    let rows = events.into_iter().filter_map(|(event, is_given)| {
        let tenant = event.tenant_id?;
        let name = names.iter().find(|(id, _)| *id == tenant);
        Some(AnsweredRequestRow {
            tenant_id: tenant.to_string(),
            tenant_name: name.map_or_else(|| tenant.to_string(), |(_, name)| name.clone()),
            plan_name: event.noun_label,
            badge: match is_given {
                true => Badge::new(Tone::Good, "Approved"),
                false => Badge::new(Tone::Neutral, "Declined"),
            },
            answered_by: event.actor.label,
            answered_at: moment(event.at, now.0),
        })
    });
    Ok(rows.collect())
}

async fn show_approve(
    State(app): State<App>,
    operator: Operator,
    At(id): At<SubscriptionId>,
) -> Answer {
    operator.authority.require(Action::ApprovePlanRequest)?;
    let mut tx = app.db.platform_tx().await?;
    let request = find(&operator.authority, &mut tx, id).await?;
    let (tenant, name) = (request.subscription.tenant_id, request.tenant_name);
    let plan = store::plans::get(&mut tx, request.subscription.plan_id).await?;
    let blocks = conflicting(&mut tx, tenant, &plan).await?;
    let mut consequences: Vec<String> = with_apis(&mut tx, &blocks)
        .await?
        .iter()
        .map(|one| format!("The tenant's subscription to {one} ends now."))
        .collect();
    tx.commit().await?;
    if blocks.is_empty() {
        consequences.push("Nothing else ends.".to_owned());
    }
    consequences.push(format!(
        "{} is in force within about a second: {}, {}.",
        plan.name,
        rate_text(&plan.terms),
        quota_text(&plan.terms)
    ));
    consequences.push("What was used of a quota in this period stays used.".to_owned());
    page(&Confirm {
        shell: operator.shell(OperatorTab::Requests),
        title: format!("Give {} to {name}?", plan.name),
        intro: "Whoever asked for it is told by mail.".to_owned(),
        consequences,
        action: format!("/admin/requests/{id}/approve"),
        button: "Approve".to_owned(),
        is_danger: false,
        cancel_href: "/admin/requests".to_owned(),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: blocks
            .iter()
            .map(|one| ("ends".to_owned(), one.id.to_string()))
            .collect(),
    })
}

/// What the page said would end.
#[derive(Deserialize)]
struct Confirmed {
    #[serde(default)]
    ends: Vec<SubscriptionId>,
}

async fn approve_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<SubscriptionId>,
    now: Now,
    Form(confirmed): Form<Confirmed>,
) -> Answer {
    let order = (id, &Conflicting::EndShown(confirmed.ends));
    let mut tx = app.db.platform_tx().await?;
    match approve(&operator.authority, &mut tx, order, now).await {
        Ok(active) => {
            tx.commit().await?;
            app.mailer.wake();
            let text = format!("“{}” is in force.", active.plan_name);
            operator.flash(Tone::Good, &text).await?;
        }
        Err(ActionError::EditedMeanwhile) => {
            let text =
                "The tenant's plans changed in the meantime. Nothing was done yet: look again.";
            operator.flash(Tone::Warning, text).await?;
            return go_to(&format!("/admin/requests/{id}/approve"));
        }
        Err(ActionError::Conflict(conflict)) => {
            operator.flash(Tone::Danger, &conflict.to_string()).await?;
        }
        Err(cause) => return Err(cause.into()),
    }
    go_to("/admin/requests")
}

async fn decline_page(
    app: &App,
    operator: &Operator,
    (id, reason): (SubscriptionId, String),
    errors: FormErrors,
    now: Now,
) -> Result<DeclineRequest, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let request = find(&operator.authority, &mut tx, id).await?;
    Ok(DeclineRequest {
        shell: operator.shell(OperatorTab::Requests),
        request: row(&mut tx, &request, now).await?,
        reason,
        errors,
    })
}

async fn show_decline(
    State(app): State<App>,
    operator: Operator,
    At(id): At<SubscriptionId>,
    now: Now,
) -> Answer {
    let empty = (id, String::new());
    page(&decline_page(&app, &operator, empty, FormErrors::default(), now).await?)
}

async fn decline_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<SubscriptionId>,
    now: Now,
    Form(form): Form<DeclineRequestForm>,
) -> Answer {
    let text = match reason(form.parse()) {
        Ok(text) => text,
        Err(cause) => {
            let (typed, errors) = ((id, form.reason), form_errors(cause)?);
            return invalid(&decline_page(&app, &operator, typed, errors, now).await?);
        }
    };
    let mut tx = app.db.platform_tx().await?;
    let declined = decline(&operator.authority, &mut tx, id, text.as_deref(), now).await?;
    tx.commit().await?;
    app.mailer.wake();
    let text = format!("The request for “{}” was declined.", declined.plan_name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/requests")
}
