//! A tenant's people, and who is invited.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::invitations::InviteForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, Shell, TenantTab, Tone};
use crate::samples;

/// `GET`, `POST /t/{tenant}/members`: the form invites.
#[derive(Debug, Clone, Template)]
#[template(path = "members/list.html")]
pub struct Members {
    pub shell: Shell,
    pub tenant_id: String,
    pub members: Vec<MemberRow>,
    /// `None`: the viewer may not see them.
    pub invitations: Option<Vec<InvitationRow>>,
    pub may_invite: bool,
    /// Mails are kept in the outbox instead of being sent.
    pub has_outbox: bool,
    pub roles: Vec<Choice>,
    pub form: InviteForm,
    pub errors: FormErrors,
}

#[derive(Debug, Clone)]
pub struct InvitationRow {
    pub id: String,
    pub email: String,
    /// `Owner`, `Admin`, `Developer`, `Viewer`, `User`.
    pub role: String,
    pub badge: Badge,
    pub sent_at: Moment,
    /// Send it again, withdraw it.
    pub may_change: bool,
}

#[derive(Debug, Clone)]
pub struct MemberRow {
    pub email: String,
    /// `Owner`, `Admin`, `Developer`, `Viewer`, `User`.
    pub role: String,
    pub joined_at: Moment,
    pub is_you: bool,
    pub is_disabled: bool,
}

impl MemberRow {
    pub(crate) fn initial(&self) -> String {
        self.email
            .chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .collect()
    }
}

impl Members {
    pub(crate) fn sample_members() -> Vec<MemberRow> {
        let member = |email: &str, role: &str, is_you: bool| MemberRow {
            email: email.to_owned(),
            role: role.to_owned(),
            joined_at: samples::ago(Duration::days(40)),
            is_you,
            is_disabled: !is_you,
        };
        vec![
            member(samples::PERSON, "Owner", true),
            member("grace@northwind.example", "Developer", false),
        ]
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Members),
            tenant_id: samples::TENANT.to_owned(),
            members: Self::sample_members(),
            invitations: Some(vec![
                InvitationRow {
                    id: "inv_1".to_owned(),
                    email: "grace@northwind.example".to_owned(),
                    role: "Developer".to_owned(),
                    badge: Badge::new(Tone::Neutral, "open"),
                    sent_at: samples::ago(Duration::days(2)),
                    may_change: true,
                },
                InvitationRow {
                    id: "inv_2".to_owned(),
                    email: samples::HOSTILE.to_owned(),
                    role: "User".to_owned(),
                    badge: Badge::new(Tone::Warning, "expired"),
                    sent_at: samples::ago(Duration::days(9)),
                    may_change: false,
                },
            ]),
            may_invite: true,
            has_outbox: true,
            roles: Choice::one_of(
                &[("developer", "Developer"), ("viewer", "Viewer")],
                "viewer",
            ),
            form: InviteForm::default(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            form: InviteForm {
                email: samples::HOSTILE.to_owned(),
                role: "viewer".to_owned(),
            },
            errors: FormErrors::of("email", "This address is invited already."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            invitations: None,
            may_invite: false,
            ..Self::sample()
        }
    }
}
