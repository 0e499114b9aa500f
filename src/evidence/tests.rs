//! Evidence of a sample record against the published schemas, signatures, and bundles with something wrong.

use p256::pkcs8::EncodePrivateKey as _;
use serde_json::Value;

use super::sample::{record, run, steps};
use super::*;
use crate::finding::any_error;
use crate::record::{CompilerCache, Isolated, RootKind, SourceKind, StepRun};

/// Keys of fixed bytes: no private key lies in the tree.
fn pems() -> [String; 2] {
    let ending = p256::pkcs8::LineEnding::LF;
    let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).to_pkcs8_pem(ending).unwrap();
    let p256 = p256::SecretKey::from_slice(&[7; 32]).unwrap().to_pkcs8_pem(ending).unwrap();
    [ed25519.to_string(), p256.to_string()]
}

fn evidence(record: &Record, key: Option<&SigningKey>) -> Vec<File> {
    let digest = |name: &str| NamedDigest { name: name.to_owned(), sha256: parts::sha256(b"x") };
    let inputs = Inputs {
        record,
        package: "qemu-x",
        byproducts: vec![digest("qemu-x.record.json"), digest("qemu-x.verdict.json")],
        builder: WORKSTATION,
        key,
    };
    files(&inputs).unwrap()
}

fn text<'a>(files: &'a [File], ending: &str) -> &'a str {
    &files.iter().find(|file| file.name.ends_with(ending)).unwrap().text
}

fn schema(name: &str) -> Value {
    let text = match name {
        "cyclonedx-bom-1.6" => {
            include_str!("../../tests/data/schemas/cyclonedx-bom-1.6.schema.json")
        }
        "cyclonedx-spdx" => include_str!("../../tests/data/schemas/cyclonedx-spdx.schema.json"),
        "cyclonedx-jsf" => include_str!("../../tests/data/schemas/cyclonedx-jsf-0.82.schema.json"),
        "spdx-3.0.1" => include_str!("../../tests/data/schemas/spdx-3.0.1.schema.json"),
        "spdx-2.3" => include_str!("../../tests/data/schemas/spdx-2.3.schema.json"),
        other => panic!("{other}"),
    };
    serde_json::from_str(text).unwrap()
}

fn valid(schema: &Value, others: &[(&str, Value)], document: &Value) -> Vec<String> {
    let registry = others.iter().fold(jsonschema::Registry::new(), |registry, (uri, schema)| {
        registry.add(*uri, jsonschema::Resource::from_contents(schema.clone())).unwrap()
    });
    let registry = registry.prepare().unwrap();
    let validator = jsonschema::options().with_registry(&registry).build(schema).unwrap();
    validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

#[test]
fn cyclonedx_is_valid_and_a_fault_would_be_seen() {
    let files = evidence(&record(), None);
    let mut document: Value = serde_json::from_str(text(&files, ".cdx.json")).unwrap();
    let others = [
        ("http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json", schema("cyclonedx-spdx")),
        ("http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json", schema("cyclonedx-jsf")),
    ];
    let bom = schema("cyclonedx-bom-1.6");
    assert_eq!(valid(&bom, &others, &document), [""; 0]);
    let purls: Vec<&str> = document["components"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|component| component["purl"].as_str())
        .collect();
    assert!(
        purls.contains(
            &"pkg:deb/debian/libglib2.0-0@2.74.6-2%2Bdeb12u9?arch=amd64&distro=debian-12"
        ),
        "{purls:?}"
    );
    document["components"][0]["type"] = "nonsense".into();
    assert!(!valid(&bom, &others, &document).is_empty());
}

#[test]
fn spdx_is_valid_and_every_relationship_leads_somewhere() {
    let files = evidence(&record(), None);
    let mut document: Value = serde_json::from_str(text(&files, ".spdx.json")).unwrap();
    let spdx = schema("spdx-2.3");
    assert_eq!(valid(&spdx, &[], &document), [""; 0]);
    let mut ids: Vec<&str> = vec!["SPDXRef-DOCUMENT"];
    for list in ["packages", "files"] {
        ids.extend(
            document[list].as_array().unwrap().iter().map(|e| e["SPDXID"].as_str().unwrap()),
        );
    }
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for relationship in document["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(&relationship[end].as_str().unwrap()), "{relationship}");
        }
    }
    document["packages"][0]["filesAnalyzed"] = "no".into();
    assert!(!valid(&spdx, &[], &document).is_empty());
}

