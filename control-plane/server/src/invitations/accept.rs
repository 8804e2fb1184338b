//! `/invitations/{token}`: who was invited comes in. The page names the tenant and the role, and
//! says nothing of who has an account; looking at it changes nothing.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use axum_extra::extract::Form;
use domain::email::Email;
use domain::id::{MemberId, UserId};
use domain::invitation::{Invitation, InvitationToken};
use domain::password::NewPassword;
use domain::permission::Action;
use domain::role::Role;
use domain::user::{PersonName, User};
use http::StatusCode;
use serde_json::json;
use store::PlatformTx;
use store::invitations::OpenInvitation;
use store::users::NewUser;
use uuid::Uuid;
use web::brand::Brand;
use web::forms::FormErrors;
use web::forms::invitations::AcceptForm;
use web::language::Message;
use web::layout::Tone;
use web::pages::invitations::{AcceptInvitation, Invited};

use super::role_key;
use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::branding;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, SignIn, amr, go_to, invalid, page};
use crate::passwords::PasswordHash;
use crate::people::{subject, too_many, wait_message};
use crate::problem::Problem;
use crate::throttle::{self, Network};

pub(super) fn pages() -> Router<App> {
    Router::new().route("/invitations/{token}", get(show).post(accept))
}

async fn show(
    State(app): State<App>,
    visitor: Anonymous,
    Path(token): Path<String>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let open = open(&mut tx, &token, now).await?;
    tx.commit().await?;
    page(&build(
        &visitor,
        &open,
        &token,
        (AcceptForm::default(), FormErrors::default()),
    ))
}

/// One answer for a link that is wrong, used, withdrawn, too old, or from somebody who may not
/// invite so any more.
fn gone() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "invitation_not_found",
        "this invitation is not open: ask for a new one",
    )
}

/// An invitation, and how the pages of the tenant that invites look.
type Open = (OpenInvitation, Option<Brand>);

async fn open(tx: &mut PlatformTx, token: &str, now: Now) -> Result<Open, Failure> {
    let hash = InvitationToken::presented(token).hash();
    let found = store::invitations::find_open(tx, &hash, now.0).await?;
    let backed = found.filter(|open| super::is_backed(&open.invitation, open.inviter.as_ref()));
    let open = backed.ok_or_else(gone)?;
    let brand = branding::of_tenant(tx, open.invitation.tenant_id).await?;
    Ok((open, brand))
}

fn build(
    visitor: &Anonymous,
    (open, brand): &Open,
    token: &str,
    (form, errors): (AcceptForm, FormErrors),
) -> AcceptInvitation {
    let mut shell = visitor.shell();
    shell.way.brand.clone_from(brand);
    AcceptInvitation {
        shell,
        tenant: open.tenant.clone(),
        email: open.invitation.email.clone(),
        role: role_key(open.invitation.role),
        path: format!("/invitations/{token}"),
        visitor: match &visitor.email {
            None => Invited::Newcomer,
            Some(email) if *email == open.invitation.email => Invited::SignedIn(email.clone()),
            Some(email) => Invited::SomebodyElse(email.clone()),
        },
        form,
        errors,
    }
}

async fn accept(
    State(app): State<App>,
    visitor: Anonymous,
    (ClientAddress(address), Path(token)): (ClientAddress, Path<String>),
    now: Now,
    Form(form): Form<AcceptForm>,
) -> Answer {
    let network = Network::from(address);
    let taken = throttle::ATTEMPTS.take(&app, network, now).await?;
    let mut tx = app.db.platform_tx().await?;
    let seen = open(&mut tx, &token, now).await?;
    tx.commit().await?;
    let answer = |errors| build(&visitor, &seen, &token, (form.clone(), errors));
    if let Err(wait) = taken {
        return too_many(&answer(wait_message(wait)), wait);
    }
    // A password takes its time to hash: nobody waits for the invitation or a connection meanwhile.
    let newcomer = match &visitor.email {
        Some(_) => None,
        None => match newcomer(&app, &form, &seen.0.invitation).await? {
            Ok(newcomer) => Some(newcomer),
            Err(errors) => return invalid(&answer(errors)),
        },
    };
    let mut tx = app.db.platform_tx().await?;
    let (held, _) = open(&mut tx, &token, now).await?;
    let found = match (&visitor.email, newcomer) {
        (Some(email), _) => known(&mut tx, email, &held.invitation).await?,
        (None, Some(new)) => create(&mut tx, new, &visitor, now).await?,
        (None, None) => return Err(gone().into()),
    };
    let user = match found {
        Ok(user) => user,
        Err(errors) => return invalid(&answer(errors)),
    };
    let authority = Authority::person(user.id, user.email.clone()).of_request(visitor.request_id());
    let role = join(&authority, &mut tx, (&user, &held.invitation), now).await?;
    tx.commit().await?;
    throttle::ATTEMPTS.give_back(&app, network).await?;
    if visitor.email.is_none() {
        let who = SignIn {
            user: user.id,
            email: &user.email,
            amr: &[amr::PASSWORD],
            auth_time: now.0,
        };
        visitor.sign_in(&app, &who).await?;
    }
    let text = Message::new("invitation-welcome").with("tenant", &held.tenant);
    visitor.flash(Tone::Good, &visitor.say(&text)).await?;
    match role {
        // Nothing of the console is theirs.
        Role::User => go_to("/account"),
        _ => go_to(&format!("/t/{}", held.invitation.tenant_id)),
    }
}

