//! Stopping, counting, logging.

use std::time::Duration;

use policy::Fact;
use snapshot::document::{Period, Quota};
use snapshot::usage::Class;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::*;
use crate::config::AccessLog;

#[tokio::test]
async fn a_stopping_node_finishes_what_it_began_and_closes_what_rests() {
    let (release, released) = tokio::sync::watch::channel(false);
    let origin = Origin::scripted(move |stream, _| {
        let mut released = released.clone();
        Box::pin(async move {
            let _ = released.wait_for(|is| *is).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .is_ok()
        })
    })
    .await;
    let mut node = Node::start(&Fixture::new(&[origin.addr]));
    let mut resting = node.connect().await;
    resting.send(get("/nowhere", "")).await;
    assert_eq!(resting.answer().await.status, 404);
    let mut busy = node.connect().await;
    busy.send(get("/api/open/a", "")).await;
    while origin.count() == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = node.stop();
    let rest = async {
        assert!(resting.rest().await.is_empty(), "closed at once");
        release.send(true).expect("the upstream waits");
        let answer = busy.answer().await;
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.header("connection"), Some("close"));
    };
    let both = async { tokio::join!(stopping, rest) };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("stops in time");
    assert!(tokio::net::TcpStream::connect(node.addr).await.is_err());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            false
        })
    })
    .await;
    let mut config = config();
    config.timeouts.drain = Duration::from_millis(100);
    let mut node = Node::start_with(&Fixture::new(&[origin.addr]), config);
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    while origin.count() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(DEADLINE, node.stop())
        .await
        .expect("stops in time");
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn every_request_is_counted_once_and_logged_without_its_secrets() {
    let origin = Origin::echo().await;
    let dir = std::env::temp_dir().join(format!("tollgate-log-{}", std::process::id()));
    let mut config = config();
    config.access_log = AccessLog::File(dir.clone());
    let mut node = Node::start_with(&Fixture::new(&[origin.addr]), config);
    let request = get(
        "/api/keyed/a?token=secret",
        &format!("x-api-key: {}\r\n", api_key()),
    );
    let mut client = node.connect().await;
    for _ in 0..3 {
        client.send(&request).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let refused = node.ask(get("/api/keyed/a", "")).await;
    assert_eq!(refused.status, 401);
    drop(client);
    node.stop().await;

    let log = std::fs::read_to_string(&dir).expect("a log");
    std::fs::remove_file(&dir).expect("removes");
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 4);
    assert!(
        !log.contains("secret") && !log.contains("tg_live_"),
        "{log}"
    );
    assert_eq!(lines[0]["path"], "/api/keyed/a");
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["response_bytes"], 2);
    assert!(
        lines[0]["tenant"]
            .as_str()
            .is_some_and(|tenant| tenant.starts_with("ten_"))
    );
    assert!(
        lines[0]["key"]
            .as_str()
            .is_some_and(|key| key.starts_with("key_"))
    );
    assert_eq!(lines[3]["code"], "api_key_missing");
    assert_eq!(
        lines[3]["request_id"].as_str(),
        refused.header("x-request-id")
    );

    let mut counts = std::collections::BTreeMap::new();
    let (mut timed, mut refusals) = (0, 0);
    while let Ok(report) = node.inbox.reports.try_recv() {
        for (key, count) in report.counts {
            let place = (key.class, key.tenant_id.is_some(), key.key_id.is_some());
            *counts.entry(place).or_insert(0) += count;
        }
        timed += report
            .latencies
            .values()
            .flat_map(|latency| latency.buckets)
            .sum::<u64>();
        refusals += report.refusals.get("api_key_missing").copied().unwrap_or(0);
    }
    let expected = [
        ((Class::Admitted, true, true), 3),
        ((Class::Success, true, true), 3),
        ((Class::Denied, false, false), 1),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((timed, refusals), (3, 1));
}

/// A quota's first unit on a node always comes from a lease.
fn with_quota(origin: &Origin) -> Fixture {
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.plan.quota = Some(Quota {
        limit: 100,
        period: Period::Day as i32,
        on_store_down: 0,
        group: "default".into(),
    });
    fixture.route(1).lease_wait_ms = Some(100);
    fixture
}

#[tokio::test]
async fn a_request_waits_for_its_lease_and_no_longer_than_allowed() {
    let origin = Origin::echo().await;
    let mut node = Node::start(&with_quota(&origin));
    let request = get("/api/keyed/a", &format!("x-api-key: {}\r\n", api_key()));
    let answer = node.ask(&request).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "limits_unavailable")
    );
    assert!(answer.header("retry-after").is_some());

    // The first question was given up; the second is answered.
    let first = node.inbox.questions.recv().await.expect("a question");
    assert!(first.answer.is_closed());
    let mut client = node.connect().await;
    client.send(&request).await;
    let second = node.inbox.questions.recv().await.expect("a question");
    second
        .answer
        .send(Fact::LeaseExhausted)
        .expect("somebody waits");
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "quota_exceeded")
    );
    assert_eq!(origin.count(), 0);
}
