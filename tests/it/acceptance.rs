//! Plan, units and code of small programs built here with ninja, each with one thing that contradicts the plan.

use std::path::{Path, PathBuf};
use std::process::Command;

use quench::acceptance::{Expected, contradictions};
use quench::finding::{Finding, Severity};
use quench::isolate::Isolation;
use quench::plan::{Because, Item, Plan, show};
use quench::run::linked;
use quench::verify::{Examination, Policy};

use crate::sandbox::Sandbox;
use crate::small;

/// Three functions with a local array each; `mark` stands before each of them.
fn unit(name: &str, mark: &str) -> String {
    let function = |n: usize| {
        format!("{mark} int {name}_{n}(void) {{ char b[64]; use(b); return b[{n}]; }}\n")
    };
    format!("void use(char *);\n{}{}{}", function(1), function(2), function(3))
}

const MAIN: &str = "void use(char *b) { b[0] = 0; }\nint a_1(void);\nint b_1(void);\nint main(void) { return a_1() + b_1(); }\n";

/// A source file and the words that are added to its command.
struct Source<'a> {
    name: &'a str,
    text: String,
    more: &'a str,
}

fn source<'a>(name: &'a str, text: impl Into<String>, more: &'a str) -> Source<'a> {
    Source { name, text: text.into(), more }
}

