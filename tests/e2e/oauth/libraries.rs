//! Programs of three languages with unmodified libraries. Each says where to send its person
//! (`open URL`), is told where it was called back, and says `ok` when all went as it should.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::stack::Stack;
use e2e::visitor::Visitor;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

use super::{CALLBACK, demo, sign_in};
use crate::PLANE;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Runs a program against the stack as its person would.
async fn run(stack: &Stack, mut program: Command) {
    let demo = demo(stack);
    let mut child = program
        .env("ISSUER", &stack.report.control_plane)
        .env("CLIENT_ID", &demo.oauth_client_id)
        .env("CALLBACK", CALLBACK)
        .env("TENANT", &demo.tenant_id)
        .env("EMAIL", &demo.user_email)
        .env("API", format!("{}/demo/people/me", stack.gateway()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts: tests/run installs what it needs");
    let mut answers = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut visitor = Visitor::new(&stack.report);
    let mut is_done = false;
    while let Some(line) = lines.next_line().await.unwrap() {
        println!("{line}");
        if let Some(url) = line.strip_prefix("open ") {
            let callback = sign_in(stack, &mut visitor, url).await;
            answers
                .write_all(format!("{callback}\n").as_bytes())
                .await
                .unwrap();
        } else if let Some(url) = line.strip_prefix("logout ") {
            let path = url.strip_prefix(&stack.report.control_plane).unwrap();
            let seen = visitor.get(path).await;
            answers
                .write_all(format!("{}\n", seen.location).as_bytes())
                .await
                .unwrap();
        }
        is_done |= line == "ok";
    }
    assert!(child.wait().await.unwrap().success() && is_done);
}

#[tokio::test]
async fn an_application_in_python_signs_its_person_in() {
    let stack = Stack::start(PLANE, &[]).await;
    let mut python = Command::new(clients().join("python/.venv/bin/python"));
    python.arg(clients().join("python/flow.py"));
    run(&stack, python).await;
}

#[tokio::test]
async fn an_application_in_javascript_signs_its_person_in() {
    let stack = Stack::start(PLANE, &[]).await;
    let mut node = Command::new("node");
    node.arg(clients().join("javascript/flow.mjs"));
    run(&stack, node).await;
}

#[tokio::test]
async fn an_application_in_rust_signs_its_person_in() {
    use openidconnect::core::{CoreClient, CoreProviderMetadata, CoreResponseType};
    use openidconnect::{
        AccessTokenHash, AuthenticationFlow, AuthorizationCode, ClientId, CsrfToken, IssuerUrl,
        Nonce, OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse,
    };
    let stack = Stack::start(PLANE, &[]).await;
    let http = Http(
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap(),
    );
    let issuer = IssuerUrl::new(stack.report.control_plane.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &http)
        .await
        .unwrap();
    let id = ClientId::new(demo(&stack).oauth_client_id.clone());
    let client = CoreClient::from_provider_metadata(metadata, id, None)
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let mut visitor = Visitor::new(&stack.report);
    let callback = sign_in(&stack, &mut visitor, url.as_str()).await;
    let callback = reqwest::Url::parse(&callback).unwrap();
    let answer = |name: &str| {
        let mut pairs = callback.query_pairs();
        pairs
            .find(|(other, _)| other == name)
            .unwrap()
            .1
            .into_owned()
    };
    assert_eq!(answer("state"), *state.secret());
    let tokens = client
        .exchange_code(AuthorizationCode::new(answer("code")))
        .unwrap()
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .unwrap();
    let id_token = tokens.id_token().unwrap();
    let rules = client.id_token_verifier();
    let claims = id_token.claims(&rules, &nonce).unwrap();
    assert_eq!(claims.email().unwrap().as_str(), demo(&stack).user_email);
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().unwrap(),
        id_token.signing_key(&rules).unwrap(),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.unwrap()));
    let refreshed = client
        .exchange_refresh_token(tokens.refresh_token().unwrap())
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    let info: openidconnect::core::CoreUserInfoClaims = client
        .user_info(
            refreshed.access_token().clone(),
            Some(claims.subject().clone()),
        )
        .unwrap()
        .request_async(&http)
        .await
        .unwrap();
    assert_eq!(info.email().unwrap().as_str(), demo(&stack).user_email);
}

/// The library's own HTTP client is of an older line: it takes any.
struct Http(reqwest::Client);

impl<'c> openidconnect::AsyncHttpClient<'c> for Http {
    type Error = openidconnect::HttpClientError<reqwest::Error>;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<openidconnect::HttpResponse, Self::Error>> + Send + 'c>,
    >;

    fn call(&'c self, request: openidconnect::HttpRequest) -> Self::Future {
        Box::pin(async move {
            let failed = |cause| openidconnect::HttpClientError::Reqwest(Box::new(cause));
            let (parts, body) = request.into_parts();
            let answer = self
                .0
                .request(parts.method, parts.uri.to_string())
                .headers(parts.headers)
                .body(body)
                .send()
                .await
                .map_err(failed)?;
            let mut response = openidconnect::HttpResponse::new(Vec::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            *response.body_mut() = answer.bytes().await.map_err(failed)?.to_vec();
            Ok(response)
        })
    }
}
