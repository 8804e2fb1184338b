//! What the three roles see, and that nothing of them outlives a transaction.
#![allow(clippy::unwrap_used)]

use domain::id::TenantId;
use sqlx::Row;
use store::testing;

#[tokio::test]
async fn a_tenant_sees_only_its_own_rows_and_none_without_a_tenant() {
    let db = testing::database().await;
    let mut tx = db.platform_tx().await.unwrap();
    let ids: Vec<TenantId> = (1..=2)
        .map(|n| TenantId(uuid::Uuid::from_u128(n)))
        .collect();
    for id in &ids {
        sqlx::query("insert into tenants (id, name) values ($1, 'x')")
            .bind(id.0)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();

    let count = "select count(*) from tenants";
    let mut tx = db.tenant_tx(ids[0]).await.unwrap();
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 1);
    sqlx::query("select set_config('tollgate.tenant_id', '', true)")
        .execute(&mut *tx)
        .await
        .unwrap();
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 0);
    drop(tx);

    let mut tx = db.platform_tx().await.unwrap();
    let row = sqlx::query(
        "select current_setting('tollgate.tenant_id', true) as t, current_user::text as u",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(row.get::<String, _>("u"), "tollgate_platform");
    assert_eq!(row.get::<Option<String>, _>("t").unwrap_or_default(), "");
}
