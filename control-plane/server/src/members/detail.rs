//! `/t/{tenant}/members/{member}`: one of a tenant's people.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::FieldError;
use domain::id::{GroupId, MemberId, TenantId};
use domain::member::{Attributes, Member as Person, MemberStatus, Standing};
use domain::permission::Action;
use domain::role::Role;
use web::format::moment;
use web::forms::members::{AddGroupForm, MemberForm, attribute_lines, parse_attribute_lines};
use web::forms::{Choice, FormErrors, seen};
use web::layout::{Badge, TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::members::{MemberGroup, MemberPage};

use super::{MemberEdit, get as find, remove, role_text, update};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::groups;
use crate::json::At;
use crate::page::{Answer, Failure, Member, edited_meanwhile, form_errors, go_to, invalid, page};

/// Of which one can be chosen here; those beyond take people in on their own pages.
const GROUPS_MAX: u32 = 200;

type Place = At<(TenantId, MemberId)>;

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/members/{member}", get(show).post(update_here))
        .route("/t/{tenant}/members/{member}/groups", post(add_here))
        .route(
            "/t/{tenant}/members/{member}/remove",
            get(show_remove).post(remove_here),
        )
}

/// What stands in the forms of the page.
#[derive(Default)]
struct Typed {
    form: Option<MemberForm>,
    errors: FormErrors,
    group_errors: FormErrors,
}

async fn show(State(app): State<App>, member: Member, At((_, id)): Place, now: Now) -> Answer {
    page(&build(&app, &member, id, Typed::default(), now).await?)
}

async fn build(
    app: &App,
    member: &Member,
    id: MemberId,
    typed: Typed,
    now: Now,
) -> Result<MemberPage, Failure> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(app, authority).await?;
    let person = find(authority, &mut tx, tenant, id).await?;
    let own = groups::list_of_member(authority, &mut tx, tenant, id).await?;
    let all = groups::list(authority, &mut tx, tenant, None, GROUPS_MAX).await?;
    tx.commit().await?;
    let form = typed.form.unwrap_or_else(|| filled(&person));
    let roles = Role::ALL.iter().rev().copied();
    let roles = roles.filter(|role| *role != Role::Owner || member.may(Action::ManageOwners));
    let others = all
        .iter()
        .filter(|group| own.iter().all(|one| one.id != group.id));
    Ok(MemberPage {
        shell: member.shell(TenantTab::Members),
        tenant_id: tenant.to_string(),
        id: id.to_string(),
        role: role_text(person.standing.role).to_owned(),
        is_owner: person.standing.role == Role::Owner,
        badge: badge(member, &person),
        joined_at: moment(person.created_at, now.0),
        last_signed_in_at: person.last_signed_in_at.map(|at| moment(at, now.0)),
        may_edit: may(member, Action::UpdateMember, &person),
        may_remove: may(member, Action::RemoveMember, &person),
        may_group: member.may(Action::UpdateGroup),
        roles: roles
            .map(|role| {
                Choice::new(role.as_str(), role_text(role)).selected_if(role.as_str() == form.role)
            })
            .collect(),
        form,
        errors: typed.errors,
        attributes: person.attributes.as_map().clone().into_iter().collect(),
        groups: own
            .iter()
            .map(|group| MemberGroup {
                id: group.id.to_string(),
                name: group.name.clone(),
            })
            .collect(),
        other_groups: others
            .map(|group| Choice::new(group.id.to_string(), &group.name))
            .collect(),
        group_errors: typed.group_errors,
        email: person.email,
        name: person.name,
    })
}

fn badge(member: &Member, person: &Person) -> Option<Badge> {
    match person.standing.status {
        MemberStatus::Disabled => Some(Badge::new(Tone::Warning, "disabled")),
        MemberStatus::Active if person.user_id == member.person.user => {
            Some(Badge::new(Tone::Neutral, "you"))
        }
        MemberStatus::Active => None,
    }
}

/// Owners are for owners to change.
fn may(member: &Member, action: Action, person: &Person) -> bool {
    member.may(action) && (person.standing.role != Role::Owner || member.may(Action::ManageOwners))
}

fn filled(person: &Person) -> MemberForm {
    let is_active = person.standing.status == MemberStatus::Active;
    MemberForm {
        edition: person.edition.to_string(),
        role: person.standing.role.to_string(),
        is_enabled: is_active.then(|| "on".to_owned()),
        attributes: attribute_lines(person.attributes.as_map()),
    }
}

