//! CycloneDX 1.6 as JSON. Pure.
//!
//! Source: cyclonedx.org, `bom-1.6.schema.json` (a test validates against it). The serial number is a version 8 UUID of
//! the content, the time stamp is `SOURCE_DATE_EPOCH`: the same build gives the same document.

use base64::Engine as _;
use serde_json::{Value, json};

use super::parts::{self, Part, Role, parts, sha256};
use crate::date::iso8601;
use crate::record::Record;

pub(super) fn document(record: &Record) -> Value {
    let product = product(record);
    let components: Vec<Value> = parts(record).iter().map(|part| component(record, part)).collect();
    let dependencies = dependencies(record);
    let content = json!([product, components, dependencies]).to_string();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&content)),
        "version": 1,
        "metadata": {
            "timestamp": iso8601(record.plan.source.date),
            "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{
                "type": "application", "name": "quench", "version": record.quench,
            }] },
            "component": product,
        },
        "components": components,
        "dependencies": dependencies,
    })
}

fn product(record: &Record) -> Value {
    let mut out = json!({
        "type": "application",
        "bom-ref": "product",
        "name": parts::product(record),
        "version": parts::upstream_version(record),
        "description": record.plan.summary,
        "licenses": [{ "license": { "id": "GPL-2.0-only" } }],
        "properties": [
            { "name": "quench:profile", "value": record.name },
            { "name": "quench:hardening", "value": record.plan.hardening },
            { "name": "quench:target", "value": record.plan.target },
        ],
    });
    set(&mut out, "purl", parts::product_purl(record));
    out
}

fn component(record: &Record, part: &Part) -> Value {
    let (kind, scope) = match part.role {
        Role::Source => ("application", "required"),
        Role::Library => ("library", "required"),
        Role::FirmwareInside => ("firmware", "required"),
        Role::FirmwareNeeded => ("firmware", "optional"),
        Role::Tool => ("application", "excluded"),
        Role::File => ("file", "required"),
    };
    let mut out = json!({
        "type": kind,
        "bom-ref": part.id,
        "name": part.name,
        "scope": scope,
    });
    set(&mut out, "version", Some(part.version.clone()).filter(|text| !text.is_empty()));
    set(&mut out, "description", Some(part.description.clone()).filter(|text| !text.is_empty()));
    set(&mut out, "purl", part.purl.clone());
    if let Some(map) = out.as_object_mut() {
        if let Some(sha256) = &part.sha256 {
            map.insert("hashes".to_owned(), json!([hash(sha256)]));
        }
        if !part.licence.is_empty() {
            map.insert("licenses".to_owned(), json!([{ "license": { "id": part.licence } }]));
        }
        if part.role == Role::Source {
            map.insert("externalReferences".to_owned(), json!(sources(record)));
            if !record.patches.is_empty() {
                map.insert("pedigree".to_owned(), json!({ "patches": patches(record) }));
            }
        }
    }
    out
}

fn sources(record: &Record) -> Vec<Value> {
    let url = |name: &str| match &record.source.url {
        Some(url) => url.clone(),
        // A relative reference: the archive's address is the mirror's business. `+` and `~` need no escape.
        None => name.to_owned(),
    };
    let files = record.plan.source.files.iter();
    files
        .map(|file| {
            json!({
                "type": "source-distribution",
                "url": url(&file.name),
                "hashes": [hash(&file.sha256)],
            })
        })
        .collect()
}

fn patches(record: &Record) -> Vec<Value> {
    record
        .patches
        .iter()
        .map(|patch| {
            json!({
                "type": "unofficial",
                "diff": { "text": {
                    "contentType": "text/x-patch",
                    "encoding": "base64",
                    "content": base64::engine::general_purpose::STANDARD.encode(&patch.text),
                } },
            })
        })
        .collect()
}

fn hash(sha256: &str) -> Value {
    json!({ "alg": "SHA-256", "content": sha256 })
}

fn dependencies(record: &Record) -> Vec<Value> {
    let parts = parts(record);
    let ids = |wanted: &[Role]| -> Vec<&String> {
        parts.iter().filter(|part| wanted.contains(&part.role)).map(|part| &part.id).collect()
    };
    let emulator = parts.iter().find(|part| part.role == Role::File && part.id.contains("/bin/"));
    let mut out = vec![json!({
        "ref": "product",
        "dependsOn": ids(&[Role::Source, Role::File, Role::FirmwareInside, Role::FirmwareNeeded]),
    })];
    if let Some(emulator) = emulator {
        out.push(json!({ "ref": emulator.id, "dependsOn": ids(&[Role::Library]) }));
    }
    out
}

fn set(value: &mut Value, key: &str, text: Option<String>) {
    if let (Some(map), Some(text)) = (value.as_object_mut(), text) {
        map.insert(key.to_owned(), Value::String(text));
    }
}

/// A digest in the form of a UUID (RFC 9562, version 8).
pub(super) fn uuid(content: &str) -> String {
    let mut digits: Vec<char> = sha256(content.as_bytes()).chars().take(32).collect();
    digits[12] = '8';
    digits[16] = 'a';
    let text: String = digits.into_iter().collect();
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
