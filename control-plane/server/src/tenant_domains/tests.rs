//! Guarantees about domains.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use domain::role::{PlatformRole, Role};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record};
use serde_json::json;
use tokio::net::UdpSocket;

use crate::dns::Dns;
use crate::testing::Stack;

/// The names that have a TXT record, and its text.
type Zone = Arc<Mutex<Vec<(String, String)>>>;

/// A server of the DNS that knows what is in the zone.
async fn serve(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..length]).expect("a query");
            let query = asked.queries[0].clone();
            let mut reply = Message::response(asked.metadata.id, asked.metadata.op_code);
            reply.queries.push(query.clone());
            let name = query.name().to_ascii();
            let texts = zone.lock().expect("not poisoned").clone();
            let found: Vec<_> = texts.iter().filter(|(at, _)| *at == name).collect();
            if found.is_empty() {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            for (_, text) in found {
                // In two strings, as long texts are.
                let (one, two) = text.split_at(5);
                let data = TXT::new(vec![one.to_owned(), two.to_owned()]);
                let record = Record::from_rdata(query.name().clone(), 60, RData::TXT(data));
                reply.answers.push(record);
            }
            let bytes = reply.to_vec().expect("a message");
            let _ = socket.send_to(&bytes, from).await;
        }
    });
    address
}

#[tokio::test]
async fn a_domain_is_proven_by_its_record_and_belongs_to_one_tenant() {
    let zone = Zone::default();
    let dns = Dns::at(serve(zone.clone()).await).expect("a resolver");
    let stack = Stack::with(|app| app.set_dns(dns)).await;
    let (tenant, other) = (stack.tenant("Acme").await, stack.tenant("Contoso").await);
    let owner = stack
        .member(tenant, "owner@acme.example", Role::Owner)
        .await;
    let rival = stack
        .member(other, "eve@contoso.example", Role::Owner)
        .await;
    let program = stack.program_of(owner, &[]).await;
    let domains = format!("/tenants/{tenant}/domains");
    let wrong = program.post(&domains, json!({ "domain": "acme" })).await;
    assert_eq!(
        wrong.body["errors"][0]["pointer"], "/domain",
        "{}",
        wrong.body
    );
    let added = program
        .post(&domains, json!({ "domain": "Acme.example" }))
        .await;
    assert_eq!(added.status, 201, "{}", added.body);
    assert_eq!(
        added.body["record_name"],
        "_tollgate-challenge.acme.example"
    );
    let twice = program
        .post(&domains, json!({ "domain": "acme.example" }))
        .await;
    assert_eq!((twice.status, twice.code()), (409, "domain_listed"));
    let place = format!("{domains}/{}", added.body["id"].as_str().expect("an id"));
    let prove = async || program.post(&format!("{place}/prove"), json!({})).await;
    let early = prove().await;
    assert_eq!(
        early.body["errors"][0]["code"], "not_proven",
        "{}",
        early.body
    );
    let name = "_tollgate-challenge.acme.example.".to_owned();
    let put = |text: &str| {
        *zone.lock().expect("not poisoned") = vec![(name.clone(), text.to_owned())];
    };
    put("tollgate-domain=another");
    assert!(
        prove()
            .await
            .body
            .to_string()
            .contains("holds another text")
    );
    let text = added.body["record_text"]
        .as_str()
        .expect("a text")
        .to_owned();
    put(&text);
    let proven = prove().await;
    assert!(proven.body["proven_at"].is_string(), "{}", proven.body);
    // Members cannot do without the record.
    let confirm = program.post(&format!("{place}/confirm"), json!({})).await;
    assert_eq!(confirm.status, 403, "{}", confirm.body);

    let rival = stack.program_of(rival, &[]).await;
    let theirs = format!("/tenants/{other}/domains");
    let added = rival
        .post(&theirs, json!({ "domain": "acme.example" }))
        .await;
    assert_ne!(
        added.body["record_text"],
        text.as_str(),
        "a text of its own"
    );
    put(added.body["record_text"].as_str().expect("a text"));
    let place = format!("{theirs}/{}", added.body["id"].as_str().expect("an id"));
    let taken = rival.post(&format!("{place}/prove"), json!({})).await;
    assert_eq!((taken.status, taken.code()), (409, "domain_taken"));
}

#[tokio::test]
async fn the_page_of_domains_shows_the_record_and_checks_it() {
    let zone = Zone::default();
    let dns = Dns::at(serve(zone.clone()).await).expect("a resolver");
    let stack = Stack::with(|app| app.set_dns(dns)).await;
    let tenant = stack.tenant("Acme").await;
    stack
        .member(tenant, "owner@acme.example", Role::Owner)
        .await;
    let mut browser = stack.browser_of("owner@acme.example").await;
    let path = format!("/t/{tenant}/domains");
    let wrong = browser.submit(&path, &[("domain", "a b")]).await;
    assert_eq!(wrong.status, 422);
    let added = browser.submit(&path, &[("domain", "acme.example")]).await;
    assert_eq!(added.location(), path);
    let shown = browser.get(&path).await;
    assert!(
        shown.body.contains("_tollgate-challenge.acme.example"),
        "{}",
        shown.body
    );
    assert!(
        !shown.body.contains("Confirm without"),
        "for operators only"
    );
    let id = shown.between("name-dom_", "\"").expect("an id").to_owned();
    let token = browser.token().await;
    let fields = [("csrf_token", token.as_str())];
    browser
        .post(&format!("{path}/dom_{id}/prove"), &fields)
        .await;
    let shown = browser.get(&path).await;
    assert!(
        shown.body.contains("There is no TXT record"),
        "{}",
        shown.body
    );
    let confirm = format!("/admin/tenants/{tenant}/domains/dom_{id}/confirm");
    assert_eq!(browser.post(&confirm, &fields).await.status, 403);
    stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let mut operator = stack.browser_of("op@example.com").await;
    let token = operator.token().await;
    let done = operator
        .post(&confirm, &[("csrf_token", token.as_str())])
        .await;
    assert_eq!(done.location(), path, "{}", done.body);
    assert!(
        operator
            .get(&path)
            .await
            .body
            .contains("acme.example is proven.")
    );
    let removed = browser
        .submit(&format!("{path}/dom_{id}/remove"), &[])
        .await;
    assert_eq!(removed.location(), path);
}
