//! How people sign in, by what they see and do: with a second step, with a passkey, to an
//! application of somebody else, for one of several tenants.

use domain::authenticator::AuthenticatorSecret;
use e2e::browser::Browser;
use e2e::stack::Stack;
use e2e::visitor::{NewTenant, Visitor, unescaped};
use reqwest::StatusCode;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::PLANE;

const EMAIL: &str = "grace@contoso.example";
const PASSWORD: &str = "a sentence that nobody guesses";

async fn mailed_code(stack: &Stack, email: &str) -> String {
    let mut operator = Visitor::operator(&stack.report).await;
    operator.mailed_code(email).await
}

async fn sign_out(browser: &Browser) {
    browser.click("summary[aria-label^='Account of']").await;
    browser.press("Sign out").await;
    assert_eq!(browser.path().await, "/");
}

/// What an authenticator shows after somebody typed this key into it.
struct Phone(AuthenticatorSecret);

impl Phone {
    fn with(key: &str) -> Self {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bits = String::new();
        for letter in key.chars().filter(|c| !c.is_whitespace()) {
            let value = letters.find(letter).expect("base 32");
            bits.push_str(&format!("{value:05b}"));
        }
        let bytes: Vec<u8> = (0..20)
            .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap())
            .collect();
        Self(AuthenticatorSecret::from_bytes(bytes.try_into().unwrap()))
    }

    fn code(&self, steps: i32) -> String {
        let now = OffsetDateTime::now_utc();
        self.0.code_at(now + time::Duration::seconds(30) * steps)
    }
}

#[tokio::test]
async fn a_person_signs_up_and_adds_a_second_step() {
    let stack = Stack::start(PLANE, &[]).await;
    let console = stack.report.control_plane.clone();
    let browser = Browser::start().await;
    browser.open(&format!("{console}/signup")).await;
    browser.fill("tenant_name", "Contoso").await;
    browser.fill("email", EMAIL).await;
    browser.fill("password", PASSWORD).await;
    browser.press("Sign up").await;
    browser
        .fill("code", &mailed_code(&stack, EMAIL).await)
        .await;
    browser.press("Confirm").await;
    let home = browser.path().await;
    assert!(home.starts_with("/t/ten_"), "{home}");

    browser.open(&format!("{console}/account")).await;
    browser.press("Set up").await;
    let phone = Phone::with(&browser.text("#authenticator-secret").await);
    browser.fill("code", &phone.code(0)).await;
    browser.press("Turn on").await;
    let codes = browser.text("#recovery-codes").await;
    let codes: Vec<&str> = codes.split_whitespace().collect();
    assert_eq!(codes.len(), 10);
    browser.follow("I have kept them").await;
    browser.open(&format!("{console}{home}")).await;
    sign_out(&browser).await;

    for (is_recovery, code) in [(false, phone.code(1)), (true, codes[0].to_owned())] {
        browser.open(&format!("{console}{home}")).await;
        browser.fill("email", EMAIL).await;
        browser.fill("password", PASSWORD).await;
        browser.press("Sign in").await;
        assert_eq!(browser.path().await, "/login/code");
        if is_recovery {
            browser.follow("Use a recovery code").await;
        }
        browser.fill("code", &code).await;
        browser.press("Sign in").await;
        assert_eq!(browser.path().await, home);
        sign_out(&browser).await;
    }
    browser.close().await;
}

#[tokio::test]
async fn a_person_signs_up_with_a_passkey_and_needs_nothing_else() {
    let stack = Stack::start(PLANE, &[]).await;
    let console = stack.report.control_plane.clone();
    let browser = Browser::start().await;
    browser.open(&format!("{console}/signup")).await;
    browser.have_authenticator().await;
    browser.fill("tenant_name", "Contoso").await;
    browser.fill("email", EMAIL).await;
    browser.press("Sign up with a passkey instead").await;
    browser
        .fill("code", &mailed_code(&stack, EMAIL).await)
        .await;
    browser.press("Confirm").await;
    assert_eq!(browser.path().await, "/account/passkeys/new");
    browser.fill("name", "Phone of Grace").await;
    browser.press("Make passkey").await;
    let home = browser.path().await;
    assert!(home.starts_with("/t/ten_"), "{home}");
    sign_out(&browser).await;

    // The browser offers the passkey by itself where it knows one; the button works anywhere.
    browser.open(&format!("{console}/login?next={home}")).await;
    browser
        .press_or_arrive("Sign in with a passkey", &home)
        .await;
    assert_eq!(browser.path().await, home);
    browser.open(&format!("{console}/account")).await;
    let account = browser.text("main").await;
    assert!(account.contains("Phone of Grace") && account.contains("no password"));
    // The last way in stays.
    browser.follow("Remove… Phone of Grace").await;
    browser.press("Remove passkey").await;
    assert!(browser.text("[role=alert]").await.contains("only way in"));
    browser.close().await;
}

