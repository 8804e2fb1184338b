//! `/api/v1/upstreams`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::id::UpstreamId;
use domain::permission::Action;
use domain::upstream::{Target, Upstream};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::UpstreamTerms;
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, Search, Stop,
};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListUpstreams, routes!(list)))
        .routes(json::route(Action::CreateUpstream, routes!(create)))
        .routes(json::route(Action::ListUpstreams, routes!(show)))
        .routes(json::route(Action::UpdateUpstream, routes!(update)))
        .routes(json::route(Action::DeleteUpstream, routes!(delete)))
}

/// What can be said of an upstream.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamInput {
    /// 1 to 100 characters, unlike any other upstream's.
    #[schema(example = "orders-service")]
    pub name: String,
    /// 1 to 100.
    pub targets: Vec<TargetInput>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetInput {
    /// Scheme, host, port and an optional path prefix.
    #[schema(example = "http://10.0.0.7:8080")]
    pub url: String,
    /// Share of the requests, relative to the other targets; 0 takes no new ones.
    #[serde(default = "one")]
    #[schema(default = 1, maximum = 1000)]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

impl UpstreamInput {
    pub(crate) fn parse(self) -> Result<UpstreamTerms, Vec<FieldError>> {
        let targets: Vec<(String, u32)> = self
            .targets
            .into_iter()
            .map(|target| (target.url, target.weight))
            .collect();
        UpstreamTerms::parse(&self.name, &targets)
    }

    fn of(upstream: &Upstream) -> Self {
        Self {
            name: upstream.name.clone(),
            targets: upstream.targets.iter().map(TargetInput::of).collect(),
        }
    }
}

impl TargetInput {
    fn of(target: &Target) -> Self {
        Self {
            url: target.url.clone(),
            weight: target.weight,
        }
    }
}

/// An upstream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Upstream)]
pub(crate) struct UpstreamView {
    #[schema(value_type = String, example = "ups_01jdq7m2k9e5v8r3x6t4w1z0ab")]
    pub id: UpstreamId,
    #[serde(flatten)]
    pub terms: UpstreamInput,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl UpstreamView {
    pub(crate) fn of(upstream: &Upstream) -> Self {
        Self {
            id: upstream.id,
            terms: UpstreamInput::of(upstream),
            created_at: upstream.created_at,
        }
    }
}

/// Lists upstreams, oldest first.
#[utoipa::path(get, path = "/upstreams", tag = "upstreams", params(PageQuery),
    responses((status = 200, body = Listed<UpstreamView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<UpstreamView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| UpstreamView::of(&one),
    ))
}

/// Creates an upstream.
#[utoipa::path(post, path = "/upstreams", tag = "upstreams", request_body = UpstreamInput,
    responses((status = 201, body = UpstreamView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<UpstreamInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let made = super::create(&caller.authority, work.platform()?, terms, now).await?;
    let place = Made {
        path: format!("/upstreams/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &UpstreamView::of(&made)).await
}

/// Shows an upstream.
#[utoipa::path(get, path = "/upstreams/{upstream}", tag = "upstreams",
    params(("upstream" = String, Path)), responses((status = 200, body = UpstreamView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<UpstreamId>,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(json::show(found.edition, &UpstreamView::of(&found)))
}

/// Changes an upstream. A list of targets replaces the one that is there.
#[utoipa::path(patch, path = "/upstreams/{upstream}", tag = "upstreams",
    params(("upstream" = String, Path)), request_body = UpstreamInput,
    responses((status = 200, body = UpstreamView)))]
async fn update(
    State(app): State<App>,
    At(id): At<UpstreamId>,
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
    let input = patch.apply(&UpstreamInput::of(&present))?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let at = (id, Some(present.edition));
    let after = super::update(&caller.authority, &mut tx, at, terms, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &UpstreamView::of(&after)))
}

/// Deletes an upstream that no API and no route points to.
#[utoipa::path(delete, path = "/upstreams/{upstream}", tag = "upstreams",
    params(("upstream" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<UpstreamId>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::delete(&caller.authority, &mut tx, (id, seen.edition()?), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
