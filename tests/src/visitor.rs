//! A browser without scripts: cookies, forms with their hidden fields, redirects one by one.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode, header};
use tollgate::report::UpReport;

/// The start of a form's element up to its address.
const FORM: &str = "<form method=\"post\" action=\"";

/// Somebody who uses the pages of one control plane.
pub struct Visitor {
    http: reqwest::Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

/// What a visitor got.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    /// Path of a redirect, empty without one.
    pub location: String,
    pub body: String,
}

/// What is typed to sign up.
#[derive(Debug, Clone, Copy)]
pub struct NewTenant<'a> {
    pub name: &'a str,
    pub email: &'a str,
    pub password: &'a str,
}

impl Seen {
    /// What stands between these for the first time.
    pub fn between(&self, start: &str, end: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(start)?;
        rest.split_once(end).map(|(text, _)| text)
    }

    /// A value that is shown to be copied.
    pub fn copyable(&self, id: &str) -> &str {
        let start = format!("<pre id=\"{id}\" tabindex=\"0\"><code>");
        self.between(&start, "</code>")
            .unwrap_or_else(|| panic!("no {id}: {} {}", self.status, self.body))
    }

    /// The hidden fields of the form that is sent to this address.
    fn hidden_fields(&self, action: &str) -> Vec<(String, String)> {
        let form = self
            .between(&format!("{FORM}{action}\""), "</form>")
            .unwrap_or_else(|| panic!("no form for {action}: {} {}", self.status, self.body));
        form.split("<input type=\"hidden\" name=\"")
            .skip(1)
            .filter_map(|input| {
                let (name, rest) = input.split_once("\" value=\"")?;
                let (value, _) = rest.split_once('"')?;
                Some((name.to_owned(), unescaped(value)))
            })
            .collect()
    }
}

/// An attribute's text, as a browser reads it.
pub fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'");
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#38;", "&")
}

impl Visitor {
    pub fn new(report: &UpReport) -> Self {
        Self::at(&report.control_plane)
    }

    /// Somebody at the control plane with this address.
    pub fn at(control_plane: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self {
            http,
            base: control_plane.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// The operator of a stack, signed in.
    pub async fn operator(report: &UpReport) -> Self {
        let mut operator = Self::new(report);
        operator
            .sign_in(&report.admin.email, &report.admin.password)
            .await;
        operator
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) {
        let fields = [("email", email), ("password", password)];
        let answer = self.submit("/login", "/login", &fields).await;
        assert_eq!(answer.location, "/console", "{answer:?}");
    }

    pub async fn get(&mut self, path: &str) -> Seen {
        self.send(self.http.get(format!("{}{path}", self.base)))
            .await
    }

    /// Sends exactly these fields.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let request = self
            .http
            .request(Method::POST, format!("{}{path}", self.base))
            .header(header::ORIGIN, &self.base)
            .form(fields);
        self.send(request).await
    }

    /// Opens a page, fills in its form for `action` and sends it.
    pub async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Seen {
        let shown = self.get(page).await;
        assert_eq!(shown.status, StatusCode::OK, "{page}: {}", shown.body);
        let hidden = shown.hidden_fields(action);
        let mut all = fields.to_vec();
        all.extend(hidden.iter().map(|(name, value)| (&**name, &**value)));
        self.post(action, &all).await
    }

    /// The token that this visitor's forms carry.
    pub async fn form_token(&mut self) -> String {
        let mut shown = self.get("/login").await;
        if shown.status.is_redirection() {
            shown = self.get("/account").await;
        }
        let token = shown.between("name=\"csrf_token\" value=\"", "\"");
        token.expect("a form").to_owned()
    }

    /// Signs up, with the code that an operator finds in the outbox; returns the tenant's id.
    pub async fn sign_up(&mut self, operator: &mut Self, new: NewTenant<'_>) -> String {
        let fields = [
            ("tenant_name", new.name),
            ("email", new.email),
            ("password", new.password),
        ];
        let answer = self.submit("/signup", "/signup", &fields).await;
        assert_eq!(answer.location, "/signup/confirm", "{answer:?}");
        let code = operator.mailed_code(new.email).await;
        let code = [("code", code.as_str())];
        let confirmed = self
            .submit("/signup/confirm", "/signup/confirm", &code)
            .await;
        let tenant = confirmed.location.strip_prefix("/t/");
        tenant
            .unwrap_or_else(|| panic!("not confirmed: {confirmed:?}"))
            .to_owned()
    }

    /// As an operator: the latest code that was mailed to this address.
    pub async fn mailed_code(&mut self, email: &str) -> String {
        let outbox = self.get("/admin/outbox").await;
        let mail = outbox
            .between(&format!("To {email}</p>"), "</li>")
            .unwrap_or_else(|| panic!("no mail to {email}: {outbox:?}"));
        let line = mail.lines().find(|line| line.starts_with("    "));
        line.expect("a mail with a code").trim().to_owned()
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Seen {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ACCEPT, "text/html,application/xhtml+xml")
            .send()
            .await
            .expect("the control plane answers");
        for value in answer.headers().get_all(header::SET_COOKIE) {
            self.keep(value.to_str().expect("ASCII"));
        }
        let location = answer.headers().get(header::LOCATION);
        Seen {
            status: answer.status(),
            location: location
                .map(|path| path.to_str().expect("ASCII").to_owned())
                .unwrap_or_default(),
            body: answer.text().await.expect("text"),
        }
    }

    fn keep(&mut self, cookie: &str) {
        let pair = cookie.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a pair");
        if cookie.contains("Max-Age=0") || value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