fn wrong(key: &'static str) -> FormErrors {
    FormErrors::of_message(FormErrors::FORM, Message::new(key))
}

/// Somebody who is signed in, if the mail was to them.
async fn known(
    tx: &mut PlatformTx,
    email: &str,
    invitation: &Invitation,
) -> Result<Result<User, FormErrors>, Failure> {
    let email = Email::parse(email).map_err(ActionError::from)?;
    let user = store::users::find_by_email(tx, &email).await?;
    Ok(user
        .filter(|user| user.email == invitation.email)
        .filter(|user| user.email_confirmed_at.is_some() && !user.is_disabled())
        .ok_or_else(|| wrong("error-wrong-account")))
}

/// Somebody new, whose address the link has confirmed.
struct Newcomer {
    email: Email,
    name: PersonName,
    password_hash: PasswordHash,
}

async fn newcomer(
    app: &App,
    form: &AcceptForm,
    invitation: &Invitation,
) -> Result<Result<Newcomer, FormErrors>, Failure> {
    let email = Email::parse(&invitation.email).map_err(ActionError::from)?;
    let mut errors = FormErrors::default();
    let name = PersonName::parse(&form.name).map_err(|error| errors.add(error));
    let password = NewPassword::parse(&form.password, &email).map_err(|error| errors.add(error));
    let (Ok(name), Ok(password)) = (name, password) else {
        return Ok(Err(errors));
    };
    Ok(Ok(Newcomer {
        password_hash: app.passwords.hash(&password).await?,
        email,
        name,
    }))
}

async fn create(
    tx: &mut PlatformTx,
    new: Newcomer,
    visitor: &Anonymous,
    now: Now,
) -> Result<Result<User, FormErrors>, Failure> {
    if store::users::find_by_email(tx, &new.email).await?.is_some() {
        return Ok(Err(wrong("error-has-account")));
    }
    let row = NewUser {
        id: UserId(Uuid::now_v7()),
        email: &new.email,
        name: &new.name,
        password_hash: Some(new.password_hash.as_str()),
        email_confirmed_at: Some(now.0),
    };
    let user = store::users::insert(tx, &row).await?;
    let authority = Authority::person(user.id, user.email.clone()).of_request(visitor.request_id());
    let after = json!({ "email": user.email });
    let change = (subject(&user), Change::created(&after));
    action::audit(tx, &authority, Action::CreateUser, change, now).await?;
    Ok(Ok(user))
}

/// Uses the invitation up. Who is a member by other ways meanwhile stays what they are.
async fn join(
    authority: &Authority,
    tx: &mut PlatformTx,
    (user, invitation): (&User, &Invitation),
    now: Now,
) -> Result<Role, ActionError> {
    authority.require(Action::AcceptInvitation)?;
    let tenant = invitation.tenant_id;
    store::invitations::delete(tx, tenant, invitation.id).await?;
    if let Some(member) = store::members::find_by_user(tx, tenant, user.id).await? {
        return Ok(member.standing.role);
    }
    let id = MemberId(Uuid::now_v7());
    let member = store::members::insert(tx, tenant, id, user.id, invitation.role).await?;
    let subject = Subject {
        tenant: Some(tenant),
        noun: "member",
        id: member.id.0,
        label: &member.email,
    };
    let after = json!({ "email": member.email, "role": invitation.role });
    let change = (subject, Change::created(&after));
    action::audit(tx, authority, Action::AcceptInvitation, change, now).await?;
    Ok(invitation.role)
}
