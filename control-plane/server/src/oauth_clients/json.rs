//! `/api/v1/tenants/{tenant}/oauth-clients`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::field::each;
use domain::id::{ClientId, TenantId};
use domain::oauth_client::{
    ClientKind, ClientName, ClientSecret, ClientTerms, Grant, OauthClient, RedirectUri, Serves,
    SignUp,
};
use domain::permission::Action;
use domain::scope::Scope;
use domain::token_key::SigningAlgorithm;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::MintedSecret;
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, Nothing, PageQuery, Search, Stop,
};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListClients, routes!(list)))
        .routes(json::route(Action::CreateClient, routes!(create)))
        .routes(json::route(Action::ListClients, routes!(show)))
        .routes(json::route(Action::UpdateClient, routes!(update)))
        .routes(json::route(Action::DeleteClient, routes!(delete)))
        .routes(json::route(Action::AddClientSecret, routes!(add_secret)))
        .routes(json::route(
            Action::RevokeClientSecret,
            routes!(revoke_secret),
        ))
}

/// What can be said of an OAuth client.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientInput {
    #[schema(example = "Orders app")]
    pub(super) name: String,
    /// `public` (browser and native applications) or `confidential` (it can keep a secret). Fixed
    /// once it is made.
    #[serde(default = "public")]
    pub(super) kind: String,
    /// `own_tenant`, or `any_tenant`: members of others may use it once they allowed it.
    #[serde(default = "own_tenant")]
    pub(super) serves: String,
    /// Who else becomes a user of the tenant by signing in at it: `nobody`, `domains` or `anybody`.
    #[serde(default = "nobody")]
    pub(super) sign_up: String,
    #[serde(default)]
    pub(super) sign_up_domains: Vec<String>,
    /// `https`, `http` on loopback (any port), or an application's own scheme.
    #[serde(default)]
    #[schema(example = json!(["https://app.example.com/callback"]))]
    pub(super) redirect_uris: Vec<String>,
    /// Where people may be sent after they signed out.
    #[serde(default)]
    pub(super) logout_uris: Vec<String>,
    /// Of `authorization_code`, `refresh_token`, `client_credentials`.
    #[serde(default = "code_and_refresh")]
    pub(super) grants: Vec<String>,
    /// Scopes of APIs that it may ask for; `openid`, `profile`, `email` and `offline_access` need no
    /// leave.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default = "yes")]
    pub(super) requires_pkce: bool,
    /// `RS256`, `ES256` or `EdDSA`.
    #[serde(default = "rs256")]
    pub(super) signing_algorithm: String,
    /// Gateway nodes alone can read its access tokens (ECDH-ES, A256GCM).
    #[serde(default)]
    pub(super) encrypts_access_tokens: bool,
    #[serde(default = "an_hour")]
    #[schema(minimum = 60, maximum = 86_400)]
    pub(super) access_token_seconds: u32,
    #[serde(default = "an_hour")]
    #[schema(minimum = 60, maximum = 86_400)]
    pub(super) id_token_seconds: u32,
    #[serde(default = "thirty_days")]
    #[schema(minimum = 3_600, maximum = 315_360_000)]
    pub(super) refresh_token_seconds: u32,
    /// One that is switched off gets nothing, and what it was given before is over.
    #[serde(default = "yes")]
    pub(super) is_enabled: bool,
}

fn public() -> String {
    ClientKind::Public.to_string()
}

fn own_tenant() -> String {
    Serves::OwnTenant.to_string()
}

fn nobody() -> String {
    SignUp::Nobody.to_string()
}

fn code_and_refresh() -> Vec<String> {
    vec![
        Grant::AuthorizationCode.to_string(),
        Grant::RefreshToken.to_string(),
    ]
}

fn rs256() -> String {
    SigningAlgorithm::Rs256.to_string()
}

fn yes() -> bool {
    true
}

fn an_hour() -> u32 {
    3_600
}

fn thirty_days() -> u32 {
    30 * 86_400
}

