//! Forms that only our own pages can send: the browser says that the request comes from here, and
//! the form carries a token that belongs to the visitor's cookie and to who is signed in.
//!
//! The token is a MAC over a random cookie, so that showing a form to a stranger writes nothing.

use aws_lc_rs::hmac;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, StatusCode, header};
use tower_sessions::Session;
use web::layout::Way;

use super::Failure;
use super::session::{self, cookie_name, is_https};
use super::way;
use crate::app::App;
use crate::branding::UPLOAD_BYTES_MAX;
use crate::problem::Problem;
use crate::random;
use crate::secret_box::SecretBox;

/// No form of ours is larger.
const FORM_BYTES_MAX: usize = 256 << 10;
/// But for the one that people are imported with: 2 MiB of text, encoded.
pub(crate) const IMPORT_FORM_BYTES_MAX: usize = 6 << 20;
const IMPORT_PATH: &str = "/admin/users/import";
/// And for those with a file, of people who are signed in: the file and the fields around it.
pub(crate) const UPLOAD_FORM_BYTES_MAX: usize = UPLOAD_BYTES_MAX + (16 << 10);

/// The key of form tokens, one for all control planes of a deployment.
#[derive(Clone)]
pub struct FormKey(hmac::Key);

impl FormKey {
    pub fn new(secrets: &SecretBox) -> Self {
        let key = secrets.derive("form tokens v1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    fn token(&self, cookie: &str, signed_in: &str) -> String {
        let tag = hmac::sign(&self.0, &message(cookie, signed_in));
        URL_SAFE_NO_PAD.encode(tag.as_ref())
    }

    /// In constant time.
    fn is_right(&self, token: &str, cookie: &str, signed_in: &str) -> bool {
        URL_SAFE_NO_PAD
            .decode(token)
            .is_ok_and(|tag| hmac::verify(&self.0, &message(cookie, signed_in), &tag).is_ok())
    }
}

fn message(cookie: &str, signed_in: &str) -> Vec<u8> {
    [cookie.as_bytes(), b"\n", signed_in.as_bytes()].concat()
}

/// The token for the forms of this request's page.
#[derive(Clone)]
pub(super) struct FormToken(pub String);

/// Around every page: lets changes through only from our own forms.
pub(super) async fn protect(State(app): State<App>, request: Request, next: Next) -> Response {
    match guarded(&app, request).await {
        Err(failure) => failure.into_response(),
        Ok((request, fresh)) => {
            let way = request.extensions().get::<Way>().cloned();
            let path = request.uri().path().to_owned();
            let mut response = next.run(request).await;
            if let Some(way) = way {
                way::tell(&way, &path, &mut response);
                // For a problem's page.
                response.extensions_mut().insert(way);
            }
            match fresh {
                None => response,
                Some(fresh) => (fresh, response).into_response(),
            }
        }
    }
}

/// The request with its token, and the cookie to set if it had none.
async fn guarded(app: &App, request: Request) -> Result<(Request, Option<CookieJar>), Failure> {
    let (mut parts, mut body) = request.into_parts();
    let name = cookie_name(&app.public_url, "tollgate_form");
    let jar = CookieJar::from_headers(&parts.headers);
    let known = jar.get(&name).map(|cookie| cookie.value().to_owned());
    let session = parts.extensions.get::<Session>().cloned();
    let signed_in = match &session {
        Some(session) => session::holder(session).await?,
        None => None,
    };
    let mut signed_in = signed_in.map_or(String::new(), |holder| holder.user.to_string());
    let mut form = Bytes::new();
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        check_origin(&parts.headers, &app.public_url)?;
        let is_multipart = is_multipart(&parts.headers);
        let bytes_max = match parts.uri.path() {
            _ if signed_in.is_empty() => FORM_BYTES_MAX,
            IMPORT_PATH => IMPORT_FORM_BYTES_MAX,
            _ if is_multipart => UPLOAD_FORM_BYTES_MAX,
            _ => FORM_BYTES_MAX,
        };
        let bytes = read(body, bytes_max).await?;
        // Forms may come slowly: what ended meanwhile does nothing any more.
        if let Some(session) = &session {
            session.load().await?;
            let holder = session::holder(session).await?;
            signed_in = holder.map_or(String::new(), |holder| holder.user.to_string());
        }
        let sent = match is_multipart {
            true => multipart_token(&parts.headers, &bytes).await,
            false => form_urlencoded::parse(&bytes)
                .find(|(field, _)| field == "csrf_token")
                .map(|(_, token)| token.into_owned()),
        };
        let is_ours = match (&known, &sent) {
            (Some(cookie), Some(token)) => app.form_key.is_right(token, cookie, &signed_in),
            _ => false,
        };
        if !is_ours {
            return Err(foreign().into());
        }
        if !is_multipart {
            form = bytes.clone();
        }
        body = Body::from(bytes);
    }
    let (cookie, fresh) = match known {
        Some(cookie) => (cookie, None),
        None => {
            let value = URL_SAFE_NO_PAD.encode(random::bytes::<16>());
            let cookie = Cookie::build((name, value.clone()))
                .path("/")
                .http_only(true)
                .same_site(SameSite::Lax)
                .secure(is_https(&app.public_url));
            (value, Some(CookieJar::new().add(cookie)))
        }
    };
    let token = FormToken(app.form_key.token(&cookie, &signed_in));
    parts.extensions.insert(token);
    let (way, reader, led_by) = way::read(app, &parts, &form);
    parts.extensions.insert(way);
    if let Some(led_by) = led_by {
        parts.extensions.insert(led_by);
    }
    parts.extensions.insert(reader);
    Ok((Request::from_parts(parts, body), fresh))
}

