//! Units against the plan, against the commands that compiled them, and against their own code. Pure.

use std::collections::BTreeMap;

use super::{CONTRADICTION, Commands, Expected, listed};
use crate::finding::Finding;
use crate::verify::units::{CompileOptions, StackProtector};
use crate::verify::{ObjectVerdict, UnitSummary};

/// Fewer functions say nothing of what the compiler does as a rule.
const MIN_FUNCTIONS: usize = 16;
/// So many functions may opt out, or only look as if they had locals.
const MAX_OPTED_OUT: usize = 2;

/// Every contradiction of the units of one file.
pub(super) fn faults(
    expected: &Expected,
    object: &ObjectVerdict,
    commands: Option<&Commands>,
) -> Vec<Finding> {
    let options = expected.options();
    let known: Vec<&UnitSummary> =
        object.units.iter().filter(|unit| unit.options.known.recorded()).collect();
    let mut out = against_plan(expected, &options, &known, commands);
    out.extend(against_commands(&known, commands));
    out.extend(against_code(&object.units));
    out
}

/// Units that say another thing than the plan.
fn against_plan(
    expected: &Expected,
    options: &CompileOptions,
    known: &[&UnitSummary],
    commands: Option<&Commands>,
) -> Vec<Finding> {
    let must = expected.recorded_options();
    let recorded = |family: &str| {
        must.records(family) || known.iter().any(|unit| unit.options.records(family))
    };
    // Where compile commands are known, a unit they do not name was compiled by somebody else.
    let own = |unit: &UnitSummary| {
        commands.is_none_or(|commands| commands.of_source(&unit.name).is_some())
    };
    let mut lacks: BTreeMap<(&str, bool), Vec<(&str, String)>> = BTreeMap::new();
    for unit in known {
        for (flag, says) in options.lacking(&unit.options, &recorded) {
            lacks.entry((flag, own(unit))).or_default().push((&unit.name, says));
        }
        let level = match unit.fortify {
            _ if !unit.options.known.optimised => Some(0),
            level => level,
        };
        if let (Some(promised), Some(level)) = (options.known.fortify, level)
            && level < promised
        {
            let flag = expected.flag("-D_FORTIFY_SOURCE");
            let says = format!("has level {level}");
            lacks.entry((flag, own(unit))).or_default().push((&unit.name, says));
        }
    }
    let mut out = Vec::new();
    for ((flag, own), units) in lacks {
        let names: Vec<String> =
            units.iter().map(|(name, says)| format!("{name} ({says})")).collect();
        let message = format!(
            "{} of {} units were compiled without {flag}, which the plan asks for: {}",
            units.len(),
            known.len(),
            listed(names.iter().map(String::as_str))
        );
        out.push(if own {
            Finding::error(&CONTRADICTION, message)
        } else {
            let note = "no compile command of the build names them: they were compiled elsewhere";
            Finding::warning(&CONTRADICTION, message).with_note(note)
        });
    }
    out
}

/// Units that say another thing than the command that is said to have compiled them.
fn against_commands(known: &[&UnitSummary], commands: Option<&Commands>) -> Vec<Finding> {
    let Some(commands) = commands else { return Vec::new() };
    let mut differing = Vec::new();
    for unit in known {
        let Some(of_source) = commands.of_source(&unit.name) else { continue };
        let lacks: Vec<_> =
            of_source.map(|command| command.options.lacking(&unit.options, &|_| false)).collect();
        // A file may be compiled several times: one of the commands must fit.
        if let Some(lack) = lacks.iter().min_by_key(|lack| lack.len()).and_then(|lack| lack.first())
        {
            differing.push(format!("{} (told {}, {})", unit.name, lack.0, lack.1));
        }
    }
    if differing.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{} units do not say what their compile command says: {}",
        differing.len(),
        listed(differing.iter().map(String::as_str))
    );
    let help = "objects of another run, or a compiler in front of the compiler";
    vec![Finding::error(&CONTRADICTION, message).with_help(help)]
}

/// Units whose functions do not do what the unit was told, or do what it was not.
fn against_code(units: &[UnitSummary]) -> Vec<Finding> {
    let mut by_kind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for unit in units.iter().filter(|unit| unit.options.known.recorded()) {
        let options = &unit.options.known;
        let name = &unit.name;
        let (bare, shown) = (unit.unprotected.0, unit.unprotected.1.join(", "));
        let mut add = |kind, text| by_kind.entry(kind).or_default().push(text);
        match options.stack_protector {
            Some(level)
                if level >= StackProtector::Strong
                    && unit.canaries == 0
                    && bare > MAX_OPTED_OUT =>
            {
                let kind =
                    "were told -fstack-protector-strong, and their functions check no canary";
                add(kind, format!("{name}: none of {bare} functions with locals ({shown}, ...)"));
            }
            None | Some(StackProtector::No) if unit.canaries > 0 => {
                let text = format!("{name}: {} of {} functions", unit.canaries, unit.functions);
                add("were told of no stack protector, and their functions check a canary", text);
            }
            _ => {}
        }
        if options.stack_clash == Some(true) && !unit.unprobed.is_empty() {
            let text = format!("{name}: {}", unit.unprobed.join(", "));
            add("were told -fstack-clash-protection, and frames skip a page", text);
        }
        if options.landing_pads == Some(true) && !unit.padless.is_empty() {
            let text = format!("{name}: {}", unit.padless.join(", "));
            add(
                "were told -fcf-protection, and targets of indirect branches have no endbr64",
                text,
            );
        }
        let zeroes = options.zeroed_registers == Some(true);
        if zeroes && unit.zeroing == 0 && unit.returning >= MIN_FUNCTIONS {
            let text = format!("{name}: none of {} functions", unit.returning);
            add("were told -fzero-call-used-regs, and their functions zero no register", text);
        }
    }
    by_kind
        .into_iter()
        .map(|(kind, texts)| {
            let shown = listed(texts.iter().map(String::as_str));
            Finding::error(&CONTRADICTION, format!("{} units {kind}: {shown}", texts.len()))
        })
        .collect()
}
