//! A fresh, migrated database per test, copied from a template that is made once for these
//! migrations.

mod world;

use crate::{Db, migrate};
pub use world::{PEPPER, World};

/// Connections of a test's pool; tests of contention need some.
const CONNECTIONS: u32 = 12;

/// The address of a new database that is this test's own.
pub async fn database_url() -> String {
    tokio::task::spawn_blocking(make)
        .await
        .expect("the task that makes a database does not panic")
}

/// A new database that is this test's own.
pub async fn database() -> Db {
    Db::connect(&database_url().await, CONNECTIONS)
        .await
        .expect("a database that was just made can be connected to")
}

/// The pool itself, without role and tenant: for tests of what transactions leave behind.
pub fn pool(db: &Db) -> &sqlx::PgPool {
    db.pool()
}

/// Lets time pass in the rows: a statement across tenants with a number of seconds.
pub async fn execute(db: &Db, sql: &'static str, seconds: f64) {
    let mut tx = db.platform_tx().await.expect("begins");
    sqlx::query(sql)
        .bind(seconds)
        .execute(&mut *tx)
        .await
        .expect("a statement of a test");
    tx.commit().await.expect("commits");
}

/// Until another transaction waits for what one holds.
pub async fn until_somebody_waits(db: &Db) {
    let sql = "select exists (
        select from pg_locks l join pg_stat_activity a on a.pid = l.pid
        where not l.granted and a.datname = current_database()
    )";
    loop {
        let mut tx = db.platform_tx().await.expect("begins");
        let waits: bool = sqlx::query_scalar(sql)
            .fetch_one(&mut *tx)
            .await
            .expect("reads locks");
        drop(tx);
        if waits {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn make() -> String {
    let lease = cluster::testing::lease().expect("a PostgreSQL cluster for tests");
    let name = lease
        .database_from_template(&template(), |url| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(migrate(url))
        })
        .expect("a database from the template")
        .expect("migrations run on an empty database");
    lease.url(&name)
}

/// A name that changes with the migrations.
fn template() -> String {
    let all: Vec<u8> = crate::db::MIGRATOR
        .iter()
        .flat_map(|one| one.checksum.to_vec())
        .collect();
    let hash = snapshot::chunk::Address::of(&all).to_string();
    format!("store_{}", &hash[..16])
}

/// Makes a person's sign-ins older, as if that many seconds had passed.
pub async fn age_sign_ins(
    tx: &mut crate::PlatformTx,
    user: domain::id::UserId,
    seconds: i64,
) -> crate::Result<()> {
    sqlx::query(
        "update sessions set data = jsonb_set(data, '{signed_in_at}',
            to_jsonb((data->>'signed_in_at')::bigint - $2))
        where user_id = $1",
    )
    .bind(user.0)
    .bind(seconds)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