fn main_and(a: Source<'static>) -> Vec<Source<'static>> {
    vec![source("main.c", MAIN, ""), a, source("b.c", unit("b", ""), "")]
}

/// A plan of level `strict` for the compilers that have all but the newest flags.
fn plan() -> Plan {
    small::plan("strict", "", &["-fstrict-flex-arrays=3", "-fzero-init-padding-bits=all"])
}

/// What the hardening level of a plan asks for.
fn of_level(items: &[Item]) -> String {
    let hardening = |item: &&Item| matches!(item.because, Because::Hardening { .. });
    let words: Vec<&str> = items.iter().filter(hardening).map(|item| item.text.as_str()).collect();
    words.join(" ")
}

/// Builds `qemu-system-x86_64` of some sources with ninja.
fn build(sandbox: &Sandbox, sources: &[Source<'_>], link: &str) -> PathBuf {
    // --enable-pie
    let plan = plan();
    let (flags, link_flags) = (of_level(&plan.cflags), of_level(&plan.ldflags));
    let mut ninja = format!(
        "rule cc\n  command = gcc -g -fPIE {flags} $more -c -o $out $in\n\
         rule ld\n  command = gcc -pie {link_flags} {link} -o $out $in\n"
    );
    let mut objects = String::new();
    for Source { name, text, more } in sources {
        sandbox.write(name, text);
        ninja.push_str(&format!("build {name}.o: cc {name}\n  more = {more}\n"));
        objects.push_str(&format!(" {name}.o"));
    }
    ninja.push_str(&format!("build qemu-system-x86_64: ld{objects}\n"));
    sandbox.write("build.ninja", &ninja);
    run(sandbox.path());
    sandbox.path().join("qemu-system-x86_64")
}

fn run(directory: &Path) {
    let output = Command::new("ninja").arg("-C").arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// What a build directory and its program have against the plan; without a directory, the program alone.
fn faults(directory: Option<&Path>, program: &Path) -> Vec<Finding> {
    let expected = Expected::of_plan(&show::wire(&plan())).unwrap();
    let linked = directory.map(|directory| {
        let (linked, findings) =
            linked(directory, "qemu-system-x86_64", &Isolation::default()).unwrap();
        assert_eq!(findings, []);
        linked.unwrap()
    });
    let bytes = std::fs::read(program).unwrap();
    let report = Examination::of("qemu-system-x86_64", &bytes, &|_| None)
        .settle(&Policy::named("distribution").unwrap());
    contradictions(&expected, &report, linked.as_ref())
}

/// Messages, without those of the note that this host's start files may have lost.
fn messages(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| !finding.message.contains("IBT/SHSTK note"))
        .map(|finding| format!("{}: {}", finding.severity.name(), finding.message))
        .collect()
}

#[track_caller]
fn only(found: &[String], wanted: &[&str]) {
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(found.contains(wanted), "{found}\nlacks: {wanted}");
    }
}

#[test]
fn a_build_that_keeps_its_plan_has_no_contradiction() {
    let sandbox = Sandbox::new();
    let program = build(&sandbox, &main_and(source("a.c", unit("a", ""), "")), "");
    only(&messages(&faults(Some(sandbox.path()), &program)), &[]);
    only(&messages(&faults(None, &program)), &[]);
}

#[test]
fn a_unit_that_was_not_told_is_named() {
    let cases: &[(&str, &str)] = &[
        ("-fno-stack-protector", "-fstack-protector-strong"),
        ("-fno-stack-clash-protection", "-fstack-clash-protection"),
        ("-fcf-protection=return", "-fcf-protection=full"),
        ("-fzero-call-used-regs=skip", "-fzero-call-used-regs=used-gpr"),
        ("-fdelete-null-pointer-checks", "-fno-delete-null-pointer-checks"),
    ];
    for (undone, flag) in cases {
        let sandbox = Sandbox::new();
        let program = build(&sandbox, &main_and(source("a.c", unit("a", ""), undone)), "");
        let unit = format!(
            "error: 1 of 3 units were compiled without {flag}, which the plan asks for: a.c (says {undone})"
        );
        let alone = messages(&faults(None, &program));
        assert_eq!(alone[0], unit, "{alone:#?}");
        let command = format!(
            "error: 1 of 3 compile commands lack {flag}, which the plan asks for: a.c.o (says {undone})"
        );
        let both = messages(&faults(Some(sandbox.path()), &program));
        assert!(both.contains(&unit) && both.contains(&command), "{both:#?}");
    }
}

#[test]
fn fortify_is_known_by_the_command_and_by_the_calls_of_the_object() {
    let print = "int printf(const char *, ...);\nint a_1(void) { return printf(\"%d\", 1); }\n";
    let sandbox = Sandbox::new();
    let undone = "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=1";
    let program = build(&sandbox, &main_and(source("a.c", unit("a", ""), undone)), "");
    only(
        &messages(&faults(Some(sandbox.path()), &program)),
        &[
            "error: 1 of 3 compile commands lack -D_FORTIFY_SOURCE=3, which the plan asks for: a.c.o (level 1)",
        ],
    );
    let sandbox = Sandbox::new();
    let program = build(&sandbox, &main_and(source("a.c", print, "")), "");
    let found = messages(&faults(Some(sandbox.path()), &program));
    let wanted =
        "warning: 1 objects were compiled with FORTIFY and call what it replaces: a.c.o (printf)";
    assert!(found.iter().any(|found| found == wanted), "{found:#?}");
}

#[test]
fn a_unit_that_was_told_and_whose_functions_opt_out_is_named() {
    let sandbox = Sandbox::new();
    let text = unit("a", "__attribute__((no_stack_protector))");
    let program = build(&sandbox, &main_and(source("a.c", text, "")), "");
    let wanted = "a.c: none of 3 functions with locals (a_1, a_2, a_3, ...)";
    let told =
        "error: 1 units were told -fstack-protector-strong, and their functions check no canary";
    for directory in [None, Some(sandbox.path())] {
        let found = messages(&faults(directory, &program));
        let named = |found: &String| found.contains(wanted) && found.starts_with(told);
        assert!(found.iter().any(named), "{found:#?}");
    }
}

#[test]
fn a_unit_that_was_not_told_and_is_protected_is_named() {
    let sandbox = Sandbox::new();
    let text = unit("a", "__attribute__((optimize(\"stack-protector-strong\")))");
    let program = build(&sandbox, &main_and(source("a.c", text, "-fno-stack-protector")), "");
    let found = messages(&faults(None, &program));
    let wanted = "error: 1 units were told of no stack protector, and their functions check a canary: a.c: 3 of 3 functions";
    assert!(found.iter().any(|found| found == wanted), "{found:#?}");
}

#[test]
fn frames_that_skip_a_page_in_a_unit_that_was_told_are_named() {
    let sandbox = Sandbox::new();
    // Nothing but assembly gets past the compiler's probes.
    let text = "__attribute__((naked)) int a_1(void) {\n__asm__(\"endbr64\\n sub $0x3000, %rsp\\n movb $0, (%rsp)\\n\
                add $0x3000, %rsp\\n xor %eax, %eax\\n ret\");\n}\n";
    let program = build(&sandbox, &main_and(source("a.c", text, "")), "");
    let found = messages(&faults(None, &program));
    let wanted =
        "error: 1 units were told -fstack-clash-protection, and frames skip a page: a.c: a_1";
    assert!(found.iter().any(|found| found.starts_with(wanted)), "{found:#?}");
}

#[test]
fn an_object_of_another_run_is_named() {
    let sandbox = Sandbox::new();
    let program =
        build(&sandbox, &main_and(source("a.c", unit("a", ""), "-fno-stack-clash-protection")), "");
    // The command is mended and the object is not made anew.
    let ninja = std::fs::read_to_string(sandbox.path().join("build.ninja")).unwrap();
    let ninja = ninja.replace("-fno-stack-clash-protection", "");
    sandbox.write("build.ninja", &ninja);
    let found = messages(&faults(Some(sandbox.path()), &program));
    let wanted = "error: 1 units do not say what their compile command says: a.c (told -fstack-clash-protection, says \
                  -fno-stack-clash-protection)";
    assert!(found.iter().any(|found| found == wanted), "{found:#?}");
}

/// The finding about a lost note.
fn note(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.message.contains("note is in the file"))
}

