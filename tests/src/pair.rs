//! Two control planes as processes of their own on one database, behind one address.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::mailbox::Mailbox;
use crate::planes::{SECRET_KEY, empty_database, spawn};
use crate::ports::PortOffset;
use crate::round_robin::RoundRobin;
use crate::wait::{self, until};

const READY_WITHIN: Duration = Duration::from_secs(60);
const OPERATOR: &str = "operator@example.com";

/// They are started at once on an empty database, and know nothing of each other but that.
pub struct Pair {
    children: Vec<Child>,
    servers: [SocketAddr; 2],
    balancer: RoundRobin,
    pub mailbox: Mailbox,
    /// The operator's email and password.
    pub operator: (String, String),
    /// Of the operator, for the JSON API.
    pub api_token: String,
    _ports: PortOffset,
}

impl Pair {
    /// `program` is the path of the `plane` binary.
    pub async fn start(program: &str) -> Self {
        let database_url = tokio::task::spawn_blocking(empty_database)
            .await
            .expect("a database");
        let ports = PortOffset::take();
        let at = |base: u16| SocketAddr::from(([127, 0, 0, 1], base + ports.offset));
        let servers = [at(8080), at(8081)];
        let balancer = RoundRobin::start(servers).await;
        let mailbox = Mailbox::open().await;
        let command = |listen: SocketAddr| {
            let mut command = Command::new(program);
            command
                .arg("control-plane")
                .env("DATABASE_URL", &database_url)
                .env("PUBLIC_URL", balancer.url())
                .env("LISTEN_ADDR", listen.to_string())
                .env("SECRET_KEY", SECRET_KEY)
                .env("SMTP_URL", mailbox.url());
            command
        };
        let children = servers.map(|server| spawn(&mut command(server))).into();
        for server in servers {
            let url = format!("http://{server}/readyz");
            until("a control plane is ready", READY_WITHIN, async || {
                let answer = reqwest::get(&url).await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        }
        let mut bootstrap = command(servers[0]);
        bootstrap.args(["bootstrap", "--email", OPERATOR, "--api-token"]);
        let output = bootstrap.output().await.expect("bootstrap runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let mut after_label = text
            .split_whitespace()
            .skip_while(|word| *word != "Password");
        let password = after_label.nth(1).expect("bootstrap prints it").to_owned();
        let mut words = text.split_whitespace();
        let api_token = words.find(|word| word.starts_with("tgp_"));
        Self {
            children,
            servers,
            balancer,
            mailbox,
            operator: (OPERATOR.to_owned(), password),
            api_token: api_token.expect("bootstrap prints it").to_owned(),
            _ports: ports,
        }
    }

    /// Where both are reached.
    pub fn url(&self) -> &str {
        self.balancer.url()
    }

    /// Requests that came to that address; each half of them went to one of the two.
    pub fn requests(&self) -> usize {
        self.balancer.taken()
    }

    /// Each by itself.
    pub fn each(&self) -> [String; 2] {
        self.servers.map(|server| format!("http://{server}"))
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(wait::end);
    }
}
