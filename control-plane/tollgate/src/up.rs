//! `tollgate up`: the whole product on one machine, started in order and stopped in reverse.

use std::io::Write;
use std::process::Command as Process;
use std::time::Duration;

use anyhow::{Context, bail};
use cluster::{Cluster, ClusterError, FindError};
use server::demo::{DemoSecrets, Stack};
use server::{ControlPlane, SecretKey};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::args::UpArgs;
use crate::data_dir::DataDir;
use crate::demo_upstream;
use crate::ports::{Ports, v4};
use crate::report::{self, Admin, Demo, UP_JSON, UpReport};

const DATABASE: &str = "tollgate";
const SECRET_KEY: &str = "secret-key";
const DEMO_SECRETS: &str = "demo-secrets.json";
const LOGS: &str = "logs";
/// A node that is not ready by then says so in its log.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Runs until `shutdown` or until a part fails.
pub async fn up(args: UpArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let ports = Ports::new(args.port_offset, args.nodes);
    let data_dir = DataDir::open(&args.data_dir)?;
    let mut notes = Vec::new();
    let database = match database(&args, &ports, &data_dir, &mut notes).await {
        Ok(database) => database,
        Err(cause) => {
            data_dir.abandon();
            return Err(cause);
        }
    };
    let place = Place {
        ports: &ports,
        data_dir: &data_dir,
    };
    let outcome = run_on(&database, &args, place, notes, shutdown).await;
    data_dir.remove(UP_JSON)?;
    let stopped = database.stop();
    outcome.and(stopped)
}

/// All that can be refused before anything is written beside the database: taken ports, no
/// PostgreSQL, one that is too old or was written by a newer version.
async fn database(
    args: &UpArgs,
    ports: &Ports,
    data_dir: &DataDir,
    notes: &mut Vec<String>,
) -> anyhow::Result<Database> {
    data_dir.remove(UP_JSON)?;
    ports.probe()?;
    let database = Database::start(args, data_dir, notes)?;
    match server::check_database(&database.url).await {
        Ok(()) => Ok(database),
        Err(cause) => {
            database.stop()?;
            Err(cause)
        }
    }
}

/// A database that is given, or one of our own.
struct Database {
    url: String,
    own: Option<Cluster>,
}

impl Database {
    fn start(args: &UpArgs, data_dir: &DataDir, notes: &mut Vec<String>) -> anyhow::Result<Self> {
        if let Some(url) = &args.database_url {
            return Ok(Self {
                url: url.clone(),
                own: None,
            });
        }
        let binaries = find_postgres(args)?;
        let own = Cluster::start(&binaries, &data_dir.join("postgres"))?;
        notes.extend(own.moved().map(ToString::to_string));
        match own.create_database(DATABASE, None) {
            Ok(()) | Err(ClusterError::AlreadyExists { .. }) => {}
            Err(cause) => return Err(cause.into()),
        }
        Ok(Self {
            url: own.url(DATABASE),
            own: Some(own),
        })
    }

    fn stop(self) -> anyhow::Result<()> {
        self.own.map_or(Ok(()), Cluster::stop).map_err(Into::into)
    }
}

fn find_postgres(args: &UpArgs) -> anyhow::Result<cluster::Binaries> {
    let bin = args.postgres_bin.as_deref();
    let missing = match cluster::find(bin) {
        Ok(binaries) => return Ok(binaries),
        Err(cause) => cause,
    };
    let Some(install) = cluster::install_command().filter(|_| bin.is_none()) else {
        return Err(missing.into());
    };
    if !args.install_postgres {
        bail!("{missing} (or run this again with --install-postgres)");
    }
    run_install(&install)?;
    Ok(cluster::find(None).map_err(|cause: FindError| cause)?)
}

fn run_install(install: &cluster::InstallCommand) -> anyhow::Result<()> {
    let _ = writeln!(std::io::stderr(), "tollgate: running {install}");
    let (program, arguments) = install.argv.split_first().context("nothing to run")?;
    let status = Process::new(program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot run {install}"))?;
    if !status.success() {
        bail!("{install} failed");
    }
    Ok(())
}

/// Where a stack listens and keeps its data.
#[derive(Clone, Copy)]
struct Place<'a> {
    ports: &'a Ports,
    data_dir: &'a DataDir,
}

