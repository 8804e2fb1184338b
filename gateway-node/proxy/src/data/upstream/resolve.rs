//! Names of upstreams to addresses, remembered for a few seconds per core. What comes back is
//! always checked by the guard, so that a name cannot lead where an address may not.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use snapshot::guard::{self, Loopback};

/// Short: changes of a name must show, and a failing resolver must not be asked per connection.
const REMEMBERED_NS: u64 = 10_000_000_000;
const NAMES_MAX: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum ResolveError {
    #[error("the name cannot be resolved")]
    Lookup(#[source] std::io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("every address of it is one that upstreams may not have")]
    Guarded,
}

#[derive(Default)]
pub(in crate::data) struct Resolver {
    known: RefCell<HashMap<(String, u16), Known>>,
}

struct Known {
    addresses: Vec<SocketAddr>,
    until_ns: u64,
}

impl Resolver {
    /// The addresses that may be connected to, in the resolver's order.
    pub(in crate::data) async fn resolve(
        &self,
        host: &str,
        port: u16,
        loopback: Loopback,
        now_ns: u64,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => self.look_up(host, port, now_ns).await?,
        };
        if found.is_empty() {
            return Err(ResolveError::NoAddress);
        }
        let mut allowed = found;
        allowed.retain(|address| guard::may_connect(address.ip(), loopback));
        if allowed.is_empty() {
            return Err(ResolveError::Guarded);
        }
        Ok(allowed)
    }

    async fn look_up(
        &self,
        host: &str,
        port: u16,
        now_ns: u64,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let name = (host.to_owned(), port);
        if let Some(known) = self.known.borrow().get(&name)
            && known.until_ns > now_ns
        {
            return Ok(known.addresses.clone());
        }
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
            .await
            .map_err(ResolveError::Lookup)?
            .collect();
        let mut known = self.known.borrow_mut();
        if known.len() >= NAMES_MAX {
            known.retain(|_, known| known.until_ns > now_ns);
        }
        let until_ns = now_ns + REMEMBERED_NS;
        known.insert(
            name,
            Known {
                addresses: addresses.clone(),
                until_ns,
            },
        );
        Ok(addresses)
    }
}
