//! `/t/{tenant}/settings`: a tenant's name and its people.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::permission::Action;
use domain::role::Role;
use domain::tenant::TenantName;
use web::format::moment;
use web::forms::settings::SettingsForm;
use web::forms::{FormErrors, seen};
use web::layout::{TenantTab, Tone};
use web::pages::settings::{MemberRow, Settings};

use super::list;
use crate::action::ActionError;
use crate::action::Tx;
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Failure, Member, edited_meanwhile, form_errors, go_to, invalid, page};
use crate::tenants;

/// People that the settings page shows.
const MEMBERS_SHOWN: u32 = 200;

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/t/{tenant}/settings", get(show).post(rename))
}

async fn show(State(app): State<App>, member: Member, now: Now) -> Answer {
    let form = filled(&member);
    page(&build(&app, &member, (form, FormErrors::default()), now).await?)
}

fn filled(member: &Member) -> SettingsForm {
    SettingsForm {
        edition: member.tenant.edition.to_string(),
        name: member.tenant.name.clone(),
    }
}

async fn rename(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<SettingsForm>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let errors = match parse(&form) {
        Ok(name) => {
            let mut tx = Tx::open(&app, authority).await?;
            let at = (tenant, seen(&form.edition));
            match tenants::rename(authority, &mut tx, at, name, now).await {
                Ok(_) => {
                    tx.commit().await?;
                    member.flash(Tone::Good, "The name is changed.").await?;
                    return go_to(&format!("/t/{tenant}/settings"));
                }
                Err(ActionError::EditedMeanwhile) => {
                    let saved = filled(&member);
                    let errors = FormErrors::edited_meanwhile(&form, &saved);
                    let form = SettingsForm {
                        edition: saved.edition,
                        ..form
                    };
                    return edited_meanwhile(&build(&app, &member, (form, errors), now).await?);
                }
                Err(cause) => form_errors(cause)?,
            }
        }
        Err(errors) => errors,
    };
    invalid(&build(&app, &member, (form, errors), now).await?)
}

fn parse(form: &SettingsForm) -> Result<TenantName, FormErrors> {
    let name = form.parse()?;
    TenantName::parse(&name).map_err(|error| {
        let mut errors = FormErrors::default();
        errors.add(error);
        errors
    })
}

async fn build(
    app: &App,
    member: &Member,
    (form, errors): (SettingsForm, FormErrors),
    now: Now,
) -> Result<Settings, Failure> {
    let (authority, tenant) = (&member.authority, &member.tenant);
    let mut tx = Tx::open(app, authority).await?;
    let people = list(authority, &mut tx, tenant.id, None, MEMBERS_SHOWN).await?;
    tx.commit().await?;
    Ok(Settings {
        shell: member.shell(TenantTab::Settings),
        tenant_id: tenant.id.to_string(),
        created_at: moment(tenant.created_at, now.0),
        form,
        errors,
        may_edit: member.may(Action::RenameTenant),
        members: people
            .into_iter()
            .map(|one| MemberRow {
                is_you: one.user_id == member.person.user,
                email: one.email,
                role: role_text(one.standing.role).to_owned(),
                joined_at: moment(one.created_at, now.0),
            })
            .collect(),
    })
}

pub(crate) fn role_text(role: Role) -> &'static str {
    match role {
        Role::Owner => "Owner",
        Role::Admin => "Admin",
        Role::Developer => "Developer",
        Role::Viewer => "Viewer",
        Role::User => "User",
    }
}
