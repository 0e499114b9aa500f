//! The C library that judged files will run with, and which checked functions it really exports. Pure.

use std::collections::BTreeSet;
use std::io::Read;

use crate::archive::{self, Limits, Member};
use crate::elf::{self, Facts, Machine};

/// A C library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libc {
    /// Where it was found.
    pub name: String,
    machine: Machine,
    is_64: bool,
    /// Functions it has a checked twin of, `__NAME_chk`.
    checked: BTreeSet<String>,
}

impl Libc {
    /// The C libraries of a file: itself, or those in a package or archive.
    pub fn read(name: &str, reader: &mut dyn Read) -> Vec<Self> {
        let mut out = Vec::new();
        let mut look = |member: Member| out.extend(Self::of(&member.path, &member.bytes));
        archive::open(name, reader, Limits::default(), false, &mut look);
        out
    }

    fn of(name: &str, bytes: &[u8]) -> Option<Self> {
        let facts = elf::facts(bytes).ok()?;
        let soname = facts.dynamic.as_ref()?.soname.as_deref()?;
        if !soname.starts_with("libc.so") && !soname.starts_with("libc.musl") {
            return None;
        }
        let defined = facts.symbols.iter().filter(|symbol| symbol.defined && symbol.function);
        let checked = defined.filter_map(|symbol| twin(symbol.name)).map(str::to_owned).collect();
        let (machine, is_64) = (facts.machine, facts.is_64);
        Some(Self { name: name.to_owned(), machine, is_64, checked })
    }

    /// It is one a file can be loaded with.
    pub(super) fn serves(&self, facts: &Facts<'_>) -> bool {
        self.machine == facts.machine && self.is_64 == facts.is_64
    }

    pub(super) fn checks(&self, name: &str) -> bool {
        self.checked.contains(name)
    }

    pub(super) fn count(&self) -> usize {
        self.checked.len()
    }
}

/// The name that functions have whatever format of `long double` they take: `__printfieee128` (64-bit PowerPC) and
/// `__nldbl_printf` (`-mlong-double-64`) are `printf`, `__printf_chkieee128` is `__printf_chk`. Source: glibc
/// sysdeps/ieee754/ldbl-128ibm-compat and ldbl-opt.
pub(super) fn canonical(name: &str) -> &str {
    if let Some(name) = name.strip_prefix("__nldbl_") {
        return name;
    }
    match name.strip_suffix("ieee128") {
        Some(name) if name.ends_with("_chk") => name,
        Some(plain) => plain.strip_prefix("__").unwrap_or(name),
        None => name,
    }
}

/// The function a name is the checked twin of, by its form.
pub(super) fn twin(name: &str) -> Option<&str> {
    let name = canonical(name);
    name.strip_prefix("__")?.strip_suffix("_chk").filter(|base| !base.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{canonical, twin};

    #[test]
    fn names_of_other_long_doubles_are_known() {
        for plain in ["printf", "__printfieee128", "__nldbl_printf"] {
            assert_eq!((canonical(plain), twin(plain)), ("printf", None), "{plain}");
        }
        for checked in ["__printf_chk", "__printf_chkieee128", "__nldbl___printf_chk"] {
            assert_eq!((canonical(checked), twin(checked)), ("__printf_chk", Some("printf")));
        }
        assert_eq!(canonical("cosieee128"), "cosieee128");
    }
}
