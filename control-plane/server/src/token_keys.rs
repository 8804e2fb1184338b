//! Keys that tokens are signed with or encrypted to: seen and replaced by operators.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::FieldError;
use domain::encryption_key::{self, EncryptionKey};
use domain::permission::Action;
use domain::token_key::{SHOWN_BEFORE, SigningAlgorithm, TokenKey, signer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::PlatformTx;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use web::format::moment;
use web::forms::FormErrors;
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::token_keys::{KeyRow, TokenKeys};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::json::{self, Caller, Creation, Listed, Made, Stop};
use crate::oauth::encryption;
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

/// A key of either kind, as it is shown.
struct AnyKey {
    id: Uuid,
    kid: String,
    algorithm: &'static str,
    used_from: OffsetDateTime,
    known_until: Option<OffsetDateTime>,
    standing: Standing,
}

/// What a key is there for at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Signs,
    Encrypts,
    Next,
    Replaced,
}

impl AnyKey {
    fn signing(key: TokenKey, all: &[TokenKey], now: Now) -> Self {
        let is_in_use = signer(all, key.algorithm, now.0).is_some_and(|one| one.id == key.id);
        Self {
            id: key.id,
            algorithm: key.algorithm.as_str(),
            used_from: key.signs_from,
            known_until: key.verifies_until,
            standing: match is_in_use {
                true => Standing::Signs,
                false if key.signs_from > now.0 => Standing::Next,
                false => Standing::Replaced,
            },
            kid: key.kid,
        }
    }

    fn encryption(key: EncryptionKey, all: &[EncryptionKey], now: Now) -> Self {
        let is_in_use = encryption_key::current(all, now.0).is_some_and(|one| one.id == key.id);
        Self {
            id: key.id,
            algorithm: encryption_key::ALGORITHM,
            used_from: key.encrypts_from,
            known_until: key.opens_until,
            standing: match is_in_use {
                true => Standing::Encrypts,
                false if key.encrypts_from > now.0 => Standing::Next,
                false => Standing::Replaced,
            },
            kid: key.kid,
        }
    }
}

/// Keys that verify or open tokens at this instant: those that sign, then those that encrypt, each
/// oldest first.
async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    now: Now,
) -> Result<Vec<AnyKey>, ActionError> {
    authority.require(Action::ListTokenKeys)?;
    let signing = store::token_keys::list_live(tx, now.0).await?;
    let encryption = store::encryption_keys::list_live(tx, now.0).await?;
    let signing_keys = signing.iter().cloned();
    let signing_keys = signing_keys.map(|key| AnyKey::signing(key, &signing, now));
    let others = encryption.iter().cloned();
    let others = others.map(|key| AnyKey::encryption(key, &encryption, now));
    Ok(signing_keys.chain(others).collect())
}

/// Makes the next key of an algorithm. Where the one before is no secret any more, the next one
/// signs at once and nothing that the one before signed is believed; one that encrypts takes over as
/// soon as nodes can have it, and what was encrypted to the one before stays good.
async fn rotate(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    wanted: Rotation,
    now: Now,
) -> Result<AnyKey, ActionError> {
    authority.require(Action::RotateTokenKey)?;
    store::token_keys::lock(tx).await?;
    let secrets = &app.secrets;
    let key = match (wanted.of, wanted.is_compromised) {
        (KeyOf::Signing(algorithm), false) => {
            let key = keys::rotate(tx, algorithm, secrets, now).await?;
            AnyKey::signing(key, &[], now)
        }
        (KeyOf::Signing(algorithm), true) => {
            let key = keys::replace_at_once(tx, algorithm, secrets, now).await?;
            AnyKey::signing(key, &[], now)
        }
        (KeyOf::Encryption, false) => {
            AnyKey::encryption(encryption::rotate(tx, secrets, now).await?, &[], now)
        }
        (KeyOf::Encryption, true) => AnyKey::encryption(
            encryption::rotate_in_haste(tx, secrets, now).await?,
            &[],
            now,
        ),
    };
    let subject = Subject {
        tenant: None,
        noun: "token_key",
        id: key.id,
        label: &key.kid,
    };
    let after = json!({
        "algorithm": key.algorithm,
        "signs_from": web::format::rfc3339(key.used_from),
        "is_compromised": wanted.is_compromised,
    });
    let change = (subject, Change::created(&after));
    action::audit(tx, authority, Action::RotateTokenKey, change, now).await?;
    Ok(key)
}