#[test]
fn a_note_lost_to_an_assembler_file_names_it() {
    let sandbox = Sandbox::new();
    let assembly = ".text\n.globl a_1\n.type a_1,@function\na_1: endbr64\nxor %eax,%eax\nret\n.size a_1,.-a_1\n\
                    .section .note.GNU-stack,\"\",@progbits\n";
    // -x for the source only: the assembler adds no note of its own.
    let program = build(&sandbox, &main_and(source("a.s", assembly, "-fcf-protection=none")), "");
    let found = faults(Some(sandbox.path()), &program);
    let lost = note(&found).unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(lost.severity, Severity::Error);
    assert_eq!(
        lost.message,
        "the plan asks for -fcf-protection=full, and no IBT/SHSTK note is in the file: lost to objects of the build: a.s.o"
    );
}

#[test]
fn a_note_lost_to_the_toolchain_names_its_objects() {
    let sandbox = Sandbox::new();
    let sources = main_and(source("a.c", unit("a", ""), ""));
    let program = build(&sandbox, &sources, "");
    let found = faults(Some(sandbox.path()), &program);
    // Whether the start files have the note is the host's business; this host's own bits say which.
    let facts = quench::elf::facts(&std::fs::read(&program).unwrap()).unwrap().cet;
    match note(&found) {
        None => assert_eq!(facts, (true, true)),
        Some(lost) => {
            assert_eq!(lost.severity, Severity::Warning);
            assert!(
                lost.message.contains("all 3 objects of the build have it"),
                "{}",
                lost.message
            );
            assert!(lost.message.contains("crti.o"), "{}", lost.message);
        }
    }
    // Without start files nothing is lost, and nothing is said.
    let sandbox = Sandbox::new();
    let start = "void use(char *b) { b[0] = 0; }\nint a_1(void);\nint b_1(void);\n\
                 void __stack_chk_fail(void) { for (;;) ; }\nvoid _start(void) { a_1(); b_1(); for (;;) ; }\n";
    let mut sources = main_and(source("a.c", unit("a", ""), ""));
    sources[0].text = start.to_owned();
    let program =
        build(&sandbox, &sources, "-nostdlib -Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2");
    let found = faults(Some(sandbox.path()), &program);
    assert!(note(&found).is_none(), "{found:#?}");
}

#[test]
fn the_command_line_takes_a_plan_and_a_record() {
    let sandbox = Sandbox::new();
    let undone = "-fno-stack-clash-protection";
    let program = build(&sandbox, &main_and(source("a.c", unit("a", ""), undone)), "");
    let file = program.to_str().unwrap();
    let plan = sandbox.write("plan.json", quench::wire::text(&show::wire(&plan())).unwrap());
    let plan = plan.to_str().unwrap();
    let wanted = "1 of 3 units were compiled without -fstack-clash-protection";
    let ran = sandbox.quench(&["verify", "--plan", plan, file]);
    assert!(ran.stderr.contains(wanted), "{}", ran.stderr);
    assert_eq!(ran.code, 1);
    let ran = sandbox.quench(&["verify", file]);
    assert!(!ran.stderr.contains("units were compiled without"), "{}", ran.stderr);
    // Without debug information that cannot be told, and is said.
    let status = Command::new("strip").arg(&program).status().unwrap();
    assert!(status.success());
    let ran = sandbox.quench(&["verify", "--plan", plan, file]);
    assert!(ran.stderr.contains("no unit says how it was compiled"), "{}", ran.stderr);
}
