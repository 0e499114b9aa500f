//! `quench.tree-diff/1`: what `diff-tree --format json` prints. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, Tag};

/// Format name and version. History: 1 = first.
pub(super) const SCHEMA: &str = "quench.tree-diff/1";

/// What changed between two QEMU trees, and what that does to a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TreeDiff {
    /// By kind of name: `device`, `machine`, `symbol`, `option` and so on. A kind without a change is absent.
    pub changes: BTreeMap<String, Changes>,
    /// QEMU's version of the newer tree.
    pub new: String,
    /// QEMU's version of the older tree.
    pub old: String,
    /// Null when none was asked about.
    pub profile: Option<Effect>,
    pub schema: Tag<Self>,
}

/// Names of one kind that are in one of the trees only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Changes {
    /// Only in the newer tree.
    pub appeared: Vec<String>,
    /// Only in the older tree.
    pub gone: Vec<String>,
    /// Taken for the same thing because name and file are alike; in neither of the other lists.
    pub renamed: Vec<Renamed>,
}

/// Two names of what is taken for one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Renamed {
    pub new: String,
    pub old: String,
}

/// What the change does to a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Effect {
    /// How the two plans differ; empty when one of them could not be made.
    pub changes: Vec<PlanChanges>,
    pub findings: Both<Vec<Finding>>,
    /// Whether a plan could be made.
    pub planned: Both<bool>,
}

/// The same of either tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Both<T> {
    pub new: T,
    pub old: T,
}

/// What is in one of two plans only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanChanges {
    /// Only in the plan for the newer tree.
    pub appeared: Vec<String>,
    /// Only in the plan for the older tree.
    pub gone: Vec<String>,
    /// `device`, `machine`, `object`, `symbol` or `argument` (of configure).
    pub kind: String,
}
