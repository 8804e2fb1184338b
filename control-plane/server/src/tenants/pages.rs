//! `/admin/tenants/…`: the list and a tenant's page. What is done to a tenant is in `steps.rs`.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use domain::id::TenantId;
use domain::plan::Plan;
use domain::subscription::{Subscription, SubscriptionStatus};
use domain::tenant::{Tenant, TenantStatus};
use domain::usage::Counts;
use store::PlatformTx;
use store::plans::Listed;
use store::tenants::Search;
use web::format::{moment, thousands};
use web::forms::tenants::TenantQuery;
use web::forms::{Choice, FormErrors};
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::tenants::{TenantDetail, TenantRow, TenantSubscription, Tenants};

use super::{get as find, list, steps};
use crate::api_keys;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::members;
use crate::page::{Answer, Failure, Operator, page};
use crate::subscriptions::{self, price_text, quota_text, rate_text};
use crate::usage;

const PAGE_SIZE: u32 = 50;
const KEYS_SHOWN: u32 = 20;
const MEMBERS_SHOWN: u32 = 100;
const PLANS_MAX: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/tenants", get(show_list))
        .route("/admin/tenants/{tenant}", get(show_one))
        .route("/admin/tenants/{tenant}/resume", post(steps::resume_here))
        .route(
            "/admin/tenants/{tenant}/suspend",
            get(steps::show_suspend).post(steps::suspend_here),
        )
        .route(
            "/admin/tenants/{tenant}/delete",
            get(steps::show_delete).post(steps::delete_here),
        )
        .route("/admin/tenants/{tenant}/export", get(steps::export_here))
        .route(
            "/admin/tenants/{tenant}/subscriptions",
            post(steps::subscribe_here),
        )
        .route(
            "/admin/tenants/{tenant}/subscriptions/{subscription}",
            post(steps::change_plan_here),
        )
        .route(
            "/admin/tenants/{tenant}/subscriptions/{subscription}/cancel",
            get(steps::show_cancel).post(steps::cancel_here),
        )
        .route(
            "/admin/tenants/{tenant}/keys/{key}/revoke",
            get(steps::show_revoke_key).post(steps::revoke_key_here),
        )
}

async fn show_list(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Query(query): Query<TenantQuery>,
) -> Answer {
    let search = Search {
        text: query.search(),
        status: query.status.parse().ok(),
    };
    let before: Option<TenantId> = query.cursor().and_then(|cursor| cursor.parse().ok());
    let mut tx = app.db.platform_tx().await?;
    let authority = &operator.authority;
    let mut found = list(authority, &mut tx, &search, before, PAGE_SIZE + 1).await?;
    let has_more = found.len() > PAGE_SIZE as usize;
    found.truncate(PAGE_SIZE as usize);
    let next = found.last().filter(|_| has_more).map(|tenant| tenant.id);
    page(&Tenants {
        shell: operator.shell(OperatorTab::Tenants),
        total: thousands(store::tenants::all_tenants_count(&mut tx).await?),
        tenants: rows(&mut tx, &found, now).await?,
        next_href: next.map(|id| href(&query, Some(id))),
        first_href: before.map(|_| href(&query, None)),
        query,
    })
}

/// The same list from another place on.
fn href(query: &TenantQuery, cursor: Option<TenantId>) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("q", &query.q), ("status", &query.status)] {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    if let Some(cursor) = cursor {
        pairs.append_pair("cursor", &cursor.to_string());
    }
    format!("/admin/tenants?{}", pairs.finish())
}

async fn rows(
    tx: &mut PlatformTx,
    tenants: &[Tenant],
    now: Now,
) -> Result<Vec<TenantRow>, Failure> {
    let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
    let held = store::subscriptions::all_tenants_active_of(tx, &ids).await?;
    let keys = store::overview::all_tenants_key_counts(tx, &ids).await?;
    let used = store::overview::all_tenants_usage_of(tx, &ids, usage::last_day(now)).await?;
    let rows = tenants.iter().map(|tenant| {
        let keys = keys.iter().find(|(id, _)| *id == tenant.id);
        let counts = used.iter().find(|(id, _)| *id == tenant.id);
        TenantRow {
            id: tenant.id.to_string(),
            name: tenant.name.clone(),
            badge: badge(tenant.status),
            plan: plan_names(tenant.id, &held),
            keys: thousands(keys.map_or(0, |(_, count)| *count)),
            requests: thousands(counts.map_or(0, |(_, counts)| usage::total(counts))),
            created_at: moment(tenant.created_at, now.0),
        }
    });
    Ok(rows.collect())
}

