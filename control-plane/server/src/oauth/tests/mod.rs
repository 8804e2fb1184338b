//! Guarantees of the provider, through the router.

mod clients;
mod codes;
mod encrypted;
mod languages;
mod logout;
mod members;
mod refresh;
mod requests;
mod sign_up;

use domain::id::{ClientId, TenantId, UserId};
use domain::oauth_client::{
    ClientKind, ClientName, ClientTerms, Grant, PlainClientSecret, RedirectUri, Serves, SignUp,
};
use domain::role::Role;
use domain::token::base64url;
use domain::token_key::SigningAlgorithm;
use serde_json::Value;
use snapshot::chunk::sha256;
use uuid::Uuid;

use crate::random;
use crate::testing::{Browser, Program, Reply, Seen, Stack};

const EMAIL: &str = "ada@example.com";
const CALLBACK: &str = "https://app.example.com/callback";
const GOODBYE: &str = "https://app.example.com/bye";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A tenant with an application and somebody who uses it.
struct World {
    stack: Stack,
    tenant: TenantId,
    user: UserId,
    client: ClientId,
}

fn terms() -> ClientTerms {
    let uri = |text| RedirectUri::parse(text).expect("an address");
    ClientTerms {
        name: ClientName::parse("Orders app").expect("a name"),
        serves: Serves::OwnTenant,
        sign_up: SignUp::Nobody,
        sign_up_domains: Vec::new(),
        redirect_uris: vec![uri(CALLBACK), uri("http://127.0.0.1/cb")],
        logout_uris: vec![uri(GOODBYE)],
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: vec!["orders:read".to_owned(), "orders:write".to_owned()],
        requires_pkce: true,
        signing_algorithm: SigningAlgorithm::Rs256,
        encrypts_access_tokens: false,
        access_token_seconds: 3600,
        id_token_seconds: 1800,
        refresh_token_seconds: 86_400,
        is_enabled: true,
    }
}

impl World {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let tenant = stack.tenant("Northwind").await;
        let user = stack.member(tenant, EMAIL, Role::User).await;
        let client = client(&stack, tenant, ClientKind::Public, &terms()).await;
        Self {
            stack,
            tenant,
            user,
            client,
        }
    }

    /// Another client of the tenant, with a secret.
    async fn confidential(&self, terms: &ClientTerms) -> (ClientId, String) {
        let terms = ClientTerms {
            name: ClientName::parse("With a secret").expect("a name"),
            ..terms.clone()
        };
        let id = client(&self.stack, self.tenant, ClientKind::Confidential, &terms).await;
        let secret = PlainClientSecret::mint(&random::bytes());
        let mut tx = self.stack.app.db.platform_tx().await.expect("begins");
        store::oauth_clients::insert_secret(&mut tx, self.tenant, id, &secret)
            .await
            .expect("a secret");
        tx.commit().await.expect("commits");
        (id, secret.reveal().to_owned())
    }

    async fn browser(&self) -> Browser {
        self.stack.browser_of(EMAIL).await
    }

    fn program(&self) -> Program {
        self.stack.stranger()
    }

    fn request(&self) -> Request {
        Request::of(self.client)
    }

    async fn code(&self) -> String {
        let seen = self.browser().await.get(&self.request().path()).await;
        code_of(&seen)
    }

    async fn exchange(&self, code: &str, changes: &[(&str, Option<&str>)]) -> Reply {
        let id = self.client.to_string();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", id.as_str()),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            fields.retain(|(other, _)| other != name);
            fields.extend(value.map(|value| (*name, value)));
        }
        self.program().form("/oauth2/token", &[], &fields).await
    }

    /// Tokens of a whole sign-in.
    async fn tokens(&self) -> Value {
        let reply = self.exchange(&self.code().await, &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    async fn refresh(&self, token: &str) -> Reply {
        let id = self.client.to_string();
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", id.as_str()),
            ("refresh_token", token),
        ];
        self.program().form("/oauth2/token", &[], &fields).await
    }

    async fn user_info(&self, token: &str) -> Reply {
        self.stack
            .program_with(token)
            .fetch("/oauth2/userInfo")
            .await
    }
}

async fn client(
    stack: &Stack,
    tenant: TenantId,
    kind: ClientKind,
    terms: &ClientTerms,
) -> ClientId {
    let id = ClientId(Uuid::now_v7());
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    store::oauth_clients::insert(&mut tx, tenant, (id, kind), terms)
        .await
        .expect("a client");
    tx.commit().await.expect("commits");
    id
}

/// A request for a code, with what a test changes about it.
#[derive(Clone)]
struct Request(Vec<(String, String)>);

impl Request {
    fn of(client: ClientId) -> Self {
        let pairs = [
            ("response_type", "code"),
            ("client_id", &client.to_string()),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email profile orders:read"),
            ("state", "s t&ate"),
            ("nonce", "n-0S6"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Self(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.and(name, value)
    }

    /// Beside what stands there.
    fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| other != name);
        self
    }

    fn path(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        format!("/oauth2/authorize?{query}")
    }
}

/// What the application finds in the address that it is called back at.
fn answer(seen: &Seen, name: &str) -> Option<String> {
    assert_eq!(seen.status, 303, "{}", seen.body);
    let (_, query) = seen.location().split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.into_owned())
}

#[track_caller]
fn code_of(seen: &Seen) -> String {
    assert!(
        seen.location().starts_with(CALLBACK),
        "{} {} {}",
        seen.status,
        seen.location(),
        seen.body
    );
    answer(seen, "code").expect("a code")
}

fn claims(token: &Value) -> Value {
    let token = token.as_str().expect("a token");
    let part = token.split('.').nth(1).expect("three parts");
    let bytes = domain::token::from_base64url(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[track_caller]
fn refused(reply: &Reply, status: u16, error: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(reply.body["error"], error, "{}", reply.body);
}

fn half_hash(text: &str) -> String {
    base64url(&sha256(text.as_bytes())[..16])
}
