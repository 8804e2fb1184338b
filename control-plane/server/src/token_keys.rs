//! Keys that tokens are signed with: seen and replaced by operators.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::FieldError;
use domain::permission::Action;
use domain::token_key::{SHOWN_BEFORE, SigningAlgorithm, TokenKey, signer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::PlatformTx;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::format::moment;
use web::forms::FormErrors;
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::token_keys::{KeyRow, TokenKeys};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::json::{self, Caller, Creation, Listed, Made, Stop};
use crate::oauth::keys::{self, KeyError};
use crate::page::{Answer, Failure, Operator, go_to, invalid, page};
use crate::problem::Problem;

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/admin/token-keys", get(show).post(rotate_here))
}

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListTokenKeys, routes!(list_json)))
        .routes(json::route(Action::RotateTokenKey, routes!(rotate_json)))
}

impl From<KeyError> for Failure {
    fn from(cause: KeyError) -> Self {
        Problem::internal(&cause).into()
    }
}

/// Keys that are shown, oldest first.
async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    now: Now,
) -> Result<Vec<TokenKey>, ActionError> {
    authority.require(Action::ListTokenKeys)?;
    Ok(store::token_keys::list_live(tx, now.0).await?)
}

/// Makes the next key of an algorithm. Where the one before is no secret any more, the next one
/// signs at once and nothing that the one before signed is believed.
async fn rotate(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    wanted: Rotation,
    now: Now,
) -> Result<Result<TokenKey, KeyError>, ActionError> {
    authority.require(Action::RotateTokenKey)?;
    store::token_keys::lock(tx).await?;
    let made = match wanted.is_compromised {
        true => keys::replace_at_once(tx, wanted.algorithm, &app.secrets, now).await,
        false => keys::rotate(tx, wanted.algorithm, &app.secrets, now).await,
    };
    let key = match made {
        Ok(key) => key,
        Err(cause) => return Ok(Err(cause)),
    };
    let subject = Subject {
        tenant: None,
        noun: "token_key",
        id: key.id,
        label: &key.kid,
    };
    let after = json!({
        "algorithm": key.algorithm,
        "signs_from": web::format::rfc3339(key.signs_from),
        "is_compromised": wanted.is_compromised,
    });
    let change = (subject, Change::created(&after));
    action::audit(tx, authority, Action::RotateTokenKey, change, now).await?;
    Ok(Ok(key))
}

#[derive(Clone, Copy)]
struct Rotation {
    algorithm: SigningAlgorithm,
    is_compromised: bool,
}

async fn show(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    page(&build(&app, &operator, FormErrors::default(), now).await?)
}

async fn build(
    app: &App,
    operator: &Operator,
    errors: FormErrors,
    now: Now,
) -> Result<TokenKeys, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let keys = list(&operator.authority, &mut tx, now).await?;
    tx.commit().await?;
    let rows = keys.iter().rev().map(|key| {
        let signs = signer(&keys, key.algorithm, now.0).is_some_and(|one| one.id == key.id);
        let state = match (signs, key.signs_from > now.0) {
            (true, _) => Badge::new(Tone::Good, "Signs"),
            (false, true) => Badge::new(Tone::Neutral, "Next"),
            (false, false) => Badge::new(Tone::Neutral, "Replaced"),
        };
        KeyRow {
            kid: key.kid.clone(),
            algorithm: key.algorithm.to_string(),
            state,
            signs_from: moment(key.signs_from, now.0),
            verifies_until: key.verifies_until.map(|at| moment(at, now.0)),
        }
    });
    Ok(TokenKeys {
        keys: rows.collect(),
        jwks: format!("{}/.well-known/jwks.json", app.public_url),
        minutes_before: SHOWN_BEFORE.whole_minutes(),
        may_rotate: operator.authority.may(Action::RotateTokenKey),
        shell: operator.shell(OperatorTab::TokenKeys),
        errors,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RotateForm {
    algorithm: String,
    is_compromised: String,
}

async fn rotate_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<RotateForm>,
) -> Answer {
    let Ok(algorithm) = form.algorithm.parse() else {
        let errors = FormErrors::of("algorithm", "Choose an algorithm.");
        return invalid(&build(&app, &operator, errors, now).await?);
    };
    let wanted = Rotation {
        algorithm,
        is_compromised: form.is_compromised == "on",
    };
    let mut tx = app.db.platform_tx().await?;
    rotate(&operator.authority, &app, &mut tx, wanted, now).await??;
    tx.commit().await?;
    app.token_keys.reload(&app.db, &app.secrets, now).await?;
    let text = format!("A new key for {algorithm} is made.");
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/token-keys")
}

/// A key that tokens are signed with.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenKey)]
struct TokenKeyView {
    kid: String,
    /// `RS256`, `ES256` or `EdDSA`.
    algorithm: String,
    #[serde(with = "time::serde::rfc3339")]
    signs_from: OffsetDateTime,
    /// Null: not replaced yet.
    #[serde(with = "time::serde::rfc3339::option")]
    verifies_until: Option<OffsetDateTime>,
}

impl From<TokenKey> for TokenKeyView {
    fn from(key: TokenKey) -> Self {
        Self {
            algorithm: key.algorithm.to_string(),
            kid: key.kid,
            signs_from: key.signs_from,
            verifies_until: key.verifies_until,
        }
    }
}

/// Which key to replace, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTokenKey {
    /// `RS256`, `ES256` or `EdDSA`.
    algorithm: String,
    /// The one before is no secret any more: nothing that it signed is believed from now on.
    #[serde(default)]
    is_compromised: bool,
}

/// Lists the keys that tokens are signed with or were lately, oldest first.
#[utoipa::path(get, path = "/token-keys", operation_id = "list", tag = "token-keys",
    responses((status = 200, body = Listed<TokenKeyView>)))]
async fn list_json(
    State(app): State<App>,
    caller: Caller,
    now: Now,
) -> Result<Listed<TokenKeyView>, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = list(&caller.authority, &mut tx, now).await?;
    Ok(Listed {
        items: found.into_iter().map(TokenKeyView::from).collect(),
        next_cursor: None,
    })
}

/// Makes the next key of an algorithm. It signs ten minutes later, when everybody can know it.
#[utoipa::path(post, path = "/token-keys", operation_id = "rotate", tag = "token-keys",
    request_body = NewTokenKey, responses((status = 201, body = TokenKeyView)))]
async fn rotate_json(
    State(app): State<App>,
    now: Now,
    creation: Creation<NewTokenKey>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let unknown = |_| FieldError::new("algorithm", "invalid", "Enter RS256, ES256 or EdDSA.");
    let wanted = Rotation {
        algorithm: input
            .algorithm
            .parse()
            .map_err(unknown)
            .map_err(ActionError::from)?,
        is_compromised: input.is_compromised,
    };
    let made = rotate(&caller.authority, &app, work.platform()?, wanted, now).await?;
    let key = made.map_err(|cause| Problem::internal(&cause))?;
    // A key never changes; it is found in the list.
    let place = Made {
        path: "/token-keys".to_owned(),
        edition: 1,
    };
    let answer = work.created(place, &TokenKeyView::from(key)).await?;
    let reloaded = app.token_keys.reload(&app.db, &app.secrets, now).await;
    reloaded.map_err(|cause| Problem::internal(&cause))?;
    Ok(answer)
}
