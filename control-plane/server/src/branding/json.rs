//! `/api/v1/tenants/{tenant}/branding`.

use axum::extract::State;
use axum::response::Response;
use domain::branding::{Branding, BrandingTerms, RawBranding};
use domain::id::TenantId;
use domain::permission::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Edit, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ShowBranding, routes!(show)))
        .routes(json::route(Action::UpdateBranding, routes!(update)))
}

/// How sign-in looks for people of a tenant's applications. What is left out is not shown.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct BrandingInput {
    /// Instead of the tenant's name.
    name: Option<String>,
    /// Six hexadecimal digits, such as `#4347c9`. Text on it is black or white, and links take a
    /// darker or lighter shade, so that everything can be read.
    accent: Option<String>,
    /// With https.
    support_url: Option<String>,
    /// With https.
    privacy_url: Option<String>,
    /// With https.
    terms_url: Option<String>,
}

impl BrandingInput {
    fn of(terms: BrandingTerms) -> Self {
        Self {
            name: terms.name,
            accent: terms.accent.map(|accent| accent.to_string()),
            support_url: terms.support_url,
            privacy_url: terms.privacy_url,
            terms_url: terms.terms_url,
        }
    }

    fn parse(&self) -> Result<BrandingTerms, ActionError> {
        fn text(given: &Option<String>) -> &str {
            given.as_deref().unwrap_or_default()
        }
        let raw = RawBranding {
            name: text(&self.name),
            accent: text(&self.accent),
            support_url: text(&self.support_url),
            privacy_url: text(&self.privacy_url),
            terms_url: text(&self.terms_url),
        };
        BrandingTerms::parse(raw).map_err(ActionError::Invalid)
    }
}

/// How sign-in looks for people of a tenant's applications.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Branding)]
struct BrandingView {
    #[serde(flatten)]
    input: BrandingInput,
    /// Where the logo is; it is uploaded in the console.
    logo_url: Option<String>,
}

impl BrandingView {
    fn of(app: &App, tenant: TenantId, branding: Branding) -> Self {
        let path = super::logo_url(tenant, &branding);
        Self {
            logo_url: path.map(|path| format!("{}{path}", app.public_url)),
            input: BrandingInput::of(branding.terms),
        }
    }
}

/// Shows how sign-in looks for people of a tenant's applications.
#[utoipa::path(get, path = "/tenants/{tenant}/branding", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 200, body = BrandingView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, tenant).await?;
    tx.commit().await?;
    let edition = found.edition;
    Ok(json::show(edition, &BrandingView::of(&app, tenant, found)))
}

/// Replaces how sign-in looks, but for the logo. What is left out is as if nothing had been said.
#[utoipa::path(put, path = "/tenants/{tenant}/branding", tag = "tenants",
    params(("tenant" = String, Path)), request_body = BrandingInput,
    responses((status = 200, body = BrandingView)))]
async fn update(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let authority = &edit.caller.authority;
    authority.require_in(Action::UpdateBranding, tenant)?;
    let input: BrandingInput = edit.patch.apply(&BrandingInput::default())?;
    let terms = input.parse()?;
    let mut tx = Tx::open(&app, authority).await?;
    let at = (tenant, edit.seen.edition()?);
    let after = super::update(authority, &mut tx, at, &terms, now).await?;
    tx.commit().await?;
    let edition = after.edition;
    Ok(json::show(edition, &BrandingView::of(&app, tenant, after)))
}
