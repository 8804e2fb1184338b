//! A stack with two tenants, somebody in each role that the sweeps need, and one thing of every
//! kind, by the name that paths have for it.

use std::collections::BTreeMap;

use domain::id::TenantId;
use domain::permission::Action;
use domain::role::Role;
use e2e::planes::empty_database;
use e2e::stack::Stack;
use e2e::visitor::{NewTenant, Visitor};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::PLANE;

const PASSWORD: &str = "a sentence that nobody guesses";

/// What reading and using the API moves.
const OBSERVATIONS: &[&str] = &["last_used_at", "last_signed_in_at", "last_seen_at"];
/// Lists that move by themselves: nodes report, snapshots are made, exports carry their instant.
const MOVING: &[&str] = &["/usage", "/export", "/nodes", "/nodes/{node}", "/snapshots"];

/// Somebody, in the browser and by program.
pub(super) struct Person {
    pub(super) browser: Visitor,
    pub(super) token: String,
}

/// A route of the JSON API as its description has it.
pub(super) struct Route {
    pub(super) method: Method,
    /// Below `/api/v1`.
    pub(super) path: String,
    pub(super) action: Action,
    pub(super) takes_body: bool,
}

pub(super) struct World {
    pub(super) stack: Stack,
    http: reqwest::Client,
    pub(super) operator: Person,
    /// Owns the tenant that is swept.
    pub(super) owner: Person,
    /// Looks into it.
    pub(super) viewer: Person,
    /// Owns another one.
    pub(super) stranger: Person,
    pub(super) other_tenant: String,
    pub(super) api_key: String,
    /// Ids of the swept tenant's things and of the platform's, by parameter.
    ids: BTreeMap<&'static str, String>,
}

impl World {
    pub(super) async fn new() -> Self {
        let database = tokio::task::spawn_blocking(empty_database).await.unwrap();
        let stack = Stack::start(PLANE, &["--database-url", &database]).await;
        let report = &stack.report;
        let mut desk = Visitor::operator(report).await;
        let mut joined = Vec::new();
        for name in ["swept", "viewing", "other"] {
            joined.push(join(&stack, &mut desk, name).await);
        }
        let [owner, viewer, stranger] = <[_; 3]>::try_from(joined).ok().unwrap();
        let operator = Person {
            token: report.admin.api_token.clone(),
            browser: desk,
        };
        let mut world = Self {
            http: reqwest::Client::new(),
            operator,
            other_tenant: stranger.0,
            owner: owner.1,
            viewer: viewer.1,
            stranger: stranger.1,
            api_key: String::new(),
            ids: BTreeMap::from([("tenant", owner.0.clone())]),
            stack,
        };
        let email = "viewing@example.com";
        let user = world.first(&format!("/tenants/{}/members", viewer.0)).await;
        add_viewer(&database, &owner.0, user["user_id"].as_str().unwrap()).await;
        world.furnish().await;
        let members = world
            .read(&format!("/tenants/{}/members", owner.0), Whose::Operator)
            .await;
        let members = members["items"].as_array().unwrap();
        let found = members.iter().find(|one| one["email"] == email).unwrap();
        world.name("member", &found["id"]);
        world.name("user", &members[0]["user_id"]);
        world
    }

    /// One thing of every kind.
    async fn furnish(&mut self) {
        for (name, list) in [
            ("api", "/apis"),
            ("authorizer", "/authorizers"),
            ("upstream", "/upstreams"),
            ("node", "/nodes"),
        ] {
            let found = self.first(list).await;
            self.name(name, &found["id"]);
        }
        let free = self.stack.report.demo.as_ref().unwrap().plan_id.clone();
        self.ids.insert("plan", free.clone());
        let route = self.first(&self.fill("/apis/{api}/routes")).await;
        self.name("route", &route["id"]);

        let tenant = self.fill("/tenants/{tenant}");
        let key = json!({ "name": "main" });
        let key = self.make(&format!("{tenant}/api-keys"), key).await;
        self.name("key", &key["id"]);
        self.api_key = key["value"].as_str().unwrap().to_owned();
        let client = json!({
            "name": "worker", "kind": "confidential", "redirect_uris": ["https://a.example/cb"],
        });
        let client = self.make(&format!("{tenant}/oauth-clients"), client).await;
        self.name("client", &client["id"]);
        self.name("secret", &client["secrets"][0]["id"]);
        let invitation = json!({ "email": "grace@example.com", "role": "viewer" });
        let invitation = self
            .make(&format!("{tenant}/invitations"), invitation)
            .await;
        self.name("invitation", &invitation["id"]);
        let group = json!({ "name": "Drivers" });
        let group = self.make(&format!("{tenant}/groups"), group).await;
        self.name("group", &group["id"]);
        let provider = json!({
            "name": "Swept", "issuer": "https://id.example", "client_id": "swept",
            "is_enabled": false,
        });
        let own = format!("{tenant}/identity-providers");
        let own = self.make(&own, provider.clone()).await;
        self.name("tenant_provider", &own["id"]);
        let provider = self.make("/identity-providers", provider).await;
        self.name("provider", &provider["id"]);
        let domain = json!({ "domain": "swept.example" });
        let domain = self.make(&format!("{tenant}/domains"), domain).await;
        self.name("domain", &domain["id"]);
        let subscriptions = format!("{tenant}/subscriptions");
        let subscription = self.make(&subscriptions, json!({ "plan_id": free })).await;
        self.name("subscription", &subscription["id"]);
        let plan = json!({ "name": "By approval" });
        let plan = self.make("/plans", plan).await;
        self.name("plan_by_approval", &plan["id"]);
        let request = json!({ "plan_id": plan["id"] });
        let (status, request) = self
            .call(&Method::POST, &subscriptions, Whose::Owner, Some(request))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{request}");
        self.name("request", &request["id"]);
        let token = json!({ "name": "swept" });
        let token = self.make("/nodes/enroll-tokens", token).await;
        self.name("token", &token["id"]);
        let account = self.owner.browser.get("/account").await;
        let own = account.between("/account/tokens/key_", "/");
        let own = format!("key_{}", own.expect("a personal token"));
        self.ids.insert("personal_token", own);
    }

