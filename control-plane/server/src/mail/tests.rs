//! Guarantees of mails.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn the_sender_is_our_host_or_what_the_url_names() {
    let sender =
        |url: &str| Smtp::new(url, "https://console.example.com").map(|smtp| smtp.from.to_string());
    assert_eq!(
        sender("smtp://localhost").ok().as_deref(),
        Some("Tollgate <tollgate@console.example.com>")
    );
    assert_eq!(
        sender("smtps://mail.example.com?from=gate%40example.com")
            .ok()
            .as_deref(),
        Some("gate@example.com")
    );
    assert!(sender("smtps://mail.example.com?from=nobody").is_err());
    assert!(sender("https://mail.example.com").is_err());
}

#[test]
fn attempts_come_less_and_less_often() {
    for (attempts, seconds) in [(1, 30), (2, 60), (5, 480), (8, 3600), (100, 3600)] {
        assert_eq!(pause_after(attempts).whole_seconds(), seconds, "{attempts}");
    }
}

/// A mail server that takes what it is sent, but for the first connection, which it turns away.
async fn take_mail(listener: TcpListener, mails: tokio::sync::mpsc::UnboundedSender<String>) {
    let (mut first, _) = listener.accept().await.expect("a connection");
    first
        .write_all(b"421 come back later\r\n")
        .await
        .expect("writes");
    drop(first);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let text = converse(stream).await.expect("a mail");
        mails.send(text).expect("the test waits");
    }
}

async fn converse(stream: TcpStream) -> std::io::Result<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await?;
    let (mut text, mut is_data) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(text);
        }
        if is_data && line != ".\r\n" {
            text.push_str(&line);
            continue;
        }
        let reply: &[u8] = match line.split_whitespace().next() {
            Some("DATA") => {
                is_data = true;
                b"354 go on\r\n"
            }
            Some("QUIT") => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(text);
            }
            _ => {
                is_data = false;
                b"250 ok\r\n"
            }
        };
        stream.write_all(reply).await?;
    }
}

#[tokio::test]
async fn a_mail_that_was_not_taken_is_sent_again_and_then_no_more() {
    let db = store::testing::database().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, mut mails) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(take_mail(listener, sender));
    let url = format!("smtp://127.0.0.1:{port}?from=gate%40example.com");
    let smtp = Smtp::new(&url, "http://localhost:8080").expect("an address");
    let mut tx = db.platform_tx().await.expect("begins");
    let letter = Translated {
        to: &Email::parse("ada@example.com").expect("an address"),
        tenant: None,
        language: Language::German,
        subject: language::Message::new("mail-known-subject"),
        body: language::Message::new("mail-known").with("url", "http://localhost:8080"),
    };
    post_translated(&mut tx, letter)
        .await
        .expect("is written down");
    tx.commit().await.expect("commits");

    smtp.send_due(&db).await.expect("the database works");
    assert!(mails.try_recv().is_err(), "was turned away");
    smtp.send_due(&db).await.expect("the database works");
    assert!(mails.try_recv().is_err(), "is not due yet");
    let mut tx = db.platform_tx().await.expect("begins");
    let mail = store::outbox::all_tenants_list(&mut tx, None, 1)
        .await
        .expect("reads")
        .remove(0);
    assert!(mail.last_error.is_some());
    let past = Now::read().0 - time::Duration::MINUTE;
    store::outbox::all_tenants_note_failed(&mut tx, mail.id, "turned away", past)
        .await
        .expect("makes it due");
    tx.commit().await.expect("commits");

    smtp.send_due(&db).await.expect("the database works");
    let text = mails.recv().await.expect("was taken");
    assert!(text.contains("From: gate@example.com"), "{text}");
    assert!(text.contains("To: ada@example.com"), "{text}");
    let subject = "Subject: Sie haben schon ein Tollgate-Konto";
    assert!(text.contains(subject), "{text}");
    smtp.send_due(&db).await.expect("the database works");
    assert!(mails.try_recv().is_err(), "is sent once");
}
