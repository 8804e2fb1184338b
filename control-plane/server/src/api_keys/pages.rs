//! `/t/{tenant}/keys/…`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum_extra::extract::Form;
use domain::api_key::{AllowedIp, ApiKey, KeyName, KeyTerms};
use domain::field::each;
use domain::id::{ApiId, ApiKeyId};
use domain::permission::Action;
use domain::scope::Scope;
use domain::subscription::SubscriptionStatus;
use domain::usage::{By, Group, GroupKey};
use serde::Deserialize;
use store::Conn;
use web::chart::Chart;
use web::format::{input_date_time, moment, relative, thousands};
use web::forms::api_keys::{ApiKeyFields, ApiKeyForm, RotateApiKeyForm};
use web::forms::usage::UsageBucket;
use web::forms::{Choice, FormErrors, seen};
use web::layout::{Badge, TenantTab, Tone};
use web::pages::api_keys::{
    ApiKeyCreated, ApiKeyPage, ApiKeyRow, ApiKeys, NewApiKey, RotateApiKey,
};
use web::pages::confirm::Confirm;

use super::{
    CurrentPepper, KeyEdit, Minted, NewKey, Rotation, create, example, list, revoke, rotate, show,
    update,
};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::page::{
    Answer, Failure, Member, Nonce, edited_meanwhile, form_errors, go_to, invalid, once, page,
};
use crate::subscriptions;
use crate::usage::{self, Question};

const PAGE_SIZE: u32 = 50;
const APIS_MAX: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/keys", get(show_list))
        .route("/t/{tenant}/keys/new", get(show_new).post(create_here))
        .route("/t/{tenant}/keys/{key}", get(show_one).post(update_here))
        .route(
            "/t/{tenant}/keys/{key}/rotate",
            get(show_rotate).post(rotate_here),
        )
        .route(
            "/t/{tenant}/keys/{key}/revoke",
            get(show_revoke).post(revoke_here),
        )
}

#[derive(Deserialize)]
struct At {
    key: ApiKeyId,
}

#[derive(Deserialize)]
struct Cursor {
    /// The last key of the page before.
    cursor: Option<ApiKeyId>,
}

async fn show_list(
    State(app): State<App>,
    member: Member,
    now: Now,
    Query(Cursor { cursor }): Query<Cursor>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let mut keys = list(authority, &mut tx, tenant, cursor, PAGE_SIZE + 1).await?;
    let held = subscriptions::list(authority, &mut tx, tenant).await?;
    tx.commit().await?;
    let has_more = keys.len() > PAGE_SIZE as usize;
    keys.truncate(PAGE_SIZE as usize);
    let next = keys.last().filter(|_| has_more);
    page(&ApiKeys {
        shell: member.shell(TenantTab::Keys),
        tenant_id: tenant.to_string(),
        next_href: next.map(|key| format!("?cursor={}", key.id)),
        first_href: cursor.map(|_| format!("/t/{tenant}/keys")),
        keys: keys.iter().map(|key| row(key, now)).collect(),
        may_create: member.may(Action::CreateApiKey),
        has_plan: held
            .iter()
            .any(|one| one.status == SubscriptionStatus::Active),
    })
}

pub(crate) fn row(key: &ApiKey, now: Now) -> ApiKeyRow {
    ApiKeyRow {
        id: key.id.to_string(),
        name: key.name.clone(),
        prefix: key.prefix.clone(),
        badge: badge(key, now),
        is_live: key.revoked_at.is_none(),
        created_at: moment(key.created_at, now.0),
        last_used_at: key.last_used_at.map(|at| moment(at, now.0)),
        expires_at: key.expires_at.map(|at| moment(at, now.0)),
    }
}

fn badge(key: &ApiKey, now: Now) -> Badge {
    let is_rotating = key.previous_value_expires_at.is_some_and(|end| end > now.0);
    if key.revoked_at.is_some() {
        Badge::new(Tone::Danger, "Revoked")
    } else if key.expires_at.is_some_and(|end| end <= now.0) {
        Badge::new(Tone::Neutral, "Expired")
    } else if !key.is_enabled {
        Badge::new(Tone::Warning, "Switched off")
    } else if is_rotating {
        Badge::new(Tone::Warning, "Rotating")
    } else {
        Badge::new(Tone::Good, "Active")
    }
}

async fn show_new(State(app): State<App>, member: Member) -> Answer {
    member
        .authority
        .require_in(Action::CreateApiKey, member.tenant.id)?;
    page(&new_page(&app, &member, ApiKeyForm::default(), FormErrors::default()).await?)
}

