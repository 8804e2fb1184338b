//! An OpenID provider that says what a test wants it to say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256};
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::token::base64url;
use reqwest::Url;
use serde_json::{Value, json};
use snapshot::chunk::sha256;

use crate::clock::Now;

pub(super) const CLIENT: &str = "tollgate";
pub(super) const SECRET: &str = "a secret: with % and ü";
const KEY_ID: &str = "key-1";
/// Paths of its own, by name: the sweep over our pages reads literals.
const JWKS: &str = "/jwks";
const TOKEN: &str = "/token";
const USER_INFO: &str = "/userinfo";

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Honest,
    /// `alg` is `none`, without any signature.
    None,
    /// An HMAC with the client's secret.
    Hmac,
    /// By another key under the same id.
    OtherKey,
    /// An honest one, with a header that has to be understood.
    Critical,
}

struct Script {
    document: Value,
    claims: Value,
    user_info: Value,
    signature: Signature,
    key_id: &'static str,
    /// In tokens, in place of the one of the key.
    token_key_id: Option<&'static str>,
    /// Nonce and challenge by code.
    codes: HashMap<String, (String, String)>,
    calls: HashMap<&'static str, usize>,
}

#[derive(Clone)]
pub(super) struct FakeIssuer {
    pub(super) url: String,
    keys: Arc<[RsaKeyPair; 2]>,
    script: Arc<Mutex<Script>>,
}

impl FakeIssuer {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = || RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let issuer = Self {
            keys: Arc::new([key(), key()]),
            script: Arc::new(Mutex::new(Script {
                document: json!({
                    "issuer": url,
                    "authorization_endpoint": format!("{url}/authorize?tenant=one"),
                    "token_endpoint": format!("{url}/token"),
                    "jwks_uri": format!("{url}/jwks"),
                    "userinfo_endpoint": format!("{url}/userinfo"),
                    "response_types_supported": ["code"],
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                    "authorization_response_iss_parameter_supported": true,
                }),
                claims: json!({
                    "sub": "subject-1",
                    "email": "ada@acme.example",
                    "email_verified": true,
                    "name": "Ada",
                }),
                user_info: json!({}),
                signature: Signature::Honest,
                key_id: KEY_ID,
                token_key_id: None,
                codes: HashMap::new(),
                calls: HashMap::new(),
            })),
            url,
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(document))
            .route(JWKS, get(jwks))
            .route(TOKEN, post(token))
            .route(USER_INFO, get(user_info))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().expect("not poisoned"))
    }

    /// Claims of the next tokens in place of the usual ones; null takes one out.
    pub(super) fn say(&self, changes: &Value) {
        self.script(|script| merge(&mut script.claims, changes));
    }

    pub(super) fn describe(&self, changes: &Value) {
        self.script(|script| merge(&mut script.document, changes));
    }

    pub(super) fn sign(&self, signature: Signature) {
        self.script(|script| script.signature = signature);
    }

    /// Takes claims out that were said.
    pub(super) fn forget(&self, names: &[&str]) {
        self.script(|script| {
            let claims = script.claims.as_object_mut().expect("an object");
            claims.retain(|name, _| !names.contains(&name.as_str()));
        });
    }

    pub(super) fn rename_key(&self) {
        self.script(|script| script.key_id = "key-2");
    }

    /// Signs with a key id that its keys do not show.
    pub(super) fn name_unknown_key(&self) {
        self.script(|script| script.token_key_id = Some("key-3"));
    }

    pub(super) fn tell(&self, user_info: Value) {
        self.script(|script| script.user_info = user_info);
    }

    pub(super) fn calls(&self, what: &'static str) -> usize {
        self.script(|script| script.calls.get(what).copied().unwrap_or(0))
    }

    /// The person agrees: where the browser is sent back to.
    pub(super) fn agree(&self, asked: &str) -> String {
        let asked: Url = asked.parse().expect("a URL");
        assert!(
            asked
                .as_str()
                .starts_with(&format!("{}/authorize?tenant=one&", self.url))
        );
        let given: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        assert_eq!(given["response_type"], "code");
        assert_eq!(given["client_id"], CLIENT);
        assert_eq!(
            given["redirect_uri"],
            "http://localhost:8080/login/callback"
        );
        assert_eq!(given["code_challenge_method"], "S256");
        assert!(given["scope"].split(' ').any(|scope| scope == "openid"));
        let code = format!("code-{}", uuid::Uuid::now_v7());
        let proof = (given["nonce"].clone(), given["code_challenge"].clone());
        self.script(|script| script.codes.insert(code.clone(), proof));
        answer(&[
            ("code", &code),
            ("state", &given["state"]),
            ("iss", &self.url),
        ])
    }

    fn token(&self, nonce: &str) -> String {
        let now = Now::read().unix_seconds();
        let (mut claims, signature, key_id) = self.script(|script| {
            let key_id = script.token_key_id.unwrap_or(script.key_id);
            (script.claims.clone(), script.signature, key_id)
        });
        let usual = json!({
            "iss": self.url, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": nonce,
        });
        for (name, value) in usual.as_object().expect("an object") {
            let claims = claims.as_object_mut().expect("an object");
            claims.entry(name).or_insert(value.clone());
        }
        // A claim that is to be missing stands there as null until now.
        claims
            .as_object_mut()
            .expect("an object")
            .retain(|_, value| !value.is_null());
        let algorithm = match signature {
            Signature::None => "none",
            Signature::Hmac => "HS256",
            _ => "RS256",
        };
        let mut header = json!({ "alg": algorithm, "kid": key_id, "typ": "JWT" });
        if signature == Signature::Critical {
            header["crit"] = json!(["x"]);
            header["x"] = json!(1);
        }
        let text = |value: &Value| base64url(value.to_string().as_bytes());
        let signed = format!("{}.{}", text(&header), text(&claims));
        let by = |key: &RsaKeyPair| {
            let mut bytes = vec![0; key.public_modulus_len()];
            let random = SystemRandom::new();
            key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut bytes)
                .expect("signs");
            bytes
        };
        let bytes = match signature {
            Signature::Honest | Signature::Critical => by(&self.keys[0]),
            Signature::OtherKey => by(&self.keys[1]),
            Signature::None => Vec::new(),
            Signature::Hmac => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
                hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", base64url(&bytes))
    }
}

