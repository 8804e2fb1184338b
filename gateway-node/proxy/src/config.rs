//! What a node is told at its start. [`Config`] is plain, for callers in the same process;
//! [`Args`] reads it from the command line and the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ipnet::IpNet;

#[derive(Debug, Clone)]
pub struct Config {
    /// Base URL of the control plane, without a trailing slash.
    pub control_plane_url: String,
    /// Needed once, until the state directory holds an enrolment.
    pub enroll_token: Option<String>,
    pub state_dir: PathBuf,
    /// What the node calls itself, for people.
    pub node_name: String,
    pub listen_addr: SocketAddr,
    pub admin_addr: SocketAddr,
    pub tls: Option<TlsFiles>,
    /// Peers whose `forwarded`, `x-forwarded-*`, `x-request-id` and `traceparent` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Serving threads.
    pub cores: usize,
    /// Upstreams on loopback addresses are reachable: for one-machine stacks and tests.
    pub allow_loopback_upstreams: bool,
    pub access_log: AccessLog,
    pub limits: Limits,
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    Off,
    Stdout,
    File(PathBuf),
}

/// Bounds on what one client, or all, can make the node hold.
#[derive(Debug, Clone)]
pub struct Limits {
    pub uri_bytes_max: usize,
    pub header_count_max: usize,
    /// All names and values of one request.
    pub header_bytes_max: usize,
    /// Where the route says nothing smaller or larger.
    pub body_bytes_max: u64,
    /// Slower clients are cut off while they send a body; 0: none is.
    pub upload_bytes_per_second_min: u64,
    pub connections_max: u64,
    pub connections_per_address_max: u32,
    /// Node-wide.
    pub upstream_connections_max: u64,
    /// Kept open without a request, per core and target.
    pub upstream_idle_per_target_max: usize,
}

#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From the first to the last byte of a request's head, and for the TLS handshake.
    pub header_read: Duration,
    /// A client connection between requests.
    pub keep_alive: Duration,
    /// Longest silence while a body moves, either way; a route may say otherwise.
    pub idle: Duration,
    /// Time spent waiting for a request's body over which its rate is measured.
    pub upload_grace: Duration,
    /// Until an upstream accepts a connection; a route may say otherwise.
    pub connect: Duration,
    /// From the request's last byte to the response's head; a route may say otherwise.
    pub first_byte: Duration,
    /// An upstream connection between requests.
    pub upstream_keep_alive: Duration,
    /// How long requests in flight may take to end when the node stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            uri_bytes_max: 8 << 10,
            header_count_max: 100,
            header_bytes_max: 32 << 10,
            body_bytes_max: 100 << 20,
            upload_bytes_per_second_min: 240,
            connections_max: 20_000,
            connections_per_address_max: 256,
            upstream_connections_max: 4_096,
            upstream_idle_per_target_max: 256,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            idle: Duration::from_secs(60),
            upload_grace: Duration::from_secs(10),
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(30),
            upstream_keep_alive: Duration::from_secs(50),
            drain: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// A config with defaults for everything that has one.
    pub fn new(control_plane_url: String, state_dir: PathBuf, listen_addr: SocketAddr) -> Self {
        Self {
            control_plane_url,
            enroll_token: None,
            state_dir,
            node_name: String::from("gateway-node"),
            listen_addr,
            admin_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 9100)),
            tls: None,
            trusted_proxies: Vec::new(),
            cores: available_cores(),
            allow_loopback_upstreams: false,
            access_log: AccessLog::Off,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A gateway node of Tollgate: serves APIs by the snapshot that it polls from the control plane.
