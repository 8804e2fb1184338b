//! `/admin/apis/{api}/routes/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::FieldError;
use domain::authorizer::{self, Authorizer};
use domain::id::{ApiId, RouteId};
use domain::plan::Rate;
use domain::route::{Route, RouteTerms};
use domain::scope::ApiScope;
use domain::upstream::Upstream;
use web::format::{decimal, rate, thousands};
use web::forms::routes::{RouteFields, RouteForm};
use web::forms::{Choice, FormErrors, seen};
use web::layout::{OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::routes::{RouteEditor, RouteRow};

use super::json::{RouteInput, TimeoutsInput};
use super::{create, delete, get as find, update};
use crate::action::ActionError;
use crate::apis;
use crate::app::App;
use crate::clock::Now;
use crate::json::{At, PerSecond};
use crate::page::{Answer, Failure, Operator, edited_meanwhile, form_errors, go_to, invalid, page};

const UPSTREAMS_MAX: u32 = 1_000;
const AUTHORIZERS_MAX: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route(
            "/admin/apis/{api}/routes/new",
            get(show_new).post(create_here),
        )
        .route(
            "/admin/apis/{api}/routes/{route}",
            get(show_one).post(update_here),
        )
        .route(
            "/admin/apis/{api}/routes/{route}/delete",
            get(show_delete).post(delete_here),
        )
}

/// Routes as the page of their API lists them: literal segments before parameters, as nodes try
/// them.
pub(crate) fn rows(routes: &[Route], upstreams: &[Upstream]) -> Vec<RouteRow> {
    let mut ordered: Vec<&Route> = routes.iter().collect();
    ordered.sort_by_key(|route| rank(&route.path));
    ordered
        .into_iter()
        .map(|route| RouteRow {
            id: route.id.to_string(),
            methods: match route.methods.is_empty() {
                true => vec!["ANY".to_owned()],
                false => route.methods.clone(),
            },
            path: route.path.clone(),
            credentials: credentials(route),
            scopes: route.scopes.clone(),
            limit: route.rate.map_or_else(|| "–".to_owned(), limit),
            upstream: route.upstream_id.map(|id| {
                let found = upstreams.iter().find(|one| one.id == id);
                found.map_or_else(|| id.to_string(), |one| one.name.clone())
            }),
        })
        .collect()
}

/// What a caller has to show.
fn credentials(route: &Route) -> Option<&'static str> {
    match (route.api_key_required, route.authorizer_id) {
        (false, None) => None,
        (true, None) => Some("API key"),
        (false, Some(_)) => Some("token"),
        (true, Some(_)) => Some("API key and token"),
    }
}

/// Authorizers to choose from.
fn authorizer_choices(authorizers: &[Authorizer], selected: &str) -> Vec<Choice> {
    let choice = |one: &Authorizer| {
        let id = one.id.to_string();
        let is_selected = id == selected;
        let label = match one.name.as_str() {
            authorizer::OWN => "Tollgate token",
            other => other,
        };
        Choice::new(id, label.to_owned()).selected_if(is_selected)
    };
    authorizers.iter().map(choice).collect()
}

/// Per segment: literal, parameter, greedy.
fn rank(path: &str) -> (Vec<u8>, String) {
    let kinds = path.split('/').map(|segment| match segment {
        greedy if greedy.ends_with("+}") => 2,
        parameter if parameter.starts_with('{') => 1,
        _ => 0,
    });
    (kinds.collect(), path.to_owned())
}

fn limit(limit: Rate) -> String {
    let burst = thousands(limit.burst);
    format!("{}, burst {burst}", rate(limit.per_second_milli))
}

async fn editor(
    (app, operator): (&App, &Operator),
    (api, route): (ApiId, Option<RouteId>),
    form: RouteForm,
    errors: FormErrors,
) -> Result<RouteEditor, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let api = apis::get(&operator.authority, &mut tx, api).await?;
    let upstreams = store::upstreams::list(&mut tx, None, UPSTREAMS_MAX).await?;
    let authorizers = store::authorizers::list(&mut tx, None, AUTHORIZERS_MAX).await?;
    Ok(RouteEditor {
        shell: operator.shell(OperatorTab::Apis),
        api_id: api.id.to_string(),
        api_name: api.name.clone(),
        base_path: api.base_path.clone(),
        route_id: route.map(|id| id.to_string()),
        upstreams: apis::pages::upstream_choices(&upstreams, &form.upstream_id),
        authorizers: authorizer_choices(&authorizers, &form.authorizer_id),
        undefined_scopes: undefined(&api.scopes, form.scopes.split_whitespace()),
        form,
        errors,
    })
}