/// The path of ours that a provider sends a browser back to.
pub(super) fn answer(pairs: &[(&str, &str)]) -> String {
    crate::oauth::with_query("/login/callback", pairs.iter().copied())
}

fn merge(target: &mut Value, changes: &Value) {
    let target = target.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        target.insert(name.clone(), value.clone());
    }
}

fn count(issuer: &FakeIssuer, what: &'static str) {
    issuer.script(|script| *script.calls.entry(what).or_default() += 1);
}

async fn document(State(issuer): State<FakeIssuer>) -> Json<Value> {
    count(&issuer, "document");
    Json(issuer.script(|script| script.document.clone()))
}

async fn jwks(State(issuer): State<FakeIssuer>) -> Json<Value> {
    let key = issuer.keys[0].public_key();
    let number = |bytes: &[u8]| base64url(bytes);
    Json(json!({ "keys": [
        { "kty": "unheard-of", "kid": "other" },
        {
            "kty": "RSA", "use": "sig", "alg": "RS256",
            "kid": issuer.script(|script| script.key_id),
            "n": number(key.modulus().big_endian_without_leading_zero()),
            "e": number(key.exponent().big_endian_without_leading_zero()),
        },
    ] }))
}

async fn token(
    State(issuer): State<FakeIssuer>,
    headers: axum::http::HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    count(&issuer, "token");
    // RFC 6749, section 2.3.1: both are form-encoded first.
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(CLIENT), encode(SECRET));
    let expected = {
        use base64::Engine;
        let engine = base64::engine::general_purpose::STANDARD;
        format!("Basic {}", engine.encode(pair))
    };
    let sent = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if sent != Some(&expected) {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "invalid_client" })),
        );
    }
    let known = issuer.script(|script| script.codes.remove(&form["code"]));
    let Some((nonce, challenge)) = known else {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": "invalid_grant" })),
        );
    };
    assert_eq!(
        base64url(&sha256(form["code_verifier"].as_bytes())),
        challenge
    );
    let answer = json!({
        "access_token": "for-userinfo",
        "token_type": "Bearer",
        "id_token": issuer.token(&nonce),
    });
    (StatusCode::OK, Json(answer))
}

async fn user_info(
    State(issuer): State<FakeIssuer>,
    headers: axum::http::HeaderMap,
) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer for-userinfo");
    Json(issuer.script(|script| script.user_info.clone()))
}
