//! The JSON Schemas of `schemas/` are those of the types, no file is forgotten, and documents are in order.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::{
    Catalog, Error, Finding, Format, Hinted, Label, Record, RootLock, Severity, Signatures, Tag,
    TreeDiff, Verdict, catalog, plan_of, read, read_toml, root_lock, schemas, signatures, text,
    tree_diff, verdict_of,
};

/// Set to write the files instead of comparing with them; `cargo xtask schemas` does.
const WRITE: &str = "QUENCH_WRITE_SCHEMAS";

/// Like [`Sha256`], or empty where there is none.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "its schema is what counts")]
pub(super) struct MaybeSha256(#[schemars(regex(pattern = "^([0-9a-f]{64})?$"))] String);

/// A digest as 64 lower-case hexadecimal digits: stands for the text that holds it.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "its schema is what counts")]
pub(super) struct Sha256(#[schemars(regex(pattern = "^[0-9a-f]{64}$"))] String);

/// The schema of a format, as this program writes it, with the name of its file.
pub(super) fn schema_of<T: Format + JsonSchema>() -> (String, Schema) {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with_transform(Plain).with_transform(Closed);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    let (name, version) = T::SCHEMA.split_once('/').unwrap();
    let name = name.strip_prefix("quench.").unwrap();
    schema.insert("$id".to_owned(), json!(format!("urn:x-quench:schema:{name}:{version}")));
    schema.insert("title".to_owned(), json!(T::SCHEMA));
    (format!("{name}.schema.json"), schema)
}

/// Doc comments are broken into lines for the source's sake.
#[derive(Clone)]
struct Plain;

impl Transform for Plain {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text
                .split("\n\n")
                .map(|part| part.replace('\n', " "))
                .collect::<Vec<_>>()
                .join("\n\n");
        }
        transform_subschemas(self, schema);
    }
}

/// An object has the keys of its type and no others.
#[derive(Clone)]
struct Closed;

impl Transform for Closed {
    fn transform(&mut self, schema: &mut Schema) {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
        transform_subschemas(self, schema);
    }
}

fn stored() -> BTreeMap<String, String> {
    let files = std::fs::read_dir("schemas").unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect()
}

#[test]
fn schemas_are_those_of_the_types() {
    let wanted: BTreeMap<String, String> = schemas()
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_string_pretty(&schema).unwrap() + "\n"))
        .collect();
    assert_eq!(wanted.len(), schemas().len(), "two formats have one name");
    if std::env::var_os(WRITE).is_some() {
        for stale in stored().keys().filter(|name| !wanted.contains_key(*name)) {
            std::fs::remove_file(format!("schemas/{stale}")).unwrap();
        }
        for (name, text) in &wanted {
            std::fs::write(format!("schemas/{name}"), text).unwrap();
        }
    }
    let stored = stored();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&stored), names(&wanted), "`cargo xtask schemas` writes schemas/ anew");
    for (name, text) in &wanted {
        assert!(stored[name] == *text, "schemas/{name} is not its type's: `cargo xtask schemas`");
    }
}

/// Shows of a document that it is written in order and read back as it was, that its schema takes it, and that the schema
/// refuses it with any value of another type or any key that is not known.
pub(super) fn proof<T: Format + JsonSchema + PartialEq + std::fmt::Debug>(document: &T) {
    let written = text(document).unwrap();
    let value: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(written, serde_json::to_string_pretty(&value).unwrap() + "\n", "keys in order");
    assert_eq!(read::<T>(&written).unwrap(), *document);
    accepts::<T>(&value);
}

/// The part of the proof that also a document of long ago stands.
pub(super) fn accepts<T: Format + JsonSchema>(value: &Value) {
    let (_, schema) = schema_of::<T>();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(faults, [""; 0]);
    let mut tried = 0;
    for broken in broken(value) {
        assert!(!validator.is_valid(&broken), "{} takes {broken}", T::SCHEMA);
        tried += 1;
    }
    assert!(tried > 1);
}

/// The document with one fault each: a value of a type that nothing here has, or one key too many.
fn broken(value: &Value) -> Vec<Value> {
    let wrong = match value {
        Value::Object(_) | Value::Array(_) => json!(0.5),
        _ => json!({ "no": "such" }),
    };
    let mut out = vec![wrong];
    match value {
        Value::Object(map) => {
            let mut more = map.clone();
            more.insert("unknown".to_owned(), Value::Null);
            out.push(Value::Object(more));
            for (key, inner) in map {
                out.extend(broken(inner).into_iter().map(|inner| {
                    let mut map = map.clone();
                    map.insert(key.clone(), inner);
                    Value::Object(map)
                }));
            }
        }
        Value::Array(list) => {
            for (index, inner) in list.iter().enumerate() {
                out.extend(broken(inner).into_iter().map(|inner| {
                    let mut list = list.clone();
                    list[index] = inner;
                    Value::Array(list)
                }));
            }
        }
        _ => {}
    }
    out
}

