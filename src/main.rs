//! The `quench` program: parses arguments, runs one verb, returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    quench::cli::main()
}
