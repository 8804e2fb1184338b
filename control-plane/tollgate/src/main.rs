//! The command line of Tollgate.

use std::process::ExitCode;

fn main() -> ExitCode {
    match tollgate::run_command_line(std::env::args()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tollgate::report_error(&error);
            ExitCode::FAILURE
        }
    }
}
