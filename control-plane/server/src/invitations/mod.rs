//! Invitations: by mail into a tenant. Who holds the link of a mail has proven the address; a link
//! that was used, withdrawn, replaced or ran out is as one that never was.

mod accept;
mod json;
mod pages;
#[cfg(test)]
mod tests;

use axum::Router;
use domain::email::Email;
use domain::id::{InvitationId, TenantId};
use domain::invitation::{Invitation, InvitationToken, LIFETIME};
use domain::permission::Action;
use domain::role::Role;
use serde_json::{Value, json};
use store::Conn;
use store::invitations::{Inviter, NewInvitation, Renewal};
use uuid::Uuid;
use web::language::{Language, Message};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Translated};
use crate::random;

pub(crate) use json::api;

/// `/t/{tenant}/members` with what stands there of invitations, and `/invitations/{token}`.
pub(crate) fn pages() -> Router<App> {
    accept::pages().merge(pages::pages())
}

/// Oldest first, after `after`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<InvitationId>,
    limit: u32,
) -> Result<Vec<Invitation>, ActionError> {
    authority.require_in(Action::ListInvitations, tenant)?;
    Ok(store::invitations::list(tx, tenant, after, limit).await?)
}

/// Mails a link. Wake the mailer after the transaction.
pub(crate) async fn create(
    app: &App,
    authority: &Authority,
    tx: &mut Conn,
    (tenant, email, role, language): (TenantId, &Email, Role, Language),
    now: Now,
) -> Result<Invitation, ActionError> {
    action::require_change_in(authority, tx, Action::CreateInvitation, tenant).await?;
    require_as(authority, role, tenant)?;
    let token = InvitationToken::mint(random::bytes());
    let new = NewInvitation {
        id: InvitationId(Uuid::now_v7()),
        email,
        role,
        hash: token.hash(),
        invited_by: authority.user(),
        expires_at: now.0 + LIFETIME,
    };
    let made = store::invitations::insert(tx, tenant, &new, now.0).await?;
    post(app, tx, (&made, &token), language).await?;
    let change = (subject(&made), Change::created(&shown(&made)));
    action::audit(tx, authority, Action::CreateInvitation, change, now).await?;
    Ok(made)
}

/// Mails another link in place of the one before. Wake the mailer after the transaction.
pub(crate) async fn resend(
    app: &App,
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id, language): (TenantId, InvitationId, Language),
    now: Now,
) -> Result<Invitation, ActionError> {
    action::require_change_in(authority, tx, Action::CreateInvitation, tenant).await?;
    let before = store::invitations::get(tx, tenant, id).await?;
    require_as(authority, before.role, tenant)?;
    before.resend(now.0)?;
    let token = InvitationToken::mint(random::bytes());
    let renewal = Renewal {
        hash: token.hash(),
        invited_by: authority.user(),
        expires_at: now.0 + LIFETIME,
    };
    let after = store::invitations::renew(tx, (tenant, id), &renewal, now.0).await?;
    post(app, tx, (&after, &token), language).await?;
    let change = (
        subject(&after),
        Change::updated(&shown(&before), &shown(&after)),
    );
    action::audit(tx, authority, Action::CreateInvitation, change, now).await?;
    Ok(after)
}

/// The link works no more.
pub(crate) async fn revoke(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, InvitationId),
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::RevokeInvitation, tenant).await?;
    let invitation = store::invitations::get(tx, tenant, id).await?;
    require_as(authority, invitation.role, tenant)?;
    store::invitations::delete(tx, tenant, id).await?;
    let change = (subject(&invitation), Change::removed(&shown(&invitation)));
    action::audit(tx, authority, Action::RevokeInvitation, change, now).await
}

/// Owners are invited by owners only, and their invitations are owners' to withdraw.
pub(crate) fn require_as(
    authority: &Authority,
    role: Role,
    tenant: TenantId,
) -> Result<(), ActionError> {
    match role {
        Role::Owner => authority.require_in(Action::ManageOwners, tenant),
        Role::Admin | Role::Developer | Role::Viewer | Role::User => Ok(()),
    }
}

/// Whether who sent a link may still invite so: nobody leaves a way in behind.
fn is_backed(invitation: &Invitation, inviter: Option<&Inviter>) -> bool {
    let Some(inviter) = inviter else {
        return invitation.role != Role::Owner;
    };
    let (user, tenant) = (inviter.user, invitation.tenant_id);
    let as_member = inviter
        .role
        .map(|role| Authority::member(user, inviter.email.clone(), tenant, role));
    let as_platform = inviter
        .platform_role
        .map(|role| Authority::platform(user, inviter.email.clone(), role));
    [as_member, as_platform]
        .into_iter()
        .flatten()
        .any(|authority| {
            authority
                .require_in(Action::CreateInvitation, tenant)
                .is_ok()
                && require_as(&authority, invitation.role, tenant).is_ok()
        })
}

async fn post(
    app: &App,
    tx: &mut Conn,
    (invitation, token): (&Invitation, &InvitationToken),
    language: Language,
) -> Result<(), ActionError> {
    let tenant = store::tenants::get(tx, invitation.tenant_id).await?;
    let to = Email::parse(&invitation.email)?;
    let url = format!("{}/invitations/{}", app.public_url, token.reveal());
    let body = Message::new("mail-invitation")
        .with("tenant", &tenant.name)
        .with("role", language.text(&role_key(invitation.role)))
        .with("url", url)
        .with("until", invitation.expires_at);
    let letter = Translated {
        to: &to,
        tenant: Some(tenant.id),
        language,
        subject: Message::new("mail-invitation-subject").with("tenant", &tenant.name),
        body,
    };
    Ok(mail::post_translated(tx, letter).await?)
}

/// The key of a role's name.
fn role_key(role: Role) -> String {
    format!("role-{role}")
}

fn subject(invitation: &Invitation) -> Subject<'_> {
    Subject {
        tenant: Some(invitation.tenant_id),
        noun: "invitation",
        id: invitation.id.0,
        label: &invitation.email,
    }
}

fn shown(invitation: &Invitation) -> Value {
    json!({
        "email": invitation.email,
        "role": invitation.role,
        "expires_at": web::format::rfc3339(invitation.expires_at),
    })
}
