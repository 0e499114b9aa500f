//! What `quench verify` opens, and that what it does not open, or where nothing is to be judged, never passes silently.

use std::process::Command;

use crate::sandbox::{Ran, Sandbox};
use crate::verify_package::{HARDENED, compile, json};

fn codes(ran: &Ran) -> Vec<String> {
    let value = json(ran);
    let findings = value["inputs"][0]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_input_without_an_elf_file_does_not_pass() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path().join("empty")).unwrap();
    sandbox.write("file", "");
    sandbox.write("text", "text\n");
    sandbox.write("script", "#!/bin/sh\nexit\n");
    sandbox.write("d/doc/text", "text\n");
    let tar = Command::new("tar").args(["-cf", "d.tar", "d"]).current_dir(sandbox.path()).status();
    assert!(tar.unwrap().success());
    for input in ["empty", "file", "text", "script", "d", "d.tar"] {
        for policy in ["distribution", "quench-strict"] {
            let ran = sandbox.quench(&["verify", input, "--policy", policy, "--format", "json"]);
            assert_eq!(
                (ran.code, codes(&ran)),
                (1, vec!["verify::nothing-judged".to_owned()]),
                "{input}"
            );
        }
        let ran = sandbox.quench(&["verify", input, "--allow-empty"]);
        assert_eq!(ran.code, 0, "{input}: {}", ran.stderr);
    }
    // A device is no file: what everybody may write is told, too.
    assert!(
        codes(&sandbox.quench(&["verify", "/dev/null", "--format", "json"]))
            .contains(&"verify::nothing-judged".to_owned())
    );
    // Rules about entries alone ask for no program.
    assert_eq!(sandbox.quench(&["verify", "d", "--only", "files"]).code, 0);
    assert_eq!(sandbox.quench(&["verify", "d", "--only", "pie"]).code, 1);
}

#[test]
fn what_is_not_opened_passes_only_where_that_is_allowed_and_is_named() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/good", HARDENED);
    sandbox.write("d/image", [&b"hsqs"[..], &[0; 200]].concat());
    sandbox.write("d/deep.iso", [vec![0; 32_769], b"CD001".to_vec(), vec![0; 2000]].concat());
    for policy in ["distribution", "debian-13", "fedora", "openssf", "quench-openstack"] {
        let ran = sandbox.quench(&["verify", "d", "--policy", policy]);
        assert_eq!(ran.code, 1, "{policy}");
        assert!(
            ran.stdout.contains("a squashfs image") && ran.stdout.contains("an ISO 9660 image")
        );
    }
    let ran = sandbox.quench(&["verify", "d", "--allow-unopened"]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("passes, 2 archives not opened"), "{}", ran.stdout);
    assert!(ran.stderr.contains("d/deep.iso and 1 others"), "{}", ran.stderr);
    let ran = sandbox.quench(&["verify", "d", "--allow-unopened", "--format", "markdown"]);
    assert!(ran.stdout.contains("passes, 2 archives not opened"), "{}", ran.stdout);
    // It is no way around what was judged, nor around nothing.
    compile(&sandbox, "d/bad", &["-no-pie", "-o"]);
    assert_eq!(sandbox.quench(&["verify", "d", "--allow-unopened"]).code, 1);
    assert_eq!(sandbox.quench(&["verify", "d/image", "--allow-unopened"]).code, 1);
}