    fn name(&mut self, parameter: &'static str, id: &Value) {
        let id = id.as_str().unwrap().to_owned();
        self.ids.insert(parameter, id);
    }

    /// A path or text with ids in place of its parameters.
    pub(super) fn fill(&self, text: &str) -> String {
        // Names that stand for another thing in one place than elsewhere.
        let own = text.replace(
            "/account/tokens/{token}",
            "/account/tokens/{personal_token}",
        );
        let own = own.replace("/requests/{subscription}", "/requests/{request}");
        let own = match own.starts_with("/t") {
            true => own.replace("{provider}", "{tenant_provider}"),
            false => own,
        };
        let filled = self.ids.iter().fold(own, |text, (name, id)| {
            text.replace(&format!("{{{name}}}"), id)
        });
        assert!(!filled.contains("/{"), "nothing stands for {filled}");
        filled
    }

    /// The same path in the stranger's tenant, with the ids of the swept one's things.
    pub(super) fn fill_in_other_tenant(&self, path: &str) -> String {
        self.fill(&path.replace("{tenant}", &self.other_tenant))
    }

    pub(super) async fn call(
        &self,
        method: &Method,
        path: &str,
        whose: Whose<'_>,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", self.stack.report.control_plane);
        let mut request = self.http.request(method.clone(), url);
        let token = match whose {
            Whose::Nobody => None,
            Whose::Operator => Some(self.operator.token.as_str()),
            Whose::Owner => Some(self.owner.token.as_str()),
            Whose::Viewer => Some(self.viewer.token.as_str()),
            Whose::Stranger => Some(self.stranger.token.as_str()),
            Whose::Value(value) => Some(value),
        };
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn read(&self, path: &str, whose: Whose<'_>) -> Value {
        let (status, body) = self.call(&Method::GET, path, whose, None).await;
        assert_eq!(status, StatusCode::OK, "{path} {body}");
        body
    }

    async fn first(&self, path: &str) -> Value {
        self.read(path, Whose::Operator).await["items"][0].clone()
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        let (status, made) = self
            .call(&Method::POST, path, Whose::Operator, Some(body))
            .await;
        assert_eq!(status, StatusCode::CREATED, "{path} {made}");
        made
    }

    /// All routes of the JSON API.
    pub(super) async fn routes(&self) -> Vec<Route> {
        let document = self.read("/openapi.json", Whose::Nobody).await;
        let mut routes = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let scope = &operation["security"][0]["personal_token"][0];
                routes.push(Route {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.strip_prefix("/api/v1").unwrap().to_owned(),
                    action: Action::find(scope.as_str().unwrap()).unwrap(),
                    takes_body: operation["requestBody"].is_object(),
                });
            }
        }
        routes
    }

    /// All that an operator reads by the API, the audit log with it, without what only looking
    /// and being there moves.
    pub(super) async fn state(&self) -> BTreeMap<String, Value> {
        let mut state = BTreeMap::new();
        for route in self.routes().await {
            let is_moving = MOVING.iter().any(|end| route.path.ends_with(end));
            if route.method == Method::GET && !is_moving {
                let path = self.fill(&route.path);
                let mut body = self.read(&path, Whose::Operator).await;
                forget_observations(&mut body);
                state.insert(path, body);
            }
        }
        assert!(state.len() > 10);
        state
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    Nobody,
    Operator,
    Owner,
    Viewer,
    Stranger,
    Value(&'a str),
}

/// Signs up and makes a personal token that may do all that its person may.
async fn join(stack: &Stack, operator: &mut Visitor, name: &str) -> (String, Person) {
    let mut browser = Visitor::new(&stack.report);
    let new = NewTenant {
        name,
        email: &format!("{name}@example.com"),
        password: PASSWORD,
    };
    let tenant = browser.sign_up(operator, new).await;
    let page = "/account/tokens/new";
    let fields = [("name", "main"), ("access", "all"), ("lifetime", "7d")];
    let made = browser.submit(page, page, &fields).await;
    let token = made.copyable("token-value").to_owned();
    (tenant, Person { browser, token })
}

/// Nothing over HTTP adds a member yet.
async fn add_viewer(database: &str, tenant: &str, user: &str) {
    let db = store::Db::connect(database, 1).await.unwrap();
    let mut tx = db.platform_tx().await.unwrap();
    // The database is fresh: the tenant's number is no member's.
    let member = tenant.replace("ten_", "mem_").parse().unwrap();
    let tenant: TenantId = tenant.parse().unwrap();
    let user = user.parse().unwrap();
    let added = store::members::insert(&mut tx, tenant, member, user, Role::Viewer).await;
    added.unwrap();
    tx.commit().await.unwrap();
    db.close().await;
}

fn forget_observations(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !OBSERVATIONS.contains(&name.as_str()));
            fields.values_mut().for_each(forget_observations);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_observations),
        _ => {}
    }
}
