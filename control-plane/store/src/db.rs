//! Connecting, and bringing the schema up to this version.

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::roles::{self, RolesError};

/// The oldest PostgreSQL that is tested.
pub const OLDEST_SERVER: u32 = 14;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");

/// Why there is no database to work with. Each says in one line what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the database's address is not of the form postgres://user@host/database")]
    Address(#[source] Option<sqlx::Error>),
    #[error("PostgreSQL cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    #[error("PostgreSQL {found} is too old; version {OLDEST_SERVER} or newer is needed")]
    ServerTooOld { found: String },
    #[error(
        "the database has schema version {found}, this program knows {known}: start the newer version of Tollgate that wrote it"
    )]
    SchemaTooNew { found: i64, known: i64 },
    #[error(
        "this login may not make the roles that Tollgate needs; as an administrator, run:\n{sql}"
    )]
    RolesMissing { sql: String },
    #[error("the schema could not be brought up to date: {0}")]
    Migration(#[source] MigrateError),
    #[error("the database refused a statement: {0}")]
    Database(#[source] sqlx::Error),
}

/// A pool of connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Db {
    pool: PgPool,
}

impl Db {
    /// Connects and migrates: afterwards the schema is this version's. Several processes may do so
    /// at once; one of them migrates.
    pub async fn open(url: &str, connections_max: u32) -> Result<Self, ConnectError> {
        migrate(url).await?;
        Self::connect(url, connections_max).await
    }

    /// Whether the database can be worked with. Changes nothing in it.
    pub async fn check(url: &str) -> Result<(), ConnectError> {
        let closing = look_at(url).await?.close();
        closing.await.map_err(ConnectError::Database)
    }

    /// Connects to a database that is migrated already.
    pub async fn connect(url: &str, connections_max: u32) -> Result<Self, ConnectError> {
        let options = options(url)?.options([
            ("statement_timeout", "60s"),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(CONNECT_WITHIN)
            .connect_with(options)
            .await
            .map_err(ConnectError::Unreachable)?;
        Ok(Self { pool })
    }

    /// A connection of its own beside the pool, for what lasts: a lock, listening.
    pub(crate) async fn dedicated(&self) -> Result<PgConnection, sqlx::Error> {
        self.pool.connect_options().connect().await
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether the database answers, for readiness.
    pub async fn ping(&self) -> crate::Result<()> {
        sqlx::query!("select 1 as one")
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }

    /// Waits for the connections in use and closes them all.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn options(url: &str) -> Result<PgConnectOptions, ConnectError> {
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    if !is_ours {
        return Err(ConnectError::Address(None));
    }
    Ok(PgConnectOptions::from_str(url)
        .map_err(|cause| ConnectError::Address(Some(cause)))?
        .application_name("tollgate")
        .log_statements(tracing::log::LevelFilter::Trace))
}

/// Brings the schema of the database at `url` up to this version.
pub async fn migrate(url: &str) -> Result<(), ConnectError> {
    let mut connection = look_at(url).await?;
    roles::ensure(&mut connection)
        .await
        .map_err(|cause| match cause {
            RolesError::Forbidden(sql) => ConnectError::RolesMissing { sql },
            RolesError::Sqlx(cause) => ConnectError::Database(cause),
        })?;
    MIGRATOR
        .run_direct(None, &mut connection, false)
        .await
        .map_err(ConnectError::Migration)?;
    connection.close().await.map_err(ConnectError::Database)
}

/// A connection to a database that this version can work with.
async fn look_at(url: &str) -> Result<PgConnection, ConnectError> {
    let options = options(url)?;
    let connecting = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&options));
    let connected = connecting.await.unwrap_or_else(|_| {
        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
        Err(sqlx::Error::Io(late))
    });
    let mut connection = connected.map_err(ConnectError::Unreachable)?;
    check_server(&mut connection).await?;
    check_schema(&mut connection).await?;
    Ok(connection)
}

async fn check_server(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let server = sqlx::query!(
        r#"select current_setting('server_version_num')::int as "number!",
            current_setting('server_version') as "text!""#
    )
    .fetch_one(connection)
    .await
    .map_err(ConnectError::Database)?;
    if server.number < OLDEST_SERVER as i32 * 10_000 {
        return Err(ConnectError::ServerTooOld { found: server.text });
    }
    Ok(())
}

/// Refuses a schema that a newer version wrote, before anything is touched.
async fn check_schema(connection: &mut PgConnection) -> Result<(), ConnectError> {
    let has_schema =
        sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "has!""#)
            .fetch_one(&mut *connection)
            .await
            .map_err(ConnectError::Database)?;
    if !has_schema {
        return Ok(());
    }
    // The table is the migrator's own and unknown to the checked queries.
    let found: Option<i64> = sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(connection)
        .await
        .map_err(ConnectError::Database)?;
    let known = MIGRATOR.iter().map(|one| one.version).max();
    match (found, known) {
        (Some(found), Some(known)) if found > known => {
            Err(ConnectError::SchemaTooNew { found, known })
        }
        _ => Ok(()),
    }
}
