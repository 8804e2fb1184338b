//! For which tenant somebody uses an application, and whether they allow it what it asks for.

use axum::extract::State;
use axum_extra::extract::Form;
use domain::id::{MemberId, TenantId};
use domain::oauth_client::{OauthClient, Serves};
use domain::permission::Action;
use domain::role::Role;
use domain::tenant::{Tenant, TenantStatus};
use domain::user::User;
use serde::Deserialize;
use serde_json::json;
use store::PlatformTx;
use uuid::Uuid;
use web::forms::{Choice as FormChoice, FormErrors};
use web::language::Message;
use web::pages::consent::{Consent, ScopeLine};

use super::authorize::{self, Asked, Wanted};
use super::error::{Code, OauthError};
use super::parameters::Parameters;
use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, Login, go_on, go_to, invalid};

/// A person is in few tenants.
const TENANTS_MAX: u32 = 100;

/// What came of looking for a tenant.
pub(super) enum Choice {
    Tenant(TenantId),
    Refused(OauthError),
    Ask(Box<Question>),
}

/// What the person has to decide.
pub(super) struct Question {
    email: String,
    publisher: String,
    /// To choose from; fewer than two: nothing.
    tenants: Vec<Tenant>,
    /// With what their APIs say they are for; empty: nothing has to be allowed.
    scopes: Vec<(String, Option<String>)>,
    /// The person becomes a user of the client's tenant by going on.
    joins: bool,
}

impl Question {
    /// What `prompt=none` gets instead of the page (OpenID Connect Core, section 3.1.2.6).
    pub(super) fn as_error(&self) -> OauthError {
        if self.scopes.is_empty() && !self.joins {
            let text = "the person has to choose a tenant; name it with tenant";
            return OauthError::new(Code::AccountSelectionRequired, text);
        }
        let text = "the person has not allowed this yet";
        OauthError::new(Code::ConsentRequired, text)
    }
}

/// The tenant that the tokens are for, if nothing is left to ask.
pub(super) async fn choose(
    tx: &mut PlatformTx,
    login: &Login,
    asked: &Asked,
    wanted: &Wanted,
    now: Now,
) -> Result<Choice, ActionError> {
    let client = &asked.client;
    let refused = |text| Ok(Choice::Refused(OauthError::new(Code::AccessDenied, text)));
    let mut tenants = tenants(tx, login, client, wanted).await?;
    let joins = tenants.is_empty() && client.serves == Serves::OwnTenant;
    if joins {
        let Some((user, tenant)) = may_join(tx, login, client).await? else {
            return refused("the person does not belong to the application's tenant");
        };
        if login.signed_up_at == Some(client.id) {
            // They made their account for it a moment ago.
            join(tx, (&user, &tenant), client, now).await?;
            return Ok(Choice::Tenant(tenant.id));
        }
        tenants.push(tenant);
    }
    tenants.retain(|tenant| tenant.status == TenantStatus::Active);
    if tenants.is_empty() {
        return refused("the person belongs to no active tenant that was asked for");
    }
    let mut scopes = Vec::new();
    if let [tenant] = tenants.as_slice() {
        let is_own = tenant.id == client.tenant_id;
        let allowed = store::oauth_consents::find(tx, login.user, tenant.id, client.id).await?;
        let is_own = is_own && !joins;
        let is_allowed = is_own || wanted.scopes.iter().all(|scope| allowed.contains(scope));
        if is_allowed && !wanted.prompt.consent {
            return Ok(Choice::Tenant(tenant.id));
        }
        if !is_own || wanted.prompt.consent {
            scopes = described(tx, &wanted.scopes).await?;
        }
    } else if tenants.iter().any(|tenant| tenant.id != client.tenant_id) {
        scopes = described(tx, &wanted.scopes).await?;
    }
    let publisher = store::tenants::get(tx, client.tenant_id).await?;
    Ok(Choice::Ask(Box::new(Question {
        email: login.email.clone(),
        publisher: publisher.name,
        tenants,
        joins,
        scopes,
    })))
}

/// The person's tenants that the client is for, and that were asked for.
async fn tenants(
    tx: &mut PlatformTx,
    login: &Login,
    client: &OauthClient,
    wanted: &Wanted,
) -> Result<Vec<Tenant>, ActionError> {
    let all = store::members::all_tenants_list_of_user(tx, login.user, TENANTS_MAX).await?;
    let is_for = |tenant: &Tenant| {
        let is_served = client.serves == Serves::AnyTenant || tenant.id == client.tenant_id;
        is_served && wanted.tenant.is_none_or(|wanted| wanted == tenant.id)
    };
    let found = all.into_iter().map(|(tenant, _)| tenant).filter(is_for);
    Ok(found.collect())
}

/// The client's tenant, where the client says that anybody, or somebody with this address, may sign
/// up, for somebody who is not in it.
async fn may_join(
    tx: &mut PlatformTx,
    login: &Login,
    client: &OauthClient,
) -> Result<Option<(User, Tenant)>, ActionError> {
    let user = store::users::get(tx, login.user).await?;
    let may_come_in = user.email_confirmed_at.is_some() && !user.is_disabled();
    if !may_come_in || !client.may_join(&user.email) {
        return Ok(None);
    }
    let tenant = store::tenants::get(tx, client.tenant_id).await?;
    // Who is a member and comes here was disabled.
    let found = store::members::find_by_user(tx, tenant.id, user.id).await?;
    let is_open = tenant.status == TenantStatus::Active && found.is_none();
    Ok(is_open.then_some((user, tenant)))
}

