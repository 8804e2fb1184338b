//! `/api/v1/tenants/{tenant}/domains`.

use axum::extract::State;
use axum::response::Response;
use domain::id::{DomainId, TenantId};
use domain::permission::Action;
use domain::tenant_domain::{DomainName, TenantDomain};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Listed, Made, Nothing, PageQuery, Search, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListDomains, routes!(list)))
        .routes(json::route(Action::AddDomain, routes!(add)))
        .routes(json::route(Action::ListDomains, routes!(show)))
        .routes(json::route(Action::RemoveDomain, routes!(remove)))
        .routes(json::route(Action::ProveDomain, routes!(prove)))
        .routes(json::route(Action::ConfirmDomain, routes!(confirm)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewDomain {
    /// What stands behind the @ of mail addresses; other scripts in their ASCII form.
    #[schema(example = "example.com")]
    domain: String,
}

/// A domain that a tenant says is its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Domain)]
struct DomainView {
    #[schema(value_type = String)]
    id: DomainId,
    domain: String,
    /// Where a TXT record proves it.
    record_name: String,
    /// The text of the record.
    record_text: String,
    /// Null: not proven yet.
    #[serde(with = "time::serde::rfc3339::option")]
    proven_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl DomainView {
    fn of(domain: &TenantDomain) -> Self {
        Self {
            id: domain.id,
            domain: domain.domain.as_str().to_owned(),
            record_name: domain.domain.challenge_name(),
            record_text: domain.proof(),
            proven_at: domain.proven_at,
            created_at: domain.created_at,
        }
    }

    /// Proof changes it once; nobody edits it.
    fn edition(domain: &TenantDomain) -> i32 {
        1 + i32::from(domain.proven_at.is_some())
    }
}

fn answer(domain: &TenantDomain) -> Response {
    json::show(DomainView::edition(domain), &DomainView::of(domain))
}

/// Lists a tenant's domains, oldest first.
#[utoipa::path(get, path = "/tenants/{tenant}/domains", tag = "domains",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<DomainView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<DomainView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let range = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, range).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| DomainView::of(&one),
    ))
}

/// Adds a domain, and says which record in the DNS proves that it is the tenant's.
#[utoipa::path(post, path = "/tenants/{tenant}/domains", tag = "domains",
    params(("tenant" = String, Path)), request_body = NewDomain,
    responses((status = 201, body = DomainView)))]
async fn add(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<NewDomain>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let name = DomainName::parse(&input.domain).map_err(ActionError::from)?;
    let added = super::add(&caller.authority, &mut work.tx, tenant, &name, now).await?;
    let made = Made {
        path: format!("/tenants/{tenant}/domains/{}", added.id),
        edition: DomainView::edition(&added),
    };
    work.created(made, &DomainView::of(&added)).await
}

/// Shows a domain.
#[utoipa::path(get, path = "/tenants/{tenant}/domains/{domain}", tag = "domains",
    params(("tenant" = String, Path), ("domain" = String, Path)),
    responses((status = 200, body = DomainView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(at): At<(TenantId, DomainId)>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, at).await?;
    Ok(answer(&found))
}

/// Removes a domain: the tenant's identity providers count no more for its addresses.
#[utoipa::path(delete, path = "/tenants/{tenant}/domains/{domain}", tag = "domains",
    params(("tenant" = String, Path), ("domain" = String, Path)), responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    At(at): At<(TenantId, DomainId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::remove(&caller.authority, &mut tx, at, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Looks for the record in the DNS.
#[utoipa::path(post, path = "/tenants/{tenant}/domains/{domain}/prove", tag = "domains",
    params(("tenant" = String, Path), ("domain" = String, Path)),
    responses((status = 200, body = DomainView)))]
async fn prove(
    State(app): State<App>,
    At(at): At<(TenantId, DomainId)>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let found = super::prove(&creation.caller.authority, &app, at, now).await?;
    Ok(answer(&found))
}

/// Takes a domain for the tenant's without a record, on an operator's word.
#[utoipa::path(post, path = "/tenants/{tenant}/domains/{domain}/confirm", tag = "domains",
    params(("tenant" = String, Path), ("domain" = String, Path)),
    responses((status = 200, body = DomainView)))]
async fn confirm(
    State(app): State<App>,
    At(at): At<(TenantId, DomainId)>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let authority = &creation.caller.authority;
    let mut tx = Tx::open(&app, authority).await?;
    let found = super::confirm(authority, &mut tx, at, now).await?;
    tx.commit().await?;
    Ok(answer(&found))
}
