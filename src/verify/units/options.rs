//! Reads a compiler's own account of its options (`DW_AT_producer`): the last one wins, negations and implications
//! count. Pure.

/// Who compiled a unit, as far as options are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compiler {
    Gcc,
    /// GCC that names no options.
    GccSilent,
    /// GCC at link time: its options are those of the linking, each function keeps those of its source unit.
    GccLinkTime,
    /// With `-grecord-command-line`.
    Clang,
    /// The producer names no options.
    ClangSilent,
    Rust,
    Go,
    Assembler,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StackProtector {
    No,
    /// Functions with arrays of eight bytes or more, and those with an attribute.
    Basic,
    Strong,
    All,
}

/// The options of a unit that rules ask for. `None`: not mentioned, so the compiler's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownOptions {
    pub(crate) compiler: Compiler,
    pub(crate) stack_protector: Option<StackProtector>,
    pub(crate) stack_clash: Option<bool>,
    /// Landing pads: `-fcf-protection=branch`, `-mbranch-protection=bti`.
    pub(crate) landing_pads: Option<bool>,
    /// `-fcf-protection=return`, `-mbranch-protection=pac-ret`.
    pub(crate) return_protection: Option<bool>,
    pub(crate) zeroed_registers: Option<bool>,
    pub(crate) optimised: bool,
    /// As given or implied; 0 without optimisation.
    pub(crate) fortify: Option<u8>,
}

impl KnownOptions {
    /// True when the compiler says what it was told.
    pub(crate) fn recorded(&self) -> bool {
        matches!(self.compiler, Compiler::Gcc | Compiler::Clang)
    }
}

fn compiler(producer: &str) -> Compiler {
    // clang records what it was told, definitions included: only its own first words say who it is.
    if producer.starts_with("clang LLVM (rustc version ") {
        Compiler::Rust
    } else if producer.starts_with("GNU AS") {
        Compiler::Assembler
    } else if producer.starts_with("GNU GIMPLE") {
        Compiler::GccLinkTime
    } else if producer.starts_with("GNU ") {
        // With -gno-record-gcc-switches the version is all; else at least -mtune or -march is named.
        if producer.contains(" -") { Compiler::Gcc } else { Compiler::GccSilent }
    } else if producer.contains("clang") {
        // The command line follows the version: a path, then options.
        if producer.contains(" -") { Compiler::Clang } else { Compiler::ClangSilent }
    } else if producer.starts_with("Go cmd/compile") {
        Compiler::Go
    } else {
        Compiler::Other
    }
}

/// What a producer says.
pub(crate) fn options(producer: &str) -> KnownOptions {
    let mut out = KnownOptions {
        compiler: compiler(producer),
        stack_protector: None,
        stack_clash: None,
        landing_pads: None,
        return_protection: None,
        zeroed_registers: None,
        optimised: false,
        fortify: None,
    };
    let mut hardened = false;
    let mut words = producer.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let define = match word {
            "-D" | "-U" => words.next().map(|name| (word, name)),
            _ => word.split_at_checked(2).filter(|(flag, _)| matches!(*flag, "-D" | "-U")),
        };
        match define {
            Some(("-D", name)) => {
                if let Some(level) = name.strip_prefix("_FORTIFY_SOURCE") {
                    let level = level.strip_prefix('=').unwrap_or("1");
                    out.fortify = level.parse().ok();
                }
            }
            Some((_, "_FORTIFY_SOURCE")) => out.fortify = None,
            Some(_) => {}
            None => one(word, &mut out, &mut hardened),
        }
    }
    if hardened {
        imply(&mut out);
    }
    // features.h: "_FORTIFY_SOURCE requires compiling with optimization (-O)".
    if !out.optimised && out.recorded() {
        out.fortify = Some(0);
    }
    out
}

