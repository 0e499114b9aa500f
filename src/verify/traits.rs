//! What a file is beside its kind, as policies ask for it: the machine, and the languages its code came from. Pure.

use crate::elf::{Facts, Machine, Unit};

/// Languages whose compilers leave out what C compilers put in, as `language` of a policy names them.
pub(super) const LANGUAGES: &[&str] = &["crystal", "d", "go", "rust"];

/// Names of machines in policies.
pub(super) const MACHINES: &[&str] = &[
    "aarch64",
    "arm",
    "loongarch",
    "mips",
    "other",
    "powerpc64",
    "riscv",
    "s390",
    "x86",
    "x86-64",
];

/// Machines with a name of their own.
const NAMES: &[(Machine, &str)] = &[
    (Machine::X86, "x86"),
    (Machine::X86_64, "x86-64"),
    (Machine::Arm, "arm"),
    (Machine::Aarch64, "aarch64"),
    (Machine::Riscv, "riscv"),
    (Machine::PowerPc64, "powerpc64"),
    (Machine::S390, "s390"),
    (Machine::Mips, "mips"),
    (Machine::LoongArch, "loongarch"),
];

/// The machine's name in policies.
pub(super) fn machine(machine: Machine) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == machine).map_or("other", |(_, name)| name)
}

/// What only files of a language have: names of symbols, beginnings of names of needed libraries, and texts that its own
/// library leaves among the constants of every program (places in its source for messages).
struct Signs {
    language: &'static str,
    symbols: &'static [&'static str],
    needed: &'static [&'static str],
    texts: &'static [&'static [u8]],
    producer: &'static str,
}

const SIGNS: &[Signs] = &[
    Signs {
        language: "rust",
        symbols: &["rust_eh_personality", "rust_begin_unwind", "rust_panic"],
        needed: &["libstd-"],
        texts: &[b"/library/core/src/", b"/library/std/src/", b"library/alloc/src/"],
        producer: "rustc",
    },
    Signs {
        language: "d",
        symbols: &["_d_run_main", "_d_run_main2", "_Dmain", "_d_dso_registry"],
        needed: &["libphobos2", "libdruntime-", "libgphobos", "libgdruntime"],
        texts: &[b"core.exception.RangeError"],
        producer: "GNU D",
    },
    Signs {
        language: "crystal",
        symbols: &["__crystal_main", "__crystal_raise", "__crystal_personality"],
        needed: &[],
        texts: &[b"/crystal/src/", b"CRYSTAL_WORKERS"],
        producer: "Crystal",
    },
    Signs {
        language: "go",
        symbols: &["runtime.main", "runtime.rt0_go", "_rt0_amd64_linux"],
        needed: &[],
        texts: &[b"\xff Go buildinf:"],
        producer: "Go cmd/compile",
    },
];

/// Sections in which such texts stand.
const CONSTANTS: &[&str] = &[".rodata", ".go.buildinfo", ".data.rel.ro", ".comment"];

/// The languages a file shows signs of.
pub(super) fn languages(facts: &Facts<'_>, units: &[Unit]) -> Vec<&'static str> {
    let needed = facts.dynamic.as_ref().map(|dynamic| dynamic.needed.as_slice());
    let found = SIGNS.iter().filter(|signs| {
        let produced = units.iter().any(|unit| unit.producer.contains(signs.producer));
        let symbol = facts.symbols.iter().any(|symbol| signs.symbols.contains(&symbol.name));
        let library = needed
            .into_iter()
            .flatten()
            .any(|name| signs.needed.iter().any(|beginning| name.starts_with(beginning)));
        let constants = CONSTANTS.iter().filter_map(|name| facts.sections.raw(name));
        produced
            || symbol
            || library
            || constants.into_iter().any(|bytes| {
                signs.texts.iter().any(|text| memchr::memmem::find(bytes, text).is_some())
            })
    });
    found.map(|signs| signs.language).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_language_with_signs_can_be_named_in_a_policy() {
        let mut signs: Vec<&str> = super::SIGNS.iter().map(|signs| signs.language).collect();
        signs.sort_unstable();
        assert_eq!(signs, super::LANGUAGES);
        assert!(super::MACHINES.contains(&super::machine(crate::elf::Machine::Other(22))));
    }
}