/// What a tenant is on, or that it is on nothing.
pub(crate) fn plan_names(tenant: TenantId, held: &[Subscription]) -> String {
    let own = held.iter().filter(|one| one.tenant_id == tenant);
    let names: Vec<&str> = own.map(|one| one.plan_name.as_str()).collect();
    match names.is_empty() {
        true => "No plan".to_owned(),
        false => names.join(", "),
    }
}

fn badge(status: TenantStatus) -> Badge {
    match status {
        TenantStatus::Active => Badge::new(Tone::Good, "Active"),
        TenantStatus::Suspended => Badge::new(Tone::Danger, "Suspended"),
    }
}

async fn show_one(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
) -> Answer {
    page(&detail(&app, &operator, id, FormErrors::default(), now).await?)
}

/// A tenant's page, with what was wrong in one of its forms.
pub async fn detail(
    app: &App,
    operator: &Operator,
    id: TenantId,
    errors: FormErrors,
    now: Now,
) -> Result<TenantDetail, Failure> {
    let authority = &operator.authority;
    let mut tx = app.db.platform_tx().await?;
    let tenant = find(authority, &mut tx, id).await?;
    let range = usage::last_day(now);
    let counts: Counts = store::usage_reports::sum(&mut tx, id, range).await?;
    let plans = store::plans::list(&mut tx, Listed::Offered, None, PLANS_MAX).await?;
    let held = held(operator, &mut tx, (id, &plans), now).await?;
    let keys = api_keys::list(authority, &mut tx, id, None, KEYS_SHOWN).await?;
    let live = store::api_keys::count(&mut tx, id).await?;
    let shown = keys.iter().filter(|key| key.revoked_at.is_none()).count();
    let people = store::members::list(&mut tx, id, None, MEMBERS_SHOWN).await?;
    let taken = |plan: &Plan| {
        let id = plan.id.to_string();
        held.iter()
            .any(|one| one.plans.iter().any(|c| c.is_selected && c.value == id))
    };
    let free: Vec<&Plan> = plans.iter().filter(|plan| !taken(plan)).collect();
    Ok(TenantDetail {
        shell: operator.shell(OperatorTab::Tenants),
        id: id.to_string(),
        name: tenant.name,
        badge: badge(tenant.status),
        is_suspended: tenant.status == TenantStatus::Suspended,
        created_at: moment(tenant.created_at, now.0),
        requests: thousands(usage::total(&counts)),
        throttled: thousands(usage::throttled(&counts)),
        plans: free.into_iter().map(plan_choice).collect(),
        subscriptions: held,
        errors,
        keys: keys.iter().map(|key| api_keys::row(key, now)).collect(),
        more_keys: usize::try_from(live)
            .unwrap_or(usize::MAX)
            .saturating_sub(shown),
        members: people
            .into_iter()
            .map(|one| members::member_row(one, operator.person.user, now))
            .collect(),
    })
}

/// The subscriptions in force, each with the plans that could take its place.
async fn held(
    operator: &Operator,
    tx: &mut PlatformTx,
    (tenant, plans): (TenantId, &[Plan]),
    now: Now,
) -> Result<Vec<TenantSubscription>, Failure> {
    let authority = &operator.authority;
    let mut active = subscriptions::list(authority, tx, tenant).await?;
    active.retain(|one| one.status == SubscriptionStatus::Active);
    let cards = subscriptions::cards(authority, tx, tenant, now).await?;
    let held = active.into_iter().zip(cards).map(|(one, card)| {
        let present = one.plan_id.to_string();
        let mut choices: Vec<Choice> = plans.iter().map(plan_choice).collect();
        if !choices.iter().any(|choice| choice.value == present) {
            // A retired plan is offered to nobody but stays what it is.
            choices.insert(0, Choice::new(present.clone(), one.plan_name));
        }
        for choice in &mut choices {
            choice.is_selected = choice.value == present;
        }
        TenantSubscription {
            id: one.id.to_string(),
            card,
            plans: choices,
        }
    });
    Ok(held.collect())
}

fn plan_choice(plan: &Plan) -> Choice {
    let terms = &plan.terms;
    let limits = [rate_text(terms), quota_text(terms), price_text(terms)].join(", ");
    Choice::new(plan.id.to_string(), plan.name.clone()).hint(limits)
}
