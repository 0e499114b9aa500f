//! The verifier's policies, inputs and outputs, on programs and packages made here.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::random::Random;
use crate::sandbox::{Ran, Sandbox};

const HARDENED: &[&str] = &[
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
const LAZY: &[&str] = &[
    "-O2",
    "-fPIE",
    "-pie",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,lazy,-z,noexecstack,-z,separate-code",
    "-o",
];

fn compile(sandbox: &Sandbox, name: &str, flags: &[&str]) -> PathBuf {
    let text = "#include <stdio.h>\n#include <string.h>\nint main(int c, char **v)\n{\n    char b[64];\n    strcpy(b, \
                v[0]);\n    puts(b);\n    return c;\n}\n";
    let source = sandbox.write("p.c", text);
    let out = sandbox.path().join(name);
    std::fs::create_dir_all(out.parent().unwrap()).unwrap();
    let status = Command::new("gcc").args(flags).arg(&out).arg(source).status().unwrap();
    assert!(status.success());
    out
}

fn mode(path: &Path, mode: u32) {
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

/// An `.rpm` of one program with capabilities and one set-uid program, made by rpmbuild.
fn rpm(sandbox: &Sandbox, program: &Path) -> PathBuf {
    let spec = format!(
        "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n%description\nx\n%install\nmkdir -p \
         %{{buildroot}}/usr/bin\ncp {0} %{{buildroot}}/usr/bin/capable\ncp {0} %{{buildroot}}/usr/bin/setuid\nln -s \
         capable %{{buildroot}}/usr/bin/link\n%files\n%caps(cap_net_raw=ep) /usr/bin/capable\n%attr(4755,root,root) \
         /usr/bin/setuid\n/usr/bin/link\n",
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

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr))
}

/// (path, rule, verdict, outcome) of every verdict.
fn verdicts(value: &Value) -> Vec<(String, String, String, String)> {
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
fn policy(sandbox: &Sandbox, text: &str) -> String {
    let base = "schema = 1\nname = \"base\"\nextends = [\"distribution\"]\n[rules]\nstack-protector = \"report\"\n";
    sandbox.write("base.toml", base);
    let head = "schema = 1\nname = \"own\"\nextends = [\"base.toml\"]\n";
    let path = sandbox.write("own.toml", format!("{head}{text}"));
    path.display().to_string()
}

const WAIVER: &str = "[[waiver]]\nrule = \"bind-now\"\npath = \"**/lazy\"\nreason = \"a plugin host\"\nexpires = \
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
    has(&value, "/usr/bin/setuid", "set-id", "fails", "warns");
    let privileged: Vec<bool> = value["inputs"][0]["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["privileged"].as_bool().unwrap())
        .collect();
    assert_eq!(privileged, [true, true]);
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
fn sarif_is_valid_and_says_what_the_verdict_says() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/lazy", LAZY);
    compile(&sandbox, "d/good", HARDENED);
    let writable = sandbox.write("d/a b<&>\"é.txt", "text");
    mode(&writable, 0o666);
    sandbox.write("d/cut", b"\x7fELF");
    let waiver = WAIVER.split_inclusive("2027-06-30\n").next().unwrap();
    let unused = waiver.replace("bind-now", "wx").replace("**/lazy", "/nowhere");
    let own = policy(&sandbox, &format!("{waiver}{unused}"));
    let ran = sandbox.quench(&[
        "verify",
        "d",
        "--policy",
        &own,
        "--date",
        "2027-01-01",
        "--format",
        "sarif",
        "--write",
        "json=v.json",
    ]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let log = json(&ran);
    let schema = include_str!("../data/schemas/sarif-2.1.0.json");
    // One of the standard's own patterns has a bracket too many, which strict readers of patterns refuse.
    let schema = schema.replace("{2}]?$", "{2}?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> = validator.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}");
    // A validator that accepts anything would prove nothing.
    let mut broken = log.clone();
    broken["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&broken));

    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(prints.insert(result["partialFingerprints"].to_string()), "twice: {result}");
        assert!(result["kind"] == "fail" || result["level"] == "none", "{result}");
    }
    let find = |rule: &str, file: &str| {
        let is = |result: &&Value| {
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            result["ruleId"] == rule && uri.as_str().is_some_and(|uri| uri.contains(file))
        };
        results.iter().find(is).unwrap_or_else(|| panic!("no {rule} of {file}"))
    };
    assert_eq!(find("relro", "d/lazy")["level"], "error");
    assert_eq!(find("relro", "d/lazy")["suppressions"], serde_json::json!([]));
    let waived = &find("bind-now", "d/lazy")["suppressions"][0];
    assert_eq!(waived["justification"], "a plugin host (until 2027-06-30)");
    assert_eq!(find("world-writable", "d/a%20b%3C%26%3E%22%C3%A9.txt")["level"], "error");
    assert_eq!(find("readable", "d/cut")["level"], "error");
    let unused = find("policy::waiver-unused", "own.toml");
    let region = &unused["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 9, "{unused}");
    // One result for each verdict that objects, warns or is waived.
    let written = std::fs::read_to_string(sandbox.path().join("v.json")).unwrap();
    let value: Value = serde_json::from_str(&written).unwrap();
    let counted = verdicts(&value).iter().filter(|(.., outcome)| outcome != "fine").count();
    let of_rules = results.iter().filter(|result| {
        result["kind"] == "fail" && !result["ruleId"].as_str().unwrap().contains("::")
    });
    assert_eq!(of_rules.count(), counted);
}

#[test]
fn junit_is_well_formed_and_its_counts_are_those_of_its_cases() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/la<z>&\"y", LAZY);
    compile(&sandbox, "d/lazy", LAZY);
    let own = policy(&sandbox, WAIVER);
    let ran = sandbox.quench(&[
        "verify",
        "d",
        "--policy",
        &own,
        "--date",
        "2027-01-01",
        "--format",
        "junit",
    ]);
    let document = roxmltree::Document::parse(&ran.stdout).unwrap();
    let root = document.root_element();
    let count = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count();
    for (attribute, tag) in [
        ("tests", "testcase"),
        ("failures", "failure"),
        ("skipped", "skipped"),
        ("errors", "error"),
    ] {
        assert_eq!(root.attribute(attribute).unwrap(), count(tag).to_string(), "{attribute}");
    }
    let case = |class: &str, name: &str| {
        root.descendants()
            .find(|node| {
                node.attribute("classname") == Some(class) && node.attribute("name") == Some(name)
            })
            .unwrap_or_else(|| panic!("no {name} of {class}"))
    };
    let inside = |class: &str, name: &str| -> Vec<String> {
        let children = case(class, name).children().filter(roxmltree::Node::is_element);
        children.map(|node| node.tag_name().name().to_owned()).collect()
    };
    assert_eq!(inside("d/la<z>&\"y", "bind-now"), ["failure"]);
    assert_eq!(inside("d/lazy", "bind-now"), ["skipped"]);
    assert!(inside("d/lazy", "pie").is_empty());
}

#[test]
fn markdown_has_one_row_for_each_objection_and_no_markup_of_file_names() {
    let sandbox = Sandbox::new();
    compile(&sandbox, "d/a|b`c", LAZY);
    compile(&sandbox, "d/good", HARDENED);
    let own = policy(&sandbox, "");
    let ran = sandbox.quench(&["verify", "d", "--format", "markdown", "--policy", &own]);
    assert!(ran.stdout.starts_with("## quench verify: ❌ fails\n"), "{}", ran.stdout);
    let rows: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("| ❌")).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row.contains("<code>d/a&#124;b&#96;c</code>")), "{rows:?}");
    for row in ran.stdout.lines().filter(|line| line.starts_with('|')) {
        assert!(row.ends_with('|'), "{row}");
    }
}

