//! The rules, each with its name, its sentence and its check. Pure.

mod coverage;
pub(crate) mod fortify;
mod fortify_static;
mod link;
mod load;
mod search;
mod state;
mod strings;
mod units;

use super::pages::{self, Page};
use super::{Libc, Verdict};
use crate::elf::{Code, Facts, Unit};

/// What rules may look at beside the facts.
#[derive(Debug, Clone, Copy)]
pub struct Object<'a> {
    pub facts: &'a Facts<'a>,
    /// Where the file is: in a package where it will be installed.
    pub path: &'a str,
    /// `None` where the code is not read.
    pub code: Option<&'a Code<'a>>,
    /// Compilation units, of the file or of its debug file.
    pub units: &'a [Unit],
    /// The C library the file will run with, where it is known.
    pub libc: Option<&'a Libc>,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    pub name: &'static str,
    /// What holds when it holds.
    pub summary: &'static str,
    /// Where the rule comes from.
    pub source: &'static str,
    /// What `quench explain` says of it.
    pub page: &'static Page,
    pub needs: Needs,
    pub check: fn(Object<'_>) -> (Verdict, String),
}

/// How much of a file a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Headers,
    /// Every byte, once.
    Bytes,
    /// Code, symbols, compilation units.
    Code,
}

/// All rules, in the order reports show them.
pub static RULES: &[Rule] = &[
    Rule {
        name: "pie",
        summary: "the program is loaded at a random address",
        source: "ld.so(8), kernel fs/binfmt_elf.c",
        page: &pages::PIE,
        needs: Needs::Headers,
        check: link::pie,
    },
    Rule {
        name: "relro",
        summary: "after start, the loader makes every GOT slot, .dynamic and the init arrays read-only",
        source: "glibc elf/dl-reloc.c _dl_protect_relro: start and end are rounded down to pages",
        page: &pages::RELRO,
        needs: Needs::Headers,
        check: load::relro,
    },
    Rule {
        name: "bind-now",
        summary: "all symbols are bound at start",
        source: "gABI: DT_BIND_NOW, DF_BIND_NOW, DF_1_NOW; any one suffices",
        page: &pages::BIND_NOW,
        needs: Needs::Headers,
        check: link::bind_now,
    },
    Rule {
        name: "stack",
        summary: "no stack is executable",
        source: "kernel fs/binfmt_elf.c: the last PT_GNU_STACK wins",
        page: &pages::STACK,
        needs: Needs::Headers,
        check: load::stack,
    },
    Rule {
        name: "wx",
        summary: "no segment is both writable and executable",
        source: "kernel fs/binfmt_elf.c maps PT_LOAD with its flags",
        page: &pages::WX,
        needs: Needs::Headers,
        check: load::write_execute,
    },
    Rule {
        name: "textrel",
        summary: "the loader writes to no code page",
        source: "gABI: DT_TEXTREL, DF_TEXTREL",
        page: &pages::TEXTREL,
        needs: Needs::Headers,
        check: link::textrel,
    },
    Rule {
        name: "separate-code",
        summary: "code shares no page with data",
        source: "ld -z separate-code",
        page: &pages::SEPARATE_CODE,
        needs: Needs::Headers,
        check: load::separate_code,
    },
    Rule {
        name: "rpath",
        summary: "no library is looked up where somebody else could put one",
        source: "rpm check-rpaths-worker's classes; glibc elf/dl-load.c: is_dst, decompose_rpath, names with a slash",
        page: &pages::RPATH,
        needs: Needs::Headers,
        check: search::rpath,
    },
    Rule {
        name: "nodlopen",
        summary: "the file cannot be opened with dlopen",
        source: "ld -z nodlopen: DF_1_NOOPEN",
        page: &pages::NODLOPEN,
        needs: Needs::Headers,
        check: link::nodlopen,
    },
    Rule {
        name: "interpreter",
        summary: "the program is started by the system's own loader",
        source: "kernel fs/binfmt_elf.c: PT_INTERP",
        page: &pages::INTERPRETER,
        needs: Needs::Headers,
        check: state::interpreter,
    },
    Rule {
        name: "loader-tags",
        summary: "nothing makes the loader ask other files than those that are needed",
        source: "ld.so(8): DT_AUDIT, DT_DEPAUDIT, DT_FILTER, DT_AUXILIARY, DT_CONFIG",
        page: &pages::LOADER_TAGS,
        needs: Needs::Headers,
        check: state::loader_tags,
    },
    Rule {
        name: "headers",
        summary: "program headers, dynamic table and section headers do not contradict each other",
        source: "the kernel and the loader read the former, many tools the latter",
        page: &pages::HEADERS,
        needs: Needs::Headers,
        check: state::headers,
    },
    Rule {
        name: "stack-protector",
        summary: "functions that take the address of a local check a canary before they return",
        source: "GCC, clang -fstack-protector-strong: fs:[0x28], __stack_chk_guard",
        page: &pages::STACK_PROTECTOR,
        needs: Needs::Code,
        check: units::stack_protector,
    },
    Rule {
        name: "stack-clash",
        summary: "no frame grows past a guard page without touching it",
        source: "GCC, clang -fstack-clash-protection; kernel and glibc keep one guard page",
        page: &pages::STACK_CLASH,
        needs: Needs::Code,
        check: units::stack_clash,
    },
    Rule {
        name: "branch-targets",
        summary: "indirect branches land on endbr64 or bti, and the property note says so",
        source: "x86-64 psABI, Arm ARM: IBT and BTI",
        page: &pages::BRANCH_TARGETS,
        needs: Needs::Code,
        check: coverage::branch_targets,
    },
    Rule {
        name: "return-addresses",
        summary: "return addresses are on a shadow stack, or signed",
        source: "x86-64 psABI SHSTK; AArch64 pointer authentication",
        page: &pages::RETURN_ADDRESSES,
        needs: Needs::Code,
        check: coverage::return_addresses,
    },
    Rule {
        name: "zeroed-registers",
        summary: "call-used registers are zeroed before functions return",
        source: "GCC, clang -fzero-call-used-regs",
        page: &pages::ZEROED_REGISTERS,
        needs: Needs::Code,
        check: coverage::zeroed_registers,
    },
    Rule {
        name: "cfi",
        summary: "indirect calls check the type of what they call",
        source: "clang -fsanitize=cfi",
        page: &pages::CFI,
        needs: Needs::Code,
        check: coverage::cfi,
    },
    Rule {
        name: "safe-stack",
        summary: "variables whose address is taken live on a second stack",
        source: "clang -fsanitize=safe-stack",
        page: &pages::SAFE_STACK,
        needs: Needs::Code,
        check: coverage::safe_stack,
    },
    Rule {
        name: "evidence",
        summary: "compilation units, code and notes do not contradict each other",
        source: "DW_AT_producer of every unit, the code, the property notes",
        page: &pages::EVIDENCE,
        needs: Needs::Code,
        check: units::evidence,
    },
    Rule {
        name: "fortify",
        summary: "string and memory functions are the checked ones",
        source: "glibc _FORTIFY_SOURCE: __NAME_chk",
        page: &pages::FORTIFY,
        needs: Needs::Code,
        check: fortify::fortify,
    },
    Rule {
        name: "fortify-level",
        summary: "checked functions are told sizes that are only known at run time, too (level 3)",
        source: "_FORTIFY_SOURCE=3: .debug_macro, recorded command lines",
        page: &pages::FORTIFY_LEVEL,
        needs: Needs::Code,
        check: fortify::level,
    },
    Rule {
        name: "build-path",
        summary: "no path of the build machine is in the file",
        source: "reproducible-builds.org, build path",
        page: &pages::BUILD_PATH,
        needs: Needs::Bytes,
        check: strings::build_path,
    },
];
