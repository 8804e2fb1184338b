//! What stands between sign-in and an application: leave to use the account, the choice of a
//! tenant, and the way on.

use askama::Template;

use crate::forms::{Choice, FormErrors};
use crate::language::Message;
use crate::layout::Shell;
use crate::samples;

/// `GET /oauth2/authorize` where the person has something to decide; the form posts to
/// `/oauth2/consent`.
#[derive(Debug, Clone, Template)]
#[template(path = "consent/consent.html")]
pub struct Consent {
    pub shell: Shell,
    /// The application's name.
    pub client: String,
    /// Whose application it is.
    pub publisher: String,
    /// The person becomes a user of the publisher's tenant by going on.
    pub joins: bool,
    /// Who is signed in.
    pub email: String,
    /// The host that the answer goes to.
    pub destination: String,
    /// One that is the person's only one is not asked about.
    pub tenants: Vec<Choice>,
    /// What it asks to do, in words; empty: nothing has to be allowed.
    pub scopes: Vec<ScopeLine>,
    /// The request, to come back to.
    pub request: String,
    pub errors: FormErrors,
}

#[derive(Debug, Clone)]
pub struct ScopeLine {
    pub name: String,
    pub text: String,
}

/// After a form whose answer leads to another site: browsers that hold forms to this site follow a
/// page where they do not follow a redirect.
#[derive(Debug, Clone, Template)]
#[template(path = "consent/go_on.html")]
pub struct GoOn {
    pub shell: Shell,
    /// Checked: one of ours, or one that the application registered.
    pub address: String,
}

impl Consent {
    /// Who wants what.
    fn asks(&self) -> String {
        let message = Message::new("consent-sub")
            .with("client", &self.client)
            .with("publisher", &self.publisher)
            .with("email", &self.email);
        self.shell.say(&message)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            client: "Fleet Analytics".to_owned(),
            publisher: "Harbour Data".to_owned(),
            joins: true,
            email: "ada@northwind.example".to_owned(),
            destination: "app.harbour.example".to_owned(),
            tenants: vec![
                Choice::new("ten_1", "Northwind Freight").selected_if(true),
                Choice::new("ten_2", samples::HOSTILE),
            ],
            scopes: vec![
                ScopeLine {
                    name: "openid".to_owned(),
                    text: "Know who you are".to_owned(),
                },
                ScopeLine {
                    name: "orders:read".to_owned(),
                    text: samples::HOSTILE.to_owned(),
                },
            ],
            request: "client_id=cli_1".to_owned(),
            errors: FormErrors::default(),
        }
    }

    /// Nothing but the choice of a tenant.
    #[must_use]
    pub fn sample_choice() -> Self {
        Self {
            scopes: Vec::new(),
            errors: FormErrors::of_message("tenant", Message::new("error-choose-tenant")),
            ..Self::sample()
        }
    }
}

impl GoOn {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            address: "https://app.harbour.example/callback?code=x&state=\"y".to_owned(),
        }
    }
}
