//! `/admin/requests/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::audit::Event;
use domain::id::{SubscriptionId, TenantId};
use domain::permission::Action;
use store::PlatformTx;
use store::audit::Filter;
use web::format::moment;
use web::forms::FormErrors;
use web::forms::plan_requests::DeclineRequestForm;
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::plan_requests::{AnsweredRequestRow, DeclineRequest, PlanRequestRow, PlanRequests};

use super::{PlanRequest, approve, decline, get as find, json::reason, list};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, form_errors, go_to, invalid, page};
use crate::subscriptions::{burst_text, price_text, quota_text, rate_text};

const PENDING_MAX: u32 = 200;
const ANSWERED_MAX: usize = 10;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/requests", get(show_list))
        .route("/admin/requests/{request}/approve", post(approve_here))
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

async fn approve_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<SubscriptionId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    match approve(&operator.authority, &mut tx, id, now).await {
        Ok(active) => {
            tx.commit().await?;
            app.mailer.wake();
            let text = format!("“{}” is in force.", active.plan_name);
            operator.flash(Tone::Good, &text).await?;
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
