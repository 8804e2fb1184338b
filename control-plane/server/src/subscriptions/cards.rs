//! Plans and subscriptions as people read them.

use std::collections::HashMap;

use domain::id::{ApiId, TenantId};
use domain::plan::{Plan, PlanTerms};
use domain::subscription::{Subscription, SubscriptionStatus};
use domain::usage::QuotaUse;
use store::Conn;
use web::format::{money, plural, rate, thousands};
use web::layout::{Badge, Tone};
use web::pages::subscriptions::{QuotaBar, QuotaState, SubscriptionCard};

use super::list;
use crate::action::ActionError;
use crate::authority::Authority;
use crate::clock::Now;
use crate::usage;

/// APIs whose names are looked up.
pub(super) const APIS_MAX: u32 = 1_000;

/// What the tenant has, and what is left of it.
pub(crate) async fn cards(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    now: Now,
) -> Result<Vec<SubscriptionCard>, ActionError> {
    let quotas = usage::quotas(authority, tx, tenant, now).await?;
    let names = api_names(tx).await?;
    let mut cards = Vec::new();
    for one in list(authority, tx, tenant).await? {
        if one.status != SubscriptionStatus::Active {
            continue;
        }
        let plan = store::plans::get_version(tx, one.plan_id, one.plan_version).await?;
        cards.push(card(&plan, &quotas, &names, now));
    }
    Ok(cards)
}

fn card(
    plan: &Plan,
    quotas: &[QuotaUse],
    names: &HashMap<ApiId, String>,
    now: Now,
) -> SubscriptionCard {
    let terms = &plan.terms;
    let retired = || Badge::new(Tone::Warning, "Retired plan");
    SubscriptionCard {
        plan_name: plan.name.clone(),
        description: plan.description.clone(),
        badge: plan.retired_at.map(|_| retired()),
        rate: rate_text(terms),
        burst: burst_text(terms),
        quota: terms.quota.as_ref().and_then(|quota| {
            let used = quotas.iter().find(|one| one.group == quota.group)?;
            let state = QuotaState {
                used: used.used,
                limit: used.limit,
                period: quota.period.as_str(),
                resets_at: used.period_end,
            };
            Some(QuotaBar::new(state, now.0))
        }),
        price: price_text(terms),
        apis: apis_text(terms, names),
    }
}

pub(crate) async fn api_names(tx: &mut Conn) -> Result<HashMap<ApiId, String>, ActionError> {
    let apis = store::apis::list(tx, None, APIS_MAX).await?;
    Ok(apis.into_iter().map(|api| (api.id, api.name)).collect())
}

/// Each by name with the APIs that it opens: `Free (Orders, Maps)`.
pub(crate) async fn with_apis(
    tx: &mut Conn,
    subscriptions: &[Subscription],
) -> Result<Vec<String>, ActionError> {
    let names = api_names(tx).await?;
    let mut texts = Vec::with_capacity(subscriptions.len());
    for one in subscriptions {
        let plan = store::plans::get_version(tx, one.plan_id, one.plan_version).await?;
        let apis = apis_text(&plan.terms, &names);
        texts.push(match apis.is_empty() {
            true => format!("{} (no API)", one.plan_name),
            false => format!("{} ({})", one.plan_name, apis.join(", ")),
        });
    }
    Ok(texts)
}

pub(crate) fn rate_text(terms: &PlanTerms) -> String {
    terms
        .rate
        .map_or("Unlimited".to_owned(), |it| rate(it.per_second_milli))
}

pub(crate) fn burst_text(terms: &PlanTerms) -> String {
    terms
        .rate
        .map_or("–".to_owned(), |it| plural(it.burst, "request"))
}

pub(crate) fn quota_text(terms: &PlanTerms) -> String {
    terms.quota.as_ref().map_or("No quota".to_owned(), |quota| {
        format!("{} per {}", thousands(quota.limit), quota.period)
    })
}

pub(crate) fn price_text(terms: &PlanTerms) -> String {
    match &terms.price {
        Some(price) if price.amount_minor > 0 => format!(
            "{} per {}",
            money(price.amount_minor, &price.currency),
            price.period
        ),
        _ => "Free".to_owned(),
    }
}

pub(crate) fn apis_text(terms: &PlanTerms, names: &HashMap<ApiId, String>) -> Vec<String> {
    terms
        .api_ids
        .iter()
        .filter_map(|id| names.get(id).cloned())
        .collect()
}
