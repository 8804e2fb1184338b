//! `/admin/apis/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::FieldError;
use domain::api::{Api, ApiTerms};
use domain::id::{ApiId, UpstreamId};
use domain::plan::Plan;
use domain::scope::ApiScope;
use domain::upstream::Upstream;
use store::PlatformTx;
use store::plans::Listed;
use web::format::{plural, thousands};
use web::forms::apis::{ApiFields, ApiForm, CorsFields};
use web::forms::{Choice, FormErrors, seen};
use web::layout::{OperatorTab, Tone};
use web::pages::apis::{ApiEditor, ApiRow, Apis, ExistingApi};
use web::pages::confirm::Confirm;

use super::cors::CorsInput;
use super::json::{ApiInput, ApiScopeInput};
use super::refusals::refusals;
use super::{create, delete, get as find, list, update};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, edited_meanwhile, form_errors, go_to, invalid, page};
use crate::routes;

/// APIs, upstreams and plans are few: a page shows all of them.
const ALL: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/apis", get(show_list))
        .route("/admin/apis/new", get(show_new).post(create_here))
        .route("/admin/apis/{api}", get(show_one).post(update_here))
        .route(
            "/admin/apis/{api}/delete",
            get(show_delete).post(delete_here),
        )
}

async fn show_list(State(app): State<App>, operator: Operator) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let apis = list(&operator.authority, &mut tx, None, ALL).await?;
    let upstreams = store::upstreams::list(&mut tx, None, ALL).await?;
    let plans = store::plans::list(&mut tx, Listed::Offered, None, ALL).await?;
    let routes = store::routes::count_by_api(&mut tx).await?;
    tx.commit().await?;
    let ids: Vec<ApiId> = apis.iter().map(|api| api.id).collect();
    let mut refused = refusals(&app, &ids).await?;
    let rows = apis.iter().map(|api| {
        let count = routes.iter().find(|(id, _)| *id == api.id);
        ApiRow {
            id: api.id.to_string(),
            name: api.name.clone(),
            hosts: hosts(api),
            base_path: shown_path(&api.base_path),
            upstream: upstream_name(api.upstream_id, &upstreams),
            routes: count.map_or(0, |(_, count)| *count).to_string(),
            plans: opening(api.id, &plans).len().to_string(),
            refused: refused.remove(&api.id),
        }
    });
    page(&Apis {
        shell: operator.shell(OperatorTab::Apis),
        apis: rows.collect(),
        has_upstream: !upstreams.is_empty(),
    })
}

fn hosts(api: &Api) -> String {
    if api.hosts.is_empty() {
        "any host".to_owned()
    } else {
        api.hosts.join(", ")
    }
}

fn shown_path(base_path: &str) -> String {
    if base_path.is_empty() { "/" } else { base_path }.to_owned()
}

fn upstream_name(id: UpstreamId, upstreams: &[Upstream]) -> String {
    let found = upstreams.iter().find(|upstream| upstream.id == id);
    found.map_or_else(|| id.to_string(), |upstream| upstream.name.clone())
}

/// Names of the plans that open an API.
fn opening(api: ApiId, plans: &[Plan]) -> Vec<String> {
    let opening = plans
        .iter()
        .filter(|plan| plan.terms.api_ids.contains(&api));
    opening.map(|plan| plan.name.clone()).collect()
}

/// Upstreams to choose from, with the first of their targets.
pub(crate) fn upstream_choices(upstreams: &[Upstream], selected: &str) -> Vec<Choice> {
    upstreams
        .iter()
        .map(|upstream| {
            let id = upstream.id.to_string();
            let hint = match upstream.targets.as_slice() {
                [] => "no targets".to_owned(),
                [only] => only.url.clone(),
                [first, rest @ ..] => format!("{} and {} more", first.url, rest.len()),
            };
            let is_selected = id == selected;
            Choice::new(id, upstream.name.clone())
                .hint(hint)
                .selected_if(is_selected)
        })
        .collect()
}

