use std::collections::HashMap;

use domain::compile::changes;
use domain::id::UserId;
use snapshot::chunk::{Address, Kind, inflate};
use snapshot::document::{Api, Authorizer, Revocation as RevocationDocument, StateRoot};
use snapshot::manifest::Manifest;
use snapshot::revocation::RevocationKey;
use snapshot::trie::{self, Tree};
use store::revocations::Revocation;
use store::testing::World;

use super::publisher::{PublishError, Publisher};
use crate::clock::Now;
use crate::genesis;
use crate::secret_box::{SecretBox, SecretKey};
use crate::telemetry::Metrics;

struct Deployment {
    world: World,
    secrets: SecretBox,
}

impl Deployment {
    async fn new() -> Self {
        let world = World::new().await;
        let secrets = SecretBox::new(&SecretKey::generate());
        genesis::ensure(&world.db, &secrets)
            .await
            .expect("keys are made");
        Self { world, secrets }
    }

    /// A publisher that has nothing in memory.
    fn publisher(&self) -> Publisher {
        Publisher::new(self.world.db.clone(), self.secrets.clone(), Metrics::new())
    }

    async fn latest(&self) -> Manifest {
        let mut tx = self.world.db.platform_tx().await.expect("begins");
        let stored = store::manifests::find_latest(&mut tx)
            .await
            .expect("reads")
            .expect("published");
        let signed: snapshot::sign::Signed =
            snapshot::decode("manifest", &stored.signed, 1 << 20).expect("signed");
        snapshot::decode("manifest", &signed.payload, 1 << 20).expect("a manifest")
    }

    /// Every chunk that the latest manifest names, verified.
    async fn chunks(&self) -> HashMap<Address, Vec<u8>> {
        let manifest = self.latest().await;
        let mut open: Vec<_> = [manifest.config, manifest.state]
            .into_iter()
            .flatten()
            .collect();
        let mut found = HashMap::new();
        while let Some(reference) = open.pop() {
            let address = reference.address().expect("an address");
            let mut tx = self.world.db.compile_tx().await.expect("begins");
            let stored = store::chunks::list(&mut tx, &[address])
                .await
                .expect("reads");
            let bytes = inflate(&reference, &stored[0].zstd).expect("the named bytes");
            open.extend(trie::references(&bytes).expect("a known kind"));
            found.insert(address, bytes);
        }
        found
    }
}

#[tokio::test]
async fn among_100_000_keys_one_change_rewrites_one_leaf_and_its_path() {
    let deployment = Deployment::new().await;
    let tenant = deployment.world.tenant("many").await;
    deployment.world.many_keys(tenant, 100_000).await;
    let first = deployment
        .publisher()
        .publish(Now::read())
        .await
        .expect("publishes");
    let first = first.expect("something to publish");
    assert_eq!(first.version.revision, 1);
    assert!(first.chunks_written > 256, "{first:?}");

    deployment.world.key(tenant, "one more").await;
    let second = deployment
        .publisher()
        .publish(Now::read())
        .await
        .expect("publishes");
    let second = second.expect("a key changed");
    assert_eq!(second.version.revision, 2);
    assert_eq!(
        second.chunks_written, 4,
        "leaf, interior, root of keys, root of state"
    );
    assert_eq!(
        second.chunk_reads, 4,
        "both roots in one, then a level at a time"
    );
}