fn finding() -> Finding {
    let text = "here".to_owned();
    let label = || Label { text: text.clone(), ..Label::default() };
    let file = Some("a.toml".to_owned());
    let object = Some("a.deb".to_owned());
    Finding {
        code: "area::code".to_owned(),
        help: None,
        labels: vec![
            Label { file: file.clone(), line: Some(1), column: Some(2), ..label() },
            Label { file, line: Some(1), ..label() },
            Label { object: object.clone(), part: Some(None), ..label() },
            Label { object, part: Some(Some("main".to_owned())), ..label() },
        ],
        message: "wrong".to_owned(),
        notes: vec!["because".to_owned()],
        schema: Tag::default(),
        severity: Severity::Error,
    }
}

#[test]
fn a_finding_is_read_as_it_was_written() {
    proof(&finding());
}

#[test]
fn another_format_or_version_is_refused_by_its_name_with_the_way_out() {
    let refused = |text: &str| {
        let error = read::<Finding>(text).unwrap_err();
        (error.to_string(), error.hint().unwrap())
    };
    // The name counts before anything else: a later version may have other keys.
    let (said, hint) = refused(r#"{"schema": "quench.finding/2", "kind": 1}"#);
    assert_eq!(said, "schema `quench.finding/2`; this quench reads `quench.finding/1`");
    assert!(hint.contains("a newer quench"), "{hint}");
    let (said, hint) = refused(r#"{"schema": "quench.plan/7"}"#);
    assert!(said.contains("quench.plan/7") && hint.contains("`quench.finding/1`"), "{said} {hint}");
    assert!(refused("{}").0.contains("no `schema`"));
    assert!(matches!(read::<Finding>("[]").unwrap_err(), Error::Malformed { .. }));
    assert!(matches!(read::<Finding>("{").unwrap_err(), Error::Syntax(_)));
    let (said, _) = refused(r#"{"schema": "quench.finding/1", "code": "a::b"}"#);
    assert!(said.contains("missing field `"), "{said}");
}

#[test]
fn a_document_within_another_has_its_own_name_checked() {
    #[derive(serde::Deserialize)]
    struct Outer {
        _finding: Finding,
    }
    let mut value = json!({ "_finding": serde_json::to_value(finding()).unwrap() });
    assert!(serde_json::from_value::<Outer>(value.clone()).is_ok());
    value["_finding"]["schema"] = json!("quench.finding/2");
    let error = serde_json::from_value::<Outer>(value).err().unwrap().to_string();
    assert!(error.contains("schema `quench.finding/2`"), "{error}");
}

/// Verdicts that an earlier program wrote of files, of a package with a waiver, and of files of a distribution with what
/// other checkers said.
#[test]
fn verdicts_of_version_1_are_read_and_written_again_as_they_were() {
    for name in ["files", "package", "system"] {
        let old = std::fs::read_to_string(format!("tests/data/verdicts/{name}.json")).unwrap();
        let verdict: Verdict = read(&old).unwrap();
        assert!(text(&verdict).unwrap() == old, "{name}");
        proof(&verdict);
    }
}

#[test]
fn keys_that_came_later_may_be_absent() {
    let old = std::fs::read_to_string("tests/data/verdicts/package.json").unwrap();
    let mut value: Value = serde_json::from_str(&old).unwrap();
    value.as_object_mut().unwrap().remove("comparisons");
    value["inputs"][0].as_object_mut().unwrap().remove("only");
    assert_eq!(read::<Verdict>(&value.to_string()).unwrap(), read::<Verdict>(&old).unwrap());
    value["inputs"][0].as_object_mut().unwrap().remove("sha256");
    let error = read::<Verdict>(&value.to_string()).unwrap_err().to_string();
    assert!(error.contains("`quench.verdict/1`") && error.contains("`sha256`"), "{error}");
}

#[test]
fn signatures_of_both_kinds_of_packages_are_read_as_they_were_written() {
    let digest = || Some("0123456789abcdef".repeat(4));
    let deb = signatures::Payload { members_sha256: digest(), ..Default::default() };
    let rpm = |unpacked| signatures::Payload {
        payloaddigest: digest(),
        payloaddigestalt: Some(unpacked),
        sha256header: digest(),
        members_sha256: None,
    };
    let signed = |payload| signatures::Signed {
        name: "x.deb".to_owned(),
        payload,
        signed: signatures::File { sha256: "1".repeat(64) },
        unsigned: signatures::File { sha256: "2".repeat(64) },
    };
    let packages = vec![signed(deb), signed(rpm(digest())), signed(rpm(None))];
    let mut document = Signatures { key: "AB".to_owned(), packages, schema: Tag::default() };
    proof(&document);
    document.packages[0].signed.sha256 = "short".to_owned();
    let (_, schema) = schema_of::<Signatures>();
    let value = serde_json::to_value(&document).unwrap();
    assert!(!jsonschema::is_valid(schema.as_value(), &value));
}

#[test]
fn a_tree_diff_is_read_as_it_was_written() {
    let names = || vec!["a".to_owned(), "b".to_owned()];
    let renamed = vec![tree_diff::Renamed { new: "c".to_owned(), old: "d".to_owned() }];
    let changes = tree_diff::Changes { appeared: names(), gone: names(), renamed };
    let plan = tree_diff::PlanChanges { appeared: names(), gone: names(), kind: "x".to_owned() };
    let effect = tree_diff::Effect {
        changes: vec![plan],
        findings: tree_diff::Both { new: vec![finding()], old: Vec::new() },
        planned: tree_diff::Both { new: true, old: false },
    };
    let document = TreeDiff {
        changes: BTreeMap::from([("device".to_owned(), changes)]),
        new: "10.2.0".to_owned(),
        old: "10.0.0".to_owned(),
        profile: Some(effect),
        schema: Tag::default(),
    };
    proof(&document);
    proof(&TreeDiff { profile: None, ..document });
}

#[test]
fn a_catalog_is_read_as_it_was_written() {
    let entry = catalog::Entry {
        name: "e1000".to_owned(),
        bus: Some("PCI".to_owned()),
        parents: vec!["pci-device".to_owned()],
        line: 7,
        ..catalog::Entry::default()
    };
    let entries = vec![entry, catalog::Entry::default()];
    proof(&Catalog { entries, schema: Tag::default(), version: "10.0.0".to_owned() });
}

#[test]
fn a_root_lock_is_read_as_it_was_written() {
    let package = root_lock::RootPackage {
        name: "gcc-12".to_owned(),
        version: "12.2.0-14+deb12u1".to_owned(),
        architecture: "amd64".to_owned(),
        sha256: "0123456789abcdef".repeat(4),
    };
    let lock = RootLock {
        schema: Tag::default(),
        suite: "bookworm".to_owned(),
        architecture: "amd64".to_owned(),
        wanted: vec!["gcc".to_owned()],
        packages: vec![package],
    };
    let written = toml::to_string(&lock).unwrap();
    assert!(written.starts_with("schema = \"quench.root/1\"\n"), "{written}");
    assert_eq!(read_toml::<RootLock>(&written).unwrap(), lock);
    accepts::<RootLock>(&serde_json::to_value(&lock).unwrap());
    let error = read_toml::<RootLock>(&written.replace("root/1", "root/2")).unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
}

#[test]
fn a_verdict_or_plan_alone_or_in_a_record_is_refused_by_its_own_name() {
    let alone = std::fs::read_to_string("tests/data/verdicts/package.json").unwrap();
    let record = crate::evidence::sample();
    let verdict = record.verdict.clone().unwrap();
    assert_eq!(verdict_of(&alone).unwrap(), read(&alone).unwrap());
    assert_eq!(verdict_of(&record.to_text().unwrap()).unwrap(), verdict);
    assert_eq!(plan_of(&record.to_text().unwrap()).unwrap(), record.plan);
    let without = Record { verdict: None, ..record };
    let error = verdict_of(&without.to_text().unwrap()).unwrap_err();
    assert!(error.hint().unwrap().contains("beside the packages"), "{error}");
    let refused = |error: Error| (error.to_string(), error.hint().unwrap());
    let (said, hint) = refused(verdict_of(&alone.replace("verdict/1", "verdict/2")).unwrap_err());
    assert_eq!(said, "schema `quench.verdict/2`; this quench reads `quench.verdict/1`");
    assert!(hint.contains("a newer quench"), "{hint}");
    let (said, _) = refused(plan_of(r#"{"schema": "quench.plan/2"}"#).unwrap_err());
    assert_eq!(said, "schema `quench.plan/2`; this quench reads `quench.plan/1`");
    let (said, _) = refused(verdict_of(r#"{"schema": "quench.finding/1"}"#).unwrap_err());
    assert!(said.contains("`quench.finding/1`; this quench reads `quench.record/1`"), "{said}");
}
