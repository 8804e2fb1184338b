//! Choosing, reusing, losing and missing upstreams.

use std::sync::atomic::Ordering;
use std::time::Duration;

use snapshot::usage::Class;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::support::*;
use crate::meter::CountKey;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// All that a stopped node counted, by class.
async fn counts(node: &mut Node) -> Vec<(Class, u64)> {
    node.stop().await;
    let mut counts = std::collections::BTreeMap::new();
    while let Ok(report) = node.inbox.reports.try_recv() {
        for (CountKey { class, .. }, count) in report.counts {
            *counts.entry(class).or_default() += count;
        }
    }
    counts.into_iter().collect()
}

#[tokio::test]
async fn connections_are_used_again() {
    let origin = Origin::echo().await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    for _ in 0..20 {
        assert_eq!(node.ask(get("/api/open/a", "")).await.status, 200);
    }
    assert_eq!(origin.connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn targets_take_requests_by_weight() {
    let (one, two, none) = (
        Origin::echo().await,
        Origin::echo().await,
        Origin::echo().await,
    );
    let mut fixture = Fixture::new(&[]);
    fixture.upstream.targets = [(&one, 3), (&two, 1), (&none, 0)]
        .map(|(origin, weight)| target(&format!("http://{}", origin.addr), weight))
        .into();
    let node = Node::start(&fixture);
    for _ in 0..40 {
        assert_eq!(node.ask(get("/api/open/a", "")).await.status, 200);
    }
    assert_eq!((one.count(), two.count(), none.count()), (30, 10, 0));
}

#[tokio::test]
async fn a_target_that_takes_no_connection_is_passed_over() {
    let origin = Origin::echo().await;
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let dead_addr = dead.local_addr().expect("bound");
    drop(dead);
    let node = Node::start(&Fixture::new(&[dead_addr, origin.addr]));
    for _ in 0..4 {
        assert_eq!(node.ask(get("/api/open/a", "")).await.status, 200);
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_gives_the_call_back() {
    let dead = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let addr = dead.local_addr().expect("bound");
    drop(dead);
    // One request a day: only what is given back can be had again.
    let mut node = Node::start(&Fixture::new(&[addr]).with_rate(1, 1));
    for _ in 0..3 {
        let answer = node
            .ask(get(
                "/api/keyed/a",
                &format!("x-api-key: {}\r\n", api_key()),
            ))
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "upstream_unreachable")
        );
    }
    assert_eq!(
        counts(&mut node).await,
        [(Class::Admitted, 3), (Class::GivenBack, 3)]
    );
}

#[tokio::test]
async fn loopback_and_metadata_addresses_are_out_of_bounds() {
    let origin = Origin::echo().await;
    let mut config = config();
    config.allow_loopback_upstreams = false;
    let node = Node::start_with(&Fixture::new(&[origin.addr]), config);
    let answer = node.ask(get("/api/open/a", "")).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "upstream_unreachable")
    );
    assert_eq!(origin.connections.load(Ordering::Relaxed), 0);
    // A name is no way around it: what it resolves to is checked.
    let mut fixture = Fixture::new(&[]);
    fixture.upstream.targets = vec![target(
        &format!("http://localhost:{}", origin.addr.port()),
        1,
    )];
    let mut config = super::support::config();
    config.allow_loopback_upstreams = false;
    let node = Node::start_with(&fixture, config);
    assert_eq!(
        node.ask(get("/api/open/a", "")).await.code(),
        "upstream_unreachable"
    );
    let node = Node::start(&fixture);
    assert_eq!(
        node.ask(get("/api/open/a", "")).await.status,
        200,
        "and where allowed, a name works"
    );
}

/// The upstream closes its connection as the second request comes in on it.
async fn closing_after_one() -> Origin {
    Origin::scripted(|stream, request| {
        Box::pin(async move {
            // The first connection answers once; later ones always.
            let is_second = request.connection == 0 && request.line().contains("second");
            !is_second && stream.write_all(OK).await.is_ok()
        })
    })
    .await
}

#[tokio::test]
async fn a_request_that_may_be_repeated_is_tried_once_more_on_a_new_connection() {
    let origin = closing_after_one().await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    assert_eq!(node.ask(get("/api/open/first", "")).await.status, 200);
    assert_eq!(node.ask(get("/api/open/second", "")).await.status, 200);
    assert_eq!(origin.connections.load(Ordering::Relaxed), 2);
    assert_eq!(origin.count(), 3);
}

