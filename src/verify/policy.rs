//! Policies: which rules must hold. Pure.

use std::collections::BTreeSet;

use crate::profile::Level;

/// A named set of required rules; rules outside of it are reported, but do not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub required: BTreeSet<String>,
}

const BASE: &[&str] =
    &["pie", "relro", "bind-now", "stack", "wx", "textrel", "rpath", "stack-protector", "fortify"];
const STRICT: &[&str] = &["separate-code", "nodlopen", "build-path"];

impl Policy {
    fn of(name: &str, lists: &[&[&str]]) -> Self {
        Self {
            name: name.to_owned(),
            required: lists.concat().iter().map(|rule| (*rule).to_owned()).collect(),
        }
    }

    /// A policy by name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "quench-openstack" | "quench-baseline" => {
                Some(Self::of(name, &[BASE, &["build-path"]]))
            }
            "quench-strict" => Some(Self::of(name, &[BASE, STRICT])),
            "distribution" => Some(Self::of(name, &[BASE])),
            _ => None,
        }
    }

    /// Names of all policies.
    pub fn names() -> [&'static str; 4] {
        ["distribution", "quench-openstack", "quench-baseline", "quench-strict"]
    }
}

/// The policy a hardening level is verified with.
pub fn policy_for(level: Level) -> Policy {
    match level {
        Level::Openstack => Policy::of("quench-openstack", &[BASE, &["build-path"]]),
        Level::Baseline => Policy::of("quench-baseline", &[BASE, &["build-path"]]),
        Level::Strict | Level::Cfi => Policy::of("quench-strict", &[BASE, STRICT]),
    }
}