/// Deeper than a stack of calls or a path for the kernel could be, and wide where it is deep.
#[test]
fn a_directory_may_be_as_deep_as_a_file_system_lets_it() {
    use rustix::fs::{Mode, OFlags};
    let sandbox = Sandbox::new();
    let program = std::fs::read(compile(&sandbox, "program", &["-no-pie", "-o"])).unwrap();
    std::fs::create_dir(sandbox.path().join("d")).unwrap();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut here = rustix::fs::open(sandbox.path().join("d"), flags, Mode::empty()).unwrap();
    for level in 0..10_000 {
        for name in if level % 100 == 0 { &["a", "b", "c"][..] } else { &["a"] } {
            rustix::fs::mkdirat(&here, *name, Mode::RWXU).unwrap();
        }
        here = rustix::fs::openat(&here, "a", flags, Mode::empty()).unwrap();
    }
    let file = rustix::fs::openat(&here, "x", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
    assert_eq!(rustix::io::write(&file, &program).unwrap(), program.len());
    let ran = sandbox.quench(&["verify", "d", "--format", "json"]);
    let value = json(&ran);
    let objects = value["inputs"][0]["objects"].as_array().unwrap();
    let path = objects[0]["path"].as_str().unwrap();
    assert_eq!((ran.code, objects.len(), path.len()), (1, 1, 20_003), "{}", ran.stderr);
    // The library that removes the sandbox calls itself for each level.
    let status = Command::new("rm").args(["-rf", "d"]).current_dir(sandbox.path()).status();
    assert!(status.unwrap().success());
}

#[test]
fn the_standard_input_is_judged() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "good", HARDENED);
    compile(&sandbox, "bad", &["-no-pie", "-o"]);
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(sandbox.path()).status();
        assert!(status.unwrap().success(), "{program}");
    };
    run("tar", &["-czf", "bad.tar.gz", "bad"]);
    for (file, code) in [("good", 0), ("bad", 1), ("bad.tar.gz", 1)] {
        let input = std::fs::File::open(sandbox.path().join(file)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_quench"))
            .args(["verify", "-", "--format", "json"])
            .current_dir(sandbox.path())
            .stdin(input)
            .output()
            .unwrap();
        let ran = crate::sandbox::ran(&output);
        assert_eq!(ran.code, code, "{file}: {}", ran.stderr);
        assert_eq!(json(&ran)["inputs"][0]["objects"].as_array().unwrap().len(), 1, "{file}");
    }
}

