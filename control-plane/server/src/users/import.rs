//! Many people at once, from another system. Each line is judged by itself; all that can be taken is
//! taken in one transaction, so that a call that fails in the middle has done nothing. Nobody gets a
//! mail, and who is there already stays as they are.

mod lines;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use domain::email::Email;
use domain::id::{MemberId, TenantId, UserId};
use domain::member::Attributes;
use domain::permission::Action;
use domain::role::Role;
use domain::user::PersonName;
use domain::{FieldError, conflict::Conflict};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::PlatformTx;
use store::users::NewUser;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::passwords::PasswordHash;
use crate::people::subject;
use crate::problem::{FieldProblem, Problem};

pub(super) use lines::{BYTES_MAX, Line, from_body, from_text};

/// A line of an import.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportedUser)]
pub(super) struct PersonInput {
    email: String,
    #[serde(default)]
    name: Option<String>,
    /// Whether the other system made sure of the address. Otherwise the person confirms it by setting
    /// a password by mail, and does not sign in before.
    #[serde(default)]
    email_confirmed: Option<bool>,
    /// argon2id, argon2i, scrypt or PBKDF2 in PHC form, bcrypt, or PBKDF2 as Django writes it. It is
    /// replaced by one of ours with the first sign-in. None: they set a password by mail.
    #[serde(default)]
    password_hash: Option<String>,
    /// A tenant to make them a member of, also if the account is there already.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tenant_id: Option<TenantId>,
    /// Goes with `tenant_id`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(owner|admin|developer|viewer|user)$")]
    role: Option<Role>,
    /// Of the membership.
    #[serde(default)]
    attributes: Option<BTreeMap<String, String>>,
}

/// A line that can be taken.
struct Person {
    email: Email,
    name: PersonName,
    is_email_confirmed: bool,
    password_hash: Option<PasswordHash>,
    membership: Option<Membership>,
}

struct Membership {
    tenant: TenantId,
    role: Role,
    attributes: Attributes,
}

/// What came of an import.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ImportReport)]
pub(super) struct Report {
    pub created: usize,
    /// Whose account was there already.
    pub existing: usize,
    pub refused: usize,
    /// One for each, in order.
    pub lines: Vec<LineReport>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportLine)]
