//! A gateway node with a plan, limits, quota, metrics and log, and the stack that it polls.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use e2e::stack::Stack;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::machine::Cores;
use super::process::{Folder, Running, free_address};
use super::subject::Subject;

const KEYS: usize = 1000;
/// Keys that are made at one time.
const KEYS_AT_ONCE: usize = 16;

/// The programs of the node and of the control plane.
#[derive(Debug)]
pub struct Programs {
    pub plane: PathBuf,
    pub node: Node,
}

#[derive(Debug)]
pub enum Node {
    /// The one that `plane` is when told so.
    OfPlane(PathBuf),
    Other(PathBuf),
}

/// Builds the planes as this program was built. Where another node is measured, any control plane
/// will do that is there already.
pub fn build(arguments: &Arguments) -> anyhow::Result<Programs> {
    let plane = std::env::current_exe()?.with_file_name("plane");
    if let Some(node) = &arguments.node {
        if !plane.is_file() {
            run_cargo()?;
        }
        return Ok(Programs {
            plane,
            node: Node::Other(node.clone()),
        });
    }
    if cfg!(debug_assertions) {
        bail!("not measured: a build without optimisation says nothing; use cargo run --release");
    }
    run_cargo()?;
    Ok(Programs {
        node: Node::OfPlane(plane.clone()),
        plane,
    })
}

fn run_cargo() -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--package", "e2e", "--bin", "plane"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("the planes do not build");
    }
    Ok(())
}

/// A stack with an API, a plan, a tenant and its keys.
pub struct Control {
    stack: Stack,
    key: String,
}

impl Control {
    pub async fn start(plane: &Path, upstream: u16) -> anyhow::Result<Self> {
        let plane = plane
            .to_str()
            .context("the path of the programs is not UTF-8")?;
        let stack = Stack::start(plane, &["--no-demo"]).await;
        let api = Api::of(&stack);
        let key = seed(&api, upstream).await?;
        Ok(Self { stack, key })
    }

    /// A node of its own process, enrolled like any other.
    pub async fn start_node(
        &self,
        program: &Node,
        folder: &Folder,
        cores: Cores,
    ) -> anyhow::Result<Subject> {
        let api = Api::of(&self.stack);
        let token = api
            .create("nodes/enroll-tokens", json!({"name": "bench"}))
            .await?;
        let address = free_address()?;
        let mut command = match program {
            Node::OfPlane(path) => {
                let mut command = Command::new(path);
                command.arg("gateway-node");
                command
            }
            Node::Other(path) => Command::new(path),
        };
        command
            .env("CONTROL_PLANE_URL", &self.stack.report.control_plane)
            .env("ENROLL_TOKEN", text(&token, "value")?)
            .env("STATE_DIR", folder.join("node"))
            .env("LISTEN_ADDR", address.to_string())
            .env("ADMIN_ADDR", free_address()?.to_string())
            .env("LOG", folder.join("access.log"))
            .env("CORES", "1")
            .env("ALLOW_LOOPBACK_UPSTREAMS", "true")
            .stderr(Stdio::null());
        Ok(Subject {
            name: "gateway-node",
            address,
            path: "/bench/orders/42",
            key: self.key.clone(),
            process: Running::start(&mut command, cores.subject, cores.load)?,
        })
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        match self.stack.stop().await {
            0 => Ok(()),
            code => bail!("the stack ended with {code}"),
        }
    }
}

/// Makes what a request needs; returns the key that clients show.
async fn seed(api: &Api, upstream: u16) -> anyhow::Result<String> {
    let targets = json!([{"url": format!("http://127.0.0.1:{upstream}")}]);
    let upstream = api
        .create("upstreams", json!({"name": "bench", "targets": targets}))
        .await?;
    let of_api = json!({
        "name": "Bench", "base_path": "/bench", "upstream_id": upstream["id"],
    });
    let api_id = text(&api.create("apis", of_api).await?, "id")?;
    for path in ["/orders", "/orders/{id}", "/{rest+}"] {
        api.create(&format!("apis/{api_id}/routes"), json!({"path": path}))
            .await?;
    }
    let plan = json!({
        // As with the wait for leases: clients that leave the control plane no time.
        "quota_on_store_down": "allow",
        "name": "Bench", "rate_limit": 1_000_000, "burst_limit": 1_000_000,
        "quota": {"limit": 1_000_000_000_000_u64, "period": "month"}, "api_ids": [api_id],
    });
    let plan = api.create("plans", plan).await?;
    let tenant = json!({"name": "Bench", "plan_id": plan["id"]});
    let tenant = text(&api.create("tenants", tenant).await?, "id")?;
    let path = format!("tenants/{tenant}/api-keys");
    let first = api.create(&path, json!({"name": "key 0"})).await?;
    let numbers: Vec<usize> = (1..KEYS).collect();
    for some in numbers.chunks(KEYS_AT_ONCE) {
        let mut made = tokio::task::JoinSet::new();
        for number in some {
            let (api, path) = (api.clone(), path.clone());
            let key = json!({"name": format!("key {number}")});
            made.spawn(async move { api.create(&path, key).await.map(drop) });
        }
        while let Some(outcome) = made.join_next().await {
            outcome??;
        }
    }
    text(&first, "value")
}

/// The JSON API as the operator of the stack.
#[derive(Clone)]
struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    fn of(stack: &Stack) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: format!("{}/api/v1", stack.report.control_plane),
            token: stack.report.admin.api_token.clone(),
        }
    }

    async fn create(&self, path: &str, what: Value) -> anyhow::Result<Value> {
        let url = format!("{}/{path}", self.base);
        let answer = self
            .http
            .post(&url)
            .bearer_auth(&self.token)
            .json(&what)
            .send()
            .await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("POST {url} was answered with {status}: {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let value = answer[field].as_str();
    Ok(value
        .with_context(|| format!("an answer without {field}"))?
        .to_owned())
}
