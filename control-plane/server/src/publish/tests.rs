use std::collections::HashMap;

use domain::compile::changes;
use snapshot::chunk::{Address, Kind, inflate};
use snapshot::document::StateRoot;
use snapshot::manifest::Manifest;
use snapshot::trie;
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
