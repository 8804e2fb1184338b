//! Texts in the DNS, with which tenants prove that a domain is theirs.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;

/// Two of them, and who waits is told.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(3);
/// No honest name has more.
const TEXTS_MAX: usize = 100;

/// Asks the resolvers of the system. Nothing is remembered: whoever asks changed something just now.
/// A machine without any runs all the same, and finds nothing.
pub struct Dns(Option<TokioResolver>);

/// Nobody answered, which says nothing about what is there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the system names no resolver")]
    NoResolver,
    #[error("the DNS does not answer")]
    Failed(#[from] NetError),
}

impl Dns {
    pub(crate) fn of_system() -> Self {
        let found = TokioResolver::builder_tokio().and_then(|mut builder| {
            set(builder.options_mut());
            builder.build()
        });
        if let Err(cause) = &found {
            tracing::warn!(error = %cause, "no domain can be looked up");
        }
        Self(found.ok())
    }

    /// One server on loopback, without TCP.
    #[cfg(test)]
    pub(crate) fn at(server: std::net::SocketAddr) -> Result<Self, NetError> {
        use hickory_resolver::config::{NameServerConfig, ResolverConfig};
        use hickory_resolver::net::runtime::TokioRuntimeProvider;
        let mut config = NameServerConfig::udp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        let config = ResolverConfig::from_name_servers(vec![config]);
        let mut builder =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set(builder.options_mut());
        Ok(Self(Some(builder.build()?)))
    }

    /// The TXT records of a name, each as one text (RFC 7208, section 3.3: joined without spaces).
    pub(crate) async fn texts(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let resolver = self.0.as_ref().ok_or(NoAnswer::NoResolver)?;
        let found = match resolver.txt_lookup(format!("{name}.")).await {
            Ok(found) => found,
            Err(cause) if cause.is_no_records_found() || cause.is_nx_domain() => {
                return Ok(Vec::new());
            }
            Err(cause) => return Err(cause.into()),
        };
        let texts = found
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.to_string()),
                _ => None,
            });
        Ok(texts.take(TEXTS_MAX).collect())
    }
}

fn set(options: &mut hickory_resolver::config::ResolverOpts) {
    options.timeout = ATTEMPT_WITHIN;
    options.attempts = 1;
    options.cache_size = 0;
}
