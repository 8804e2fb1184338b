//! `bench data-plane [--json FILE]`: what a request costs a gateway node, beside nginx.
//! `bench identity [--json FILE]`: what a token costs the control plane, beside oidc-provider.

#[cfg(target_os = "linux")]
#[path = "../bench/mod.rs"]
mod bench;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    bench::main(std::env::args().skip(1))
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    use std::io::Write as _;
    let _ = writeln!(
        std::io::stderr(),
        "bench: not measured: it reads /proc and pins cores, which takes Linux"
    );
    std::process::ExitCode::FAILURE
}
