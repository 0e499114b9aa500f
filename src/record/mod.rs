//! The record, `quench.record/1`: what was asked, planned, used, built and measured, complete enough to rebuild.
//!
//! Pure: values to JSON and back, and the comparison of two records. No absolute path of the machine, host name or time
//! outside of `observed`, which `diff` ignores.

mod diff;

pub use diff::diff;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Format name and version. History: 1 = first.
pub const SCHEMA: &str = "quench.record/1";

/// File name of the record inside a package.
pub const FILE_NAME: &str = "quench-record.json";

/// What a built emulator says of itself over QMP and its help options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    /// `query-version`.
    pub version: String,
    /// Concrete types that implement `device`.
    pub devices: BTreeSet<String>,
    pub machines: BTreeSet<String>,
    /// Concrete types that implement `user-creatable`.
    pub objects: BTreeSet<String>,
    /// `-netdev help`, `-chardev help`, `-drive format=help`, `-accel help`.
    pub netdevs: BTreeSet<String>,
    pub chardevs: BTreeSet<String>,
    pub block_formats: BTreeSet<String>,
    pub accelerators: BTreeSet<String>,
    /// `-display help`, `-audiodev help`, without `none`.
    #[serde(default)]
    pub displays: BTreeSet<String>,
    #[serde(default)]
    pub audio: BTreeSet<String>,
    pub qmp_commands: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedDigest {
    pub name: String,
    pub sha256: String,
}

/// A program the build used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolVersion {
    pub name: String,
    pub version: String,
    pub sha256: String,
    /// The distribution's package it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Installed>,
}

/// An installed package of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Installed {
    pub name: String,
    pub version: String,
    pub architecture: String,
}

/// The distribution that ran the build; nothing that names the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `ID` of os-release.
    pub distribution: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// As `uname -m` says it.
    pub architecture: String,
}

/// A library the emulator names, and the package that had it where the build ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    pub soname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Installed>,
}

/// Where the source comes from, for machines; digests are in the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceOrigin {
    /// `apt`, `url` or `path`.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who vouched for the bytes.
    pub authentication: String,
}

/// A patch of ours, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchText {
    pub name: String,
    pub sha256: String,
    pub text: String,
}

/// A package of a closed root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootPackage {
    pub name: String,
    pub version: String,
    pub architecture: String,
    /// Of the `.deb`.
    pub sha256: String,
}

/// The closed root a build ran in: what its lock file says. The same packages make the same root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// `quench.root/1`
    pub schema: String,
    pub suite: String,
    pub architecture: String,
    /// What was asked for; the other packages are what these stand on.
    pub wanted: Vec<String>,
    #[serde(rename = "package")]
    pub packages: Vec<RootPackage>,
}

/// A staged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedFile {
    /// Absolute path where it is installed.
    pub path: String,
    /// Octal.
    pub mode: String,
    pub size: u64,
    pub sha256: String,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    pub schema: String,
    pub quench: String,
    pub name: String,
    /// (file, text) of the profile and its parents.
    pub profile: Vec<ProfileFile>,
    /// `quench.plan/1`.
    pub plan: Value,
    #[serde(default)]
    pub source: SourceOrigin,
    /// Patches as they were applied, in order.
    #[serde(default)]
    pub patches: Vec<PatchText>,
    #[serde(default)]
    pub host: Host,
    pub tools: Vec<ToolVersion>,
    /// Packages of the host the build stands on, with everything they depend on.
    #[serde(default)]
    pub build_dependencies: Vec<Installed>,
    #[serde(default)]
    pub libraries: Vec<Library>,
    /// The closed root; absent where the host itself was the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// `config-host.h` as configure wrote it: what headers and functions of the host decided.
    pub config_host: Vec<String>,
    pub files: Vec<StagedFile>,
    pub surface: Measured,
    /// `quench.verdict/1`; absent in the copy inside a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Value>,
    /// Absent in the copy inside a package: a file cannot hold its own digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<NamedDigest>,
    /// What may differ between machines; ignored by `diff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileFile {
    pub file: String,
    pub text: String,
}

impl Record {
    /// Pretty JSON with one newline at the end.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Reads a record; another schema is an error that says so.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match value.get("schema").and_then(Value::as_str) {
            Some(SCHEMA) => serde_json::from_value(value).map_err(|error| error.to_string()),
            Some(other) => Err(format!("schema `{other}`, this Quench reads `{SCHEMA}`")),
            None => Err("no `schema`".to_owned()),
        }
    }
}
