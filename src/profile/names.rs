//! Checks the names of a profile against the catalog of a tree. Pure.

use super::codes::{UNKNOWN_DEVICE, UNKNOWN_MACHINE, UNKNOWN_OBJECT};
use super::{Profile, Sourced};
use crate::catalog::{Catalog, Kind};
use crate::finding::{Code, Finding, Place};

/// Every device, machine and object the tree does not have, with a suggestion.
pub fn check_names(profile: &Profile, catalog: &Catalog) -> Vec<Finding> {
    let mut findings = Vec::new();
    for device in &profile.devices {
        let found = catalog.find(Kind::Device, &device.value);
        if !found.iter().any(|entry| entry.user_creatable) {
            findings.push(unknown(
                profile,
                catalog,
                device,
                Kind::Device,
                &UNKNOWN_DEVICE,
                found.is_empty(),
            ));
        }
    }
    for machine in &profile.machines {
        if catalog.machines(&machine.value).is_empty() {
            findings.push(unknown(
                profile,
                catalog,
                machine,
                Kind::Machine,
                &UNKNOWN_MACHINE,
                true,
            ));
        }
    }
    for object in &profile.backends.objects {
        if catalog.find(Kind::Object, &object.value).is_empty() {
            findings.push(unknown(profile, catalog, object, Kind::Object, &UNKNOWN_OBJECT, true));
        }
    }
    findings
}

fn unknown(
    profile: &Profile,
    catalog: &Catalog,
    name: &Sourced<String>,
    kind: Kind,
    code: &'static Code,
    absent: bool,
) -> Finding {
    let what = kind.name();
    let message = if absent {
        format!("unknown {what} `{}`", name.value)
    } else {
        format!("{what} `{}` exists, but a user cannot create it", name.value)
    };
    let text = profile
        .texts
        .iter()
        .find(|text| text.file == name.origin.file)
        .map_or("", |text| text.text.as_str());
    let span = super::read::span_of(text, &name.origin, name.value.len() + 2);
    let finding = Finding::error(code, message).at(
        Place::Span { file: name.origin.file.clone(), span },
        format!("no such {what} in QEMU {}", catalog.version),
    );
    match catalog.suggest(kind, &name.value) {
        Some(other) if other != name.value => {
            finding.with_help(format!("did you mean `{}`?", other.trim_end_matches("-machine")))
        }
        _ => finding,
    }
}
