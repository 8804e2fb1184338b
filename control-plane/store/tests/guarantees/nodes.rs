//! Enrolment and incarnations.

use domain::conflict::Conflict;
use domain::id::NodeId;
use domain::node::{EnrolTokenName, Labels, TokenRefusal};
use snapshot::manifest::Version;
use store::nodes::{self, EnrolError, FenceError, NewEnrolToken, NewNode, Seen};
use store::testing::World;
use store::{Db, Error};
use time::{Duration, OffsetDateTime};

async fn token(db: &Db, hash: [u8; 32], uses_max: u32) {
    let mut tx = db.platform_tx().await.unwrap();
    let token = NewEnrolToken {
        id: super::id(),
        name: &EnrolTokenName::parse("t").unwrap(),
        hash,
        labels: &Labels::parse(["region=eu-1"]).unwrap(),
        uses_max,
        expires_at: super::now() + Duration::HOUR,
        created_by: None,
    };
    nodes::insert_enrol_token(&mut tx, &token).await.unwrap();
    tx.commit().await.unwrap();
}

async fn enrol(
    db: &Db,
    token: [u8; 32],
    key: u8,
    at: OffsetDateTime,
) -> Result<(NodeId, bool), EnrolError> {
    let mut tx = db.platform_tx().await.unwrap();
    let node = NewNode {
        id: super::id(),
        name: "gateway-1",
        signing_key: [key; 32],
        seal_key: [key; 32],
        software_version: "0.1.0",
    };
    let (node, is_new) = nodes::enrol(&mut tx, &token, &node, at).await?;
    assert_eq!(node.labels, Labels::parse(["region=eu-1"]).unwrap());
    tx.commit().await.unwrap();
    Ok((node.id, is_new))
}

#[tokio::test]
async fn a_token_enrols_as_many_nodes_as_it_says_and_each_once() {
    let world = World::new().await;
    let (db, now) = (&world.db, super::now());
    token(db, [1; 32], 2).await;
    let (first, is_new) = enrol(db, [1; 32], 1, now).await.unwrap();
    assert!(is_new);
    assert_eq!(enrol(db, [1; 32], 1, now).await.unwrap(), (first, false));
    enrol(db, [1; 32], 2, now).await.unwrap();
    let third = enrol(db, [1; 32], 3, now).await;
    assert!(matches!(
        third,
        Err(EnrolError::Refused(TokenRefusal::UsedUp))
    ));
    // Also after the last use and its expiry, for the node it was used for.
    let later = now + Duration::DAY;
    assert_eq!(enrol(db, [1; 32], 1, later).await.unwrap(), (first, false));
    let unknown = enrol(db, [9; 32], 4, now).await;
    assert!(matches!(
        unknown,
        Err(EnrolError::Refused(TokenRefusal::Unknown))
    ));
}

#[tokio::test]
async fn an_expired_token_enrols_nobody_and_a_taken_key_is_not_taken_over() {
    let world = World::new().await;
    let (db, now) = (&world.db, super::now());
    token(db, [1; 32], 1).await;
    token(db, [2; 32], 1).await;
    let late = enrol(db, [1; 32], 1, now + Duration::DAY).await;
    assert!(matches!(
        late,
        Err(EnrolError::Refused(TokenRefusal::Expired))
    ));
    let (node, _) = enrol(db, [1; 32], 1, now).await.unwrap();
    let other_token = enrol(db, [2; 32], 1, now).await;
    assert!(matches!(
        other_token,
        Err(EnrolError::Store(Error::Conflict(Conflict::NodeKeyTaken)))
    ));
    let mut tx = db.platform_tx().await.unwrap();
    nodes::revoke(&mut tx, node, now).await.unwrap();
    tx.commit().await.unwrap();
    let revoked = enrol(db, [1; 32], 1, now).await;
    assert!(matches!(
        revoked,
        Err(EnrolError::Refused(TokenRefusal::NodeRevoked))
    ));
}

#[tokio::test]
async fn a_newer_process_fences_the_one_before_and_asking_twice_makes_one() {
    let world = World::new().await;
    let node = world.node().await;
    let mut tx = world.db.platform_tx().await.unwrap();
    let second = nodes::register_incarnation(&mut tx, node, u64::MAX)
        .await
        .unwrap();
    assert_eq!(second, 2);
    assert_eq!(
        nodes::register_incarnation(&mut tx, node, u64::MAX)
            .await
            .unwrap(),
        2
    );
    let fenced = nodes::register_incarnation(&mut tx, node, 1).await;
    assert!(matches!(fenced, Err(FenceError::Fenced)));
    assert_eq!(
        nodes::register_incarnation(&mut tx, node, 3).await.unwrap(),
        3
    );
}

#[tokio::test]
async fn an_older_report_does_not_overwrite_a_newer_one() {
    let world = World::new().await;
    let node = world.node().await;
    let now = super::now();
    let seen = |revision, at| Seen {
        id: node,
        applied: Version { epoch: 1, revision },
        rejected: None,
        at,
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    nodes::note_seen(&mut tx, &[seen(7, now)]).await.unwrap();
    nodes::note_seen(&mut tx, &[seen(6, now - Duration::SECOND)])
        .await
        .unwrap();
    assert_eq!(nodes::get(&mut tx, node).await.unwrap().applied.revision, 7);
    assert_eq!(nodes::list(&mut tx, None, 10).await.unwrap().len(), 1);
}
