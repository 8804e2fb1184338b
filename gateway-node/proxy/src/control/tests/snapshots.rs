//! Enrolment, polling, trust, persistence.

use std::fs;
use std::path::PathBuf;

use snapshot::chunk::CHUNKS_PER_CALL_MAX;

use super::*;
use crate::control::testing::{Tampering, data_key};

fn chunk_files(state_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(state_dir.join("chunks")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_new_node_enrols_and_serves_what_is_published() {
    let (fake, dir) = world().await;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 200"));
        fake.publish(2_000);
        node.serves(2).await;
        assert_eq!(
            node.shared.snapshot.load().as_ref().unwrap().key_count(),
            2_000
        );
        node.stop().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_changed_chunks_are_fetched_and_superseded_ones_removed() {
    let (fake, dir) = world().await;
    fake.publish(2_000);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        fake.state().chunk_calls.clear();
        // One more key: its leaf, the interior node above it, and the state root.
        fake.publish(2_001);
        node.serves(2).await;
        let fetched: usize = fake.state().chunk_calls.iter().sum();
        assert_eq!(fetched, 3);
        // Sixteen leaves of keys, and one chunk each of the rest, plans and their map among them.
        let (path, expected) = (dir.path().to_owned(), 16 + 1 + 1 + 1 + 1 + 2);
        eventually("superseded chunks are gone", move || {
            chunk_files(&path).len() == expected
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_large_snapshot_is_fetched_in_calls_of_bounded_size() {
    let (fake, dir) = world().await;
    fake.publish(150_000);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let calls = fake.state().chunk_calls.clone();
        assert!(calls.iter().all(|asked| *asked <= CHUNKS_PER_CALL_MAX));
        assert!(calls.iter().sum::<usize>() > 256);
    })
    .await;
}

#[tokio::test]
async fn the_token_is_needed_once_and_the_node_stays_the_same() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        node.stop().await.unwrap();
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(1).await;
        fake.publish(2);
        node.serves(2).await;
    })
    .await;
}

#[tokio::test]
async fn enrolling_again_after_a_lost_answer_is_the_same_node() {
    let (fake, dir) = world().await;
    fake.publish(1);
    fake.state().lost_answers.push_back(snapshot::enrol::PATH);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_control_plane_that_the_token_does_not_pin_is_not_believed() {
    let (fake, dir) = world().await;
    local(async {
        let mut config = config(&fake, dir.path());
        let other = snapshot::enrol::EnrolToken::mint(&[7; 32], [0; 32]);
        config.enroll_token = Some(other.reveal());
        let node = TestNode::start_with(config).await;
        let refused = node.running.await.unwrap().unwrap_err().to_string();
        assert!(
            refused.contains("not the one that the enrolment token was made for"),
            "{refused}"
        );
    })
    .await;
}

#[tokio::test]
async fn without_enrolment_and_token_it_says_what_is_missing() {
    let (fake, dir) = world().await;
    local(async {
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        let refused = node.running.await.unwrap().unwrap_err().to_string();
        assert!(refused.starts_with("ENROLL_TOKEN is needed"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_state_directory_that_cannot_be_written_stops_the_start() {
    let (fake, _) = world().await;
    local(async {
        let node = TestNode::start(&fake, Path::new("/proc/tollgate-state")).await;
        let refused = node.running.await.unwrap().unwrap_err().to_string();
        assert!(refused.contains("is not writable"), "{refused}");
    })
    .await;
}

/// Publishes revision 2 under some tampering and expects that revision 1 stays, that the node says
/// why, and that it takes the revision once it comes untampered.
async fn check_rejected(tamper: impl FnOnce(&Fake), mend: impl FnOnce(&Fake), code: &'static str) {
    let (fake, dir) = world().await;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        tamper(&fake);
        fake.publish(11);
        let watched = fake.clone();
        eventually(&format!("{code} is reported"), move || {
            let state = watched.state();
            let last = state.polls.last().and_then(|poll| poll.rejected.clone());
            last.is_some_and(|report| report.code == code)
        })
        .await;
        assert_eq!(node.revision(), 1);
        let health = node.get("/healthz").await;
        assert!(health.contains(code), "{health}");
        mend(&fake);
        fake.publish(12);
        let last = fake.state().revision;
        node.serves(last).await;
        let watched = fake.clone();
        eventually("the report is withdrawn", move || {
            watched
                .state()
                .polls
                .last()
                .is_some_and(|poll| poll.rejected.is_none())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_manifest_with_a_bad_signature_is_rejected() {
    check_rejected(
        |fake| fake.state().tampering = Tampering::Signature,
        |fake| fake.state().tampering = Tampering::None,
        "bad_signature",
    )
    .await;
}

#[tokio::test]
async fn a_chain_from_another_root_is_rejected() {
    check_rejected(
        |fake| fake.state().tampering = Tampering::Chain,
        |fake| fake.state().tampering = Tampering::None,
        "root_chain",
    )
    .await;
}

#[tokio::test]
async fn chunks_with_other_bytes_are_rejected() {
    check_rejected(
        |fake| fake.state().tampering = Tampering::ChunkBytes,
        |fake| fake.state().tampering = Tampering::None,
        "wrong_length",
    )
    .await;
}

#[tokio::test]
async fn a_snapshot_of_another_deployment_is_rejected() {
    check_rejected(
        |fake| fake.state().deployment_id = vec![9; 16],
        |fake| fake.state().deployment_id = vec![3; 16],
        "other_deployment",
    )
    .await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_made_durable_is_not_served_until_it_can() {
    let dir = TempDir::new();
    let fake = Fake::start().await;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let (chunks, aside) = (dir.path().join("chunks"), dir.path().join("aside"));
        fs::rename(&chunks, &aside).unwrap();
        fake.publish(11);
        let watched = fake.clone();
        eventually("state_dir is reported", move || {
            let state = watched.state();
            let last = state.polls.last().and_then(|poll| poll.rejected.clone());
            last.is_some_and(|report| report.code == "state_dir")
        })
        .await;
        assert_eq!(node.revision(), 1);
        fs::rename(&aside, &chunks).unwrap();
        node.serves(2).await;
    })
    .await;
}

#[tokio::test]
async fn an_older_revision_is_rejected_also_after_a_restart() {
    let (fake, dir) = world().await;
    fake.state().revision = 7;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(8).await;
        node.stop().await.unwrap();
        fake.state().revision = 3;
        fake.publish(11);
        let node = TestNode::start(&fake, dir.path()).await;
        let watched = fake.clone();
        eventually("the rollback is reported", move || {
            let state = watched.state();
            let last = state.polls.last().and_then(|poll| poll.rejected.clone());
            last.is_some_and(|report| report.code == "not_newer" && report.version.revision == 4)
        })
        .await;
        assert_eq!(node.revision(), 8);
    })
    .await;
}

#[tokio::test]
async fn a_higher_epoch_is_taken_with_a_lower_revision() {
    let (fake, dir) = world().await;
    fake.state().revision = 7;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(8).await;
        {
            let mut state = fake.state();
            state.epoch = 2;
            state.revision = 0;
        }
        fake.publish(11);
        node.serves(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_first_snapshot_that_is_not_fresh_is_rejected() {
    let (fake, dir) = world().await;
    fake.state().fresh_for_ms = -1;
    fake.publish(10);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        let watched = fake.clone();
        eventually("staleness is reported", move || {
            let state = watched.state();
            let last = state.polls.last().and_then(|poll| poll.rejected.clone());
            last.is_some_and(|report| report.code == "stale")
        })
        .await;
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 503"));
    })
    .await;
}

#[tokio::test]
async fn a_restarted_node_serves_with_the_control_plane_away() {
    let (fake, dir) = world().await;
    fake.publish(600);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        fake.go_away();
        node.kill(dir.path()).await;
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(1).await;
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 200"));
        fake.come_back();
        fake.publish(601);
        node.serves(2).await;
    })
    .await;
}

#[tokio::test]
async fn a_flipped_byte_in_a_stored_chunk_is_noticed_and_mended() {
    let (fake, dir) = world().await;
    fake.publish(600);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        node.stop().await.unwrap();
        for file in chunk_files(dir.path()) {
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            let whole = fs::read(&file).unwrap();
            fs::write(&file, bytes).unwrap();
            fake.go_away();
            let node = TestNode::start_with(config(&fake, dir.path())).await;
            let polling = node.get("/metrics").await;
            assert!(polling.starts_with("HTTP/1.1 200"));
            let watched = node.shared.clone();
            assert!(watched.snapshot.load().is_none(), "{file:?}");
            assert!(node.get("/readyz").await.starts_with("HTTP/1.1 503"));
            fake.come_back();
            node.serves(1).await;
            assert_eq!(fs::read(&file).unwrap(), whole);
            node.stop().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_flipped_byte_in_the_stored_manifest_is_noticed_and_mended() {
    let (fake, dir) = world().await;
    fake.publish(6);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        node.stop().await.unwrap();
        let file = dir.path().join("manifest");
        let mut bytes = fs::read(&file).unwrap();
        bytes[100] ^= 1;
        fs::write(&file, bytes).unwrap();
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(1).await;
    })
    .await;
}

#[tokio::test]
async fn a_new_data_key_is_fetched_when_a_snapshot_needs_it() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        fake.state().data_keys.push(data_key(2));
        fake.publish(2);
        node.serves(2).await;
        fake.state().data_keys.remove(0);
        fake.publish(3);
        node.serves(3).await;
        fake.go_away();
        node.kill(dir.path()).await;
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(3).await;
    })
    .await;
}

#[tokio::test]
async fn confirmations_keep_a_snapshot_from_going_stale() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let shared = node.shared.clone();
        let (mut last, mut has_fallen) = (0, false);
        eventually("it was stale a little and is confirmed", move || {
            fake.wake_polls();
            let stale_ms = shared.stale_ms(shared.clock.now());
            has_fallen |= stale_ms < last;
            last = stale_ms;
            has_fallen
        })
        .await;
    })
    .await;
}
