//! Keys: what nodes are told of them, and when.

use domain::api_key::{KeyHash, KeyName, KeyTerms};
use domain::conflict::Conflict;
use store::dirty::{self, Mark};
use store::testing::World;
use store::{Error, api_keys, compile};
use time::Duration;

/// Takes all marks away and returns them.
async fn take_marks(world: &World) -> Vec<Mark> {
    let mut compile_tx = world.db.compile_tx().await.unwrap();
    let marked = dirty::list(&mut compile_tx, 1_000).await.unwrap();
    drop(compile_tx);
    let mut tx = world.db.platform_tx().await.unwrap();
    dirty::delete(&mut tx, &marked).await.unwrap();
    tx.commit().await.unwrap();
    marked.into_iter().map(|one| one.mark).collect()
}

async fn compiled(world: &World, hashes: &[KeyHash]) -> Vec<domain::compile::KeyRow> {
    let mut tx = world.db.compile_tx().await.unwrap();
    let mut rows = compile::keys(&mut tx, hashes).await.unwrap();
    rows.sort_by_key(|row| row.hash);
    let mut page = compile::keys_page(&mut tx, None).await.unwrap();
    page.retain(|row| hashes.contains(&row.hash));
    assert_eq!(rows, page, "by hash and by page are the same");
    rows
}

#[tokio::test]
async fn every_change_of_a_key_marks_its_values() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    take_marks(&world).await;
    let (key, old) = world.key(tenant, "k").await;
    assert_eq!(take_marks(&world).await, [Mark::Key(old)]);

    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let mut terms = KeyTerms::named(KeyName::parse("k").unwrap());
    terms.is_enabled = false;
    api_keys::update(&mut tx, tenant, key, &terms, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(take_marks(&world).await, [Mark::Key(old)]);
    assert!(compiled(&world, &[old]).await.is_empty());

    let (_, value) = world.value();
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    api_keys::rotate(&mut tx, tenant, key, &value, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        take_marks(&world).await,
        [Mark::Key(old), Mark::Key(value.hash)]
    );

    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    api_keys::revoke(&mut tx, tenant, key, super::now(), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(take_marks(&world).await, [Mark::Key(value.hash)]);
}

#[tokio::test]
async fn a_rotated_key_keeps_its_id_and_the_old_value_lives_through_the_grace_period() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (key, old) = world.key(tenant, "k").await;
    let until = super::now() + Duration::HOUR;
    let (_, value) = world.value();
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let rotated = api_keys::rotate(&mut tx, tenant, key, &value, Some(until))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(rotated.id, key);
    assert!(rotated.previous_value_expires_at.is_some());
    let rows = compiled(&world, &[old, value.hash]).await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row.expires_at_ms.is_some(), row.hash == old);
        assert_eq!(row.id, key);
    }

    take_marks(&world).await;
    let mut tx = world.db.platform_tx().await.unwrap();
    let later = until + Duration::SECOND;
    let gone = api_keys::all_tenants_delete_expired_values(&mut tx, later, 100)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(take_marks(&world).await, [Mark::Key(old)]);
    assert_eq!(compiled(&world, &[old, value.hash]).await.len(), 1);
}

#[tokio::test]
async fn a_revoked_key_opens_nothing_and_its_value_is_never_taken_again() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (_, value) = world.value();
    let terms = KeyTerms::named(KeyName::parse("k").unwrap());
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let key = super::id();
    api_keys::insert(&mut tx, tenant, key, (&terms, &value), None)
        .await
        .unwrap();
    api_keys::revoke(&mut tx, tenant, key, super::now(), None)
        .await
        .unwrap();
    let again = api_keys::revoke(&mut tx, tenant, key, super::now(), None).await;
    assert!(matches!(again, Err(Error::Conflict(Conflict::KeyRevoked))));
    tx.commit().await.unwrap();
    assert!(compiled(&world, &[value.hash]).await.is_empty());
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let taken = api_keys::insert(&mut tx, tenant, super::id(), (&terms, &value), None).await;
    assert!(matches!(
        taken,
        Err(Error::Conflict(Conflict::KeyValueTaken))
    ));
}

#[tokio::test]
async fn restrictions_survive_the_database() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (api, _) = world.api("/a").await;
    let (_, value) = world.value();
    let mut terms = KeyTerms::named(KeyName::parse("k").unwrap());
    terms.scopes = Some(vec![domain::scope::Scope::parse("orders:read").unwrap()]);
    terms.api_ids = vec![api];
    terms.allowed_ips = ["10.0.0.0/8", "2001:db8::1"]
        .map(|text| domain::api_key::AllowedIp::parse(text).unwrap())
        .to_vec();
    terms.rate = domain::plan::Rate::parse(Some(500), Some(3)).unwrap();
    terms.expires_at = Some(super::now() + Duration::DAY);
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let key = api_keys::insert(&mut tx, tenant, super::id(), (&terms, &value), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(key.allowed_ips, ["10.0.0.0/8", "2001:db8::1/128"]);
    assert_eq!(key.rate, terms.rate);
    let rows = compiled(&world, &[value.hash]).await;
    assert_eq!(rows[0].allowed_ips.len(), 2);
    assert_eq!(
        rows[0].scopes.as_deref(),
        Some(&["orders:read".to_owned()][..])
    );
    assert_eq!(rows[0].api_ids, [api]);
    assert!(rows[0].expires_at_ms.is_some());
}
