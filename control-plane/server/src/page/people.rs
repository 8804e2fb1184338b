//! Who looks at a page: the extractors that say who may come in, and the frame that each of them
//! sees around a page.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse, Redirect, Response};
use domain::email::Email;
use domain::id::{TenantId, UserId};
use domain::permission::Action;
use domain::role::{PlatformRole, Role};
use domain::subscription::SubscriptionStatus;
use domain::tenant::{Tenant, TenantStatus};
use http::request::Parts;
use http::{Method, StatusCode, header};
use store::PlatformTx;
use time::Duration;
use tower_sessions::Session;
use web::language::{Language, Message};
use web::layout::{
    Flash, Nav, OperatorNav, OperatorTab, Shell, TenantLink, TenantNav, TenantTab, Tone, Way,
};

use super::forms::FormToken;
use super::session::{self, Device, Login, SignIn};
use super::way::{LedBy, Reader};
use super::{Answer, Failure, go_to};
use crate::app::App;
use crate::authority::Authority;
use crate::branding;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::problem::Problem;
use crate::telemetry::RequestId;

/// A person is in few tenants; the switch between them shows this many.
const TENANTS_MAX: u32 = 100;
/// More requests than this are shown as this many.
const PENDING_MAX: u32 = 100;

/// What is kept of a browser's name for itself.
const AGENT_CHARS_MAX: usize = 300;
/// Whoever changes how they sign in proved who they are not longer ago than this.
const FRESH_FOR: Duration = Duration::minutes(15);

/// What every page knows about its visitor.
struct Visit {
    session: Session,
    device: Device,
    form_token: String,
    flash: Option<Flash>,
    request_id: Option<String>,
    way: Way,
    reader: Language,
}

/// Anybody.
pub(crate) struct Anonymous {
    visit: Visit,
    /// The address of who is signed in.
    pub email: Option<String>,
}

/// Somebody with an account.
pub(crate) struct SignedIn {
    visit: Visit,
    pub person: Person,
    pub login: Login,
}

pub(crate) struct Person {
    pub user: UserId,
    pub email: String,
    pub role: Option<PlatformRole>,
    /// Whose consoles the person may open.
    pub tenants: Vec<(Tenant, Role)>,
}

/// Somebody who may look into the tenant of the path: one of its members, or who runs the
/// platform.
pub(crate) struct Member {
    visit: Visit,
    pub person: Person,
    pub tenant: Tenant,
    pub authority: Authority,
}

/// Somebody who runs the platform.
pub(crate) struct Operator {
    visit: Visit,
    pub person: Person,
    pub authority: Authority,
    pending_requests: usize,
    has_outbox: bool,
}

/// Why somebody does not come in.
pub(crate) enum Stopped {
    Failed(Failure),
    /// To sign-in, and from there back.
    SignIn(String),
}

impl<F: Into<Failure>> From<F> for Stopped {
    fn from(cause: F) -> Self {
        Stopped::Failed(cause.into())
    }
}

impl IntoResponse for Stopped {
    fn into_response(self) -> Response {
        match self {
            Stopped::Failed(failure) => failure.into_response(),
            Stopped::SignIn(path) => Redirect::to(&path).into_response(),
        }
    }
}

