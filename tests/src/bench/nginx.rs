//! nginx: as the upstream of all subjects, and as two of them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::BODY_BYTES;
use super::machine::Cores;
use super::process::{Folder, Running, free_address};
use super::subject::Subject;

/// Keys in the map, of which clients show the first.
const KEYS: usize = 1000;

#[derive(Debug)]
pub struct Nginx {
    pub port: u16,
    address: SocketAddr,
    process: Running,
}

impl Nginx {
    /// Answers every request with 1 KiB from memory.
    pub fn upstream(program: &Path, folder: &Folder, cores: Cores) -> anyhow::Result<Self> {
        let body = "x".repeat(BODY_BYTES);
        let server = format!("access_log off; location / {{ return 200 \"{body}\"; }}");
        start(
            program,
            &folder.join("upstream"),
            ("", &server),
            (cores.upstream, cores.load),
        )
    }

    /// What comes nearest to the node's work: the key looked up among a thousand and taken off, a
    /// rate limit by key, who calls and the request's id told to the upstream, a buffered log.
    pub fn gateway(
        program: &Path,
        folder: &Folder,
        cores: Cores,
        upstream: u16,
    ) -> anyhow::Result<Self> {
        let mut http = upstream_block(upstream);
        let _ = writeln!(
            http,
            "limit_req_zone $http_x_api_key zone=keys:10m rate=1000000r/s;"
        );
        let _ = writeln!(http, "map_hash_max_size 8192; map_hash_bucket_size 128;");
        let _ = writeln!(http, "map $http_x_api_key $tenant {{ default \"\";");
        for number in 0..KEYS {
            let _ = writeln!(http, "{} tenant_{number};", key(number));
        }
        http += "}\n";
        let server = "access_log access.log combined buffer=64k flush=1s;
            location / {
                if ($tenant = \"\") { return 401; }
                limit_req zone=keys burst=1000000 nodelay;
                proxy_set_header x-api-key \"\";
                proxy_set_header x-tenant $tenant;
                proxy_set_header x-request-id $request_id;
                proxy_set_header x-forwarded-for $remote_addr;
                proxy_http_version 1.1;
                proxy_set_header connection \"\";
                proxy_pass http://upstream;
            }";
        start(
            program,
            &folder.join("gateway"),
            (&http, server),
            (cores.subject, cores.load),
        )
    }

    pub fn plain(
        program: &Path,
        folder: &Folder,
        cores: Cores,
        upstream: u16,
    ) -> anyhow::Result<Self> {
        let server = "access_log off;
            location / {
                proxy_http_version 1.1;
                proxy_set_header connection \"\";
                proxy_pass http://upstream;
            }";
        let http = upstream_block(upstream);
        start(
            program,
            &folder.join("plain"),
            (&http, server),
            (cores.subject, cores.load),
        )
    }

    pub fn into_subject(self, name: &'static str) -> Subject {
        Subject {
            name,
            address: self.address,
            path: "/bench/orders/42",
            key: key(0),
            process: self.process,
        }
    }
}

/// As long as a key of ours.
fn key(number: usize) -> String {
    format!("tg_live_{number:036}")
}

fn upstream_block(port: u16) -> String {
    format!(
        "upstream upstream {{ server 127.0.0.1:{port}; keepalive 256; \
         keepalive_requests 1000000000; }}\n"
    )
}

fn start(
    program: &Path,
    folder: &Path,
    (http, server): (&str, &str),
    (core, home): (usize, usize),
) -> anyhow::Result<Nginx> {
    std::fs::create_dir_all(folder)?;
    let address = free_address()?;
    // The worker would otherwise run as somebody who may not enter the folder.
    let user = if nix::unistd::Uid::effective().is_root() {
        "user root;"
    } else {
        ""
    };
    let text = format!(
        "{user}
        worker_processes 1; daemon off; pid nginx.pid; error_log error.log crit;
        events {{ worker_connections 4096; }}
        http {{
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            keepalive_requests 1000000000; keepalive_timeout 600;
            {http}
            server {{ listen {address}; {server} }}
        }}"
    );
    std::fs::write(folder.join("nginx.conf"), text)?;
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "error.log"]);
    command.stderr(Stdio::null());
    let process = Running::start(&mut command, core, home).context("nginx")?;
    Ok(Nginx {
        port: address.port(),
        address,
        process,
    })
}
