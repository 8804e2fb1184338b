//! Guarantees of sign-in through other providers, through the router and a provider on loopback.

mod attacks;
mod issuer;
mod links;
mod setup;
mod tenants;

use domain::id::{TenantId, UserId};
use domain::role::PlatformRole;
use serde_json::{Value, json};

use crate::testing::{Browser, Program, Seen, Stack};
use issuer::{CLIENT, FakeIssuer, SECRET, Signature, answer};

const ADA: &str = "ada@acme.example";

struct World {
    stack: Stack,
    issuer: FakeIssuer,
    operator: Program,
}

impl World {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let user = stack
            .person("op@acme.example", Some(PlatformRole::Operator))
            .await;
        Self {
            operator: stack.program_of(user, &[]).await,
            issuer: FakeIssuer::start().await,
            stack,
        }
    }

    /// A provider of the platform (`None`) or of a tenant; its id.
    async fn provider(&self, tenant: Option<TenantId>, more: Value) -> String {
        let made = self.ask_provider(tenant, more).await;
        assert_eq!(made.0, 201, "{}", made.1);
        made.1["id"].as_str().expect("an id").to_owned()
    }

    async fn ask_provider(&self, tenant: Option<TenantId>, more: Value) -> (u16, Value) {
        let mut body = json!({
            "name": "Acme ID",
            "issuer": self.issuer.url,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "makes_people": true,
        });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let path = match tenant {
            Some(tenant) => format!("/tenants/{tenant}/identity-providers"),
            None => "/identity-providers".to_owned(),
        };
        let reply = self.operator.post(&path, body).await;
        (reply.status, reply.body)
    }

    /// A domain that the tenant has proven, on an operator's word.
    async fn domain(&self, tenant: TenantId, name: &str) {
        let path = format!("/tenants/{tenant}/domains");
        let added = self.operator.post(&path, json!({ "domain": name })).await;
        assert_eq!(added.status, 201, "{}", added.body);
        let path = format!(
            "{path}/{}/confirm",
            added.body["id"].as_str().expect("an id")
        );
        let confirmed = self.operator.post(&path, json!({})).await;
        assert_eq!(confirmed.status, 200, "{}", confirmed.body);
        assert!(confirmed.body["proven_at"].is_string());
    }

    /// Goes to the provider, agrees there, and comes back.
    async fn come_in(&self, browser: &mut Browser, provider: &str) -> Seen {
        let back = self.on_the_way(browser, provider).await;
        browser.get(&back).await
    }

    /// Where the provider sends the browser back to.
    async fn on_the_way(&self, browser: &mut Browser, provider: &str) -> String {
        let left = browser
            .get(&format!("/login/with/{provider}?next=%2Faccount"))
            .await;
        assert_eq!(left.status, 303, "{}", left.body);
        self.issuer.agree(left.location())
    }

    async fn user(&self, email: &str) -> Option<UserId> {
        let mut tx = self.stack.app.db.platform_tx().await.expect("begins");
        let email = domain::email::Email::parse(email).expect("an address");
        let found = store::users::find_by_email(&mut tx, &email).await;
        found.expect("reads").map(|user| user.id)
    }

    /// Back on our page, and why.
    async fn turned_away(&self, browser: &mut Browser, seen: &Seen, text: &str) {
        assert_eq!(seen.status, 303, "{}", seen.body);
        assert!(seen.location().starts_with("/login"), "{}", seen.location());
        let shown = browser.get(seen.location()).await;
        assert!(shown.body.contains(text), "{text}: {}", shown.body);
        assert_eq!(browser.get("/account").await.status, 303, "not signed in");
    }
}
