//! Two control planes on one database: whichever of them answers, nothing is lost and nothing
//! counts twice. The load balancer gives each request to the other one than the request before.

use std::time::Instant;

use e2e::pair::Pair;
use e2e::visitor::{Visitor, unescaped};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::CALLBACK;
use super::node::{CHALLENGE, VERIFIER};
use crate::PLANE;

const PASSWORD: &str = "a sentence that nobody guesses";

/// A tenant's owner in a browser, signed up with a code that came by mail.
async fn sign_up(pair: &Pair, email: &str) -> (Visitor, String) {
    let mut visitor = Visitor::at(pair.url());
    let fields = [
        ("tenant_name", email),
        ("email", email),
        ("password", PASSWORD),
    ];
    let asked = visitor.submit("/signup", "/signup", &fields).await;
    assert_eq!(asked.location, "/signup/confirm", "{asked:?}");
    let code = pair.mailbox.code(email, 1).await;
    let confirm = "/signup/confirm";
    let confirmed = visitor.submit(confirm, confirm, &[("code", &code)]).await;
    let tenant = confirmed.location.strip_prefix("/t/");
    let tenant = tenant.unwrap_or_else(|| panic!("not confirmed: {confirmed:?}"));
    (visitor, tenant.to_owned())
}

/// An application with everything that one can do; its id and secret.
async fn register(owner: &mut Visitor, tenant: &str) -> (String, String) {
    let page = format!("/t/{tenant}/oauth-clients/new");
    let fields = [
        ("name", "Orders"),
        ("kind", "confidential"),
        ("serves", "any_tenant"),
        ("sign_up", "nobody"),
        ("grants", "authorization_code"),
        ("grants", "refresh_token"),
        ("grants", "client_credentials"),
        ("redirect_uris", CALLBACK),
        ("logout_uris", CALLBACK),
        ("requires_pkce", "on"),
        ("signing_algorithm", "RS256"),
        ("access_token_seconds", "3600"),
        ("id_token_seconds", "3600"),
        ("refresh_token_seconds", "86400"),
    ];
    let made = owner.submit(&page, &page, &fields).await;
    let secret = made.copyable("client-secret").to_owned();
    (made.copyable("client-id").to_owned(), secret)
}

