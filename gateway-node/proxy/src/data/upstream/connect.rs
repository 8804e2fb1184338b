//! Opening a connection: name, guard, TCP, TLS, within one time limit.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::link::{Link, Slot};
use super::origin::Origin;
use super::resolve::ResolveError;
use crate::data::core::Core;
use crate::data::io::Stream;

/// Why no connection came about; nothing of the request was sent.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum ConnectError {
    #[error("its upstream has no target that takes requests")]
    NoTarget,
    #[error("the node has as many upstream connections as it may")]
    TooMany,
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("connecting failed")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("TLS to upstreams cannot be used on this machine")]
    NoTls,
    #[error("connecting took too long")]
    Timeout,
}

pub(super) async fn connect(
    core: &Core,
    origin: &Rc<Origin>,
    within: Duration,
) -> Result<Box<Link>, ConnectError> {
    let max = core.config.limits.upstream_connections_max;
    let slot = match Slot::take(&core.shared, max) {
        Some(slot) => slot,
        None if core.upstreams.close_one() => {
            Slot::take(&core.shared, max).ok_or(ConnectError::TooMany)?
        }
        None => return Err(ConnectError::TooMany),
    };
    let stream = tokio::time::timeout(within, open(core, origin))
        .await
        .map_err(|_| ConnectError::Timeout)??;
    Ok(Link::new(stream, origin.clone(), slot))
}

async fn open(core: &Core, origin: &Origin) -> Result<Stream, ConnectError> {
    let address = &origin.address;
    let now_ns = core.clock.mono_ns();
    let addresses = core
        .upstreams
        .resolver
        .resolve(&address.host, address.port, core.loopback, now_ns)
        .await?;
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut socket = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(connected) => {
                socket = Some(connected);
                break;
            }
            Err(error) => failure = error,
        }
    }
    let socket = socket.ok_or(ConnectError::Connect(failure))?;
    socket.set_nodelay(true).map_err(ConnectError::Connect)?;
    if !address.is_tls {
        return Ok(Stream::Plain(socket));
    }
    let config = core.upstreams.tls.as_ref().ok_or(ConnectError::NoTls)?;
    let name = ServerName::try_from(address.host.clone())
        .map_err(|error| ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(name, socket)
        .await
        .map_err(ConnectError::Tls)?;
    Ok(Stream::TlsUpstream(Box::new(stream)))
}
