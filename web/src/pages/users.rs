//! People, as operators see them.

use askama::Template;
use domain::password::CHARS_MIN;
use time::Duration;

use crate::format::Moment;
use crate::forms::FormErrors;
use crate::forms::users::{ImportForm, NewUserForm, UserQuery};
use crate::layout::{Badge, OperatorTab, Shell, Tone};
use crate::samples;

/// `GET /admin/users?q&cursor`.
#[derive(Debug, Clone, Template)]
#[template(path = "users/list.html")]
pub struct Users {
    pub shell: Shell,
    pub query: UserQuery,
    pub users: Vec<UserRow>,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
    pub may_create: bool,
    pub may_import: bool,
}

#[derive(Debug, Clone)]
pub struct UserRow {
    pub id: String,
    pub email: String,
    /// May be empty.
    pub name: String,
    pub badge: Badge,
    pub tenants: String,
    pub last_signed_in_at: Option<Moment>,
}

/// `GET /admin/users/{user}`. Its forms post to `…/unlock`, `…/enable`, `…/reset-password`,
/// `…/reset-second-step` and `…/sign-out`; disabling asks at `…/disable`.
#[derive(Debug, Clone, Template)]
#[template(path = "users/detail.html")]
pub struct UserDetail {
    pub shell: Shell,
    pub id: String,
    pub email: String,
    pub name: String,
    pub badge: Badge,
    pub created_at: Moment,
    pub last_signed_in_at: Option<Moment>,
    /// `Operator`, `Auditor`.
    pub platform_role: Option<String>,
    pub password: String,
    /// Whether sign-in by password asks for a code, too.
    pub has_second_step: bool,
    pub passkeys: u32,
    pub lock: Option<Lock>,
    pub disabled_at: Option<Moment>,
    pub tenants: Vec<UserTenant>,
    pub is_you: bool,
    /// Whether the viewer may change anything here.
    pub may_change: bool,
    pub errors: FormErrors,
}

/// A pause of sign-in by password.
#[derive(Debug, Clone)]
pub struct Lock {
    /// `22 Nov 2026, 14:20 UTC`.
    pub until: String,
    /// `5 wrong passwords or codes`.
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct UserTenant {
    pub id: String,
    pub name: String,
    /// `Owner`, `Admin`, `Developer`, `Viewer`, `User`.
    pub role: String,
    pub is_disabled: bool,
}

/// `GET`, `POST /admin/users/new`.
#[derive(Clone, Template)]
#[template(path = "users/new.html")]
pub struct NewUser {
    pub shell: Shell,
    pub form: NewUserForm,
    pub errors: FormErrors,
}

/// What stands beside the field of an import.
const HINT: &str = "CSV whose first line names its columns, or one JSON object on each line, with: \
    email, name, email_confirmed (true or false), password_hash, tenant_id and role, attributes \
    (JSON). Only email is needed.";

/// `GET`, `POST /admin/users/import`; the POST answers with the report in place.
#[derive(Clone, Template)]
#[template(path = "users/import.html")]
pub struct ImportUsers {
    pub shell: Shell,
    pub form: ImportForm,
    pub errors: FormErrors,
    pub report: Option<ImportReport>,
}

#[derive(Debug, Clone)]
pub struct ImportReport {
    /// `2 created, 1 known before, 1 refused.`
    pub summary: String,
    pub tone: Tone,
    pub lines: Vec<ImportLine>,
    /// Lines beyond those shown.
    pub more: usize,
}

#[derive(Debug, Clone)]
pub struct ImportLine {
    pub number: usize,
    pub email: String,
    pub badge: Badge,
    /// What was wrong with which field; empty: nothing.
    pub text: String,
}

impl Users {
    #[must_use]
    pub fn sample() -> Self {
        let user = |email: &str, name: &str, badge| UserRow {
            id: "usr_1".to_owned(),
            email: email.to_owned(),
            name: name.to_owned(),
            badge,
            tenants: "2".to_owned(),
            last_signed_in_at: Some(samples::ago(Duration::hours(3))),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Users),
            query: UserQuery::default(),
            users: vec![
                user(samples::PERSON, "Ada", Badge::new(Tone::Good, "Active")),
                user(
                    "grace@northwind.example",
                    samples::HOSTILE,
                    Badge::new(Tone::Warning, "Pauses until 14:20"),
                ),
                user(
                    "mallory@contoso.example",
                    "",
                    Badge::new(Tone::Danger, "Disabled"),
                ),
                UserRow {
                    last_signed_in_at: None,
                    ..user(
                        samples::HOSTILE,
                        "",
                        Badge::new(Tone::Neutral, "Never confirmed"),
                    )
                },
            ],
            next_href: Some("?cursor=abc".to_owned()),
            first_href: Some("?".to_owned()),
            may_create: true,
            may_import: true,
        }
    }

