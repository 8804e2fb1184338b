//! The gateway node as a program of its own.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match proxy::run_command_line(std::env::args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "gateway-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}
