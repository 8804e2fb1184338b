//! The query of `/admin/audit`.

use serde::Deserialize;
use time::OffsetDateTime;

use super::{FormErrors, optional, optional_instant};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// Part of the actor's name.
    pub actor: String,
    /// An action such as `api_key.revoke`; empty: all.
    pub action: String,
    /// Id of a tenant or of the thing that was changed.
    pub subject: String,
    pub from: String,
    pub to: String,
    pub cursor: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    pub actor: Option<String>,
    pub action: Option<String>,
    pub subject: Option<String>,
    pub from: Option<OffsetDateTime>,
    pub to: Option<OffsetDateTime>,
    pub cursor: Option<String>,
}

impl AuditQuery {
    pub fn parse(&self) -> Result<AuditFilter, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = AuditFilter {
            actor: optional(&self.actor),
            action: optional(&self.action),
            subject: optional(&self.subject),
            from: optional_instant(&mut errors, "from", &self.from),
            to: optional_instant(&mut errors, "to", &self.to),
            cursor: optional(&self.cursor),
        };
        if parsed.from.is_some() && parsed.to.is_some() && parsed.from >= parsed.to {
            errors.insert("to", "The end must be after the start.");
        }
        errors.or(parsed)
    }
}