/// Scopes that the API does not define: a slip, as far as tokens go. A plan may name them for API
/// keys, so that they are not refused.
fn undefined<'a>(defined: &[ApiScope], named: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is_defined = |name: &str| defined.iter().any(|scope| scope.name == name);
    let undefined = named.filter(|name| !is_defined(name));
    undefined.map(str::to_owned).collect()
}

/// What a flash says of a route that was saved.
async fn saved(
    (app, operator): (&App, &Operator),
    (api, route): (ApiId, &Route),
    done: &str,
) -> Result<(Tone, String), Failure> {
    let mut tx = app.db.platform_tx().await?;
    let api = apis::get(&operator.authority, &mut tx, api).await?;
    tx.commit().await?;
    let undefined = undefined(&api.scopes, route.scopes.iter().map(String::as_str));
    let text = format!("Route {} was {done}.", route.path);
    if undefined.is_empty() {
        return Ok((Tone::Good, text));
    }
    let scopes = undefined.join(", ");
    let warning =
        format!("{text} The API does not define {scopes}: check the spelling, or define it there.");
    Ok((Tone::Warning, warning))
}

fn filled(route: &Route) -> RouteForm {
    let on = |is_on: bool| is_on.then(|| "on".to_owned());
    let cors = route.cors.clone().unwrap_or_default();
    let text = |number: Option<u32>| number.map(|ms| ms.to_string()).unwrap_or_default();
    RouteForm {
        edition: route.edition.to_string(),
        methods: route.methods.clone(),
        path: route.path.clone(),
        api_key_required: on(route.api_key_required),
        forward_credentials: on(route.forward_credentials),
        scopes: route.scopes.join(" "),
        rate_limit: route
            .rate
            .map(|rate| decimal(rate.per_second_milli, 3))
            .unwrap_or_default(),
        burst_limit: route
            .rate
            .map(|rate| thousands(rate.burst))
            .unwrap_or_default(),
        connect_timeout_ms: text(route.timeouts.connect_ms),
        first_byte_timeout_ms: text(route.timeouts.first_byte_ms),
        idle_timeout_ms: text(route.timeouts.idle_ms),
        upstream_id: route
            .upstream_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        body_bytes_max: route.body_bytes_max.map(thousands).unwrap_or_default(),
        lease_wait_ms: text(route.lease_wait_ms),
        authorizer_id: route
            .authorizer_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        cors_allow_origins: cors.allow_origins.join("\n"),
        cors_allow_methods: cors.allow_methods.join(" "),
        cors_allow_headers: cors.allow_headers.join(" "),
        cors_expose_headers: cors.expose_headers.join(" "),
        cors_max_age_seconds: match cors.max_age_seconds {
            0 => String::new(),
            seconds => seconds.to_string(),
        },
        cors_allow_credentials: on(cors.allow_credentials),
    }
}

/// What the form says.
fn terms(fields: RouteFields) -> Result<RouteTerms, ActionError> {
    let upstream_id = fields.upstream_id.as_deref().map(str::parse).transpose();
    let upstream_id = upstream_id.map_err(|_| {
        let message = "Choose one of the upstreams.";
        ActionError::from(FieldError::new("upstream_id", "invalid", message))
    })?;
    let authorizer_id = fields.authorizer_id.as_deref().map(str::parse).transpose();
    let authorizer_id = authorizer_id.map_err(|_| {
        let message = "Choose one of the authorizers.";
        ActionError::from(FieldError::new("authorizer_id", "invalid", message))
    })?;
    let ms = |time: Option<u64>| time.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX));
    let input = RouteInput {
        path: fields.path,
        methods: fields.methods,
        api_key_required: fields.api_key_required,
        scopes: fields.scopes,
        upstream_id,
        rate_limit: fields
            .rate_limit_thousandths
            .map(|thousandths| PerSecond { thousandths }),
        burst_limit: fields.burst_limit,
        forward_credentials: fields.forward_credentials,
        timeouts: TimeoutsInput {
            connect_ms: ms(fields.connect_timeout_ms),
            first_byte_ms: ms(fields.first_byte_timeout_ms),
            idle_ms: ms(fields.idle_timeout_ms),
        },
        cors: fields.cors.map(apis::pages::cors),
        body_bytes_max: fields.body_bytes_max,
        lease_wait_ms: ms(fields.lease_wait_ms),
        authorizer_id,
    };
    input.parse().map_err(|errors| {
        let of_form = errors.into_iter().map(|error| {
            let name = error.field.strip_prefix("timeouts.").map(|field| {
                let stem = field.strip_suffix("_ms").unwrap_or(field);
                format!("{stem}_timeout_ms")
            });
            match name {
                Some(name) => error.at(name),
                None => error,
            }
        });
        ActionError::Invalid(of_form.collect())
    })
}

