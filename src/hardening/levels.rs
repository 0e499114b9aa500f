//! The flags of each level, as data. Pure.

use super::Proof::{Command, None, Rule, RuleWhereAny, Units};
use super::proof::CFI;
use super::{Flag, Proof, Stage};
use crate::profile::{Compiler, Level};

const GUIDE: &str = "OpenStack Security Guide, Hardening the virtualization layers";
const OPENSSF: &str = "OpenSSF Compiler Options Hardening Guide for C and C++";
const DISTRO: &str = "dpkg-buildflags(1) hardening, Fedora redhat-rpm-config buildflags";

const fn compile(
    text: &'static str,
    why: &'static str,
    source: &'static str,
    since: &'static str,
    proof: &'static [Proof],
) -> Flag {
    Flag { text, stage: Stage::Compile, why, source, since, proof }
}

const fn link(
    text: &'static str,
    why: &'static str,
    source: &'static str,
    since: &'static str,
    proof: &'static [Proof],
) -> Flag {
    Flag { text, stage: Stage::Link, why, source, since, proof }
}

const fn idle(text: &'static str, why: &'static str, source: &'static str) -> Flag {
    let proof: &[Proof] = &[None("it is never given to a compiler")];
    Flag { text, stage: Stage::Idle, why, source, since: "any", proof }
}

const RELRO: Flag = link(
    "-Wl,-z,relro",
    "the GOT becomes read-only after relocation",
    GUIDE,
    "binutils 2.15",
    &[Rule("relro")],
);
const NOW: Flag = link(
    "-Wl,-z,now",
    "all symbols are bound at start, so that RELRO covers the whole GOT",
    GUIDE,
    "binutils 2.15",
    &[Rule("bind-now")],
);
const OPTIMISE: Flag = compile("-O2", "FORTIFY needs optimisation", GUIDE, "any", &[Units]);

/// All flags of a level, in the order they go on the command line.
pub fn candidates(level: Level, compiler: Compiler) -> Vec<Flag> {
    match level {
        Level::Openstack => openstack(),
        Level::Baseline => baseline(),
        Level::Strict => strict(compiler),
        Level::Cfi => cfi(),
    }
}

fn openstack() -> Vec<Flag> {
    vec![
        OPTIMISE,
        compile(
            "-fstack-protector-all",
            "a canary in every function",
            GUIDE,
            "GCC 4.1, clang 3",
            &[RuleWhereAny("stack-protector"), Units],
        ),
        compile(
            "-Wstack-protector",
            "the compiler names functions it could not protect",
            GUIDE,
            "GCC 4.1",
            &[Command],
        ),
        idle(
            "--param ssp-buffer-size=4",
            "idle: -fstack-protector-all protects every function whatever its buffers are",
            GUIDE,
        ),
        compile(
            "-fPIE",
            "position-independent code, so that ASLR moves the program",
            GUIDE,
            "GCC 3.4",
            &[Rule("pie"), Units],
        ),
        idle(
            "-pie",
            "stands as --enable-pie: meson links with -pie itself, and as a compiler flag it does nothing",
            GUIDE,
        ),
        compile("-ftrapv", "traps on signed overflow", GUIDE, "GCC 3.4", &[Units]),
        idle(
            "-arch x86_64",
            "not an option of GCC on Linux; the target is configure's --target-list",
            GUIDE,
        ),
        compile(
            "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2",
            "checked string and memory functions",
            GUIDE,
            "GCC 4.0",
            &[RuleWhereAny("fortify"), Command],
        ),
        RELRO,
        NOW,
    ]
}

