//! What an upstream is told, and what it is never told.

use snapshot::usage::Class;

use super::support::*;

async fn node() -> (Node, Origin) {
    let origin = Origin::echo().await;
    (Node::start(&Fixture::new(&[origin.addr])), origin)
}

fn keyed(headers: &str) -> String {
    get(
        "/api/keyed/a",
        &format!("x-api-key: {}\r\n{headers}", api_key()),
    )
}

#[tokio::test]
async fn the_caller_is_named_by_the_node_and_by_nobody_else() {
    let (node, origin) = node().await;
    let answer = node
        .ask(keyed(
            "x-tollgate-tenant-id: ten_forged\r\nx_tollgate_tenant_id: ten_forged\r\n\
             X-Tollgate_Scopes: admin\r\nx-tollgate-subject: root\r\n\
             Connection: x-tollgate-tenant-id, x-tollgate-scopes, x-request-id\r\n",
        ))
        .await;
    assert_eq!(answer.status, 200);
    let received = origin.last();
    let tenant = snapshot::id::TenantId::from_bytes(&TENANT)
        .expect("an id")
        .to_string();
    let key = snapshot::id::ApiKeyId::from_bytes(&KEY_ID)
        .expect("an id")
        .to_string();
    assert_eq!(
        received.header("x-tollgate-tenant-id"),
        Some(tenant.as_str())
    );
    assert_eq!(received.header("x-tollgate-key-id"), Some(key.as_str()));
    assert_eq!(received.header("x-tollgate-plan"), Some("Gold%2C%20100%25"));
    assert_eq!(
        received.header("x-tollgate-scopes"),
        Some("orders:read orders:write")
    );
    assert_eq!(received.header("x-tollgate-subject"), None);
    assert!(!received.head.contains("forged") && !received.head.contains("admin"));
    let mut names = received
        .head
        .lines()
        .skip(1)
        .filter_map(|line| line.split(':').next());
    assert!(names.all(|name| !name.contains('_')), "{}", received.head);
}

#[tokio::test]
async fn a_token_names_its_subject_to_the_upstream_and_stays_behind() {
    let (node, origin) = node().await;
    let ask = |token: &str| {
        let headers = format!("authorization: Bearer {token}\r\nx-tollgate-subject: root\r\n");
        get("/api/token/a", &headers)
    };
    let answer = node.ask(ask(&access_token("openid orders:read"))).await;
    assert_eq!(answer.status, 200);
    let received = origin.last();
    let tenant = snapshot::id::TenantId::from_bytes(&TENANT).expect("an id");
    let tenant = tenant.to_string();
    assert_eq!(
        received.header("x-tollgate-tenant-id"),
        Some(tenant.as_str())
    );
    assert_eq!(received.header("x-tollgate-subject"), Some(SUBJECT));
    assert_eq!(received.header("x-tollgate-scopes"), Some("orders:read"));
    assert_eq!(received.header("x-tollgate-key-id"), None);
    assert_eq!(received.header("authorization"), None);

    let refused = node.ask(ask(&access_token("openid"))).await;
    assert_eq!(refused.status, 403);
    let challenge =
        "Bearer realm=\"tollgate\", error=\"insufficient_scope\", scope=\"orders:read\"";
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    let refused = node.ask(ask("a.b.c")).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text().contains("\"code\":\"token_invalid\""));
    let refused = node.ask(get("/api/token/a", "")).await;
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"tollgate\"")
    );
}