async fn show_new(State(app): State<App>, operator: Operator, At(api): At<ApiId>) -> Answer {
    let form = RouteForm {
        api_key_required: Some("on".to_owned()),
        ..RouteForm::default()
    };
    let errors = FormErrors::default();
    page(&editor((&app, &operator), (api, None), form, errors).await?)
}

async fn create_here(
    State(app): State<App>,
    operator: Operator,
    At(api): At<ApiId>,
    now: Now,
    Form(form): Form<RouteForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => match create_from(&app, &operator, (api, fields), now).await {
            Ok(route) => {
                let (tone, text) = saved((&app, &operator), (api, &route), "added").await?;
                operator.flash(tone, &text).await?;
                return go_to(&format!("/admin/apis/{api}"));
            }
            Err(cause) => form_errors(cause)?,
        },
    };
    invalid(&editor((&app, &operator), (api, None), form, errors).await?)
}

async fn create_from(
    app: &App,
    operator: &Operator,
    (api, fields): (ApiId, RouteFields),
    now: Now,
) -> Result<Route, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let terms = terms(fields)?;
    let route = create(&operator.authority, &mut tx, api, terms, now).await?;
    tx.commit().await?;
    Ok(route)
}

async fn show_one(
    State(app): State<App>,
    operator: Operator,
    At((api, id)): At<(ApiId, RouteId)>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let route = find(&operator.authority, &mut tx, (api, id)).await?;
    tx.commit().await?;
    let (form, errors) = (filled(&route), FormErrors::default());
    page(&editor((&app, &operator), (api, Some(id)), form, errors).await?)
}

async fn update_here(
    State(app): State<App>,
    operator: Operator,
    At((api, id)): At<(ApiId, RouteId)>,
    now: Now,
    Form(form): Form<RouteForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => match update_from(
            &app,
            &operator,
            ((api, id, seen(&form.edition)), fields),
            now,
        )
        .await
        {
            Ok(route) => {
                let (tone, text) = saved((&app, &operator), (api, &route), "saved").await?;
                operator.flash(tone, &text).await?;
                return go_to(&format!("/admin/apis/{api}"));
            }
            Err(ActionError::EditedMeanwhile) => {
                return overtaken((&app, &operator), (api, id), form).await;
            }
            Err(cause) => form_errors(cause)?,
        },
    };
    invalid(&editor((&app, &operator), (api, Some(id)), form, errors).await?)
}

async fn overtaken(at: (&App, &Operator), (api, id): (ApiId, RouteId), typed: RouteForm) -> Answer {
    let mut tx = at.0.db.platform_tx().await?;
    let saved = filled(&find(&at.1.authority, &mut tx, (api, id)).await?);
    tx.commit().await?;
    let errors = FormErrors::edited_meanwhile(&typed, &saved);
    let form = RouteForm {
        edition: saved.edition,
        ..typed
    };
    edited_meanwhile(&editor(at, (api, Some(id)), form, errors).await?)
}

async fn update_from(
    app: &App,
    operator: &Operator,
    ((api, id, seen), fields): ((ApiId, RouteId, Option<i32>), RouteFields),
    now: Now,
) -> Result<Route, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let terms = terms(fields)?;
    let route = update(&operator.authority, &mut tx, (api, id, seen), terms, now).await?;
    tx.commit().await?;
    Ok(route)
}

async fn show_delete(
    State(app): State<App>,
    operator: Operator,
    At((api, id)): At<(ApiId, RouteId)>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let route = find(&operator.authority, &mut tx, (api, id)).await?;
    let place = format!("/admin/apis/{api}/routes/{id}");
    page(&Confirm {
        shell: operator.shell(OperatorTab::Apis),
        title: format!("Delete route {}?", route.path),
        intro: "The route is not served any more.".to_owned(),
        consequences: vec![
            "Requests that no other route matches get 404 within about a second.".to_owned(),
        ],
        action: format!("{place}/delete"),
        button: "Delete route".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn delete_here(
    State(app): State<App>,
    operator: Operator,
    At((api, id)): At<(ApiId, RouteId)>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let route = find(&operator.authority, &mut tx, (api, id)).await?;
    delete(&operator.authority, &mut tx, (api, id, None), now).await?;
    tx.commit().await?;
    let text = format!("Route {} was deleted.", route.path);
    operator.flash(Tone::Good, &text).await?;
    go_to(&format!("/admin/apis/{api}"))
}
