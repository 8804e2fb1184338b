//! A mail server for one test: takes whatever it is sent and shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wait::until;

const MAILED_WITHIN: Duration = Duration::from_secs(30);

/// The mails that came, oldest first, each with its envelope.
#[derive(Debug)]
pub struct Mailbox {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Mailbox {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = mails.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, kept.clone()));
            }
        });
        Self {
            port,
            mails,
            server,
        }
    }

    /// What `SMTP_URL` is set to.
    pub fn url(&self) -> String {
        format!(
            "smtp://127.0.0.1:{}?from=gate%40tollgate.example",
            self.port
        )
    }

    /// Waits for the `number`th mail to this address (from 1) and returns the code in it.
    pub async fn code(&self, email: &str, number: usize) -> String {
        let envelope = format!("<{email}>");
        until("a mail with a code", MAILED_WITHIN, async || {
            let mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
            let mut theirs = mails.iter().filter(|mail| mail.contains(&envelope));
            let lines = theirs.nth(number.checked_sub(1)?)?.lines();
            let mut codes = lines.filter(|line| line.starts_with("    "));
            codes.next().map(|line| line.trim().to_owned())
        })
        .await
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The least of RFC 5321: any number of mails on a connection.
async fn converse(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 ready\r\n").await.ok()?;
    let (mut mail, mut is_data) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if is_data && line != ".\r\n" {
            mail.push_str(&line);
            continue;
        }
        let reply: &[u8] = match line.split_whitespace().next() {
            Some("DATA") => {
                is_data = true;
                b"354 go on\r\n"
            }
            Some("QUIT") => b"221 bye\r\n",
            Some(".") => {
                is_data = false;
                let mut kept = mails.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push(std::mem::take(&mut mail));
                b"250 ok\r\n"
            }
            _ => {
                mail.push_str(&line);
                b"250 ok\r\n"
            }
        };
        stream.write_all(reply).await.ok()?;
    }
}