pub(super) struct LineReport {
    /// Counted from 1.
    pub line: usize,
    /// As far as it can be read.
    pub email: Option<String>,
    pub status: LineStatus,
    #[schema(value_type = Option<String>)]
    pub user_id: Option<UserId>,
    /// Whether the membership was made; null: none was asked for.
    pub membership: Option<MembershipStatus>,
    pub errors: Vec<FieldProblem>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LineStatus {
    Created,
    Exists,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum MembershipStatus {
    Created,
    Exists,
}

impl LineReport {
    fn refused(line: usize, email: Option<String>, errors: Vec<FieldProblem>) -> Self {
        Self {
            line,
            email,
            status: LineStatus::Refused,
            user_id: None,
            membership: None,
            errors,
        }
    }
}

/// Takes what can be taken.
pub(super) async fn import(
    authority: &Authority,
    tx: &mut PlatformTx,
    lines: Vec<Line>,
    now: Now,
) -> Result<Report, ActionError> {
    authority.require(Action::ImportUsers)?;
    let mut report = Report::default();
    let mut tenants = Tenants::default();
    for line in lines {
        let (number, email) = (line.number, line.email);
        let person = match line.input.and_then(|input| Person::parse(*input)) {
            Ok(person) => person,
            Err(errors) => {
                report.add(LineReport::refused(number, email, errors));
                continue;
            }
        };
        if let Some(membership) = &person.membership
            && !tenants.has(tx, membership.tenant).await?
        {
            let unknown = Conflict::UnknownTenant;
            let error = FieldError::new("tenant_id", unknown.code(), unknown.to_string());
            report.add(LineReport::refused(number, email, problems(vec![error])));
            continue;
        }
        let taken = take(authority, tx, person, now).await?;
        report.add(LineReport {
            line: number,
            ..taken
        });
    }
    let counts = json!({
        "created": report.created,
        "existing": report.existing,
        "refused": report.refused,
    });
    let subject = Subject {
        tenant: None,
        noun: "user_import",
        id: Uuid::now_v7(),
        label: &web::format::plural(report.lines.len() as u64, "line"),
    };
    let change = (subject, Change::created(&counts));
    action::audit(tx, authority, Action::ImportUsers, change, now).await?;
    Ok(report)
}

impl Report {
    fn add(&mut self, line: LineReport) {
        match line.status {
            LineStatus::Created => self.created += 1,
            LineStatus::Exists => self.existing += 1,
            LineStatus::Refused => self.refused += 1,
        }
        self.lines.push(line);
    }
}

/// Which tenants there are, each looked for once.
#[derive(Default)]
struct Tenants(HashMap<TenantId, bool>);

impl Tenants {
    async fn has(&mut self, tx: &mut PlatformTx, id: TenantId) -> Result<bool, ActionError> {
        if let Some(known) = self.0.get(&id) {
            return Ok(*known);
        }
        let is_there = match store::tenants::get(tx, id).await {
            Ok(_) => true,
            Err(store::Error::NotFound { .. }) => false,
            Err(cause) => return Err(cause.into()),
        };
        self.0.insert(id, is_there);
        Ok(is_there)
    }
}

fn problems(errors: Vec<FieldError>) -> Vec<FieldProblem> {
    Problem::from(ActionError::Invalid(errors)).errors
}

impl Person {
    fn parse(input: PersonInput) -> Result<Self, Vec<FieldProblem>> {
        let mut errors = Vec::new();
        let mut keep = |error: FieldError| errors.push(error);
        let email = Email::parse(&input.email).map_err(&mut keep).ok();
        let name = input.name.as_deref().unwrap_or_default();
        let name = PersonName::parse(name).map_err(&mut keep).ok();
        let hash = input.password_hash.as_deref().map(PasswordHash::import);
        let hash = hash.transpose().map_err(&mut keep).ok();
        let has_attributes = input.attributes.as_ref().is_some_and(|map| !map.is_empty());
        let attributes = Attributes::parse(input.attributes.unwrap_or_default());
        let attributes = attributes
            .map_err(|found| found.into_iter().for_each(&mut keep))
            .ok();
        let membership = match (input.tenant_id, input.role) {
            (None, None) if !has_attributes => Some(None),
            (None, _) => {
                let text = "A role and attributes are of a tenant: say of which.";
                keep(FieldError::new("tenant_id", "required", text));
                None
            }
            (Some(_), None) => {
                let text = "Say as what the person belongs to the tenant.";
                keep(FieldError::new("role", "required", text));
                None
            }
            (Some(tenant), Some(role)) => attributes.map(|attributes| {
                Some(Membership {
                    tenant,
                    role,
                    attributes,
                })
            }),
        };
        match (email, name, hash, membership) {
            (Some(email), Some(name), Some(password_hash), Some(membership))
                if errors.is_empty() =>
            {
                Ok(Self {
                    email,
                    name,
                    is_email_confirmed: input.email_confirmed.unwrap_or(false),
                    password_hash,
                    membership,
                })
            }
            _ => Err(problems(errors)),
        }
    }
}

async fn take(
    authority: &Authority,
    tx: &mut PlatformTx,
    person: Person,
    now: Now,
) -> Result<LineReport, ActionError> {
    let row = NewUser {
        id: UserId(Uuid::now_v7()),
        email: &person.email,
        name: &person.name,
        password_hash: person.password_hash.as_ref().map(PasswordHash::as_str),
        email_confirmed_at: person.is_email_confirmed.then_some(now.0),
    };
    let (user, status) = match store::users::insert_unless_taken(tx, &row).await? {
        (user, true) => (user, LineStatus::Created),
        (user, false) => (user, LineStatus::Exists),
    };
    if status == LineStatus::Created {
        let after = json!({ "email": user.email, "name": user.name });
        let change = (subject(&user), Change::created(&after));
        action::audit(tx, authority, Action::CreateUser, change, now).await?;
    }
    let membership = match person.membership {
        None => None,
        Some(membership) => Some(join(authority, tx, (user.id, &membership), now).await?),
    };
    Ok(LineReport {
        line: 0,
        email: Some(user.email),
        status,
        user_id: Some(user.id),
        membership,
        errors: Vec::new(),
    })
}

async fn join(
    authority: &Authority,
    tx: &mut PlatformTx,
    (user, membership): (UserId, &Membership),
    now: Now,
) -> Result<MembershipStatus, ActionError> {
    let (tenant, id) = (membership.tenant, MemberId(Uuid::now_v7()));
    let what = (membership.role, &membership.attributes);
    let made = store::members::insert_unless_member(tx, (tenant, id), user, what).await?;
    let Some(member) = made else {
        return Ok(MembershipStatus::Exists);
    };
    let subject = Subject {
        tenant: Some(tenant),
        noun: "member",
        id: member.id.0,
        label: &member.email,
    };
    // Attributes by name only: they may be anybody's private facts, and events are kept for ever.
    let names: Vec<&String> = member.attributes.as_map().keys().collect();
    let after = json!({ "email": member.email, "role": membership.role, "attributes": names });
    let change = (subject, Change::created(&after));
    action::audit(tx, authority, Action::AddMember, change, now).await?;
    Ok(MembershipStatus::Created)
}
