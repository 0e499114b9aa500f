//! Program-level tests, one binary. Those that need a source tree, the mirror or a build run with `QUENCH_SLOW_TESTS=1`
//! and say so when they are skipped; `cargo xtask test` sets everything.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say why they fail by panicking, and what they skip by printing"
)]

mod acceptance;
mod apt;
mod builtin;
mod cache;
mod catalog;
mod check;
mod compare;
mod debug_files;
mod documents;
mod elf_cases;
mod elf_claims;
mod evidence;
mod fuzz;
mod generated;
mod hostile;
mod kconfig;
mod manual;
mod packages;
mod pages;
mod proofs;
mod random;
mod real;
mod root;
mod sandbox;
mod seeded;
mod signals;
mod small;
mod snapshots;
mod source;
mod terminal;
mod truth;
mod verify;
mod verify_opened;
mod verify_outputs;
mod verify_package;
