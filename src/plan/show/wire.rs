//! The plan as JSON, `quench.plan/1`. Wire types are apart from the plan's own, so that a rename inside is no change of
//! format. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::catalog::{Class, Kind, Predicted, Surface};
use crate::plan::{Because, Item, Plan, Provider, SCHEMA};

/// The plan as a JSON value; object keys are sorted.
pub fn json(plan: &Plan) -> Value {
    json!({
        "schema": SCHEMA,
        "name": plan.name,
        "summary": plan.summary,
        "target": plan.target(),
        "source": {
            "origin": plan.source.origin,
            "version": plan.source.version,
            "tree": plan.source.digest,
            "date": plan.source.date,
            "files": pairs(&plan.source.files),
            "patches": pairs(&plan.source.patches),
        },
        "features": items("name", &plan.features),
        "asked": items("name", &plan.asked),
        "symbols": items("name", &plan.symbols),
        "device-file": { "path": plan.device_file.path, "text": plan.device_file.text },
        "configure": items("argument", &plan.configure),
        "cflags": items("argument", &plan.cflags),
        "ldflags": items("argument", &plan.ldflags),
        "left-out": items("argument", &plan.left_out),
        "hardening": plan.selection.level,
        "devices": devices(&plan.surface.devices),
        "machines": plan.surface.machines.keys().collect::<Vec<_>>(),
        "objects": plan.surface.objects.keys().collect::<Vec<_>>(),
        "backends": backends(&plan.surface),
        "at-start": plan.surface.at_start.keys().collect::<Vec<_>>(),
        "undecided": plan.surface.undecided.iter().map(|(name, condition)| json!({ "name": name, "condition": condition })).collect::<Vec<_>>(),
        "alternatives": plan.alternatives.iter().map(|alternative| json!({
            "name": alternative.name, "chosen": alternative.chosen, "rejected": alternative.rejected, "why": alternative.why,
        })).collect::<Vec<_>>(),
        "quirks": items("id", &plan.quirks),
        "firmware": plan.firmware.iter().map(|firmware| json!({
            "file": firmware.item.text,
            "because": because(&firmware.item.because),
            "provider": match firmware.provider {
                Provider::Built => json!("built"),
                Provider::Package(names) => json!({
                    "debian": names.debian, "fedora": names.fedora, "rhel": names.rhel, "opensuse": names.opensuse,
                }),
            },
        })).collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(|step| json!({
            "id": step.id.name(),
            "title": step.title,
            "because": because(&step.because),
            "writes": step.writes.iter().map(|(path, text)| json!({ "path": path, "text": text })).collect::<Vec<_>>(),
            "commands": step.commands.iter().map(|command| json!({
                "purpose": command.purpose,
                "program": command.program,
                "arguments": command.arguments,
                "directory": command.directory,
                "environment": command.environment,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// Netdevs, chardevs, displays, audio and block drivers by kind.
fn backends(surface: &Surface) -> Value {
    let kinds = [Kind::Netdev, Kind::Chardev, Kind::Display, Kind::Audio, Kind::Block];
    let of =
        |kind: Kind| (kind.name().to_owned(), json!(surface.backends(kind).collect::<Vec<_>>()));
    Value::Object(kinds.into_iter().map(of).collect())
}

fn pairs(files: &[(String, String)]) -> Vec<Value> {
    files.iter().map(|(name, sha256)| json!({ "name": name, "sha256": sha256 })).collect()
}

fn items(key: &str, items: &[Item]) -> Vec<Value> {
    items.iter().map(|item| json!({ key: item.text, "because": because(&item.because) })).collect()
}

/// A reason for machines: its kind, its text for people, and its place where it has one.
fn because(because: &Because) -> Value {
    let text = because.to_string();
    match because {
        Because::Asked(origin) => {
            json!({ "kind": "asked", "text": text, "file": origin.file, "line": origin.line, "column": origin.column, "key": origin.key })
        }
        Because::Needed { what, .. } => json!({ "kind": "needed", "text": text, "by": what }),
        Because::Kconfig { clause, by, file, line } => {
            json!({ "kind": clause, "text": text, "by": by, "file": file, "line": line })
        }
        Because::Hardening { level, source, .. } => {
            json!({ "kind": "hardening", "text": text, "level": level, "source": source })
        }
        Because::Quirk { id, .. } => json!({ "kind": "quirk", "text": text, "id": id }),
        Because::Rule(_) => json!({ "kind": "rule", "text": text }),
    }
}

/// The predicted surface in its three classes, and the types `-device help` hides.
fn devices(devices: &BTreeMap<String, Predicted>) -> Value {
    let class = |wanted: Class| -> Vec<Value> {
        devices
            .iter()
            .filter(|(_, device)| device.class == wanted)
            .map(|(name, device)| {
                json!({
                    "name": name, "kind": device.kind.name(), "through": device.through,
                    "file": device.file, "line": device.line,
                })
            })
            .collect()
    };
    let hidden: Vec<&String> = devices
        .iter()
        .filter(|(_, device)| !device.user_creatable && device.kind == Kind::Device)
        .map(|(name, _)| name)
        .collect();
    json!({ "requested": class(Class::Requested), "forced": class(Class::Forced), "core": class(Class::Core), "hidden": hidden })
}
