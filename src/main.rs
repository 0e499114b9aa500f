//! The `quench` program: parses arguments, runs one verb, returns its exit code.

use std::process::ExitCode;

/// Scanning allocates in all threads at once, which the C library's allocator answers with a system call each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    quench::cli::main()
}
