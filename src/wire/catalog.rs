//! `quench.catalog/2`: what `devices` and `machines` print with `--format json`. Pure.

use serde::{Deserialize, Serialize};

use super::Tag;

/// Format name and version. History:
/// - 1: an array of entries, which had no place for `schema`.
/// - 2: the entries are in an object with `schema` and the tree's version.
pub(super) const SCHEMA: &str = "quench.catalog/2";

/// What a QEMU tree offers of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Catalog {
    /// By name, then by file.
    pub entries: Vec<Entry>,
    pub schema: Tag<Self>,
    /// QEMU's version, as the tree's `VERSION` says it.
    pub version: String,
}

/// A QOM type, or a backend that is none. The same name in files of different architectures has an entry for each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Other names the command line accepts.
    pub aliases: Vec<String>,
    /// The bus it plugs into, as `-device help` prints it.
    pub bus: Option<String>,
    /// What must be true for the type to be in an emulator, for people.
    pub condition: String,
    /// The source file that defines it, from the top of the tree.
    pub file: String,
    /// `device`, `cpu`, `machine`, `object`, `netdev`, `chardev`, `display`, `audio`, `block` or `type`.
    pub kind: String,
    /// Counted from 1.
    pub line: u32,
    /// As the command line takes it: machines without `-machine`.
    pub name: String,
    /// Build options that the condition asks to be on.
    pub options: Vec<String>,
    /// QOM parents, from the direct one to the root.
    pub parents: Vec<String>,
    /// Kconfig symbols, without `CONFIG_`, that the condition asks to be on.
    pub symbols: Vec<String>,
    /// `-device NAME` or `-object NAME` works.
    pub user_creatable: bool,
}
