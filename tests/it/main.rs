//! Program-level tests, one binary. Those that need a source tree, the mirror or a build run with `QUENCH_SLOW_TESTS=1`
//! and say so when they are skipped; `cargo xtask test` sets everything.

mod catalog;
mod check;
mod kconfig;
mod real;
mod sandbox;
mod source;
