//! What every handler and background task of one control plane shares.

use std::ops::Deref;
use std::sync::Arc;

use ipnet::IpNet;
use store::Db;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use webauthn_rs::Webauthn;

use crate::dns::Dns;
use crate::health::MetricsReaders;
use crate::identity_providers::Directory;
use crate::mail::Mailer;
use crate::nodes::directory::NodeDirectory;
use crate::nodes::observations::Observations;
use crate::nodes::replays::Replays;
use crate::oauth::keys::TokenKeys;
use crate::page::FormKey;
use crate::passwords::Passwords;
use crate::publish::follower::Current;
use crate::secret_box::SecretBox;
use crate::telemetry::Metrics;

/// Cheap to clone; the state of every router.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub db: Db,
    pub secrets: SecretBox,
    pub metrics: Arc<Metrics>,
    pub public_url: String,
    pub is_local_stack: bool,
    /// Where clients reach the gateway nodes, for the examples that pages show.
    pub gateway_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read `/metrics`.
    pub metrics_readers: MetricsReaders,
    pub passwords: Passwords,
    pub token_keys: TokenKeys,
    /// None where the public URL has a number for a name: browsers have no passkeys there.
    pub webauthn: Option<Arc<Webauthn>>,
    /// Other OpenID providers, as they describe themselves.
    pub(crate) providers: Directory,
    pub dns: Dns,
    pub mailer: Mailer,
    pub form_key: FormKey,
    /// The revision that nodes are served.
    pub current: Current,
    /// Asks the follower to look at the database now.
    pub refresh: Notify,
    pub directory: NodeDirectory,
    pub replays: Replays,
    pub observations: Observations,
    /// Ends long polls when the process stops.
    pub shutdown: CancellationToken,
}

impl App {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Before it is shared.
    #[cfg(test)]
    pub(crate) fn set_dns(&mut self, dns: Dns) {
        let inner = Arc::get_mut(&mut self.0);
        inner.expect("nothing shares it yet").dns = dns;
    }
}

impl Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
