//! `/api/v1/identity-providers` and `/api/v1/tenants/{tenant}/identity-providers`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::field::each;
use domain::id::{ProviderId, TenantId};
use domain::identity_provider::{IdentityProvider, Issuer, ProviderName, ProviderTerms};
use domain::permission::Action;
use domain::role::Role;
use domain::tenant_domain::DomainName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::New;
use super::exchange::CALLBACK;
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, Search, Stop,
};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListPlatformProviders, routes!(list)))
        .routes(json::route(Action::CreatePlatformProvider, routes!(create)))
        .routes(json::route(Action::ListPlatformProviders, routes!(show)))
        .routes(json::route(Action::UpdatePlatformProvider, routes!(update)))
        .routes(json::route(Action::DeletePlatformProvider, routes!(delete)))
        .routes(json::route(Action::ListProviders, routes!(list_of_tenant)))
        .routes(json::route(
            Action::CreateProvider,
            routes!(create_of_tenant),
        ))
        .routes(json::route(Action::ListProviders, routes!(show_of_tenant)))
        .routes(json::route(
            Action::UpdateProvider,
            routes!(update_of_tenant),
        ))
        .routes(json::route(
            Action::DeleteProvider,
            routes!(delete_of_tenant),
        ))
}

/// What can be said of an identity provider.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderInput {
    /// On the button: "Continue with" and this.
    #[schema(min_length = 1, max_length = 100, example = "Example ID")]
    pub(super) name: String,
    /// Exactly as the provider names itself; its discovery document is read below it. Fixed once it
    /// is made.
    #[schema(example = "https://accounts.example.com")]
    pub(super) issuer: String,
    pub(super) client_id: String,
    /// Never shown. Empty: none, for a public client. Left out of a change: as before.
    #[serde(default, skip_serializing)]
    #[schema(write_only)]
    pub(super) client_secret: Option<String>,
    /// Asked for beside `openid`.
    #[serde(default = "email_and_profile")]
    pub(super) scopes: Vec<String>,
    /// The claim with a person's name.
    #[serde(default = "name")]
    pub(super) name_claim: String,
    /// The claim with a person's groups, such as `groups` or `cognito:groups`; empty: none.
    #[serde(default)]
    pub(super) groups_claim: String,
    /// Of a tenant's provider: its groups, each with the name of the tenant's group that it stands
    /// for. At each sign-in people are put into those groups and taken out of them.
    #[serde(default)]
    pub(super) groups: BTreeMap<String, String>,
    /// Domains whose addresses it answers for. Of a tenant's provider only those count that the
    /// tenant has proven.
    #[serde(default)]
    pub(super) domains: Vec<String>,
    /// Of the platform's providers: an account here is opened to who has its address there,
    /// whatever the domain.
    #[serde(default)]
    pub(super) links_by_address: bool,
    /// People who come for the first time get an account, and become members of the tenant whose
    /// provider it is.
    #[serde(default)]
    pub(super) makes_people: bool,
    /// As what they become members: `user`, `viewer` or `developer`.
    #[serde(default = "user")]
    pub(super) role: String,
    #[serde(default = "yes")]
    pub(super) is_enabled: bool,
}

fn email_and_profile() -> Vec<String> {
    vec!["email".to_owned(), "profile".to_owned()]
}

fn name() -> String {
    "name".to_owned()
}

fn user() -> String {
    Role::User.to_string()
}

fn yes() -> bool {
    true
}