/// Whatever else a body calls itself is read as the fields of a form.
fn is_multipart(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| {
            kind.trim_start()
                .to_ascii_lowercase()
                .starts_with("multipart/form-data")
        })
}

/// The token of a form with a file; it stands before the file.
async fn multipart_token(headers: &HeaderMap, bytes: &Bytes) -> Option<String> {
    let mut request = Request::new(Body::from(bytes.clone()));
    *request.headers_mut() = headers.clone();
    DefaultBodyLimit::max(UPLOAD_FORM_BYTES_MAX).apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    while let Some(field) = form.next_field().await.ok()? {
        if field.name() == Some("csrf_token") {
            return field.text().await.ok();
        }
    }
    None
}

async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        let detail = "the form is larger than any of ours";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "form_too_large", detail).into()
    })
}

/// Fetch Metadata where the browser sends it; otherwise the Origin header (RFC 6454).
fn check_origin(headers: &HeaderMap, public_url: &str) -> Result<(), Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // `none`: the person's own doing, such as reloading the answer to a form.
    if let Some(site) = text("sec-fetch-site") {
        return match site {
            "same-origin" | "none" => Ok(()),
            _ => Err(foreign().into()),
        };
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        return Err(foreign().into());
    };
    let host = text(header::HOST.as_str());
    let is_host = origin
        .split_once("://")
        .is_some_and(|(_, authority)| Some(authority) == host);
    if is_host || origin == public_url {
        return Ok(());
    }
    Err(foreign().into())
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "form_expired",
        "this form is out of date or was sent from another site; nothing was changed",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::secret_box::SecretKey;

    #[test]
    fn a_form_token_fits_its_cookie_and_its_person_only() {
        let key = FormKey::new(&SecretBox::new(&SecretKey::generate()));
        let token = key.token("cookie", "usr_1");
        assert!(key.is_right(&token, "cookie", "usr_1"));
        assert!(!key.is_right(&token, "other", "usr_1"));
        assert!(!key.is_right(&token, "cookie", ""));
        assert!(!key.is_right("", "cookie", "usr_1"));
        let other = FormKey::new(&SecretBox::new(&SecretKey::generate()));
        assert!(!other.is_right(&token, "cookie", "usr_1"));
    }

    #[test]
    fn forms_come_from_our_own_pages() {
        for (site, origin, is_ours) in [
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (Some("cross-site"), Some("http://localhost:8080"), false),
            (Some("same-site"), None, false),
            (None, Some("http://localhost:8080"), true),
            (None, Some("http://127.0.0.1:8080"), true),
            (None, Some("http://localhost:9999"), false),
            (None, Some("null"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:8080"));
            if let Some(site) = site {
                headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert("origin", HeaderValue::from_static(origin));
            }
            let found = check_origin(&headers, "http://localhost:8080").is_ok();
            assert_eq!(found, is_ours, "{site:?} {origin:?}");
        }
    }
}
