//! What stands around every page: who is signed in, where they are, what just happened.

use crate::brand::Brand;
use crate::forms::FormErrors;
use crate::language::{Language, Message, Value};

/// How the visitor came to this page, as far as pages for people of applications show it.
#[derive(Debug, Clone, Default)]
pub struct Way {
    pub language: Language,
    /// This page's address, to come back to in another language; none: it cannot be shown again.
    pub here: Option<String>,
    /// Where to go on after signing in or up: an application's request, an invitation.
    pub next: Option<String>,
    /// The same as the query of a link, with its question mark; may be empty.
    pub next_query: String,
    /// Of the tenant whose application leads here, or that invites.
    pub brand: Option<Brand>,
}

/// The frame of a page. `csrf_token` goes into every form that changes something.
#[derive(Debug, Clone)]
pub struct Shell {
    pub way: Way,
    pub csrf_token: String,
    /// The signed-in person's email address.
    pub person: Option<String>,
    pub flash: Option<Flash>,
    pub nav: Nav,
}

/// One message about what the previous request did, shown once.
#[derive(Debug, Clone)]
pub struct Flash {
    pub tone: Tone,
    pub text: String,
}

/// How a message or a badge is to be read; never by colour alone, the text says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Neutral,
    Good,
    Warning,
    Danger,
}

impl Tone {
    /// The CSS class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Danger => "danger",
        }
    }
}

/// A short state beside a name.
#[derive(Debug, Clone)]
pub struct Badge {
    pub tone: Tone,
    pub text: String,
}

impl Badge {
    #[must_use]
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

#[derive(Debug, Clone)]
pub enum Nav {
    /// Outside the console: landing, sign-up, sign-in.
    Public,
    Tenant(TenantNav),
    Operator(OperatorNav),
}

#[derive(Debug, Clone)]
pub struct TenantNav {
    pub id: String,
    pub name: String,
    pub is_suspended: bool,
    pub active: TenantTab,
    /// The person's other tenants.
    pub other_tenants: Vec<TenantLink>,
    /// The person may also open `/admin`.
    pub is_operator: bool,
}

#[derive(Debug, Clone)]
pub struct OperatorNav {
    pub active: OperatorTab,
    /// Plan requests that wait for an answer.
    pub pending_requests: usize,
    /// Mails are kept in the outbox instead of being sent.
    pub has_outbox: bool,
    /// Tenants that the operator is a member of.
    pub tenants: Vec<TenantLink>,
}

#[derive(Debug, Clone)]
pub struct TenantLink {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantTab {
    Overview,
    Plans,
    Keys,
    OauthClients,
    Usage,
    Members,
    Groups,
    SignIn,
    Settings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorTab {
    Overview,
    Tenants,
    Users,
    Plans,
    Requests,
    Apis,
    Upstreams,
    Nodes,
    SignIn,
    TokenKeys,
    Audit,
    Outbox,
}

/// One entry of the navigation, as the template prints it.
#[derive(Debug, Clone)]
pub struct NavItem {
    pub label: &'static str,
    pub icon: &'static str,
    pub href: String,
    pub is_active: bool,
    pub count: usize,
}

impl Shell {
    /// The text of a key in the visitor's language.
    #[must_use]
    pub fn text(&self, key: &str) -> String {
        self.way.language.text(key)
    }

    /// The same with one value in it.
    #[must_use]
    pub fn text_with(&self, key: &str, name: &'static str, value: impl Into<Value>) -> String {
        self.say(&Message::new(key.to_owned()).with(name, value))
    }

    #[must_use]
    pub fn say(&self, message: &Message) -> String {
        self.way.language.say(message)
    }

    /// Messages beside fields in the visitor's language.
    #[must_use]
    pub fn translated(&self, errors: &FormErrors) -> FormErrors {
        errors.clone().in_language(self.way.language)
    }

