//! What the schema forbids is said in the domain's words.

use domain::conflict::Conflict;
use domain::id::{ApiKeyId, TenantId};
use domain::plan::PlanTerms;
use domain::tenant::TenantName;
use store::testing::World;
use store::{Error, apis, plans, routes, subscriptions, tenants, upstreams, users};

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Error>, expected: Conflict) {
    match result {
        Err(Error::Conflict(found)) => assert_eq!(found, expected),
        other => panic!("{expected:?} was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn one_address_is_one_account() {
    let world = World::new().await;
    let email = domain::email::Email::parse("ada@example.com").unwrap();
    let name = domain::user::PersonName::default();
    let mut tx = world.db.platform_tx().await.unwrap();
    let mut user = users::NewUser {
        id: super::id(),
        email: &email,
        name: &name,
        password_hash: None,
        email_confirmed_at: None,
    };
    users::insert(&mut tx, &user).await.unwrap();
    user.id = super::id();
    check(users::insert(&mut tx, &user).await, Conflict::EmailTaken);
}

#[tokio::test]
async fn no_two_apis_claim_one_place() {
    let world = World::new().await;
    world.api("/orders").await;
    let mut tx = world.db.platform_tx().await.unwrap();
    let hosted = world.api_terms("/orders", &["api.example.com"]);
    apis::insert(&mut tx, super::id(), &hosted).await.unwrap();
    tx.commit().await.unwrap();
    for hosts in [&[][..], &["api.example.com"][..]] {
        let mut tx = world.db.platform_tx().await.unwrap();
        let terms = world.api_terms("/orders", hosts);
        check(
            apis::insert(&mut tx, super::id(), &terms).await,
            Conflict::PlaceTaken,
        );
    }
}

#[tokio::test]
async fn no_two_routes_of_one_api_match_the_same_request() {
    let world = World::new().await;
    let (api, _) = world.api("/a").await;
    let with = |path: &str, methods: &[&str]| {
        let mut terms = World::route_terms(path);
        terms.methods = methods
            .iter()
            .map(|method| domain::route::Method::parse(method).unwrap())
            .collect();
        terms
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    for (path, methods) in [
        ("/x/{id}", &["GET"][..]),
        ("/x/{id}", &["POST"][..]),
        ("/y", &[][..]),
    ] {
        routes::insert(&mut tx, api, super::id(), &with(path, methods))
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    for (path, methods) in [
        ("/x/{other}", &["POST", "PUT"][..]),
        ("/x/{other}", &[][..]),
        ("/y", &["GET"][..]),
        ("/y", &[][..]),
    ] {
        let mut tx = world.db.platform_tx().await.unwrap();
        let inserted = routes::insert(&mut tx, api, super::id(), &with(path, methods)).await;
        check(inserted, Conflict::RouteTaken);
    }
}

#[tokio::test]
async fn an_upstream_in_use_stays_and_an_unknown_one_is_named() {
    let world = World::new().await;
    world.api("/a").await;
    let mut tx = world.db.platform_tx().await.unwrap();
    check(
        upstreams::delete(&mut tx, world.upstream).await,
        Conflict::UpstreamInUse,
    );
    drop(tx);
    let mut tx = world.db.platform_tx().await.unwrap();
    let mut terms = world.api_terms("/b", &[]);
    terms.upstream_id = super::id();
    check(
        apis::insert(&mut tx, super::id(), &terms).await,
        Conflict::UnknownUpstream,
    );
}

#[tokio::test]
async fn an_api_is_opened_by_one_subscription_only() {
    let world = World::new().await;
    let (api, _) = world.api("/a").await;
    let opening = PlanTerms {
        api_ids: vec![api],
        ..PlanTerms::default()
    };
    let (first, second) = (world.plan(&opening).await, world.plan(&opening).await);
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, first).await;
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let id = super::id();
    subscriptions::insert(&mut tx, tenant, id, second, None)
        .await
        .unwrap();
    let activated = subscriptions::activate(&mut tx, tenant, id, super::now()).await;
    check(activated, Conflict::ApiOpenedTwice);
}

#[tokio::test]
async fn a_tenant_has_one_quota_per_group_and_each_plan_once() {
    let world = World::new().await;
    let day = World::quota(1, domain::quota::Period::Day);
    let (first, second) = (world.plan(&day).await, world.plan(&day).await);
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, first).await;
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let again = subscriptions::insert(&mut tx, tenant, super::id(), first, None).await;
    check(again, Conflict::AlreadySubscribed);
    drop(tx);
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let id = super::id();
    subscriptions::insert(&mut tx, tenant, id, second, None)
        .await
        .unwrap();
    let activated = subscriptions::activate(&mut tx, tenant, id, super::now()).await;
    check(activated, Conflict::QuotaGroupTaken);
}

#[tokio::test]
async fn a_retired_plan_takes_no_new_subscription() {
    let world = World::new().await;
    let plan = world.plan(&PlanTerms::default()).await;
    let tenant = world.tenant("t").await;
    let mut tx = world.db.platform_tx().await.unwrap();
    plans::retire(&mut tx, plan, super::now(), None)
        .await
        .unwrap();
    let asked = subscriptions::insert(&mut tx, tenant, super::id(), plan, None).await;
    check(asked, Conflict::PlanRetired);
}

#[tokio::test]
async fn names_of_keys_are_unique_per_tenant_and_free_after_revocation() {
    let world = World::new().await;
    let (mine, other) = (world.tenant("mine").await, world.tenant("other").await);
    let (key, _) = world.key(mine, "Deploy").await;
    world.key(other, "deploy").await;
    let insert = |tenant: TenantId| {
        let world = &world;
        async move {
            let (_, value) = world.value();
            let terms = domain::api_key::KeyTerms::named(
                domain::api_key::KeyName::parse("deploy").unwrap(),
            );
            let mut tx = world.db.tenant_tx(tenant).await.unwrap();
            let id: ApiKeyId = super::id();
            let made = store::api_keys::insert(&mut tx, tenant, id, (&terms, &value), None).await;
            made.map(drop)
        }
    };
    check(insert(mine).await, Conflict::KeyNameTaken);
    let mut tx = world.db.tenant_tx(mine).await.unwrap();
    store::api_keys::revoke(&mut tx, mine, key, super::now(), None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    insert(mine).await.unwrap();
}

#[tokio::test]
async fn an_edit_of_what_somebody_else_edited_is_refused() {
    let world = World::new().await;
    let tenant = world.tenant("before").await;
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let seen = tenants::get(&mut tx, tenant).await.unwrap().edition;
    let name = TenantName::parse("after").unwrap();
    let renamed = tenants::rename(&mut tx, tenant, &name, Some(seen))
        .await
        .unwrap();
    assert_eq!(
        (renamed.name.as_str(), renamed.edition),
        ("after", seen + 1)
    );
    let again = tenants::rename(&mut tx, tenant, &name, Some(seen)).await;
    assert!(matches!(again, Err(Error::EditedMeanwhile)));
    let missing = tenants::rename(&mut tx, super::id(), &name, None).await;
    assert!(matches!(missing, Err(Error::NotFound { what: "tenant" })));
}