async fn run_on(
    database: &Database,
    args: &UpArgs,
    Place { ports, data_dir }: Place<'_>,
    mut notes: Vec<String>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    data_dir.create_private(LOGS)?;
    let _logging = server::telemetry::start_logging_to(&data_dir.join(LOGS).join("tollgate.log"))?;
    let control_plane = ControlPlane::start(server_config(database, ports, data_dir)?).await?;
    let stack = prepare_stack(&control_plane, args, ports, data_dir, &mut notes).await?;

    let mut parts = Parts::default();
    parts
        .behind
        .spawn(control_plane.serve(parts.stop_behind.clone()));
    let upstream = demo_upstream::run(v4(ports.upstream), parts.stop_behind.clone());
    parts.behind.spawn(upstream);
    for (index, token) in stack.enroll_tokens.iter().enumerate() {
        let config = node_config(ports, index, token.clone(), data_dir);
        let running = proxy::run(config, parts.stop_nodes.clone());
        parts.nodes.spawn(async { Ok(running.await?) });
    }

    let ready = tokio::select! {
        ready = wait_until_ready(ports) => ready,
        () = shutdown.cancelled() => Ok(()),
        cause = parts.early_end() => Err(cause),
    };
    if ready.is_ok() && !shutdown.is_cancelled() {
        announce(&stack, ports, data_dir, &notes)?;
    }
    let outcome = match ready {
        Ok(()) => tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            cause = parts.early_end() => Err(cause),
        },
        Err(cause) => Err(cause),
    };
    parts.stop().await;
    outcome
}

/// What runs until it is told to stop: nodes first, so that they can give back their leases and
/// hand on their last counts.
#[derive(Default)]
struct Parts {
    nodes: JoinSet<anyhow::Result<()>>,
    stop_nodes: CancellationToken,
    behind: JoinSet<anyhow::Result<()>>,
    stop_behind: CancellationToken,
}

impl Parts {
    /// Returns when a part ends that was not told to.
    async fn early_end(&mut self) -> anyhow::Error {
        let ended = tokio::select! {
            Some(ended) = self.nodes.join_next() => ended,
            Some(ended) = self.behind.join_next() => ended,
        };
        match ended {
            Ok(Ok(())) => anyhow::anyhow!("a part of the stack ended by itself"),
            Ok(Err(cause)) => cause,
            Err(cause) => cause.into(),
        }
    }

    async fn stop(mut self) {
        self.stop_nodes.cancel();
        log_failures(&mut self.nodes).await;
        self.stop_behind.cancel();
        log_failures(&mut self.behind).await;
    }
}

async fn log_failures(parts: &mut JoinSet<anyhow::Result<()>>) {
    while let Some(ended) = parts.join_next().await {
        if let Ok(Err(cause)) = ended {
            tracing::warn!(error = format!("{cause:#}"), "a part did not stop cleanly");
        }
    }
}

fn server_config(
    database: &Database,
    ports: &Ports,
    data_dir: &DataDir,
) -> anyhow::Result<server::Config> {
    Ok(server::Config {
        database_url: database.url.clone(),
        public_url: format!("http://localhost:{}", ports.control_plane),
        listen: ports.control_plane_addresses(),
        tls: None,
        secret_key: secret_key(data_dir)?,
        smtp_url: None,
        trusted_proxies: Vec::new(),
        metrics_token: None,
        gateway_url: Some(format!("http://127.0.0.1:{}", ports.gateways[0])),
        is_local_stack: true,
    })
}

fn secret_key(data_dir: &DataDir) -> anyhow::Result<SecretKey> {
    if let Some(text) = data_dir.read(SECRET_KEY)? {
        return text
            .parse()
            .with_context(|| format!("{} is damaged", data_dir.join(SECRET_KEY).display()));
    }
    let key = SecretKey::generate();
    data_dir.write_secret(SECRET_KEY, &key.reveal())?;
    Ok(key)
}

