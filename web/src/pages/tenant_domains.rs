//! Domains of a tenant, and how it proves that they are its own.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::FormErrors;
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET`, `POST /t/{tenant}/domains`.
#[derive(Debug, Clone, Template)]
#[template(path = "tenant_domains/list.html")]
pub struct TenantDomains {
    pub shell: Shell,
    pub tenant_id: String,
    /// Oldest first.
    pub domains: Vec<DomainRow>,
    pub typed: String,
    pub errors: FormErrors,
    pub may_edit: bool,
    /// An operator, whose word is enough.
    pub may_confirm: bool,
}

#[derive(Debug, Clone)]
pub struct DomainRow {
    pub id: String,
    pub name: String,
    pub record_name: String,
    pub record_text: String,
    pub proven_at: Option<Moment>,
}

impl TenantDomains {
    #[must_use]
    pub fn sample() -> Self {
        let row = |id: &str, name: &str, proven_at| DomainRow {
            id: id.to_owned(),
            name: name.to_owned(),
            record_name: format!("_tollgate-challenge.{name}"),
            record_text: "tollgate-domain=pV3nX0c9wq2m8Zr5bT7yLk4s1dHfGjQa".to_owned(),
            proven_at,
        };
        Self {
            shell: samples::tenant_shell(TenantTab::SignIn),
            tenant_id: "ten_1".to_owned(),
            domains: vec![
                row(
                    "dom_1",
                    "northwind.example",
                    Some(samples::ago(Duration::days(3))),
                ),
                row("dom_2", "northwind-labs.example", None),
            ],
            typed: String::new(),
            errors: FormErrors::default(),
            may_edit: true,
            may_confirm: true,
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            domains: Vec::new(),
            typed: samples::HOSTILE.to_owned(),
            errors: FormErrors::of("domain", "Enter a domain, such as example.com."),
            may_confirm: false,
            ..Self::sample()
        }
    }
}
