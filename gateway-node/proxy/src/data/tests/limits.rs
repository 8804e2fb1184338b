//! Bounds on what clients can make a node hold, and how long they can hold it.

use std::sync::Arc;
use std::time::Duration;

use policy::Fact;
use policy::quota::QuotaSlot;
use snapshot::document::{Period, Quota};
use snapshot::lease::Lease;
use snapshot::rate_share::WHOLE;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::support::*;
use crate::config::Config;
use crate::shared::Shared;

async fn node(change: impl FnOnce(&mut Config)) -> (Node, Origin) {
    let origin = Origin::echo().await;
    let mut config = config();
    change(&mut config);
    (
        Node::start_with(&Fixture::new(&[origin.addr]), config),
        origin,
    )
}

#[tokio::test]
async fn targets_and_headers_above_their_bounds_are_refused() {
    let (node, origin) = node(|config| {
        config.limits.uri_bytes_max = 100;
        config.limits.header_count_max = 5;
        config.limits.header_bytes_max = 1000;
    })
    .await;
    let long = format!("/api/open/{}", "a".repeat(91));
    let many = "A: b\r\n".repeat(5);
    let large = format!("A: {}\r\n", "b".repeat(1000));
    for (request, status, code) in [
        (get(&long, ""), 414, "uri_too_long"),
        (get("/api/open/a", &many), 431, "headers_too_large"),
        (get("/api/open/a", &large), 431, "headers_too_large"),
    ] {
        let answer = node.ask(&request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    assert_eq!(node.ask(get(&long[..long.len() - 1], "")).await.status, 200);
    assert_eq!(node.ask(get("/api/open/a", &many[6..])).await.status, 200);
    assert_eq!(origin.count(), 2);
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(200_000));
    let mut client = node.connect().await;
    client.send(endless).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (431, "headers_too_large")
    );
    let endless = format!("GET /{}", "b".repeat(200_000));
    let mut client = node.connect().await;
    client.send(endless).await;
    let answer = client.answer().await;
    assert!(matches!(answer.status, 414 | 431), "{answer:?}");
    assert!(matches!(
        answer.code().as_str(),
        "uri_too_long" | "headers_too_large"
    ));
}

