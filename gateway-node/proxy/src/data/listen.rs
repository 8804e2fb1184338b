//! The listening sockets: one per core on the same port, between which the kernel spreads new
//! connections.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

const BACKLOG: i32 = 4096;

/// Why the node cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {addr}")]
    Bind {
        addr: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot use the TLS files")]
    Tls(#[source] super::tls::TlsError),
    #[error("cannot start a serving thread")]
    Thread(#[source] io::Error),
}

/// As many sockets on `addr` as there are cores. Port 0 picks one port for all.
pub(super) fn listen(addr: SocketAddr, cores: usize) -> Result<Vec<TcpListener>, ListenError> {
    let error = |source| ListenError::Bind { addr, source };
    // Sockets that share a port would share it with a stranger's too, and without a word: an
    // exclusive socket first tells whether it is taken.
    let addr = bind(addr, Sharing::Exclusive)
        .and_then(|probe| probe.local_addr())
        .map_err(error)?;
    (0..cores)
        .map(|_| bind(addr, Sharing::AmongCores).map_err(error))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Exclusive,
    AmongCores,
}

fn bind(addr: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier process that are still closing are no reason to fail.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(sharing == Sharing::AmongCores)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    if sharing == Sharing::AmongCores {
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_noticed_although_cores_share_theirs() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = listen(any, 2).expect("listens");
        let addr = sockets[0].local_addr().expect("bound");
        assert_eq!(sockets[1].local_addr().expect("bound"), addr);
        assert!(matches!(listen(addr, 1), Err(ListenError::Bind { .. })));
    }
}