#[derive(Parser, Debug)]
#[command(name = "gateway-node", version)]
pub struct Args {
    /// Base URL of the control plane
    #[arg(long, env = "CONTROL_PLANE_URL")]
    control_plane_url: String,
    /// Enrolment token from the console; needed once, until STATE_DIR holds an enrolment
    #[arg(long, env = "ENROLL_TOKEN", hide_env_values = true)]
    enroll_token: Option<String>,
    /// Directory for the node's keys, its last snapshot, lease balances and unsent usage
    #[arg(long, env = "STATE_DIR", default_value = "/var/lib/tollgate-node")]
    state_dir: PathBuf,
    /// Name shown in the console [default: the host's name]
    #[arg(long, env = "NODE_NAME")]
    node_name: Option<String>,
    /// Where APIs are served
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8000")]
    listen_addr: SocketAddr,
    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, env = "ADMIN_ADDR", default_value = "127.0.0.1:9100")]
    admin_addr: SocketAddr,
    /// PEM file with the certificate chain; with TLS_KEY it makes the listener speak TLS
    #[arg(long, env = "TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM file with the private key
    #[arg(long, env = "TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Proxies in front of the node whose forwarding headers are believed: CIDRs, comma separated
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = parse_net)]
    trusted_proxies: Vec<IpNet>,
    /// Serving threads [default: one per available core]
    #[arg(long, env = "CORES")]
    cores: Option<usize>,
    /// Allow upstreams on loopback addresses
    #[arg(long, env = "ALLOW_LOOPBACK_UPSTREAMS")]
    allow_loopback_upstreams: bool,
    /// Access log: off, stdout, or the path of a file
    #[arg(long, env = "LOG", default_value = "stdout", value_parser = parse_access_log)]
    log: AccessLog,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    timeouts: TimeoutArgs,
}

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Bytes of a request's target
    #[arg(long, env = "URI_BYTES_MAX", default_value_t = Limits::default().uri_bytes_max)]
    uri_bytes_max: usize,
    /// Header fields of a request, at most 100
    #[arg(long, env = "HEADER_COUNT_MAX", default_value_t = Limits::default().header_count_max)]
    header_count_max: usize,
    /// Bytes of all header fields of a request
    #[arg(long, env = "HEADER_BYTES_MAX", default_value_t = Limits::default().header_bytes_max)]
    header_bytes_max: usize,
    /// Bytes of a request's body, where the route says nothing
    #[arg(long, env = "BODY_BYTES_MAX", default_value_t = Limits::default().body_bytes_max)]
    body_bytes_max: u64,
    /// Bytes per second of a request's body, measured while it is waited for; 0 takes any
    #[arg(long, env = "UPLOAD_BYTES_PER_SECOND_MIN", default_value_t = Limits::default().upload_bytes_per_second_min)]
    upload_bytes_per_second_min: u64,
    /// Client connections
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = Limits::default().connections_max)]
    connections_max: u64,
    /// Client connections from one address
    #[arg(long, env = "CONNECTIONS_PER_ADDRESS_MAX", default_value_t = Limits::default().connections_per_address_max)]
    connections_per_address_max: u32,
    /// Upstream connections
    #[arg(long, env = "UPSTREAM_CONNECTIONS_MAX", default_value_t = Limits::default().upstream_connections_max)]
    upstream_connections_max: u64,
    /// Idle upstream connections kept per core and target
    #[arg(long, env = "UPSTREAM_IDLE_PER_TARGET_MAX", default_value_t = Limits::default().upstream_idle_per_target_max)]
    upstream_idle_per_target_max: usize,
}

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Timeouts")]
struct TimeoutArgs {
    /// Milliseconds for a request's head, and for a TLS handshake
    #[arg(long, env = "HEADER_READ_TIMEOUT_MS", default_value_t = millis(Timeouts::default().header_read))]
    header_read_timeout_ms: u64,
    /// Milliseconds that a client connection may rest between requests
    #[arg(long, env = "KEEP_ALIVE_MS", default_value_t = millis(Timeouts::default().keep_alive))]
    keep_alive_ms: u64,
    /// Milliseconds of silence while a body moves, where the route says nothing
    #[arg(long, env = "IDLE_TIMEOUT_MS", default_value_t = millis(Timeouts::default().idle))]
    idle_timeout_ms: u64,
    /// Milliseconds of waiting over which the rate of a request's body is measured
    #[arg(long, env = "UPLOAD_GRACE_MS", default_value_t = millis(Timeouts::default().upload_grace))]
    upload_grace_ms: u64,
    /// Milliseconds for connecting to an upstream, where the route says nothing
    #[arg(long, env = "CONNECT_TIMEOUT_MS", default_value_t = millis(Timeouts::default().connect))]
    connect_timeout_ms: u64,
    /// Milliseconds until an upstream begins to answer, where the route says nothing
    #[arg(long, env = "FIRST_BYTE_TIMEOUT_MS", default_value_t = millis(Timeouts::default().first_byte))]
    first_byte_timeout_ms: u64,
    /// Milliseconds that an upstream connection may rest between requests
    #[arg(long, env = "UPSTREAM_KEEP_ALIVE_MS", default_value_t = millis(Timeouts::default().upstream_keep_alive))]
    upstream_keep_alive_ms: u64,
    /// Milliseconds for requests in flight when the node stops
    #[arg(long, env = "DRAIN_TIMEOUT_MS", default_value_t = millis(Timeouts::default().drain))]
    drain_timeout_ms: u64,
}

