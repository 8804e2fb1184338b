//! A tenant's API keys.

use askama::Template;
use time::Duration;

use crate::chart::Chart;
use crate::format::Moment;
use crate::forms::api_keys::{ApiKeyForm, RotateApiKeyForm};
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, Shell, TenantTab, Tone};
use crate::samples;

/// `GET /t/{tenant}/keys`.
#[derive(Debug, Clone, Template)]
#[template(path = "api_keys/list.html")]
pub struct ApiKeys {
    pub shell: Shell,
    pub tenant_id: String,
    pub keys: Vec<ApiKeyRow>,
    pub may_create: bool,
    /// Without a plan a key opens nothing.
    pub has_plan: bool,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
}

#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    pub id: String,
    pub name: String,
    /// The first characters of the value.
    pub prefix: String,
    pub badge: Badge,
    /// Not revoked: it can still be revoked.
    pub is_live: bool,
    pub created_at: Moment,
    pub last_used_at: Option<Moment>,
    pub expires_at: Option<Moment>,
}

/// `GET`, `POST /t/{tenant}/keys/new`; the POST answers with [`ApiKeyCreated`].
#[derive(Debug, Clone, Template)]
#[template(path = "api_keys/new.html")]
pub struct NewApiKey {
    pub shell: Shell,
    pub tenant_id: String,
    /// Its `form_nonce` travels along as a hidden field.
    pub form: ApiKeyForm,
    pub errors: FormErrors,
    /// Scopes that the tenant's plans open.
    pub scopes: Vec<Choice>,
    /// APIs that the tenant's plans open.
    pub apis: Vec<Choice>,
}

/// The answer that carries a key's value, once: to be sent with `cache-control: no-store`.
#[derive(Clone, Template)]
#[template(path = "api_keys/created.html")]
pub struct ApiKeyCreated {
    pub shell: Shell,
    pub tenant_id: String,
    pub key_id: String,
    pub name: String,
    pub value: String,
    pub curl: String,
    /// After a rotation: until when the old value works.
    pub old_value_until: Option<Moment>,
    pub is_rotation: bool,
}

/// `GET`, `POST /t/{tenant}/keys/{key}`; revoking asks at `…/revoke`.
#[derive(Debug, Clone, Template)]
#[template(path = "api_keys/edit.html")]
pub struct ApiKeyPage {
    pub shell: Shell,
    pub tenant_id: String,
    pub key: ApiKeyRow,
    pub created_by: String,
    /// A rotation whose old value still works: until when.
    pub old_value_until: Option<Moment>,
    pub form: ApiKeyForm,
    pub errors: FormErrors,
    pub scopes: Vec<Choice>,
    pub apis: Vec<Choice>,
    /// Requests of the last 24 hours.
    pub total: String,
    pub chart: Chart,
    pub may_edit: bool,
    pub may_revoke: bool,
}

/// `GET`, `POST /t/{tenant}/keys/{key}/rotate`; the POST answers with [`ApiKeyCreated`].
#[derive(Debug, Clone, Template)]
#[template(path = "api_keys/rotate.html")]
pub struct RotateApiKey {
    pub shell: Shell,
    pub tenant_id: String,
    pub key: ApiKeyRow,
    pub form: RotateApiKeyForm,
    pub errors: FormErrors,
}

impl RotateApiKey {
    fn graces(&self) -> Vec<Choice> {
        let selected = match self.form.grace.as_str() {
            "" => "24h",
            chosen => chosen,
        };
        let pairs = [
            ("0", "None: the old value stops at once"),
            ("1h", "1 hour"),
            ("24h", "24 hours"),
            ("7d", "7 days"),
            ("30d", "30 days"),
        ];
        Choice::one_of(&pairs, selected)
    }
}

impl ApiKeyRow {
    #[must_use]
    pub fn sample(name: &str, badge: Badge) -> Self {
        Self {
            id: "key_01kb3mh5".to_owned(),
            name: name.to_owned(),
            prefix: "tg_live_8fKq".to_owned(),
            is_live: badge.tone != Tone::Danger,
            badge,
            created_at: samples::ago(Duration::days(40)),
            last_used_at: Some(samples::ago(Duration::minutes(4))),
            expires_at: Some(samples::ahead(Duration::days(80))),
        }
    }
}