/// A call of a program; its answer, which is JSON.
async fn post(url: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let answer = reqwest::Client::new().post(url).form(fields).send().await;
    let answer = answer.expect("a control plane answers");
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

/// Opening a page and sending its form are two requests: without one more, all forms would go to
/// the same control plane.
async fn turn(visitor: &mut Visitor) {
    visitor.get("/login").await;
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    let found = tokens[name].as_str();
    found.unwrap_or_else(|| panic!("no {name}: {tokens}"))
}

#[tokio::test]
async fn people_and_applications_lose_nothing_between_two_control_planes() {
    let pair = Pair::start(PLANE).await;
    let (mut owner, tenant) = sign_up(&pair, "ada@northwind.example").await;
    let (id, secret) = register(&mut owner, &tenant).await;

    // Somebody of another tenant, who has to allow it.
    let (mut person, _) = sign_up(&pair, "grace@contoso.example").await;
    let signed_out = person.submit("/account", "/logout", &[]).await;
    assert_eq!(signed_out.location, "/");
    let query = format!(
        "response_type=code&client_id={id}&redirect_uri={CALLBACK}&scope=openid%20email\
         &code_challenge={CHALLENGE}&code_challenge_method=S256&state=s&nonce=n"
    );
    let authorize = format!("/oauth2/authorize?{query}");
    let login = person.get(&authorize).await.location;
    assert!(login.starts_with("/login?"), "{login}");
    let fields = [("email", "grace@contoso.example"), ("password", PASSWORD)];
    let gone_on = person.submit(&login, "/login", &fields).await;
    let next = gone_on.between("content=\"0;url=", "\"").expect("a way on");
    let allow = [("decision", "allow")];
    let allowed = person
        .submit(&unescaped(next), "/oauth2/consent", &allow)
        .await;
    let next = allowed.between("content=\"0;url=", "\"").expect("a way on");
    let callback = person.get(&unescaped(next)).await.location;
    let (_, code) = callback.split_once("code=").expect("a code");
    let code = code.split('&').next().expect("a code");

    let token_url = format!("{}/oauth2/token", pair.url());
    let exchange = [
        ("grant_type", "authorization_code"),
        ("client_id", &id),
        ("client_secret", &secret),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    let (status, mut tokens) = post(&token_url, &exchange).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    for _ in 0..6 {
        let refresh = [
            ("grant_type", "refresh_token"),
            ("client_id", &id),
            ("client_secret", &secret),
            ("refresh_token", text(&tokens, "refresh_token")),
        ];
        let (status, next) = post(&token_url, &refresh).await;
        assert_eq!(status, StatusCode::OK, "{next}");
        // Whichever answers second: who asked twice at once has one successor.
        let (status, again) = post(&token_url, &refresh).await;
        assert_eq!(status, StatusCode::OK, "{again}");
        assert_eq!(next["refresh_token"], again["refresh_token"]);
        let info = reqwest::Client::new()
            .get(format!("{}/oauth2/userInfo", pair.url()))
            .bearer_auth(text(&next, "access_token"));
        let info: Value = info.send().await.unwrap().json().await.unwrap();
        assert_eq!(info["email"], "grace@contoso.example");
        tokens = next;
    }
    // A code is used once, wherever it comes back; then all that came of it is over.
    let (status, again) = post(&token_url, &exchange).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{again}");
    let introspect = format!("{}/oauth2/introspect", pair.url());
    for _ in 0..2 {
        let ask = [
            ("client_id", id.as_str()),
            ("client_secret", &secret),
            ("token", text(&tokens, "access_token")),
        ];
        assert_eq!(post(&introspect, &ask).await.1["active"], false);
    }

    // Signed out at the one, nobody is signed in at the other.
    let kept = person.get("/account").await;
    assert_eq!(kept.status, StatusCode::OK);
    person.submit("/account", "/logout", &[]).await;
    for _ in 0..2 {
        assert!(person.get("/account").await.location.starts_with("/login"));
    }
    assert!(pair.requests() > 40, "{}", pair.requests());
}

#[tokio::test]
async fn what_one_control_plane_signs_with_a_new_key_the_other_one_knows() {
    let pair = Pair::start(PLANE).await;
    let (mut owner, tenant) = sign_up(&pair, "ada@northwind.example").await;
    let (id, secret) = register(&mut owner, &tenant).await;
    let client = [("client_id", id.as_str()), ("client_secret", &secret)];
    let token = async |at: &str| {
        let mut fields = vec![("grant_type", "client_credentials")];
        fields.extend(client);
        let (status, tokens) = post(&format!("{at}/oauth2/token"), &fields).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        text(&tokens, "access_token").to_owned()
    };
    let is_active = async |at: &str, token: &str| {
        let mut fields = vec![("token", token)];
        fields.extend(client);
        let (status, answer) = post(&format!("{at}/oauth2/introspect"), &fields).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["active"] == true
    };
    let [first, second] = pair.each();
    let before = token(&first).await;
    assert!(is_active(&second, &before).await);
    for (maker, other) in [(&first, &second), (&second, &first)] {
        // A key that signs at once, and ends the one before.
        let made = reqwest::Client::new()
            .post(format!("{maker}/api/v1/token-keys"))
            .bearer_auth(&pair.api_token)
            .json(&json!({ "algorithm": "RS256", "is_compromised": true }));
        assert_eq!(made.send().await.unwrap().status(), StatusCode::CREATED);
        let after = token(maker).await;
        assert!(is_active(other, &after).await, "asked at once");
        assert!(!is_active(other, &before).await);
        assert!(!is_active(maker, &before).await);
        // Knowing the new one, the other one does not go on signing with the old one.
        assert!(is_active(maker, &token(other).await).await);
    }
}

#[tokio::test]
async fn what_strangers_try_counts_once_over_two_control_planes() {
    let pair = Pair::start(PLANE).await;
    let (mut owner, tenant) = sign_up(&pair, "ada@northwind.example").await;
    let (id, _) = register(&mut owner, &tenant).await;

    // Five wrong passwords make sign-in pause, not five at each.
    let mut guesser = Visitor::at(pair.url());
    let try_password = async |guesser: &mut Visitor, password: &str| {
        let fields = [("email", "ada@northwind.example"), ("password", password)];
        let answer = guesser.submit("/login", "/login", &fields).await;
        turn(guesser).await;
        answer.location == "/console"
    };
    for number in 0..5 {
        assert!(!try_password(&mut guesser, &format!("a wrong password {number}")).await);
    }
    for _ in 0..2 {
        assert!(!try_password(&mut guesser, PASSWORD).await);
    }

    // Three mails to an address at once.
    let mut stranger = Visitor::at(pair.url());
    let fields = [
        ("tenant_name", "Contoso"),
        ("email", "grace@contoso.example"),
        ("password", PASSWORD),
    ];
    stranger.submit("/signup", "/signup", &fields).await;
    let mut sent = 1;
    loop {
        let token = stranger.form_token().await;
        let fields = [
            ("csrf_token", token.as_str()),
            ("email", "grace@contoso.example"),
        ];
        let again = stranger.post("/signup/resend", &fields).await;
        turn(&mut stranger).await;
        if again.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        assert_eq!(again.location, "/signup/confirm", "{again:?}");
        sent += 1;
        assert!(sent <= 3, "{sent} mails");
    }
    assert_eq!(sent, 3);
    // Five tries at a code.
    let code = pair.mailbox.code("grace@contoso.example", 3).await;
    let wrong = if code == "111 111" {
        "222222"
    } else {
        "111111"
    };
    let confirm = "/signup/confirm";
    for code in [wrong, wrong, wrong, wrong, wrong, code.as_str()] {
        let answer = stranger.submit(confirm, confirm, &[("code", code)]).await;
        assert_eq!(answer.location, "", "{answer:?}");
        turn(&mut stranger).await;
    }

    // Sixty wrong secrets, and one more every two seconds.
    let url = format!("{}/oauth2/token", pair.url());
    let wrong = [
        ("grant_type", "client_credentials"),
        ("client_id", &id),
        ("client_secret", "tgs_wrong"),
    ];
    let (started, mut failed) = (Instant::now(), 0);
    while post(&url, &wrong).await.0 != StatusCode::TOO_MANY_REQUESTS {
        failed += 1;
        let more = started.elapsed().as_secs() / 2 + 1;
        assert!(failed <= 60 + more, "{failed}");
    }
    assert!(failed >= 60, "{failed}");
}
