//! Checks the names of a profile against the catalog of a tree. Pure.

use super::codes::{UNKNOWN_DEVICE, UNKNOWN_MACHINE, UNKNOWN_OBJECT};
use super::{Profile, Sourced};
use crate::catalog::{Catalog, Kind};
use crate::finding::{Code, Finding};

/// Names that get a suggestion; finding one means to compare with every name of the tree.
const MAX_SUGGESTIONS: usize = 100;

/// Names shown where many begin alike.
const SHOWN: usize = 12;

/// Every device, machine and object the tree does not have, with a suggestion.
pub fn check_names(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let mut checker = Checker { catalog, findings: Vec::new() };
    for device in &profile.devices {
        let found = catalog.find(Kind::Device, &device.value);
        if !found.iter().any(|entry| entry.user_creatable) {
            checker.report(device, Kind::Device, &UNKNOWN_DEVICE, found.is_empty());
        }
    }
    for machine in &profile.machines {
        if catalog.machines(&machine.value).is_empty() {
            checker.report(machine, Kind::Machine, &UNKNOWN_MACHINE, true);
        }
    }
    for object in &profile.backends.objects {
        if catalog.find(Kind::Object, &object.value).is_empty() {
            checker.report(object, Kind::Object, &UNKNOWN_OBJECT, true);
        }
    }
    checker.findings
}

struct Checker<'c> {
    catalog: &'c Catalog,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn report(&mut self, name: &Sourced<String>, kind: Kind, code: &'static Code, absent: bool) {
        let what = kind.name();
        let message = if absent {
            format!("unknown {what} `{}`", name.value)
        } else {
            format!("{what} `{}` exists, but a user cannot create it", name.value)
        };
        let said = format!("no such {what} in QEMU {}", self.catalog.version);
        let finding = Finding::error(code, message).at(name.origin.place(), said);
        let help = if self.findings.len() < MAX_SUGGESTIONS {
            help(self.catalog, kind, &name.value)
        } else {
            None
        };
        self.findings.push(match help {
            Some(help) => finding.with_help(help),
            None => finding,
        });
    }
}

/// The way from a name that the tree does not have to one that would be accepted.
fn help(catalog: &Catalog, kind: Kind, wrong: &str) -> Option<String> {
    if let Some(symbol) = wrong.strip_prefix("CONFIG_") {
        return Some(format!(
            "a Kconfig symbol goes into [symbols] enable = [\"{symbol}\"]; here stand names as `-device help` prints them"
        ));
    }
    // A word of the command line with its option: `-device virtio-rng-pci,id=rng0`.
    let word = wrong.rsplit(char::is_whitespace).next().unwrap_or(wrong);
    let word = word.split(',').next().unwrap_or(word).to_ascii_lowercase();
    if let Some(known) = catalog.suggest(kind, &word).filter(|known| *known != wrong) {
        return Some(format!("did you mean `{}`?", known.trim_end_matches("-machine")));
    }
    let many = catalog.beginning(kind, &word);
    let names: Vec<String> = many.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("names that begin so: {}", names.join(", ")))
}