    #[must_use]
    pub fn sample_not_found() -> Self {
        Self {
            query: UserQuery {
                q: samples::HOSTILE.to_owned(),
                ..UserQuery::default()
            },
            users: Vec::new(),
            next_href: None,
            first_href: None,
            may_create: false,
            may_import: false,
            ..Self::sample()
        }
    }
}

impl UserDetail {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Users),
            id: "usr_1".to_owned(),
            email: samples::PERSON.to_owned(),
            name: samples::HOSTILE.to_owned(),
            badge: Badge::new(Tone::Warning, "Pauses until 14:20"),
            created_at: samples::ago(Duration::days(40)),
            last_signed_in_at: Some(samples::ago(Duration::hours(3))),
            platform_role: Some("Auditor".to_owned()),
            password: "Set".to_owned(),
            has_second_step: true,
            passkeys: 2,
            lock: Some(Lock {
                until: crate::format::absolute(samples::NOW + Duration::minutes(17)),
                reason: "6 wrong passwords or codes".to_owned(),
            }),
            disabled_at: None,
            tenants: vec![
                UserTenant {
                    id: samples::TENANT.to_owned(),
                    name: "Northwind Freight".to_owned(),
                    role: "Owner".to_owned(),
                    is_disabled: false,
                },
                UserTenant {
                    id: "ten_2".to_owned(),
                    name: samples::HOSTILE.to_owned(),
                    role: "User".to_owned(),
                    is_disabled: true,
                },
            ],
            is_you: false,
            may_change: true,
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_disabled() -> Self {
        Self {
            name: String::new(),
            badge: Badge::new(Tone::Danger, "Disabled"),
            platform_role: None,
            last_signed_in_at: None,
            lock: None,
            disabled_at: Some(samples::ago(Duration::days(1))),
            tenants: Vec::new(),
            errors: FormErrors::of(FormErrors::FORM, "This person is disabled."),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_read_only() -> Self {
        Self {
            may_change: false,
            ..Self::sample()
        }
    }
}

impl NewUser {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Users),
            form: NewUserForm::default(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let mut errors = FormErrors::of("email", "An account with this address exists already.");
        errors.insert(
            "password",
            "Use at least 15 characters. A few words will do.",
        );
        Self {
            form: NewUserForm {
                email: samples::HOSTILE.to_owned(),
                name: samples::HOSTILE.to_owned(),
                password: "short".to_owned(),
            },
            errors,
            ..Self::sample()
        }
    }
}

impl ImportUsers {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Users),
            form: ImportForm::default(),
            errors: FormErrors::default(),
            report: None,
        }
    }

    #[must_use]
    pub fn sample_report() -> Self {
        let line = |number, email: &str, badge, text: &str| ImportLine {
            number,
            email: email.to_owned(),
            badge,
            text: text.to_owned(),
        };
        Self {
            form: ImportForm {
                people: samples::HOSTILE.to_owned(),
            },
            errors: FormErrors::of("people", "Line 1 names no column email."),
            report: Some(ImportReport {
                summary: "1 created, 1 known before, 1 refused.".to_owned(),
                tone: Tone::Warning,
                lines: vec![
                    line(1, samples::PERSON, Badge::new(Tone::Good, "Created"), ""),
                    line(
                        2,
                        "grace@northwind.example",
                        Badge::new(Tone::Neutral, "Exists already"),
                        "",
                    ),
                    line(
                        3,
                        samples::HOSTILE,
                        Badge::new(Tone::Danger, "Refused"),
                        "email: Enter an email address, such as ada@example.com.",
                    ),
                ],
                more: 12,
            }),
            ..Self::sample()
        }
    }
}
