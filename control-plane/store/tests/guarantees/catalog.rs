//! Plans, APIs, upstreams and what nodes are told of them.

use domain::conflict::Conflict;
use domain::plan::{ApplyTo, PlanName, PlanTerms, Rate};
use domain::quota::Period;
use domain::tenant::TenantStatus;
use store::dirty::{self, Mark};
use store::plans::PlanEdit;
use store::testing::World;
use store::{Error, apis, compile, plans, subscriptions, tenants};

async fn marks(world: &World) -> Vec<Mark> {
    let mut tx = world.db.compile_tx().await.unwrap();
    let marked = dirty::list(&mut tx, 1_000).await.unwrap();
    marked.into_iter().map(|one| one.mark).collect()
}

async fn edit(
    world: &World,
    plan: domain::id::PlanId,
    terms: &PlanTerms,
    apply_to: ApplyTo,
) -> Result<domain::plan::Plan, Error> {
    let name = PlanName::parse(&plan.to_string()).unwrap();
    let edit = PlanEdit {
        name: &name,
        description: "",
        is_self_service: true,
        terms,
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    let plan = plans::update(&mut tx, plan, &edit, apply_to, None).await?;
    tx.commit().await?;
    Ok(plan)
}

#[tokio::test]
async fn a_change_of_a_plan_reaches_all_or_only_new_subscribers() {
    let world = World::new().await;
    let (first, _) = world.api("/1").await;
    let (second, _) = world.api("/2").await;
    let mut terms = PlanTerms {
        api_ids: vec![first],
        ..PlanTerms::default()
    };
    let plan = world.plan(&terms).await;
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, plan).await;

    terms.api_ids = vec![first, second];
    terms.rate = Rate::parse(Some(1000), Some(5)).unwrap();
    assert_eq!(
        edit(&world, plan, &terms, ApplyTo::New)
            .await
            .unwrap()
            .version,
        2
    );
    let row = |world: World| async move {
        let mut tx = world.db.compile_tx().await.unwrap();
        let row = compile::tenants(&mut tx, &[tenant])
            .await
            .unwrap()
            .remove(0);
        drop(tx);
        (world, row.subscriptions[0].clone())
    };
    let (world, old) = row(world).await;
    assert_eq!((old.plan_version, old.api_ids.len()), (1, 1));

    // The same terms again make no version, but reach everybody.
    assert_eq!(
        edit(&world, plan, &terms, ApplyTo::All)
            .await
            .unwrap()
            .version,
        2
    );
    let (world, new) = row(world).await;
    assert_eq!((new.plan_version, new.api_ids), (2, vec![first, second]));
    let marks = marks(&world).await;
    assert!(
        marks.ends_with(&[Mark::Tenant(tenant), Mark::Plan(plan)]),
        "{marks:?}"
    );
    let mut tx = world.db.compile_tx().await.unwrap();
    let versions = compile::plans(&mut tx, &[plan]).await.unwrap();
    assert_eq!(
        versions.iter().map(|row| row.version).collect::<Vec<_>>(),
        [1, 2]
    );
    assert!(versions[0].rate.is_none() && versions[1].rate.is_some());
}

#[tokio::test]
async fn a_tenant_that_subscribes_while_the_plan_is_edited_for_all_gets_the_edit() {
    let world = World::new().await;
    let plan = world.plan(&PlanTerms::default()).await;
    let tenant = world.tenant("t").await;
    let name = PlanName::parse("edited").unwrap();
    let terms = World::quota(5, Period::Day);
    let edit = PlanEdit {
        name: &name,
        description: "",
        is_self_service: true,
        terms: &terms,
    };
    let mut editing = world.db.platform_tx().await.unwrap();
    plans::update(&mut editing, plan, &edit, ApplyTo::All, None)
        .await
        .unwrap();
    let subscribing = world.subscribe(tenant, plan);
    let commit_when_it_waits = async {
        let waiting = "select count(*) from pg_locks
            where not granted and locktype = 'advisory'
                and database = (select oid from pg_database where datname = current_database())";
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let pool = store::testing::pool(&world.db);
            let count: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap();
            if count > 0 {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "it did not wait");
        }
        editing.commit().await.unwrap();
    };
    let (subscription, ()) = tokio::join!(subscribing, commit_when_it_waits);
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let found = subscriptions::get(&mut tx, tenant, subscription)
        .await
        .unwrap();
    assert_eq!(found.plan_version, 2);
}

#[tokio::test]
async fn a_plan_cannot_be_edited_into_a_conflict_of_its_tenants() {
    let world = World::new().await;
    let (api, _) = world.api("/1").await;
    let opening = PlanTerms {
        api_ids: vec![api],
        ..PlanTerms::default()
    };
    let (one, two) = (
        world.plan(&opening).await,
        world.plan(&PlanTerms::default()).await,
    );
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, one).await;
    world.subscribe(tenant, two).await;
    let edited = edit(&world, two, &opening, ApplyTo::All).await;
    assert!(matches!(
        edited,
        Err(Error::Conflict(Conflict::ApiOpenedTwice))
    ));
    assert_eq!(
        edit(&world, two, &opening, ApplyTo::New)
            .await
            .unwrap()
            .version,
        2
    );
}

