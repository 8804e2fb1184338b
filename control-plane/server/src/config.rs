//! Configuration: read once, every field documented with its variable, unit and default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ipnet::IpNet;

use crate::secret_box::SecretKey;

/// The control plane of Tollgate.
///
/// Serves the console, the JSON API and the gateway nodes from one PostgreSQL database.
#[derive(Debug, Parser)]
#[command(name = "control-plane", version, about)]
struct Arguments {
    /// PostgreSQL 14 or newer, e.g. postgres://tollgate@db.internal/tollgate
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,

    /// Where browsers and clients reach this control plane; also the issuer of its tokens.
    /// http is accepted for loopback only.
    #[arg(long, env = "PUBLIC_URL")]
    public_url: String,

    /// Addresses to listen on
    #[arg(
        long,
        env = "LISTEN_ADDR",
        default_value = "0.0.0.0:8080",
        value_delimiter = ','
    )]
    listen_addr: Vec<SocketAddr>,

    /// PEM file with the certificate chain; with TLS_KEY, serves https
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the private key of TLS_CERT
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// 64 hexadecimal digits; encrypts secrets in the database. Keep it: without it a backup
    /// of the database is not worth much
    #[arg(long, env = "SECRET_KEY", hide_env_values = true)]
    secret_key: String,

    /// Mail server, e.g. smtps://user:password@mail.example.com?from=gate@example.com. Without it
    /// no mail is sent
    #[arg(long, env = "SMTP_URL", hide_env_values = true)]
    smtp_url: Option<String>,

    /// Where clients reach the gateway nodes, e.g. https://api.example.com; shown in the console's
    /// examples
    #[arg(long, env = "GATEWAY_URL")]
    gateway_url: Option<String>,

    /// Address ranges whose X-Forwarded-For is believed, e.g. 10.0.0.0/8
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<IpNet>,

    /// What Prometheus sends as bearer token to read /metrics. Without it /metrics is served to
    /// programs on this machine only, and only where PUBLIC_URL is loopback
    #[arg(long, env = "METRICS_TOKEN", hide_env_values = true)]
    metrics_token: Option<String>,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an operator, or give one a new password, and print the sign-in
    Bootstrap {
        #[arg(long)]
        email: String,
        /// Also print an enrolment token for so many nodes
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
        nodes: u32,
        /// Also print a personal token for the JSON API, good for a year
        #[arg(long)]
        api_token: bool,
    },
    /// After a restore from backup: raise the epoch, so that nodes take what this database holds
    Recover,
}

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct Config {
    pub database_url: String,
    /// Without a trailing slash.
    pub public_url: String,
    pub listen: Vec<SocketAddr>,
    pub tls: Option<TlsFiles>,
    pub secret_key: SecretKey,
    pub smtp_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    /// What `/metrics` asks for.
    pub metrics_token: Option<String>,
    /// Without a trailing slash.
    pub gateway_url: Option<String>,
    /// A stack on one machine: operators see the outbox, and upstreams may be on loopback.
    pub is_local_stack: bool,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Why the process cannot start with what it was given.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    SecretKey(#[from] crate::secret_box::InvalidSecretKey),
    #[error("PUBLIC_URL {url:?} is not an absolute http or https URL without path, query or user")]
    PublicUrl { url: String },
    #[error("PUBLIC_URL {url:?} is http, which is accepted for loopback only; use https")]
    PublicUrlInsecure { url: String },
}

impl Config {
    /// Reads a command line and the environment; prints help or the error and ends the process if
    /// asked. The first word is the program. Without a command it is to serve.
    pub fn read(
        words: impl IntoIterator<Item = String>,
    ) -> Result<(Self, Option<Command>), ConfigError> {
        let given = Arguments::parse_from(words);
        let tls = given
            .tls_cert
            .zip(given.tls_key)
            .map(|(cert, key)| TlsFiles { cert, key });
        let config = Self {
            database_url: given.database_url,
            public_url: checked_public_url(&given.public_url)?,
            listen: given.listen_addr,
            tls,
            secret_key: given.secret_key.parse()?,
            smtp_url: given.smtp_url,
            trusted_proxies: given.trusted_proxies,
            metrics_token: given.metrics_token.filter(|token| !token.is_empty()),
            gateway_url: given
                .gateway_url
                .map(|url| url.trim_end_matches('/').to_owned()),
            is_local_stack: false,
        };
        Ok((config, given.command))
    }
}

fn checked_public_url(text: &str) -> Result<String, ConfigError> {
    let wrong = || ConfigError::PublicUrl {
        url: text.to_owned(),
    };
    let trimmed = text.trim_end_matches('/');
    let url: http::Uri = trimmed.parse().map_err(|_| wrong())?;
    let host = url.host().ok_or_else(wrong)?;
    let is_plain = url.path() == "/" && url.query().is_none() && !trimmed.contains('@');
    let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme_str() {
        Some("https") if is_plain => Ok(trimmed.to_owned()),
        Some("http") if is_plain && is_loopback => Ok(trimmed.to_owned()),
        Some("http") if is_plain => Err(ConfigError::PublicUrlInsecure {
            url: text.to_owned(),
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_http_public_url_is_for_loopback_only() {
        for (url, is_accepted) in [
            ("http://localhost:8080", true),
            ("http://[::1]:8080/", true),
            ("https://console.example.com", true),
            ("http://console.example.com", false),
            ("https://console.example.com/x", false),
            ("https://user@console.example.com", false),
            ("ftp://localhost", false),
            ("", false),
        ] {
            assert_eq!(checked_public_url(url).is_ok(), is_accepted, "{url}");
        }
    }
}