/// The form with a fresh nonce: what was sent before made nothing.
async fn new_page(
    app: &App,
    member: &Member,
    form: ApiKeyForm,
    errors: FormErrors,
) -> Result<NewApiKey, Failure> {
    let mut tx = Tx::open(app, &member.authority).await?;
    let (scopes, apis) = choices(&mut tx, member, &form).await?;
    tx.commit().await?;
    Ok(NewApiKey {
        shell: member.shell(TenantTab::Keys),
        tenant_id: member.tenant.id.to_string(),
        form: ApiKeyForm {
            form_nonce: once(),
            ..form
        },
        errors,
        scopes,
        apis,
    })
}

/// What the tenant's plans open, with what the form says selected.
async fn choices(
    tx: &mut Conn,
    member: &Member,
    form: &ApiKeyForm,
) -> Result<(Vec<Choice>, Vec<Choice>), ActionError> {
    let tenant = member.tenant.id;
    let mut scopes: Vec<String> = form.scopes.clone();
    for one in subscriptions::list(&member.authority, tx, tenant).await? {
        if one.status == SubscriptionStatus::Active {
            let plan = store::plans::get_version(tx, one.plan_id, one.plan_version).await?;
            scopes.extend(domain::scope::texts(&plan.terms.scopes));
        }
    }
    scopes.sort();
    scopes.dedup();
    let apis = store::apis::list_open_to(tx, tenant, APIS_MAX).await?;
    let is_chosen = |list: &[String], value: &str| list.iter().any(|one| one == value);
    Ok((
        scopes
            .iter()
            .map(|scope| Choice::new(scope, scope).selected_if(is_chosen(&form.scopes, scope)))
            .collect(),
        apis.iter()
            .map(|api| {
                let id = api.id.to_string();
                let is_selected = is_chosen(&form.api_ids, &id);
                Choice::new(id, api.name.clone()).selected_if(is_selected)
            })
            .collect(),
    ))
}

async fn create_here(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<ApiKeyForm>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let terms = match form.parse().and_then(|fields| terms(&fields, None)) {
        Ok(terms) => terms,
        Err(errors) => return invalid(&new_page(&app, &member, form, errors).await?),
    };
    let nonce = Nonce::new(authority, Some(tenant), &form.form_nonce)?;
    let new = NewKey {
        terms,
        imported: None,
        pepper: CurrentPepper::load(&app).await?,
    };
    let mut tx = Tx::open(&app, authority).await?;
    nonce.claim(&mut tx).await?;
    let minted = match create(authority, &mut tx, tenant, new, now).await {
        Ok(minted) => minted,
        Err(cause) => {
            let errors = form_errors(cause)?;
            drop(tx);
            return invalid(&new_page(&app, &member, form, errors).await?);
        }
    };
    nonce.finish(&mut tx, &minted.key.id.to_string()).await?;
    let answer = secret_page(&app, &mut tx, &member, (minted, false), now).await?;
    tx.commit().await?;
    page(&answer)
}

/// The one page that shows a value.
async fn secret_page(
    app: &App,
    tx: &mut Conn,
    member: &Member,
    (minted, is_rotation): (Minted, bool),
    now: Now,
) -> Result<ApiKeyCreated, ActionError> {
    let value = minted.value.reveal();
    let curl = example(app, tx, member.tenant.id, value).await?;
    let until = minted.key.previous_value_expires_at;
    Ok(ApiKeyCreated {
        shell: member.shell(TenantTab::Keys),
        tenant_id: member.tenant.id.to_string(),
        key_id: minted.key.id.to_string(),
        name: minted.key.name,
        value: value.to_owned(),
        curl: curl.unwrap_or_else(|| {
            "# Choose a plan first: without one a key opens nothing.".to_owned()
        }),
        old_value_until: until.filter(|_| is_rotation).map(|at| moment(at, now.0)),
        is_rotation,
    })
}

async fn show_one(
    State(app): State<App>,
    member: Member,
    Path(At { key }): Path<At>,
    now: Now,
) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let key = show(&member.authority, &mut tx, member.tenant.id, key).await?;
    let form = filled(&key);
    let answer = edit_page(&mut tx, &member, &key, (form, FormErrors::default()), now).await?;
    tx.commit().await?;
    page(&answer)
}

fn filled(key: &ApiKey) -> ApiKeyForm {
    ApiKeyForm {
        edition: key.edition.to_string(),
        name: key.name.clone(),
        is_enabled: key.is_enabled.then(|| "on".to_owned()),
        expires_at: key.expires_at.map(input_date_time).unwrap_or_default(),
        scopes: key.scopes.clone().unwrap_or_default(),
        api_ids: key.api_ids.iter().map(ToString::to_string).collect(),
        allowed_ips: key.allowed_ips.join("\n"),
        form_nonce: String::new(),
    }
}

