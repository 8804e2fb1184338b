//! From what a provider says of somebody to the account that is theirs: found, linked or made.
//! Whether it may be is decided in `domain::identity_provider`.

use domain::email::Email;
use domain::id::{MemberId, TenantId, UserId};
use domain::identity_provider::{
    Account, Claims, IdentityProvider, Known, LinkedBy, Refused, Verdict, decide, may_connect,
};
use domain::permission::Action;
use domain::user::{PersonName, User};
use serde_json::json;
use store::PlatformTx;
use store::users::NewUser;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::people;

/// The person who comes in, as what they are signed in; or why they do not.
pub(super) async fn enter(
    app: &App,
    (provider, claims): (&IdentityProvider, &Claims),
    request_id: Option<String>,
    now: Now,
) -> Result<Result<User, Refused>, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let known = look_up(&mut tx, provider, claims).await?;
    let of =
        |user: &User| Authority::person(user.id, user.email.clone()).of_request(request_id.clone());
    let user = match decide(provider, claims, &known) {
        Verdict::Refuse(refused) => return Ok(Err(refused)),
        Verdict::SignIn(user) => store::users::get(&mut tx, user).await?,
        Verdict::Link(user) => {
            let user = store::users::get(&mut tx, user).await?;
            let whose = (&user, LinkedBy::Provider);
            link(app, &of(&user), &mut tx, (provider, claims, whose), now).await?;
            user
        }
        Verdict::Make => {
            let user = make(&mut tx, claims, now).await?;
            let after = json!({ "email": user.email, "provider": provider.terms.name.as_str() });
            let change = (people::subject(&user), Change::created(&after));
            action::audit(&mut tx, &of(&user), Action::CreateUser, change, now).await?;
            let by = (user.id, LinkedBy::Provider);
            insert_link(&mut tx, (provider, claims), by, now).await?;
            user
        }
    };
    if let Some(tenant) = provider.tenant_id {
        join(&of(&user), &mut tx, (tenant, provider, claims), &user, now).await?;
    }
    let place = (provider.id, claims.subject.as_str());
    store::identity_links::note_sign_in(&mut tx, place, claims.email.as_ref(), now.0).await?;
    store::users::note_sign_in(&mut tx, user.id, now.0).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(Ok(user))
}

/// Connects the account of somebody who is signed in.
pub(super) async fn connect(
    authority: &Authority,
    app: &App,
    (provider, claims): (&IdentityProvider, &Claims),
    user: UserId,
    now: Now,
) -> Result<Result<(), Refused>, ActionError> {
    authority.require_own(Action::ConnectProvider, user)?;
    let mut tx = app.db.platform_tx().await?;
    let user = store::users::get(&mut tx, user).await?;
    let account = account(&mut tx, provider, &user).await?;
    let known = Known {
        linked: None,
        linked_by: LinkedBy::Person,
        addressed: None,
        proven: proven(&mut tx, provider).await?,
    };
    if let Err(refused) = may_connect(provider, claims, &account, &known) {
        return Ok(Err(refused));
    }
    let found = store::identity_links::find(&mut tx, provider.id, &claims.subject).await?;
    if found.is_some_and(|link| link.user_id == user.id) {
        return Ok(Ok(()));
    }
    let whose = (&user, LinkedBy::Person);
    link(app, authority, &mut tx, (provider, claims, whose), now).await?;
    if let Some(tenant) = provider.tenant_id {
        join(authority, &mut tx, (tenant, provider, claims), &user, now).await?;
    }
    tx.commit().await?;
    app.mailer.wake();
    Ok(Ok(()))
}

async fn look_up(
    tx: &mut PlatformTx,
    provider: &IdentityProvider,
    claims: &Claims,
) -> Result<Known, ActionError> {
    let link = store::identity_links::find(tx, provider.id, &claims.subject).await?;
    let linked_by = match &link {
        Some(link) if link.is_by_person => LinkedBy::Person,
        _ => LinkedBy::Provider,
    };
    let linked = match link {
        Some(link) => {
            let user = store::users::get(tx, link.user_id).await?;
            Some(account(tx, provider, &user).await?)
        }
        None => None,
    };
    let addressed = match claims.proven_address() {
        Some(email) => match store::users::find_by_email(tx, email).await? {
            Some(user) => Some(account(tx, provider, &user).await?),
            None => None,
        },
        None => None,
    };
    Ok(Known {
        linked,
        linked_by,
        addressed,
        proven: proven(tx, provider).await?,
    })
}

