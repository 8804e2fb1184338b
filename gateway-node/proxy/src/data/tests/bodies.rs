//! Bodies pass unchanged, as they come, both ways.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::*;

#[tokio::test]
async fn bodies_of_known_and_unknown_length_pass_unchanged() {
    let origin = Origin::scripted(|stream, request| {
        Box::pin(async move {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                request.body.len()
            );
            stream.write_all(head.as_bytes()).await.is_ok()
                && stream.write_all(&request.body).await.is_ok()
        })
    })
    .await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let large = "0123456789abcdef".repeat(100_000);
    for method in ["POST", "PUT", "GET", "DELETE"] {
        let head = format!("{method} /api/open/a HTTP/1.1\r\nHost: a\r\n");
        let answer = node
            .ask(format!(
                "{head}Content-Length: {}\r\n\r\n{large}",
                large.len()
            ))
            .await;
        assert_eq!(answer.text(), large);
        assert_eq!(origin.last().header("content-length"), Some("1600000"));
        let chunks = format!("5\r\nhello\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        let answer = node
            .ask(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"))
            .await;
        assert_eq!(answer.body.len(), 5 + large.len());
        assert_eq!(origin.last().header("transfer-encoding"), Some("chunked"));
        let answer = node.ask(format!("{head}Content-Length: 0\r\n\r\n")).await;
        assert_eq!(answer.body, b"");
        assert_eq!(origin.last().header("content-length"), Some("0"));
    }
}

#[tokio::test]
async fn answers_without_a_body_stay_without() {
    for (answer, status) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        (
            "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 5\r\n\r\n",
            304,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
    ] {
        let origin = Origin::saying(answer).await;
        let node = Node::start(&Fixture::new(&[origin.addr]));
        let mut client = node.connect().await;
        for _ in 0..2 {
            client.send(get("/api/open/a", "")).await;
            let answer = client.answer().await;
            assert_eq!(answer.status, status);
            assert_eq!(answer.body, b"");
            assert_eq!(answer.header("transfer-encoding"), None);
        }
        let connections = origin
            .connections
            .load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(connections, 1, "the upstream's connection was used again");
    }
}

#[tokio::test]
async fn head_gets_the_head_of_the_answer_and_no_body() {
    let origin = Origin::saying("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n").await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let mut client = node.connect().await;
    for path in ["/api/open/a", "/api/open/a", "/nowhere", "/api/open/a"] {
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = client.answer_to(BodyOf::Head).await;
        match path {
            "/nowhere" => assert_eq!(answer.status, 404),
            _ => assert_eq!(answer.header("content-length"), Some("1234")),
        }
    }
    let chunked = Origin::saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let node = Node::start(&Fixture::new(&[chunked.addr]));
    let mut client = node.connect().await;
    for _ in 0..2 {
        client
            .send("HEAD /api/open/a HTTP/1.1\r\nHost: a\r\n\r\n")
            .await;
        let answer = client.answer_to(BodyOf::Head).await;
        assert_eq!(answer.status, 200);
        assert_ne!(
            answer.header("content-length"),
            Some("0"),
            "{}",
            answer.head
        );
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_comes_whole() {
    let origin = Origin::scripted(|stream, _| {
        Box::pin(async move {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil close")
                .await;
            false
        })
    })
    .await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let answer = node.ask(get("/api/open/a", "")).await;
    assert_eq!(answer.text(), "until close");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
}

#[tokio::test]
async fn trailers_pass_but_for_those_that_only_a_head_may_hold() {
    let origin = Origin::saying(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-tollgate-plan\r\n\r\n\
         2\r\nok\r\n0\r\nx-sum: 7\r\nx-tollgate-plan: gold\r\n\r\n",
    )
    .await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let request = "POST /api/open/a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\
                   Trailer: x-check, x_tollgate_tenant_id\r\n\r\n\
                   2\r\nhi\r\n0\r\nx-check: 1\r\nx_tollgate_tenant_id: ten_1\r\n\r\n";
    let answer = node.ask(request).await;
    assert_eq!(answer.text(), "ok");
    assert!(answer.trailers.contains("x-sum: 7"), "{answer:?}");
    assert!(!answer.trailers.contains("tollgate"), "{answer:?}");
    let received = origin.last();
    assert!(received.trailers.contains("x-check: 1"), "{received:?}");
    assert!(!received.trailers.contains("tollgate"), "{received:?}");
    assert_eq!(received.header("te"), Some("trailers"));
}

#[tokio::test]
async fn continue_is_said_only_to_an_admitted_request() {
    let origin = Origin::echo().await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let post = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = node.connect().await;
    client.send(post("/api/keyed/a")).await;
    assert_eq!(
        client.answer().await.status,
        401,
        "without any 100 before it"
    );
    let mut client = node.connect().await;
    client.send(post("/api/open/a")).await;
    assert_eq!(client.answer_to(BodyOf::Head).await.status, 100);
    client.send("hi").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(origin.last().body, b"hi");
    assert_eq!(origin.last().header("expect"), None);
}

#[tokio::test]
async fn an_informational_answer_of_the_upstream_is_not_the_answer() {
    let origin = Origin::saying(
        "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    )
    .await;
    let node = Node::start(&Fixture::new(&[origin.addr]));
    let answer = node.ask(get("/api/open/a", "")).await;
    assert_eq!((answer.status, answer.text()), (200, "ok"));
}

/// Both sides hold about what the kernel's buffers hold, however long the body.
#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream_from_sending() {
    let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = sent.clone();
    let origin = Origin::scripted(move |stream, _| {
        let counter = counter.clone();
        Box::pin(async move {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            let block = vec![b'x'; 100_000];
            while stream.write_all(&block).await.is_ok() {
                counter.fetch_add(block.len() as u64, std::sync::atomic::Ordering::Relaxed);
            }
            false
        })
    })
    .await;
    let mut config = config();
    config.timeouts.idle = Duration::from_millis(500);
    let node = Node::start_with(&Fixture::new(&[origin.addr]), config);
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    let mut first = [0; 1];
    client
        .0
        .read_exact(&mut first)
        .await
        .expect("the answer begins");
    // The idle timeout ends it: by then nothing had moved for a while.
    let closed = async {
        while node
            .shared
            .gauges
            .client_connections
            .load(std::sync::atomic::Ordering::Relaxed)
            > 0
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, closed)
        .await
        .expect("the silent client is cut off");
    let sent = sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        sent < 50_000_000,
        "{sent} bytes were taken from the upstream"
    );
}
