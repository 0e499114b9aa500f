//! What keeps the flags of a plan from being proved. Pure.

use super::expected::{Claim, Expected};
use super::{Linked, UNPROVED};
use crate::finding::Finding;
use crate::hardening::Proof;
use crate::verify::{ObjectVerdict, Report};

/// Flags of a plan that nothing at hand proves or disproves. `linked` is what the build directory tells, where it is at
/// hand.
pub fn unproved(expected: &Expected, report: &Report, linked: Option<&Linked>) -> Vec<Finding> {
    let mut out = Vec::new();
    for object in expected.objects(report) {
        out.extend(unexamined(expected, object));
        out.extend(unknown(expected, object));
        if linked.is_none() {
            out.extend(uncompiled(expected, object));
        }
    }
    out
}

/// That the program a plan builds is not in a report at all.
pub fn absent(expected: &Expected, report: &Report) -> Option<Finding> {
    expected.objects(report).next().is_none().then(|| {
        let message = format!("{} has no {}, which the plan builds", report.name, expected.program);
        Finding::error(&UNPROVED, message)
    })
}

/// Says that what the plan in a record promises of a file is not known.
pub fn unreadable_plan(name: &str, why: &str) -> Finding {
    Finding::error(
        &UNPROVED,
        format!("{name}: the recorded plan promises what is not known here: {why}"),
    )
}

/// Rules that were not asked for.
fn unexamined(expected: &Expected, object: &ObjectVerdict) -> Option<Finding> {
    let examined = |name: &str| object.rules.iter().any(|rule| rule.rule == name);
    let rules = expected.rules();
    let missing: Vec<&str> =
        rules.iter().map(|rule| rule.name).filter(|name| !examined(name)).collect();
    (!missing.is_empty()).then(|| {
        let message = format!(
            "{}: not examined, though flags of the plan are proved by it: {}",
            object.path,
            missing.join(", ")
        );
        Finding::warning(&UNPROVED, message).with_help("without --only every rule is examined")
    })
}

/// Flags of a level of another Quench.
fn unknown(expected: &Expected, object: &ObjectVerdict) -> Option<Finding> {
    let flags = flags(expected, |claim| claim.proof.is_empty());
    (!flags.is_empty()).then(|| {
        let message = format!("{}: what proves {flags} is not known here", object.path);
        Finding::warning(&UNPROVED, message).with_help("the Quench that made the plan knows")
    })
}

/// Flags that compile commands would prove, or units.
fn uncompiled(expected: &Expected, object: &ObjectVerdict) -> Option<Finding> {
    let command = |claim: &Claim| claim.proof.contains(&Proof::Command);
    if object.units.iter().any(|unit| unit.options.known.recorded()) {
        let flags = flags(expected, command);
        return (!flags.is_empty()).then(|| {
            let message = format!("{}: only compile commands would prove {flags}", object.path);
            Finding::note(&UNPROVED, message)
        });
    }
    let flags = flags(expected, |claim| command(claim) || claim.proof.contains(&Proof::Units));
    (!flags.is_empty()).then(|| {
        let message =
            format!("{}: no unit says how it was compiled, which would prove {flags}", object.path);
        Finding::warning(&UNPROVED, message).with_help("--debug with the debug package would tell")
    })
}

fn flags(expected: &Expected, wanted: impl Fn(&Claim) -> bool) -> String {
    let claims = expected.claims.iter().filter(|claim| wanted(claim));
    claims.map(|claim| claim.flag.as_str()).collect::<Vec<_>>().join(", ")
}