fn one(word: &str, out: &mut KnownOptions, hardened: &mut bool) {
    match word {
        "-fno-stack-protector" => out.stack_protector = Some(StackProtector::No),
        "-fstack-protector" | "-fstack-protector-explicit" => {
            out.stack_protector = Some(StackProtector::Basic);
        }
        "-fstack-protector-strong" => out.stack_protector = Some(StackProtector::Strong),
        "-fstack-protector-all" => out.stack_protector = Some(StackProtector::All),
        "-fstack-clash-protection" => out.stack_clash = Some(true),
        "-fno-stack-clash-protection" => out.stack_clash = Some(false),
        "-fcf-protection" => (out.landing_pads, out.return_protection) = (Some(true), Some(true)),
        "-fno-cf-protection" => {
            (out.landing_pads, out.return_protection) = (Some(false), Some(false));
        }
        "-fhardened" => *hardened = true,
        "-fno-hardened" => *hardened = false,
        "-O0" => out.optimised = false,
        _ => {
            if let Some(what) = word.strip_prefix("-fcf-protection=") {
                out.landing_pads = Some(matches!(what, "full" | "branch"));
                out.return_protection = Some(matches!(what, "full" | "return"));
            } else if let Some(what) = word.strip_prefix("-mbranch-protection=") {
                let standard = what == "standard";
                out.landing_pads = Some(standard || what.split('+').any(|part| part == "bti"));
                out.return_protection = Some(standard || what.contains("pac-ret"));
            } else if let Some(what) = word.strip_prefix("-fzero-call-used-regs=") {
                out.zeroed_registers = Some(what != "skip");
            } else if word.starts_with("-O") {
                out.optimised = true;
            }
        }
    }
}

/// GCC's `-fhardened` sets what no option names.
fn imply(out: &mut KnownOptions) {
    out.stack_protector.get_or_insert(StackProtector::Strong);
    out.stack_clash.get_or_insert(true);
    out.landing_pads.get_or_insert(true);
    out.return_protection.get_or_insert(true);
    out.fortify.get_or_insert(3);
}

#[cfg(test)]
mod tests {
    use super::{Compiler, StackProtector, options};

    #[test]
    fn the_last_option_wins() {
        let over = options("GNU C17 12.2.0 -O2 -fno-stack-protector -fstack-protector-strong");
        assert_eq!(over.stack_protector, Some(StackProtector::Strong));
        let undone = options("GNU C17 12.2.0 -fstack-protector-strong -fno-stack-protector");
        assert_eq!(undone.stack_protector, Some(StackProtector::No));
        let cet = options("GNU C17 12.2.0 -fcf-protection=full -fcf-protection=return");
        assert_eq!((cet.landing_pads, cet.return_protection), (Some(false), Some(true)));
    }

    #[test]
    fn hardened_implies_and_explicit_options_weaken_it() {
        let plain = options("GNU C23 14.2.0 -O2 -fhardened");
        assert_eq!(plain.stack_protector, Some(StackProtector::Strong));
        assert_eq!((plain.stack_clash, plain.fortify), (Some(true), Some(3)));
        let weakened = options("GNU C23 14.2.0 -O2 -fno-stack-protector -fhardened");
        assert_eq!(weakened.stack_protector, Some(StackProtector::No));
    }

    #[test]
    fn without_optimisation_there_is_no_fortify() {
        let clang = "Debian clang version 19.1.7 /usr/bin/clang -D_FORTIFY_SOURCE=2 -O2 -O0 -c a.c";
        assert_eq!(options(clang).fortify, Some(0));
        assert_eq!(options(&clang.replace(" -O0", "")).fortify, Some(2));
        assert_eq!(options("GNU C17 12.2.0 -g -O0").fortify, Some(0));
        let undefined =
            options("clang version 19 /usr/bin/clang -O2 -D _FORTIFY_SOURCE=3 -U _FORTIFY_SOURCE");
        assert_eq!(undefined.fortify, None);
    }

    #[test]
    fn compilers_are_told_apart() {
        for (producer, compiler) in [
            ("GNU AS 2.40", Compiler::Assembler),
            ("GNU GIMPLE 12.2.0 -fltrans", Compiler::GccLinkTime),
            ("clang LLVM (rustc version 1.95.0)", Compiler::Rust),
            ("Debian clang version 14.0.6", Compiler::ClangSilent),
            ("Go cmd/compile go1.19", Compiler::Go),
            (
                "Debian clang version 19.1.7 /usr/bin/clang -DX=\"rustc version 1\" -c a.c",
                Compiler::Clang,
            ),
        ] {
            assert_eq!(options(producer).compiler, compiler, "{producer}");
        }
    }
}