impl From<Args> for Config {
    fn from(args: Args) -> Self {
        let (limits, timeouts) = (args.limits, args.timeouts);
        Self {
            control_plane_url: args.control_plane_url.trim_end_matches('/').to_owned(),
            enroll_token: args.enroll_token,
            state_dir: args.state_dir,
            node_name: args.node_name.unwrap_or_else(host_name),
            listen_addr: args.listen_addr,
            admin_addr: args.admin_addr,
            tls: args
                .tls_cert
                .zip(args.tls_key)
                .map(|(cert, key)| TlsFiles { cert, key }),
            trusted_proxies: args.trusted_proxies,
            cores: args.cores.unwrap_or_else(available_cores).max(1),
            allow_loopback_upstreams: args.allow_loopback_upstreams,
            access_log: args.log,
            limits: Limits {
                uri_bytes_max: limits.uri_bytes_max,
                header_count_max: limits.header_count_max.min(100),
                header_bytes_max: limits.header_bytes_max,
                body_bytes_max: limits.body_bytes_max,
                upload_bytes_per_second_min: limits.upload_bytes_per_second_min,
                connections_max: limits.connections_max,
                connections_per_address_max: limits.connections_per_address_max,
                upstream_connections_max: limits.upstream_connections_max,
                upstream_idle_per_target_max: limits.upstream_idle_per_target_max,
            },
            timeouts: Timeouts {
                header_read: Duration::from_millis(timeouts.header_read_timeout_ms),
                keep_alive: Duration::from_millis(timeouts.keep_alive_ms),
                idle: Duration::from_millis(timeouts.idle_timeout_ms),
                upload_grace: Duration::from_millis(timeouts.upload_grace_ms),
                connect: Duration::from_millis(timeouts.connect_timeout_ms),
                first_byte: Duration::from_millis(timeouts.first_byte_timeout_ms),
                upstream_keep_alive: Duration::from_millis(timeouts.upstream_keep_alive_ms),
                drain: Duration::from_millis(timeouts.drain_timeout_ms),
            },
        }
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| String::from("gateway-node"))
}

/// A CIDR, or a single address.
fn parse_net(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text} is neither a CIDR nor an address"))
}

fn parse_access_log(text: &str) -> Result<AccessLog, String> {
    Ok(match text {
        "off" => AccessLog::Off,
        "stdout" => AccessLog::Stdout,
        path => AccessLog::File(PathBuf::from(path)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_its_defaults_are_the_documented_ones() {
        let args = Args::try_parse_from([
            "gateway-node",
            "--control-plane-url",
            "http://127.0.0.1:8080/",
            "--trusted-proxies",
            "10.0.0.0/8,192.0.2.1",
            "--log",
            "off",
        ])
        .expect("parses");
        let config = Config::from(args);
        assert_eq!(config.control_plane_url, "http://127.0.0.1:8080");
        assert_eq!(config.trusted_proxies.len(), 2);
        assert_eq!(config.access_log, AccessLog::Off);
        assert_eq!(config.timeouts.idle, Timeouts::default().idle);
    }
}
