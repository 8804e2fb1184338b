//! Any plane as a process that a test can kill: `plane tollgate up …`, `plane control-plane`,
//! `plane gateway-node`.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    // The second word is the program; each sees a command line of its own.
    let program = if arguments.len() > 1 {
        arguments.remove(1)
    } else {
        String::new()
    };
    let outcome = match program.as_str() {
        "tollgate" => tollgate::run_command_line(arguments),
        "control-plane" => server::run_command_line(arguments),
        "gateway-node" => proxy::run_command_line(arguments),
        other => Err(anyhow::anyhow!("there is no plane {other:?}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
