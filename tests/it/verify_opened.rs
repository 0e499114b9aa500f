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
