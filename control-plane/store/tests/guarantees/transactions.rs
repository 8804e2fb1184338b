//! What the roles see, and that nothing of them outlives a transaction.

use domain::id::TenantId;
use sqlx::Row;
use store::testing::{self, World};
use store::{Conn, Db};

async fn count(tx: &mut Conn, table: &str) -> i64 {
    let sql = format!("select count(*) from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(tx)
        .await
        .unwrap()
}

/// Tables that the tenant role may read and that have an owner.
async fn tenant_tables(db: &Db) -> Vec<String> {
    sqlx::query_scalar(
        "select c.relname::text from pg_class c
        where c.relkind in ('r', 'p') and not c.relispartition
            and c.relnamespace = 'public'::regnamespace
            and has_table_privilege('tollgate_tenant', c.oid, 'select')
            and (c.relname = 'tenants' or exists (
                select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id'))
        order by 1",
    )
    .fetch_all(testing::pool(db))
    .await
    .unwrap()
}

async fn furnished() -> (World, TenantId, TenantId) {
    let world = World::new().await;
    let (api, _) = world.api("/a").await;
    let mut terms = World::quota(100, domain::quota::Period::Day);
    terms.api_ids = vec![api];
    let plan = world.plan(&terms).await;
    let (mine, other) = (world.tenant("mine").await, world.tenant("other").await);
    for tenant in [mine, other] {
        world.subscribe(tenant, plan).await;
        world.key(tenant, "key").await;
        world.member(tenant, domain::role::Role::Owner).await;
    }
    (world, mine, other)
}

#[tokio::test]
async fn a_query_with_its_where_left_out_returns_nothing_outside_a_tenant() {
    let (world, mine, _) = furnished().await;
    let tables = tenant_tables(&world.db).await;
    assert!(tables.len() >= 7, "{tables:?}");
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    let mut seen = 0;
    for table in &tables {
        seen += count(&mut tx, table).await;
    }
    assert!(seen >= 6, "{seen}");
    sqlx::query("select set_config('tollgate.tenant_id', '', true)")
        .execute(&mut *tx)
        .await
        .unwrap();
    for table in tables
        .iter()
        .map(String::as_str)
        .chain(["(select id from users) as users"])
    {
        assert_eq!(count(&mut tx, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_tenant_sees_its_own_rows_and_people_only() {
    let (world, mine, _) = furnished().await;
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    for table in [
        "tenants",
        "members",
        "subscriptions",
        "subscription_apis",
        "api_keys",
        "api_key_values",
    ] {
        assert_eq!(count(&mut tx, table).await, 1, "{table}");
    }
    assert_eq!(count(&mut tx, "(select id from users) as users").await, 1);
    let passwords = sqlx::query("select password_hash from users")
        .fetch_all(&mut *tx)
        .await;
    assert!(passwords.is_err());
}

#[tokio::test]
async fn a_tenant_cannot_write_into_another() {
    let (world, mine, other) = furnished().await;
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    let changed = sqlx::query("update api_keys set name = 'x' where tenant_id = $1")
        .bind(other.0)
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(changed.rows_affected(), 0);
    let moved = sqlx::query("update api_keys set tenant_id = $1")
        .bind(other.0)
        .execute(&mut *tx)
        .await;
    assert!(moved.is_err());
}

#[tokio::test]
async fn every_table_with_a_tenant_is_fenced_also_for_its_owner() {
    let db = testing::database().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where c.relkind in ('r', 'p') and not c.relispartition
            and not (c.relrowsecurity and c.relforcerowsecurity)",
    )
    .fetch_all(testing::pool(&db))
    .await
    .unwrap();
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn no_role_reaches_a_partition_around_its_parent() {
    let world = World::new().await;
    let mut tx = world.db.platform_tx().await.unwrap();
    store::usage::keep_partitions(&mut tx, super::now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let reachable: i64 = sqlx::query_scalar(
        "select count(*) from pg_class c cross join
            (values ('tollgate_tenant'), ('tollgate_platform'), ('tollgate_compile')) as r (name)
        where c.relispartition and c.relkind = 'r' and has_table_privilege(r.name, c.oid, 'select')",
    )
    .fetch_one(testing::pool(&world.db))
    .await
    .unwrap();
    assert_eq!(reachable, 0);
}

#[tokio::test]
async fn a_returned_connection_carries_neither_tenant_nor_role() {
    let url = testing::database_url().await;
    let db = Db::connect(&url, 1).await.unwrap();
    let tenant = super::id();
    let state = "select current_user::text, session_user::text, current_setting('tollgate.tenant_id', true)";
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let row = sqlx::query(state).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "tollgate_tenant");
    assert_eq!(row.get::<String, _>(2), tenant.0.to_string());
    tx.commit().await.unwrap();
    drop(db.platform_tx().await.unwrap());
    let row = sqlx::query(state)
        .fetch_one(testing::pool(&db))
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), row.get::<String, _>(1));
    assert_eq!(row.get::<Option<String>, _>(2).unwrap_or_default(), "");
}

#[tokio::test]
async fn compiling_writes_nothing() {
    let db = testing::database().await;
    let mut tx = db.compile_tx().await.unwrap();
    let marked = store::dirty::mark(&mut tx, &[store::dirty::Mark::All]).await;
    assert!(marked.is_err());
}

#[tokio::test]
async fn the_audit_log_is_only_added_to() {
    let db = testing::database().await;
    for statement in [
        "update audit_events set action = 'x'",
        "delete from audit_events",
    ] {
        let mut tx = db.platform_tx().await.unwrap();
        assert!(
            sqlx::query(statement).execute(&mut *tx).await.is_err(),
            "{statement}"
        );
    }
}
