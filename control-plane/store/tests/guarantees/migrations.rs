//! Bringing databases up to date, or refusing to.

use store::testing;
use store::{ConnectError, Db, migrate};

async fn run(url: &str, statement: &str) {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// An empty database beside the test's own, under the same login.
async fn empty_database() -> String {
    let url = testing::database_url().await;
    let name = format!("e{}", uuid::Uuid::now_v7().simple());
    run(&url, &format!("create database {name}")).await;
    replace_database(&url, &name)
}

fn replace_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').unwrap();
    let (server, _) = address.rsplit_once('/').unwrap();
    format!("{server}/{name}?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn several_databases_of_one_cluster_migrate_at_once_and_again() {
    let mut running = Vec::new();
    for _ in 0..4 {
        let url = empty_database().await;
        for _ in 0..2 {
            let url = url.clone();
            running.push(tokio::spawn(async move { migrate(&url).await }));
        }
    }
    for one in running {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused_and_left_alone() {
    let url = testing::database_url().await;
    run(
        &url,
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9999, 'from the future', true, '', 0)",
    )
    .await;
    let refused = Db::open(&url, 1).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::SchemaTooNew { found: 9999, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_login_that_may_not_make_roles_is_told_what_to_run() {
    let admin = testing::database_url().await;
    let name = uuid::Uuid::now_v7().simple().to_string();
    run(&admin, &format!("create role l{name} login")).await;
    run(&admin, &format!("create database o{name} owner l{name}")).await;
    let (_, address) = admin.split_once('@').unwrap();
    let url = replace_database(
        &format!("postgres://l{name}@{address}"),
        &format!("o{name}"),
    );
    let refused = migrate(&url).await.unwrap_err();
    let ConnectError::RolesMissing { sql } = refused else {
        panic!("another error: {refused}");
    };
    // The roles themselves are there, from the other databases of this cluster.
    for statement in sql.split(';').filter(|text| text.contains("grant")) {
        run(&admin, statement).await;
    }
    let db = Db::open(&url, 1).await.unwrap();
    let mut tx = db.tenant_tx(uuid::Uuid::now_v7().into()).await.unwrap();
    let seen = sqlx::query("select id from tenants")
        .fetch_all(&mut *tx)
        .await;
    assert!(seen.unwrap().is_empty());
    drop(tx);
    let mut tx = db.platform_tx().await.unwrap();
    store::usage::keep_partitions(&mut tx, super::now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    run(&admin, &format!("drop database o{name}")).await;
    run(&admin, &format!("drop role l{name}")).await;
}

#[tokio::test]
async fn an_address_without_a_server_is_one_clear_error() {
    let refused = migrate("postgres://nobody@localhost/x?host=/nonexistent").await;
    assert!(matches!(refused, Err(ConnectError::Unreachable(_))));
    let refused = migrate("mysql://x").await;
    assert!(matches!(refused, Err(ConnectError::Address(_))));
}
