//! The verifier's policies and inputs, on programs and packages made here.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::random::Random;
use crate::sandbox::{Ran, Sandbox};

pub(crate) const HARDENED: &[&str] = &[
    "-O2",
    "-fPIE",
    "-pie",
    "-fstack-protector-strong",
    "-fstack-clash-protection",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code",
    "-o",
];

/// The same with lazy binding: the GOT stays writable.
pub(crate) const LAZY: &[&str] = &[
    "-O2",
    "-fPIE",
    "-pie",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,lazy,-z,noexecstack,-z,separate-code",
    "-o",
];

pub(crate) fn compile(sandbox: &Sandbox, name: &str, flags: &[&str]) -> PathBuf {
    let text = "#include <stdio.h>\n#include <string.h>\nint main(int c, char **v)\n{\n    char b[64];\n    strcpy(b, \
                v[0]);\n    puts(b);\n    return c;\n}\n";
    let source = sandbox.write("p.c", text);
    let out = sandbox.path().join(name);
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    let status = Command::new("gcc").args(flags).arg(&out).arg(source).status().unwrap();
    assert!(status.success());
    out
}

pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A `.deb` of what stands below `root` in the sandbox, made by dpkg-deb.
fn deb(sandbox: &Sandbox, root: &str, name: &str) -> PathBuf {
    let control = "Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@localhost>\nDescription: x\n";
    sandbox.write(&format!("{root}/DEBIAN/control"), control);
    for script in ["postinst", "preinst"] {
        let path = sandbox.path().join(root).join("DEBIAN").join(script);
        if path.exists() {
            mode(&path, 0o755);
        }
    }
    let out = sandbox.path().join(name);
    let status = Command::new("dpkg-deb")
        .args(["--root-owner-group", "--build"])
        .arg(sandbox.path().join(root))
        .arg(&out)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    out
}

