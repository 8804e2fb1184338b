//! A tenant's settings.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::FormErrors;
use crate::forms::settings::SettingsForm;
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET`, `POST /t/{tenant}/settings`.
#[derive(Debug, Clone, Template)]
#[template(path = "settings/settings.html")]
pub struct Settings {
    pub shell: Shell,
    pub tenant_id: String,
    pub created_at: Moment,
    pub form: SettingsForm,
    pub errors: FormErrors,
    pub may_edit: bool,
}

impl Settings {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Settings),
            tenant_id: samples::TENANT.to_owned(),
            created_at: samples::ago(Duration::days(40)),
            form: SettingsForm {
                edition: "3".to_owned(),
                name: "Northwind Freight".to_owned(),
            },
            errors: FormErrors::default(),
            may_edit: true,
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            form: SettingsForm {
                edition: "3".to_owned(),
                name: samples::HOSTILE.to_owned(),
            },
            errors: FormErrors::of("name", "Another tenant has this name."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            may_edit: false,
            ..Self::sample()
        }
    }
}