async fn edit_page(
    tx: &mut Conn,
    member: &Member,
    key: &ApiKey,
    (form, errors): (ApiKeyForm, FormErrors),
    now: Now,
) -> Result<ApiKeyPage, ActionError> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let (scopes, apis) = choices(tx, member, &form).await?;
    let range = usage::last_day(now);
    let question = Question {
        range,
        by: By::Hour,
        group: Some(Group::Key),
    };
    let mut rows = usage::show(authority, tx, tenant, question).await?;
    rows.retain(|row| row.group == GroupKey::Key(Some(key.id)));
    let is_live = key.revoked_at.is_none();
    Ok(ApiKeyPage {
        shell: member.shell(TenantTab::Keys),
        tenant_id: tenant.to_string(),
        key: row(key, now),
        created_by: creator(tx, member, key).await?,
        old_value_until: key
            .previous_value_expires_at
            .filter(|end| *end > now.0)
            .map(|end| moment(end, now.0)),
        form,
        errors,
        scopes,
        apis,
        total: thousands(usage::total(&usage::sum(rows.iter()))),
        chart: Chart::new(
            "key-day",
            "Requests with this key in the last 24 hours",
            &usage::bars(&rows, range, UsageBucket::Hour),
        ),
        may_edit: is_live && member.may(Action::UpdateApiKey),
        may_revoke: is_live && member.may(Action::RevokeApiKey),
    })
}

/// A member by address; who runs the platform is not named to tenants.
async fn creator(tx: &mut Conn, member: &Member, key: &ApiKey) -> Result<String, ActionError> {
    let Some(user) = key.created_by else {
        return Ok("the platform".to_owned());
    };
    let found = store::members::find_by_user(tx, member.tenant.id, user).await?;
    Ok(found.map_or("somebody who left".to_owned(), |found| found.email))
}

async fn update_here(
    State(app): State<App>,
    member: Member,
    Path(At { key: id }): Path<At>,
    now: Now,
    Form(form): Form<ApiKeyForm>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let before = show(authority, &mut tx, tenant, id).await?;
    let errors = match form
        .parse()
        .and_then(|fields| terms(&fields, Some(&before)))
    {
        Err(errors) => errors,
        Ok(terms) => {
            let edit = KeyEdit {
                terms,
                seen: seen(&form.edition),
            };
            match update(authority, &mut tx, (tenant, id), edit, now).await {
                Ok(key) => {
                    tx.commit().await?;
                    let text = format!(
                        "“{}” is changed. Nodes follow within about a second.",
                        key.name
                    );
                    member.flash(Tone::Good, &text).await?;
                    return go_to(&format!("/t/{tenant}/keys/{id}"));
                }
                Err(ActionError::EditedMeanwhile) => {
                    drop(tx);
                    return overtaken(&app, &member, (id, form), now).await;
                }
                Err(cause) => {
                    drop(tx);
                    tx = Tx::open(&app, authority).await?;
                    form_errors(cause)?
                }
            }
        }
    };
    let answer = edit_page(&mut tx, &member, &before, (form, errors), now).await?;
    tx.commit().await?;
    invalid(&answer)
}

async fn overtaken(
    app: &App,
    member: &Member,
    (id, typed): (ApiKeyId, ApiKeyForm),
    now: Now,
) -> Answer {
    let mut tx = Tx::open(app, &member.authority).await?;
    let key = show(&member.authority, &mut tx, member.tenant.id, id).await?;
    let saved = filled(&key);
    let errors = FormErrors::edited_meanwhile(&typed, &saved);
    let form = ApiKeyForm {
        edition: saved.edition,
        ..typed
    };
    let answer = edit_page(&mut tx, member, &key, (form, errors), now).await?;
    tx.commit().await?;
    edited_meanwhile(&answer)
}

async fn show_rotate(
    State(app): State<App>,
    member: Member,
    Path(At { key }): Path<At>,
    now: Now,
) -> Answer {
    let filled = (RotateApiKeyForm::default(), FormErrors::default());
    page(&rotate_page(&app, &member, key, filled, now).await?)
}

async fn rotate_page(
    app: &App,
    member: &Member,
    key: ApiKeyId,
    (form, errors): (RotateApiKeyForm, FormErrors),
    now: Now,
) -> Result<RotateApiKey, Failure> {
    let tenant = member.tenant.id;
    member.authority.require_in(Action::RotateApiKey, tenant)?;
    let mut tx = Tx::open(app, &member.authority).await?;
    let key = show(&member.authority, &mut tx, tenant, key).await?;
    tx.commit().await?;
    Ok(RotateApiKey {
        shell: member.shell(TenantTab::Keys),
        tenant_id: tenant.to_string(),
        key: row(&key, now),
        form: RotateApiKeyForm {
            form_nonce: once(),
            ..form
        },
        errors,
    })
}

