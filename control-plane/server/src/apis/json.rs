//! `/api/v1/apis`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::api::{
    Api, ApiName, ApiTerms, BasePath, DEFAULT_KEY_HEADER, HOSTS_MAX, Host, KeyHeader,
};
use domain::field::{each, line};
use domain::id::{ApiId, UpstreamId};
use domain::permission::Action;
use domain::scope::ApiScope;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cors::CorsInput;
use crate::action::ActionError;
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, Search, Stop,
};

const AUDIENCE_CHARS_MAX: usize = 200;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListApis, routes!(list)))
        .routes(json::route(Action::CreateApi, routes!(create)))
        .routes(json::route(Action::ListApis, routes!(show)))
        .routes(json::route(Action::UpdateApi, routes!(update)))
        .routes(json::route(Action::DeleteApi, routes!(delete)))
}

/// What can be said of an API.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiInput {
    /// 1 to 100 characters, unlike any other API's.
    #[schema(example = "Orders")]
    pub name: String,
    /// Exact hosts or `*.` and a domain. None: any host, tried last.
    #[serde(default)]
    #[schema(example = json!(["api.example.com"]))]
    pub hosts: Vec<String>,
    /// Stripped before requests are forwarded; the longest that fits wins.
    #[serde(default)]
    #[schema(example = "/orders")]
    pub base_path: String,
    /// Where routes without an upstream of their own go.
    #[schema(value_type = String)]
    pub upstream_id: UpstreamId,
    /// Name of the header that carries the API key.
    #[serde(default = "default_key_header")]
    #[schema(default = "x-api-key")]
    pub api_key_header: String,
    /// What tokens must be meant for (`aud`); null: the issuer's address, `/apis/` and the API's id.
    pub audience: Option<String>,
    /// Null: no CORS.
    pub cors: Option<CorsInput>,
    /// Nodes refuse to serve it from a snapshot older than this, in milliseconds; null: never.
    pub max_stale_ms: Option<u64>,
    /// What tokens can be for, at most 200. One that routes need stays.
    #[serde(default)]
    pub scopes: Vec<ApiScopeInput>,
}

/// A scope and what it lets an application do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiScope)]
pub(crate) struct ApiScopeInput {
    #[schema(example = "orders:read")]
    pub name: String,
    /// For people who are asked to allow it, up to 500 characters on one line.
    #[serde(default)]
    #[schema(example = "Read your orders")]
    pub description: String,
}

fn default_key_header() -> String {
    DEFAULT_KEY_HEADER.to_owned()
}

impl ApiInput {
    pub(crate) fn parse(self) -> Result<ApiTerms, Vec<FieldError>> {
        let mut checks = Checks::default();
        if self.hosts.len() > HOSTS_MAX {
            checks.refuse(
                "hosts",
                "too_many",
                format!("Use at most {HOSTS_MAX} hosts."),
            );
        }
        if self.max_stale_ms == Some(0) {
            checks.refuse("max_stale_ms", "out_of_range", "Allow at least 1 ms.");
        }
        let audience = self
            .audience
            .map(|raw| line("audience", &raw, AUDIENCE_CHARS_MAX));
        let name = checks.take(ApiName::parse(&self.name));
        let hosts = checks.take_all(each("hosts", &self.hosts, Host::parse));
        let base_path = checks.take(BasePath::parse(&self.base_path));
        let api_key_header = checks.take(KeyHeader::parse(&self.api_key_header));
        let audience = checks.take(audience.transpose());
        let scopes = checks.take_all(parse_scopes(&self.scopes));
        let cors = checks.take(self.cors.map(CorsInput::parse).transpose());
        let terms = (|| {
            Some(ApiTerms {
                name: name?,
                hosts: hosts?,
                base_path: base_path?,
                upstream_id: self.upstream_id,
                api_key_header: api_key_header?,
                audience: audience?,
                cors: cors?,
                max_stale_ms: self.max_stale_ms,
                scopes: scopes?,
            })
        })();
        checks.finish(terms)
    }

    pub(crate) fn of(api: &Api) -> Self {
        Self {
            name: api.name.clone(),
            hosts: api.hosts.clone(),
            base_path: api.base_path.clone(),
            upstream_id: api.upstream_id,
            api_key_header: api.api_key_header.clone(),
            audience: api.audience.clone(),
            cors: api.cors.as_ref().map(CorsInput::of),
            max_stale_ms: api.max_stale_ms,
            scopes: api.scopes.iter().map(ApiScopeInput::of).collect(),
        }
    }
}

impl ApiScopeInput {
    fn of(scope: &ApiScope) -> Self {
        Self {
            name: scope.name.clone(),
            description: scope.description.clone(),
        }
    }
}

fn parse_scopes(scopes: &[ApiScopeInput]) -> Result<Vec<ApiScope>, Vec<FieldError>> {
    let (mut parsed, mut errors) = (Vec::new(), Vec::new());
    for (place, scope) in scopes.iter().enumerate() {
        match ApiScope::parse(&scope.name, &scope.description) {
            Ok(scope) => parsed.push(scope),
            Err(error) => errors.push(error.at(format!("scopes.{place}"))),
        }
    }
    match errors.is_empty() {
        true => ApiScope::check_all(parsed).map_err(|error| vec![error]),
        false => Err(errors),
    }
}

/// An API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Api)]
pub(crate) struct ApiView {
    #[schema(value_type = String)]
    pub id: ApiId,
    #[serde(flatten)]
    pub terms: ApiInput,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl ApiView {
    pub(crate) fn of(api: &Api) -> Self {
        Self {
            id: api.id,
            terms: ApiInput::of(api),
            created_at: api.created_at,
        }
    }
}

/// Lists APIs, oldest first.
#[utoipa::path(get, path = "/apis", tag = "apis", params(PageQuery),
    responses((status = 200, body = Listed<ApiView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<ApiView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| ApiView::of(&one),
    ))
}

/// Publishes an API. It serves nothing until it has routes.
#[utoipa::path(post, path = "/apis", tag = "apis", request_body = ApiInput,
    responses((status = 201, body = ApiView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<ApiInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let made = super::create(&caller.authority, work.platform()?, terms, now).await?;
    let place = Made {
        path: format!("/apis/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &ApiView::of(&made)).await
}

/// Shows an API.
#[utoipa::path(get, path = "/apis/{api}", tag = "apis", params(("api" = String, Path)),
    responses((status = 200, body = ApiView)))]
async fn show(State(app): State<App>, caller: Caller, At(id): At<ApiId>) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(json::show(found.edition, &ApiView::of(&found)))
}

/// Changes an API. Its routes stay as they are.
#[utoipa::path(patch, path = "/apis/{api}", tag = "apis", params(("api" = String, Path)),
    request_body = ApiInput, responses((status = 200, body = ApiView)))]
async fn update(
    State(app): State<App>,
    At(id): At<ApiId>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let mut tx = app.db.platform_tx().await?;
    let present = super::get(&caller.authority, &mut tx, id).await?;
    seen.check(present.edition)?;
    let input = patch.apply(&ApiInput::of(&present))?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let at = (id, Some(present.edition));
    let after = super::update(&caller.authority, &mut tx, at, terms, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &ApiView::of(&after)))
}

/// Deletes an API with its routes. Plans lose it.
#[utoipa::path(delete, path = "/apis/{api}", tag = "apis", params(("api" = String, Path)),
    responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<ApiId>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::delete(&caller.authority, &mut tx, (id, seen.edition()?), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
