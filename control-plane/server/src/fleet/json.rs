//! `/api/v1/nodes` and `/api/v1/nodes/enroll-tokens`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::id::{EnrolTokenId, NodeId};
use domain::node::{EnrolTokenName, EnrolTokenRecord, Labels, Node};
use domain::permission::Action;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::EnrolTerms;
use crate::action::ActionError;
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Listed, Made, PageQuery, Search, Stop};

/// Tokens are never edited.
const EDITION: i32 = 1;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListNodes, routes!(list)))
        .routes(json::route(Action::ListNodes, routes!(show)))
        .routes(json::route(Action::RevokeNode, routes!(revoke)))
        .routes(json::route(Action::ListEnrolTokens, routes!(list_tokens)))
        .routes(json::route(Action::CreateEnrolToken, routes!(create_token)))
        .routes(json::route(Action::RevokeEnrolToken, routes!(revoke_token)))
}

/// An enrolled gateway process.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub(crate) struct NodeView {
    #[schema(value_type = String)]
    pub id: NodeId,
    /// What it calls itself: its host name.
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub software_version: String,
    /// The snapshot that it enforces; revision 0: none yet.
    pub applied: Revision,
    /// The last snapshot that it did not take, and why.
    pub rejected: Option<RejectedView>,
    #[serde(with = "time::serde::rfc3339")]
    pub enrolled_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_seen_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
}

/// A published state of everything that nodes enforce.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revision {
    pub epoch: u64,
    pub revision: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedSnapshot)]
pub(crate) struct RejectedView {
    #[serde(flatten)]
    pub version: Revision,
    pub code: String,
    pub detail: String,
}

impl NodeView {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            id: node.id,
            name: node.name.clone(),
            labels: node.labels.0.clone(),
            software_version: node.software_version.clone(),
            applied: Revision {
                epoch: node.applied.epoch,
                revision: node.applied.revision,
            },
            rejected: node.rejected.as_ref().map(|rejected| RejectedView {
                version: Revision {
                    epoch: rejected.version.epoch,
                    revision: rejected.version.revision,
                },
                code: rejected.code.clone(),
                detail: rejected.detail.clone(),
            }),
            enrolled_at: node.enrolled_at,
            last_seen_at: node.last_seen_at,
            revoked_at: node.revoked_at,
        }
    }
}

/// What can be said of an enrolment token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolTokenInput {
    /// Tells tokens apart.
    #[schema(example = "edge-eu")]
    pub name: String,
    /// Given to every node that is enrolled with it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How many nodes may be enrolled with it, 1 to 1000.
    #[serde(default = "one")]
    #[schema(default = 1)]
    pub uses: u32,
    /// 60 seconds to 30 days.
    #[serde(default = "hour")]
    #[schema(default = 3600)]
    pub lifetime_seconds: u32,
}

fn one() -> u32 {
    1
}

fn hour() -> u32 {
    3600
}

impl EnrolTokenInput {
    pub(crate) fn parse(self) -> Result<EnrolTerms, Vec<FieldError>> {
        let mut checks = Checks::default();
        let pairs: Vec<String> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let name = checks.take(EnrolTokenName::parse(&self.name));
        let labels = checks.take(Labels::parse(pairs.iter().map(String::as_str)));
        let terms = name.zip(labels).map(|(name, labels)| EnrolTerms {
            name,
            labels,
            uses_max: self.uses,
            lifetime: Duration::seconds(i64::from(self.lifetime_seconds)),
        });
        checks.finish(terms)
    }
}

/// An enrolment token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EnrolToken)]
pub(crate) struct EnrolTokenView {
    #[schema(value_type = String)]
    pub id: EnrolTokenId,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub uses_max: u32,
    pub uses: u32,
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// As [`EnrolTokenView`], in the one answer that shows the token.
#[derive(Serialize, ToSchema)]
#[schema(as = NewEnrolToken)]
pub(crate) struct NewEnrolTokenView {
    #[serde(flatten)]
    pub token: EnrolTokenView,
    /// The token itself, for the node's `ENROLL_TOKEN`. It is shown this once.
    pub value: String,
}

impl EnrolTokenView {
    pub(crate) fn of(token: &EnrolTokenRecord) -> Self {
        Self {
            id: token.id,
            name: token.name.clone(),
            labels: token.labels.0.clone(),
            uses_max: token.uses_max,
            uses: token.uses,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
            created_at: token.created_at,
        }
    }
}

/// Lists nodes, oldest first; revoked ones too.
#[utoipa::path(get, path = "/nodes", tag = "nodes", params(PageQuery),
    responses((status = 200, body = Listed<NodeView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<NodeView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| NodeView::of(&one),
    ))
}

/// Shows a node.
#[utoipa::path(get, path = "/nodes/{node}", tag = "nodes", params(("node" = String, Path)),
    responses((status = 200, body = NodeView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeId>,
) -> Result<axum::Json<NodeView>, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(axum::Json(NodeView::of(&found)))
}

/// Revokes a node: its calls are refused from now on, and what it knew is rotated.
#[utoipa::path(delete, path = "/nodes/{node}", tag = "nodes", params(("node" = String, Path)),
    responses((status = 204)))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At(id): At<NodeId>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::revoke(&caller.authority, &mut tx, &app.secrets, id, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Lists enrolment tokens, the newest first; used and revoked ones too.
#[utoipa::path(get, path = "/nodes/enroll-tokens", tag = "nodes", params(PageQuery),
    responses((status = 200, body = Listed<EnrolTokenView>)))]
async fn list_tokens(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<EnrolTokenView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let found = super::list_enroll_tokens(&caller.authority, &mut tx, before, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| EnrolTokenView::of(&one),
    ))
}

/// Makes an enrolment token. Its value is in this answer and nowhere else.
#[utoipa::path(post, path = "/nodes/enroll-tokens", tag = "nodes", request_body = EnrolTokenInput,
    responses((status = 201, body = NewEnrolTokenView)))]
async fn create_token(
    State(app): State<App>,
    now: Now,
    creation: Creation<EnrolTokenInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let tx = work.platform()?;
    let (made, token) =
        super::create_enroll_token(&caller.authority, tx, &app.secrets, terms, now).await?;
    let id = made.id.to_string();
    let place = Made {
        path: format!("/nodes/enroll-tokens/{id}"),
        edition: EDITION,
    };
    let view = NewEnrolTokenView {
        token: EnrolTokenView::of(&made),
        value: token.reveal(),
    };
    work.created_secret(place, &id, &view).await
}

/// Revokes an enrolment token. Nodes that were enrolled with it stay.
#[utoipa::path(delete, path = "/nodes/enroll-tokens/{token}", tag = "nodes",
    params(("token" = String, Path)), responses((status = 204)))]
async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    At(id): At<EnrolTokenId>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::revoke_enroll_token(&caller.authority, &mut tx, id, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
