//! `/t/{tenant}/settings`: a tenant's name; how pages show its people.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::id::UserId;
use domain::member::MemberStatus;
use domain::permission::Action;
use domain::role::Role;
use domain::tenant::TenantName;
use web::format::moment;
use web::forms::settings::SettingsForm;
use web::forms::{FormErrors, seen};
use web::layout::{TenantTab, Tone};
use web::pages::members::MemberRow;
use web::pages::settings::Settings;

use crate::action::ActionError;
use crate::action::Tx;
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Member, edited_meanwhile, form_errors, go_to, invalid, page};
use crate::tenants;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/settings", get(show).post(rename))
        .merge(super::detail::pages())
}

async fn show(member: Member, now: Now) -> Answer {
    let form = filled(&member);
    page(&build(&member, (form, FormErrors::default()), now))
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
                    return edited_meanwhile(&build(&member, (form, errors), now));
                }
                Err(cause) => form_errors(cause)?,
            }
        }
        Err(errors) => errors,
    };
    invalid(&build(&member, (form, errors), now))
}

fn parse(form: &SettingsForm) -> Result<TenantName, FormErrors> {
    let name = form.parse()?;
    TenantName::parse(&name).map_err(|error| {
        let mut errors = FormErrors::default();
        errors.add(error);
        errors
    })
}

fn build(member: &Member, (form, errors): (SettingsForm, FormErrors), now: Now) -> Settings {
    let tenant = &member.tenant;
    Settings {
        shell: member.shell(TenantTab::Settings),
        tenant_id: tenant.id.to_string(),
        created_at: moment(tenant.created_at, now.0),
        form,
        errors,
        may_edit: member.may(Action::RenameTenant),
    }
}

/// How a page shows somebody. `you`: who looks at it.
pub(crate) fn member_row(one: domain::member::Member, you: UserId, now: Now) -> MemberRow {
    MemberRow {
        id: one.id.to_string(),
        is_you: you == one.user_id,
        is_disabled: one.standing.status == MemberStatus::Disabled,
        role: role_text(one.standing.role).to_owned(),
        joined_at: moment(one.created_at, now.0),
        email: one.email,
    }
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
