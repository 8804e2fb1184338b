//! What is not HTTP, or could be read in two ways, is refused and never reaches an upstream.

use super::support::*;

/// Sends bytes that no upstream may see; returns the status and the problem's code.
async fn refuse(node: &Node, bytes: impl AsRef<[u8]>) -> (u16, String) {
    let mut client = node.connect().await;
    client.send(bytes).await;
    let answer = client.answer().await;
    // The connection's next byte cannot be trusted.
    assert!(client.rest().await.is_empty(), "the connection is closed");
    (answer.status, answer.code())
}

async fn node() -> (Node, Origin) {
    let origin = Origin::echo().await;
    (Node::start(&Fixture::new(&[origin.addr])), origin)
}

#[tokio::test]
async fn requests_that_another_server_could_read_differently_are_refused() {
    let (node, origin) = node().await;
    let post = "POST /api/open/a HTTP/1.1\r\nHost: a\r\n";
    for (bytes, code) in [
        ("GET /api/open/a HTTP/1.1\r\n\r\n".into(), "bad_host"),
        ("GET /api/open/a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".into(), "bad_host"),
        ("GET /api/open/a HTTP/1.1\r\nHost: a, b\r\n\r\n".into(), "bad_host"),
        ("GET /api/open/a HTTP/1.1\r\nHost: u@a\r\n\r\n".into(), "bad_host"),
        ("GET ftp://a/api/open/a HTTP/1.1\r\nHost: a\r\n\r\n".into(), "bad_target"),
        (
            format!("{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "both_lengths",
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
            "both_lengths",
        ),
        (
            // The target that hyper hands on has lost its fragment; the bait shows it again.
            "POST /api/open/a#f HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\
             Transfer-Encoding: chunked\r\nX: POST /api/open/a HTTP/1.1\r\n\r\n0\r\n\r\n"
                .into(),
            "both_lengths",
        ),
        (
            "POST /api/open/a#f HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\
             Transfer-Encoding: chunked\r\n\r\n1e\r\nPOST /api/open/a HTTP/1.1\r\nY: z\r\n\r\n0\r\n\r\n"
                .into(),
            "both_lengths",
        ),
        (
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            "transfer_coding_not_supported",
        ),
        (
            format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "transfer_coding_not_supported",
        ),
        (format!("{post}Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"), "expectation_failed"),
        ("TRACE /api/open/a HTTP/1.1\r\nHost: a\r\n\r\n".into(), "method_not_supported"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), "method_not_supported"),
        (
            "GET /api/open/a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
                .into(),
            "upgrade_not_supported",
        ),
    ] {
        let bytes: String = bytes;
        let (_, found) = refuse(&node, &bytes).await;
        assert_eq!(found, code, "{bytes}");
    }
    assert_eq!(origin.count(), 0, "nothing reached the upstream");
}

#[tokio::test]
async fn bytes_that_are_not_http_are_refused() {
    let (node, origin) = node().await;
    let post = "POST /api/open/a HTTP/1.1\r\nHost: a\r\n";
    for bytes in [
        "GET /api/open/a HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n".into(),
        "GET /api/open/a HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n".into(),
        "GET /api/open/a HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n".into(),
        "GET /api/open/a HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n".into(),
        "GET /api/open/a HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n".into(),
        "GET  /api/open/a HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET /api/open/a HTTP/2.0\r\nHost: a\r\n\r\n".into(),
        "GET /api/open/a b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "\x16\x03\x01\x02\x00\x01\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        format!("{post}Content-Length: 3, 3\r\n\r\nabc"),
        format!("{post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        format!("{post}Content-Length: +3\r\n\r\nabc"),
        format!("{post}Content-Length: 99999999999999999999\r\n\r\nabc"),
        format!("{post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ] {
        let bytes: String = bytes;
        let (status, code) = refuse(&node, &bytes).await;
        assert_eq!(
            (status, code.as_str()),
            (400, "malformed_request"),
            "{bytes}"
        );
    }
    assert_eq!(origin.count(), 0, "nothing reached the upstream");
}

#[tokio::test]
async fn what_is_not_http_after_a_request_is_refused_after_its_answer() {
    let (mut node, origin) = node().await;
    let garbage = "GET  /api/open/a HTTP/1.1\r\n\r\n";
    // At once, and once the answer is there.
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "") + garbage).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.answer().await.code(), "malformed_request");
    assert!(client.rest().await.is_empty(), "the connection is closed");
    let mut client = node.connect().await;
    client.send(get("/api/open/a", "")).await;
    assert_eq!(client.answer().await.status, 200);
    client.send(garbage).await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "malformed_request")
    );
    assert!(answer.header("date").is_some());
    assert!(client.rest().await.is_empty(), "the connection is closed");
    assert_eq!(origin.count(), 2);

    node.stop().await;
    let (mut refused, mut statuses) = (0, 0);
    while let Ok(usage) = node.inbox.reports.try_recv() {
        refused += usage
            .refusals
            .get("malformed_request")
            .copied()
            .unwrap_or(0);
        statuses += usage.statuses.get(&400).copied().unwrap_or(0);
    }
    assert_eq!((refused, statuses), (2, 2), "counted");
}

#[tokio::test]
async fn a_broken_chunk_ends_the_request_at_both_ends() {
    let (node, origin) = node().await;
    for body in [
        "zz\r\nabc\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let head = "POST /api/open/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (status, code) = refuse(&node, format!("{head}{body}")).await;
        assert_eq!((status, code.as_str()), (400, "bad_body"), "{body:?}");
    }
    assert_eq!(origin.count(), 0, "no whole request reached the upstream");
}

#[tokio::test]
async fn a_smuggled_second_request_is_never_seen_as_one() {
    let (node, origin) = node().await;
    let inner = "GET /api/open/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let outer = format!(
        "POST /api/open/a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    let mut client = node.connect().await;
    client.send(outer).await;
    assert_eq!(client.answer().await.code(), "both_lengths");
    assert!(client.rest().await.is_empty(), "no second answer");
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn a_chunked_request_after_one_with_a_length_is_no_contradiction() {
    let (node, origin) = node().await;
    let mut client = node.connect().await;
    let first = "POST /api/open/a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    let second = "POST /api/open/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n";
    client.send(first).await;
    assert_eq!(client.answer().await.status, 200);
    client.send(second).await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(origin.last().body, b"def");
}

#[tokio::test]
async fn paths_with_two_readings_are_refused() {
    let (node, origin) = node().await;
    for path in [
        "/api/open/%2e%2e%2fadmin",
        "/api/open//a",
        "/api/open/a\\b",
        "/api/../../a",
        "/api/open/%00",
    ] {
        let answer = node.ask(get(path, "")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad_path"),
            "{path}"
        );
    }
    let answer = node.ask("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answer.status, 400);
    assert_eq!(origin.count(), 0);
}
