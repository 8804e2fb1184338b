//! `/api/v1/tenants/{tenant}/members`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use domain::id::{MemberId, TenantId, UserId};
use domain::member::{Attributes, Member, MemberStatus, Standing};
use domain::permission::Action;
use domain::role::Role;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::MemberEdit;
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Edit, Listed, PageQuery, Search, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListMembers, routes!(list)))
        .routes(json::route(Action::ListMembers, routes!(show)))
        .routes(json::route(Action::UpdateMember, routes!(update)))
        .routes(json::route(Action::RemoveMember, routes!(remove)))
}

/// What can be changed of a member.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MemberInput {
    /// A tenant keeps at least one owner who can come in. Owners are made and changed by owners
    /// only.
    #[schema(value_type = String, pattern = "^(owner|admin|developer|viewer|user)$")]
    role: Role,
    /// Disabled: neither opens the console nor signs in to the tenant's applications.
    #[schema(value_type = String, pattern = "^(active|disabled)$")]
    status: MemberStatus,
    /// At most 50, by names of up to 40 characters of `a` to `z`, `0` to `9` and `_`; values of up
    /// to 2048 bytes, 4096 bytes in all. Tokens carry each as `custom:NAME`.
    attributes: BTreeMap<String, String>,
}

impl MemberInput {
    fn of(member: &Member) -> Self {
        Self {
            role: member.standing.role,
            status: member.standing.status,
            attributes: member.attributes.as_map().clone(),
        }
    }

    fn parse(self) -> Result<MemberEdit, ActionError> {
        Ok(MemberEdit {
            standing: Standing {
                role: self.role,
                status: self.status,
            },
            attributes: Attributes::parse(self.attributes).map_err(ActionError::Invalid)?,
        })
    }
}

/// A person in a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
struct MemberView {
    #[schema(value_type = String)]
    id: MemberId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    #[schema(value_type = String)]
    user_id: UserId,
    email: String,
    name: String,
    #[serde(flatten)]
    input: MemberInput,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    last_signed_in_at: Option<OffsetDateTime>,
}

impl MemberView {
    fn of(member: &Member) -> Self {
        Self {
            id: member.id,
            tenant_id: member.tenant_id,
            user_id: member.user_id,
            email: member.email.clone(),
            name: member.name.clone(),
            input: MemberInput::of(member),
            created_at: member.created_at,
            last_signed_in_at: member.last_signed_in_at,
        }
    }
}

/// Lists a tenant's members, oldest first.
#[utoipa::path(get, path = "/tenants/{tenant}/members", tag = "members",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<MemberView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<MemberView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| MemberView::of(&one),
    ))
}

/// Shows a member.
#[utoipa::path(get, path = "/tenants/{tenant}/members/{member}", tag = "members",
    params(("tenant" = String, Path), ("member" = String, Path)),
    responses((status = 200, body = MemberView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, MemberId)>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, tenant, id).await?;
    Ok(json::show(found.edition, &MemberView::of(&found)))
}

/// Changes a member: role, status and attributes. Who gets a lower role or is disabled is signed out
/// of the tenant's applications.
#[utoipa::path(patch, path = "/tenants/{tenant}/members/{member}", tag = "members",
    params(("tenant" = String, Path), ("member" = String, Path)), request_body = MemberInput,
    responses((status = 200, body = MemberView)))]
async fn update(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, MemberId)>,
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
    let input = patch.apply(&MemberInput::of(&present))?;
    let change = (input.parse()?, Some(present.edition));
    let after = super::update(authority, &mut tx, (tenant, id), change, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &MemberView::of(&after)))
}

/// Takes a person out of a tenant; the account stays.
#[utoipa::path(delete, path = "/tenants/{tenant}/members/{member}", tag = "members",
    params(("tenant" = String, Path), ("member" = String, Path)), responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, MemberId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::remove(&caller.authority, &mut tx, (tenant, id), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
