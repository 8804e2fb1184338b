//! Chunks, manifests, the publisher's lock and being woken.

use snapshot::chunk::{self, Address, ChunkRef};
use snapshot::manifest::Version;
use store::chunks::{self, StoredChunk};
use store::listen::{self, Notice};
use store::manifests::{self, StoredManifest};
use store::publisher::PublisherLock;
use store::testing;
use store::{Error, deployment, dirty};

fn chunk(text: &[u8]) -> StoredChunk {
    StoredChunk {
        address: Address::of(text),
        length: text.len() as u32,
        zstd: chunk::compress(text).unwrap(),
    }
}

fn manifest(epoch: u64, revision: u64) -> StoredManifest {
    let reference = ChunkRef {
        address: Address::of(b"root").0.to_vec(),
        length: 4,
    };
    StoredManifest {
        version: Version { epoch, revision },
        hash: Address::of(b"manifest"),
        signed: b"signed".to_vec(),
        config: reference.clone(),
        state: reference,
        created_at: time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
    }
}

#[tokio::test]
async fn a_revision_is_published_once() {
    let db = testing::database().await;
    let mut tx = db.platform_tx().await.unwrap();
    assert_eq!(manifests::find_latest(&mut tx).await.unwrap(), None);
    for (epoch, revision) in [(1, 1), (1, 2), (2, 1)] {
        manifests::insert(&mut tx, &manifest(epoch, revision))
            .await
            .unwrap();
    }
    let latest = manifests::find_latest(&mut tx).await.unwrap();
    assert_eq!(latest, Some(manifest(2, 1)), "a later epoch is newer");
    tx.commit().await.unwrap();
    let mut tx = db.platform_tx().await.unwrap();
    let again = manifests::insert(&mut tx, &manifest(1, 2)).await;
    let taken = domain::conflict::Conflict::RevisionTaken;
    assert!(matches!(again, Err(Error::Conflict(found)) if found == taken));
    drop(tx);
    let mut tx = db.platform_tx().await.unwrap();
    assert_eq!(manifests::delete_old(&mut tx, 2).await.unwrap(), 1);
    assert_eq!(manifests::list(&mut tx, 9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_superseded_chunk_stays_a_day_and_one_that_is_used_again_for_good() {
    let db = testing::database().await;
    let (a, b, c) = (chunk(b"a"), chunk(b"b"), chunk(b"c"));
    let all = [a.address, b.address, c.address];
    let mut tx = db.platform_tx().await.unwrap();
    chunks::insert(&mut tx, &[a.clone(), b.clone(), c.clone()])
        .await
        .unwrap();
    chunks::supersede(&mut tx, &[a.address, b.address])
        .await
        .unwrap();
    chunks::insert(&mut tx, std::slice::from_ref(&b))
        .await
        .unwrap();
    assert_eq!(chunks::delete_superseded(&mut tx, 10).await.unwrap(), 0);
    assert_eq!(chunks::list(&mut tx, &all).await.unwrap().len(), 3);
    sqlx::query("update chunks set superseded_at = superseded_at - interval '25 hours'")
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(chunks::delete_superseded(&mut tx, 10).await.unwrap(), 1);
    let mut left = chunks::list(&mut tx, &all).await.unwrap();
    left.sort_by_key(|one| one.zstd.clone());
    assert_eq!(left.len(), 2);
    assert!(left.contains(&b) && left.contains(&c));
    assert_eq!(
        chunks::supersede_all_but(&mut tx, &[c.address])
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn one_control_plane_publishes_and_another_takes_over_when_it_is_gone() {
    let db = testing::database().await;
    let mut first = PublisherLock::try_acquire(&db).await.unwrap().unwrap();
    assert!(PublisherLock::try_acquire(&db).await.unwrap().is_none());
    first.check().await.unwrap();
    first.release().await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    // The server notices the closed connection a moment later.
    while PublisherLock::try_acquire(&db).await.unwrap().is_none() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn listeners_are_woken_by_marks_and_by_revisions() {
    let db = testing::database().await;
    let mut listener = listen::listen(&db).await.unwrap();
    let mut tx = db.platform_tx().await.unwrap();
    dirty::mark(&mut tx, &[dirty::Mark::All]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(listener.next().await.unwrap(), Notice::Dirty);
    let mut tx = db.platform_tx().await.unwrap();
    manifests::insert(&mut tx, &manifest(1, 7)).await.unwrap();
    tx.commit().await.unwrap();
    let version = Version {
        epoch: 1,
        revision: 7,
    };
    assert_eq!(listener.next().await.unwrap(), Notice::Published(version));
}

#[tokio::test]
async fn a_mark_of_a_later_transaction_survives_the_taking_of_earlier_ones() {
    let db = testing::database().await;
    let mut slow = db.platform_tx().await.unwrap();
    dirty::mark(&mut slow, &[dirty::Mark::Peppers])
        .await
        .unwrap();
    let mut quick = db.platform_tx().await.unwrap();
    dirty::mark(&mut quick, &[dirty::Mark::All]).await.unwrap();
    quick.commit().await.unwrap();
    let mut tx = db.compile_tx().await.unwrap();
    let seen = dirty::list(&mut tx, 10).await.unwrap();
    drop(tx);
    slow.commit().await.unwrap();
    let mut tx = db.platform_tx().await.unwrap();
    dirty::delete(&mut tx, &seen).await.unwrap();
    assert_eq!(dirty::count(&mut tx).await.unwrap(), 1, "the slow one's");
}

#[tokio::test]
async fn a_deployment_is_made_once() {
    let db = testing::database().await;
    let mut tx = db.platform_tx().await.unwrap();
    let first = deployment::ensure(&mut tx, super::id()).await.unwrap();
    let second = deployment::ensure(&mut tx, super::id()).await.unwrap();
    assert_eq!(first, second);
    deployment::insert_root_statement(&mut tx, 1, 1, b"one")
        .await
        .unwrap();
    deployment::insert_root_statement(&mut tx, 2, 1, b"two")
        .await
        .unwrap();
    let chain = deployment::list_root_statements(&mut tx).await.unwrap();
    assert_eq!(chain, [b"one".to_vec(), b"two".to_vec()]);
    let key = [3; 32];
    let online = deployment::KeyPurpose::Online;
    deployment::insert_signing_key(&mut tx, online, &key, Some(b"sealed"))
        .await
        .unwrap();
    assert_eq!(
        deployment::list_signing_keys(&mut tx, online)
            .await
            .unwrap()
            .len(),
        1
    );
    deployment::retire_signing_key(&mut tx, &key).await.unwrap();
    assert!(
        deployment::list_signing_keys(&mut tx, online)
            .await
            .unwrap()
            .is_empty()
    );
}