fn baseline() -> Vec<Flag> {
    vec![
        OPTIMISE,
        compile(
            "-fstack-protector-strong",
            "a canary where the stack holds arrays or escaping addresses",
            DISTRO,
            "GCC 4.9, clang 6",
            &[RuleWhereAny("stack-protector"), Units],
        ),
        compile(
            "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2",
            "checked string and memory functions",
            DISTRO,
            "GCC 4.0",
            &[RuleWhereAny("fortify"), Command],
        ),
        compile(
            "-fstack-clash-protection",
            "large frames touch each page, so none jumps the guard page",
            DISTRO,
            "GCC 8, clang 11",
            &[Rule("stack-clash"), Units],
        ),
        compile(
            "-fcf-protection",
            "endbr64 at indirect targets",
            DISTRO,
            "GCC 8, clang 7",
            &[Rule("branch-targets"), Units],
        ),
        compile(
            "-Wformat -Werror=format-security",
            "no format string from data",
            DISTRO,
            "any",
            &[Command],
        ),
        RELRO,
        NOW,
    ]
}

fn strict(compiler: Compiler) -> Vec<Flag> {
    let mut flags = vec![
        OPTIMISE,
        compile(
            "-fstack-protector-strong",
            "a canary where the stack holds arrays or escaping addresses",
            OPENSSF,
            "GCC 4.9, clang 6",
            &[RuleWhereAny("stack-protector"), Units],
        ),
        compile(
            "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3",
            "checked functions, sizes also where only known at run time",
            OPENSSF,
            "GCC 12, clang 9, glibc 2.34",
            &[RuleWhereAny("fortify"), Command],
        ),
        compile(
            "-fstack-clash-protection",
            "large frames touch each page, so none jumps the guard page",
            OPENSSF,
            "GCC 8, clang 11",
            &[Rule("stack-clash"), Units],
        ),
        compile(
            "-fcf-protection=full",
            "endbr64 at indirect targets, shadow-stack compatible code",
            OPENSSF,
            "GCC 8, clang 7",
            &[Rule("branch-targets"), Units],
        ),
        compile(
            "-fstrict-flex-arrays=3",
            "only [] is a flexible array: FORTIFY sees more sizes",
            OPENSSF,
            "GCC 13, clang 16",
            &[Command],
        ),
        compile(
            "-ftrivial-auto-var-init=zero",
            "no stack contents leak through uninitialised variables",
            OPENSSF,
            "GCC 12, clang 8",
            &[Units],
        ),
        compile(
            "-fzero-call-used-regs=used-gpr",
            "fewer gadgets and leaks through registers",
            OPENSSF,
            "GCC 11, clang 15",
            &[RuleWhereAny("zeroed-registers"), Units],
        ),
        compile(
            "-fno-delete-null-pointer-checks",
            "checks against NULL stay",
            OPENSSF,
            "any",
            &[Units],
        ),
        compile(
            "-Wformat -Werror=format-security",
            "no format string from data",
            OPENSSF,
            "any",
            &[Command],
        ),
    ];
    if compiler == Compiler::Gcc {
        flags.push(compile(
            "-fzero-init-padding-bits=all",
            "padding does not leak",
            OPENSSF,
            "GCC 15",
            &[Command],
        ));
    }
    flags.extend([
        RELRO,
        NOW,
        link(
            "-Wl,-z,nodlopen",
            "the program cannot be opened as a library",
            OPENSSF,
            "binutils 2.10",
            &[Rule("nodlopen")],
        ),
        link(
            "-Wl,-z,noexecstack",
            "the stack is not executable",
            OPENSSF,
            "binutils 2.14",
            &[Rule("stack")],
        ),
        link(
            "-Wl,-z,separate-code",
            "code shares no page with data",
            OPENSSF,
            "binutils 2.31",
            &[Rule("separate-code")],
        ),
    ]);
    flags
}

fn cfi() -> Vec<Flag> {
    let mut flags = strict(Compiler::Clang);
    flags.extend([
        Flag {
            text: "--enable-lto",
            stage: Stage::Configure,
            why: "CFI sees the whole program only at link time",
            source: "QEMU docs/devel/control-flow-integrity.rst",
            since: "any",
            proof: &[None(
                "clang refuses -fsanitize=cfi without it: what proves --enable-cfi proves it",
            )],
        },
        Flag {
            text: "--enable-cfi",
            stage: Stage::Configure,
            why: "indirect calls reach only functions of their type",
            source: "QEMU docs/devel/control-flow-integrity.rst",
            since: "clang 9",
            proof: CFI,
        },
    ]);
    flags
}
