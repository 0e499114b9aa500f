//! Checks the names of a profile against the catalog of a tree. Pure.

use super::codes::{UNKNOWN_BACKEND, UNKNOWN_DEVICE, UNKNOWN_MACHINE, UNKNOWN_OBJECT};
use super::{Profile, Sourced};
use crate::catalog::{Catalog, Kind};
use crate::finding::{Code, Finding};

/// Names that get a suggestion; finding one means to compare with every name of the tree.
const MAX_SUGGESTIONS: usize = 100;

/// Names shown where many begin alike.
const SHOWN: usize = 12;

/// What people call backends, and what QEMU does.
const CALLED: &[(Kind, &str, &str)] = &[
    (Kind::Netdev, "slirp", "user"),
    (Kind::Netdev, "macvtap", "tap"),
    (Kind::Netdev, "vhost", "tap"),
    (Kind::Netdev, "vdpa", "vhost-vdpa"),
    (Kind::Chardev, "unix", "socket"),
    (Kind::Chardev, "tcp", "socket"),
    (Kind::Chardev, "tty", "serial"),
    (Kind::Chardev, "parport", "parallel"),
    (Kind::Chardev, "vdagent", "qemu-vdagent"),
    (Kind::Audio, "pulseaudio", "pa"),
    (Kind::Audio, "pulse", "pa"),
    (Kind::Audio, "coreaudio", "alsa"),
    (Kind::Block, "img", "raw"),
    (Kind::Block, "vhd", "vpc"),
];

/// Displays that are servers, and no `-display` of their own.
const SERVERS: &[&str] = &["vnc"];

/// Every device, machine, object and backend the tree does not have, with a suggestion.
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
    let backends = &profile.backends;
    for (kind, names) in [
        (Kind::Netdev, &backends.netdevs),
        (Kind::Chardev, &backends.chardevs),
        (Kind::Display, &backends.displays),
        (Kind::Audio, &backends.audio),
        (Kind::Block, &profile.block_read_write),
        (Kind::Block, &profile.block_read_only),
    ] {
        for name in names {
            let server = kind == Kind::Display && SERVERS.contains(&name.value.as_str());
            if !server && catalog.find(kind, &name.value).is_empty() {
                checker.report(name, kind, &UNKNOWN_BACKEND, true);
            }
        }
    }
    denied(&mut checker, profile);
    checker.findings
}

/// What is denied must be something: a misspelt restriction would have no effect.
fn denied(checker: &mut Checker<'_>, profile: &Profile) {
    let catalog = checker.catalog;
    for device in &profile.denied.devices {
        if catalog.find(Kind::Device, &device.value).is_empty() {
            checker.report(device, Kind::Device, &UNKNOWN_DEVICE, true);
        }
    }
    let backends = [Kind::Object, Kind::Netdev, Kind::Chardev, Kind::Display, Kind::Audio];
    for backend in &profile.denied.backends {
        let known = |kind: &Kind| !catalog.find(*kind, &backend.value).is_empty();
        if !backends.iter().any(known) && !SERVERS.contains(&backend.value.as_str()) {
            let near = |kind: &&Kind| catalog.suggest(**kind, &backend.value).is_some();
            let kind = backends.iter().find(near).unwrap_or(&Kind::Netdev);
            checker.report(backend, *kind, &UNKNOWN_BACKEND, true);
        }
    }
    for driver in &profile.denied.block {
        if catalog.find(Kind::Block, &driver.value).is_empty() {
            checker.report(driver, Kind::Block, &UNKNOWN_BACKEND, true);
        }
    }
}

struct Checker<'c> {
    catalog: &'c Catalog,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn report(&mut self, name: &Sourced<String>, kind: Kind, code: &'static Code, absent: bool) {
        let what = match kind {
            Kind::Chardev => "character device",
            Kind::Audio => "audio driver",
            Kind::Block => "block driver",
            other => other.name(),
        };
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
    if kind == Kind::Display && word == "spice" {
        return Some("SPICE is a server: [features] enable = [\"spice\"]".to_owned());
    }
    let called = CALLED.iter().find(|(of, name, _)| *of == kind && *name == word);
    if let Some((_, _, name)) = called.filter(|(.., name)| !catalog.find(kind, name).is_empty()) {
        return Some(format!("did you mean `{name}`?"));
    }
    if let Some(known) = catalog.suggest(kind, &word).filter(|known| *known != wrong) {
        return Some(format!("did you mean `{}`?", known.trim_end_matches("-machine")));
    }
    let many = catalog.beginning(kind, &word);
    let names: Vec<String> = many.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| format!("names that begin so: {}", names.join(", ")))
}
