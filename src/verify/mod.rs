//! Verification: rules over the facts of ELF files, over whole packages, and of the measured against the predicted
//! surface.
//!
//! Pure. Bytes and values in, verdicts and findings out. A file that cannot be judged never reads as a pass.

pub mod against;
pub mod compare;
mod file;
mod libc;
pub mod payload;
pub mod planned;
pub mod policy;
mod report;
mod rules;
mod selection;
mod separate;
mod show;
pub mod surface;

pub use file::{FILE_RULES, RuleInfo};
pub use libc::Libc;
pub use policy::{Date, Demand, Policy, policy_for};
pub use report::{
    DebugFiles, Examination, ObjectVerdict, Options, Outcome, Report, RuleVerdict, Verification,
    judge, package_digest,
};
pub use rules::{RULES, Rule};
pub use selection::Selection;
pub use separate::{DebugFile, SeparateFiles, build_id};
pub use show::{comparison, human, json, junit, markdown, rules_text, sarif, shows_all};

use crate::finding::Code;

/// Every rule: those about ELF files, then those about entries of packages.
pub fn rule_infos() -> impl Iterator<Item = RuleInfo> {
    let of_elf = RULES.iter().map(|rule| RuleInfo {
        name: rule.name,
        summary: rule.summary,
        source: rule.source,
    });
    of_elf.chain(FILE_RULES.iter().copied())
}

/// Names of every rule.
pub fn rule_names() -> impl Iterator<Item = &'static str> {
    rule_infos().map(|rule| rule.name)
}

/// Finding codes of this module.
pub fn codes() -> Vec<&'static Code> {
    [CODES, policy::CODES].concat()
}

const CODES: &[&Code] = &[
    &report::RULE_FAILED,
    &report::DIGEST,
    &report::NOT_OPENED,
    &against::LOST,
    &against::UNMATCHED,
    &compare::UNEXPLAINED,
    &planned::CONTRADICTION,
    &planned::UNPROVED,
    &planned::UNREPEATED,
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
