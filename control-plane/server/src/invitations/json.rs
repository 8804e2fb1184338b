//! `/api/v1/tenants/{tenant}/invitations`.

use axum::extract::State;
use axum::response::Response;
use domain::email::Email;
use domain::id::{InvitationId, TenantId};
use domain::invitation::Invitation;
use domain::permission::Action;
use domain::role::Role;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Listed, Made, Nothing, PageQuery, Search, Stop};
use crate::page::of_accept;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListInvitations, routes!(list)))
        .routes(json::route(Action::CreateInvitation, routes!(create)))
        .routes(json::route(Action::CreateInvitation, routes!(resend)))
        .routes(json::route(Action::RevokeInvitation, routes!(revoke)))
}

/// Whom to invite as what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InvitationInput {
    email: String,
    /// Owners are invited by owners only.
    #[schema(value_type = String, pattern = "^(owner|admin|developer|viewer|user)$")]
    role: Role,
}

/// A mailed link into a tenant; the link itself is in the mail only.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationView {
    #[schema(value_type = String)]
    id: InvitationId,
    #[serde(flatten)]
    input: InvitationInput,
    #[serde(with = "time::serde::rfc3339")]
    sent_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl InvitationView {
    fn of(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id,
            input: InvitationInput {
                email: invitation.email.clone(),
                role: invitation.role,
            },
            sent_at: invitation.sent_at,
            expires_at: invitation.expires_at,
            created_at: invitation.created_at,
        }
    }
}

/// Lists invitations that were neither taken nor withdrawn, oldest first; those that ran out too.
#[utoipa::path(get, path = "/tenants/{tenant}/invitations", tag = "members",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<InvitationView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<InvitationView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, tenant, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| InvitationView::of(&one),
    ))
}

/// Mails somebody a link with which they become a member; it works once, for 7 days. The mail is in
/// the language that `Accept-Language` asks for: English, German or French.
#[utoipa::path(post, path = "/tenants/{tenant}/invitations", tag = "members",
    params(("tenant" = String, Path)), request_body = InvitationInput,
    responses((status = 201, body = InvitationView)))]
async fn create(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    headers: HeaderMap,
    now: Now,
    creation: Creation<InvitationInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let email = Email::parse(&input.email).map_err(ActionError::from)?;
    let language = of_accept(&headers).unwrap_or_default();
    let new = (tenant, &email, input.role, language);
    let made = super::create(&app, &caller.authority, &mut work.tx, new, now).await?;
    let at = Made {
        path: format!("/tenants/{tenant}/invitations/{}", made.id),
        edition: 1,
    };
    let response = work.created(at, &InvitationView::of(&made)).await?;
    app.mailer.wake();
    Ok(response)
}

/// Mails a new link in place of the one before, 5 minutes after it at the soonest.
#[utoipa::path(post, path = "/tenants/{tenant}/invitations/{invitation}/resend", tag = "members",
    params(("tenant" = String, Path), ("invitation" = String, Path)),
    responses((status = 200, body = InvitationView)))]
async fn resend(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, InvitationId)>,
    headers: HeaderMap,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let authority = &caller.authority;
    let which = (tenant, id, of_accept(&headers).unwrap_or_default());
    let after = super::resend(&app, authority, &mut work.tx, which, now).await?;
    // Invitations have no edition: nothing of them is edited.
    let response = work.done(0, &InvitationView::of(&after)).await?;
    app.mailer.wake();
    Ok(response)
}

/// Withdraws an invitation: its link works no more.
#[utoipa::path(delete, path = "/tenants/{tenant}/invitations/{invitation}", tag = "members",
    params(("tenant" = String, Path), ("invitation" = String, Path)),
    responses((status = 204)))]
async fn revoke(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, InvitationId)>,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    super::revoke(&caller.authority, &mut tx, (tenant, id), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