/// Makes the person a user of the client's tenant.
async fn join(
    tx: &mut PlatformTx,
    (user, tenant): (&User, &Tenant),
    client: &OauthClient,
    now: Now,
) -> Result<(), ActionError> {
    let id = MemberId(Uuid::now_v7());
    store::members::insert(tx, tenant.id, id, user.id, Role::User).await?;
    let subject = Subject {
        tenant: Some(tenant.id),
        noun: "member",
        id: id.0,
        label: &user.email,
    };
    let after = json!({ "role": Role::User, "client": client.id });
    let authority = Authority::person(user.id, user.email.clone());
    let change = (subject, Change::created(&after));
    action::audit(tx, &authority, Action::JoinByClient, change, now).await
}

/// Scopes with what the APIs that define them say they are for.
async fn described(
    tx: &mut PlatformTx,
    scopes: &[String],
) -> Result<Vec<(String, Option<String>)>, ActionError> {
    let known = store::oauth_consents::describe(tx, scopes).await?;
    let text = |scope: &String| {
        let found = known
            .iter()
            .find(|(name, text)| name == scope && !text.is_empty());
        found.map(|(_, text)| text.clone())
    };
    Ok(scopes
        .iter()
        .map(|scope| (scope.clone(), text(scope)))
        .collect())
}

/// A scope as people read it.
fn line(visitor: &Anonymous, (name, text): &(String, Option<String>)) -> ScopeLine {
    let text = match (name.as_str(), text) {
        ("openid", _) => visitor.say(&Message::new("scope-openid")),
        ("profile", _) => visitor.say(&Message::new("scope-profile")),
        ("email", _) => visitor.say(&Message::new("scope-email")),
        ("offline_access", _) => visitor.say(&Message::new("scope-offline_access")),
        (_, Some(text)) => text.clone(),
        (other, None) => visitor.say(&Message::new("scope-other").with("scope", other)),
    };
    ScopeLine {
        name: name.clone(),
        text,
    }
}

pub(super) fn page(visitor: &Anonymous, asked: &Asked, question: &Question) -> Answer {
    crate::page::page(&view(visitor, asked, question, FormErrors::default()))
}

fn view(visitor: &Anonymous, asked: &Asked, question: &Question, errors: FormErrors) -> Consent {
    let has_choice = question.tenants.len() > 1;
    let tenants = question.tenants.iter().filter(|_| has_choice);
    Consent {
        shell: visitor.shell(),
        client: asked.client.name.clone(),
        publisher: question.publisher.clone(),
        joins: question.joins,
        email: question.email.clone(),
        destination: asked.destination().to_owned(),
        tenants: tenants
            .map(|tenant| FormChoice::new(tenant.id.to_string(), &tenant.name))
            .collect(),
        scopes: question
            .scopes
            .iter()
            .map(|scope| line(visitor, scope))
            .collect(),
        request: asked.parameters.encode(),
        errors,
    }
}

#[derive(Deserialize)]
pub(super) struct Decision {
    request: String,
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    decision: String,
}

/// `POST /oauth2/consent`: the request is judged anew, from its beginning, whatever the form says.
pub(super) async fn decide(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    Form(form): Form<Decision>,
) -> Answer {
    let asked = authorize::ask(&app, form.request.as_bytes(), now).await?;
    let again = || format!("/oauth2/authorize?{}", asked.parameters.encode());
    let Some(login) = visitor.login().await? else {
        return go_to(&again());
    };
    if form.decision != "allow" {
        let error = OauthError::new(Code::AccessDenied, "the person said no");
        return go_on(visitor.shell(), asked.error_address(&app, &error));
    }
    let Ok(wanted) = asked.wanted() else {
        return go_to(&again());
    };
    let mut tx = app.db.platform_tx().await.map_err(Failure::from)?;
    let question = match choose(&mut tx, &login, &asked, &wanted, now).await? {
        Choice::Ask(question) => question,
        Choice::Tenant(_) | Choice::Refused(_) => return go_to(&again()),
    };
    let chosen = match question.tenants.as_slice() {
        [only] => Some(only),
        several => several
            .iter()
            .find(|tenant| tenant.id.to_string() == form.tenant),
    };
    let Some(tenant) = chosen else {
        let errors = FormErrors::of_message("tenant", Message::new("error-choose-tenant"));
        return invalid(&view(&visitor, &asked, &question, errors));
    };
    if question.joins {
        let Some((user, tenant)) = may_join(&mut tx, &login, &asked.client).await? else {
            return go_to(&again());
        };
        join(&mut tx, (&user, &tenant), &asked.client, now).await?;
    }
    if tenant.id != asked.client.tenant_id {
        allow(&mut tx, (&login, tenant), (&asked, &wanted), now).await?;
    }
    tx.commit().await.map_err(Failure::from)?;
    let parameters: Parameters = asked
        .parameters
        .with("prompt", None)
        .with("tenant", Some(tenant.id.to_string()));
    let address = format!("/oauth2/authorize?{}", parameters.encode());
    go_on(visitor.shell(), address)
}

async fn allow(
    tx: &mut PlatformTx,
    (login, tenant): (&Login, &Tenant),
    (asked, wanted): (&Asked, &Wanted),
    now: Now,
) -> Result<(), ActionError> {
    let client = &asked.client;
    store::oauth_consents::allow(tx, (login.user, tenant.id), client.id, &wanted.scopes).await?;
    let subject = Subject {
        tenant: Some(tenant.id),
        noun: "oauth_client",
        id: client.id.0,
        label: &client.name,
    };
    let authority = Authority::person(login.user, login.email.clone());
    let change = (
        subject,
        Change::created(&json!({ "scopes": wanted.scopes })),
    );
    action::audit(tx, &authority, Action::AllowClient, change, now).await
}
