//! Evidence at the program level: the record's schema, provenance checked by the built program with openssl's keys,
//! `reproduce` on packages that were rebuilt elsewhere.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use quench::wire::Plan;
use quench::wire::plan::Source;

use crate::sandbox::Sandbox;

/// What is wrong with a record by the published schema.
pub(crate) fn faults(record: &Value) -> Vec<String> {
    let text = std::fs::read_to_string("schemas/record.schema.json").unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors = validator.iter_errors(record);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A record of one package, by the schema's smallest demands.
fn record(package: &str, sha256: &str) -> Value {
    let zero = "0".repeat(64);
    let plan = Plan {
        name: "x".to_owned(),
        target: "x86_64-softmmu".to_owned(),
        hardening: "strict".to_owned(),
        source: Source {
            version: "10.0.13".to_owned(),
            tree: zero.clone(),
            date: 1,
            ..Source::default()
        },
        ..Plan::default()
    };
    json!({
        "schema": "quench.record/1",
        "quench": "0.1.0",
        "name": "x",
        "profile": [{ "file": "x.toml", "text": "schema = 1\n" }],
        "plan": plan,
        "source": { "kind": "apt", "package": "qemu", "suite": "trixie", "authentication": "" },
        "patches": [],
        "host": { "distribution": "none", "version": "0", "architecture": "x86_64" },
        "tools": [{ "name": "no-such-tool", "version": "1", "sha256": zero }],
        "build-dependencies": [{ "name": "no-such-package", "version": "1", "architecture": "all" }],
        "libraries": [],
        "config-host": [],
        "files": [{ "path": "/usr/share/doc/qemu-x/copyright", "mode": "0644", "size": 1, "sha256": zero }],
        "surface": {
            "version": "10.0.13", "devices": [], "machines": [], "objects": [], "netdevs": [], "chardevs": [],
            "block-formats": [], "accelerators": [], "displays": [], "audio": [], "qmp-commands": 1,
        },
        "packages": [{ "name": package, "sha256": sha256 }],
    })
}

#[test]
fn the_schema_takes_a_record_and_refuses_one_with_a_fault() {
    let good = record("x.deb", &"1".repeat(64));
    assert_eq!(faults(&good), [""; 0]);
    for (pointer, value) in [
        ("/schema", json!("quench.record/2")),
        ("/files/0/sha256", json!("short")),
        ("/tools", json!([])),
        ("/source/kind", json!("magic")),
        ("/host", json!({})),
        ("/profile/0/file", json!("/home/somebody/x.toml")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!faults(&bad).is_empty(), "{pointer}");
    }
    let mut unknown = good.clone();
    unknown["unknown"] = json!(1);
    assert!(!faults(&unknown).is_empty());
}

#[test]
fn a_record_whose_plan_is_empty_or_of_another_version_is_refused_by_name_with_a_way_out() {
    let sandbox = Sandbox::new();
    for (plan, said, hint) in [
        (json!({}), "the record's plan is empty", "the record that `build` wrote"),
        (json!({ "schema": "quench.plan/2" }), "schema `quench.plan/2`", "a newer quench"),
    ] {
        let mut record = record("x.deb", &"1".repeat(64));
        record["plan"] = plan;
        sandbox.write("x.record.json", record.to_string());
        sandbox.write("x.tar", "");
        for words in [
            vec!["reproduce", "x.record.json", "--rebuilt", "."],
            vec!["record", "show", "x.record.json"],
            vec!["verify", "x.tar", "--record", "x.record.json"],
            vec!["verify", "x.tar", "--plan", "x.record.json"],
        ] {
            let ran = sandbox.quench(&words);
            assert_eq!(ran.code, 2, "{words:?} {}", ran.stderr);
            for part in ["x.record.json", said, hint] {
                assert!(ran.stderr.contains(part), "{words:?}: no `{part}` in {}", ran.stderr);
            }
        }
    }
}

/// It would name the policy, the files and their digests: what is judged without it is judged by less.
#[test]
fn a_record_inside_that_cannot_be_read_does_not_pass() {
    let sandbox = Sandbox::new();
    let mut record = record("x.tar", &"1".repeat(64));
    let inside = "usr/share/doc/qemu-x/quench-record.json";
    let verify = |record: &Value| {
        sandbox.write(inside, record.to_string());
        let tar = ["tar", "-cf", "x.tar", "usr"];
        let status = Command::new(tar[0]).args(&tar[1..]).current_dir(sandbox.path()).status();
        assert!(status.unwrap().success());
        sandbox.quench(&["verify", "x.tar"])
    };
    let ran = verify(&record);
    assert!(!ran.stderr.contains("verify::record"), "{} {}", ran.code, ran.stderr);
    record["plan"] = json!({});
    let ran = verify(&record);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for part in ["verify::record", "the record inside x.tar: the record's plan is empty"] {
        assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
    }
}

/// A `.deb`-like ar archive around one text.
fn package(sandbox: &Sandbox, name: &str, text: &str) -> Vec<u8> {
    archive(sandbox, name, &[("debian-binary", "2.0\n"), ("note", text)])
}

fn archive(sandbox: &Sandbox, name: &str, members: &[(&str, &str)]) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (member, bytes) in members {
        let header =
            format!("{member:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", bytes.len());
        out.extend(header.bytes());
        out.extend(bytes.bytes());
        if bytes.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    sandbox.write(name, &out);
    out
}

#[test]
fn reproduce_says_identical_or_what_differs_and_why_and_what_the_host_lacks() {
    let sandbox = Sandbox::new();
    let original = package(&sandbox, "x.deb", "built on Nov 21 2026\n");
    package(&sandbox, "same/x.deb", "built on Nov 21 2026\n");
    package(&sandbox, "other/x.deb", "built on Nov 22 2026\n");
    std::fs::create_dir_all(sandbox.path().join("none")).unwrap();
    sandbox.write("x.record.json", record("x.deb", &sha256(&original)).to_string());
    let ran = sandbox.quench(&["reproduce", "x.record.json", "x.deb", "--rebuilt", "same"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("identical"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("no-such-tool") && ran.stderr.contains("no-such-package"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("mmdebstrap"), "{}", ran.stderr);
    let ran = sandbox.quench(&["reproduce", "x.record.json", "x.deb", "--rebuilt", "other"]);
    assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
    for wanted in
        ["DIFFERENT x.deb", "x.deb > note", "+ built on Nov 22 2026", "likely cause: date"]
    {
        assert!(ran.stdout.contains(wanted), "no `{wanted}` in\n{}", ran.stdout);
    }
    // By the record's digest alone.
    let ran = sandbox.quench(&["reproduce", "x.record.json", "--rebuilt", "other"]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let ran = sandbox.quench(&["reproduce", "x.record.json", "--rebuilt", "none"]);
    assert!(ran.code == 1 && ran.stdout.contains("made no such package"), "{}", ran.stdout);
    let ran = sandbox.quench(&["reproduce", "x.record.json", "--vary", "moon"]);
    assert!(ran.code == 2 && ran.stderr.contains("time-zone"), "{}", ran.stderr);
}

#[test]
fn a_record_that_names_files_elsewhere_is_refused() {
    let sandbox = Sandbox::new();
    let mut record = record("x.deb", &"1".repeat(64));
    record["profile"][0]["file"] = json!("../../escaped.toml");
    sandbox.write("x.record.json", record.to_string());
    let ran = sandbox.quench(&["reproduce", "x.record.json", "--offline"]);
    assert!(ran.code != 0 && ran.code != 101, "{} {}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("escaped.toml"), "{}", ran.stderr);
    assert!(!sandbox.path().join("work/escaped.toml").exists());
}

fn openssl(directory: &Path, arguments: &[&str]) -> bool {
    let ran = Command::new("openssl").args(arguments).current_dir(directory).output();
    if ran.is_err() {
        println!("skipped: no openssl");
    }
    ran.is_ok_and(|output| output.status.success())
}

/// Keys of openssl, and a bundle signed with openssl itself: the format is everybody's, not ours alone.
#[test]
fn provenance_signed_by_openssl_verifies_offline_and_another_key_does_not() {
    let sandbox = Sandbox::new();
    let at = sandbox.path();
    let ec =
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.pem"];
    if !openssl(at, &ec) {
        return;
    }
    assert!(openssl(at, &["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]));
    assert!(openssl(at, &["genpkey", "-algorithm", "ed25519", "-out", "other.pem"]));
    assert!(openssl(at, &["pkey", "-in", "other.pem", "-pubout", "-out", "other-public.pem"]));
    let file = archive(&sandbox, "x.ar", &[("note", "something")]);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "x.ar", "digest": { "sha256": sha256(&file) } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": { "buildType": "urn:x-quench:build:1", "externalParameters": {} },
            "runDetails": { "builder": { "id": "urn:somebody" } },
        },
    })
    .to_string();
    let kind = "application/vnd.in-toto+json";
    sandbox
        .write("message", format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()));
    assert!(openssl(at, &["dgst", "-sha256", "-sign", "key.pem", "-out", "signature", "message"]));
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let signature = std::fs::read(at.join("signature")).unwrap();
    let envelope = json!({
        "payload": encode(statement.as_bytes()),
        "payloadType": kind,
        "signatures": [{ "keyid": "", "sig": encode(&signature) }],
    });
    sandbox.write("x.intoto.jsonl", format!("{envelope}\n"));
    let verify = |key: &[&str]| {
        let words =
            [&["verify", "x.ar", "--allow-empty", "--provenance", "x.intoto.jsonl"], key].concat();
        sandbox.quench(&words)
    };
    let ran = verify(&["--provenance-key", "public.pem", "--builder", "urn:somebody"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("signed by the given key"), "{}", ran.stdout);
    for (words, code) in [
        (vec!["--provenance-key", "other-public.pem"], "evidence::signature"),
        (vec![], "evidence::unauthenticated"),
        (vec!["--provenance-key", "public.pem", "--builder", "urn:else"], "evidence::builder"),
    ] {
        let ran = verify(&words);
        assert!(
            ran.code == 1 && ran.stderr.contains(code),
            "{words:?}: {} {}",
            ran.code,
            ran.stderr
        );
    }
    assert_eq!(verify(&["--unsigned"]).code, 0);
    archive(&sandbox, "x.ar", &[("note", "something else")]);
    let ran = verify(&["--provenance-key", "public.pem"]);
    assert!(ran.code == 1 && ran.stderr.contains("evidence::subject"), "{}", ran.stderr);
}