/// Somebody else's OpenID provider, through which people sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IdentityProvider)]
struct ProviderView {
    #[schema(value_type = String)]
    id: ProviderId,
    /// Null: of the platform.
    #[schema(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
    #[serde(flatten)]
    input: ProviderInput,
    has_client_secret: bool,
    /// To be registered at the provider.
    redirect_uri: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl ProviderInput {
    pub(super) fn parse(self) -> Result<New, ActionError> {
        let mut checks = Checks::default();
        let name = checks.take(ProviderName::parse(&self.name));
        let issuer = checks.take(Issuer::parse(&self.issuer));
        let domains = checks.take_all(each("domains", &self.domains, DomainName::parse));
        let role = self
            .role
            .parse()
            .map_err(|_| FieldError::new("role", "invalid", "Enter user, viewer or developer."));
        let role = checks.take(role);
        let new = (|| {
            Some(New {
                issuer: issuer?,
                terms: ProviderTerms {
                    name: name?,
                    client_id: self.client_id.trim().to_owned(),
                    scopes: self.scopes,
                    name_claim: self.name_claim.trim().to_owned(),
                    groups_claim: self.groups_claim.trim().to_owned(),
                    groups: self.groups,
                    domains: domains?,
                    links_by_address: self.links_by_address,
                    makes_people: self.makes_people,
                    role: role?,
                    is_enabled: self.is_enabled,
                },
                client_secret: self.client_secret,
            })
        })();
        checks.finish(new).map_err(ActionError::Invalid)
    }

    pub(super) fn of(provider: &IdentityProvider) -> Self {
        let terms = &provider.terms;
        Self {
            name: terms.name.as_str().to_owned(),
            issuer: provider.issuer.as_str().to_owned(),
            client_id: terms.client_id.clone(),
            client_secret: None,
            scopes: terms.scopes.clone(),
            name_claim: terms.name_claim.clone(),
            groups_claim: terms.groups_claim.clone(),
            groups: terms.groups.clone(),
            domains: terms
                .domains
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            links_by_address: terms.links_by_address,
            makes_people: terms.makes_people,
            role: terms.role.to_string(),
            is_enabled: terms.is_enabled,
        }
    }
}

impl ProviderView {
    fn of(app: &App, provider: &IdentityProvider) -> Self {
        Self {
            id: provider.id,
            tenant_id: provider.tenant_id,
            input: ProviderInput::of(provider),
            has_client_secret: provider.sealed_client_secret.is_some(),
            redirect_uri: format!("{}{CALLBACK}", app.public_url),
            created_at: provider.created_at,
        }
    }
}

async fn list_in(
    app: &App,
    caller: &Caller,
    tenant: Option<TenantId>,
    query: PageQuery,
) -> Result<Listed<ProviderView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(app, &caller.authority).await?;
    let range = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, range).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| ProviderView::of(app, &one),
    ))
}

async fn create_in(
    app: &App,
    tenant: Option<TenantId>,
    mut creation: Creation<ProviderInput>,
    now: Now,
) -> Result<Response, Stop> {
    let new = creation.input.clone().parse()?;
    // Its fingerprint was taken; from here on it stands in `new` only.
    creation.input.client_secret = None;
    super::check(app, tenant, &new, now).await?;
    let (mut work, caller, _) = creation.begin(app).await?;
    let place = (app, tenant);
    let made = super::create(&caller.authority, &mut work.tx, place, &new, now).await?;
    let path = match tenant {
        Some(tenant) => format!("/tenants/{tenant}/identity-providers/{}", made.id),
        None => format!("/identity-providers/{}", made.id),
    };
    let place = Made {
        path,
        edition: made.edition,
    };
    work.created(place, &ProviderView::of(app, &made)).await
}

async fn show_in(
    app: &App,
    caller: &Caller,
    tenant: Option<TenantId>,
    id: ProviderId,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, tenant, id).await?;
    Ok(json::show(found.edition, &ProviderView::of(app, &found)))
}

async fn update_in(
    app: &App,
    (tenant, id): (Option<TenantId>, ProviderId),
    edit: Edit,
    now: Now,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let authority = &caller.authority;
    let mut tx = Tx::open(app, authority).await?;
    let present = super::get(authority, &mut tx, tenant, id).await?;
    tx.commit().await?;
    seen.check(present.edition)?;
    let new = patch.apply(&ProviderInput::of(&present))?.parse()?;
    super::check(app, tenant, &new, now).await?;
    let mut tx = Tx::open(app, authority).await?;
    let (place, change) = ((app, tenant, id), (&new, Some(present.edition)));
    let after = super::update(authority, &mut tx, place, change, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &ProviderView::of(app, &after)))
}

