//! The verifier's rules that must hold because of the flags of a plan, whatever policy the file is judged by. Pure.

use super::expected::{Expected, ExpectedRule};
use super::{CONTRADICTION, policy_for};
use crate::finding::Finding;
use crate::verify::policy::Subject;
use crate::verify::units::CompileOptions;
use crate::verify::{ObjectVerdict, Policy, Report, RuleVerdict, Verdict};

/// The rule that start files of the C library can spoil alone.
const BRANCH_TARGETS: &str = "branch-targets";

/// Rules that flags of the plan promise, and that the program does not keep. `note_lost` says that a lost CET note is
/// reported for itself.
pub(super) fn broken(
    expected: &Expected,
    report: &Report,
    object: &ObjectVerdict,
    note_lost: bool,
) -> Vec<Finding> {
    let policy = policy_for(expected.level);
    let rules = expected.rules();
    let found = rules.iter().filter_map(|rule| {
        let verdict = object.rules.iter().find(|verdict| verdict.rule == rule.name)?;
        one(rule, verdict, at_least(&policy, rule.name, report, object), object, note_lost)
    });
    found.collect()
}

/// Percent of a partial verdict that the level's own policy takes for enough.
fn at_least(policy: &Policy, rule: &str, report: &Report, object: &ObjectVerdict) -> usize {
    let subject = Subject::of(&report.name, object);
    usize::from(policy.setting(rule, subject).at_least)
}

fn one(
    rule: &ExpectedRule<'_>,
    found: &RuleVerdict,
    at_least: usize,
    object: &ObjectVerdict,
    note_lost: bool,
) -> Option<Finding> {
    let (verdict, detail) = (found.verdict.name(), found.verdict.detail());
    let message = format!(
        "the plan asks for {}, rule {} {verdict}: {detail}",
        rule.flags.join(", "),
        rule.name
    );
    let error = Finding::error(&CONTRADICTION, message.clone());
    let warning = Finding::warning(&CONTRADICTION, message);
    match &found.verdict {
        Verdict::Holds => None,
        Verdict::NotApplicable(_) if rule.where_any => None,
        Verdict::Partial { n, m, .. }
            if rule.name == BRANCH_TARGETS && only_start_files(object, *n, *m) =>
        {
            (!note_lost).then_some(warning)
        }
        Verdict::Partial { n, m, .. } if n * 100 >= m * at_least => Some(warning),
        Verdict::CannotTell(_) if rule.flags.iter().any(|flag| units_say(flag, object)) => {
            Some(warning.with_note("each compilation unit says that it was compiled with it"))
        }
        _ => Some(error),
    }
}

/// What lacks a landing pad is no more than start files of the C library do, which the build did not compile.
fn only_start_files(object: &ObjectVerdict, n: usize, m: usize) -> bool {
    n + object.start_files.len() >= m
}

/// True when every unit records a compiler flag.
fn units_say(flag: &str, object: &ObjectVerdict) -> bool {
    let options = CompileOptions::of_words(flag.split_ascii_whitespace());
    let mut known = object.units.iter().filter(|unit| unit.options.known.recorded()).peekable();
    !options.is_empty()
        && known.peek().is_some()
        && known.all(|unit| options.lacking(&unit.options, &|_| true).is_empty())
}
