//! Acceptance: what Quench built, held against what it planned and recorded. Pure.
//!
//! `verify` says of any file what is in it; here plan, record and measured surface are held against its reports. Each flag
//! and switch of a plan names its proof (`hardening::Proof`), and that is demanded whatever policy a file is judged by: a
//! rule that does not hold, or cannot tell, is an error. Flags are also checked three ways: the flags of the plan, how each
//! unit was compiled, what its code does.
//!
//! Each of the three can be right alone: a flag in the plan that a subproject overrides, a unit that was told and whose
//! functions opted out, a note that the linker dropped because of one object. A contradiction names the unit or object.
//! From a finished file units (debug information, annobin) and code are held against the plan; where the build
//! directory is at hand ([`Linked`]), compile commands and every object that was linked are, too.

mod commands;
mod digests;
mod expected;
mod linked;
mod note;
mod policy;
mod rules;
pub mod surface;
mod units;
mod unproved;

pub use commands::{Command, Commands};
pub use digests::{file_digests, package_digest, unreadable_record};
pub use expected::Expected;
pub use linked::{Linked, LinkedObject, linked_names};
pub use note::package_note;
pub use policy::{policy_for, policy_name};
pub use unproved::{absent, unproved, unreadable_plan};

use crate::finding::{Code, Finding, Place};
use crate::verify::{ObjectVerdict, Report};

static CONTRADICTION: Code = Code {
    name: "verify::contradiction",
    summary: "the plan, the compilation units and the code of a file do not tell one story",
    explain: "A flag of the plan must be in the command that compiled each unit, in what the unit says of itself \
              (DW_AT_producer), and in what its functions do; a rule that proves a flag must hold whatever policy is named, \
              and one that cannot tell does not. The message names the rule, the unit or the object that differs. \
              Usual causes: a subproject with flags of its own, an attribute in the source, an assembler file without \
              `.note.gnu.property`, start files or static libraries of the distribution without the note: the linker \
              drops a CET note with the first object that has none. An object of the build itself is an error, one that \
              the distribution made is a warning.",
};
static UNPROVED: Code = Code {
    name: "verify::unproved",
    summary: "the flags of a plan cannot be held against how a file was compiled",
    explain: "Only debug information or annobin's notes say how units were compiled: give the debug package with --debug, or \
              install it. What the headers and the code show was held against the plan all the same.",
};

static UNREPEATED: Code = Code {
    name: "verify::link-not-repeated",
    summary: "what the emulator was linked from could not be told",
    explain: "Verification links the emulator once more to hear from the linker which objects go into it, and believes it \
              only when the result is the same file. With link-time optimisation the link is not repeated: it would take \
              as long as the build. Flags were held against units and code all the same.",
};

/// Finding codes of this module.
pub const CODES: &[&Code] = &[
    &CONTRADICTION,
    &UNPROVED,
    &UNREPEATED,
    &digests::DIGEST,
    &digests::UNREADABLE,
    &note::NOTE,
    &surface::UNEXPLAINED,
    &surface::ABSENT,
    &surface::BUDGET,
];

/// Says why the objects of a program are not known.
pub fn unrepeated(why: &str) -> Finding {
    Finding::warning(&UNREPEATED, format!("the objects of the emulator are not known: {why}"))
}

/// Names shown of many.
const SHOWN: usize = 6;

/// Everything in which a report contradicts a plan. `linked` is what the build directory tells, where it is at hand.
pub fn contradictions(
    expected: &Expected,
    report: &Report,
    linked: Option<&Linked>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in expected.objects(report) {
        let mut faults = units::faults(expected, object, linked.map(|linked| &linked.commands));
        faults.extend(linked.into_iter().flat_map(|linked| linked.faults(expected)));
        let lost = note(expected, object, linked);
        faults.extend(rules::broken(expected, report, object, lost.is_some()));
        faults.extend(lost);
        let place = Place::Object {
            path: report.name.clone(),
            part: (object.path != report.name).then(|| object.path.clone()),
        };
        findings.extend(faults.into_iter().map(|fault| fault.at(place.clone(), "")));
    }
    findings
}

/// A CET note that the plan's flags would have given, and who lost it.
fn note(expected: &Expected, object: &ObjectVerdict, linked: Option<&Linked>) -> Option<Finding> {
    let options = expected.options().known;
    let lost: Vec<&str> = [
        ("IBT", options.landing_pads == Some(true) && !object.cet.0),
        ("SHSTK", options.return_protection == Some(true) && !object.cet.1),
    ]
    .into_iter()
    .filter_map(|(name, lost)| lost.then_some(name))
    .collect();
    if lost.is_empty() || !object.x86 {
        return None;
    }
    let flag = expected.flag("-fcf-protection");
    let message =
        format!("the plan asks for {flag}, and no {} note is in the file", lost.join("/"));
    let Some(linked) = linked else {
        let all = object.units.iter().filter(|unit| unit.options.known.recorded());
        let without = all.filter(|unit| unit.options.known.landing_pads != Some(true)).count();
        let who = if without > 0 || object.units.is_empty() {
            String::new()
        } else if object.start_files.is_empty() {
            ": every unit was compiled with it, so an object without debug information lost it"
                .to_owned()
        } else {
            format!(
                ": every unit was compiled with it, and {} of the C library's start files (crt1.o, crti.o) have no \
                 landing pad",
                object.start_files.join(", ")
            )
        };
        return Some(Finding::warning(&CONTRADICTION, message + &who));
    };
    let (own, foreign) = linked.without_note();
    let listed = |names: &[&str]| listed(names.iter().copied());
    Some(match (own.is_empty(), foreign.is_empty()) {
        (true, true) => {
            let help = "-Wl,-z,cet-report=error would name the object";
            Finding::error(&CONTRADICTION, format!("{message}: every linked object has it"))
                .with_help(help)
        }
        (false, _) => Finding::error(
            &CONTRADICTION,
            format!("{message}: lost to objects of the build: {}", listed(&own)),
        ),
        (true, false) => Finding::warning(
            &CONTRADICTION,
            format!(
                "{message}: all {} objects of the build have it, lost to what the toolchain adds: {}",
                linked.own().count(),
                listed(&foreign)
            ),
        ),
    })
}

/// The first names, and how many more there are.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.get(..SHOWN).unwrap_or(&all).join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
