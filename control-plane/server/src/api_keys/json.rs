//! `/api/v1/tenants/{tenant}/api-keys`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::api_key::{AllowedIp, ApiKey, KeyName, KeyTerms, PlainKey};
use domain::field::each;
use domain::id::{ApiId, ApiKeyId, TenantId};
use domain::permission::Action;
use domain::plan::Rate;
use domain::scope::Scope;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{CurrentPepper, KeyEdit, Minted, NewKey, Rotation};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, PerSecond, Search, Stop,
};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListApiKeys, routes!(list)))
        .routes(json::route(Action::CreateApiKey, routes!(create)))
        .routes(json::route(Action::ListApiKeys, routes!(show)))
        .routes(json::route(Action::UpdateApiKey, routes!(update)))
        .routes(json::route(Action::RevokeApiKey, routes!(revoke)))
        .routes(json::route(Action::RotateApiKey, routes!(rotate)))
}

/// What can be said of an API key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApiKeyInput {
    /// 1 to 100 characters, unlike any other key's of the tenant.
    #[schema(example = "billing-worker")]
    name: String,
    /// A key that is switched off is refused with 401 until it is switched on again.
    #[serde(default = "yes")]
    #[schema(default = true)]
    is_enabled: bool,
    /// From then on it is refused; null: it does not expire.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Null: whatever the tenant's subscriptions allow. A restriction never opens more than they do.
    scopes: Option<Vec<String>>,
    /// Empty: every API that the tenant's subscriptions open.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    api_ids: Vec<ApiId>,
    /// Addresses and networks that may use it; empty: any.
    #[serde(default)]
    #[schema(example = json!(["203.0.113.0/24"]))]
    allowed_ips: Vec<String>,
    /// Requests per second with this key, on top of the subscription's limit; goes with
    /// `burst_limit`.
    #[schema(value_type = Option<f64>)]
    rate_limit: Option<PerSecond>,
    burst_limit: Option<u64>,
    /// At creation: a value of 20 to 128 characters that another system made, if it is not
    /// guessable. Left out: a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationInput {
    /// How long the old value works on, in seconds: at most 30 days, 0 for not at all.
    #[serde(default = "a_day")]
    #[schema(default = 86_400, maximum = 2_592_000)]
    grace_seconds: u32,
    /// A value that another system made; left out: a new one is made.
    value: Option<String>,
}

fn a_day() -> u32 {
    86_400
}

/// An API key. Its value is shown once, by the call that creates or rotates it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    #[schema(value_type = String)]
    id: ApiKeyId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    #[serde(flatten)]
    terms: ApiKeyInput,
    /// The first characters of the value.
    prefix: String,
    is_imported: bool,
    /// To the minute; not part of what ETags count.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// Until when the value before the last rotation works.
    #[serde(with = "time::serde::rfc3339::option")]
    previous_value_expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl ApiKeyInput {
    /// The terms, and a value that is to be imported.
    fn parse(self) -> Result<(KeyTerms, Option<PlainKey>), ActionError> {
        let mut checks = Checks::default();
        let name = checks.take(KeyName::parse(&self.name));
        let scopes = self
            .scopes
            .map(|scopes| checks.take_all(Scope::parse_all("scopes", &scopes)));
        let ips = checks.take_all(each("allowed_ips", &self.allowed_ips, AllowedIp::parse));
        let milli = self.rate_limit.map(|rate| rate.thousandths);
        let rate = checks.take(Rate::parse(milli, self.burst_limit));
        let imported = self
            .value
            .map(|value| checks.take(PlainKey::import(&value)));
        let terms = name.zip(ips).zip(rate).map(|((name, allowed_ips), rate)| {
            let terms = KeyTerms {
                name,
                is_enabled: self.is_enabled,
                expires_at: self.expires_at,
                scopes: scopes.flatten(),
                api_ids: self.api_ids,
                allowed_ips,
                rate,
            };
            (terms, imported.flatten())
        });
        checks.finish(terms).map_err(ActionError::Invalid)
    }

    fn of(key: &ApiKey) -> Self {
        Self {
            name: key.name.clone(),
            is_enabled: key.is_enabled,
            expires_at: key.expires_at,
            scopes: key.scopes.clone(),
            api_ids: key.api_ids.clone(),
            allowed_ips: key.allowed_ips.clone(),
            rate_limit: key.rate.map(|rate| PerSecond {
                thousandths: rate.per_second_milli,
            }),
            burst_limit: key.rate.map(|rate| rate.burst),
            value: None,
        }
    }
}

