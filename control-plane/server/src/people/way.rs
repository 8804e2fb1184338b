//! On the way to where signs up who has no account: to a tenant of their own, or to an application
//! that people come from to sign in.

use domain::email::Email;
use domain::oauth_client::{OauthClient, Serves, SignUp};
use web::forms::FormErrors;
use web::language::Message;

use crate::app::App;
use crate::clock::Now;
use crate::page::{APPLICATIONS, Failure, own_path};

pub(super) enum Way {
    /// They make a tenant, also on the way to an application for people of any tenant.
    Tenant,
    /// They become users of the application's tenant, once they come back to it.
    Application(Box<OauthClient>),
    /// The application takes those only whom its tenant invites; its name.
    Closed(String),
}

impl Way {
    /// By the request that people are to come back to, if there is one.
    pub(super) async fn of(app: &App, next: &str, now: Now) -> Result<Self, Failure> {
        let Some(request) = request(next) else {
            return Ok(Way::Tenant);
        };
        let client = crate::oauth::client_of(app, request.as_bytes(), now).await?;
        Ok(match client {
            None => Way::Tenant,
            Some(client) if client.serves == Serves::AnyTenant => Way::Tenant,
            Some(client) if client.sign_up == SignUp::Nobody => Way::Closed(client.name),
            Some(client) => Way::Application(Box::new(client)),
        })
    }

    /// The application's name, where one makes no tenant.
    pub(super) fn application(&self) -> Option<String> {
        match self {
            Way::Application(client) => Some(client.name.clone()),
            Way::Tenant | Way::Closed(_) => None,
        }
    }

    /// Whether an address may sign up. Goes by its domain, never by who has an account.
    pub(super) fn check(&self, email: &Email) -> Result<(), FormErrors> {
        match self {
            Way::Application(client) if !client.may_join(email.as_str()) => Err(
                FormErrors::of_message("email", Message::new("error-other-domain")),
            ),
            _ => Ok(()),
        }
    }
}

/// Longer ones are no honest request, and a session keeps it.
const NEXT_BYTES_MAX: usize = 8_000;

/// The query of an application's request.
fn request(next: &str) -> Option<&str> {
    let path = own_path(next).filter(|path| path.len() <= NEXT_BYTES_MAX)?;
    path.strip_prefix(APPLICATIONS)
}

pub(super) fn is_to_application(next: &str) -> bool {
    request(next).is_some()
}

/// A page of the way, with where to go on to where that is an application.
pub(super) fn link(page: &str, next: &str) -> String {
    if !is_to_application(next) {
        return page.to_owned();
    }
    with_next(page, next)
}

pub(super) fn with_next(page: &str, next: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", next);
    format!("{page}?{}", query.finish())
}