/// Makes sure of the operator, the demo data and a place for each node, and of the secrets that a
/// later start shows again.
async fn prepare_stack(
    control_plane: &ControlPlane,
    args: &UpArgs,
    ports: &Ports,
    data_dir: &DataDir,
    notes: &mut Vec<String>,
) -> anyhow::Result<Stack> {
    let kept = data_dir.read(DEMO_SECRETS)?;
    let kept = kept.and_then(|text| serde_json::from_str(&text).ok());
    let to_enrol = (0..ports.gateways.len())
        .map(|index| !proxy::is_enrolled(&node_state_dir(data_dir, index)))
        .collect();
    let wishes = server::demo::Wishes {
        has_demo: !args.no_demo,
        upstream_url: format!("http://127.0.0.1:{}", ports.upstream),
        nodes_to_enrol: to_enrol,
        kept,
    };
    let stack = server::demo::prepare(control_plane, wishes).await?;
    if stack.were_secrets_rotated {
        notes.push("demo-secrets.json was gone: the demo's secrets are new ones.".to_owned());
    }
    data_dir.write_secret(DEMO_SECRETS, &serde_json::to_string_pretty(&stack.secrets)?)?;
    Ok(stack)
}

fn node_state_dir(data_dir: &DataDir, index: usize) -> std::path::PathBuf {
    data_dir.join(&format!("node-{}", index + 1))
}

fn node_config(
    ports: &Ports,
    index: usize,
    enroll_token: Option<String>,
    data_dir: &DataDir,
) -> proxy::Config {
    proxy::Config {
        enroll_token,
        node_name: format!("node-{}", index + 1),
        admin_addr: v4(ports.node_admins[index]),
        allow_loopback_upstreams: true,
        access_log: proxy::AccessLog::File(
            data_dir
                .join(LOGS)
                .join(format!("node-{}.access.log", index + 1)),
        ),
        ..proxy::Config::new(
            format!("http://127.0.0.1:{}", ports.control_plane),
            node_state_dir(data_dir, index),
            v4(ports.gateways[index]),
        )
    }
}

async fn wait_until_ready(ports: &Ports) -> anyhow::Result<()> {
    for port in &ports.node_admins {
        tokio::time::timeout(READY_WITHIN, until_node_is_ready(*port))
            .await
            .with_context(|| format!("the gateway with admin port {port} did not become ready"))?;
    }
    Ok(())
}

async fn until_node_is_ready(port: u16) {
    loop {
        if is_ready(port).await.unwrap_or(false) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One `GET /readyz` over a socket of its own.
async fn is_ready(port: u16) -> std::io::Result<bool> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(v4(port)).await?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

fn announce(
    stack: &Stack,
    ports: &Ports,
    data_dir: &DataDir,
    notes: &[String],
) -> anyhow::Result<()> {
    let url = |port: &u16| format!("http://127.0.0.1:{port}");
    let report = UpReport {
        ready: true,
        pid: std::process::id(),
        control_plane: format!("http://localhost:{}", ports.control_plane),
        gateways: ports.gateways.iter().map(url).collect(),
        node_admin: ports.node_admins.iter().map(url).collect(),
        upstream: url(&ports.upstream),
        admin: Admin {
            email: stack.secrets.admin_email.clone(),
            password: stack.secrets.admin_password.clone(),
            api_token: stack.secrets.admin_api_token.clone(),
        },
        demo: stack.secrets.demo.as_ref().and_then(demo),
    };
    data_dir.write_secret(UP_JSON, &serde_json::to_string_pretty(&report)?)?;
    report::print(&report, notes);
    Ok(())
}

fn demo(secrets: &DemoSecrets) -> Option<Demo> {
    let identity = secrets.identity.as_ref()?;
    Some(Demo {
        tenant_id: secrets.tenant_id.to_string(),
        plan_id: secrets.plan_id.to_string(),
        api_key: secrets.api_key.clone(),
        user_email: identity.user_email.clone(),
        user_password: identity.user_password.clone(),
        oauth_client_id: identity.oauth_client_id.to_string(),
    })
}
