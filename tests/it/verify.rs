//! The verifier on programs built here, each with one thing wrong; several are cases other tools pass.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::random::Random;
use crate::sandbox::Sandbox;

const PROGRAM: &str = "#include <stdio.h>\n#include <string.h>\nint main(int argc, char **argv)\n{\n    char b[64];\n    \
                       strcpy(b, argv[0]);\n    printf(\"%s %d\\n\", b, argc);\n    return argc;\n}\n";

const HARDENED: &[&str] = &[
    "-O2",
    "-fPIE",
    "-pie",
    "-fstack-protector-strong",
    "-U_FORTIFY_SOURCE",
    "-D_FORTIFY_SOURCE=2",
    "-Wl,-z,relro,-z,now",
    "-Wl,-z,noexecstack",
    "-Wl,-z,separate-code",
];

fn build(sandbox: &Sandbox, name: &str, more: &[&str]) -> PathBuf {
    let source = sandbox.write("p.c", PROGRAM);
    let out = sandbox.path().join(name);
    let status = Command::new("gcc")
        .args(HARDENED)
        .args(more)
        .arg("-o")
        .arg(&out)
        .arg(source)
        .status()
        .unwrap();
    assert!(status.success());
    out
}

/// Verdict and detail of a rule.
fn verdict(sandbox: &Sandbox, file: &Path, rule: &str) -> (String, String) {
    let ran = sandbox.quench(&["verify", file.to_str().unwrap(), "--format", "json"]);
    let value: Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    let rules = value["inputs"][0]["objects"][0]["rules"].as_array().unwrap().clone();
    let found = rules.into_iter().find(|entry| entry["rule"] == rule).unwrap();
    (found["verdict"].as_str().unwrap().to_owned(), found["detail"].as_str().unwrap().to_owned())
}

/// Changes the program headers of a 64-bit little-endian file: `edit` gets (type, the 56 bytes).
fn patch(file: &Path, edit: impl Fn(u32, &mut [u8])) {
    let mut bytes = std::fs::read(file).unwrap();
    let number =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let start = usize::try_from(number(&bytes, 32)).unwrap();
    let count = usize::from(u16::from_le_bytes(bytes[56..58].try_into().unwrap()));
    for index in 0..count {
        let header = &mut bytes[start + index * 56..start + (index + 1) * 56];
        edit(u32::from_le_bytes(header[..4].try_into().unwrap()), header);
    }
    std::fs::write(file, bytes).unwrap();
}

const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;

