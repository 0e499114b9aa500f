//! Verification: rules over the facts of ELF files and over the entries of packages, and what a policy makes of them.
//!
//! Pure. Bytes and values in, verdicts and findings out. A file that cannot be judged never reads as a pass. Any file is
//! judged by what is in it: plans, profiles and records are not known here, `acceptance` holds them against reports.

pub mod against;
pub mod compare;
mod examine;
mod file;
mod judge;
mod libc;
mod pages;
pub mod payload;
pub mod policy;
pub(crate) mod rules;
mod selection;
mod separate;
mod show;
mod traits;
pub(crate) mod units;
mod verdict;

pub use examine::{DebugFiles, Examination, Options, ReadLayer};
pub use file::{FILE_RULES, FileKind, RuleInfo};
pub use judge::{RULE_FAILED, Report, Verification, judge};
pub use libc::Libc;
pub use pages::{Page, rule_page, rules_reference};
pub use policy::{Date, Demand, Policy};
pub use rules::{RULES, Rule};
pub use selection::Selection;
pub use separate::{DebugFile, SeparateFiles, build_id};
pub use show::{comparison, human, junit, markdown, rules_text, sarif, shows_all, wire};
pub use units::UnitSummary;
pub use verdict::{ObjectVerdict, Outcome, RuleVerdict, Verdict};

use crate::finding::Code;

/// Every rule: those about ELF files, then those about entries of packages.
pub fn rule_infos() -> impl Iterator<Item = RuleInfo> {
    let of_elf = RULES.iter().map(|rule| RuleInfo {
        name: rule.name,
        summary: rule.summary,
        source: rule.source,
        page: rule.page,
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
    &RULE_FAILED,
    &judge::NOTHING,
    &judge::UNOPENED,
    &examine::NOT_OPENED,
    &against::LOST,
    &against::UNMATCHED,
    &compare::UNEXPLAINED,
];