async fn proven(
    tx: &mut PlatformTx,
    provider: &IdentityProvider,
) -> store::Result<Vec<domain::tenant_domain::DomainName>> {
    match provider.tenant_id {
        Some(tenant) => store::tenant_domains::list_proven(tx, tenant).await,
        None => Ok(Vec::new()),
    }
}

async fn account(
    tx: &mut PlatformTx,
    provider: &IdentityProvider,
    user: &User,
) -> store::Result<Account> {
    let (membership, is_in_other_tenants) = match provider.tenant_id {
        Some(tenant) => (
            store::members::find_by_user(tx, tenant, user.id).await?,
            store::members::all_tenants_is_elsewhere(tx, tenant, user.id).await?,
        ),
        None => (None, false),
    };
    Ok(Account {
        user: user.id,
        email: user.email.clone(),
        is_confirmed: user.email_confirmed_at.is_some(),
        is_disabled: user.is_disabled(),
        runs_platform: store::users::find_platform_role(tx, user.id)
            .await?
            .is_some(),
        membership: membership.map(|member| member.standing.status),
        is_in_other_tenants,
    })
}

/// An account without a password; its address is the one that the provider vouches for.
async fn make(tx: &mut PlatformTx, claims: &Claims, now: Now) -> Result<User, ActionError> {
    let email = claims
        .proven_address()
        .ok_or(ActionError::NotFound("address"))?;
    let row = NewUser {
        id: UserId(Uuid::now_v7()),
        email,
        name: &PersonName::parse(&claims.name).unwrap_or_default(),
        password_hash: None,
        email_confirmed_at: Some(now.0),
    };
    Ok(store::users::insert(tx, &row).await?)
}

async fn insert_link(
    tx: &mut PlatformTx,
    (provider, claims): (&IdentityProvider, &Claims),
    user: (UserId, LinkedBy),
    now: Now,
) -> store::Result<()> {
    let place = (provider.id, claims.subject.as_str());
    store::identity_links::insert(tx, place, user, claims.email.as_ref(), now.0).await
}

/// Another way into an account: its owner learns of it by mail.
async fn link(
    app: &App,
    authority: &Authority,
    tx: &mut PlatformTx,
    (provider, claims, (user, by)): (&IdentityProvider, &Claims, (&User, LinkedBy)),
    now: Now,
) -> Result<(), ActionError> {
    insert_link(tx, (provider, claims), (user.id, by), now).await?;
    let name = provider.terms.name.as_str();
    let after = json!({ "provider": name, "issuer": provider.issuer.as_str() });
    let change = (people::subject(user), Change::created(&after));
    action::audit(tx, authority, Action::ConnectProvider, change, now).await?;
    if let Ok(to) = Email::parse(&user.email) {
        let url = &app.public_url;
        let body = format!(
            "From now on you can sign in to your account at {url} with {name}.\n\nIf it was not \
             you who connected it, disconnect it at {url}/account and change your password.\n"
        );
        let subject = format!("{name} is connected to your Tollgate account");
        let letter = Letter {
            to: &to,
            tenant: None,
            subject: &subject,
            body: &body,
        };
        mail::post(tx, letter).await?;
    }
    Ok(())
}

/// Into the provider's tenant, for somebody who is not in it, and into the groups that the provider
/// rules over. Whether they may is decided before.
async fn join(
    authority: &Authority,
    tx: &mut PlatformTx,
    (tenant, provider, claims): (TenantId, &IdentityProvider, &Claims),
    user: &User,
    now: Now,
) -> Result<(), ActionError> {
    let found = store::members::find_by_user(tx, tenant, user.id).await?;
    let member = match found {
        Some(member) => member,
        None => {
            let id = MemberId(Uuid::now_v7());
            let role = provider.terms.role;
            let member = store::members::insert(tx, tenant, id, user.id, role).await?;
            let subject = Subject {
                tenant: Some(tenant),
                noun: "member",
                id: member.id.0,
                label: &member.email,
            };
            let name = provider.terms.name.as_str();
            let after = json!({ "email": member.email, "role": role, "provider": name });
            let change = (subject, Change::created(&after));
            action::audit(tx, authority, Action::JoinByProvider, change, now).await?;
            member
        }
    };
    let groups = &provider.terms.groups;
    if groups.is_empty() {
        return Ok(());
    }
    let managed: Vec<String> = groups.values().cloned().collect();
    let wanted: Vec<String> = claims
        .groups
        .iter()
        .filter_map(|theirs| groups.get(theirs).cloned())
        .collect();
    let both = (managed.as_slice(), wanted.as_slice());
    Ok(store::groups::set_managed(tx, tenant, member.id, both).await?)
}
