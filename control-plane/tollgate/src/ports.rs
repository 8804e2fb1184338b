//! The ports of a stack, each probed before anything is started.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

const CONTROL_PLANE: u16 = 8080;
const GATEWAY: u16 = 8000;
const NODE_ADMIN: u16 = 9100;
const UPSTREAM: u16 = 8001;
const NODE_STEP: u16 = 10;

/// Where everything listens.
#[derive(Debug, Clone)]
pub struct Ports {
    pub control_plane: u16,
    pub gateways: Vec<u16>,
    pub node_admins: Vec<u16>,
    pub upstream: u16,
}

/// Another program listens where we would.
#[derive(Debug, thiserror::Error)]
#[error(
    "port {port} ({what}) is taken; stop the program that listens there or use --port-offset N: {cause}"
)]
pub struct PortTaken {
    port: u16,
    what: &'static str,
    cause: std::io::Error,
}

impl Ports {
    pub fn new(offset: u16, nodes: u16) -> Self {
        let per_node = |base: u16| {
            (0..nodes)
                .map(|node| base + offset + node * NODE_STEP)
                .collect()
        };
        Self {
            control_plane: CONTROL_PLANE + offset,
            gateways: per_node(GATEWAY),
            node_admins: per_node(NODE_ADMIN),
            upstream: UPSTREAM + offset,
        }
    }

    /// The control plane listens on both loopback addresses, where the machine has IPv6.
    pub fn control_plane_addresses(&self) -> Vec<SocketAddr> {
        let mut addresses = vec![v4(self.control_plane)];
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        if TcpListener::bind(v6).is_ok() {
            addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, self.control_plane)));
        }
        addresses
    }

    /// Fails on the first port that is taken. A socket of our own proves it free: the listeners
    /// that follow share ports between cores, which would hide another program.
    pub fn probe(&self) -> Result<(), PortTaken> {
        for address in self.control_plane_addresses() {
            probe(address, "control plane")?;
        }
        for port in &self.gateways {
            probe(v4(*port), "gateway")?;
        }
        for port in &self.node_admins {
            probe(v4(*port), "node admin")?;
        }
        probe(v4(self.upstream), "demo upstream")
    }
}

pub fn v4(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn probe(address: SocketAddr, what: &'static str) -> Result<(), PortTaken> {
    TcpListener::bind(address)
        .map(drop)
        .map_err(|cause| PortTaken {
            port: address.port(),
            what,
            cause,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = taken.local_addr().expect("bound").port();
        let refused = probe(v4(port), "gateway").expect_err("taken");
        assert!(
            refused
                .to_string()
                .contains(&format!("port {port} (gateway) is taken"))
        );
    }

    #[test]
    fn further_nodes_listen_ten_ports_higher() {
        let ports = Ports::new(100, 3);
        assert_eq!(ports.gateways, [8100, 8110, 8120]);
        assert_eq!(ports.node_admins, [9200, 9210, 9220]);
        assert_eq!((ports.control_plane, ports.upstream), (8180, 8101));
    }
}