async fn editor(
    operator: &Operator,
    tx: &mut PlatformTx,
    form: ApiForm,
    errors: FormErrors,
) -> Result<ApiEditor, Failure> {
    let upstreams = store::upstreams::list(tx, None, ALL).await?;
    Ok(ApiEditor {
        shell: operator.shell(OperatorTab::Apis),
        existing: None,
        upstreams: upstream_choices(&upstreams, &form.upstream_id),
        form,
        errors,
    })
}

async fn editor_of(
    (app, operator): (&App, &Operator),
    id: ApiId,
    edited: Option<(ApiForm, FormErrors)>,
) -> Result<ApiEditor, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let api = find(&operator.authority, &mut tx, id).await?;
    let upstreams = store::upstreams::list(&mut tx, None, ALL).await?;
    let plans = store::plans::list(&mut tx, Listed::Offered, None, ALL).await?;
    let routes = routes::list(&operator.authority, &mut tx, id).await?;
    let existing = ExistingApi {
        id: id.to_string(),
        name: api.name.clone(),
        routes: routes::pages::rows(&routes, &upstreams),
        plans: opening(id, &plans),
        refused: refusals(app, &[id]).await?.remove(&id),
    };
    let (form, errors) = edited.unwrap_or_else(|| (filled(&api), FormErrors::default()));
    Ok(ApiEditor {
        existing: Some(existing),
        ..editor(operator, &mut tx, form, errors).await?
    })
}

fn filled(api: &Api) -> ApiForm {
    let cors = api.cors.clone().unwrap_or_default();
    ApiForm {
        edition: api.edition.to_string(),
        name: api.name.clone(),
        hosts: api.hosts.join("\n"),
        base_path: api.base_path.clone(),
        upstream_id: api.upstream_id.to_string(),
        api_key_header: api.api_key_header.clone(),
        audience: api.audience.clone().unwrap_or_default(),
        cors_allow_origins: cors.allow_origins.join("\n"),
        cors_allow_methods: cors.allow_methods.join(" "),
        cors_allow_headers: cors.allow_headers.join(" "),
        cors_expose_headers: cors.expose_headers.join(" "),
        cors_max_age_seconds: match cors.max_age_seconds {
            0 => String::new(),
            seconds => seconds.to_string(),
        },
        cors_allow_credentials: cors.allow_credentials.then(|| "on".to_owned()),
        max_stale_ms: api.max_stale_ms.map(thousands).unwrap_or_default(),
        scopes: api.scopes.iter().map(scope_line).collect(),
    }
}

fn scope_line(scope: &ApiScope) -> String {
    let ApiScope { name, description } = scope;
    format!("{name} {description}").trim_end().to_owned() + "\n"
}

/// What the form says.
fn terms(fields: ApiFields) -> Result<ApiTerms, ActionError> {
    let upstream_id = fields.upstream_id.parse().map_err(|_| {
        let message = "Choose where requests go.";
        ActionError::from(FieldError::new("upstream_id", "invalid", message))
    })?;
    let input = ApiInput {
        name: fields.name,
        hosts: fields.hosts,
        base_path: fields.base_path,
        upstream_id,
        api_key_header: fields.api_key_header,
        audience: fields.audience,
        cors: fields.cors.map(cors),
        max_stale_ms: fields.max_stale_ms,
        scopes: fields
            .scopes
            .into_iter()
            .map(|(name, description)| ApiScopeInput { name, description })
            .collect(),
    };
    input.parse().map_err(ActionError::Invalid)
}

