//! `quench.finding/1`: what `check --format json` prints, one document a line. Pure.

use serde::{Deserialize, Serialize};

use super::Tag;

/// Format name and version. History: 1 = first.
pub(super) const SCHEMA: &str = "quench.finding/1";

/// Something that was looked for and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Name of the kind of finding, `area::kebab-case`; `quench explain CODE` says what it means.
    pub code: String,
    /// The way out, where one is known.
    pub help: Option<String>,
    /// Where it is; the first place is the primary one.
    pub labels: Vec<Label>,
    /// What is wrong, in one line for people; no interface.
    pub message: String,
    /// More for people.
    pub notes: Vec<String>,
    pub schema: Tag<Self>,
    pub severity: Severity,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing stands against going on; worth knowing.
    Note,
    /// Somebody should look at it.
    Warning,
    /// The answer is no.
    Error,
}

/// A place, and what is said there. It is in a text (`file`), or in a binary or package (`object`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Label {
    /// Counted in characters from 1; only where the bytes are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Path of a text file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Counted from 1; with `file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Path of a binary, package or directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// With `object`: a member, section or function, or null where the whole is meant.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::nullable"
    )]
    pub part: Option<Option<String>>,
    /// May be empty.
    pub text: String,
}
