//! Groups of a tenant's people.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::FormErrors;
use crate::forms::groups::{AddMemberForm, GroupForm};
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET`, `POST /t/{tenant}/groups`: the form makes one.
#[derive(Debug, Clone, Template)]
#[template(path = "groups/list.html")]
pub struct Groups {
    pub shell: Shell,
    pub tenant_id: String,
    /// Oldest first.
    pub groups: Vec<GroupRow>,
    pub may_create: bool,
    pub form: GroupForm,
    pub errors: FormErrors,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
}

#[derive(Debug, Clone)]
pub struct GroupRow {
    pub id: String,
    pub name: String,
    /// `3 people`.
    pub members: String,
    pub created_at: Moment,
}

/// `GET`, `POST /t/{tenant}/groups/{group}`: the form renames. Adding somebody posts to
/// `…/members`, taking somebody out to `…/members/{member}/remove`; deleting asks at `…/delete`.
#[derive(Debug, Clone, Template)]
#[template(path = "groups/edit.html")]
pub struct GroupPage {
    pub shell: Shell,
    pub tenant_id: String,
    pub id: String,
    pub name: String,
    /// `3 people`.
    pub count: String,
    pub members: Vec<GroupMemberRow>,
    pub may_edit: bool,
    pub may_delete: bool,
    pub form: GroupForm,
    pub errors: FormErrors,
    pub adding: AddMemberForm,
    pub adding_errors: FormErrors,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
}

#[derive(Debug, Clone)]
pub struct GroupMemberRow {
    pub id: String,
    pub email: String,
}

impl Groups {
    #[must_use]
    pub fn sample() -> Self {
        let group = |id: &str, name: &str, members: &str| GroupRow {
            id: id.to_owned(),
            name: name.to_owned(),
            members: members.to_owned(),
            created_at: samples::ago(Duration::days(12)),
        };
        Self {
            shell: samples::tenant_shell(TenantTab::Groups),
            tenant_id: samples::TENANT.to_owned(),
            groups: vec![
                group("grp_1", "Drivers", "12 people"),
                group("grp_2", samples::HOSTILE, "1 person"),
            ],
            may_create: true,
            form: GroupForm::default(),
            errors: FormErrors::default(),
            next_href: Some("/t/ten_1/groups?after=grp_2".to_owned()),
            first_href: None,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            groups: Vec::new(),
            next_href: None,
            form: GroupForm {
                name: samples::HOSTILE.to_owned(),
                ..GroupForm::default()
            },
            errors: FormErrors::of("name", "This name is taken."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            groups: Vec::new(),
            may_create: false,
            next_href: None,
            ..Self::sample()
        }
    }
}

impl GroupPage {
    #[must_use]
    pub fn sample() -> Self {
        let member = |id: &str, email: &str| GroupMemberRow {
            id: id.to_owned(),
            email: email.to_owned(),
        };
        Self {
            shell: samples::tenant_shell(TenantTab::Groups),
            tenant_id: samples::TENANT.to_owned(),
            id: "grp_1".to_owned(),
            name: samples::HOSTILE.to_owned(),
            count: "2 people".to_owned(),
            members: vec![
                member("mem_1", samples::PERSON),
                member(
                    "mem_2",
                    "a-very-long-address-of-somebody@northwind-freight.example",
                ),
            ],
            may_edit: true,
            may_delete: true,
            form: GroupForm {
                edition: "3".to_owned(),
                name: samples::HOSTILE.to_owned(),
            },
            errors: FormErrors::default(),
            adding: AddMemberForm {
                email: samples::HOSTILE.to_owned(),
            },
            adding_errors: FormErrors::of("email", "Nobody here has this address."),
            next_href: None,
            first_href: None,
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            count: "Nobody".to_owned(),
            members: Vec::new(),
            may_edit: false,
            may_delete: false,
            ..Self::sample()
        }
    }
}
