//! A control plane with a client that may do what is measured, and a person who signed in at it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use e2e::visitor::{Visitor, unescaped};
use serde_json::{Value, json};

use super::Provider;
use super::load::Asking;
use crate::bench::machine::Cores;
use crate::bench::process::{Running, free_address};

const OPERATOR: &str = "operator@example.com";
const CALLBACK: &str = "https://app.example.com/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Starts it on a database that is empty.
pub async fn start(
    plane: &Path,
    database: (&str, String),
    cores: Cores,
    clients: usize,
) -> anyhow::Result<Provider> {
    let address = free_address()?;
    let url = format!("http://{address}");
    let (name, database_url) = database;
    let command = || {
        let mut command = Command::new(plane);
        command
            .arg("control-plane")
            .env("DATABASE_URL", &database_url)
            .env("PUBLIC_URL", &url)
            .env("LISTEN_ADDR", address.to_string())
            .env("SECRET_KEY", "5a".repeat(32))
            .stderr(Stdio::null());
        command
    };
    let process = Running::start(&mut command(), cores.subject, cores.load)?;
    e2e::wait::until("the control plane is ready", READY_WITHIN, async || {
        let answer = reqwest::get(format!("{url}/readyz")).await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let mut bootstrap = command();
    bootstrap.args(["bootstrap", "--email", OPERATOR, "--api-token"]);
    let said = String::from_utf8(bootstrap.output()?.stdout)?;
    let mut words = said
        .split_whitespace()
        .skip_while(|word| *word != "Password");
    let password = words.nth(1).context("bootstrap prints a password")?;
    let api_token = said
        .split_whitespace()
        .find(|word| word.starts_with("tgp_"));
    let api = Api {
        base: format!("{url}/api/v1"),
        token: api_token.context("bootstrap prints a token")?.to_owned(),
    };
    let client = register(&api).await?;
    let secret = client["secrets"][0]["value"].as_str();
    let credentials = format!(
        "client_id={}&client_secret={}",
        client["id"].as_str().context("a client")?,
        secret.context("a secret")?
    );
    let mut person = Visitor::at(&url);
    person.sign_in(OPERATOR, password).await;
    let mut tokens = Vec::new();
    for _ in 0..clients {
        tokens.push(refresh_token(&url, &mut person, &credentials).await?);
    }
    let asking = |grant: &str| Asking {
        address,
        path: "/oauth2/token",
        form: format!("grant_type={grant}&{credentials}"),
    };
    Ok(Provider {
        name: "Tollgate",
        database: name.to_owned(),
        client_credentials: asking("client_credentials"),
        refresh: asking("refresh_token"),
        tokens,
        process,
    })
}

/// A tenant that can call one API, and its client.
async fn register(api: &Api) -> anyhow::Result<Value> {
    let targets = json!([{"url": "http://127.0.0.1:9"}]);
    let upstream = json!({"name": "bench", "targets": targets});
    let upstream = api.create("upstreams", upstream).await?;
    let of_api = json!({"name": "Bench", "base_path": "/bench", "upstream_id": upstream["id"]});
    let made = api.create("apis", of_api).await?;
    let plan = json!({"name": "Bench", "api_ids": [made["id"]]});
    let plan = api.create("plans", plan).await?;
    let tenant = json!({"name": "Bench", "plan_id": plan["id"]});
    let tenant = api.create("tenants", tenant).await?;
    let client = json!({
        "name": "Bench",
        "kind": "confidential",
        "sign_up": "anybody",
        "grants": ["authorization_code", "refresh_token", "client_credentials"],
        "redirect_uris": [CALLBACK],
        "signing_algorithm": "RS256",
    });
    let tenant = tenant["id"].as_str().context("a tenant")?;
    api.create(&format!("tenants/{tenant}/oauth-clients"), client)
        .await
}

/// Of a whole sign-in.
async fn refresh_token(
    url: &str,
    person: &mut Visitor,
    credentials: &str,
) -> anyhow::Result<String> {
    let id = credentials.split(['=', '&']).nth(1).unwrap_or_default();
    let path = format!(
        "/oauth2/authorize?response_type=code&client_id={id}&redirect_uri={CALLBACK}\
         &scope=openid%20offline_access&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    let seen = person.get(&path).await;
    let location = unescaped(&seen.location);
    let code = location.split_once("code=");
    let (_, code) = code.with_context(|| format!("no code: {seen:?}"))?;
    let code = code.split('&').next().unwrap_or_default();
    let form = format!(
        "grant_type=authorization_code&{credentials}&redirect_uri={CALLBACK}&code={code}\
         &code_verifier={VERIFIER}"
    );
    let request = reqwest::Client::new()
        .post(format!("{url}/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer: Value = request.send().await?.json().await?;
    let token = answer["refresh_token"].as_str();
    Ok(token.with_context(|| answer.to_string())?.to_owned())
}

/// The JSON API as the operator.
struct Api {
    base: String,
    token: String,
}

impl Api {
    async fn create(&self, path: &str, what: Value) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.base);
        let request = reqwest::Client::new().post(&url).bearer_auth(&self.token);
        let answer = request.json(&what).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("POST {url} was answered with {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }
}
