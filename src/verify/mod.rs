//! Verification: rules over the facts of ELF files, over whole packages, and of the measured against the predicted
//! surface.
//!
//! Pure. Bytes and values in, verdicts and findings out. A file that cannot be judged never reads as a pass.

pub mod input;
mod policy;
mod report;
mod rules;
pub mod surface;

pub use policy::{Policy, policy_for};
pub use report::{
    ObjectVerdict, Report, RuleVerdict, human, json, judge, judge_members, package_digest,
};
pub use rules::{RULES, Rule};

use crate::finding::Code;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[
    &report::RULE_FAILED,
    &report::UNJUDGED,
    &report::DIGEST,
    &input::UNREADABLE,
    &input::UNSAFE,
    &surface::UNEXPLAINED,
    &surface::ABSENT,
    &surface::BUDGET,
];

/// What a rule found. The policy decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails(String),
    /// `n` of `m`.
    Partial {
        n: usize,
        m: usize,
        what: String,
    },
    NotApplicable(String),
    /// Why, and what would tell.
    CannotTell(String),
}

impl Verdict {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails(_) => "fails",
            Self::Partial { .. } => "partial",
            Self::NotApplicable(_) => "not-applicable",
            Self::CannotTell(_) => "cannot-tell",
        }
    }

    /// The text beside the name.
    pub fn detail(&self) -> String {
        match self {
            Self::Holds => String::new(),
            Self::Fails(why) | Self::NotApplicable(why) | Self::CannotTell(why) => why.clone(),
            Self::Partial { n, m, what } => format!("{n} of {m} {what}"),
        }
    }
}