impl ApiKeyView {
    fn of(key: &ApiKey) -> Self {
        Self {
            id: key.id,
            tenant_id: key.tenant_id,
            terms: ApiKeyInput::of(key),
            prefix: key.prefix.clone(),
            is_imported: key.is_imported,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            previous_value_expires_at: key.previous_value_expires_at,
            created_at: key.created_at,
        }
    }

    /// With its value: for the one answer that shows it.
    fn with_value(minted: &Minted) -> Self {
        let mut view = Self::of(&minted.key);
        view.terms.value = Some(minted.value.reveal().to_owned());
        view
    }
}

/// Lists API keys, the newest first; revoked ones too.
#[utoipa::path(get, path = "/tenants/{tenant}/api-keys", tag = "api-keys",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<ApiKeyView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<ApiKeyView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, before, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| ApiKeyView::of(&one),
    ))
}

/// Creates an API key. The answer is the only place that ever shows its `value`.
#[utoipa::path(post, path = "/tenants/{tenant}/api-keys", tag = "api-keys",
    params(("tenant" = String, Path)), request_body = ApiKeyInput,
    responses((status = 201, body = ApiKeyView)))]
async fn create(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<ApiKeyInput>,
) -> Result<Response, Stop> {
    let pepper = CurrentPepper::load(&app).await?;
    let (mut work, caller, input) = creation.begin(&app).await?;
    let (terms, imported) = input.parse()?;
    let new = NewKey {
        terms,
        imported,
        pepper,
    };
    let minted = super::create(&caller.authority, &mut work.tx, tenant, new, now).await?;
    let key = &minted.key;
    let place = Made {
        path: format!("/tenants/{tenant}/api-keys/{}", key.id),
        edition: key.edition,
    };
    let view = ApiKeyView::with_value(&minted);
    work.created_secret(place, &key.id.to_string(), &view).await
}

/// Shows an API key.
#[utoipa::path(get, path = "/tenants/{tenant}/api-keys/{key}", tag = "api-keys",
    params(("tenant" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = ApiKeyView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let key = super::show(&caller.authority, &mut tx, tenant, id).await?;
    Ok(json::show(key.edition, &ApiKeyView::of(&key)))
}

/// Changes name and restrictions of an API key, or switches it off and on. Its value stays.
#[utoipa::path(patch, path = "/tenants/{tenant}/api-keys/{key}", tag = "api-keys",
    params(("tenant" = String, Path), ("key" = String, Path)), request_body = ApiKeyInput,
    responses((status = 200, body = ApiKeyView)))]
async fn update(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let authority = &caller.authority;
    let mut tx = Tx::open(&app, authority).await?;
    let present = super::show(authority, &mut tx, tenant, id).await?;
    seen.check(present.edition)?;
    let input = patch.apply(&ApiKeyInput::of(&present))?;
    if input.value.is_some() {
        let message = "A key's value is changed by rotating it.";
        return Err(ActionError::from(FieldError::new("value", "unknown_field", message)).into());
    }
    let (terms, _) = input.parse()?;
    let edit = KeyEdit {
        terms,
        seen: Some(present.edition),
    };
    let after = super::update(authority, &mut tx, (tenant, id), edit, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &ApiKeyView::of(&after)))
}

/// Revokes an API key for good: nodes refuse it within about a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/api-keys/{key}", tag = "api-keys",
    params(("tenant" = String, Path), ("key" = String, Path)), responses((status = 204)))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let at = (tenant, id);
    super::revoke(&caller.authority, &mut tx, at, seen.edition()?, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Gives an API key another value; id, name and restrictions stay. The answer is the only place
/// that ever shows the new `value`.
#[utoipa::path(post, path = "/tenants/{tenant}/api-keys/{key}/rotate", tag = "api-keys",
    params(("tenant" = String, Path), ("key" = String, Path)), request_body = RotationInput,
    responses((status = 200, body = ApiKeyView)))]
async fn rotate(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
    now: Now,
    creation: Creation<RotationInput>,
) -> Result<Response, Stop> {
    let pepper = CurrentPepper::load(&app).await?;
    let (mut work, caller, input) = creation.begin(&app).await?;
    let imported = input
        .value
        .map(|value| PlainKey::import(&value))
        .transpose()
        .map_err(ActionError::from)?;
    let rotation = Rotation {
        imported,
        pepper,
        grace: Duration::seconds(input.grace_seconds.into()),
    };
    let at = (tenant, id);
    let minted = super::rotate(&caller.authority, &mut work.tx, at, rotation, now).await?;
    let view = ApiKeyView::with_value(&minted);
    work.done_secret(minted.key.edition, &id.to_string(), &view)
        .await
}
