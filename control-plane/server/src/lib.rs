//! The control plane's edge: configuration, HTTP, OAuth, signing, background tasks.
//!
//! Invariants: no SQL text and no HTML text here; a handler parses, calls one action and presents;
//! the clock is read in `clock.rs` and randomness comes from `random.rs`; nothing outlives
//! [`ControlPlane::serve`].
//! Entry: [`ControlPlane::start`]. Read `app.rs` and `publish/mod.rs` first.

mod action;
mod admin;
mod api_keys;
mod apis;
mod app;
mod audit_events;
mod authority;
mod authorizers;
mod branding;
mod checks;
mod client_address;
mod clock;
mod commands;
mod config;
mod console;
mod deadline;
pub mod demo;
mod dns;
mod fleet;
mod genesis;
mod groups;
mod health;
mod identity_providers;
mod invitations;
mod json;
mod keyring;
mod landing;
mod mail;
mod members;
mod nodes;
mod oauth;
mod oauth_clients;
mod outbound;
mod outbox;
mod page;
mod passwords;
mod people;
mod personal_tokens;
mod plan_requests;
mod plans;
mod problem;
mod publish;
mod published;
mod random;
mod routes;
mod secret_box;
mod serve;
mod signals;
mod snapshots;
mod subscriptions;
pub mod telemetry;
mod tenant_domains;
mod tenants;
#[cfg(test)]
mod testing;
mod throttle;
mod token_keys;
mod upkeep;
mod upstreams;
mod usage;
mod users;

use std::io::Write;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use store::Db;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use crate::app::App;
pub use crate::clock::Now;
pub use crate::config::{Command, Config, ConfigError, TlsFiles};
pub use crate::secret_box::{InvalidSecretKey, SecretKey};
pub use crate::signals::cancel_on_signal;

use crate::dns::Dns;
use crate::health::MetricsReaders;
use crate::identity_providers::Directory;
use crate::mail::Mailer;
use crate::oauth::keys::TokenKeys;
use crate::page::FormKey;
use crate::passwords::Passwords;
use crate::publish::follower::Follower;
use crate::secret_box::SecretBox;
use crate::telemetry::Metrics;

const DATABASE_CONNECTIONS: u32 = 20;

/// A control plane with its database migrated and its sockets bound, ready to serve.
pub struct ControlPlane {
    app: App,
    follower: Follower,
    listeners: Vec<TcpListener>,
    tls: Option<TlsAcceptor>,
}

/// The program `control-plane`: configured by command line and environment, stopped by signals.
pub fn run_command_line(words: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let (config, command) = Config::read(words)?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    if let Some(command) = command {
        return runtime.block_on(run_command(config, command));
    }
    let _logging = telemetry::start_logging();
    let shutdown = CancellationToken::new();
    runtime.block_on(async {
        tokio::spawn(cancel_on_signal(shutdown.clone()));
        run(config, shutdown).await
    })
}

async fn run_command(config: Config, command: Command) -> anyhow::Result<()> {
    let (app, _) = open(&config).await?;
    let lines = match command {
        Command::Bootstrap {
            email,
            nodes,
            api_token,
        } => {
            let wanted = commands::Wanted { nodes, api_token };
            commands::bootstrap(&app, &email, wanted).await?
        }
        Command::Recover => commands::recover(&app).await?,
    };
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Looks at the database and changes nothing: whether it answers, is new enough, and was not written
/// by a newer version.
pub async fn check_database(url: &str) -> anyhow::Result<()> {
    Ok(Db::check(url).await?)
}

/// Starts and serves until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    ControlPlane::start(config).await?.serve(shutdown).await
}