async fn rotate_here(
    State(app): State<App>,
    member: Member,
    Path(At { key: id }): Path<At>,
    now: Now,
    Form(form): Form<RotateApiKeyForm>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let grace = match form.parse() {
        Ok(grace) => grace,
        Err(errors) => {
            return invalid(&rotate_page(&app, &member, id, (form, errors), now).await?);
        }
    };
    let nonce = Nonce::new(authority, Some(tenant), &form.form_nonce)?;
    let rotation = Rotation {
        imported: None,
        pepper: CurrentPepper::load(&app).await?,
        grace,
    };
    let mut tx = Tx::open(&app, authority).await?;
    nonce.claim(&mut tx).await?;
    let minted = rotate(authority, &mut tx, (tenant, id), rotation, now).await?;
    nonce.finish(&mut tx, &id.to_string()).await?;
    let answer = secret_page(&app, &mut tx, &member, (minted, true), now).await?;
    tx.commit().await?;
    page(&answer)
}

async fn show_revoke(
    State(app): State<App>,
    member: Member,
    Path(At { key }): Path<At>,
    now: Now,
) -> Answer {
    let tenant = member.tenant.id;
    member.authority.require_in(Action::RevokeApiKey, tenant)?;
    let mut tx = Tx::open(&app, &member.authority).await?;
    let key = show(&member.authority, &mut tx, tenant, key).await?;
    tx.commit().await?;
    let used = match key.last_used_at {
        Some(at) => format!(
            "It was last used {}: whatever uses it now will break.",
            relative(at, now.0)
        ),
        None => "It was never used.".to_owned(),
    };
    page(&Confirm {
        shell: member.shell(TenantTab::Keys),
        title: format!("Revoke “{}”?", key.name),
        intro: format!("The key {}… stops working for good.", key.prefix),
        consequences: vec![
            "Every gateway node refuses it within about a second, with 401.".to_owned(),
            used,
            "Its usage stays visible. The key cannot be brought back.".to_owned(),
        ],
        action: format!("/t/{tenant}/keys/{}/revoke", key.id),
        button: "Revoke key".to_owned(),
        is_danger: true,
        cancel_href: format!("/t/{tenant}/keys/{}", key.id),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn revoke_here(
    State(app): State<App>,
    member: Member,
    Path(At { key: id }): Path<At>,
    now: Now,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    let key = revoke(authority, &mut tx, (tenant, id), None, now).await?;
    tx.commit().await?;
    let text = format!("“{}” is revoked.", key.name);
    member.flash(Tone::Good, &text).await?;
    go_to(&format!("/t/{tenant}/keys"))
}

/// What the form says, over what it does not show of the key that it is about.
fn terms(fields: &ApiKeyFields, before: Option<&ApiKey>) -> Result<KeyTerms, FormErrors> {
    let mut errors = FormErrors::default();
    let mut keep_all = |found: Vec<domain::FieldError>| {
        found.into_iter().for_each(|error| errors.add(error));
    };
    let name = KeyName::parse(&fields.name)
        .map_err(|error| keep_all(vec![error]))
        .ok();
    let scopes = fields.scopes.as_deref().map(|scopes| {
        Scope::parse_all("scopes", scopes)
            .map_err(&mut keep_all)
            .unwrap_or_default()
    });
    let api_ids = each("api_ids", &fields.api_ids, |id| {
        id.parse::<ApiId>()
            .map_err(|_| domain::FieldError::new("api_ids", "unknown_api", "There is no such API."))
    })
    .map_err(&mut keep_all)
    .unwrap_or_default();
    let allowed_ips = each("allowed_ips", &fields.allowed_ips, AllowedIp::parse)
        .map_err(&mut keep_all)
        .unwrap_or_default();
    match name {
        Some(name) if errors.is_empty() => Ok(KeyTerms {
            name,
            is_enabled: fields.is_enabled,
            // Typed to the minute: what was not touched keeps its seconds.
            expires_at: match before.and_then(|key| key.expires_at) {
                Some(at) if fields.expires_at == Some(to_minute(at)) => Some(at),
                _ => fields.expires_at,
            },
            scopes,
            api_ids,
            allowed_ips,
            rate: before.and_then(|key| key.rate),
        }),
        _ => Err(errors),
    }
}

fn to_minute(at: time::OffsetDateTime) -> time::OffsetDateTime {
    at.truncate_to_minute()
}