#[tokio::test]
async fn a_call_with_a_token_counts_for_the_tenant_and_no_key() {
    let (mut node, _origin) = node().await;
    let headers = format!("authorization: Bearer {}\r\n", access_token("orders:read"));
    assert_eq!(node.ask(get("/api/token/a", &headers)).await.status, 200);
    node.stop().await;
    let tenant = snapshot::id::TenantId::from_bytes(&TENANT).expect("an id");
    let mut admitted = 0;
    while let Ok(report) = node.inbox.reports.try_recv() {
        for (key, count) in report.counts {
            assert_eq!((key.tenant_id, key.key_id), (Some(tenant), None));
            admitted += u64::from(key.class == Class::Admitted) * count;
        }
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn an_open_route_carries_no_identity_even_if_the_client_claims_one() {
    let (node, origin) = node().await;
    let claims = "x-tollgate-tenant-id: ten_forged\r\nx_tollgate_plan: gold\r\n";
    node.ask(get("/api/open/a", claims)).await;
    assert!(!origin.last().head.to_lowercase().contains("tollgate"));
}

#[tokio::test]
async fn the_credential_stays_behind_unless_the_route_asks_for_it() {
    let origin = Origin::echo().await;
    let mut fixture = Fixture::new(&[origin.addr]);
    let node = Node::start(&fixture);
    let bearer = format!("Authorization: Bearer {}\r\n", api_key());
    assert_eq!(node.ask(keyed("")).await.status, 200);
    assert!(!origin.last().head.contains("tg_live_"));
    assert_eq!(node.ask(get("/api/keyed/a", &bearer)).await.status, 200);
    assert!(!origin.last().head.contains("tg_live_"));
    fixture.route(1).forward_credentials = true;
    let node = Node::start(&fixture);
    assert_eq!(node.ask(keyed("")).await.status, 200);
    assert!(origin.last().head.contains("tg_live_"));
}

#[tokio::test]
async fn hop_by_hop_fields_and_our_cookies_stay_behind() {
    let (node, origin) = node().await;
    let fields = "Connection: keep-alive, x-hop\r\nx-hop: 1\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n\
                  HTTP2-Settings: AAMA\r\nProxy-Authorization: b\r\nTE: gzip\r\n\
                  Cookie: a=1; __Host-tollgate=secret\r\nAccept: */*\r\n";
    assert_eq!(node.ask(get("/api/open/a", fields)).await.status, 200);
    let received = origin.last();
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "upgrade",
        "http2-settings",
        "proxy-authorization",
        "te",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
    assert_eq!(received.header("cookie"), Some("a=1"));
    assert_eq!(received.header("accept"), Some("*/*"));
}

#[tokio::test]
async fn path_query_and_host_are_those_of_the_target() {
    let origin = Origin::echo().await;
    let mut fixture = Fixture::new(&[]);
    fixture.upstream.targets = vec![target(&format!("http://{}/v2/", origin.addr), 1)];
    let node = Node::start(&fixture);
    for (path, expected) in [
        ("/api/open/a?x=1&y=%20", "GET /v2/open/a?x=1&y=%20 HTTP/1.1"),
        ("/api/open/./b/../c/%7Ed", "GET /v2/open/c/~d HTTP/1.1"),
        (
            "http://other.example.com/api/open/abs",
            "GET /v2/open/abs HTTP/1.1",
        ),
    ] {
        assert_eq!(node.ask(get(path, "")).await.status, 200, "{path}");
        assert_eq!(origin.last().line(), expected);
        assert_eq!(
            origin.last().header("host"),
            Some(origin.addr.to_string().as_str())
        );
    }
    assert_eq!(
        origin.last().header("x-forwarded-host"),
        Some("other.example.com")
    );
    let answer = node.ask("GET /api/open/old HTTP/1.0\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(origin.last().line(), "GET /v2/open/old HTTP/1.1");
}

#[tokio::test]
async fn an_untrusted_client_does_not_say_where_it_comes_from() {
    let (node, origin) = node().await;
    let forged = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
                  Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: mine\r\n\
                  X_Forwarded_For: 6.6.6.6\r\nx_real_ip: 6.6.6.6\r\nTrue-Client-IP: 6.6.6.6\r\n";
    let answer = node.ask(get("/api/open/a", forged)).await;
    let received = origin.last();
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("http"));
    assert_eq!(received.header("x-forwarded-host"), Some("api.example.com"));
    let forwarded = "for=127.0.0.1;host=\"api.example.com\";proto=http";
    assert_eq!(received.header("forwarded"), Some(forwarded));
    for name in [
        "x-real-ip",
        "x_forwarded_for",
        "x_real_ip",
        "true-client-ip",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
    let request_id = received.header("x-request-id").expect("an id");
    assert!(uuid::Uuid::parse_str(request_id).is_ok_and(|id| id.get_version_num() == 7));
    assert_eq!(answer.header("x-request-id"), Some(request_id));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_its_list_goes_on() {
    let origin = Origin::echo().await;
    let mut config = config();
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a net")];
    let mut fixture = Fixture::new(&[origin.addr]);
    fixture.key_addresses = vec!["203.0.113.0/24".into()];
    let node = Node::start_with(&fixture, config);
    let fields = "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine-1\r\n";
    assert_eq!(node.ask(keyed(fields)).await.status, 200);
    let received = origin.last();
    assert_eq!(
        received.header("x-forwarded-for"),
        Some("6.6.6.6, 203.0.113.7, 127.0.0.1")
    );
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
    assert_eq!(received.header("x-request-id"), Some("mine-1"));
    // The key's addresses are held against the rightmost hop that is not ours.
    let answer = node
        .ask(keyed("X-Forwarded-For: 203.0.113.7, 6.6.6.6\r\n"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "address_not_allowed")
    );
}

#[tokio::test]
async fn traces_go_on() {
    let (node, origin) = node().await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let field = format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\ntracestate: a=1\r\n");
    node.ask(get("/api/open/a", &field)).await;
    let received = origin.last();
    let parent = received.header("traceparent").expect("a trace");
    assert!(parent.contains(trace) && !parent.contains("b7ad6b7169203331"));
    assert_eq!(received.header("tracestate"), Some("a=1"));
    node.ask(get("/api/open/a", "")).await;
    assert!(origin.last().header("traceparent").is_some());
}

#[tokio::test]
async fn answers_lose_what_concerned_the_upstream_and_gain_what_concerns_the_client() {
    let origin = Origin::saying(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\
         access-control-allow-origin: *\r\naccess-control-allow-credentials: true\r\nx-own: 1\r\n\r\nok",
    )
    .await;
    let node = Node::start(
        &Fixture::new(&[origin.addr])
            .with_cors()
            .with_rate(1_000_000, 1000),
    );
    let answer = node.ask(keyed("Origin: https://app.example.com\r\n")).await;
    assert_eq!(answer.status, 200);
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "access-control-allow-credentials",
    ] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(answer.header("x-own"), Some("1"));
    assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some());
    assert!(answer.header("date").is_some());
    // A page can read a refusal too.
    let answer = node
        .ask(get("/api/keyed/a", "Origin: https://app.example.com\r\n"))
        .await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "api_key_missing")
    );
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert!(answer.header("www-authenticate").is_some());
    let answer = node
        .ask(keyed("Origin: https://evil.example.com\r\n"))
        .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_preflight_is_answered_without_the_upstream() {
    let origin = Origin::echo().await;
    let node = Node::start(&Fixture::new(&[origin.addr]).with_cors());
    let answer = node
        .ask(
            "OPTIONS /api/keyed/a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\
             Access-Control-Request-Method: GET\r\n\r\n",
        )
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example.com")
    );
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn routes_that_are_not_there_are_refused() {
    let (node, _origin) = node().await;
    for (request, status, code) in [
        (get("/nowhere", ""), 404, "route_not_found"),
        (get("/api/nowhere", ""), 404, "route_not_found"),
        (get("/api/keyed/a", ""), 401, "api_key_missing"),
        (
            get("/api/keyed/a", "x-api-key: tg_live_wrong\r\n"),
            401,
            "api_key_invalid",
        ),
    ] {
        let answer = node.ask(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(answer.header("date").is_some());
    }
}
