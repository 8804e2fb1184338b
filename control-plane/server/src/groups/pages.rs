//! `/t/{tenant}/groups/…`.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::email::Email;
use domain::group::{Group, GroupName};
use domain::id::{GroupId, MemberId, TenantId};
use domain::permission::Action;
use serde::Deserialize;
use web::format::moment;
use web::forms::groups::{AddMemberForm, GroupForm, NextForm};
use web::forms::{FormErrors, seen};
use web::layout::{TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::groups::{GroupMemberRow, GroupPage, GroupRow, Groups};

use super::{add_member, create, delete, get as find, list, list_members, remove_member, rename};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{
    Answer, Failure, Member, edited_meanwhile, form_errors, go_to, invalid, own_path, page,
};

/// Of groups, and of people in one, on a page.
const SHOWN: u32 = 100;

type Place = At<(TenantId, GroupId)>;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/groups", get(show).post(create_here))
        .route(
            "/t/{tenant}/groups/{group}",
            get(show_one).post(rename_here),
        )
        .route("/t/{tenant}/groups/{group}/members", post(add_here))
        .route(
            "/t/{tenant}/groups/{group}/members/{member}/remove",
            post(remove_here),
        )
        .route(
            "/t/{tenant}/groups/{group}/delete",
            get(show_delete).post(delete_here),
        )
}

/// The last one of the page before.
#[derive(Deserialize)]
struct After<T> {
    after: Option<T>,
}

async fn show(
    State(app): State<App>,
    member: Member,
    now: Now,
    Query(query): Query<After<GroupId>>,
) -> Answer {
    let blank = (GroupForm::default(), FormErrors::default());
    page(&build(&app, &member, blank, query.after, now).await?)
}

async fn build(
    app: &App,
    member: &Member,
    (form, errors): (GroupForm, FormErrors),
    after: Option<GroupId>,
    now: Now,
) -> Result<Groups, Failure> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(app, authority).await?;
    let mut groups = list(authority, &mut tx, tenant, after, SHOWN + 1).await?;
    tx.commit().await?;
    let place = format!("/t/{tenant}/groups");
    let next = cut(&mut groups, |group| group.id.to_string());
    Ok(Groups {
        shell: member.shell(TenantTab::Groups),
        tenant_id: tenant.to_string(),
        groups: groups
            .into_iter()
            .map(|group| GroupRow {
                id: group.id.to_string(),
                members: people(group.members),
                created_at: moment(group.created_at, now.0),
                name: group.name,
            })
            .collect(),
        may_create: member.may(Action::CreateGroup),
        form,
        errors,
        next_href: next.map(|id| format!("{place}?after={id}")),
        first_href: after.map(|_| place),
    })
}

/// What fits on a page; where the next one goes on after, if there is more.
fn cut<T>(items: &mut Vec<T>, id: impl Fn(&T) -> String) -> Option<String> {
    let has_more = items.len() > SHOWN as usize;
    items.truncate(SHOWN as usize);
    items.last().filter(|_| has_more).map(id)
}

fn people(count: u64) -> String {
    match count {
        0 => "Nobody".to_owned(),
        1 => "1 person".to_owned(),
        more => format!("{} people", web::format::thousands(more)),
    }
}

async fn create_here(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<GroupForm>,
) -> Answer {
    let errors = match create_from(&app, &member, &form, now).await {
        Ok(group) => {
            let text = format!("Group {} is there.", group.name);
            member.flash(Tone::Good, &text).await?;
            return go_to(&place(&group));
        }
        Err(cause) => form_errors(cause)?,
    };
    invalid(&build(&app, &member, (form, errors), None, now).await?)
}

async fn create_from(
    app: &App,
    member: &Member,
    form: &GroupForm,
    now: Now,
) -> Result<Group, ActionError> {
    let name = GroupName::parse(&form.name)?;
    let mut tx = Tx::open(app, &member.authority).await?;
    let group = create(&member.authority, &mut tx, member.tenant.id, name, now).await?;
    tx.commit().await?;
    Ok(group)
}

fn place(group: &Group) -> String {
    format!("/t/{}/groups/{}", group.tenant_id, group.id)
}

/// What stands in the two forms of a group's page.
#[derive(Default)]
struct Typed {
    form: Option<GroupForm>,
    errors: FormErrors,
    adding: AddMemberForm,
    adding_errors: FormErrors,
}

async fn build_one(
    app: &App,
    member: &Member,
    id: GroupId,
    after: Option<MemberId>,
    typed: Typed,
) -> Result<GroupPage, Failure> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(app, authority).await?;
    let group = find(authority, &mut tx, tenant, id).await?;
    let at = (tenant, id);
    let mut members = list_members(authority, &mut tx, at, after, SHOWN + 1).await?;
    tx.commit().await?;
    let place = place(&group);
    let next = cut(&mut members, |(member, _)| member.to_string());
    Ok(GroupPage {
        shell: member.shell(TenantTab::Groups),
        tenant_id: tenant.to_string(),
        id: id.to_string(),
        count: people(group.members),
        members: members
            .into_iter()
            .map(|(id, email)| GroupMemberRow {
                id: id.to_string(),
                email,
            })
            .collect(),
        may_edit: member.may(Action::UpdateGroup),
        may_delete: member.may(Action::DeleteGroup),
        form: typed.form.unwrap_or_else(|| filled(&group)),
        name: group.name,
        errors: typed.errors,
        adding: typed.adding,
        adding_errors: typed.adding_errors,
        next_href: next.map(|id| format!("{place}?after={id}")),
        first_href: after.map(|_| place),
    })
}

