//! What compilation units say of themselves, and how it is joined with what the code shows. Pure.

use super::Object;
use crate::elf::{Marks, Unit};
use crate::verify::Verdict;
use crate::verify::units::{Compiler, KnownOptions, StackProtector, options};

type Answer = (Verdict, String);

/// Names shown of units.
const SHOWN: usize = 6;

/// Counts of units that were told to, and the names of those that were not.
struct Tally<'u> {
    on: usize,
    off: Vec<&'u Unit>,
    /// Units whose producer names no options.
    silent: usize,
}

fn tally<'u>(object: Object<'u>, told: &dyn Fn(&KnownOptions) -> bool) -> Tally<'u> {
    let mut out = Tally { on: 0, off: Vec::new(), silent: 0 };
    for unit in object.units {
        let options = options(&unit.producer);
        match options.compiler {
            Compiler::Gcc | Compiler::Clang if told(&options) => out.on += 1,
            Compiler::Gcc | Compiler::Clang => out.off.push(unit),
            Compiler::GccSilent | Compiler::ClangSilent | Compiler::Other => out.silent += 1,
            Compiler::GccLinkTime | Compiler::Rust | Compiler::Go | Compiler::Assembler => {}
        }
    }
    out
}

fn listed(units: &[&Unit]) -> String {
    let names: Vec<&str> = units.iter().take(SHOWN).map(|unit| unit.name.as_str()).collect();
    match units.len().saturating_sub(SHOWN) {
        0 => names.join(" "),
        more => format!("{} and {more} more", names.join(" ")),
    }
}

/// Joins the code's answer with the units': a unit that was not told to makes a file that holds partial.
fn join(
    object: Object<'_>,
    answer: Answer,
    what: &str,
    told: &dyn Fn(&KnownOptions) -> bool,
) -> Answer {
    let (verdict, mut evidence) = answer;
    let tally = tally(object, told);
    let known = tally.on + tally.off.len();
    if known == 0 {
        return (verdict, evidence);
    }
    evidence.push_str(&format!("; {} of {known} units were compiled with {what}", tally.on));
    if tally.silent > 0 {
        evidence.push_str(&format!(", {} do not say", tally.silent));
    }
    if !tally.off.is_empty() {
        evidence.push_str(&format!("; not: {}", listed(&tally.off)));
    }
    let verdict = match verdict {
        // Units without code of their own that needs it do no harm.
        Verdict::Holds if tally.on > 0 && tally.off.iter().any(|unit| !unit.ranges.is_empty()) => {
            Verdict::Partial {
                n: tally.on,
                m: known,
                what: format!("units were compiled with {what}; not: {}", listed(&tally.off)),
            }
        }
        other => other,
    };
    (verdict, evidence)
}

pub(super) fn stack_protector(object: Object<'_>) -> Answer {
    let strong = |options: &KnownOptions| {
        options.stack_protector.is_some_and(|it| it >= StackProtector::Strong)
    };
    join(object, super::coverage::stack_protector(object), "-fstack-protector-strong", &strong)
}

pub(super) fn stack_clash(object: Object<'_>) -> Answer {
    let told = |options: &KnownOptions| options.stack_clash == Some(true);
    // The search for violations decides: what has no large frame needs no option.
    let (verdict, evidence) = super::coverage::stack_clash(object);
    let (_, evidence) =
        join(object, (verdict.clone(), evidence), "-fstack-clash-protection", &told);
    (verdict, evidence)
}

/// Units, code and notes tell one story.
pub(super) fn evidence(object: Object<'_>) -> Answer {
    let facts = object.facts;
    if object.units.is_empty() {
        let why = "no debug information; the debug file that belongs to the build-id would tell";
        return (Verdict::NotApplicable(why.to_owned()), String::new());
    }
    let all: Vec<(&Unit, KnownOptions)> =
        object.units.iter().map(|unit| (unit, options(&unit.producer))).collect();
    let known = all.iter().filter(|(_, options)| options.recorded()).count();
    let mut faults = Vec::new();
    let pads = facts.properties.ibt || facts.properties.bti;
    let links = facts.properties.shstk || facts.properties.pac;
    for (unit, options) in all.iter().filter(|(_, options)| options.recorded()) {
        if pads && options.landing_pads == Some(false) {
            faults.push(format!(
                "{} was compiled without landing pads, the note promises them",
                unit.name
            ));
        }
        if links && options.return_protection == Some(false) {
            faults.push(format!(
                "{} was compiled without protected returns, the note promises them",
                unit.name
            ));
        }
        if options.stack_protector >= Some(StackProtector::Strong) {
            faults.extend(exposed(object, unit));
        }
    }
    let evidence = format!("{known} of {} units say how they were compiled", all.len());
    if known == 0 {
        let why =
            "no unit names its options; -grecord-gcc-switches or -grecord-command-line would tell";
        return (Verdict::NotApplicable(why.to_owned()), evidence);
    }
    if faults.is_empty() {
        (Verdict::Holds, evidence)
    } else {
        faults.truncate(SHOWN);
        (Verdict::Fails(faults.join("; ")), evidence)
    }
}

/// A unit that says it is protected and of whose functions with locals none is.
fn exposed(object: Object<'_>, unit: &Unit) -> Option<String> {
    let code = object.code?;
    let (mut canaries, mut bare) = (0, 0);
    for function in code.functions_in(&unit.ranges) {
        if function.marks.intersects(Marks::LOADS_CANARY | Marks::CALLS_FAIL) {
            canaries += 1;
        } else if function.marks.contains(Marks::FRAME_ADDRESS) {
            bare += 1;
        }
    }
    (canaries == 0 && bare > 2).then(|| {
        format!(
            "{} says -fstack-protector-strong, and none of its {} functions with locals checks a canary",
            unit.name, bare
        )
    })
}
