//! `/t/{tenant}/members`: a tenant's people, and who is invited.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::FieldError;
use domain::email::Email;
use domain::id::InvitationId;
use domain::invitation::{Invitation, OPEN_MAX};
use domain::permission::Action;
use domain::role::Role;
use serde::Deserialize;
use web::format::moment;
use web::forms::invitations::InviteForm;
use web::forms::{Choice, FormErrors};
use web::layout::{Badge, TenantTab, Tone};
use web::pages::members::{InvitationRow, Members};

use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::members::{self, MEMBERS_SHOWN, member_row, role_text};
use crate::page::{Answer, Failure, Member, form_errors, go_to, invalid, page};

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/members", get(show).post(invite))
        .route(
            "/t/{tenant}/invitations/{invitation}/resend",
            post(resend_here),
        )
        .route(
            "/t/{tenant}/invitations/{invitation}/revoke",
            post(revoke_here),
        )
}

#[derive(Deserialize)]
struct At {
    invitation: InvitationId,
}

async fn show(State(app): State<App>, member: Member, now: Now) -> Answer {
    let form = InviteForm {
        role: Role::Developer.to_string(),
        ..InviteForm::default()
    };
    page(&build(&app, &member, (form, FormErrors::default()), now).await?)
}

async fn build(
    app: &App,
    member: &Member,
    (form, errors): (InviteForm, FormErrors),
    now: Now,
) -> Result<Members, Failure> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(app, authority).await?;
    let people = members::list(authority, &mut tx, tenant, None, MEMBERS_SHOWN).await?;
    let invitations = if member.may(Action::ListInvitations) {
        let found = super::list(authority, &mut tx, tenant, None, OPEN_MAX).await?;
        Some(found.iter().map(|one| row(one, member, now)).collect())
    } else {
        None
    };
    tx.commit().await?;
    let roles = Role::ALL.iter().rev().copied();
    let roles = roles.filter(|role| *role != Role::Owner || member.may(Action::ManageOwners));
    Ok(Members {
        shell: member.shell(TenantTab::Members),
        tenant_id: tenant.to_string(),
        members: people
            .into_iter()
            .map(|one| member_row(one, member.person.user, now))
            .collect(),
        invitations,
        may_invite: member.may(Action::CreateInvitation),
        has_outbox: app.mailer.has_outbox(),
        roles: roles
            .map(|role| {
                Choice::new(role.as_str(), role_text(role)).selected_if(role.as_str() == form.role)
            })
            .collect(),
        form,
        errors,
    })
}

fn row(invitation: &Invitation, member: &Member, now: Now) -> InvitationRow {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    InvitationRow {
        may_change: member.may(Action::RevokeInvitation)
            && super::require_as(authority, invitation.role, tenant).is_ok(),
        id: invitation.id.to_string(),
        email: invitation.email.clone(),
        role: role_text(invitation.role).to_owned(),
        badge: match invitation.expires_at > now.0 {
            true => Badge::new(Tone::Neutral, "open"),
            false => Badge::new(Tone::Warning, "expired"),
        },
        sent_at: moment(invitation.sent_at, now.0),
    }
}

async fn invite(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<InviteForm>,
) -> Answer {
    let errors = match invite_as(&app, &member, &form, now).await {
        Ok(made) => {
            app.mailer.wake();
            let text = format!("{} is invited.", made.email);
            member.flash(Tone::Good, &text).await?;
            return go_to(&format!("/t/{}/members", member.tenant.id));
        }
        Err(cause) => form_errors(cause)?,
    };
    invalid(&build(&app, &member, (form, errors), now).await?)
}

async fn invite_as(
    app: &App,
    member: &Member,
    form: &InviteForm,
    now: Now,
) -> Result<Invitation, ActionError> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let email = Email::parse(&form.email)?;
    let role: Role = form
        .role
        .parse()
        .map_err(|_| FieldError::new("role", "invalid", "Choose one of the options."))?;
    let mut tx = Tx::open(app, authority).await?;
    let new = (tenant, &email, role, member.language());
    let made = super::create(app, authority, &mut tx, new, now).await?;
    tx.commit().await?;
    Ok(made)
}

async fn resend_here(
    State(app): State<App>,
    member: Member,
    Path(At { invitation: id }): Path<At>,
    now: Now,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let which = (tenant, id, member.language());
    match super::resend(&app, authority, &mut tx, which, now).await {
        Ok(after) => {
            tx.commit().await?;
            app.mailer.wake();
            let text = format!("A new link is on its way to {}.", after.email);
            member.flash(Tone::Good, &text).await?;
        }
        Err(ActionError::Conflict(conflict)) => {
            member.flash(Tone::Warning, &conflict.to_string()).await?;
        }
        Err(cause) => return Err(cause.into()),
    }
    go_to(&format!("/t/{tenant}/members"))
}

async fn revoke_here(
    State(app): State<App>,
    member: Member,
    Path(At { invitation: id }): Path<At>,
    now: Now,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    super::revoke(authority, &mut tx, (tenant, id), now).await?;
    tx.commit().await?;
    member
        .flash(Tone::Good, "The invitation is withdrawn.")
        .await?;
    go_to(&format!("/t/{tenant}/members"))
}