    /// A text in two pieces: what stands before and after the value of this name, which the page
    /// sets off.
    #[must_use]
    pub fn around(&self, key: &str, name: &'static str) -> (String, String) {
        let text = self.text_with(key, name, PLACE);
        match text.split_once(PLACE) {
            Some((before, after)) => (before.to_owned(), after.to_owned()),
            None => (text, String::new()),
        }
    }

    /// Entries of the navigation, in order; none outside the console.
    #[must_use]
    pub fn items(&self) -> Vec<NavItem> {
        match &self.nav {
            Nav::Public => Vec::new(),
            Nav::Tenant(nav) => nav.items(),
            Nav::Operator(nav) => nav.items(),
        }
    }

    /// Whether all requests of the tenant shown are refused.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        matches!(&self.nav, Nav::Tenant(nav) if nav.is_suspended)
    }

    /// Where a click on the product's name leads.
    #[must_use]
    pub fn home(&self) -> String {
        match &self.nav {
            Nav::Public => "/".to_owned(),
            Nav::Tenant(nav) => format!("/t/{}", nav.id),
            Nav::Operator(_) => "/admin".to_owned(),
        }
    }
}

/// Stands in no text.
const PLACE: &str = "\u{fffc}";

impl TenantNav {
    fn items(&self) -> Vec<NavItem> {
        [
            (TenantTab::Overview, "Overview", "home", ""),
            (TenantTab::Keys, "API keys", "key", "/keys"),
            (
                TenantTab::OauthClients,
                "OAuth clients",
                "shield",
                "/oauth-clients",
            ),
            (TenantTab::Usage, "Usage", "chart", "/usage"),
            (TenantTab::Plans, "Plans", "layers", "/plans"),
            (TenantTab::Members, "Members", "user", "/members"),
            (TenantTab::Groups, "Groups", "nodes", "/groups"),
            (
                TenantTab::SignIn,
                "Sign-in",
                "building",
                "/identity-providers",
            ),
            (TenantTab::Settings, "Settings", "sliders", "/settings"),
        ]
        .into_iter()
        .map(|(tab, label, icon, path)| NavItem {
            label,
            icon,
            href: format!("/t/{}{path}", self.id),
            is_active: tab == self.active,
            count: 0,
        })
        .collect()
    }
}

impl OperatorNav {
    fn items(&self) -> Vec<NavItem> {
        let mut items: Vec<NavItem> = [
            (OperatorTab::Overview, "Overview", "home", ""),
            (OperatorTab::Tenants, "Tenants", "building", "/tenants"),
            (OperatorTab::Users, "People", "user", "/users"),
            (OperatorTab::Requests, "Requests", "inbox", "/requests"),
            (OperatorTab::Plans, "Plans", "layers", "/plans"),
            (OperatorTab::Apis, "APIs", "route", "/apis"),
            (OperatorTab::Upstreams, "Upstreams", "server", "/upstreams"),
            (OperatorTab::Nodes, "Nodes", "nodes", "/nodes"),
            (
                OperatorTab::SignIn,
                "Sign-in",
                "shield",
                "/identity-providers",
            ),
            (OperatorTab::TokenKeys, "Token keys", "key", "/token-keys"),
            (OperatorTab::Audit, "Audit log", "list", "/audit"),
        ]
        .into_iter()
        .map(|(tab, label, icon, path)| self.item(tab, label, icon, path))
        .collect();
        if self.has_outbox {
            items.push(self.item(OperatorTab::Outbox, "Outbox", "mail", "/outbox"));
        }
        items
    }

    fn item(
        &self,
        tab: OperatorTab,
        label: &'static str,
        icon: &'static str,
        path: &str,
    ) -> NavItem {
        NavItem {
            label,
            icon,
            href: format!("/admin{path}"),
            is_active: tab == self.active,
            count: if tab == OperatorTab::Requests {
                self.pending_requests
            } else {
                0
            },
        }
    }
}