async fn delete_in(
    app: &App,
    caller: &Caller,
    place: (Option<TenantId>, ProviderId),
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let seen = seen.edition()?;
    let mut tx = Tx::open(app, &caller.authority).await?;
    super::delete(&caller.authority, &mut tx, place, seen, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Lists the platform's identity providers, oldest first.
#[utoipa::path(get, path = "/identity-providers", tag = "identity-providers",
    params(PageQuery), responses((status = 200, body = Listed<ProviderView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<ProviderView>, Stop> {
    list_in(&app, &caller, None, query).await
}

/// Adds an identity provider of the platform. Its discovery document is read first; what is wrong
/// with it is said at `issuer`.
#[utoipa::path(post, path = "/identity-providers", tag = "identity-providers",
    request_body = ProviderInput, responses((status = 201, body = ProviderView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<ProviderInput>,
) -> Result<Response, Stop> {
    create_in(&app, None, creation, now).await
}

/// Shows an identity provider of the platform.
#[utoipa::path(get, path = "/identity-providers/{provider}", tag = "identity-providers",
    params(("provider" = String, Path)), responses((status = 200, body = ProviderView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<ProviderId>,
) -> Result<Response, Stop> {
    show_in(&app, &caller, None, id).await
}

/// Changes an identity provider of the platform.
#[utoipa::path(patch, path = "/identity-providers/{provider}", tag = "identity-providers",
    params(("provider" = String, Path)), request_body = ProviderInput,
    responses((status = 200, body = ProviderView)))]
async fn update(
    State(app): State<App>,
    At(id): At<ProviderId>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    update_in(&app, (None, id), edit, now).await
}

/// Removes an identity provider of the platform: nobody comes in through it any more.
#[utoipa::path(delete, path = "/identity-providers/{provider}", tag = "identity-providers",
    params(("provider" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<ProviderId>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    delete_in(&app, &caller, (None, id), seen, now).await
}

/// Lists a tenant's identity providers, oldest first.
#[utoipa::path(get, path = "/tenants/{tenant}/identity-providers", tag = "identity-providers",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<ProviderView>)))]
async fn list_of_tenant(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<ProviderView>, Stop> {
    list_in(&app, &caller, Some(tenant), query).await
}

/// Adds an identity provider of a tenant. It signs people in whose address is in a domain that the
/// tenant has proven.
#[utoipa::path(post, path = "/tenants/{tenant}/identity-providers", tag = "identity-providers",
    params(("tenant" = String, Path)), request_body = ProviderInput,
    responses((status = 201, body = ProviderView)))]
async fn create_of_tenant(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<ProviderInput>,
) -> Result<Response, Stop> {
    create_in(&app, Some(tenant), creation, now).await
}

/// Shows an identity provider of a tenant.
#[utoipa::path(get, path = "/tenants/{tenant}/identity-providers/{provider}",
    tag = "identity-providers",
    params(("tenant" = String, Path), ("provider" = String, Path)),
    responses((status = 200, body = ProviderView)))]
async fn show_of_tenant(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, ProviderId)>,
) -> Result<Response, Stop> {
    show_in(&app, &caller, Some(tenant), id).await
}

/// Changes an identity provider of a tenant.
#[utoipa::path(patch, path = "/tenants/{tenant}/identity-providers/{provider}",
    tag = "identity-providers",
    params(("tenant" = String, Path), ("provider" = String, Path)), request_body = ProviderInput,
    responses((status = 200, body = ProviderView)))]
async fn update_of_tenant(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, ProviderId)>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    update_in(&app, (Some(tenant), id), edit, now).await
}

/// Removes an identity provider of a tenant: nobody comes in through it any more.
#[utoipa::path(delete, path = "/tenants/{tenant}/identity-providers/{provider}",
    tag = "identity-providers",
    params(("tenant" = String, Path), ("provider" = String, Path)), responses((status = 204)))]
async fn delete_of_tenant(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, ProviderId)>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    delete_in(&app, &caller, (Some(tenant), id), seen, now).await
}