#[tokio::test]
async fn a_body_above_its_bound_is_refused_before_or_while_it_comes() {
    let origin = Origin::echo().await;
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.route(0).body_bytes_max = Some(10);
    let node = Node::start(&fixture);
    let post = "POST /api/open/a HTTP/1.1\r\nHost: a\r\n";
    let mut client = node.connect().await;
    // The body is not even sent.
    client
        .send(format!("{post}Content-Length: 11\r\n\r\n"))
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
    let chunks = "6\r\nabcdef\r\n5\r\nghijk\r\n0\r\n\r\n";
    let answer = node
        .ask(format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (413, "body_too_large")
    );
    let answer = node
        .ask(format!("{post}Content-Length: 10\r\n\r\nabcdefghij"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().body, b"abcdefghij");
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_off() {
    let (node, _origin) =
        node(|config| config.timeouts.header_read = Duration::from_millis(200)).await;
    let mut client = node.connect().await;
    client.send("GET /api/open/a HTTP/1.1\r\nHost: a\r\n").await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "request_timeout")
    );
    assert!(client.rest().await.is_empty());
    let mut silent = node.connect().await;
    assert!(silent.rest().await.is_empty(), "closed without a word");
    // The second head of a connection is watched as the first.
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    assert_eq!(client.answer().await.status, 200);
    client.send("GET /api/op").await;
    assert_eq!(client.answer().await.status, 408);
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let (node, _origin) =
        node(|config| config.timeouts.keep_alive = Duration::from_millis(200)).await;
    let mut client = node.connect().await;
    for _ in 0..2 {
        client.send(get("/api/open/a", "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_timeout_of_the_client() {
    let (node, origin) = node(|config| config.timeouts.idle = Duration::from_millis(200)).await;
    let mut client = node.connect().await;
    client
        .send("POST /api/open/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "request_timeout")
    );
    assert_eq!(origin.count(), 0);
}

/// A client that goes on sending these bytes, slowly, until the node closes.
fn dripping(client: Client, bytes: &'static str) -> Client {
    let socket = client.0.into_std().expect("a socket");
    let second = socket.try_clone().expect("a second handle");
    let mut second = TcpStream::from_std(second).expect("a socket");
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while second.write_all(bytes.as_bytes()).await.is_ok() {
            tick.tick().await;
        }
    });
    Client(TcpStream::from_std(socket).expect("a socket"))
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_cut_off_however_it_is_dripped() {
    let (node, origin) = node(|config| {
        config.limits.upload_bytes_per_second_min = 10_000;
        config.timeouts.upload_grace = Duration::from_millis(200);
        config.timeouts.idle = Duration::from_millis(400);
    })
    .await;
    let post = "POST /api/open/a HTTP/1.1\r\nHost: a\r\n";
    for (framing, drip) in [
        ("Content-Length: 1000000\r\n\r\n", "x"),
        ("Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        // Of an extension of a chunk the body shows nothing.
        ("Transfer-Encoding: chunked\r\n\r\n1;", "x"),
    ] {
        let mut client = node.connect().await;
        client.send(format!("{post}{framing}")).await;
        let answer = dripping(client, drip).answer().await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (408, "request_timeout"),
            "{framing}"
        );
    }
    assert_eq!(origin.count(), 0, "no whole request reached the upstream");
    // The bound is on the rate: what is sent in time passes.
    let body = "x".repeat(100_000);
    let request = format!("{post}Content-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(node.ask(request).await.status, 200);
}

#[tokio::test]
async fn connections_above_the_bound_of_an_address_are_turned_away() {
    let (node, _origin) = node(|config| config.limits.connections_per_address_max = 2).await;
    let mut first = node.connect().await;
    let mut second = node.connect().await;
    for client in [&mut first, &mut second] {
        client.send(get("/api/open/a", "")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let mut third = node.connect().await;
    assert!(third.rest().await.is_empty());
}

#[tokio::test]
async fn a_rate_is_refused_with_everything_a_client_needs_to_know() {
    let origin = Origin::echo().await;
    let node = Node::start(&Fixture::new(&[origin.addr]).with_rate(500, 1));
    let request = get("/api/keyed/a", &format!("x-api-key: {}\r\n", api_key()));
    let first = node.ask(&request).await;
    assert_eq!(first.status, 200);
    assert!(
        first
            .header("ratelimit-policy")
            .is_some_and(|policy| policy.contains("\"rate\";q=1;w=2"))
    );
    let second = node.ask(&request).await;
    assert_eq!(
        (second.status, second.code().as_str()),
        (429, "rate_exceeded")
    );
    assert_eq!(second.header("retry-after"), Some("2"));
    assert!(second.header("ratelimit").is_some());
    assert_eq!(origin.count(), 1);
}

#[tokio::test]
async fn a_share_that_is_over_before_its_request_comes_to_its_turn_is_asked_for_anew() {
    let origin = Origin::echo().await;
    let (shared, inbox) = Shared::new();
    let fixture = Fixture::new(&[origin.addr]).with_rate(1_000_000, 100);
    shared
        .snapshot
        .store(Some(Arc::new(fixture.compile(&shared))));
    let mut node = Node::start_asking(shared, inbox, config());
    let request = get("/api/keyed/a", &format!("x-api-key: {}\r\n", api_key()));
    let mut client = node.connect().await;
    client.send(&request).await;
    for _ in 0..3 {
        // It came, and went.
        drop(node.inbox.share_questions.recv().await);
    }
    let asked = node.inbox.share_questions.recv().await.expect("asks");
    let now_ns = node.shared.clock.mono_ns();
    let rate = &asked.state.rate;
    rate.grant(WHOLE, u64::MAX, Duration::ZERO, now_ns);
    drop(asked);
    assert_eq!(client.answer().await.status, 200);
}

/// Lets the slot spend one unit more.
fn grant_one(slot: &QuotaSlot, granted_total: u64, now_ns: u64) {
    let lease = Lease {
        group: "default".to_owned(),
        period_start_ms: 5,
        granted_total,
        limit: 1000,
        available: 1000 - granted_total,
        ends_in_ms: 86_400_000,
        ..Lease::default()
    };
    slot.apply(&lease, now_ns, now_ns);
    slot.set_aside(now_ns);
    let (_, mark) = slot.draft(now_ns);
    slot.written(&mark);
}

#[tokio::test]
async fn whose_unit_was_taken_by_others_waits_on_as_long_as_the_route_says() {
    let origin = Origin::echo().await;
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.plan.quota = Some(Quota {
        limit: 1000,
        period: Period::Day as i32,
        on_store_down: 0,
        group: "default".into(),
    });
    fixture.route(1).lease_wait_ms = Some(2_000);
    let mut node = Node::start(&fixture);
    let request = get("/api/keyed/a", &format!("x-api-key: {}\r\n", api_key()));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut client = node.connect().await;
        client.send(&request).await;
        asking.spawn(async move { client.answer().await });
    }
    let mut waiting = Vec::new();
    for granted in 1..=4 {
        while waiting.len() < 7 - granted {
            let asked = node.inbox.questions.recv().await.expect("asks");
            waiting.push(asked);
        }
        // One unit, and all of them are told.
        let now_ns = node.shared.clock.mono_ns();
        grant_one(&waiting[0].slot, granted as u64, now_ns);
        for asked in waiting.drain(..) {
            asked.answer.send(Fact::LeaseArrived).expect("waits");
        }
    }
    let mut statuses = Vec::new();
    while let Some(answer) = asking.join_next().await {
        let answer = answer.expect("no panic");
        let code = match answer.status {
            200 => String::new(),
            _ => answer.code(),
        };
        statuses.push((answer.status, code));
    }
    statuses.sort();
    let mut expected = vec![(200, String::new()); 4];
    expected.resize(6, (503, "limits_unavailable".to_owned()));
    assert_eq!(statuses, expected);
    assert_eq!(origin.count(), 4);
}

#[tokio::test]
async fn without_a_snapshot_nothing_is_served() {
    let (shared, inbox) = Shared::new();
    let node = Node::start_bare(shared, inbox, config());
    let answer = node.ask(get("/", "")).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not_ready"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