#[test]
fn spdx_3_is_valid_says_what_2_3_says_and_every_relationship_leads_somewhere() {
    let files = evidence(&record(), None);
    let mut document: Value = serde_json::from_str(text(&files, ".spdx3.json")).unwrap();
    let schema = schema("spdx-3.0.1");
    assert_eq!(valid(&schema, &[], &document), [""; 0]);
    let graph = document["@graph"].as_array().unwrap();
    let ids: Vec<&str> = graph.iter().filter_map(|element| element["spdxId"].as_str()).collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let mut kinds = std::collections::BTreeSet::new();
    for element in graph.iter().filter(|element| element["relationshipType"].is_string()) {
        kinds.insert(element["relationshipType"].as_str().unwrap());
        assert!(ids.contains(&element["from"].as_str().unwrap()), "{element}");
        assert!(ids.contains(&element["to"][0].as_str().unwrap()), "{element}");
    }
    for kind in [
        "contains",
        "dependsOn",
        "expandsTo",
        "generates",
        "hasDeclaredLicense",
        "hasDynamicLink",
        "patchedBy",
        "usesTool",
    ] {
        assert!(kinds.contains(kind), "no {kind}: {kinds:?}");
    }
    let old: Value = serde_json::from_str(text(&files, ".spdx.json")).unwrap();
    let count = |kind: &str| graph.iter().filter(|element| element["type"] == kind).count();
    assert_eq!(count("software_Package"), old["packages"].as_array().unwrap().len());
    assert_eq!(count("software_File"), old["files"].as_array().unwrap().len());
    for fault in ["nonsense", "relationshipType"] {
        let element = document["@graph"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|element| element["relationshipType"].is_string())
            .unwrap();
        element[fault] = "nonsense".into();
        assert!(!valid(&schema, &[], &document).is_empty(), "{fault}");
    }
}

/// The message type of each predicate in the published protocol buffers.
fn message(predicate: &str) -> &'static str {
    match predicate {
        provenance::PREDICATE => "in_toto_attestation.predicates.provenance.v1.Provenance",
        attributes::PREDICATE => "in_toto_attestation.predicates.scai.v0.AttributeReport",
        test_result::PREDICATE => "in_toto_attestation.predicates.test_result.v0.TestResult",
        other => panic!("{other}"),
    }
}

