//! OAuth clients of a tenant.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::oauth_clients::ClientForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, Shell, TenantTab, Tone};
use crate::samples;

/// `GET /t/{tenant}/oauth-clients`.
#[derive(Debug, Clone, Template)]
#[template(path = "oauth_clients/list.html")]
pub struct OauthClients {
    pub shell: Shell,
    pub tenant_id: String,
    /// Newest first.
    pub clients: Vec<ClientRow>,
    pub may_create: bool,
    /// Where applications find everything else.
    pub discovery: String,
}

#[derive(Debug, Clone)]
pub struct ClientRow {
    pub id: String,
    pub name: String,
    pub kind: String,
    pub badge: Badge,
    pub created_at: Moment,
}

/// `GET`, `POST /t/{tenant}/oauth-clients/new` and `…/{client}`.
#[derive(Debug, Clone, Template)]
#[template(path = "oauth_clients/edit.html")]
pub struct ClientEditor {
    pub shell: Shell,
    pub tenant_id: String,
    /// Of one that is there.
    pub existing: Option<ExistingClient>,
    pub form: ClientForm,
    pub errors: FormErrors,
    pub kinds: Vec<Choice>,
    pub grants: Vec<Choice>,
    pub scopes: Vec<Choice>,
    pub serves: Vec<Choice>,
    pub sign_up: Vec<Choice>,
    pub algorithms: Vec<Choice>,
    pub may_edit: bool,
}

#[derive(Debug, Clone)]
pub struct ExistingClient {
    pub id: String,
    pub name: String,
    pub kind: String,
    /// `None`: it cannot have any.
    pub secrets: Option<Vec<SecretRow>>,
    pub may_add_secret: bool,
    /// For the form that makes one.
    pub form_nonce: String,
}

#[derive(Debug, Clone)]
pub struct SecretRow {
    pub id: String,
    pub prefix: String,
    pub created_at: Moment,
}

/// The answer that makes a client or a secret: the only place that shows a secret.
#[derive(Debug, Clone, Template)]
#[template(path = "oauth_clients/created.html")]
pub struct ClientCreated {
    pub shell: Shell,
    pub tenant_id: String,
    pub client_id: String,
    pub name: String,
    /// `None`: a public client.
    pub secret: Option<String>,
    pub discovery: String,
}

impl OauthClients {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::OauthClients),
            tenant_id: "ten_1".to_owned(),
            clients: vec![
                ClientRow {
                    id: "cli_1".to_owned(),
                    name: "Orders app".to_owned(),
                    kind: "Public".to_owned(),
                    badge: Badge::new(Tone::Good, "Active"),
                    created_at: samples::ago(Duration::days(3)),
                },
                ClientRow {
                    id: "cli_2".to_owned(),
                    name: samples::HOSTILE.to_owned(),
                    kind: "Confidential".to_owned(),
                    badge: Badge::new(Tone::Warning, "Switched off"),
                    created_at: samples::ago(Duration::hours(1)),
                },
            ],
            may_create: true,
            discovery: "https://console.example.com/.well-known/openid-configuration".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            clients: Vec::new(),
            ..Self::sample()
        }
    }
}

impl ClientEditor {
    #[must_use]
    pub fn sample_new() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::OauthClients),
            tenant_id: "ten_1".to_owned(),
            existing: None,
            form: ClientForm {
                name: samples::HOSTILE.to_owned(),
                redirect_uris: samples::HOSTILE.to_owned(),
                ..ClientForm::default()
            },
            errors: FormErrors::of("redirect_uris", "Use https."),
            kinds: Choice::one_of(
                &[("public", "Public"), ("confidential", "Confidential")],
                "",
            ),
            grants: Choice::one_of(&[("authorization_code", "Sign people in")], ""),
            scopes: vec![Choice::new("orders:read", "orders:read").hint(samples::HOSTILE)],
            serves: Choice::one_of(&[("own_tenant", "This tenant")], "own_tenant"),
            sign_up: Choice::one_of(&[("nobody", "Nobody")], "nobody"),
            algorithms: Choice::one_of(&[("RS256", "RS256")], "RS256"),
            may_edit: true,
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            existing: Some(ExistingClient {
                id: "cli_1".to_owned(),
                name: "Worker".to_owned(),
                kind: "Confidential".to_owned(),
                secrets: Some(vec![SecretRow {
                    id: "s1".to_owned(),
                    prefix: "tgs_8fKq2a".to_owned(),
                    created_at: samples::ago(Duration::days(3)),
                }]),
                may_add_secret: true,
                form_nonce: "c3dlZXBzd2VlcHN3ZWVwcw".to_owned(),
            }),
            ..Self::sample_new()
        }
    }
}

impl ClientCreated {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::OauthClients),
            tenant_id: "ten_1".to_owned(),
            client_id: "cli_1".to_owned(),
            name: samples::HOSTILE.to_owned(),
            secret: Some("tgs_example".to_owned()),
            discovery: "https://console.example.com/.well-known/openid-configuration".to_owned(),
        }
    }
}