#[tokio::test]
async fn changes_one_by_one_publish_what_a_build_from_nothing_does() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    let (api, _) = deployment.world.api("/orders").await;
    publisher.publish(Now::read()).await.expect("publishes");
    let terms = domain::plan::PlanTerms {
        api_ids: vec![api],
        ..Default::default()
    };
    let plan = deployment.world.plan(&terms).await;
    publisher.publish(Now::read()).await.expect("publishes");
    let tenant = deployment.world.tenant("acme").await;
    deployment.world.subscribe(tenant, plan).await;
    publisher.publish(Now::read()).await.expect("publishes");
    deployment.world.key(tenant, "one").await;
    publisher.publish(Now::read()).await.expect("publishes");
    let (by_steps, chunks) = (deployment.latest().await, deployment.chunks().await);

    let mut tx = deployment.world.db.platform_tx().await.expect("begins");
    store::dirty::mark(&mut tx, &[store::dirty::Mark::All])
        .await
        .expect("marks");
    tx.commit().await.expect("commits");
    deployment
        .publisher()
        .publish(Now::read())
        .await
        .expect("publishes");
    let at_once = deployment.latest().await;
    assert_eq!(
        (by_steps.config, by_steps.state),
        (at_once.config, at_once.state)
    );
    assert_eq!(chunks, deployment.chunks().await);
}

#[tokio::test]
async fn without_a_change_nothing_is_published() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    assert!(
        publisher
            .publish(Now::read())
            .await
            .expect("publishes")
            .is_some()
    );
    assert_eq!(publisher.publish(Now::read()).await.expect("looks"), None);
}

#[tokio::test]
async fn an_alarm_stops_publishing_until_the_epoch_is_raised() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    publisher.publish(Now::read()).await.expect("publishes");
    let mut tx = deployment.world.db.platform_tx().await.expect("begins");
    store::witness::raise_alarm(&mut tx, "a node is ahead")
        .await
        .expect("raises");
    tx.commit().await.expect("commits");
    deployment.world.tenant("acme").await;
    let refused = publisher.publish(Now::read()).await;
    assert!(
        matches!(refused, Err(PublishError::Alarm(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_revoked_key_is_not_in_the_next_revision() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    let tenant = deployment.world.tenant("acme").await;
    let (key, hash) = deployment.world.key(tenant, "one").await;
    publisher.publish(Now::read()).await.expect("publishes");
    assert!(holds_key(&deployment, &hash.0).await);
    let mut tx = deployment.world.db.platform_tx().await.expect("begins");
    store::api_keys::revoke(&mut tx, tenant, key, Now::read().0, None)
        .await
        .expect("revokes");
    tx.commit().await.expect("commits");
    publisher.publish(Now::read()).await.expect("publishes");
    assert!(!holds_key(&deployment, &hash.0).await);
}

#[tokio::test]
async fn a_revocation_reaches_the_next_revision_and_leaves_when_it_is_over() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    let tenant = deployment.world.tenant("acme").await;
    publisher.publish(Now::read()).await.expect("publishes");
    let now = Now::read();
    let user = UserId(uuid::Uuid::now_v7());
    let key = RevocationKey::member(tenant, user);
    let revocation = Revocation::member(tenant, user, now.0);
    let mut tx = deployment.world.db.tenant_tx(tenant).await.expect("begins");
    store::revocations::insert(&mut tx, &revocation)
        .await
        .expect("inserts");
    tx.commit().await.expect("commits");
    publisher
        .publish(now)
        .await
        .expect("publishes")
        .expect("a revocation came");
    assert_eq!(deployment.issued_before(&key).await, Some(now.unix_ms()));

    // An earlier instant takes nothing back.
    let earlier = Revocation::member(tenant, user, now.0 - time::Duration::HOUR);
    let mut tx = deployment.world.db.platform_tx().await.expect("begins");
    store::revocations::insert(&mut tx, &earlier)
        .await
        .expect("inserts");
    tx.commit().await.expect("commits");
    assert_eq!(publisher.publish(now).await.expect("looks"), None);

    for (after, is_kept) in [
        (time::Duration::DAY, true),
        (time::Duration::days(2), false),
    ] {
        let mut tx = deployment.world.db.platform_tx().await.expect("begins");
        store::revocations::delete_expired(&mut tx, now.0 + after, 100)
            .await
            .expect("deletes");
        tx.commit().await.expect("commits");
        publisher.publish(now).await.expect("publishes");
        let found = deployment.issued_before(&key).await;
        assert_eq!(found.is_some(), is_kept, "{after}");
    }
}

#[tokio::test]
async fn nodes_are_told_the_issuer_its_keys_and_the_audience_of_apis() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    let (api, _) = deployment.world.api("/orders").await;
    publisher.publish(Now::read()).await.expect("publishes");
    assert_eq!(deployment.state().await.issuer, None);

    genesis::set_issuer(&deployment.world.db, "https://id.example.com/")
        .await
        .expect("is noted");
    deployment.world.token_key("key-of-tests").await;
    publisher
        .publish(Now::read())
        .await
        .expect("publishes")
        .expect("an issuer came");
    let issuer = deployment.state().await.issuer.expect("an issuer");
    assert_eq!(issuer.issuer, "https://id.example.com");
    assert_eq!(issuer.keys.len(), 1);
    assert_eq!(issuer.keys[0].kid, "key-of-tests");
    assert_eq!(issuer.keys[0].public_key, [1; 32]);
    let audience = format!("https://id.example.com/apis/{api}");
    let chunks = deployment.chunks().await;
    let apis: Vec<Api> = chunks
        .values()
        .filter_map(|bytes| snapshot::chunk::open(Kind::Api, bytes).ok())
        .collect();
    assert_eq!(apis.len(), 1);
    assert_eq!(apis[0].audience, audience);

    // The next start with the same address changes nothing.
    genesis::set_issuer(&deployment.world.db, "https://id.example.com")
        .await
        .expect("is noted");
    assert_eq!(publisher.publish(Now::read()).await.expect("looks"), None);
}

#[tokio::test]
async fn the_own_authorizer_is_there_from_the_first_start_and_stays_the_same() {
    let deployment = Deployment::new().await;
    let mut publisher = deployment.publisher();
    publisher.publish(Now::read()).await.expect("publishes");
    let authorizers = || async {
        let chunks = deployment.chunks().await;
        let opened = chunks
            .values()
            .filter_map(|bytes| snapshot::chunk::open::<Authorizer>(Kind::Authorizer, bytes).ok());
        opened.collect::<Vec<_>>()
    };
    let first = authorizers().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].name, "tollgate");
    assert!(first[0].own_tokens.is_some());
    genesis::ensure(&deployment.world.db, &deployment.secrets)
        .await
        .expect("all is there");
    publisher.publish(Now::read()).await.expect("looks");
    assert_eq!(authorizers().await, first);
}

