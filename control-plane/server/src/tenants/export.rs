//! Everything that is kept of a tenant, as one JSON document: what is handed over before it is
//! deleted. Values of keys are not in it: nobody has them.

use domain::api_key::ApiKey;
use domain::id::{ApiKeyId, MemberId, TenantId};
use domain::permission::Action;
use domain::usage::{By, Group, GroupKey, UsageRow};
use serde_json::{Value, json};
use store::PlatformTx;
use store::api_keys::Listed;
use store::usage_reports::Range;
use time::{Duration, OffsetDateTime};
use web::format::rfc3339;

use super::TenantView;
use crate::action::ActionError;
use crate::authority::Authority;
use crate::clock::Now;

const PAGE: u32 = 1_000;
/// Hours are kept for about two years.
const USAGE: Duration = Duration::days(800);
const USAGE_ROWS_MAX: u32 = 1_000_000;

pub(crate) async fn export(
    authority: &Authority,
    tx: &mut PlatformTx,
    tenant: TenantId,
    now: Now,
) -> Result<Value, ActionError> {
    authority.require(Action::ExportTenant)?;
    let found = store::tenants::get(tx, tenant).await?;
    Ok(json!({
        "exported_at": rfc3339(now.0),
        "tenant": TenantView::of(&found),
        "members": members(tx, tenant).await?,
        "subscriptions": subscriptions(tx, tenant).await?,
        "api_keys": api_keys(tx, tenant).await?,
        "usage": usage(tx, tenant, now).await?,
    }))
}

async fn members(tx: &mut PlatformTx, tenant: TenantId) -> Result<Vec<Value>, ActionError> {
    let (mut all, mut after) = (Vec::new(), None::<MemberId>);
    loop {
        let page = store::members::list(tx, tenant, after, PAGE).await?;
        after = page.last().map(|member| member.id);
        all.extend(page.iter().map(|member| {
            json!({
                "id": member.id, "user_id": member.user_id, "email": member.email,
                "name": member.name, "role": member.standing.role,
                "status": member.standing.status, "attributes": member.attributes.as_map(),
                "created_at": rfc3339(member.created_at),
            })
        }));
        if page.len() < PAGE as usize {
            return Ok(all);
        }
    }
}

async fn subscriptions(tx: &mut PlatformTx, tenant: TenantId) -> Result<Vec<Value>, ActionError> {
    let all = store::subscriptions::list(tx, tenant, None, PAGE).await?;
    Ok(all
        .iter()
        .map(|one| {
            json!({
                "id": one.id, "plan_id": one.plan_id, "plan": one.plan_name,
                "plan_version": one.plan_version, "status": one.status,
                "created_at": rfc3339(one.created_at),
                "activated_at": one.activated_at.map(rfc3339),
                "ended_at": one.ended_at.map(rfc3339),
            })
        })
        .collect())
}

async fn api_keys(tx: &mut PlatformTx, tenant: TenantId) -> Result<Vec<Value>, ActionError> {
    let (mut all, mut before) = (Vec::new(), None::<ApiKeyId>);
    loop {
        let page = store::api_keys::list(tx, tenant, Listed::All, before, PAGE).await?;
        before = page.last().map(|key| key.id);
        all.extend(page.iter().map(api_key));
        if page.len() < PAGE as usize {
            return Ok(all);
        }
    }
}

fn api_key(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "name": key.name, "prefix": key.prefix, "is_enabled": key.is_enabled,
        "expires_at": key.expires_at.map(rfc3339), "scopes": key.scopes, "api_ids": key.api_ids,
        "allowed_ips": key.allowed_ips, "last_used_at": key.last_used_at.map(rfc3339),
        "revoked_at": key.revoked_at.map(rfc3339), "created_at": rfc3339(key.created_at),
    })
}

/// By day and key.
async fn usage(tx: &mut PlatformTx, tenant: TenantId, now: Now) -> Result<Vec<Value>, ActionError> {
    let range = Range {
        from: now.0 - USAGE,
        to: now.0 + Duration::HOUR,
    };
    let split = (By::Day, Some(Group::Key));
    let rows = store::usage_reports::list(tx, tenant, range, split, USAGE_ROWS_MAX).await?;
    Ok(rows.iter().map(usage_row).collect())
}

fn usage_row(row: &UsageRow) -> Value {
    let key = match row.group {
        GroupKey::Key(key) => key,
        _ => None,
    };
    let counts = row.counts;
    json!({
        "day": row.at.date().to_string(), "api_key_id": key, "admitted": counts.admitted,
        "success": counts.success, "redirect": counts.redirect,
        "client_error": counts.client_error, "server_error": counts.server_error,
        "aborted": counts.aborted, "throttled": counts.throttled,
        "quota_exceeded": counts.quota_exceeded, "denied": counts.denied,
    })
}

/// `tenant-ten_….json`: what a browser saves it as.
pub(crate) fn file_name(tenant: TenantId, at: OffsetDateTime) -> String {
    format!("{tenant}-{}.json", at.date())
}
