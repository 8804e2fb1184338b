//! The description of the API (OpenAPI 3.1), made from the routes themselves and the table of
//! permissions.

use domain::permission::{self, Action, Authority, Effect, Reach};
use domain::role::{PlatformRole, Role};
use utoipa::openapi::path::{
    HttpMethod, Operation, ParameterBuilder, ParameterIn, PathItem, Paths,
};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::problem::ProblemView;

const SCHEME: &str = "personal_token";

/// Every noun's routes below the prefix.
pub(super) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(frame()).nest(super::PREFIX, super::nouns())
}

fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Tollgate")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let mut token = Http::new(HttpAuthScheme::Bearer);
    token.description = Some(
        "A personal token (`tgp_…`). It never does more than its person may, and only what its \
         scopes name; no scopes: all of it."
            .to_owned(),
    );
    let mut components = Components::new();
    components.add_security_scheme(SCHEME, SecurityScheme::Http(token));
    components
        .schemas
        .insert(ProblemView::name().into_owned(), ProblemView::schema());
    let mut nested = Vec::new();
    ProblemView::schemas(&mut nested);
    components.schemas.extend(nested);
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

const ABOUT: &str = "Everything that the console does.\n\n\
    Lists are pages: pass `next_cursor` as `cursor`. A POST with an `Idempotency-Key` takes place \
    once, however often it is sent; where it made a secret, who asks again gets 409 \
    `secret_already_shown` with the id. Answers carry an `ETag`; with `If-Match` an edit that \
    somebody else made in the meantime is not overwritten (412). PATCH is a JSON merge patch \
    (RFC 7396). Times are RFC 3339 in UTC. Errors are problems (RFC 9457) with a stable `code`; \
    `errors` names each field by JSON pointer.";

/// Adds what follows from the action: who may, which scope a token needs, what can go wrong.
pub(super) fn describe(paths: &mut Paths, action: Action) {
    for item in paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            operation.security = Some(vec![SecurityRequirement::new(SCHEME, [action.name()])]);
            operation.operation_id = operation
                .operation_id
                .take()
                .map(|handler| operation_id(action, &handler));
            let who = format!("For {}. Scope: `{}`.", who_may(action), action.name());
            operation.description = Some(match operation.description.take() {
                Some(text) if !text.is_empty() => format!("{text}\n\n{who}"),
                _ => who,
            });
            add_parameters(operation, &method);
            add_refusals(operation, action);
        }
    }
}

/// `plans_create`: the noun and the handler's name.
fn operation_id(action: Action, handler: &str) -> String {
    let noun = action.name().split('.').next().unwrap_or_default();
    format!("{noun}_{handler}")
}

fn operations(item: &mut PathItem) -> Vec<(HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
    .collect()
}

fn who_may(action: Action) -> String {
    let mut roles: Vec<String> = PlatformRole::ALL
        .iter()
        .filter(|role| permission::may(Authority::Platform(**role), action))
        .map(|role| format!("{role}s of the platform"))
        .collect();
    roles.extend(
        Role::ALL
            .iter()
            .filter(|role| permission::may(Authority::Member(**role), action))
            .map(|role| format!("members of the tenant with the role {role}")),
    );
    roles.join(", ")
}

fn add_parameters(operation: &mut Operation, method: &HttpMethod) {
    let (name, about) = match method {
        HttpMethod::Post => (
            "Idempotency-Key",
            "Up to 200 visible characters of the caller's choice: the work takes place once.",
        ),
        HttpMethod::Patch | HttpMethod::Put | HttpMethod::Delete => (
            "If-Match",
            "The ETag that the caller has seen; left out, the latest edit wins.",
        ),
        _ => return,
    };
    let text = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .build();
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(RefOr::T(Schema::Object(text))))
        .build();
    operation
        .parameters
        .get_or_insert_default()
        .push(RefOr::T(parameter));
}

fn add_refusals(operation: &mut Operation, action: Action) {
    let mut refusals = vec![
        ("401", "No personal token, or one that does not work."),
        ("403", "The person or the token may not do this."),
        ("404", "There is no such thing, or it is another tenant's."),
        ("422", "Fields are not valid; `errors` names each."),
        ("503", "The database is away for the moment."),
    ];
    if action.effect() == Effect::Write {
        refusals.push(("409", "It cannot stand beside what is there."));
        refusals.push(("412", "`If-Match` names an older edition."));
    }
    if action.reach() == Reach::Tenant {
        refusals[1].1 = "The role does not allow this, or the tenant is suspended.";
    }
    for (status, about) in refusals {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(ProblemView::name())))
            .build();
        let response = ResponseBuilder::new()
            .description(about)
            .content("application/problem+json", content)
            .build();
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert(RefOr::T(response));
    }
}

/// A route of the API as its description has it.
#[cfg(test)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedRoute {
    pub method: http::Method,
    /// With `{parameters}`.
    pub path: String,
    pub action: Action,
}

/// All routes, for sweeps over them.
#[cfg(test)]
pub fn routes() -> Vec<DescribedRoute> {
    let document = serde_json::to_value(documented().into_openapi()).expect("it serialises");
    let paths = document["paths"].as_object().expect("paths");
    let mut found = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("an item") {
            let scope = operation["security"][0][SCHEME][0]
                .as_str()
                .expect("a scope");
            found.push(DescribedRoute {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                action: Action::find(scope).expect("an action of the table"),
            });
        }
    }
    found
}
