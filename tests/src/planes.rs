//! Both planes as processes of their own, over a database of their own: for tests in which one of
//! them is killed and the other is not.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::ports::PortOffset;
use crate::stack::fresh_directory;
use crate::wait::{self, until};

const READY_WITHIN: Duration = Duration::from_secs(60);
const OPERATOR: &str = "operator@example.com";
pub(crate) const SECRET_KEY: &str =
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A control plane, up to three nodes and a demo upstream.
pub struct Planes {
    program: String,
    ports: PortOffset,
    database_url: String,
    pub folder: PathBuf,
    control_plane: Option<Child>,
    nodes: Vec<Option<Child>>,
    upstream: Child,
    api_token: String,
    enroll_token: String,
    /// The operator's email and password.
    pub operator: (String, String),
    pub http: reqwest::Client,
}

impl Planes {
    /// Starts a control plane and `nodes` nodes. `program` is the path of the `plane` binary.
    pub async fn start(program: &str, nodes: usize) -> Self {
        let database_url = tokio::task::spawn_blocking(empty_database)
            .await
            .expect("a database");
        Self::start_on(program, nodes, database_url).await
    }

    /// The same over a database that is given.
    pub async fn start_on(program: &str, nodes: usize, database_url: String) -> Self {
        let ports = PortOffset::take();
        let folder = fresh_directory();
        std::fs::create_dir_all(&folder).expect("the temporary directory is writable");
        let upstream = spawn(
            Command::new(program)
                .args(["tollgate", "demo-upstream", "--listen-addr"])
                .arg(format!("127.0.0.1:{}", 8001 + ports.offset)),
        );
        let mut planes = Self {
            program: program.to_owned(),
            ports,
            database_url,
            folder,
            control_plane: None,
            nodes: Vec::new(),
            upstream,
            api_token: String::new(),
            enroll_token: String::new(),
            operator: (OPERATOR.to_owned(), String::new()),
            http: reqwest::Client::new(),
        };
        planes.start_control_plane().await;
        planes.bootstrap(nodes).await;
        for _ in 0..nodes {
            let index = planes.add_node();
            planes.start_node(index).await;
        }
        planes
    }

    pub fn control_plane_url(&self) -> String {
        format!("http://127.0.0.1:{}", 8080 + self.ports.offset)
    }

    pub fn upstream_url(&self) -> String {
        format!("http://127.0.0.1:{}", 8001 + self.ports.offset)
    }