#[tokio::test]
async fn changing_plans_keeps_the_first_period_of_the_group() {
    let world = World::new().await;
    let month = World::quota(100, Period::Month);
    let (first, second) = (world.plan(&month).await, world.plan(&month).await);
    let tenant = world.tenant("t").await;
    let old = world.subscribe(tenant, first).await;
    let mut tx = world.db.tenant_tx(tenant).await.unwrap();
    let later = super::now() + time::Duration::days(90);
    subscriptions::end(&mut tx, tenant, old, later, None)
        .await
        .unwrap();
    let new = super::id();
    subscriptions::insert(&mut tx, tenant, new, second, None)
        .await
        .unwrap();
    subscriptions::activate(&mut tx, tenant, new, later)
        .await
        .unwrap();
    let starts: Vec<time::OffsetDateTime> =
        sqlx::query_scalar("select first_period_at from subscriptions order by id")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    assert_eq!(starts.len(), 2);
    assert_eq!(starts[0], starts[1]);
    let again = subscriptions::end(&mut tx, tenant, old, later, None).await;
    assert!(matches!(
        again,
        Err(Error::Conflict(Conflict::SubscriptionOver))
    ));
}

#[tokio::test]
async fn what_is_compiled_is_what_was_set() {
    let world = World::new().await;
    let mut tx = world.db.platform_tx().await.unwrap();
    let api = super::id();
    let mut terms = world.api_terms("/orders", &["b.example.com", "a.example.com"]);
    terms.cors = Some(domain::api::Cors {
        allow_origins: vec!["*".to_owned()],
        ..domain::api::Cors::default()
    });
    apis::insert(&mut tx, api, &terms).await.unwrap();
    let mut route = World::route_terms("/v1/{id}");
    route.methods = vec![domain::route::Method::parse("get").unwrap()];
    store::routes::insert(&mut tx, api, super::id(), &route)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let mut tx = world.db.compile_tx().await.unwrap();
    let row = compile::apis(&mut tx, &[api]).await.unwrap().remove(0);
    assert_eq!(row.hosts, ["a.example.com", "b.example.com"]);
    assert_eq!(row.base_path, "/orders");
    assert_eq!(row.cors.unwrap().allow_origins, ["*"]);
    assert_eq!(row.routes[0].methods, ["GET"]);
    assert_eq!(row.routes[0].upstream_id, world.upstream, "the API's own");
    assert_eq!(compile::api_ids(&mut tx, None).await.unwrap(), [api]);
    let upstream = compile::upstreams(&mut tx, &[world.upstream])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(upstream.targets[0].url, "http://127.0.0.1:9");
    assert_eq!(compile::peppers(&mut tx).await.unwrap()[0].generation, 1);
}

#[tokio::test]
async fn deleting_an_api_tells_the_tenants_that_had_it() {
    let world = World::new().await;
    let (api, _) = world.api("/1").await;
    let plan = world
        .plan(&PlanTerms {
            api_ids: vec![api],
            ..PlanTerms::default()
        })
        .await;
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, plan).await;
    let mut tx = world.db.platform_tx().await.unwrap();
    apis::delete(&mut tx, api, None).await.unwrap();
    tx.commit().await.unwrap();
    let marks = marks(&world).await;
    assert!(
        marks.ends_with(&[Mark::Tenant(tenant), Mark::Api(api)]),
        "{marks:?}"
    );
    let mut tx = world.db.compile_tx().await.unwrap();
    let row = compile::tenants(&mut tx, &[tenant])
        .await
        .unwrap()
        .remove(0);
    assert!(row.subscriptions[0].api_ids.is_empty());
}

#[tokio::test]
async fn a_suspended_tenant_is_known_to_be_and_a_deleted_one_leaves_nothing_but_its_events() {
    let world = World::new().await;
    let tenant = world.tenant("t").await;
    let (_, hash) = world.key(tenant, "k").await;
    world.member(tenant, domain::role::Role::Owner).await;
    let mut tx = world.db.platform_tx().await.unwrap();
    tenants::all_tenants_set_status(&mut tx, tenant, TenantStatus::Suspended, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = world.db.compile_tx().await.unwrap();
    assert!(compile::tenants(&mut tx, &[tenant]).await.unwrap()[0].is_suspended);
    assert_eq!(compile::tenants_page(&mut tx, None).await.unwrap().len(), 1);
    drop(tx);
    let mut tx = world.db.platform_tx().await.unwrap();
    tenants::all_tenants_delete(&mut tx, tenant, None)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let marks = marks(&world).await;
    assert!(
        marks.ends_with(&[Mark::Key(hash), Mark::Tenant(tenant)]),
        "{marks:?}"
    );
    let mut tx = world.db.compile_tx().await.unwrap();
    assert!(compile::keys(&mut tx, &[hash]).await.unwrap().is_empty());
    assert!(
        compile::tenants(&mut tx, &[tenant])
            .await
            .unwrap()
            .is_empty()
    );
}