/// Names that would be markup, escapes, other lines, or no text.
const ODD: &[&[u8]] = &[
    b"line\n  good (Pie)",
    b"quo\"te'",
    b"b|ar`tick",
    b"cd]]>x<img src=x>&amp;",
    b"no\xfftext",
    b"no\xfetext",
    b"\x1b[31mred\x1b]0;title\x07",
    b"ctl\x01\x08\x0c\r\x7f",
    "c1\u{9b}31m\u{85}".as_bytes(),
    "turned\u{202e}\u{2028}".as_bytes(),
    "no character\u{fffe}".as_bytes(),
    b" blank ",
    b"%41#?:\\@who",
];

#[test]
fn no_name_of_a_file_can_break_an_output() {
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("d/0", b"\x7fELF");
    for name in ODD {
        let path = sandbox.path().join("d").join(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, b"\x7fELF").unwrap();
    }
    let files = ODD.len() + 1;
    let of = |format: &str| {
        let ran = sandbox.quench(&["verify", "d", "--format", format]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let obeyed = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
        if format != "sarif" && format != "json" {
            assert!(!ran.stdout.contains(obeyed), "{format}: {:?}", ran.stdout);
        }
        assert!(!ran.stderr.contains(obeyed), "{:?}", ran.stderr);
        ran
    };
    // One line for the directory, two for each file: none of a name's own.
    assert_eq!(of("human").stdout.lines().count(), 1 + 2 * files);
    let markdown = of("markdown").stdout;
    let rows: Vec<&str> = markdown.lines().filter(|line| line.starts_with("| ❌")).collect();
    assert_eq!(rows.len(), files, "{markdown}");
    let xml = of("junit").stdout;
    let document = roxmltree::Document::parse(&xml).unwrap();
    let classes: std::collections::BTreeSet<&str> =
        document.descendants().filter_map(|node| node.attribute("classname")).collect();
    assert_eq!(classes.len(), files, "{xml}");
    let log = json(&of("sarif"));
    let results = log["runs"][0]["results"].as_array().unwrap().clone();
    let unique = |pointer: &str| -> usize {
        let all: std::collections::BTreeSet<String> =
            results.iter().map(|result| result.pointer(pointer).unwrap().to_string()).collect();
        all.len()
    };
    assert_eq!(results.len(), files);
    assert_eq!(unique("/partialFingerprints/primaryLocationLineHash"), files);
    assert_eq!(unique("/locations/0/physicalLocation/artifactLocation/uri"), files);
    for result in &results {
        let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        let uri = uri.as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
        assert!(uri.chars().all(plain), "{uri}");
    }
    // The same directory elsewhere, by its absolute path.
    let prints = |log: &Value| -> Vec<String> {
        let results = log["runs"][0]["results"].as_array().unwrap();
        results.iter().map(|result| result["partialFingerprints"].to_string()).collect()
    };
    let there = sandbox.path().join("elsewhere");
    std::fs::create_dir(&there).unwrap();
    std::fs::rename(sandbox.path().join("d"), there.join("d")).unwrap();
    let moved = there.join("d").display().to_string();
    let moved = json(&sandbox.quench(&["verify", &moved, "--format", "sarif"]));
    assert_eq!(prints(&log), prints(&moved));
    let artifact = &moved["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(artifact["artifactLocation"]["uriBaseId"], "ROOT");
    assert_eq!(moved["runs"][0]["originalUriBaseIds"]["ROOT"]["uri"], "file:///");
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
        let (_, findings) = quench::verify::input::members("mutated", &bytes);
        let _ = quench::verify::payload::of(&mut bytes.as_slice());
        told += usize::from(!findings.is_empty());
        rounds += 1;
    }
    println!("{rounds} mutations, {told} with findings, {:?}", start.elapsed());
    assert!(told > rounds / 4, "{told} of {rounds}");
}