fn filled(group: &Group) -> GroupForm {
    GroupForm {
        edition: group.edition.to_string(),
        name: group.name.clone(),
    }
}

async fn show_one(
    State(app): State<App>,
    member: Member,
    At((_, id)): Place,
    Query(query): Query<After<MemberId>>,
) -> Answer {
    page(&build_one(&app, &member, id, query.after, Typed::default()).await?)
}

async fn rename_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id)): Place,
    now: Now,
    Form(form): Form<GroupForm>,
) -> Answer {
    let authority = &member.authority;
    let mut tx = Tx::open(&app, authority).await?;
    let renamed = match GroupName::parse(&form.name) {
        Ok(name) => {
            let change = (name, seen(&form.edition));
            rename(authority, &mut tx, (tenant, id), change, now).await
        }
        Err(error) => Err(error.into()),
    };
    let mut typed = Typed::default();
    match renamed {
        Ok(_) => {
            tx.commit().await?;
            member.flash(Tone::Good, "The name is changed.").await?;
            return go_to(&format!("/t/{tenant}/groups/{id}"));
        }
        Err(ActionError::EditedMeanwhile) => {
            let saved = filled(&find(authority, &mut tx, tenant, id).await?);
            typed.errors = FormErrors::edited_meanwhile(&form, &saved);
            typed.form = Some(GroupForm {
                edition: saved.edition,
                ..form
            });
            return edited_meanwhile(&build_one(&app, &member, id, None, typed).await?);
        }
        Err(cause) => typed.errors = form_errors(cause)?,
    }
    drop(tx);
    typed.form = Some(form);
    invalid(&build_one(&app, &member, id, None, typed).await?)
}

async fn add_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id)): Place,
    now: Now,
    Form(form): Form<AddMemberForm>,
) -> Answer {
    let errors = match add_by_email(&app, &member, (tenant, id), &form.email, now).await {
        Ok(()) => {
            let text = format!("{} is in the group.", form.email.trim());
            member.flash(Tone::Good, &text).await?;
            return go_to(&format!("/t/{tenant}/groups/{id}"));
        }
        Err(ActionError::NotFound("member")) => {
            FormErrors::of("email", "No member of this tenant has this address.")
        }
        Err(cause) => form_errors(cause)?,
    };
    let typed = Typed {
        adding: form,
        adding_errors: errors,
        ..Typed::default()
    };
    invalid(&build_one(&app, &member, id, None, typed).await?)
}

async fn add_by_email(
    app: &App,
    member: &Member,
    (tenant, id): (TenantId, GroupId),
    email: &str,
    now: Now,
) -> Result<(), ActionError> {
    let authority = &member.authority;
    authority.require_in(Action::UpdateGroup, tenant)?;
    let email = Email::parse(email)?;
    let mut tx = Tx::open(app, authority).await?;
    let found = store::members::find_by_email(&mut tx, tenant, &email).await?;
    let found = found.ok_or(ActionError::NotFound("member"))?;
    add_member(authority, &mut tx, (tenant, id), found.id, now).await?;
    tx.commit().await
}

async fn remove_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id, whom)): At<(TenantId, GroupId, MemberId)>,
    now: Now,
    Form(form): Form<NextForm>,
) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    remove_member(&member.authority, &mut tx, (tenant, id), whom, now).await?;
    tx.commit().await?;
    member.flash(Tone::Good, "Taken out of the group.").await?;
    let group = format!("/t/{tenant}/groups/{id}");
    go_to(own_path(&form.next).unwrap_or(&group))
}

async fn show_delete(State(app): State<App>, member: Member, At((tenant, id)): Place) -> Answer {
    let authority = &member.authority;
    authority.require_in(Action::DeleteGroup, tenant)?;
    let mut tx = Tx::open(&app, authority).await?;
    let group = find(authority, &mut tx, tenant, id).await?;
    tx.commit().await?;
    let place = place(&group);
    page(&Confirm {
        shell: member.shell(TenantTab::Groups),
        title: format!("Delete “{}”?", group.name),
        intro: format!("{} in it: they stay members.", people(group.members)),
        consequences: vec![
            "New tokens do not name it any more; those that are out do until they run out."
                .to_owned(),
        ],
        action: format!("{place}/delete"),
        button: "Delete group".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn delete_here(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    delete(&member.authority, &mut tx, at, now).await?;
    tx.commit().await?;
    member.flash(Tone::Good, "The group is deleted.").await?;
    go_to(&format!("/t/{}/groups", at.0))
}