pub(crate) fn cors(fields: CorsFields) -> CorsInput {
    let seconds = fields.max_age_seconds.unwrap_or(0);
    CorsInput {
        allow_origins: fields.allow_origins,
        allow_methods: fields.allow_methods,
        allow_headers: fields.allow_headers,
        expose_headers: fields.expose_headers,
        allow_credentials: fields.allow_credentials,
        max_age_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

async fn show_new(State(app): State<App>, operator: Operator) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let (form, errors) = (ApiForm::default(), FormErrors::default());
    page(&editor(&operator, &mut tx, form, errors).await?)
}

async fn create_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<ApiForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => match create_from(&app, &operator, fields, now).await {
            Ok(api) => {
                let text = format!("API “{}” was created. Give it routes.", api.name);
                operator.flash(Tone::Good, &text).await?;
                return go_to(&format!("/admin/apis/{}", api.id));
            }
            Err(cause) => form_errors(cause)?,
        },
    };
    let mut tx = app.db.platform_tx().await?;
    invalid(&editor(&operator, &mut tx, form, errors).await?)
}

async fn create_from(
    app: &App,
    operator: &Operator,
    fields: ApiFields,
    now: Now,
) -> Result<Api, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let api = create(&operator.authority, &mut tx, terms(fields)?, now).await?;
    tx.commit().await?;
    Ok(api)
}

async fn show_one(State(app): State<App>, operator: Operator, At(id): At<ApiId>) -> Answer {
    page(&editor_of((&app, &operator), id, None).await?)
}

async fn update_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<ApiId>,
    now: Now,
    Form(form): Form<ApiForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => {
            match update_from(&app, &operator, (id, seen(&form.edition), fields), now).await {
                Ok(api) => {
                    let text = format!("API “{}” was saved.", api.name);
                    operator.flash(Tone::Good, &text).await?;
                    return go_to(&format!("/admin/apis/{id}"));
                }
                Err(ActionError::EditedMeanwhile) => {
                    return overtaken((&app, &operator), id, form).await;
                }
                Err(cause) => form_errors(cause)?,
            }
        }
    };
    invalid(&editor_of((&app, &operator), id, Some((form, errors))).await?)
}

async fn overtaken(at: (&App, &Operator), id: ApiId, typed: ApiForm) -> Answer {
    let mut tx = at.0.db.platform_tx().await?;
    let saved = filled(&find(&at.1.authority, &mut tx, id).await?);
    tx.commit().await?;
    let errors = FormErrors::edited_meanwhile(&typed, &saved);
    let form = ApiForm {
        edition: saved.edition,
        ..typed
    };
    edited_meanwhile(&editor_of(at, id, Some((form, errors))).await?)
}

async fn update_from(
    app: &App,
    operator: &Operator,
    (id, seen, fields): (ApiId, Option<i32>, ApiFields),
    now: Now,
) -> Result<Api, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let terms = terms(fields)?;
    let api = update(&operator.authority, &mut tx, (id, seen), terms, now).await?;
    tx.commit().await?;
    Ok(api)
}

async fn show_delete(State(app): State<App>, operator: Operator, At(id): At<ApiId>) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let api = find(&operator.authority, &mut tx, id).await?;
    let routes = routes::list(&operator.authority, &mut tx, id).await?;
    let plans = store::plans::list(&mut tx, Listed::Offered, None, ALL).await?;
    page(&question(
        &operator,
        &api,
        routes.len(),
        &opening(id, &plans),
    ))
}

fn question(operator: &Operator, api: &Api, routes: usize, plans: &[String]) -> Confirm {
    let place = format!("/admin/apis/{}", api.id);
    let mut consequences = vec![
        "Nodes answer its requests with 404 within about a second.".to_owned(),
        format!("{} go with it.", plural(routes as u64, "route")),
    ];
    if !plans.is_empty() {
        let list = plans.join(", ");
        consequences.push(format!("Plans lose it, and the tenants on them: {list}."));
    }
    Confirm {
        shell: operator.shell(OperatorTab::Apis),
        title: format!("Delete “{}”?", api.name),
        intro: "The API is not served any more. It cannot be brought back.".to_owned(),
        consequences,
        action: format!("{place}/delete"),
        button: "Delete API".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    }
}

async fn delete_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<ApiId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let api = find(&operator.authority, &mut tx, id).await?;
    delete(&operator.authority, &mut tx, (id, None), now).await?;
    tx.commit().await?;
    let text = format!("API “{}” was deleted.", api.name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/apis")
}