/// A secret of a client, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClientSecret)]
struct SecretView {
    #[schema(value_type = String)]
    id: Uuid,
    prefix: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// In the one answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// An OAuth client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OauthClient)]
struct ClientView {
    /// Also its `client_id`.
    #[schema(value_type = String)]
    id: ClientId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    #[serde(flatten)]
    terms: ClientInput,
    /// Those that work; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Vec<SecretView>>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl ClientInput {
    pub(super) fn parse(self) -> Result<(ClientKind, ClientTerms), ActionError> {
        let mut checks = Checks::default();
        let kind = checks.take(choice("kind", &self.kind));
        let name = checks.take(ClientName::parse(&self.name));
        let serves = checks.take(choice("serves", &self.serves));
        let sign_up = checks.take(choice("sign_up", &self.sign_up));
        let redirects = each("redirect_uris", &self.redirect_uris, RedirectUri::parse);
        let redirect_uris = checks.take_all(redirects);
        let logouts = each("logout_uris", &self.logout_uris, RedirectUri::parse);
        let logout_uris = checks.take_all(logouts);
        let grants = checks.take_all(each("grants", &self.grants, |text| choice("grants", text)));
        let scopes = checks.take_all(Scope::parse_all("scopes", &self.scopes));
        let algorithm = checks.take(choice("signing_algorithm", &self.signing_algorithm));
        let terms = (|| {
            let terms = ClientTerms {
                name: name?,
                serves: serves?,
                sign_up: sign_up?,
                sign_up_domains: self
                    .sign_up_domains
                    .iter()
                    .map(|domain| domain.trim().to_ascii_lowercase())
                    .filter(|domain| !domain.is_empty())
                    .collect(),
                redirect_uris: redirect_uris?,
                logout_uris: logout_uris?,
                grants: grants?,
                scopes: domain::scope::texts(&scopes?),
                requires_pkce: self.requires_pkce,
                signing_algorithm: algorithm?,
                encrypts_access_tokens: self.encrypts_access_tokens,
                access_token_seconds: self.access_token_seconds,
                id_token_seconds: self.id_token_seconds,
                refresh_token_seconds: self.refresh_token_seconds,
                is_enabled: self.is_enabled,
            };
            Some((kind?, terms))
        })();
        checks.finish(terms).map_err(ActionError::Invalid)
    }

    pub(super) fn of(client: &OauthClient) -> Self {
        let texts = |uris: &[RedirectUri]| uris.iter().map(|uri| uri.as_str().to_owned()).collect();
        Self {
            name: client.name.clone(),
            kind: client.kind.to_string(),
            serves: client.serves.to_string(),
            sign_up: client.sign_up.to_string(),
            sign_up_domains: client.sign_up_domains.clone(),
            redirect_uris: texts(&client.redirect_uris),
            logout_uris: texts(&client.logout_uris),
            grants: client.grants.iter().map(ToString::to_string).collect(),
            scopes: client.scopes.clone(),
            requires_pkce: client.requires_pkce,
            signing_algorithm: client.signing_algorithm.to_string(),
            encrypts_access_tokens: client.encrypts_access_tokens,
            access_token_seconds: client.access_token_seconds,
            id_token_seconds: client.id_token_seconds,
            refresh_token_seconds: client.refresh_token_seconds,
            is_enabled: client.is_enabled,
        }
    }
}

fn choice<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, FieldError> {
    text.parse()
        .map_err(|_| FieldError::new(field, "invalid", format!("{text} is none of the choices.")))
}

impl SecretView {
    fn of(secret: &ClientSecret) -> Self {
        Self {
            id: secret.id,
            prefix: secret.prefix.clone(),
            created_at: secret.created_at,
            value: None,
        }
    }

    fn with_value(minted: &MintedSecret) -> Self {
        Self {
            value: Some(minted.value.reveal().to_owned()),
            ..Self::of(&minted.secret)
        }
    }
}

impl ClientView {
    fn of(client: &OauthClient, secrets: Option<Vec<SecretView>>) -> Self {
        Self {
            id: client.id,
            tenant_id: client.tenant_id,
            terms: ClientInput::of(client),
            secrets,
            created_at: client.created_at,
        }
    }
}

/// Lists OAuth clients, the newest first.
#[utoipa::path(get, path = "/tenants/{tenant}/oauth-clients", tag = "oauth-clients",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<ClientView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<ClientView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let range = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, range).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| ClientView::of(&one, None),
    ))
}