impl FromRequestParts<App> for Anonymous {
    type Rejection = Stopped;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Stopped> {
        let mut visit = Visit::read(parts, app).await?;
        if let Some(LedBy(client)) = parts.extensions.get() {
            let mut tx = app.db.platform_tx().await?;
            visit.way.brand = branding::of_client(&mut tx, *client).await?;
            tx.commit().await?;
        }
        let holder = session::holder(&visit.session).await?;
        Ok(Self {
            email: holder.map(|holder| holder.email),
            visit,
        })
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Stopped;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Stopped> {
        let visit = Visit::read(parts, app).await?;
        let Some(login) = session::login(&visit.session).await? else {
            return Err(Stopped::SignIn(sign_in_path(parts)));
        };
        let mut tx = app.db.platform_tx().await?;
        let person = match Person::load(&mut tx, login.user).await {
            // The account is gone or disabled.
            Err(store::Error::NotFound { .. }) => {
                visit.session.flush().await?;
                return Err(Stopped::SignIn(sign_in_path(parts)));
            }
            person => person?,
        };
        tx.commit().await?;
        Ok(Self {
            visit,
            person,
            login,
        })
    }
}

impl FromRequestParts<App> for Member {
    type Rejection = Stopped;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Stopped> {
        let SignedIn { visit, person, .. } = SignedIn::from_request_parts(parts, app).await?;
        let id = path_tenant(parts, app).await?;
        let own = person.tenants.iter().find(|(tenant, _)| tenant.id == id);
        let (tenant, authority) = match (own, person.role) {
            // Who runs the platform may do more than as a member.
            (_, Some(role)) if role == PlatformRole::Operator || own.is_none() => {
                let mut tx = app.db.platform_tx().await?;
                let tenant = store::tenants::get(&mut tx, id).await?;
                tx.commit().await?;
                let authority = Authority::platform(person.user, person.email.clone(), role);
                (tenant, authority)
            }
            (Some((tenant, role)), _) => {
                let authority = Authority::member(person.user, person.email.clone(), id, *role);
                (tenant.clone(), authority)
            }
            (None, _) => return Err(Problem::not_found("tenant").into()),
        };
        authority.require_in(Action::ShowTenant, id)?;
        Ok(Self {
            authority: authority.of_request(visit.request_id.clone()),
            visit,
            person,
            tenant,
        })
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Stopped;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Stopped> {
        let SignedIn { visit, person, .. } = SignedIn::from_request_parts(parts, app).await?;
        let Some(role) = person.role else {
            let detail = "these pages are for those who run the platform";
            return Err(Problem::new(StatusCode::FORBIDDEN, "operators_only", detail).into());
        };
        let mut tx = app.db.platform_tx().await?;
        let status = SubscriptionStatus::Pending;
        let pending =
            store::subscriptions::all_tenants_list(&mut tx, status, None, PENDING_MAX).await?;
        tx.commit().await?;
        let authority = Authority::platform(person.user, person.email.clone(), role);
        Ok(Self {
            authority: authority.of_request(visit.request_id.clone()),
            visit,
            person,
            pending_requests: pending.len(),
            has_outbox: app.mailer.has_outbox() && role == PlatformRole::Operator,
        })
    }
}

impl Visit {
    async fn read(parts: &mut Parts, app: &App) -> Result<Self, Stopped> {
        let session = parts.extensions.get::<Session>().cloned();
        let token = parts.extensions.get::<FormToken>().cloned();
        // Both are set by the frame around every page.
        let (Some(session), Some(token)) = (session, token) else {
            return Err(Problem::not_found("page").into());
        };
        let flash = match parts.method {
            Method::GET => session::take_flash(&session).await?,
            _ => None,
        };
        let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, app).await;
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or("");
        Ok(Self {
            session,
            device: Device {
                agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
                address: address.to_string(),
            },
            form_token: token.0,
            flash,
            way: parts.extensions.get::<Way>().cloned().unwrap_or_default(),
            reader: parts
                .extensions
                .get::<Reader>()
                .map_or_else(Language::default, |reader| reader.0),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        })
    }

    fn shell(&self, person: Option<String>, nav: Nav) -> Shell {
        Shell {
            way: self.way.clone(),
            csrf_token: self.form_token.clone(),
            person,
            flash: self.flash.clone(),
            nav,
        }
    }
}

impl Person {
    async fn load(tx: &mut PlatformTx, user: UserId) -> store::Result<Self> {
        let found = store::users::get(tx, user).await?;
        if found.is_disabled() {
            return Err(store::Error::NotFound { what: "account" });
        }
        let role = store::users::find_platform_role(tx, user).await?;
        let mut tenants = store::members::all_tenants_list_of_user(tx, user, TENANTS_MAX).await?;
        tenants.retain(|(_, role)| *role != Role::User);
        Ok(Self {
            user,
            email: found.email,
            role,
            tenants,
        })
    }

    /// Where the console starts.
    pub(crate) fn home(&self) -> String {
        match (self.role, self.tenants.first()) {
            (Some(_), _) => "/admin".to_owned(),
            (None, Some((tenant, _))) => format!("/t/{}", tenant.id),
            (None, None) => "/account".to_owned(),
        }
    }

    fn links(&self, without: Option<TenantId>) -> Vec<TenantLink> {
        self.tenants
            .iter()
            .filter(|(tenant, _)| Some(tenant.id) != without)
            .map(|(tenant, _)| TenantLink {
                id: tenant.id.to_string(),
                name: tenant.name.clone(),
            })
            .collect()
    }
}

impl Anonymous {
    pub(crate) fn shell(&self) -> Shell {
        self.visit.shell(self.email.clone(), Nav::Public)
    }

    /// A page for strangers, also where somebody is signed in.
    pub(crate) fn session(&self) -> &Session {
        &self.visit.session
    }

    /// The language of the pages that they see, and of mails that come of them.
    pub(crate) fn language(&self) -> Language {
        self.visit.way.language
    }

    /// A text in it.
    pub(crate) fn say(&self, message: &Message) -> String {
        self.language().say(message)
    }

    /// The address of a step that knows where to go on afterwards.
    pub(crate) fn onward(&self, path: &str) -> String {
        format!("{path}{}", self.visit.way.next_query)
    }

    pub(crate) fn request_id(&self) -> Option<String> {
        self.visit.request_id.clone()
    }