impl Deployment {
    async fn state(&self) -> StateRoot {
        let (manifest, chunks) = (self.latest().await, self.chunks().await);
        let root = manifest.state.expect("a state root");
        let address = root.address().expect("an address");
        snapshot::chunk::open(Kind::StateRoot, &chunks[&address]).expect("opens")
    }

    /// What the latest revision says of a revocation.
    async fn issued_before(&self, key: &RevocationKey) -> Option<i64> {
        let (state, chunks) = (self.state().await, self.chunks().await);
        let mut found = None;
        Tree::load(
            Kind::RevocationLeaf,
            state.revocations.as_ref(),
            &Tree::default(),
            &mut |reference| Ok(chunks[&reference.address()?].clone()),
            &mut |entries| {
                for entry in entries.iter().filter(|entry| entry.key == key.as_bytes()) {
                    let document: RevocationDocument =
                        snapshot::decode("revocation", &entry.value, 1 << 10)?;
                    found = Some(document.issued_before_ms);
                }
                Ok::<(), snapshot::DecodeError>(())
            },
        )
        .expect("loads");
        found
    }
}

async fn holds_key(deployment: &Deployment, hash: &[u8]) -> bool {
    let (manifest, chunks) = (deployment.latest().await, deployment.chunks().await);
    let state = manifest
        .state
        .expect("a state root")
        .address()
        .expect("an address");
    let state: StateRoot = snapshot::chunk::open(Kind::StateRoot, &chunks[&state]).expect("opens");
    // Taking the entry out changes the map only if it is there.
    let removal = changes([hash.to_vec()], Vec::new());
    let without = trie::update(Kind::KeyLeaf, state.keys.as_ref(), removal, &chunks);
    without.expect("all chunks are here").root != state.keys
}
