//! `/api/v1/audit-events` and `/api/v1/tenants/{tenant}/audit-events`.

use axum::extract::State;
use domain::audit::{ActorKind, Event};
use domain::id::{EventId, TenantId, UserId};
use domain::permission::Action;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::audit::Filter;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ids;
use crate::action::Tx;
use crate::app::App;
use crate::json::{self, At, Caller, Listed, PageQuery, Paging, Search, Stop};
use crate::problem::{FieldProblem, Problem};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListAllEvents, routes!(list)))
        .routes(json::route(
            Action::ListTenantEvents,
            routes!(list_of_tenant),
        ))
}

/// An entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct EventView {
    #[schema(value_type = String)]
    id: EventId,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Null: of the platform.
    #[schema(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
    actor: ActorView,
    /// The permission that it took.
    #[schema(example = "api_keys.revoke")]
    action: String,
    subject: SubjectView,
    /// Before and after, without secrets; null where there was nothing, or is nothing any more.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    request_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorView {
    /// `token`: a person's program.
    #[schema(value_type = String, pattern = "^(user|token|node|system)$")]
    kind: ActorKind,
    id: Option<String>,
    /// An email address or a name, as it was then.
    label: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditSubject)]
struct SubjectView {
    #[schema(example = "api_key")]
    noun: String,
    id: Option<String>,
    /// Its name, as it was then.
    label: String,
}

impl EventView {
    fn of(event: Event) -> Self {
        let actor_id = event.actor.id.map(|id| match event.actor.kind {
            ActorKind::Node => ids::shown("node", id),
            _ => UserId(id).to_string(),
        });
        Self {
            id: event.id,
            at: event.at,
            tenant_id: event.tenant_id,
            actor: ActorView {
                kind: event.actor.kind,
                id: actor_id,
                label: event.actor.label,
            },
            action: event.action,
            subject: SubjectView {
                id: event.noun_id.map(|id| ids::shown(&event.noun, id)),
                noun: event.noun,
                label: event.noun_label,
            },
            before: event.before,
            after: event.after,
            request_id: event.request_id,
        }
    }
}

/// What a list of events is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// A permission's name, such as `api_keys.revoke`.
    action: Option<String>,
    /// Part of the name or address of who did it.
    actor: Option<String>,
    /// Id of what was changed.
    subject: Option<String>,
    /// From then on, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<OffsetDateTime>,
    /// Before then, RFC 3339.
    #[serde(with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<OffsetDateTime>,
    /// `next_cursor` of the page before; none: the first page.
    cursor: Option<String>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl EventsQuery {
    fn parse(self) -> Result<(Filter, Paging), Problem> {
        let subject_id = self.subject.as_deref().map(subject).transpose()?;
        let filter = Filter {
            action: self.action,
            actor: self.actor,
            subject_id,
            from: self.from,
            to: self.to,
            ..Filter::default()
        };
        let page = PageQuery {
            cursor: self.cursor,
            limit: self.limit,
        };
        Ok((filter, page.parse()?))
    }
}

fn subject(text: &str) -> Result<Uuid, Problem> {
    ids::read(text).ok_or_else(|| {
        let detail = "the query is not valid";
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail);
        problem.errors.push(FieldProblem {
            pointer: "/subject".to_owned(),
            code: "invalid".to_owned(),
            message: "send the id of a tenant or of the thing that was changed".to_owned(),
        });
        problem
    })
}

/// Lists what was changed on the platform and in all tenants, the newest first.
#[utoipa::path(get, path = "/audit-events", tag = "audit events", params(EventsQuery),
    responses((status = 200, body = Listed<EventView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<EventsQuery>,
) -> Result<Listed<EventView>, Stop> {
    let (filter, paging) = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let found = super::list_all(&caller.authority, &mut tx, &filter, before, limit).await?;
    Ok(Listed::new(found, paging, |one| one.id.0, EventView::of))
}

/// Lists what was changed in a tenant, the newest first.
#[utoipa::path(get, path = "/tenants/{tenant}/audit-events", tag = "audit events",
    params(("tenant" = String, Path), EventsQuery),
    responses((status = 200, body = Listed<EventView>)))]
async fn list_of_tenant(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<EventsQuery>,
) -> Result<Listed<EventView>, Stop> {
    let (filter, paging) = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let of = (tenant, &filter);
    let found = super::list_of_tenant(&caller.authority, &mut tx, of, before, limit).await?;
    Ok(Listed::new(found, paging, |one| one.id.0, EventView::of))
}