impl ApiKeys {
    #[must_use]
    pub fn sample() -> Self {
        let active = || Badge::new(Tone::Good, "Active");
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            tenant_id: samples::TENANT.to_owned(),
            keys: vec![
                ApiKeyRow::sample("billing-worker", active()),
                ApiKeyRow {
                    last_used_at: None,
                    expires_at: None,
                    prefix: "tg_live_Zp41".to_owned(),
                    ..ApiKeyRow::sample(samples::HOSTILE, active())
                },
                ApiKeyRow::sample("mobile app", Badge::new(Tone::Warning, "Rotating")),
                ApiKeyRow {
                    expires_at: Some(samples::ago(Duration::days(2))),
                    ..ApiKeyRow::sample("spring demo", Badge::new(Tone::Neutral, "Expired"))
                },
                ApiKeyRow::sample("old laptop", Badge::new(Tone::Danger, "Revoked")),
            ],
            may_create: true,
            has_plan: true,
            next_href: Some("?cursor=abc".to_owned()),
            first_href: None,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            keys: Vec::new(),
            next_href: None,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_without_plan() -> Self {
        Self {
            has_plan: false,
            ..Self::sample_empty()
        }
    }
}

impl NewApiKey {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            tenant_id: samples::TENANT.to_owned(),
            form: ApiKeyForm {
                form_nonce: "sample-nonce".to_owned(),
                ..ApiKeyForm::default()
            },
            errors: FormErrors::default(),
            scopes: samples::scope_choices(&[]),
            apis: samples::api_choices(&[]),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = ApiKeyForm {
            name: " ".to_owned(),
            expires_at: "tomorrow".to_owned(),
            allowed_ips: format!("10.0.0.0/8\n{}", samples::HOSTILE),
            ..Self::sample().form
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            scopes: Vec::new(),
            apis: samples::api_choices(&["api_orders"]),
            ..Self::sample()
        }
    }
}

impl ApiKeyCreated {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            tenant_id: samples::TENANT.to_owned(),
            key_id: "key_01kb3mh5".to_owned(),
            name: "billing-worker".to_owned(),
            value: samples::KEY_VALUE.to_owned(),
            curl: samples::CURL.to_owned(),
            old_value_until: None,
            is_rotation: false,
        }
    }

    #[must_use]
    pub fn sample_rotated() -> Self {
        Self {
            name: samples::HOSTILE.to_owned(),
            old_value_until: Some(samples::ahead(Duration::hours(24))),
            is_rotation: true,
            ..Self::sample()
        }
    }
}

impl ApiKeyPage {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            tenant_id: samples::TENANT.to_owned(),
            key: ApiKeyRow::sample("billing-worker", Badge::new(Tone::Good, "Active")),
            created_by: samples::PERSON.to_owned(),
            old_value_until: Some(samples::ahead(Duration::hours(20))),
            form: ApiKeyForm {
                name: "billing-worker".to_owned(),
                is_enabled: Some("on".to_owned()),
                expires_at: "2027-02-10T14:03".to_owned(),
                allowed_ips: "203.0.113.0/24\n2001:db8::/48".to_owned(),
                ..ApiKeyForm::default()
            },
            errors: FormErrors::default(),
            scopes: samples::scope_choices(&["orders:read"]),
            apis: samples::api_choices(&["api_orders"]),
            total: "8,412".to_owned(),
            chart: Chart::new(
                "key-day",
                "Requests with this key in the last 24 hours",
                &samples::hours(9),
            ),
            may_edit: true,
            may_revoke: true,
        }
    }

    #[must_use]
    pub fn sample_revoked() -> Self {
        Self {
            key: ApiKeyRow {
                last_used_at: None,
                expires_at: None,
                ..ApiKeyRow::sample(samples::HOSTILE, Badge::new(Tone::Danger, "Revoked"))
            },
            old_value_until: None,
            total: "0".to_owned(),
            chart: Chart::new(
                "key-day",
                "Requests with this key in the last 24 hours",
                &samples::hours(0),
            ),
            may_edit: false,
            may_revoke: false,
            ..Self::sample()
        }
    }
}

impl RotateApiKey {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            tenant_id: samples::TENANT.to_owned(),
            key: ApiKeyRow::sample("billing-worker", Badge::new(Tone::Good, "Active")),
            form: RotateApiKeyForm::default(),
            errors: FormErrors::default(),
        }
    }
}