/// Connects, migrates and makes sure of the deployment's keys.
async fn open(config: &Config) -> anyhow::Result<(App, Follower)> {
    let db = Db::open(&config.database_url, DATABASE_CONNECTIONS).await?;
    let secrets = SecretBox::new(&config.secret_key);
    genesis::ensure(&db, &secrets)
        .await
        .context("cannot prepare the deployment's keys")?;
    let token_keys = TokenKeys::default();
    oauth::keys::ensure(&db, &secrets, Now::read()).await?;
    oauth::encryption::ensure(&db, &secrets, Now::read()).await?;
    token_keys.reload(&db, &secrets, Now::read()).await?;
    let form_key = FormKey::new(&secrets);
    let mailer = Mailer::new(
        config.smtp_url.as_deref(),
        &config.public_url,
        config.is_local_stack,
    )?;
    let metrics = Metrics::new();
    let (follower, current) = Follower::new(db.clone(), secrets.clone(), metrics.clone());
    let app = App::new(app::Inner {
        db,
        secrets,
        metrics,
        public_url: config.public_url.clone(),
        is_local_stack: config.is_local_stack,
        gateway_url: config.gateway_url.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        metrics_readers: MetricsReaders::of(config),
        passwords: Passwords::new(),
        token_keys,
        webauthn: people::webauthn(&config.public_url).map(Arc::new),
        providers: Directory::new(&config.public_url).context("cannot call other providers")?,
        dns: Dns::of_system(),
        mailer,
        form_key,
        current,
        refresh: Notify::new(),
        directory: Default::default(),
        replays: Default::default(),
        observations: Default::default(),
        shutdown: CancellationToken::new(),
    });
    Ok((app, follower))
}

impl ControlPlane {
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let tls = config.tls.as_ref().map(serve::tls_acceptor).transpose()?;
        let listeners = config
            .listen
            .iter()
            .map(|address| serve::bind(*address))
            .collect::<anyhow::Result<_>>()?;
        let (app, follower) = open(&config).await?;
        genesis::set_issuer(&app.db, &config.public_url).await?;
        Ok(Self {
            app,
            follower,
            listeners,
            tls,
        })
    }

    /// What actions of the embedding program work on.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `shutdown`, then lets requests end and stops every task.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self {
            app,
            follower,
            listeners,
            tls,
        } = self;
        let own = app.shutdown.clone();
        let mut tasks = JoinSet::new();
        let wake = Arc::new(Notify::new());
        tasks.spawn(publish_task(app.clone(), wake.clone(), own.clone()));
        tasks.spawn(listen_task(app.clone(), wake, own.clone()));
        tasks.spawn(publish::tasks::follow(app.clone(), follower, own.clone()));
        tasks.spawn(nodes::observations::write_down(app.clone(), own.clone()));
        tasks.spawn(mail_task(app.clone(), own.clone()));
        tasks.spawn(upkeep::keep_up(app.clone(), own.clone()));
        tasks.spawn(oauth::follow_keys(app.clone(), own.clone()));
        for listener in listeners {
            let (tls, router) = (tls.clone(), router(&app));
            tasks.spawn(serve::serve(listener, tls, router, own.clone()));
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            ended = tasks.join_next() => {
                own.cancel();
                anyhow::bail!("a task of the control plane ended: {ended:?}");
            }
        }
        own.cancel();
        while tasks.join_next().await.is_some() {}
        app.db.close().await;
        Ok(())
    }
}

async fn publish_task(app: App, wake: Arc<Notify>, shutdown: CancellationToken) {
    publish::tasks::publish(app, &wake, shutdown).await;
}

async fn listen_task(app: App, wake: Arc<Notify>, shutdown: CancellationToken) {
    publish::tasks::listen(app, &wake, shutdown).await;
}

async fn mail_task(app: App, shutdown: CancellationToken) {
    app.mailer.deliver(&app.db, shutdown).await;
}

fn router(app: &App) -> Router {
    let observe = axum::middleware::from_fn_with_state(
        app.metrics.clone() as Arc<Metrics>,
        telemetry::observe,
    );
    Router::new()
        .merge(nodes::router())
        .merge(health::router())
        .merge(oauth::router())
        .merge(page::router(app))
        .merge(json::router())
        .layer(observe)
        .with_state(app.clone())
}
