//! `quench.root/1`: the lock file of a closed root, `NAME.root.lock`; the record of a build in one has it, too. Pure.
//!
//! The file is TOML, one table for each `.deb`; fields keep the order in which a person reads it.

use serde::{Deserialize, Serialize};

use super::Tag;

/// Format name and version. History: 1 = first.
pub(super) const SCHEMA: &str = "quench.root/1";

/// The closed root a build runs in: what its lock file says. The same packages make the same root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootLock {
    pub schema: Tag<Self>,
    /// Code name of the Debian suite.
    pub suite: String,
    /// As dpkg names it.
    pub architecture: String,
    /// What was asked for; the other packages are what these stand on.
    pub wanted: Vec<String>,
    /// Every package of the root.
    #[serde(rename = "package")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub packages: Vec<RootPackage>,
}

/// A package of a closed root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RootPackage {
    #[cfg_attr(test, schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9+.-]*$")))]
    pub name: String,
    /// Debian's version, with epoch.
    pub version: String,
    /// As dpkg names it; `all` for packages of every architecture.
    pub architecture: String,
    /// Of the `.deb`.
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub sha256: String,
}
