//! POST: work that takes place once, however often it is asked for with one `Idempotency-Key`.
//! The key is claimed in the transaction of the work, so that both happen or neither does.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use domain::id::TenantId;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot::chunk::sha256;
use store::PlatformTx;
use store::idempotency::{Claim, KeyOf};

use super::answer::{Stop, etag};
use super::caller::Caller;
use super::input;
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::problem::Problem;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const KEY_LENGTH_MAX: usize = 200;
/// On answers that were given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A POST: its caller, its input, and the key under which it happens once.
#[derive(Debug)]
pub(crate) struct Creation<T> {
    pub caller: Caller,
    pub input: T,
    key: Option<String>,
    fingerprint: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<App> for Creation<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        Self::read(request, app, input::BODY_BYTES_MAX, |headers, bytes| {
            if bytes.is_empty() && !headers.contains_key(header::CONTENT_TYPE) {
                // Steps without input, such as suspending a tenant.
                return input::parse(b"{}");
            }
            input::expect_json(headers, &["application/json"])?;
            input::parse(bytes)
        })
        .await
    }
}

impl<T> Creation<T> {
    /// One whose body is larger than others or no JSON object.
    pub(crate) async fn read(
        request: Request,
        app: &App,
        bytes_max: usize,
        parse: impl FnOnce(&HeaderMap, &[u8]) -> Result<T, Problem>,
    ) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        // Before the body: what strangers send is not read.
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let key = idempotency_key(&parts.headers)?;
        let bytes = input::read(body, bytes_max).await?;
        let input = parse(&parts.headers, &bytes)?;
        let mut asked = format!("{} {}\n", parts.method, parts.uri.path()).into_bytes();
        asked.extend_from_slice(&bytes);
        Ok(Self {
            caller,
            input,
            key,
            fingerprint: sha256(&asked),
        })
    }
}

/// The body of steps that need none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=KEY_LENGTH_MAX).contains(&key.len()))
        .map(|key| Some(key.to_owned()))
        .ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "idempotency_key_invalid",
                format!("an idempotency key has 1 to {KEY_LENGTH_MAX} visible ASCII characters"),
            )
        })
}

impl<T> Creation<T> {
    /// Opens the transaction of the work; stops where it was done before. Returns the input too.
    pub(crate) async fn begin(self, app: &App) -> Result<(Work, Caller, T), Stop> {
        let mut tx = Tx::open(app, &self.caller.authority).await?;
        let key = self.key.map(|key| Key {
            principal: self.caller.token.to_string(),
            tenant: self.caller.tenant,
            key,
        });
        if let Some(key) = &key {
            match store::idempotency::claim(&mut tx, key.of(), &self.fingerprint).await? {
                Claim::New => {}
                Claim::OtherRequest => return Err(reused().into()),
                Claim::Done { status, body } => {
                    let request = self.caller.authority.request_id.clone();
                    return Err(Stop::Replay(Box::new(replay(status, &body, request)?)));
                }
            }
        }
        Ok((Work { tx, key }, self.caller, self.input))
    }
}

fn reused() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "idempotency_key_reused",
        "this idempotency key was used for another request; use a new one for each",
    )
}

#[derive(Debug)]
struct Key {
    principal: String,
    tenant: Option<TenantId>,
    key: String,
}

impl Key {
    fn of(&self) -> KeyOf<'_> {
        KeyOf {
            principal: &self.principal,
            tenant_id: self.tenant,
            key: &self.key,
        }
    }
}

/// What is kept of an answer for those who ask again.
#[derive(Serialize, Deserialize)]
struct Kept {
    location: Option<String>,
    etag: Option<String>,
    body: Value,
}

/// The transaction of a creation. Dropping it undoes everything, the claim of the key too.
pub(crate) struct Work {
    pub tx: Tx,
    key: Option<Key>,
}

/// Where the thing that was made is found.
pub(crate) struct Made {
    /// A path below `/api/v1`.
    pub path: String,
    pub edition: i32,
}

impl Work {
    /// For actions on the platform, whose callers never belong to a tenant alone.
    pub(crate) fn platform(&mut self) -> Result<&mut PlatformTx, ActionError> {
        self.tx.platform()
    }

    /// 201 with the thing that was made.
    pub(crate) async fn created(
        self,
        made: Made,
        resource: &impl Serialize,
    ) -> Result<Response, Stop> {
        let kept = kept(&made, to_value(resource)?);
        self.keep(201, &kept).await?;
        answer(StatusCode::CREATED, kept)
    }

    /// As [`Work::created`], for answers that carry a secret: it is shown this once. Who asks
    /// again is told the id.
    pub(crate) async fn created_secret(
        self,
        made: Made,
        id: &str,
        resource: &impl Serialize,
    ) -> Result<Response, Stop> {
        self.keep_instead_of_secret(id).await?;
        answer(StatusCode::CREATED, kept(&made, to_value(resource)?))
    }

    /// 200, for steps on things that are there, such as suspending a tenant.
    pub(crate) async fn done(
        self,
        edition: i32,
        resource: &impl Serialize,
    ) -> Result<Response, Stop> {
        let kept = Kept {
            location: None,
            etag: Some(etag(edition)),
            body: to_value(resource)?,
        };
        self.keep(200, &kept).await?;
        answer(StatusCode::OK, kept)
    }

    /// As [`Work::done`], for answers that carry a secret.
    pub(crate) async fn done_secret(
        self,
        edition: i32,
        id: &str,
        resource: &impl Serialize,
    ) -> Result<Response, Stop> {
        self.keep_instead_of_secret(id).await?;
        let kept = Kept {
            location: None,
            etag: Some(etag(edition)),
            body: to_value(resource)?,
        };
        answer(StatusCode::OK, kept)
    }

    async fn keep_instead_of_secret(self, id: &str) -> Result<(), Stop> {
        let told = Kept {
            location: None,
            etag: None,
            body: Value::from(id),
        };
        self.keep(409, &told).await
    }

    async fn keep(mut self, status: u16, kept: &Kept) -> Result<(), Stop> {
        if let Some(key) = &self.key {
            let bytes = serde_json::to_vec(kept).map_err(|cause| Problem::internal(&cause))?;
            store::idempotency::finish(&mut self.tx, key.of(), status, &bytes).await?;
        }
        Ok(self.tx.commit().await?)
    }
}

fn kept(made: &Made, body: Value) -> Kept {
    Kept {
        location: Some(format!("{}{}", super::PREFIX, made.path)),
        etag: Some(etag(made.edition)),
        body,
    }
}

fn to_value(resource: &impl Serialize) -> Result<Value, Stop> {
    serde_json::to_value(resource).map_err(|cause| Problem::internal(&cause).into())
}

fn answer(status: StatusCode, kept: Kept) -> Result<Response, Stop> {
    let mut response = (status, Json(kept.body)).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::LOCATION, kept.location),
        (header::ETAG, kept.etag),
        (header::CACHE_CONTROL, Some("no-store".to_owned())),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

fn replay(status: u16, body: &[u8], request: Option<String>) -> Result<Response, Stop> {
    let kept: Kept = serde_json::from_slice(body).map_err(|cause| Problem::internal(&cause))?;
    let mut response = if status == 409 {
        let id = kept.body.as_str().unwrap_or_default();
        let mut problem = Problem::new(
            StatusCode::CONFLICT,
            "secret_already_shown",
            format!("{id} was made by the first call with this key; its secret is shown only once"),
        );
        problem.id = Some(id.to_owned());
        problem.request_id = request;
        problem.into_response()
    } else {
        answer(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), kept)?
    };
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