    pub fn gateway(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.gateway_port(index))
    }

    fn gateway_port(&self, index: usize) -> usize {
        8000 + usize::from(self.ports.offset) + 10 * index
    }

    fn admin_port(&self, index: usize) -> usize {
        9100 + usize::from(self.ports.offset) + 10 * index
    }

    pub fn state_dir(&self, index: usize) -> PathBuf {
        self.folder.join(format!("node-{index}"))
    }

    fn control_plane_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("control-plane")
            .env("DATABASE_URL", &self.database_url)
            .env("PUBLIC_URL", self.control_plane_url())
            .env(
                "LISTEN_ADDR",
                format!("127.0.0.1:{}", 8080 + self.ports.offset),
            )
            .env("SECRET_KEY", SECRET_KEY);
        command
    }

    pub async fn start_control_plane(&mut self) {
        self.spawn_control_plane();
        self.control_plane_is_ready().await;
    }

    pub async fn control_plane_is_ready(&self) {
        let url = format!("{}/readyz", self.control_plane_url());
        self.wait_for_ok("the control plane is ready", &url).await;
    }

    /// Starts it and does not wait until it is ready.
    pub fn spawn_control_plane(&mut self) {
        self.control_plane = Some(spawn(&mut self.control_plane_command()));
    }

    /// SIGKILL.
    pub async fn kill_control_plane(&mut self) {
        let mut child = self.control_plane.take().expect("the control plane runs");
        child.kill().await.expect("killed");
    }

    /// Starts a control plane that must end by itself, unsuccessfully; what it says on standard
    /// error.
    pub async fn refused_control_plane(&self) -> String {
        let output = self.control_plane_command().kill_on_drop(true).output();
        let output = tokio::time::timeout(READY_WITHIN, output).await;
        let output = output.expect("it ends").expect("the plane binary runs");
        assert!(!output.status.success());
        String::from_utf8(output.stderr).expect("text")
    }

    async fn bootstrap(&mut self, nodes: usize) {
        let output = self
            .control_plane_command()
            .args(["bootstrap", "--email", OPERATOR, "--api-token", "--nodes"])
            // One more than are started: for a test that adds one.
            .arg((nodes + 1).to_string())
            .output()
            .await
            .expect("bootstrap runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("text");
        let word = |start: &str| {
            let found = text.split_whitespace().find(|word| word.starts_with(start));
            found.expect("bootstrap prints it").to_owned()
        };
        let mut after_label = text
            .split_whitespace()
            .skip_while(|word| *word != "Password");
        self.operator.1 = after_label.nth(1).expect("bootstrap prints it").to_owned();
        self.api_token = word("tgp_");
        self.enroll_token = word("tge_");
    }

    /// A place for one more node, which is started by [`Planes::spawn_node`].
    pub fn add_node(&mut self) -> usize {
        self.nodes.push(None);
        self.nodes.len() - 1
    }

    pub fn spawn_node(&mut self, index: usize) {
        let mut command = Command::new(&self.program);
        command
            .arg("gateway-node")
            .env("CONTROL_PLANE_URL", self.control_plane_url())
            .env("ENROLL_TOKEN", &self.enroll_token)
            .env("STATE_DIR", self.state_dir(index))
            .env("NODE_NAME", format!("node-{index}"))
            .env(
                "LISTEN_ADDR",
                format!("127.0.0.1:{}", self.gateway_port(index)),
            )
            .env(
                "ADMIN_ADDR",
                format!("127.0.0.1:{}", self.admin_port(index)),
            )
            .env("ALLOW_LOOPBACK_UPSTREAMS", "true")
            .env("LOG", "off");
        self.nodes[index] = Some(spawn(&mut command));
    }

    pub async fn start_node(&mut self, index: usize) {
        self.spawn_node(index);
        self.node_is_ready(index).await;
    }

    pub async fn node_is_ready(&self, index: usize) {
        let url = self.node_admin(index, "/readyz");
        self.wait_for_ok("the node is ready", &url).await;
    }

    /// A page of a node's admin listener.
    pub fn node_admin(&self, index: usize, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port(index))
    }

    /// SIGKILL.
    pub async fn kill_node(&mut self, index: usize) {
        let mut child = self.nodes[index].take().expect("the node runs");
        child.kill().await.expect("killed");
    }

    pub fn node_pid(&self, index: usize) -> u32 {
        self.nodes[index]
            .as_ref()
            .and_then(Child::id)
            .expect("the node runs")
    }

    /// What a node says of itself.
    pub async fn node_health(&self, index: usize) -> Option<Value> {
        let answer = self
            .http
            .get(self.node_admin(index, "/healthz"))
            .send()
            .await
            .ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    async fn wait_for_ok(&self, what: &str, url: &str) {
        until(what, READY_WITHIN, async || {
            let answer = self.http.get(url).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// A call of the JSON API as the operator.
    pub async fn api(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let url = format!("{}/api/v1{path}", self.control_plane_url());
        let mut request = self.http.request(method, url).bearer_auth(&self.api_token);
        if let Some(body) = body {
            let kind = ("content-type", "application/json");
            request = request.header(kind.0, kind.1).body(body.to_string());
        }
        let answer = request.send().await.expect("the control plane answers");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Creates something and returns it.
    pub async fn create(&self, path: &str, body: Value) -> Value {
        let (status, made) = self.api(reqwest::Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {made}");
        made
    }

    /// An API at `/shop` over the demo upstream with one keyed route, and a plan that opens it.
    pub async fn shop(&self, plan: Value) -> Shop {
        let api_id = self.shop_api(&self.upstream_url()).await;
        self.shop_plan("Shop plan", &api_id, plan).await
    }

    /// An API at `/shop` over this upstream with one keyed route; its id.
    pub async fn shop_api(&self, target: &str) -> String {
        let targets = json!({ "name": "shop", "targets": [{ "url": target, "weight": 1 }] });
        let upstream = self.create("/upstreams", targets).await;
        let api = json!({ "name": "Shop", "base_path": "/shop", "upstream_id": upstream["id"] });
        let api_id = text(&self.create("/apis", api).await["id"]);
        let route = json!({ "path": "/{rest+}", "api_key_required": true });
        self.create(&format!("/apis/{api_id}/routes"), route).await;
        api_id
    }

    /// A plan with these terms that opens the API.
    pub async fn shop_plan(&self, name: &str, api_id: &str, terms: Value) -> Shop {
        let mut plan = json!({ "name": name, "api_ids": [api_id] });
        for (name, value) in terms.as_object().expect("fields of a plan") {
            plan[name] = value.clone();
        }
        let plan = self.create("/plans", plan).await;
        Shop {
            plan_id: text(&plan["id"]),
        }
    }

    /// A tenant on the shop's plan, with a key.
    pub async fn customer(&self, shop: &Shop, name: &str) -> Customer {
        let tenant = json!({ "name": name, "plan_id": shop.plan_id });
        let tenant_id = text(&self.create("/tenants", tenant).await["id"]);
        let key = json!({ "name": "main" });
        let key = self
            .create(&format!("/tenants/{tenant_id}/api-keys"), key)
            .await;
        Customer {
            tenant_id,
            key_id: text(&key["id"]),
            key: text(&key["value"]),
        }
    }

    /// Calls the shop through a node.
    pub async fn call(&self, node: usize, key: &str) -> Option<reqwest::Response> {
        let url = format!("{}/shop/item", self.gateway(node));
        self.http
            .get(url)
            .header("x-api-key", key)
            .send()
            .await
            .ok()
    }

    /// Waits until a node knows what was just created.
    pub async fn wait_for_status(&self, node: usize, key: &str, status: StatusCode) {
        until(
            &format!("node {node} answers {status}"),
            Duration::from_secs(10),
            async || {
                let answer = self.call(node, key).await?;
                (answer.status() == status).then_some(())
            },
        )
        .await;
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        let nodes = self.nodes.iter_mut().flatten();
        let all = nodes.chain(&mut self.control_plane);
        all.chain([&mut self.upstream]).for_each(wait::end);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub struct Shop {
    pub plan_id: String,
}

pub struct Customer {
    pub tenant_id: String,
    pub key_id: String,
    pub key: String,
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text is expected: {value}"))
        .to_owned()
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the plane binary runs")
}

/// The address of a database that is gone some time after this process.
pub fn empty_database() -> String {
    let lease = cluster::testing::lease().expect("a PostgreSQL cluster for tests");
    let made =
        lease.database_from_template("e2e_empty", |_| Ok::<(), std::convert::Infallible>(()));
    lease.url(&made.expect("a database").expect("nothing to prepare"))
}

/// What the answer of a usage call says was admitted, over all its rows.
pub fn admitted_total(usage: &Value) -> u64 {
    counted_total(usage, "admitted")
}

/// The sum of one count of a usage answer over all its rows.
pub fn counted_total(usage: &Value, name: &str) -> u64 {
    let items = usage["items"]
        .as_array()
        .unwrap_or_else(|| panic!("a usage answer: {usage}"));
    items
        .iter()
        .map(|item| {
            item["counts"][name]
                .as_u64()
                .unwrap_or_else(|| panic!("{item}"))
        })
        .sum()
}
