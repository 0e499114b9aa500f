//! Architectures a source can be compiled for at all: one that includes `target/ppc/cpu.h`, directly or through headers,
//! cannot be part of an x86 emulator, whatever Kconfig allows (`PCI_POWERNV` has no `depends on PPC`). A header of boards in
//! `include/hw/ppc` that includes `cpu.h` means that one, too (`hw/ppc/pnv.h`, `hw/ppc/spapr_ovec.h`).
//!
//! Pure. Includes inside of conditions do not count; those of an include guard do.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::condition::Condition;
use crate::tree::Tree;

/// The architecture of each file that leads to a `cpu.h`, by the file's path.
pub(super) struct Architectures<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Architectures<'a> {
    /// Follows the includes of `files` (paths of the tree) to the architectures whose `cpu.h` they
    /// need.
    pub(super) fn of(tree: &'a Tree, files: &[&'a str]) -> Self {
        let found: Vec<(&str, Vec<&str>)> = files
            .par_iter()
            .map(|file| (*file, tree.get(file).map(included).unwrap_or_default()))
            .collect();
        let mut from: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut out = Self(BTreeMap::new());
        let mut next: Vec<(&str, &str)> = Vec::new();
        for (file, names) in found {
            for name in names {
                match architecture(file, name) {
                    Some(arch) => next.push((file, arch)),
                    None => from.entry(place(tree, file, name)).or_default().push(file),
                }
            }
        }
        while let Some((file, arch)) = next.pop() {
            if out.0.entry(file).or_default().insert(arch) {
                next.extend(from.get(file).into_iter().flatten().map(|by| (*by, arch)));
            }
        }
        out
    }

    /// The condition that a file's includes put on the target.
    pub(super) fn condition(&self, file: &str) -> Condition {
        let all = self.0.get(file).into_iter().flatten();
        all.fold(Condition::Always, |all, arch| all.and(Condition::Arch((*arch).to_owned())))
    }
}

/// The architecture whose CPU a file's `#include "name"` means.
fn architecture<'a>(file: &'a str, name: &'a str) -> Option<&'a str> {
    let directory = match name {
        "cpu.h" => file.strip_prefix("include/hw/")?.rsplit_once('/')?.0,
        _ => name.strip_prefix("target/")?.strip_suffix("/cpu.h")?,
    };
    ARCHITECTURES.contains(&directory).then_some(directory)
}

/// Directories below `target/` that have boards below `include/hw/`. Others there are kinds of devices.
const ARCHITECTURES: &[&str] = &[
    "alpha",
    "arm",
    "hppa",
    "i386",
    "loongarch",
    "m68k",
    "microblaze",
    "mips",
    "ppc",
    "riscv",
    "rx",
    "s390x",
    "sh4",
    "sparc",
    "tricore",
    "xtensa",
];

/// The path at which the compiler finds `#include "name"` of a file.
fn place(tree: &Tree, file: &str, name: &str) -> String {
    let beside = file.rsplit_once('/').map(|(directory, _)| format!("{directory}/{name}"));
    beside.filter(|path| tree.get(path).is_some()).unwrap_or_else(|| format!("include/{name}"))
}

/// Names in the unconditional `#include "…"` lines of a text.
fn included(bytes: &[u8]) -> Vec<&str> {
    let (mut depth, mut guard, mut seen) = (0_usize, 0_usize, false);
    let mut out = Vec::new();
    for at in memchr::memchr_iter(b'#', bytes) {
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
        if !bytes[start..at].trim_ascii().is_empty() {
            continue;
        }
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let directive = bytes[at + 1..end].trim_ascii();
        if directive.starts_with(b"if") {
            guard = if !seen && directive.starts_with(b"ifndef") { 1 } else { guard };
            depth += 1;
        } else if directive.starts_with(b"endif") {
            depth = depth.saturating_sub(1);
        } else if depth <= guard && directive.starts_with(b"include") {
            let name = directive.split(|byte| *byte == b'"').nth(1);
            out.extend(name.and_then(|name| std::str::from_utf8(name).ok()));
        }
        seen = true;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_for_the_architecture_whose_cpu_it_includes_through_headers() {
        let tree: Tree = [
            ("hw/pci-host/pnv.c", "#include \"qemu/osdep.h\"\n#include \"local.h\"\n"),
            ("hw/pci-host/local.h", "#ifndef L\n#define L\n#include \"hw/ppc/pnv.h\"\n#endif\n"),
            ("include/hw/ppc/pnv.h", "#include \"target/ppc/cpu.h\"\n#include \"hw/ppc/loop.h\"\n"),
            ("include/hw/ppc/loop.h", "#include \"hw/ppc/pnv.h\"\n"),
            ("hw/core/any.c", "#ifdef TARGET_PPC\n#include \"target/ppc/cpu.h\"\n#endif\n"),
            ("hw/net/vio.c", "#include \"hw/ppc/vio.h\"\n"),
            ("include/hw/ppc/vio.h", "#include \"cpu.h\"\n"),
            ("hw/core/own.c", "#include \"cpu.h\"\n#include \"hw/core/own.h\"\n"),
            ("include/hw/core/own.h", "#include \"cpu.h\"\n"),
        ]
        .into_iter()
        .collect();
        let files: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        let of = Architectures::of(&tree, &files);
        assert_eq!(of.condition("hw/pci-host/pnv.c"), Condition::Arch("ppc".to_owned()));
        assert_eq!(of.condition("hw/core/any.c"), Condition::Always);
        assert_eq!(of.condition("hw/net/vio.c"), Condition::Arch("ppc".to_owned()));
        assert_eq!(of.condition("hw/core/own.c"), Condition::Always);
    }
}
