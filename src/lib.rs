//! Quench turns a device-allowlist profile into a minimal, hardened, reproducible QEMU, packages it, and proves what
//! is in it.
//!
//! The flow has one direction; everything up to and including [`plan`] is a function of values:
//!
//! ```text
//! profile text ─parse─► Profile ─┐
//! source tree  ─scan──► Catalog ─┴─resolve─► Plan ─► run ─► staged tree ─► packages ─► verdict ─► record
//! host probes  ──────────────────────────────┘
//! ```
//!
//! Rooms below `Pure` do no I/O, read no clock and no environment, and start no process. This list is the only one:
//! `cargo xtask tidy` reads it, keeps the rooms' edges and what they name, and prints the floors of the house; clippy
//! (`disallowed_methods`, `disallowed_types` in `clippy.toml`) sees what a name alone does not show.

// Pure: text and values in, values and findings out.
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod acceptance;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod archive;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod builtin;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod catalog;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod codes;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod compare;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod date;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod elf;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod evidence;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod failure;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod finding;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod hardening;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod kconfig;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod licence;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod plan;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod profile;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod record;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod tree;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod verify;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod wire;

// Shell: these touch the machine.
pub mod build_deps;
pub mod cli;
pub mod compiler_probe;
pub mod files;
pub mod host;
pub mod inspect;
pub mod inventory;
pub mod isolate;
pub mod package;
pub mod pipeline;
pub mod process;
pub mod reproduce;
pub mod root;
pub mod run;
pub mod scan_cache;
pub mod source;
pub mod stage;
pub mod terminal;
pub mod tool;

#[cfg(test)]
mod mini;
