//! A step that cannot be undone asks first and says what will happen.

use askama::Template;

use crate::forms::FormErrors;
use crate::layout::{OperatorTab, Shell, TenantTab};
use crate::samples;

/// Revoking a key, retiring a plan, suspending or deleting a tenant, revoking a node …
#[derive(Debug, Clone, Template)]
#[template(path = "confirm/confirm.html")]
pub struct Confirm {
    pub shell: Shell,
    /// A question: `Revoke “billing-worker”?`.
    pub title: String,
    pub intro: String,
    /// What will happen, one sentence each.
    pub consequences: Vec<String>,
    /// Where the form posts to.
    pub action: String,
    /// The button: `Revoke key`.
    pub button: String,
    pub is_danger: bool,
    pub cancel_href: String,
    /// A link offered before the step, such as an export.
    pub before: Option<ConfirmLink>,
    /// What has to be typed into the field `confirmation`, if anything.
    pub typed: Option<String>,
    pub errors: FormErrors,
    /// Further hidden fields of the form: name and value.
    pub fields: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct ConfirmLink {
    pub text: String,
    pub label: String,
    pub href: String,
}

impl Confirm {
    /// A question about one's own account, to be filled in.
    #[must_use]
    pub fn of_account(shell: Shell) -> Self {
        Self {
            shell,
            title: String::new(),
            intro: String::new(),
            consequences: Vec::new(),
            action: String::new(),
            button: String::new(),
            is_danger: false,
            cancel_href: "/account".to_owned(),
            before: None,
            typed: None,
            errors: FormErrors::default(),
            fields: Vec::new(),
        }
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Keys),
            title: "Revoke “billing-worker”?".to_owned(),
            intro: "The key tg_live_8fKq… stops working for good.".to_owned(),
            consequences: vec![
                "Every gateway node refuses it within about a second, with 401.".to_owned(),
                "It was last used 4 minutes ago: whatever uses it now will break.".to_owned(),
                "Its usage stays visible. The key cannot be brought back.".to_owned(),
            ],
            action: "/t/ten_1/keys/key_1/revoke".to_owned(),
            button: "Revoke key".to_owned(),
            is_danger: true,
            cancel_href: "/t/ten_1/keys/key_1".to_owned(),
            before: None,
            typed: None,
            errors: FormErrors::default(),
            fields: Vec::new(),
        }
    }

    #[must_use]
    pub fn sample_typed() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Tenants),
            title: "Delete Northwind Freight?".to_owned(),
            intro: "The tenant and everything it owns is removed.".to_owned(),
            consequences: vec![
                "Its 3 API keys are refused within about a second, with 401.".to_owned(),
                "Members lose access; people who belong to no other tenant are removed.".to_owned(),
                format!("Usage of 418,204 requests is deleted. {}", samples::HOSTILE),
            ],
            action: "/admin/tenants/ten_1/delete".to_owned(),
            button: "Delete tenant".to_owned(),
            is_danger: true,
            cancel_href: "/admin/tenants/ten_1".to_owned(),
            before: Some(ConfirmLink {
                text: "Keep a copy first: plan, members, keys without their values, usage."
                    .to_owned(),
                label: "Download export".to_owned(),
                href: "/admin/tenants/ten_1/export".to_owned(),
            }),
            typed: Some("Northwind Freight".to_owned()),
            errors: FormErrors::of("confirmation", "Type “Northwind Freight” to go on."),
            fields: vec![("revision".to_owned(), "42".to_owned())],
        }
    }
}
