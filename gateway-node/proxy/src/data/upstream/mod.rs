//! A core's upstreams: which target is next, and a connection to it.

mod balance;
mod chunked;
mod connect;
mod link;
mod origin;
mod outgoing;
mod resolve;
mod response;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use policy::Upstream;
use rustls_platform_verifier::BuilderVerifierExt as _;
use snapshot::id::UpstreamId;

pub(super) use connect::ConnectError;
pub(super) use link::{Link, LinkError, Sent};
pub(super) use outgoing::{Body, Outgoing, put_field};
pub(super) use response::Head;

use super::core::Core;
use balance::Share;
use origin::{Address, Origin};
use resolve::Resolver;

/// Targets that one request tries when connecting fails.
const TRIES_MAX: usize = 3;

pub(super) struct Upstreams {
    known: RefCell<HashMap<UpstreamId, Known, foldhash::fast::RandomState>>,
    origins: RefCell<HashMap<Address, Rc<Origin>>>,
    resolver: Resolver,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// An upstream as the core uses it, until a snapshot brings a changed one.
struct Known {
    source: Arc<Upstream>,
    targets: Vec<Rc<Target>>,
    shares: Vec<Share>,
}

pub(super) struct Target {
    /// What stands in `Host`.
    pub(super) authority: HeaderValue,
    /// Empty, or a path that all requests get in front of theirs.
    pub(super) path_prefix: String,
    origin: Rc<Origin>,
}

/// A connection that is the request's alone, and the target that it leads to.
pub(super) struct Connected {
    pub(super) link: Box<Link>,
    pub(super) target: Rc<Target>,
}

impl Upstreams {
    pub(super) fn new() -> Self {
        Self {
            known: RefCell::default(),
            origins: RefCell::default(),
            resolver: Resolver::default(),
            tls: tls_config(),
        }
    }

    /// A connection to the upstream's next target: one that rests, else a new one. Where a target
    /// does not take connections the next one is tried; nothing was sent by then.
    pub(super) async fn connect(
        &self,
        core: &Core,
        upstream: &Arc<Upstream>,
        within: Duration,
    ) -> Result<Connected, ConnectError> {
        let mut tried = Vec::new();
        let mut failure = ConnectError::NoTarget;
        while let Some((place, target)) = self.next_target(core, upstream, &tried) {
            if let Some(link) = target.origin.take() {
                return Ok(Connected { link, target });
            }
            match connect::connect(core, &target.origin, within).await {
                Ok(link) => return Ok(Connected { link, target }),
                Err(error) => failure = error,
            }
            tried.push(place);
            if tried.len() >= TRIES_MAX {
                break;
            }
        }
        Err(failure)
    }

    /// A new connection to the target of one that broke.
    pub(super) async fn connect_anew(
        &self,
        core: &Core,
        target: Rc<Target>,
        within: Duration,
    ) -> Result<Connected, ConnectError> {
        let link = connect::connect(core, &target.origin, within).await?;
        Ok(Connected { link, target })
    }

    /// Each second: closes what rested too long, forgets what nobody uses.
    pub(super) fn sweep(&self, core: &Core, now_ns: u64) {
        let keep_alive = core.config.timeouts.upstream_keep_alive.as_nanos();
        let before_ns = now_ns.saturating_sub(u64::try_from(keep_alive).unwrap_or(u64::MAX));
        let mut origins = self.origins.borrow_mut();
        for origin in origins.values() {
            origin.sweep(before_ns);
        }
        self.known.borrow_mut().retain(|_, known| {
            known
                .targets
                .iter()
                .any(|target| !target.origin.is_deserted())
        });
        origins.retain(|_, origin| !origin.is_deserted() || Rc::strong_count(origin) > 1);
    }

    /// Closes a connection that rests anywhere; false where none does.
    fn close_one(&self) -> bool {
        self.origins
            .borrow()
            .values()
            .any(|origin| origin.close_one())
    }

    fn next_target(
        &self,
        core: &Core,
        upstream: &Arc<Upstream>,
        tried: &[usize],
    ) -> Option<(usize, Rc<Target>)> {
        let mut known = self.known.borrow_mut();
        let known = known
            .entry(upstream.id)
            .or_insert_with(|| self.compile(core, upstream));
        if !Arc::ptr_eq(&known.source, upstream) {
            *known = self.compile(core, upstream);
        }
        let place = balance::pick(&mut known.shares, tried)?;
        Some((place, known.targets[place].clone()))
    }

    fn compile(&self, core: &Core, upstream: &Arc<Upstream>) -> Known {
        let idle_max = core.config.limits.upstream_idle_per_target_max;
        let mut origins = self.origins.borrow_mut();
        let targets = upstream.targets.iter().map(|target| {
            let address = Address {
                is_tls: target.is_tls,
                host: target.host.clone(),
                port: target.port,
            };
            let origin = origins
                .entry(address.clone())
                .or_insert_with(|| Origin::new(address, idle_max));
            Rc::new(Target {
                authority: authority(target),
                path_prefix: target.path_prefix.clone(),
                origin: origin.clone(),
            })
        });
        Known {
            targets: targets.collect(),
            shares: upstream
                .targets
                .iter()
                .map(|target| Share::new(target.weight))
                .collect(),
            source: upstream.clone(),
        }
    }
}

/// `host`, with the port where it is not the scheme's own (RFC 9110, section 7.2).
fn authority(target: &policy::Target) -> HeaderValue {
    let own_port = if target.is_tls { 443 } else { 80 };
    let mut text = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    if target.port != own_port {
        text += &format!(":{}", target.port);
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

/// Trusts whom the machine trusts. None where that cannot be found out: then https upstreams
/// cannot be reached, and plain ones can.
fn tls_config() -> Option<Arc<rustls::ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier());
    match config {
        Ok(builder) => {
            let mut config = builder.with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some(Arc::new(config))
        }
        Err(error) => {
            tracing::warn!(%error, "no trusted certificates found: https upstreams are unreachable");
            None
        }
    }
}