/// Objects and archives say how their units were compiled, as linked files do.
#[test]
fn units_of_objects_and_of_archives_are_read() {
    let sandbox = Sandbox::new();
    let source = sandbox.write("u.c", PROGRAM);
    let (strong, weak) = (sandbox.path().join("strong.o"), sandbox.path().join("weak.o"));
    for (object, option) in [(&strong, "-fstack-protector-strong"), (&weak, "-fno-stack-protector")]
    {
        let status = Command::new("gcc")
            .args(["-g", "-O2", "-c", option, "-o"])
            .arg(object)
            .arg(&source)
            .status()
            .unwrap();
        assert!(status.success());
    }
    let archive = sandbox.path().join("u.a");
    let status =
        Command::new("ar").arg("rc").arg(&archive).args([&strong, &weak]).status().unwrap();
    assert!(status.success());
    let ran = sandbox.quench(&["verify", archive.to_str().unwrap(), "--format", "json"]);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    let said = |member: &str, rule: &str| {
        let objects = value["inputs"][0]["objects"].as_array().unwrap();
        let object =
            objects.iter().find(|it| it["path"].as_str().unwrap().ends_with(member)).unwrap();
        object["rules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["rule"] == rule)
            .unwrap()
            .to_string()
    };
    let text = said("strong.o", "stack-protector");
    assert!(text.contains("1 of 1 units were compiled with -fstack-protector-strong"), "{text}");
    let text = said("weak.o", "stack-protector");
    assert!(text.contains("0 of 1 units") && text.contains("u.c"), "{text}");
    let text = said("strong.o", "evidence");
    assert!(text.contains("1 of 1 units say how they were compiled"), "{text}");
}

/// FORTIFY is judged by what the target's own C library exports.
#[test]
fn the_target_s_own_c_library_says_what_is_checked() {
    let sandbox = Sandbox::new();
    let file = build(&sandbox, "good", &[]);
    let source = sandbox.write("libc.c", "void __other_chk(void) {}\nvoid __read_chk(void) {}\n");
    let root = sandbox.path().join("root/usr/lib/x86_64-linux-gnu");
    std::fs::create_dir_all(&root).unwrap();
    let libc = root.join("libc.so.6");
    let status = Command::new("gcc")
        .args(["-shared", "-fPIC", "-nostdlib", "-Wl,-soname,libc.so.6", "-o"])
        .arg(&libc)
        .arg(source)
        .status()
        .unwrap();
    assert!(status.success());
    let fortify = |more: &[&str]| {
        let words = [&["verify", file.to_str().unwrap(), "--format", "json"], more].concat();
        let ran = sandbox.quench(&words);
        let value: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
        let rules = value["inputs"][0]["objects"][0]["rules"].as_array().unwrap().clone();
        let found = rules.into_iter().find(|entry| entry["rule"] == "fortify").unwrap();
        (found["verdict"].as_str().unwrap().to_owned(), found.to_string())
    };
    let (verdict, text) = fortify(&[]);
    assert_eq!(verdict, "holds", "{text}");
    assert!(text.contains("built-in list"), "{text}");
    // That library has no __strcpy_chk: the program's is somebody else's.
    let root = sandbox.path().join("root");
    for words in [["--libc", libc.to_str().unwrap()], ["--sysroot", root.to_str().unwrap()]] {
        let (verdict, text) = fortify(&words);
        assert_eq!(verdict, "not-applicable", "{text}");
        assert!(text.contains("2 checked functions") && text.contains("__strcpy_chk"), "{text}");
    }
    let ran = sandbox.quench(&["verify", file.to_str().unwrap(), "--sysroot", "/proc"]);
    assert!(ran.stderr.contains("no C library below"), "{}", ran.stderr);
}

#[test]
fn some_rules_can_be_asked_for_and_archives_left_closed() {
    let sandbox = Sandbox::new();
    let file = build(&sandbox, "one", &["-Wl,-z,lazy", "-fno-stack-protector"]);
    let directory = sandbox.path().join("tree");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(&file, directory.join("one")).unwrap();
    let archive = directory.join("one.a");
    assert!(Command::new("ar").arg("rc").arg(&archive).arg(&file).status().unwrap().success());
    let tree = directory.to_str().unwrap();
    let ran = |more: &[&str]| {
        let ran = sandbox.quench(&[&["verify", tree, "--format", "json"], more].concat());
        let value: Value = serde_json::from_str(&ran.stdout).unwrap();
        (value["inputs"][0].clone(), ran.code)
    };
    let (all, _) = ran(&[]);
    assert_eq!(all["objects"].as_array().unwrap().len(), 2);
    let (some, code) = ran(&["--only", "headers,set-id", "--no-archives"]);
    assert_eq!(code, 1, "not bound at start");
    let objects = some["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 1);
    let names: Vec<&str> = objects[0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["rule"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"relro") && names.contains(&"set-id"), "{names:?}");
    assert!(!names.contains(&"stack-protector") && !names.contains(&"capabilities"), "{names:?}");
    assert!(some["only"].as_array().unwrap().contains(&Value::from("relro")));
    let findings = some["findings"].to_string();
    assert!(findings.contains("1 archives and compressed files were not opened"), "{findings}");
    // What does not hold was not asked for.
    assert_eq!(ran(&["--only", "pie", "--no-archives"]).1, 0);
    let wrong = sandbox.quench(&["verify", tree, "--only", "reelro"]);
    assert!(wrong.stderr.contains("did you mean `relro`?"), "{}", wrong.stderr);
}

#[test]
fn a_hardened_program_holds_every_rule_of_the_distribution_policy() {
    let sandbox = Sandbox::new();
    let file = build(&sandbox, "good", &[]);
    let ran = sandbox.quench(&["verify", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for rule in
        ["pie", "relro", "bind-now", "stack", "wx", "separate-code", "stack-protector", "fortify"]
    {
        assert_eq!(verdict(&sandbox, &file, rule).0, "holds", "{rule}");
    }
}

#[test]
fn each_missing_protection_fails_its_own_rule_and_the_gate() {
    let sandbox = Sandbox::new();
    for (rule, flags) in [
        ("relro", &["-Wl,-z,norelro"][..]),
        ("bind-now", &["-Wl,-z,lazy"]),
        ("stack", &["-Wl,-z,execstack"]),
        ("pie", &["-no-pie"]),
        ("stack-protector", &["-fno-stack-protector"]),
        ("fortify", &["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=0"]),
        ("rpath", &["-Wl,-rpath,/tmp/x"]),
        ("rpath", &["-Wl,-rpath,lib"]),
    ] {
        let file = build(&sandbox, &format!("bad-{rule}"), flags);
        let (verdict, detail) = verdict(&sandbox, &file, rule);
        assert!(verdict == "fails" && !detail.is_empty(), "{rule}: {verdict} {detail}");
        let ran = sandbox.quench(&["verify", file.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{rule}: {}", ran.stdout);
    }
}

/// Every checker surveyed says "Full RELRO" here; the GOT stays writable because the loader rounds to pages.
#[test]
fn a_relro_segment_too_short_to_protect_anything_fails() {
    let sandbox = Sandbox::new();
    for size in [0_u64, 16, 0x100] {
        let file = build(&sandbox, "short", &[]);
        patch(&file, |kind, header| {
            if kind == PT_GNU_RELRO {
                header[32..40].copy_from_slice(&size.to_le_bytes());
                header[40..48].copy_from_slice(&size.to_le_bytes());
            }
        });
        let (verdict, detail) = verdict(&sandbox, &file, "relro");
        assert_eq!(verdict, "fails", "{size}: {detail}");
    }
}

/// The kernel takes the last PT_GNU_STACK; tools that stop at the first say NX.
#[test]
fn the_last_of_two_stack_headers_decides() {
    let sandbox = Sandbox::new();
    let file = build(&sandbox, "two", &[]);
    // Another header of the file becomes a second, executable PT_GNU_STACK after or before the real one.
    let flags = |header: &mut [u8], value: u32| header[4..8].copy_from_slice(&value.to_le_bytes());
    patch(&file, |kind, header| match kind {
        PT_GNU_RELRO => {
            header[..4].copy_from_slice(&PT_GNU_STACK.to_le_bytes());
            flags(header, 7);
        }
        PT_GNU_STACK => flags(header, 6),
        _ => {}
    });
    assert_eq!(verdict(&sandbox, &file, "stack").0, "fails");
    let file = build(&sandbox, "two", &[]);
    patch(&file, |kind, header| match kind {
        PT_GNU_RELRO => {
            header[..4].copy_from_slice(&PT_GNU_STACK.to_le_bytes());
            flags(header, 6);
        }
        PT_GNU_STACK => flags(header, 7),
        _ => {}
    });
    assert_eq!(verdict(&sandbox, &file, "stack").0, "holds");
}

/// A program that defines a lookalike of the canary function is not protected by it.
#[test]
fn a_lookalike_of_the_canary_and_of_a_checked_function_does_not_pass() {
    let sandbox = Sandbox::new();
    let source = "int __stack_chk_fail_dummy; __attribute__((noipa)) void __my_chk(char *b) { *b = 1; }\nint main(void) { char b[64]; __my_chk(b); return b[0]; }\n";
    let source = sandbox.write("fake.c", source);
    let out = sandbox.path().join("fake");
    let status = Command::new("gcc")
        .args(["-O1", "-fno-stack-protector", "-rdynamic", "-o"])
        .arg(&out)
        .arg(source)
        .status();
    assert!(status.unwrap().success());
    assert_eq!(verdict(&sandbox, &out, "stack-protector").0, "fails");
    assert_eq!(verdict(&sandbox, &out, "fortify").0, "not-applicable");
}

/// Only sections are gone: the loader never looks at them.
#[test]
fn a_program_without_section_headers_is_judged_by_its_segments() {
    let sandbox = Sandbox::new();
    let file = build(&sandbox, "sectionless", &[]);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    std::fs::write(&file, bytes).unwrap();
    for rule in ["relro", "bind-now", "stack-protector", "fortify"] {
        assert_eq!(verdict(&sandbox, &file, rule).0, "holds", "{rule}");
    }
}

#[test]
fn a_file_that_only_begins_like_an_elf_does_not_pass() {
    let sandbox = Sandbox::new();
    let whole = std::fs::read(build(&sandbox, "whole", &[])).unwrap();
    for length in [4, 16, 40, 63] {
        let file = sandbox.write("cut", &whole[..length]);
        let ran = sandbox.quench(&["verify", file.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{length}: {}{}", ran.stdout, ran.stderr);
    }
}

/// Every name of a file has the verdict of the file, also one that cannot be judged; other files of the same size have
/// their own.
#[test]
fn names_of_the_same_file_have_the_same_verdict() {
    let sandbox = Sandbox::new();
    let place = sandbox.path().join("names");
    std::fs::create_dir_all(place.join("z")).unwrap();
    let (good, broken) = (build(&sandbox, "names/b", &[]), place.join("broken"));
    let whole = std::fs::read(&good).unwrap();
    std::fs::write(&broken, &whole[..63]).unwrap();
    std::fs::write(place.join("other"), &whole).unwrap();
    patch(&place.join("other"), |kind, header| {
        if kind == PT_GNU_STACK {
            header[4] |= 1;
        }
    });
    for (first, second) in [(&good, "a"), (&good, "z/c"), (&broken, "z/broken")] {
        std::fs::hard_link(first, place.join(second)).unwrap();
    }
    std::fs::hard_link(place.join("other"), place.join("z/other")).unwrap();
    let ran = sandbox.quench(&["verify", place.to_str().unwrap(), "--format", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    let named = |list: &str| -> Vec<(String, Value)> {
        let entries = value["inputs"][0][list].as_array().unwrap();
        let name = |path: &str| path.rsplit_once("names/").unwrap().1.to_owned();
        entries.iter().map(|it| (name(it["path"].as_str().unwrap()), it["rules"].clone())).collect()
    };
    let objects = named("objects");
    let names: Vec<&str> = objects.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "other", "z/c", "z/other"], "in the order of their names");
    let rules = |name: &str| &objects.iter().find(|(other, _)| other == name).unwrap().1;
    assert_eq!((rules("a"), rules("z/c")), (rules("b"), rules("b")));
    assert_eq!(rules("other"), rules("z/other"));
    assert_ne!(rules("other"), rules("a"));
    let files = named("files");
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(files.iter().all(|(_, rules)| rules[0]["rule"] == "readable"), "{files:?}");
}

/// Bytes changed anywhere: an answer, never a panic (exit 101) or a hang.
#[test]
fn no_mutation_makes_the_elf_reader_panic() {
    let sandbox = Sandbox::new();
    let whole = std::fs::read(build(&sandbox, "whole", &[])).unwrap();
    let policy = quench::verify::Policy::named("distribution").unwrap();
    let mut random = Random::new(9);
    for round in 0..4000 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(8) {
            // Mostly headers and tables, sometimes anywhere.
            let limit = if round % 3 == 0 { bytes.len() } else { 2048.min(bytes.len()) };
            let at = random.below(limit);
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random.byte()][random.below(6)];
        }
        if round % 10 == 0 {
            bytes.truncate(random.below(whole.len()));
        }
        let _ = quench::verify::judge("mutated", &bytes, &policy);
    }
}

/// Writable and executable, readable or not.
#[test]
fn a_segment_that_is_writable_and_executable_fails() {
    for flags in [7_u32, 3] {
        let sandbox = Sandbox::new();
        let file = build(&sandbox, "wx", &[]);
        patch(&file, |kind, header| {
            let executable = header[4] & 1 == 1;
            if kind == 1 && executable {
                header[4..8].copy_from_slice(&flags.to_le_bytes());
            }
        });
        assert_eq!(verdict(&sandbox, &file, "wx").0, "fails", "{flags}");
    }
}

/// As in QEMU's async teardown: the byte of `ret` stands in `mov %rax,%rbx`, and the function never returns.
#[test]
fn a_function_that_never_returns_has_no_canary_to_check() {
    let sandbox = Sandbox::new();
    let forever = "__attribute__((naked, used)) void forever(void) {\n__asm__(\"sub $24, %rsp\\n mov %fs:0x28, %rax\\n \
                   mov %rax, 8(%rsp)\\n lea 4(%rsp), %rdi\\n mov %rax, %rbx\\n 1: jmp 1b\");\n}\n";
    let source = sandbox.write("f.c", [forever, PROGRAM].concat());
    for (jump, lost) in [("1: jmp 1b", 0), ("add $24, %rsp\\n ret", 1)] {
        let text = std::fs::read_to_string(&source).unwrap().replace("1: jmp 1b", jump);
        let source = sandbox.write("g.c", text);
        let out = sandbox.path().join("g");
        let status =
            Command::new("gcc").args(HARDENED).arg("-o").arg(&out).arg(&source).status().unwrap();
        assert!(status.success());
        let ran = sandbox.quench(&["verify", out.to_str().unwrap(), "--format", "json"]);
        let wanted = format!("{lost} load a canary and do not check it");
        assert!(ran.stdout.contains(&wanted), "{}", ran.stdout);
    }
}
