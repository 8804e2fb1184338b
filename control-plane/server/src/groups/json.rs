//! `/api/v1/tenants/{tenant}/groups`.

use axum::extract::State;
use axum::response::Response;
use domain::group::{Group, GroupName};
use domain::id::{GroupId, MemberId, TenantId};
use domain::permission::Action;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Edit, Listed, Made, PageQuery, Search, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListGroups, routes!(list)))
        .routes(json::route(Action::CreateGroup, routes!(create)))
        .routes(json::route(Action::ListGroups, routes!(show)))
        .routes(json::route(Action::UpdateGroup, routes!(rename)))
        .routes(json::route(Action::DeleteGroup, routes!(delete)))
        .routes(json::route(Action::ListGroups, routes!(list_members)))
        .routes(json::route(Action::UpdateGroup, routes!(add_member)))
        .routes(json::route(Action::UpdateGroup, routes!(remove_member)))
}

/// What can be said of a group.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupInput {
    /// 1 to 100 characters, once in a tenant; tokens carry it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// People of a tenant under one name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
struct GroupView {
    #[schema(value_type = String)]
    id: GroupId,
    #[serde(flatten)]
    input: GroupInput,
    /// How many people are in it.
    members: u64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl GroupView {
    fn of(group: &Group) -> Self {
        Self {
            id: group.id,
            input: GroupInput {
                name: group.name.clone(),
            },
            members: group.members,
            created_at: group.created_at,
        }
    }
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupMember)]
struct GroupMemberView {
    #[schema(value_type = String)]
    member_id: MemberId,
    email: String,
}

/// Lists a tenant's groups, oldest first.
#[utoipa::path(get, path = "/tenants/{tenant}/groups", tag = "groups",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<GroupView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<GroupView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| GroupView::of(&one),
    ))
}

/// Makes a group without anybody in it.
#[utoipa::path(post, path = "/tenants/{tenant}/groups", tag = "groups",
    params(("tenant" = String, Path)), request_body = GroupInput,
    responses((status = 201, body = GroupView)))]
async fn create(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<GroupInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let name = GroupName::parse(&input.name).map_err(ActionError::from)?;
    let group = super::create(&caller.authority, &mut work.tx, tenant, name, now).await?;
    let made = Made {
        path: format!("/tenants/{tenant}/groups/{}", group.id),
        edition: group.edition,
    };
    work.created(made, &GroupView::of(&group)).await
}

/// Shows a group.
#[utoipa::path(get, path = "/tenants/{tenant}/groups/{group}", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path)),
    responses((status = 200, body = GroupView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, GroupId)>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, tenant, id).await?;
    Ok(json::show(found.edition, &GroupView::of(&found)))
}

/// Gives a group another name.
#[utoipa::path(patch, path = "/tenants/{tenant}/groups/{group}", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path)), request_body = GroupInput,
    responses((status = 200, body = GroupView)))]
async fn rename(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, GroupId)>,
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
    let present = super::get(authority, &mut tx, tenant, id).await?;
    seen.check(present.edition)?;
    let input = patch.apply(&GroupView::of(&present).input)?;
    let name = GroupName::parse(&input.name).map_err(ActionError::from)?;
    let change = (name, Some(present.edition));
    let after = super::rename(authority, &mut tx, (tenant, id), change, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &GroupView::of(&after)))
}

/// Deletes a group; its people stay members of the tenant.
#[utoipa::path(delete, path = "/tenants/{tenant}/groups/{group}", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, GroupId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::delete(&caller.authority, &mut tx, (tenant, id), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Lists who is in a group, oldest members first.
#[utoipa::path(get, path = "/tenants/{tenant}/groups/{group}/members", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path), PageQuery),
    responses((status = 200, body = Listed<GroupMemberView>)))]
async fn list_members(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, GroupId)>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<GroupMemberView>, Stop> {
    let paging = query.parse()?;
    let authority = &caller.authority;
    let mut tx = Tx::open(&app, authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list_members(authority, &mut tx, (tenant, id), after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |(member, _)| member.0,
        |(member_id, email)| GroupMemberView { member_id, email },
    ))
}

/// Puts a member into a group.
#[utoipa::path(put, path = "/tenants/{tenant}/groups/{group}/members/{member}", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path), ("member" = String, Path)),
    responses((status = 204)))]
async fn add_member(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id, member)): At<(TenantId, GroupId, MemberId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::add_member(&caller.authority, &mut tx, (tenant, id), member, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Takes a member out of a group.
#[utoipa::path(delete, path = "/tenants/{tenant}/groups/{group}/members/{member}", tag = "groups",
    params(("tenant" = String, Path), ("group" = String, Path), ("member" = String, Path)),
    responses((status = 204)))]
async fn remove_member(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id, member)): At<(TenantId, GroupId, MemberId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::remove_member(&caller.authority, &mut tx, (tenant, id), member, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
