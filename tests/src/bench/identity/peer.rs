//! The library oidc-provider in Node.js, as a provider that is not ours.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

use super::Provider;
use super::load::Asking;
use crate::bench::machine::Cores;
use crate::bench::process::{Running, find_program, free_address};

const CLIENT_ID: &str = "bench";
const CLIENT_SECRET: &str = "a-secret-of-forty-three-characters-or-so-01";

/// Starts it on a database that is empty.
pub fn start(database: (&str, &str), cores: Cores, clients: usize) -> anyhow::Result<Provider> {
    let node = find_program("node").context(
        "not measured: node is missing, which runs what is compared with; tests/run installs it",
    )?;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/javascript");
    let address = free_address()?;
    let (name, url) = database;
    let socket_dir = url.split_once("host=").context("a socket")?.1;
    let socket_dir = socket_dir.replace("%2F", "/");
    let mut command = Command::new(node);
    command
        .arg(scripts.join("bench_provider.mjs"))
        .env("NODE_ENV", "production")
        .env("ISSUER", format!("http://{address}"))
        .env("CLIENT_ID", CLIENT_ID)
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .env("TOKENS", clients.to_string())
        .env("PGHOST", socket_dir)
        .env("PGPORT", "5432")
        .env("PGUSER", "tollgate")
        .env("PGDATABASE", name)
        .stderr(Stdio::null());
    let (process, stdout) = Running::start_talking(&mut command, cores.subject, cores.load)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let said: Value = serde_json::from_str(&line)
        .context("oidc-provider does not start: run tests/run once, which installs it")?;
    let tokens = said["tokens"].as_array().context("tokens")?;
    let tokens: Option<Vec<String>> = tokens
        .iter()
        .map(|token| token.as_str().map(str::to_owned))
        .collect();
    let credentials = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let asking = |grant: &str| Asking {
        address,
        path: "/token",
        form: format!("grant_type={grant}&{credentials}"),
    };
    Ok(Provider {
        name: "oidc-provider",
        database: name.to_owned(),
        client_credentials: asking("client_credentials"),
        refresh: asking("refresh_token"),
        tokens: tokens.context("tokens are text")?,
        process,
    })
}