#[derive(Clone, Copy)]
struct Rotation {
    of: KeyOf,
    is_compromised: bool,
}

/// Which key is replaced.
#[derive(Clone, Copy)]
enum KeyOf {
    Signing(SigningAlgorithm),
    Encryption,
}

impl KeyOf {
    fn parse(algorithm: &str) -> Option<Self> {
        match algorithm {
            encryption_key::ALGORITHM => Some(KeyOf::Encryption),
            signing => signing.parse().ok().map(KeyOf::Signing),
        }
    }
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
    let rows = keys.iter().rev().map(|key| KeyRow {
        kid: key.kid.clone(),
        algorithm: key.algorithm.to_owned(),
        state: match key.standing {
            Standing::Signs => Badge::new(Tone::Good, "Signs"),
            Standing::Encrypts => Badge::new(Tone::Good, "Encrypts"),
            Standing::Next => Badge::new(Tone::Neutral, "Next"),
            Standing::Replaced => Badge::new(Tone::Neutral, "Replaced"),
        },
        signs_from: moment(key.used_from, now.0),
        verifies_until: key.known_until.map(|at| moment(at, now.0)),
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
    let Some(of) = KeyOf::parse(&form.algorithm) else {
        let errors = FormErrors::of("algorithm", "Choose an algorithm.");
        return invalid(&build(&app, &operator, errors, now).await?);
    };
    let wanted = Rotation {
        of,
        is_compromised: form.is_compromised == "on",
    };
    let mut tx = app.db.platform_tx().await?;
    let key = rotate(&operator.authority, &app, &mut tx, wanted, now).await?;
    tx.commit().await?;
    app.token_keys.reload(&app.db, &app.secrets, now).await?;
    let text = format!("A new key for {} is made.", key.algorithm);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/token-keys")
}

/// A key that tokens are signed with or encrypted to.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenKey)]
struct TokenKeyView {
    kid: String,
    /// `RS256`, `ES256` or `EdDSA`; `ECDH-ES`: access tokens are encrypted to it.
    algorithm: String,
    /// Since when it signs, or tokens are encrypted to it.
    #[serde(with = "time::serde::rfc3339")]
    signs_from: OffsetDateTime,
    /// Until when tokens are verified with it, or opened. Null: not replaced yet.
    #[serde(with = "time::serde::rfc3339::option")]
    verifies_until: Option<OffsetDateTime>,
}

impl From<AnyKey> for TokenKeyView {
    fn from(key: AnyKey) -> Self {
        Self {
            algorithm: key.algorithm.to_owned(),
            kid: key.kid,
            signs_from: key.used_from,
            verifies_until: key.known_until,
        }
    }
}

/// Which key to replace, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTokenKey {
    /// `RS256`, `ES256`, `EdDSA` or `ECDH-ES`.
    algorithm: String,
    /// The one before is no secret any more: nothing that it signed is believed from now on. For
    /// `ECDH-ES`, the next one is used in a minute, and tokens that are out stay good.
    #[serde(default)]
    is_compromised: bool,
}

/// Lists the keys that tokens are signed with or encrypted to, or were lately, oldest first.
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

/// Makes the next key of an algorithm. It is used ten minutes later, when everybody can know it.
#[utoipa::path(post, path = "/token-keys", operation_id = "rotate", tag = "token-keys",
    request_body = NewTokenKey, responses((status = 201, body = TokenKeyView)))]
async fn rotate_json(
    State(app): State<App>,
    now: Now,
    creation: Creation<NewTokenKey>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let unknown = || {
        let message = "Enter RS256, ES256, EdDSA or ECDH-ES.";
        ActionError::from(FieldError::new("algorithm", "invalid", message))
    };
    let wanted = Rotation {
        of: KeyOf::parse(&input.algorithm).ok_or_else(unknown)?,
        is_compromised: input.is_compromised,
    };
    let key = rotate(&caller.authority, &app, work.platform()?, wanted, now).await?;
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
