//! Where neither plane ever connects to on somebody's word, whatever a name resolves to: addresses
//! that mean "this machine" or hand out its cloud identity.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services outside the link-local ranges: AWS over IPv6, Alibaba, Oracle.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    Allowed,
    Refused,
}

/// Whether an address may be connected to that an operator named.
pub fn may_connect(address: IpAddr, loopback: Loopback) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => may_connect_v4(address, loopback),
        IpAddr::V6(address) if address.is_loopback() => loopback == Loopback::Allowed,
        IpAddr::V6(address) => {
            let is_refused = address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || address == METADATA_V6;
            !is_refused && embedded_v4(address).is_none_or(|inner| may_connect_v4(inner, loopback))
        }
    }
}

/// Whether an address is one of the internet: what strangers may name, since it shows them nothing
/// of the networks that this machine is in.
pub fn is_public(address: IpAddr) -> bool {
    let is_inner = match address.to_canonical() {
        IpAddr::V4(address) => is_inner_v4(address),
        // Unique local (RFC 4193) and the deprecated site-local addresses.
        IpAddr::V6(address) => {
            matches!(address.segments()[0], 0xfc00..=0xfdff | 0xfec0..=0xfeff)
                || embedded_v4(address).is_some_and(is_inner_v4)
        }
    };
    !is_inner && may_connect(address, Loopback::Refused)
}

/// Private (RFC 1918), shared (RFC 6598), protocol assignments, benchmarks, reserved.
fn is_inner_v4(address: Ipv4Addr) -> bool {
    address.is_private()
        || matches!(
            address.octets(),
            [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..]
        )
}

fn may_connect_v4(address: Ipv4Addr, loopback: Loopback) -> bool {
    if address.is_loopback() {
        return loopback == Loopback::Allowed;
    }
    // All of 0.0.0.0/8 means "this host" (RFC 1122, section 3.2.1.3).
    let is_refused = address.octets()[0] == 0
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || METADATA_V4.contains(&address);
    !is_refused
}

/// The IPv4 address that a translating prefix carries: IPv4-compatible, NAT64 (RFC 6052), 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |start: usize| {
        Ipv4Addr::new(
            octets[start],
            octets[start + 1],
            octets[start + 2],
            octets[start + 3],
        )
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(address: &str, loopback: Loopback, expected: bool) {
        let address = address.parse().expect("an address");
        assert_eq!(may_connect(address, loopback), expected, "{address}");
    }

    #[test]
    fn addresses_of_this_machine_and_of_metadata_services_are_refused() {
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            check(address, Loopback::Refused, false);
        }
        for address in [
            "10.0.0.1",
            "192.168.1.1",
            "203.0.113.9",
            "2001:db8::1",
            "fd12::1",
        ] {
            check(address, Loopback::Refused, true);
        }
    }

    #[test]
    fn addresses_of_networks_behind_this_machine_are_not_public() {
        for (address, expected) in [
            ("203.0.113.9", true),
            ("2001:db8::1", true),
            ("::ffff:203.0.113.9", true),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("198.18.0.1", false),
            ("240.0.0.1", false),
            ("fd12::1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("2002:a00:1::1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
        ] {
            let found = is_public(address.parse().expect("an address"));
            assert_eq!(found, expected, "{address}");
        }
    }

    #[test]
    fn loopback_can_be_allowed_and_nothing_else_with_it() {
        for address in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            check(address, Loopback::Allowed, true);
        }
        for address in ["169.254.169.254", "0.0.0.0", "::", "fe80::1"] {
            check(address, Loopback::Allowed, false);
        }
    }
}