#[tokio::test]
async fn a_request_that_may_not_be_repeated_is_not() {
    let origin = closing_after_one().await;
    let mut node = Node::start(&Fixture::new(&[origin.addr]));
    assert_eq!(node.ask(get("/api/open/first", "")).await.status, 200);
    let post = "POST /api/open/second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let answer = node.ask(post).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (502, "upstream_bad_response")
    );
    assert_eq!(origin.count(), 2);
    let expected = [
        (Class::Admitted, 2),
        (Class::Success, 1),
        (Class::ServerError, 1),
    ];
    assert_eq!(counts(&mut node).await, expected);
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_is_a_bad_gateway() {
    for answer in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let origin = Origin::saying(answer).await;
        let node = Node::start(&Fixture::new(&[origin.addr]));
        let found = node.ask(get("/api/open/a", "")).await;
        assert_eq!(
            (found.status, found.code().as_str()),
            (502, "upstream_bad_response"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_a_gateway_timeout() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            // Until the node closes.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            false
        })
    })
    .await;
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.route(0).timeouts = Some(snapshot::document::Timeouts {
        first_byte_ms: Some(150),
        ..Default::default()
    });
    let mut node = Node::start(&fixture);
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (504, "upstream_timeout")
    );
    // The client's connection goes on.
    client.send(get("/nowhere", "")).await;
    assert_eq!(client.answer().await.status, 404);
    let expected = [
        (Class::Admitted, 1),
        (Class::ServerError, 1),
        (Class::Denied, 1),
    ];
    assert_eq!(counts(&mut node).await, expected);
}

#[tokio::test]
async fn an_answer_that_stops_midway_is_broken_off_and_counted_as_aborted() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
                .await;
            false
        })
    })
    .await;
    let mut node = Node::start(&Fixture::new(&[origin.addr]));
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    let bytes = client.rest().await;
    assert!(bytes.ends_with(b"\r\n\r\nabc"), "no more and no less came");
    assert_eq!(
        counts(&mut node).await,
        [(Class::Admitted, 1), (Class::Aborted, 1)]
    );
}

#[tokio::test]
async fn an_answer_that_falls_silent_is_broken_off() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
                .await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            false
        })
    })
    .await;
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.route(0).timeouts = Some(snapshot::document::Timeouts {
        idle_ms: Some(150),
        ..Default::default()
    });
    let mut node = Node::start(&fixture);
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    assert!(client.rest().await.ends_with(b"\r\n\r\nabc"));
    assert_eq!(
        counts(&mut node).await,
        [(Class::Admitted, 1), (Class::Aborted, 1)]
    );
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_upstream_request_along() {
    let (closed, mut was_closed) = tokio::sync::mpsc::unbounded_channel();
    let origin = Origin::scripted(move |stream, _| {
        let closed = closed.clone();
        Box::pin(async move {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            let _ = closed.send(());
            false
        })
    })
    .await;
    let mut node = Node::start(&Fixture::new(&[origin.addr]));
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    let arrived = async {
        while origin.count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, arrived)
        .await
        .expect("the request arrives");
    drop(client);
    let closed = tokio::time::timeout(DEADLINE, was_closed.recv()).await;
    assert_eq!(closed, Ok(Some(())), "the upstream's connection is closed");
    assert_eq!(
        counts(&mut node).await,
        [(Class::Admitted, 1), (Class::Aborted, 1)]
    );
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_meanwhile_is_not_used() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            let _ = stream.write_all(OK).await;
            false
        })
    })
    .await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    for _ in 0..5 {
        let post = "POST /api/open/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
        let answer = node.ask(post).await;
        // A POST is never repeated, so that each of them got a connection that stood.
        assert_eq!(answer.status, 200);
        let upstream = &node.shared.gauges.upstream_connections;
        let closed = async {
            while upstream.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, closed)
            .await
            .expect("the sweep closes it");
    }
}

#[tokio::test]
async fn the_nodes_upstream_connections_are_bounded() {
    let origin = Origin::scripted(|stream, request| {
        Box::pin(async move {
            if request.line().contains("hang") {
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                return false;
            }
            stream.write_all(OK).await.is_ok()
        })
    })
    .await;
    let other = Origin::echo().await;
    let mut fixture = Fixture::new(&[origin.addr, other.addr]);
    fixture.upstream.targets[1].weight = 1;
    let mut config = config();
    config.limits.upstream_connections_max = 1;
    let node = Node::start_with(&fixture, config);
    // One that rests makes room for one that is needed.
    for _ in 0..4 {
        assert_eq!(node.ask(get("/api/open/a", "")).await.status, 200);
    }
    let mut hanging = node.connect().await;
    hanging.send(get("/api/open/hang", "")).await;
    let mut second = node.connect().await;
    second.send(get("/api/open/hang", "")).await;
    // One of the two is bound to hang, or both were answered by the target that never does.
    let answer = node.ask(get("/api/open/a", "")).await;
    assert!(matches!(answer.status, 200 | 502));
    assert!(
        node.shared
            .gauges
            .upstream_connections
            .load(Ordering::Relaxed)
            <= 1
    );
}