/// Reads JSON as a message; unknown fields are errors.
fn parses(
    pool: &prost_reflect::DescriptorPool,
    message: &str,
    value: &Value,
) -> Result<(), String> {
    let descriptor = pool.get_message_by_name(message).unwrap();
    let options = prost_reflect::DeserializeOptions::new().deny_unknown_fields(true);
    prost_reflect::DynamicMessage::deserialize_with_options(descriptor, value, &options)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn statements_are_the_published_messages_and_an_unknown_field_would_be_seen() {
    let mut pool = prost_reflect::DescriptorPool::global();
    let set = include_bytes!("../../tests/data/schemas/in-toto-attestation.binpb");
    pool.decode_file_descriptor_set(set.as_slice()).unwrap();
    let files = evidence(&record(), None);
    let mut seen = 0;
    for line in text(&files, ".intoto.jsonl").lines() {
        let envelope: Envelope = serde_json::from_str(line).unwrap();
        let mut value: Value = serde_json::from_slice(&envelope.bytes().unwrap()).unwrap();
        parses(&pool, "in_toto_attestation.v1.Statement", &value).unwrap();
        let kind = message(value["predicateType"].as_str().unwrap());
        parses(&pool, kind, &value["predicate"]).unwrap();
        value["predicate"]["nonsense"] = 1.into();
        parses(&pool, kind, &value["predicate"]).unwrap_err();
        for subject in value["subject"].as_array().unwrap() {
            assert_eq!(subject["digest"]["sha256"].as_str().unwrap().len(), 64);
        }
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn the_same_record_gives_the_same_bytes_and_the_only_time_is_the_source_date() {
    let [a, b] = pems().map(|pem| SigningKey::from_pem(&pem).unwrap());
    for key in [None, Some(a), Some(b)] {
        let (a, b) = (evidence(&record(), key.as_ref()), evidence(&record(), key.as_ref()));
        assert_eq!(a, b);
    }
    let files = evidence(&record(), None);
    assert!(text(&files, ".cdx.json").contains("2026-08-29T17:55:40Z"));
    let mut other = record();
    other.libraries.pop();
    let changed = evidence(&other, None);
    assert_ne!(text(&files, ".spdx.json"), text(&changed, ".spdx.json"));
    let serial = |files: &[File]| {
        text(files, ".cdx.json").lines().find(|l| l.contains("serial")).map(str::to_owned)
    };
    assert_ne!(serial(&files), serial(&changed));
}

fn packages() -> Vec<NamedDigest> {
    record().packages
}

#[test]
fn a_signed_bundle_verifies_and_what_was_changed_does_not() {
    for pem in pems() {
        let key = SigningKey::from_pem(&pem).unwrap();
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        let bundle = text(&evidence(&record(), Some(&key)), ".intoto.jsonl").to_owned();
        let wanted = Wanted { key: Some(&public), ..Wanted::default() };
        let (checked, findings) = check(&bundle, wanted, &packages());
        assert!(checked.authenticated && findings.is_empty(), "{findings:?}");
        assert_eq!((checked.level, checked.tests.as_deref()), (1, Some("WARNED")));
        let names: Vec<&str> = checked.taints.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["open-root", "prebuilt-firmware"]);
        // One byte of a payload.
        let mut envelope: Envelope = serde_json::from_str(bundle.lines().next().unwrap()).unwrap();
        let payload = String::from_utf8(envelope.bytes().unwrap()).unwrap();
        let forged =
            payload.replace("urn:x-quench:builder:workstation", "urn:x-quench:builder:worksta7ion");
        envelope.payload = Envelope::new(forged.as_bytes(), None).payload;
        let rest: Vec<&str> = bundle.lines().skip(1).collect();
        let forged =
            format!("{}\n{}\n", serde_json::to_string(&envelope).unwrap(), rest.join("\n"));
        let (checked, findings) = check(&forged, wanted, &packages());
        assert!(
            !checked.authenticated && findings[0].code.name == "evidence::signature",
            "{findings:?}"
        );
        // Another file.
        let mut other = packages();
        other[0].sha256 = parts::sha256(b"other");
        let (_, findings) = check(&bundle, wanted, &other);
        assert!(findings.iter().all(|finding| finding.code.name == "evidence::subject"));
        assert_eq!(findings.len(), 3, "one for each statement");
        // Another builder.
        let wanted = Wanted { builder: Some("urn:other"), ..wanted };
        assert!(any_error(&check(&bundle, wanted, &packages()).1));
    }
}

#[test]
fn a_signature_by_another_key_an_unsigned_bundle_and_no_key_do_not_pass() {
    let [a, b] = pems().map(|pem| SigningKey::from_pem(&pem).unwrap());
    let signed = text(&evidence(&record(), Some(&a)), ".intoto.jsonl").to_owned();
    let unsigned = text(&evidence(&record(), None), ".intoto.jsonl").to_owned();
    let public = b.public();
    for (bundle, key, unsigned_ok, passes) in [
        (&signed, Some(&public), false, false),
        (&unsigned, Some(&public), false, false),
        (&unsigned, Some(&public), true, false),
        (&signed, None, false, false),
        (&unsigned, None, false, false),
        (&unsigned, None, true, true),
    ] {
        let wanted = Wanted { key, unsigned: unsigned_ok, builder: None };
        let (checked, findings) = check(bundle, wanted, &packages());
        assert_eq!(!any_error(&findings), passes, "{findings:?}");
        assert!(!checked.authenticated);
    }
    assert!(unsigned.contains("\"signatures\":[]"));
}

#[test]
fn hostile_bundles_are_findings() {
    let wanted = Wanted { unsigned: true, ..Wanted::default() };
    let line = r#"{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}"#;
    for text in [
        "",
        "{}",
        "[]\n\n{",
        line,
        &"\n{".repeat(5000),
        r#"{"payload":"!","payloadType":"x","signatures":[]}"#,
    ] {
        assert!(any_error(&check(text, wanted, &packages()).1), "{text:.40}");
    }
}

#[test]
fn a_cached_unsandboxed_build_of_a_local_tree_says_so() {
    let mut record = record();
    record.source.kind = SourceKind::Path;
    record.observed = Some(observed(steps(&StepRun {
        compiler_cache: Some(CompilerCache::Ccache { version: "ccache 4.7".to_owned() }),
        isolation: Isolated::None { why: "bwrap failed".to_owned() },
        ..run()
    })));
    let level = level(&record, false);
    let names: Vec<&str> = level.taints.iter().map(|(name, _)| *name).collect();
    let wanted = [
        "unsigned",
        "open-root",
        "no-sandbox",
        "compiler-cache",
        "local-source",
        "prebuilt-firmware",
    ];
    assert_eq!((level.level, names), (1, wanted.to_vec()));
}

/// A record of the first Quench: words for people, and nothing else, say how the steps ran and who vouches.
#[test]
fn a_record_of_before_keeps_its_bytes_and_its_words_decide_nothing() {
    let mut value = serde_json::to_value(record()).unwrap();
    value["source"].as_object_mut().unwrap().remove("authenticated-by");
    value["source"]["kind"] = "url".into();
    value["source"]["authentication"] =
        "sha256 in the profile; OpenPGP signature by one of X".into();
    value["observed"] = serde_json::json!({
        "compiler-cache": null, "isolation": "bubblewrap 0.8.0: no network", "root": "closed root: 300 packages",
    });
    let old: Record = serde_json::from_value(value).unwrap();
    let text = old.to_text().unwrap();
    assert!(!text.contains("authenticated-by") && !text.contains("\"runs\""), "{text}");
    assert_eq!(Record::from_text(&text).unwrap(), old);
    let level = level(&old, true);
    let names: Vec<&str> = level.taints.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["open-root", "no-sandbox", "unsigned-source", "prebuilt-firmware"]);
    assert!(level.text().contains("no-sandbox: configure, compile, stage, package: unknown"));
    let line = text_of(&evidence(&old, None));
    assert!(line.contains("urn:x-quench:builder:unknown"), "{line}");
    // The same build, recorded by both.
    let mut new = old.clone();
    new.observed = record().observed;
    new.source.authenticated_by = Some(crate::record::AuthenticatedBy::OpenpgpSignature);
    assert_eq!(crate::record::diff(&old, &new), [""; 0]);
}

/// The statement about the build, in clear.
fn text_of(files: &[File]) -> String {
    let line = text(files, ".intoto.jsonl").lines().next().unwrap();
    let envelope: Envelope = serde_json::from_str(line).unwrap();
    String::from_utf8(envelope.bytes().unwrap()).unwrap()
}

/// Two people built one package: nobody who trusts one of them may take it for his work.
#[test]
fn a_build_of_several_builders_names_none_of_them_as_the_builder() {
    let mut record = record();
    let mut steps = steps(&run());
    steps[3].runs[0].builder = "urn:trusted".to_owned();
    record.observed = Some(observed(steps));
    let key = SigningKey::from_pem(&pems()[0]).unwrap();
    let public = key.public();
    let files = evidence(&record, Some(&key));
    let bundle = text(&files, ".intoto.jsonl");
    let wanted = Wanted { key: Some(&public), builder: Some("urn:trusted"), ..Wanted::default() };
    let (checked, findings) = check(bundle, wanted, &packages());
    assert_eq!(checked.builder, "urn:x-quench:builder:several");
    assert!(any_error(&findings));
    let names = format!("configure, compile, stage: {WORKSTATION}; package: urn:trusted");
    assert!(checked.taints.contains(&("several-builders".to_owned(), names)), "{checked:?}");
}

#[test]
fn a_closed_root_is_no_taint_and_each_of_its_packages_is_a_dependency_with_a_digest() {
    let mut record = record();
    record.root = Some(crate::record::RootLock {
        schema: crate::wire::Tag::default(),
        suite: "bookworm".to_owned(),
        architecture: "amd64".to_owned(),
        wanted: vec!["gcc".to_owned()],
        packages: vec![crate::record::RootPackage {
            name: "gcc-12".to_owned(),
            version: "12.2.0-14".to_owned(),
            architecture: "amd64".to_owned(),
            sha256: parts::sha256(b"gcc"),
        }],
    });
    record.observed = Some(observed(steps(&StepRun {
        root: RootKind::Closed {
            lock: parts::sha256(b"lock"),
            mmdebstrap: "mmdebstrap 1.3.5".to_owned(),
            mode: "root".to_owned(),
            packages: 1,
            suite: "bookworm".to_owned(),
            tree: parts::sha256(b"tree"),
        },
        ..run()
    })));
    let level = level(&record, true);
    assert!(level.taints.iter().all(|(name, _)| *name != "open-root"), "{:?}", level.taints);
    let files = evidence(&record, None);
    let line = text(&files, ".intoto.jsonl").lines().next().unwrap();
    let envelope: Envelope = serde_json::from_str(line).unwrap();
    let statement: Value = serde_json::from_slice(&envelope.bytes().unwrap()).unwrap();
    let all = &statement["predicate"]["buildDefinition"]["resolvedDependencies"];
    let found = all
        .as_array()
        .unwrap()
        .iter()
        .find(|dependency| dependency["digest"]["sha256"] == parts::sha256(b"gcc").as_str());
    let uri = found.expect("the package")["uri"].as_str().unwrap();
    assert!(uri.starts_with("pkg:deb/debian/gcc-12@12.2.0-14"), "{uri}");
    assert!(!all.to_string().contains("libc6-dev"), "the host has no say");
}