fn parse(form: &MemberForm) -> Result<MemberEdit, ActionError> {
    let role = form
        .role
        .parse()
        .map_err(|_| FieldError::new("role", "invalid", "Choose one of the roles."))?;
    let attributes = parse_attribute_lines(&form.attributes)?;
    // They stand in one field of the form.
    let attributes = Attributes::parse(attributes).map_err(|errors| {
        let of_form = errors.into_iter().map(|error| {
            let name = error.field.strip_prefix("attributes.").unwrap_or("");
            let message = match name {
                "" => error.message.clone(),
                name => format!("{name}: {}", error.message),
            };
            FieldError::new("attributes", error.code, message)
        });
        ActionError::Invalid(of_form.collect())
    })?;
    let status = match form.is_enabled {
        Some(_) => MemberStatus::Active,
        None => MemberStatus::Disabled,
    };
    Ok(MemberEdit {
        standing: Standing { role, status },
        attributes,
    })
}

async fn update_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id)): Place,
    now: Now,
    Form(form): Form<MemberForm>,
) -> Answer {
    let mut typed = Typed::default();
    match update_from(&app, &member, (tenant, id), &form, now).await {
        Ok(person) => {
            let text = format!("{} was saved.", person.email);
            member.flash(Tone::Good, &text).await?;
            return go_to(&format!("/t/{tenant}/members/{id}"));
        }
        Err(ActionError::EditedMeanwhile) => {
            let mut tx = Tx::open(&app, &member.authority).await?;
            let saved = filled(&find(&member.authority, &mut tx, tenant, id).await?);
            tx.commit().await?;
            typed.errors = FormErrors::edited_meanwhile(&form, &saved);
            typed.form = Some(MemberForm {
                edition: saved.edition,
                ..form
            });
            return edited_meanwhile(&build(&app, &member, id, typed, now).await?);
        }
        Err(cause) => typed.errors = form_errors(cause)?,
    }
    typed.form = Some(form);
    invalid(&build(&app, &member, id, typed, now).await?)
}

async fn update_from(
    app: &App,
    member: &Member,
    at: (TenantId, MemberId),
    form: &MemberForm,
    now: Now,
) -> Result<Person, ActionError> {
    let change = (parse(form)?, seen(&form.edition));
    let mut tx = Tx::open(app, &member.authority).await?;
    let person = update(&member.authority, &mut tx, at, change, now).await?;
    tx.commit().await?;
    Ok(person)
}

async fn add_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id)): Place,
    now: Now,
    Form(form): Form<AddGroupForm>,
) -> Answer {
    let errors = match add_to(&app, &member, (tenant, id), &form, now).await {
        Ok(()) => {
            member.flash(Tone::Good, "Put into the group.").await?;
            return go_to(&format!("/t/{tenant}/members/{id}"));
        }
        Err(cause) => form_errors(cause)?,
    };
    let typed = Typed {
        group_errors: errors,
        ..Typed::default()
    };
    invalid(&build(&app, &member, id, typed, now).await?)
}

async fn add_to(
    app: &App,
    member: &Member,
    (tenant, id): (TenantId, MemberId),
    form: &AddGroupForm,
    now: Now,
) -> Result<(), ActionError> {
    let authority = &member.authority;
    authority.require_in(Action::UpdateGroup, tenant)?;
    let group: GroupId = form
        .group_id
        .parse()
        .map_err(|_| FieldError::new("group_id", "invalid", "Choose one of the groups."))?;
    let mut tx = Tx::open(app, authority).await?;
    groups::add_member(authority, &mut tx, (tenant, group), id, now).await?;
    tx.commit().await
}

async fn show_remove(State(app): State<App>, member: Member, At((tenant, id)): Place) -> Answer {
    let authority = &member.authority;
    authority.require_in(Action::RemoveMember, tenant)?;
    let mut tx = Tx::open(&app, authority).await?;
    let person = find(authority, &mut tx, tenant, id).await?;
    tx.commit().await?;
    let place = format!("/t/{tenant}/members/{id}");
    page(&Confirm {
        shell: member.shell(TenantTab::Members),
        title: format!("Take {} out?", person.email),
        intro: format!("They are no member of {} any more.", member.tenant.name),
        consequences: vec![
            "Applications of this tenant sign them out, and nodes refuse their tokens within \
             about a second."
                .to_owned(),
            "Their attributes and groups here are forgotten. Their account stays.".to_owned(),
        ],
        action: format!("{place}/remove"),
        button: "Take out".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn remove_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id)): Place,
    now: Now,
) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    match remove(&member.authority, &mut tx, (tenant, id), now).await {
        Ok(()) => {
            tx.commit().await?;
            member.flash(Tone::Good, "They are taken out.").await?;
            go_to(&format!("/t/{tenant}/members"))
        }
        Err(ActionError::Conflict(conflict)) => {
            member.flash(Tone::Warning, &conflict.to_string()).await?;
            go_to(&format!("/t/{tenant}/members/{id}"))
        }
        Err(cause) => Err(cause.into()),
    }
}
