//! A tenant's people, and who is invited.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::invitations::InviteForm;
use crate::forms::members::MemberForm;
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
    pub id: String,
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
            id: "mem_1".to_owned(),
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

/// `GET`, `POST /t/{tenant}/members/{member}`. Putting them into a group posts to `…/groups`; taking
/// them out of the tenant asks at `…/remove`.
#[derive(Debug, Clone, Template)]
#[template(path = "members/edit.html")]
pub struct MemberPage {
    pub shell: Shell,
    pub tenant_id: String,
    pub id: String,
    pub email: String,
    /// May be empty.
    pub name: String,
    pub role: String,
    pub is_owner: bool,
    /// `disabled`, `you`.
    pub badge: Option<Badge>,
    pub joined_at: Moment,
    pub last_signed_in_at: Option<Moment>,
    pub may_edit: bool,
    pub may_remove: bool,
    /// Put into groups and take out of them.
    pub may_group: bool,
    pub roles: Vec<Choice>,
    pub form: MemberForm,
    pub errors: FormErrors,
    /// For those who may only look.
    pub attributes: Vec<(String, String)>,
    pub groups: Vec<MemberGroup>,
    /// To choose from.
    pub other_groups: Vec<Choice>,
    pub group_errors: FormErrors,
}

#[derive(Debug, Clone)]
pub struct MemberGroup {
    pub id: String,
    pub name: String,
}

impl MemberPage {
    #[must_use]
    pub fn sample() -> Self {
        let group = |id: &str, name: &str| MemberGroup {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        Self {
            shell: samples::tenant_shell(TenantTab::Members),
            tenant_id: samples::TENANT.to_owned(),
            id: "mem_1".to_owned(),
            email: "a-very-long-address-of-somebody@northwind-freight.example".to_owned(),
            name: samples::HOSTILE.to_owned(),
            role: "Developer".to_owned(),
            is_owner: false,
            badge: Some(Badge::new(Tone::Warning, "disabled")),
            joined_at: samples::ago(Duration::days(40)),
            last_signed_in_at: Some(samples::ago(Duration::hours(3))),
            may_edit: true,
            may_remove: true,
            may_group: true,
            roles: Choice::one_of(&[("developer", "Developer"), ("user", "User")], "developer"),
            form: MemberForm {
                edition: "2".to_owned(),
                role: "developer".to_owned(),
                is_enabled: None,
                attributes: format!("team=east\nnote={}\n", samples::HOSTILE),
            },
            errors: FormErrors::default(),
            attributes: Vec::new(),
            groups: vec![group("grp_1", "Drivers"), group("grp_2", samples::HOSTILE)],
            other_groups: Choice::one_of(&[("grp_3", "Couriers")], ""),
            group_errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            errors: FormErrors::of("attributes", "Write each as name=value, one per line."),
            group_errors: FormErrors::of("group_id", "Choose one of the groups."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            is_owner: true,
            badge: None,
            last_signed_in_at: None,
            may_edit: false,
            may_remove: false,
            may_group: false,
            attributes: vec![("team".to_owned(), samples::HOSTILE.to_owned())],
            groups: Vec::new(),
            ..Self::sample()
        }
    }
}
