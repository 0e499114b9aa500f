//! SPDX 2.3 as JSON. Pure.
//!
//! Source: spdx.github.io/spdx-spec, version 2.3, and its JSON schema (a test validates against it).

use serde_json::{Value, json};

use super::cyclonedx::uuid;
use super::parts::{self, Part, Role, parts, sha256};
use crate::date::iso8601;
use crate::record::Record;

const PRODUCT: &str = "SPDXRef-product";

pub(super) fn document(record: &Record) -> Value {
    let parts = parts(record);
    let (files, packages): (Vec<&Part>, Vec<&Part>) =
        parts.iter().partition(|part| part.role == Role::File);
    let mut all = vec![product(record)];
    all.extend(packages.iter().map(|part| package(part)));
    all.extend(parts::patches(record).map(|patch| package(&patch)));
    all.extend(parts::source_archives(record).map(|archive| package(&archive)));
    let files: Vec<Value> = files.iter().map(|part| file(part)).collect();
    let relationships = relationships(record, &parts);
    let content = json!([all, files, relationships]).to_string();
    json!({
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "name": parts::product(record),
        "documentNamespace": format!("urn:uuid:{}", uuid(&content)),
        "creationInfo": {
            "created": iso8601(record.plan.source.date),
            "creators": [format!("Tool: quench-{}", record.quench)],
        },
        "packages": all,
        "files": files,
        "relationships": relationships,
    })
}

/// Identifiers take letters, digits, `.` and `-` only; a digest keeps them apart.
fn id(part: &str) -> String {
    let plain: String =
        part.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    format!("SPDXRef-{plain}-{}", &sha256(part.as_bytes())[..8])
}

fn product(record: &Record) -> Value {
    let mut out = json!({
        "SPDXID": PRODUCT,
        "name": parts::product(record),
        "versionInfo": parts::upstream_version(record),
        "summary": record.plan.summary,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "GPL-2.0-only",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "APPLICATION",
    });
    reference(&mut out, parts::product_purl(record).as_deref());
    out
}

fn package(part: &Part) -> Value {
    let purpose = match part.role {
        Role::Source => "SOURCE",
        Role::Library => "LIBRARY",
        Role::FirmwareInside | Role::FirmwareNeeded => "FIRMWARE",
        Role::Tool => "APPLICATION",
        Role::File => "FILE",
    };
    let declared = if part.licence.is_empty() { "NOASSERTION" } else { part.licence };
    let mut out = json!({
        "SPDXID": id(&part.id),
        "name": part.name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": declared,
        "copyrightText": "NOASSERTION",
        "comment": part.description,
        "primaryPackagePurpose": purpose,
    });
    if let Some(map) = out.as_object_mut() {
        if !part.version.is_empty() {
            map.insert("versionInfo".to_owned(), json!(part.version));
        }
        if let Some(sha256) = &part.sha256 {
            map.insert("checksums".to_owned(), checksums(sha256));
        }
    }
    reference(&mut out, part.purl.as_deref());
    out
}

fn file(part: &Part) -> Value {
    json!({
        "SPDXID": id(&part.id),
        // Relative to the root of the package.
        "fileName": format!(".{}", part.name),
        "checksums": checksums(part.sha256.as_deref().unwrap_or_default()),
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    })
}

fn checksums(sha256: &str) -> Value {
    json!([{ "algorithm": "SHA256", "checksumValue": sha256 }])
}

fn reference(value: &mut Value, purl: Option<&str>) {
    if let (Some(map), Some(purl)) = (value.as_object_mut(), purl) {
        let reference = json!([{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
        }]);
        map.insert("externalRefs".to_owned(), reference);
    }
}

fn relationships(record: &Record, parts: &[Part]) -> Vec<Value> {
    let relation = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let mut out = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", PRODUCT)];
    let source = id("source:qemu");
    for part in parts {
        let part_id = id(&part.id);
        out.push(match part.role {
            Role::Source => relation(PRODUCT, "GENERATED_FROM", &part_id),
            Role::Library => relation(PRODUCT, "DYNAMIC_LINK", &part_id),
            Role::FirmwareInside | Role::File => relation(PRODUCT, "CONTAINS", &part_id),
            Role::FirmwareNeeded => relation(&part_id, "RUNTIME_DEPENDENCY_OF", PRODUCT),
            Role::Tool => relation(&part_id, "BUILD_TOOL_OF", PRODUCT),
        });
    }
    for patch in &record.patches {
        out.push(relation(&id(&format!("patch:{}", patch.name)), "PATCH_FOR", &source));
    }
    for file in &record.plan.source.files {
        let archive = id(&format!("source-file:{}", file.name));
        out.push(relation(&source, "EXPANDED_FROM_ARCHIVE", &archive));
    }
    out
}
