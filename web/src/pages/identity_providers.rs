//! OpenID providers of others, through which people sign in: of a tenant, or of the platform.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::identity_providers::ProviderForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, OperatorTab, Shell, TenantTab, Tone};
use crate::samples;

/// `GET /t/{tenant}/identity-providers` and `/admin/identity-providers`.
#[derive(Debug, Clone, Template)]
#[template(path = "identity_providers/list.html")]
pub struct IdentityProviders {
    pub shell: Shell,
    /// The path of this page.
    pub base: String,
    /// Oldest first.
    pub providers: Vec<ProviderRow>,
    /// Of a tenant: where its domains are.
    pub domains_href: Option<String>,
    pub may_create: bool,
}

#[derive(Debug, Clone)]
pub struct ProviderRow {
    pub id: String,
    pub name: String,
    pub issuer: String,
    pub badge: Badge,
    pub created_at: Moment,
}

/// `GET`, `POST …/new` and `…/{provider}`.
#[derive(Debug, Clone, Template)]
#[template(path = "identity_providers/edit.html")]
pub struct ProviderEditor {
    pub shell: Shell,
    /// The path of the list.
    pub base: String,
    pub is_of_tenant: bool,
    /// Of one that is there.
    pub existing: Option<ExistingProvider>,
    pub form: ProviderForm,
    pub errors: FormErrors,
    pub roles: Vec<Choice>,
    /// To be registered at the provider.
    pub redirect_uri: String,
    pub may_edit: bool,
}

#[derive(Debug, Clone)]
pub struct ExistingProvider {
    pub id: String,
    pub name: String,
    pub issuer: String,
    pub has_client_secret: bool,
}

impl IdentityProviders {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::SignIn),
            base: "/t/ten_1/identity-providers".to_owned(),
            providers: vec![
                ProviderRow {
                    id: "idp_1".to_owned(),
                    name: "Northwind ID".to_owned(),
                    issuer: "https://id.northwind.example".to_owned(),
                    badge: Badge::new(Tone::Good, "Active"),
                    created_at: samples::ago(Duration::days(3)),
                },
                ProviderRow {
                    id: "idp_2".to_owned(),
                    name: samples::HOSTILE.to_owned(),
                    issuer: "https://accounts.example.com".to_owned(),
                    badge: Badge::new(Tone::Warning, "Switched off"),
                    created_at: samples::ago(Duration::hours(1)),
                },
            ],
            domains_href: Some("/t/ten_1/domains".to_owned()),
            may_create: true,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::SignIn),
            base: "/admin/identity-providers".to_owned(),
            providers: Vec::new(),
            domains_href: None,
            may_create: true,
        }
    }
}

impl ProviderEditor {
    #[must_use]
    pub fn sample_new() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::SignIn),
            base: "/admin/identity-providers".to_owned(),
            is_of_tenant: false,
            existing: None,
            form: ProviderForm {
                name: samples::HOSTILE.to_owned(),
                client_secret: "never echoed".to_owned(),
                is_enabled: "on".to_owned(),
                ..ProviderForm::default()
            },
            errors: FormErrors::of(
                "issuer",
                "https://id.example/.well-known/openid-configuration cannot be read: it answered with status 404.",
            ),
            roles: Vec::new(),
            redirect_uri: "https://console.example.com/login/callback".to_owned(),
            may_edit: true,
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::SignIn),
            base: "/t/ten_1/identity-providers".to_owned(),
            is_of_tenant: true,
            existing: Some(ExistingProvider {
                id: "idp_1".to_owned(),
                name: "Northwind ID".to_owned(),
                issuer: "https://id.northwind.example".to_owned(),
                has_client_secret: true,
            }),
            form: ProviderForm {
                name: "Northwind ID".to_owned(),
                groups: samples::HOSTILE.to_owned(),
                ..ProviderForm::default()
            },
            errors: FormErrors::default(),
            roles: Choice::one_of(&[("user", "User"), ("viewer", "Viewer")], "user"),
            ..Self::sample_new()
        }
    }
}