/// Registers an OAuth client. The answer is the only place that ever shows a secret's `value`.
#[utoipa::path(post, path = "/tenants/{tenant}/oauth-clients", tag = "oauth-clients",
    params(("tenant" = String, Path)), request_body = ClientInput,
    responses((status = 201, body = ClientView)))]
async fn create(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<ClientInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let new = input.parse()?;
    let made = super::create(&caller.authority, &mut work.tx, tenant, new, now).await?;
    let client = &made.client;
    let place = Made {
        path: format!("/tenants/{tenant}/oauth-clients/{}", client.id),
        edition: client.edition,
    };
    let secrets = made.secret.iter().map(SecretView::with_value).collect();
    let view = ClientView::of(client, Some(secrets));
    match made.secret {
        None => work.created(place, &view).await,
        Some(_) => {
            work.created_secret(place, &client.id.to_string(), &view)
                .await
        }
    }
}

/// Shows an OAuth client.
#[utoipa::path(get, path = "/tenants/{tenant}/oauth-clients/{client}", tag = "oauth-clients",
    params(("tenant" = String, Path), ("client" = String, Path)),
    responses((status = 200, body = ClientView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(at): At<(TenantId, ClientId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (client, secrets) = super::show(&caller.authority, &mut tx, at, now).await?;
    let secrets = secrets.iter().map(SecretView::of).collect();
    Ok(json::show(
        client.edition,
        &ClientView::of(&client, Some(secrets)),
    ))
}

/// Changes an OAuth client; kind and secrets stay.
#[utoipa::path(patch, path = "/tenants/{tenant}/oauth-clients/{client}", tag = "oauth-clients",
    params(("tenant" = String, Path), ("client" = String, Path)), request_body = ClientInput,
    responses((status = 200, body = ClientView)))]
async fn update(
    State(app): State<App>,
    At(at): At<(TenantId, ClientId)>,
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
    let (present, _) = super::show(authority, &mut tx, at, now).await?;
    seen.check(present.edition)?;
    let (kind, terms) = patch.apply(&ClientInput::of(&present))?.parse()?;
    if kind != present.kind {
        let message = "A client stays public or confidential; register another one.";
        return Err(ActionError::from(FieldError::new("kind", "immutable", message)).into());
    }
    let edit = (terms, Some(present.edition));
    let after = super::update(authority, &mut tx, at, edit, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &ClientView::of(&after, None)))
}

/// Ends an OAuth client and all that it was given: nodes refuse its tokens within about a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/oauth-clients/{client}", tag = "oauth-clients",
    params(("tenant" = String, Path), ("client" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(at): At<(TenantId, ClientId)>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::delete(&caller.authority, &mut tx, at, seen.edition()?, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Makes another secret, to change over to; two work at a time. The answer is the only place that
/// ever shows its `value`.
#[utoipa::path(post, path = "/tenants/{tenant}/oauth-clients/{client}/secrets",
    operation_id = "add_secret", tag = "oauth-clients",
    params(("tenant" = String, Path), ("client" = String, Path)),
    responses((status = 201, body = SecretView)))]
async fn add_secret(
    State(app): State<App>,
    At(at): At<(TenantId, ClientId)>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, Nothing {}) = creation.begin(&app).await?;
    let (client, minted) = super::add_secret(&caller.authority, &mut work.tx, at, now).await?;
    let id = minted.secret.id;
    let place = Made {
        path: format!(
            "/tenants/{}/oauth-clients/{}/secrets/{id}",
            client.tenant_id, client.id
        ),
        edition: client.edition,
    };
    let view = SecretView::with_value(&minted);
    work.created_secret(place, &id.to_string(), &view).await
}

/// Takes a secret back: from now on it proves nothing.
#[utoipa::path(delete, path = "/tenants/{tenant}/oauth-clients/{client}/secrets/{secret}",
    operation_id = "revoke_secret", tag = "oauth-clients",
    params(("tenant" = String, Path), ("client" = String, Path), ("secret" = String, Path)),
    responses((status = 204)))]
async fn revoke_secret(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id, secret)): At<(TenantId, ClientId, Uuid)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::revoke_secret(&caller.authority, &mut tx, (tenant, id), secret, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
