//! A browser as far as our pages need one: cookies, forms, and headers about where a request comes
//! from.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, header};
use tower::ServiceExt;

const BOUNDARY: &str = "between-the-parts";

pub(crate) struct Browser {
    router: Router,
    cookies: BTreeMap<String, String>,
    /// What the browser says about where its requests come from.
    pub(crate) site: Option<&'static str>,
    /// The languages that it asks for; empty: it says nothing of them.
    pub(crate) accept_language: &'static str,
}

/// What a browser got.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn location(&self) -> &str {
        self.header(header::LOCATION.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The value of the first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    /// What stands between these.
    pub(crate) fn between(&self, start: &str, end: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(start)?;
        rest.split_once(end).map(|(text, _)| text)
    }
}

impl Browser {
    pub(crate) fn new(router: Router) -> Self {
        Self {
            router,
            cookies: BTreeMap::new(),
            site: Some("same-origin"),
            accept_language: "",
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends exactly these fields.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send(Method::POST, path, Body::from(form.finish()))
            .await
    }

    /// Sends a form with a file in its field `logo`.
    pub(crate) async fn upload(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        file: &[u8],
    ) -> Seen {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"logo\"; filename=\"x.png\"\r\n\
             content-type: image/png\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.send_as(&kind, Method::POST, path, Body::from(body))
            .await
    }

    /// Opens the page, fills in its form and sends it, with its hidden token and nonce.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let shown = self.get(path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.body);
        self.fill(&shown, path, fields).await
    }

    /// Sends the form of a page that is shown already.
    pub(crate) async fn fill(&mut self, shown: &Seen, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut kept: Vec<(&str, String)> = Vec::new();
        for hidden in [
            "csrf_token",
            "form_nonce",
            "email",
            "next",
            "is_enabled",
            "edition",
            "ends",
        ] {
            let is_given = fields.iter().any(|(name, _)| *name == hidden);
            if let Some(value) = shown.field(hidden).filter(|value| !value.is_empty())
                && !is_given
            {
                kept.push((hidden, value.replace("&#38;", "&")));
            }
        }
        let hidden = kept.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = fields.iter().copied().chain(hidden).collect();
        self.post(path, &all).await
    }

    /// A form that stands on another page, such as sign-out.
    pub(crate) async fn token(&mut self) -> String {
        let shown = self.get("/login?next=%2Faccount").await;
        let shown = match shown.status {
            303 => self.get("/account").await,
            _ => shown,
        };
        shown.field("csrf_token").expect("a form").to_owned()
    }

    async fn send(&mut self, method: Method, path: &str, body: Body) -> Seen {
        let kind = "application/x-www-form-urlencoded";
        self.send_as(kind, method, path, body).await
    }

    async fn send_as(&mut self, kind: &str, method: Method, path: &str, body: Body) -> Seen {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost:8080")
            .header(header::ACCEPT, "text/html,application/xhtml+xml")
            .header(header::CONTENT_TYPE, kind);
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if !self.accept_language.is_empty() {
            request = request.header(header::ACCEPT_LANGUAGE, self.accept_language);
        }
        if let Some(site) = self.site {
            request = request.header("sec-fetch-site", site);
        }
        let request = request.body(body).expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("the router answers");
        let (parts, body) = response.into_parts();
        self.keep_cookies(&parts.headers);
        let bytes = axum::body::to_bytes(body, 10 << 20).await.expect("a body");
        Seen {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let text = value.to_str().expect("ASCII");
            let pair = text.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a pair");
            if text.contains("Max-Age=0") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