/// An `.rpm` of one program with capabilities and one set-uid program of two names, made by rpmbuild.
fn rpm(sandbox: &Sandbox, program: &Path) -> PathBuf {
    let spec = format!(
        "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%description\nx\n%install\nmkdir -p \
         %{{buildroot}}/usr/bin\ncp {0} %{{buildroot}}/usr/bin/capable\ncp {0} %{{buildroot}}/usr/bin/setuid\nln -s \
         capable %{{buildroot}}/usr/bin/link\nln %{{buildroot}}/usr/bin/setuid %{{buildroot}}/usr/bin/again\n%files\n%caps(cap_net_raw=ep) /usr/bin/capable\n%attr(4755,root,root) \
         /usr/bin/setuid\n%attr(4755,root,root) /usr/bin/again\n/usr/bin/link\n",
        program.display()
    );
    let spec = sandbox.write("x.spec", spec);
    let top = sandbox.path().join("rpmbuild");
    let output = Command::new("rpmbuild")
        .arg("-bb")
        .arg("--define")
        .arg(format!("_topdir {}", top.display()))
        .args(["--define", "debug_package %{nil}", "--define", "__os_install_post %{nil}"])
        .args(["--define", "_build_id_links none"])
        .arg("--nodeps")
        .arg(spec)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let machine = std::fs::read_dir(top.join("RPMS")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(machine).unwrap().next().unwrap().unwrap().path()
}

/// What rpm itself says was signed.
#[test]
fn digests_of_an_rpm_s_parts_are_those_it_names() {
    let sandbox = Sandbox::new();
    let program = compile(&sandbox, "root/usr/bin/x", HARDENED);
    let path = rpm(&sandbox, &program);
    let output = Command::new("rpm")
        .args(["-qp", "--qf", "%{SHA256HEADER} %{PAYLOADDIGEST} %{PAYLOADDIGESTALT}"])
        .arg(&path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    match quench::verify::payload::of(&mut bytes.as_slice()).unwrap() {
        quench::verify::payload::Payload::Rpm { header, payload, unpacked } => {
            assert_eq!(format!("{header} {payload} {}", unpacked.unwrap()), said);
        }
        deb @ quench::verify::payload::Payload::Deb { .. } => panic!("{deb:?}"),
    }
    // Offsets that lead out of the header.
    for at in (96..bytes.len().min(9000)).step_by(4) {
        let mut hostile = bytes.clone();
        hostile[at..at + 4].fill(0xff);
        let _ = quench::verify::payload::of(&mut hostile.as_slice());
    }
}

pub(crate) fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

/// (path, rule, verdict, outcome) of every verdict.
pub(crate) fn verdicts(value: &Value) -> Vec<(String, String, String, String)> {
    let mut out = Vec::new();
    for input in value["inputs"].as_array().unwrap() {
        for key in ["objects", "files"] {
            for object in input[key].as_array().unwrap() {
                for rule in object["rules"].as_array().unwrap() {
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    out.push((
                        text(&object["path"]),
                        text(&rule["rule"]),
                        text(&rule["verdict"]),
                        text(&rule["outcome"]),
                    ));
                }
            }
        }
    }
    out
}

#[track_caller]
fn has(value: &Value, path: &str, rule: &str, verdict: &str, outcome: &str) {
    let all = verdicts(value);
    let found = all.iter().find(|(p, r, ..)| p == path && r == rule);
    let found = found.unwrap_or_else(|| panic!("no {rule} of {path}: {all:?}"));
    assert_eq!((found.2.as_str(), found.3.as_str()), (verdict, outcome), "{path} {rule}");
}

fn codes(value: &Value) -> Vec<String> {
    let of = |value: &Value| -> Vec<String> {
        let list = value.as_array().unwrap();
        list.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    let inputs =
        value["inputs"].as_array().unwrap().iter().flat_map(|input| of(&input["findings"]));
    inputs.chain(of(&value["findings"])).collect()
}

/// A policy of our own on top of `distribution`, without the rules that count functions: the programs here have three.
pub(crate) fn policy(sandbox: &Sandbox, text: &str) -> String {
    let base = "schema = 1\nname = \"base\"\nextends = [\"distribution\"]\n[rules]\nstack-protector = \"report\"\n";
    sandbox.write("base.toml", base);
    let head = "schema = 1\nname = \"own\"\nextends = [\"base.toml\"]\n";
    let path = sandbox.write("own.toml", format!("{head}{text}"));
    path.display().to_string()
}

pub(crate) const WAIVER: &str = "[[waiver]]\nrule = \"bind-now\"\npath = \"**/lazy\"\nreason = \"a plugin host\"\nexpires = \
                      2027-06-30\n[[waiver]]\nrule = \"relro\"\npath = \"**/lazy\"\nreason = \"a plugin host\"\nexpires = \
                      2027-06-30\n";

#[test]
fn a_waiver_holds_until_its_day_and_not_beyond() {
    let sandbox = Sandbox::new();
    let file = compile(&sandbox, "lazy", LAZY);
    let file = file.to_str().unwrap();
    let own = policy(&sandbox, WAIVER);
    let at = |date: &str| {
        sandbox.quench(&["verify", file, "--policy", &own, "--date", date, "--format", "json"])
    };
    let ran = at("2027-06-30");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    has(&json(&ran), file, "bind-now", "fails", "waived");
    let ran = at("2027-07-01");
    assert_eq!(ran.code, 1);
    has(&json(&ran), file, "bind-now", "fails", "objects");
    assert!(codes(&json(&ran)).contains(&"policy::waiver-expired".to_owned()), "{}", ran.stdout);
    assert!(ran.stderr.contains("own.toml:4:1"), "{}", ran.stderr);
}

#[test]
fn the_day_of_judgement_comes_from_source_date_epoch() {
    let sandbox = Sandbox::new();
    let file = compile(&sandbox, "lazy", LAZY);
    let own = policy(&sandbox, WAIVER);
    for (epoch, code) in [("1800000000", 0), ("1830000000", 1), ("soon", 2)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quench"));
        let ran = command
            .args(["verify", "--policy", &own])
            .arg(&file)
            .env("SOURCE_DATE_EPOCH", epoch)
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{epoch}");
    }
}

#[test]
fn a_waiver_that_waives_nothing_is_an_error() {
    let sandbox = Sandbox::new();
    let good = compile(&sandbox, "bin/lazy", HARDENED);
    let good = good.to_str().unwrap();
    let own = policy(&sandbox, WAIVER);
    let verify = |file: &str, own: &str| {
        sandbox.quench(&[
            "verify",
            file,
            "--policy",
            own,
            "--date",
            "2027-01-01",
            "--format",
            "json",
        ])
    };
    let ran = verify(good, &own);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_eq!(codes(&json(&ran)), ["policy::waiver-stale", "policy::waiver-stale"]);
    let other = compile(&sandbox, "bin/other", HARDENED);
    let ran = verify(other.to_str().unwrap(), &own);
    assert_eq!(codes(&json(&ran)), ["policy::waiver-unused", "policy::waiver-unused"]);
    // Bound to another package, it says nothing about this one.
    let bound = WAIVER.replace("reason", "input = \"lazy_*.deb\"\nreason");
    let own = policy(&sandbox, &bound);
    let ran = verify(other.to_str().unwrap(), &own);
    assert_eq!((ran.code, codes(&json(&ran))), (0, vec![]));
}

#[test]
fn a_policy_with_faults_judges_nothing_and_points_at_each() {
    let sandbox = Sandbox::new();
    let file = compile(&sandbox, "x", HARDENED);
    let own = policy(&sandbox, "[rules]\nrelr = \"require\"\npie = \"always\"\n[wavier]\n");
    let ran = sandbox.quench(&["verify", file.to_str().unwrap(), "--policy", &own]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    for wanted in
        ["own.toml:5:1", "did you mean `relro`?", "own.toml:6:7", "own.toml:7:2", "waiver"]
    {
        assert!(ran.stderr.contains(wanted), "{wanted}: {}", ran.stderr);
    }
    let ran = sandbox.quench(&["verify", file.to_str().unwrap(), "--policy", "debian-1"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `debian-1"), "{}", ran.stderr);
}

#[test]
fn rules_by_path_apply_below_a_staging_directory_too() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "staging/usr/lib/plugins/lazy", LAZY);
    compile(&sandbox, "staging/usr/bin/lazy", LAZY);
    let own = policy(
        &sandbox,
        "[[path]]\nmatch = \"/usr/lib/plugins/**\"\nbecause = \"loaded by hand\"\nrules = { bind-now = \"warn\", relro = \
         \"report\" }\n",
    );
    let ran = sandbox.quench(&["verify", "staging", "--policy", &own, "--format", "json"]);
    let value = json(&ran);
    has(&value, "staging/usr/lib/plugins/lazy", "bind-now", "fails", "warns");
    has(&value, "staging/usr/bin/lazy", "bind-now", "fails", "objects");
}

/// `[allow]` takes the place of an objection for the directories it names, and for no others.
#[test]
fn a_policy_allows_directories_of_rpath_and_loaders() {
    let sandbox = Sandbox::new();
    let with = |name: &str, more: &str| {
        compile(&sandbox, name, &[&HARDENED[..7], &[more], &HARDENED[7..]].concat())
    };
    let own = "schema = 1\nname = \"p\"\nextends = [\"distribution\"]\n[allow]\nrpath = [\"/store\"]\n\
               interpreter = [\"/store/*/lib/ld-*.so.*\"]\n";
    let own = sandbox.write("mine.toml", own).display().to_string();
    with("upwards", "-Wl,-rpath,/store/../store/lib:/tmp");
    with("store", "-Wl,-rpath,/tmp/store/lib");
    with("tmp", "-Wl,-rpath,/tmp/x");
    let judge =
        |file: &str, policy: &str| sandbox.quench(&["verify", file, "--policy", policy]).code;
    let allow = |directory: &str| {
        policy(
            &sandbox,
            &format!("[allow]\nrpath = [\"{directory}\"]\n[rules]\nrpath = \"require\"\n"),
        )
    };
    assert_eq!(judge("store", "distribution"), 1);
    assert_eq!(judge("store", &allow("/tmp/store")), 0);
    assert_eq!(judge("tmp", &allow("/tmp/store")), 1);
    assert_eq!(judge("upwards", &own), 1);
    with("loader", "-Wl,--dynamic-linker,/store/abc/lib/ld-linux-x86-64.so.2");
    with("elsewhere", "-Wl,--dynamic-linker,/tmp/lib/ld-linux-x86-64.so.2");
    assert_eq!((judge("loader", "distribution"), judge("loader", &own)), (1, 0));
    assert_eq!(judge("elsewhere", &own), 1);
    // Only whole paths can be allowed.
    assert_eq!(judge("store", &allow("tmp")), 2);
    assert_eq!(judge("store", &allow("/")), 2);
}

/// What cannot be told fails, unless the policy says otherwise.
#[test]
fn what_cannot_be_told_does_not_pass() {
    let sandbox = Sandbox::new();
    let whole = std::fs::read(compile(&sandbox, "whole", HARDENED)).unwrap();
    sandbox.write("d/cut", &whole[..40]);
    let ran = sandbox.quench(&["verify", "d", "--format", "json"]);
    assert_eq!(ran.code, 1);
    has(&json(&ran), "d/cut", "readable", "cannot-tell", "objects");
    let own = policy(&sandbox, "[rules]\nreadable = { cannot-tell = \"warn\" }\n");
    let ran = sandbox.quench(&["verify", "d", "--format", "json", "--policy", &own]);
    assert_eq!(ran.code, 0);
    has(&json(&ran), "d/cut", "readable", "cannot-tell", "warns");
}

#[test]
fn privileged_files_have_to_hold_more() {
    let sandbox = Sandbox::new();
    let program = compile(&sandbox, "root/usr/bin/plain", LAZY);
    for (name, bits) in [("setuid", 0o4755), ("scripted", 0o755), ("writable", 0o757)] {
        let path = sandbox.path().join("root/usr/bin").join(name);
        std::fs::copy(&program, &path).unwrap();
        mode(&path, bits);
    }
    sandbox.write(
        "root/DEBIAN/postinst",
        "#!/bin/sh\nset -e\nsetcap cap_net_raw+ep /usr/bin/scripted\n",
    );
    let package = deb(&sandbox, "root", "x.deb");
    let ran = sandbox.quench(&[
        "verify",
        package.to_str().unwrap(),
        "--policy",
        "debian-12",
        "--format",
        "json",
    ]);
    let value = json(&ran);
    has(&value, "/usr/bin/plain", "bind-now", "fails", "warns");
    has(&value, "/usr/bin/setuid", "bind-now", "fails", "objects");
    has(&value, "/usr/bin/setuid", "set-id", "fails", "warns");
    has(&value, "/usr/bin/scripted", "bind-now", "fails", "objects");
    has(&value, "/usr/bin/writable", "world-writable", "fails", "objects");
    assert!(codes(&value).contains(&"verify::script-privilege".to_owned()), "{}", ran.stdout);
}

#[test]
fn capabilities_and_set_uid_bits_of_an_rpm_are_those_of_its_header() {
    let sandbox = Sandbox::new();
    let program = compile(&sandbox, "p", LAZY);
    let package = rpm(&sandbox, &program);
    let ran = sandbox.quench(&["verify", package.to_str().unwrap(), "--format", "json"]);
    let value = json(&ran);
    has(&value, "/usr/bin/capable", "capabilities", "fails", "warns");
    // One file of two names: each is told, though the payload has its contents once.
    has(&value, "/usr/bin/setuid", "set-id", "fails", "warns");
    has(&value, "/usr/bin/again", "set-id", "fails", "warns");
    let privileged: Vec<bool> = value["inputs"][0]["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["privileged"].as_bool().unwrap())
        .collect();
    assert_eq!(privileged, [true, true, true]);
    assert_eq!(value["inputs"][0]["others"], 1);
}

#[test]
fn archives_within_a_directory_are_entered_and_links_are_not_followed() {
    let sandbox = Sandbox::new();
    let program = compile(&sandbox, "d/bin/x", LAZY);
    let directory = sandbox.path().join("d");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(&directory).status();
        assert!(status.unwrap().success(), "{program}");
    };
    run("tar", &["-cJf", "nested.tar.xz", "bin/x"]);
    run("ar", &["rc", "lib.a", "bin/x"]);
    symlink(&program, directory.join("link")).unwrap();
    symlink("..", directory.join("loop")).unwrap();
    let ran = sandbox.quench(&["verify", "d", "--format", "json"]);
    let value = json(&ran);
    let mut paths: Vec<&str> = value["inputs"][0]["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["path"].as_str().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["d/bin/x", "d/lib.a!x", "d/nested.tar.xz!/bin/x"]);
}

#[test]
fn what_an_older_version_had_must_not_be_lost() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "old/usr/bin/x", HARDENED);
    compile(&sandbox, "new/usr/bin/x", LAZY);
    let (old, new) = (deb(&sandbox, "old", "x_1.deb"), deb(&sandbox, "new", "x_2.deb"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    // The policy demands neither: the loss is the fault.
    let own = sandbox.write("own.toml", "schema = 1\nname = \"own\"\n[rules]\npie = \"require\"\n");
    let own = own.to_str().unwrap();
    let against = |file: &str, past: &str| {
        sandbox.quench(&["verify", file, "--policy", own, "--against", past, "--format", "json"])
    };
    let lost = |ran: &Ran| -> Vec<String> {
        let value = json(ran);
        let findings = value["findings"].as_array().unwrap().clone();
        findings.iter().map(|finding| finding["message"].as_str().unwrap().to_owned()).collect()
    };
    let ran = against(new, old);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    let messages = lost(&ran);
    assert!(
        messages.iter().any(|text| text.starts_with("/usr/bin/x: bind-now lost")),
        "{messages:?}"
    );
    assert!(messages.iter().any(|text| text.starts_with("/usr/bin/x: relro")), "{messages:?}");
    assert_eq!(against(old, old).code, 0);
    assert_eq!(against(old, new).code, 0, "what was gained is no fault");
    // By the verdict of the older one, which need not be there any more.
    let ran = sandbox.quench(&["verify", old, "--policy", own, "--format", "json"]);
    sandbox.write("old.json", &ran.stdout);
    assert_eq!(
        lost(&against(new, "old.json")),
        messages.iter().map(|text| text.replace(old, "old.json")).collect::<Vec<_>>()
    );
    // Nothing in common is no pass.
    compile(&sandbox, "third/usr/bin/y", HARDENED);
    compile(&sandbox, "third/usr/bin/z", HARDENED);
    let third = deb(&sandbox, "third", "z.deb");
    assert_eq!(against(third.to_str().unwrap(), old).code, 1);
    let ran = against(new, "own.toml");
    assert!(ran.code != 0, "{}", ran.stdout);
}

/// Peers that say what the real ones print; the real ones run in the slow test.
#[test]
fn differences_with_other_checkers_are_explained() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/lazy", LAZY);
    compile(&sandbox, "d/good", HARDENED);
    let installed: Vec<&str> = ["checksec", "hardening-check", "scanelf"]
        .into_iter()
        .filter(|peer| Command::new("which").arg(peer).output().unwrap().status.success())
        .collect();
    if installed.is_empty() {
        println!("skipped: no other checker is installed");
        return;
    }
    let ran =
        sandbox.quench(&["verify", "d", "--policy", "debian-12", "--compare", "--format", "json"]);
    let value = json(&ran);
    let comparisons = value["comparisons"].as_array().unwrap();
    let names: Vec<&str> = comparisons.iter().map(|peer| peer["peer"].as_str().unwrap()).collect();
    for peer in &installed {
        assert!(names.contains(peer), "{peer} is installed and was not asked: {names:?}");
    }
    for comparison in comparisons {
        assert_eq!(comparison["files"], 2, "{comparison}");
        assert!(comparison["answers"].as_u64().unwrap() >= 8, "{comparison}");
        for difference in comparison["differences"].as_array().unwrap() {
            assert!(difference["because"].is_string(), "{difference}");
        }
    }
    if installed.contains(&"hardening-check") {
        let found = comparisons.iter().find(|peer| peer["peer"] == "hardening-check").unwrap();
        let differences = found["differences"].as_array().unwrap();
        assert!(differences.iter().any(|one| one["rule"] == "relro"), "{differences:?}");
    }
}

/// The program is stripped; what its units say comes from the package of debug files beside it.
#[test]
fn a_debug_package_is_found_by_build_id() {
    let sandbox = Sandbox::new();
    let flags = [&["-g", "-Wl,--build-id"], HARDENED].concat();
    let program = compile(&sandbox, "bin/usr/bin/x", &flags);
    let debug = sandbox.path().join("debug/usr/lib/debug/x.debug");
    std::fs::create_dir_all(debug.parent().unwrap()).unwrap();
    let run = |arguments: &[&str]| {
        assert!(Command::new("objcopy").args(arguments).status().unwrap().success());
    };
    let (program, debug) = (program.to_str().unwrap(), debug.to_str().unwrap());
    run(&["--only-keep-debug", program, debug]);
    run(&["--strip-all", program]);
    let (package, symbols) =
        (deb(&sandbox, "bin", "x.deb"), deb(&sandbox, "debug", "x-dbgsym.deb"));
    let (package, symbols) = (package.to_str().unwrap(), symbols.to_str().unwrap());
    let verify = |more: &[&str]| {
        let arguments = [&["verify", package, "--format", "json"], more].concat();
        json(&sandbox.quench(&arguments))
    };
    has(&verify(&[]), "/usr/bin/x", "evidence", "not-applicable", "fine");
    has(&verify(&["--debug", symbols]), "/usr/bin/x", "evidence", "holds", "fine");
    has(&verify(&["--debug", "debug"]), "/usr/bin/x", "evidence", "holds", "fine");
}

/// Bytes changed anywhere in a package: an answer, never a panic or a hang.
#[test]
fn no_mutation_of_a_package_makes_the_reader_panic() {
    let sandbox = Sandbox::new();
    let program = compile(&sandbox, "root/usr/bin/x", HARDENED);
    let rpm = std::fs::read(rpm(&sandbox, &program)).unwrap();
    let deb = std::fs::read(deb(&sandbox, "root", "x.deb")).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all("root", sandbox.path().join("root")).unwrap();
    let tar = tar.into_inner().unwrap();
    let mut random = Random::new(7);
    let start = std::time::Instant::now();
    let (mut rounds, mut told) = (0, 0);
    for round in 0..900 {
        let whole = [&rpm, &deb, &tar][round % 3];
        let mut bytes = whole.clone();
        for _ in 0..=random.below(6) {
            let limit = if round % 2 == 0 { bytes.len() } else { 4096.min(bytes.len()) };
            let at = random.below(limit);
            bytes[at] = [0, 1, 0x7f, 0xff, b'9', random.byte()][random.below(6)];
        }
        if round % 7 == 0 {
            bytes.truncate(random.below(whole.len()));
        }
        let (_, findings) = quench::archive::members("mutated", &bytes);
        let context = quench::compare::Context::default();
        let differences = quench::compare::compare("mutated", whole, &bytes, context);
        assert_eq!(differences.is_empty(), *whole == bytes, "{round}");
        let _ = quench::verify::payload::of(&mut bytes.as_slice());
        told += usize::from(!findings.is_empty());
        rounds += 1;
    }
    println!("{rounds} mutations, {told} with findings, {:?}", start.elapsed());
    assert!(told > rounds / 4, "{told} of {rounds}");
}
