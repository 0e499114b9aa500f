//! Why an item is in the plan. Every symbol, argument, flag and file carries one; `explain` walks them back to a line
//! of the profile.

use std::fmt;

use crate::profile::Origin;

/// The reason why one item is in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// A line of the profile asks for it.
    Asked(Origin),
    /// Another item needs it: `what` names it the way `explain` accepts it.
    Needed { what: String, why: String },
    /// A Kconfig clause at `file`:`line`; `by` is the symbol whose clause it is.
    Kconfig { clause: Clause, by: Option<String>, file: String, line: u32 },
    /// The hardening level asks for it; `source` names the guide or document.
    Hardening { level: String, why: String, source: String },
    /// Known link-closure trouble of this version (`patches/quirks.toml`).
    Quirk { id: String, why: String },
    /// A rule of Quench itself, with its reason.
    Rule(String),
}

/// What a Kconfig clause did to a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// `select`
    Selected,
    /// `imply`
    Implied,
    /// `default`
    Default,
}

impl Clause {
    /// As reasons say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Implied => "implied",
            Self::Default => "default",
        }
    }
}

impl Because {
    pub fn rule(why: impl Into<String>) -> Self {
        Self::Rule(why.into())
    }

    pub fn needed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Needed { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(origin) if origin.is_default() => write!(f, "{origin}"),
            Self::Asked(origin) => write!(f, "asked at {origin} ({})", origin.key),
            Self::Needed { what, why } => write!(f, "{why} ({what})"),
            Self::Kconfig { clause, by: Some(by), file, line } => {
                write!(f, "{} by {by} at {file}:{line}", clause.name())
            }
            Self::Kconfig { clause, by: None, file, line } => {
                write!(f, "{} at {file}:{line}", clause.name())
            }
            Self::Hardening { level, why, source } => {
                write!(f, "hardening level {level}: {why} [{source}]")
            }
            Self::Quirk { id, why } => write!(f, "quirk {id}: {why}"),
            Self::Rule(why) => write!(f, "{why}"),
        }
    }
}

/// A text of a plan (symbol, flag, argument, …) with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub text: String,
    pub because: Because,
}

impl Item {
    pub fn new(text: impl Into<String>, because: Because) -> Self {
        Self { text: text.into(), because }
    }
}