/// Writes a blob and gives its descriptor.
fn blob(sandbox: &Sandbox, kind: &str, bytes: &[u8]) -> serde_json::Value {
    use sha2::Digest as _;
    let digest = hex::encode(sha2::Sha256::digest(bytes));
    sandbox.write(&format!("image/blobs/sha256/{digest}"), bytes);
    let kind = format!("application/vnd.oci.image.{kind}");
    serde_json::json!({ "mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len() })
}

/// An image is what its layers make, as a directory, as a tar of it, and with several platforms.
#[test]
fn layers_of_an_image_are_judged_as_one_file_system() {
    let sandbox = Sandbox::new();
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(sandbox.path()).status();
        assert!(status.unwrap().success(), "{program}");
    };
    compile(&sandbox, "low/usr/bin/tool", &["-no-pie", "-o"]);
    compile(&sandbox, "low/opt/old/bad", &["-no-pie", "-o"]);
    compile(&sandbox, "low/usr/bin/kept", HARDENED);
    compile(&sandbox, "high/usr/bin/tool", HARDENED);
    sandbox.write("high/opt/.wh.old", "");
    sandbox.write("bare/usr/bin/.wh..wh..opq", "");
    compile(&sandbox, "bare/opt/tool", HARDENED);
    let layer = |name: &str, pack: &str| {
        run("tar", &[pack, "layer", "-C", name, "."]);
        let bytes = std::fs::read(sandbox.path().join("layer")).unwrap();
        blob(&sandbox, "layer.v1.tar", &bytes)
    };
    let (low, high, bare) = (layer("low", "-czf"), layer("high", "-cf"), layer("bare", "-czf"));
    let manifest = |layers: &[&serde_json::Value], machine: &str| {
        let config = blob(&sandbox, "config.v1+json", b"{}");
        let text = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": layers })
            .to_string();
        let mut entry = blob(&sandbox, "manifest.v1+json", text.as_bytes());
        entry["platform"] = serde_json::json!({ "os": "linux", "architecture": machine });
        entry
    };
    let index = |manifests: &[serde_json::Value]| {
        sandbox.write("image/oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}");
        let text = serde_json::json!({ "schemaVersion": 2, "manifests": manifests }).to_string();
        sandbox.write("image/index.json", text);
    };
    let verify = |path: &str| {
        let ran = sandbox.quench(&["verify", path, "--format", "json"]);
        let value = json(&ran);
        let paths = value["inputs"].as_array().unwrap().iter().map(|input| {
            let objects = input["objects"].as_array().unwrap().iter();
            let mut paths: Vec<String> =
                objects.map(|object| object["path"].as_str().unwrap().to_owned()).collect();
            paths.sort();
            paths
        });
        (ran.code, paths.collect::<Vec<_>>(), ran.stderr)
    };
    let (one, two) = (manifest(&[&low, &high], "amd64"), manifest(&[&low], "arm64"));
    index(std::slice::from_ref(&one));
    let good = vec!["/usr/bin/kept".to_owned(), "/usr/bin/tool".to_owned()];
    assert_eq!(verify("image").1, std::slice::from_ref(&good));
    assert_eq!(verify("image").0, 0, "{}", verify("image").2);
    run("tar", &["-cf", "image.tar", "-C", "image", "blobs", "index.json", "oci-layout"]);
    run("tar", &["-czf", "image.tar.gz", "-C", "image", "oci-layout", "index.json", "blobs"]);
    for tar in ["image.tar", "image.tar.gz"] {
        assert_eq!((verify(tar).0, verify(tar).1), (0, vec![good.clone()]), "{tar}");
    }
    // Paths are the image's, so a policy's match.
    let policy = "schema = 1\nname = \"p\"\nextends = [\"distribution\"]\n[[path]]\nmatch = [\"/usr/bin/tool\"]\n\
                  because = \"x\"\nrules = { cfi = \"require\" }\n";
    sandbox.write("p.toml", policy);
    let ran = sandbox.quench(&["verify", "image", "--policy", "p.toml"]);
    assert!(ran.code == 1 && ran.stdout.contains("✗ cfi"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("✗ pie"), "{}", ran.stdout);
    index(&[one, two]);
    let (code, paths, _) = verify("image");
    assert_eq!((code, paths.len(), paths[1].len()), (1, 2, 3), "{paths:?}");
    index(&[manifest(&[&low, &bare], "amd64")]);
    assert_eq!(verify("image").1, [["/opt/old/bad", "/opt/tool"]]);
    // docker save's own list.
    let name = |layer: &serde_json::Value| {
        format!("blobs/sha256/{}", layer["digest"].as_str().unwrap().rsplit(':').next().unwrap())
    };
    let list = serde_json::json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": [name(&low), name(&high)] }]);
    sandbox.write("image/manifest.json", list.to_string());
    run("tar", &["-cf", "saved.tar", "-C", "image", "blobs", "manifest.json"]);
    assert_eq!((verify("saved.tar").0, verify("saved.tar").1), (0, vec![good]));
    // Bytes that are not those of their digest, and a layer that is not there.
    let high = sandbox.path().join("image").join(name(&high));
    std::fs::write(&high, std::fs::read(sandbox.path().join("image").join(name(&low))).unwrap())
        .unwrap();
    index(&[manifest(
        &[
            &low,
            &serde_json::json!({ "digest": format!("sha256:{}", high.file_name().unwrap().to_str().unwrap()) }),
        ],
        "amd64",
    )]);
    assert_eq!(verify("image").0, 1);
    std::fs::remove_file(&high).unwrap();
    assert_eq!(sandbox.quench(&["verify", "image"]).code, 2);
}

/// The same archive behind a program, alone and in a directory: both ways are one reader's.
#[test]
fn an_archive_behind_a_program_or_script_is_judged() {
    let sandbox = Sandbox::new();
    let good = compile(&sandbox, "d/good", HARDENED);
    let bad = compile(&sandbox, "bad", &["-no-pie", "-o"]);
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(sandbox.path()).status();
        assert!(status.unwrap().success(), "{program}");
    };
    run("tar", &["-czf", "bad.tar.gz", "bad"]);
    let archive = std::fs::read(sandbox.path().join("bad.tar.gz")).unwrap();
    let good = std::fs::read(good).unwrap();
    sandbox.write("d/self", [good.as_slice(), &archive].concat());
    sandbox.write("d/self.run", [b"#!/bin/sh\nexit\n", archive.as_slice()].concat());
    for (input, path) in [
        ("d/self", "d/self!/bad"),
        ("d/self.run", "d/self.run!/bad"),
        ("d", "d/self!/bad"),
        ("d", "d/self.run!/bad"),
    ] {
        let ran = sandbox.quench(&["verify", input, "--format", "json"]);
        let value = json(&ran);
        let objects = value["inputs"][0]["objects"].as_array().unwrap();
        assert!(
            ran.code == 1 && objects.iter().any(|object| object["path"] == path),
            "{input} {path}"
        );
    }
    drop(bad);
}