/// An application that shows where it was called back.
async fn serve_callbacks() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\
                Connection: close\r\n\r\n<h1>Application</h1>";
            let _ = stream.write_all(page.as_bytes()).await;
        }
    });
    port
}

struct Operator {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Operator {
    fn of(stack: &Stack) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("{}/api/v1", stack.report.control_plane),
            token: stack.report.admin.api_token.clone(),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.base));
        let answer = request.bearer_auth(&self.token).json(&body).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{path}");
        answer.json().await.unwrap()
    }
}

fn query(url: &str, name: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(other, _)| other == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn a_person_of_two_tenants_allows_an_application_and_switches() {
    let stack = Stack::start(PLANE, &[]).await;
    let console = stack.report.control_plane.clone();
    let operator = Operator::of(&stack);
    let mut at_outbox = Visitor::operator(&stack.report).await;
    let new = NewTenant {
        name: "Contoso",
        email: EMAIL,
        password: PASSWORD,
    };
    let own = Visitor::new(&stack.report)
        .sign_up(&mut at_outbox, new)
        .await;
    let demo = stack.report.demo.as_ref().unwrap().tenant_id.clone();
    let invitation = json!({ "email": EMAIL, "role": "developer" });
    operator
        .post(&format!("/tenants/{demo}/invitations"), invitation)
        .await;
    let port = serve_callbacks().await;
    let callback = format!("http://127.0.0.1:{port}/callback");
    // Of a tenant that the person does not belong to.
    let publisher = operator
        .post("/tenants", json!({ "name": "Fabrikam" }))
        .await;
    let path = format!(
        "/tenants/{}/oauth-clients",
        publisher["id"].as_str().unwrap()
    );
    let client = json!({
        "name": "Route planner",
        "kind": "public",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "logout_uris": ["http://127.0.0.1/goodbye"],
        "serves": "any_tenant",
    });
    let client = operator.post(&path, client).await;
    let client = client["id"].as_str().unwrap().to_owned();

    let browser = Browser::start().await;
    let outbox = at_outbox.get("/admin/outbox").await;
    let link = outbox.between("/invitations/", "\n").unwrap();
    let link = unescaped(link.split_whitespace().next().unwrap());
    browser
        .open(&format!("{console}/login?next=/invitations/{link}"))
        .await;
    browser.fill("email", EMAIL).await;
    browser.fill("password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.press("Join Demo tenant").await;
    assert_eq!(browser.path().await, format!("/t/{demo}"));
    sign_out(&browser).await;

    let start = format!(
        "{console}/oauth2/authorize?response_type=code&client_id={client}&redirect_uri={callback}\
         &scope=openid%20profile&state=xyz&nonce=n&code_challenge={CHALLENGE}\
         &code_challenge_method=S256"
    );
    let http = reqwest::Client::new();
    for (at, tenant) in [&own, &demo].into_iter().enumerate() {
        browser.open(&start).await;
        if at == 0 {
            assert_eq!(browser.path().await, "/login");
            browser.fill("email", EMAIL).await;
            browser.fill("password", PASSWORD).await;
            browser.press("Sign in").await;
            browser.arrive("/oauth2/authorize").await;
        }
        let question = browser.text("main").await;
        assert!(question.contains("Route planner") && question.contains("Fabrikam"));
        browser.click(&format!("input[value='{tenant}']")).await;
        browser.press("Allow").await;
        browser.arrive("/callback").await;
        let url = browser.url().await;
        assert_eq!(query(&url, "state"), "xyz");
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &client),
            ("redirect_uri", &callback),
            ("code", &query(&url, "code")),
            ("code_verifier", VERIFIER),
        ];
        let answer = http
            .post(format!("{console}/oauth2/token"))
            .form(&form)
            .send()
            .await;
        let tokens: Value = answer.unwrap().json().await.unwrap();
        let access = tokens["access_token"].as_str().expect("a token");
        let info = http
            .get(format!("{console}/oauth2/userInfo"))
            .bearer_auth(access);
        let info: Value = info.send().await.unwrap().json().await.unwrap();
        assert_eq!(&info["tenant_id"], tenant.as_str(), "{info}");
    }

    let goodbye = format!("http://127.0.0.1:{port}/goodbye");
    let logout = format!("{console}/logout?client_id={client}&logout_uri={goodbye}");
    browser.open(&logout).await;
    browser.arrive("/goodbye").await;
    browser.open(&start).await;
    assert_eq!(browser.path().await, "/login");
    browser.close().await;
}
