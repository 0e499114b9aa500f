//! Compares the surface a binary reports with the one the plan predicted: both ways, nothing is overlooked. Pure.

use std::collections::BTreeSet;

use crate::catalog::{Kind, Surface};
use crate::finding::{Code, Finding};
use crate::record::Measured;

pub(super) static UNEXPLAINED: Code = Code {
    name: "surface::unexplained",
    summary: "the binary has a type nobody asked for and nothing explains",
    explain: "Every type must be requested, forced by a symbol that is on, or part of QEMU's core. `quench explain PROFILE \
              TYPE` shows the chain of those that are.",
};
pub(super) static ABSENT: Code = Code {
    name: "surface::absent",
    summary: "the binary lacks a type the plan predicted",
    explain: "The build did something else than planned: an option was ignored, or the prediction is wrong.",
};
pub(super) static BUDGET: Code = Code {
    name: "surface::budget",
    summary: "the built binary exceeds the profile's budget",
    explain: "budget.stripped-bytes is compared with the size of the shipped emulator.",
};

/// Findings for every difference.
pub fn compare(predicted: &Surface, measured: &Measured) -> Vec<Finding> {
    let undecided: BTreeSet<&str> =
        predicted.undecided.iter().map(|(name, _)| name.as_str()).collect();
    let open: BTreeSet<&str> =
        undecided.into_iter().chain(predicted.at_start.keys().map(String::as_str)).collect();
    let kinds = [
        ("device", predicted.devices.keys().collect(), &measured.devices),
        ("machine", predicted.machines.keys().collect(), &measured.machines),
        ("object", predicted.objects.keys().collect(), &measured.objects),
        ("netdev", predicted.backends(Kind::Netdev).collect(), &measured.netdevs),
        ("chardev", predicted.backends(Kind::Chardev).collect(), &measured.chardevs),
        ("display", predicted.backends(Kind::Display).collect(), &measured.displays),
        ("audio driver", predicted.backends(Kind::Audio).collect(), &measured.audio),
        ("block driver", predicted.backends(Kind::Block).collect(), &measured.block_formats),
    ];
    let mut findings = Vec::new();
    for (what, predicted, measured) in kinds {
        differences(what, predicted, measured.iter().collect(), &open, &mut findings);
    }
    findings
}

fn differences(
    what: &str,
    predicted: BTreeSet<&String>,
    measured: BTreeSet<&String>,
    open: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) {
    for name in measured.difference(&predicted) {
        if what == "machine" && *name == "none" || open.contains(name.as_str()) {
            continue;
        }
        findings.push(Finding::error(
            &UNEXPLAINED,
            format!("{what} `{name}` is in the binary and nothing explains it"),
        ));
    }
    for name in predicted.difference(&measured).filter(|name| !open.contains(name.as_str())) {
        findings.push(Finding::error(
            &ABSENT,
            format!("{what} `{name}` was planned and is not in the binary"),
        ));
    }
}

/// The size budget.
pub fn budget(bytes: u64, limit: Option<u64>) -> Vec<Finding> {
    match limit {
        Some(limit) if bytes > limit => {
            vec![Finding::error(
                &BUDGET,
                format!("the stripped emulator has {bytes} bytes, the budget is {limit}"),
            )]
        }
        _ => Vec::new(),
    }
}

/// Devices of a surface for people: counts per class.
pub fn counts(surface: &Surface) -> (usize, usize) {
    let devices = surface.devices.values().filter(|device| device.kind == Kind::Device);
    let (creatable, hidden): (Vec<_>, Vec<_>) = devices.partition(|device| device.user_creatable);
    (creatable.len(), hidden.len())
}
