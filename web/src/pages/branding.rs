//! How sign-in looks for people of a tenant's applications.

use askama::Template;
use domain::branding::Colour;

use crate::brand::{self, Brand, Scope};
use crate::forms::FormErrors;
use crate::forms::branding::BrandingForm;
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET`, `POST /t/{tenant}/branding`; the logo posts to `…/logo` and `…/logo/remove`.
#[derive(Debug, Clone, Template)]
#[template(path = "branding/edit.html")]
pub struct BrandingEditor {
    pub shell: Shell,
    pub tenant_id: String,
    pub form: BrandingForm,
    pub errors: FormErrors,
    pub may_edit: bool,
    /// As it is saved.
    pub brand: Brand,
    pub preview_stylesheet: Option<String>,
}

impl BrandingEditor {
    #[must_use]
    pub fn sample() -> Self {
        let accent = Colour([0x0b, 0x7a, 0x4b]);
        Self {
            shell: samples::tenant_shell(TenantTab::Settings),
            tenant_id: samples::TENANT.to_owned(),
            form: BrandingForm {
                edition: "3".to_owned(),
                name: "Northwind".to_owned(),
                accent: accent.to_string(),
                support_url: "https://northwind.example/help".to_owned(),
                ..BrandingForm::default()
            },
            errors: FormErrors::default(),
            may_edit: true,
            brand: samples::brand(),
            preview_stylesheet: Some(brand::stylesheet_url(accent, Scope::Preview)),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let mut errors = FormErrors::of("accent", "Enter a colour as six hexadecimal digits.");
        errors.insert("logo", "This is no PNG, JPEG or WebP picture.");
        Self {
            form: BrandingForm {
                name: samples::HOSTILE.to_owned(),
                accent: "red".to_owned(),
                ..BrandingForm::default()
            },
            errors,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            may_edit: false,
            brand: Brand {
                name: samples::HOSTILE.to_owned(),
                ..Brand::default()
            },
            preview_stylesheet: None,
            ..Self::sample()
        }
    }
}