    pub(crate) async fn flash(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        session::leave_flash(&self.visit.session, tone, text).await
    }

    pub(crate) async fn sign_in(&self, app: &App, who: &SignIn<'_>) -> Result<(), Failure> {
        session::sign_in(&app.db, &self.visit.session, who, &self.visit.device).await
    }

    /// How they signed in; `None`: nobody did.
    pub(crate) async fn login(&self) -> Result<Option<Login>, Failure> {
        session::login(&self.visit.session).await
    }

    /// Ends the session, and what applications got for as long as it lasts.
    pub(crate) async fn sign_out(&self, app: &App, now: Now) -> Result<(), Failure> {
        session::sign_out(&app.db, &self.visit.session, now).await
    }
}

impl SignedIn {
    pub(crate) fn shell(&self) -> Shell {
        self.visit
            .shell(Some(self.person.email.clone()), Nav::Public)
    }

    /// The language of mails to them.
    pub(crate) fn language(&self) -> Language {
        self.visit.reader
    }

    /// As themselves.
    pub(crate) fn authority(&self) -> Authority {
        let person = &self.person;
        Authority::person(person.user, person.email.clone())
            .of_request(self.visit.request_id.clone())
    }

    pub(crate) async fn flash(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        session::leave_flash(&self.visit.session, tone, text).await
    }

    pub(crate) fn session(&self) -> &Session {
        &self.visit.session
    }

    /// Goes on in a session that starts now, such as after all others were ended.
    pub(crate) async fn sign_in_anew(&self, app: &App) -> Result<(), Failure> {
        let amr: Vec<&str> = self.login.amr.iter().map(String::as_str).collect();
        let who = SignIn {
            user: self.person.user,
            email: &self.person.email,
            amr: &amr,
            auth_time: self.login.auth_time,
        };
        session::sign_in(&app.db, &self.visit.session, &who, &self.visit.device).await
    }

    pub(crate) async fn rename_session(&self, email: &Email) -> Result<(), Failure> {
        session::rename(&self.visit.session, email.as_str()).await
    }

    /// Where the person proves who they are before they go on at `path`, unless they did so lately:
    /// what keeps others out is not changed by whoever finds a browser open.
    pub(crate) fn stale(&self, path: &str, now: Now) -> Option<Answer> {
        if now.0 - self.login.auth_time < FRESH_FOR {
            return None;
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("again", "1").append_pair("next", path);
        Some(go_to(&format!("/login?{}", query.finish())))
    }
}

impl Member {
    pub(crate) fn shell(&self, tab: TenantTab) -> Shell {
        let nav = TenantNav {
            id: self.tenant.id.to_string(),
            name: self.tenant.name.clone(),
            is_suspended: self.tenant.status == TenantStatus::Suspended,
            active: tab,
            other_tenants: self.person.links(Some(self.tenant.id)),
            is_operator: self.person.role.is_some(),
        };
        let person = Some(self.person.email.clone());
        self.visit.shell(person, Nav::Tenant(nav))
    }

    /// For what a page offers: nothing that would be refused.
    pub(crate) fn may(&self, action: Action) -> bool {
        let is_held_still = self.tenant.status == TenantStatus::Suspended
            && self.authority.own_tenant().is_some()
            && action.effect() == domain::permission::Effect::Write;
        !is_held_still && self.authority.may(action)
    }

    pub(crate) async fn flash(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        session::leave_flash(&self.visit.session, tone, text).await
    }
}

impl Member {
    /// The language that they read, and probably those whom they invite.
    pub(crate) fn language(&self) -> Language {
        self.visit.reader
    }
}

impl Operator {
    pub(crate) fn shell(&self, tab: OperatorTab) -> Shell {
        let nav = OperatorNav {
            active: tab,
            pending_requests: self.pending_requests,
            has_outbox: self.has_outbox,
            tenants: self.person.links(None),
        };
        let person = Some(self.person.email.clone());
        self.visit.shell(person, Nav::Operator(nav))
    }

    pub(crate) async fn flash(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        session::leave_flash(&self.visit.session, tone, text).await
    }
}

fn sign_in_path(parts: &Parts) -> String {
    let asked = parts.uri.path_and_query().map(|path| path.as_str());
    match asked.filter(|_| parts.method == Method::GET) {
        Some(path) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("next", path);
            format!("/login?{}", query.finish())
        }
        None => "/login".to_owned(),
    }
}

async fn path_tenant(parts: &mut Parts, app: &App) -> Result<TenantId, Stopped> {
    let missing = || Problem::not_found("tenant");
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| missing())?;
    let tenant = params.iter().find(|(name, _)| *name == "tenant");
    let (_, text) = tenant.ok_or_else(missing)?;
    text.parse().map_err(|_| missing().into())
}
