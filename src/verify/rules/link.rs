//! Rules about what the linker wrote into the dynamic table. Pure.

use super::Object;
use crate::elf::{Facts, Kind, Machine, asks_for_version};
use crate::verify::Verdict;

/// `DF_1_NOOPEN` of `DT_FLAGS_1`.
const DF_1_NOOPEN: u64 = 0x40;
/// `DF_1_PIE` of `DT_FLAGS_1`.
const DF_1_PIE: u64 = 0x0800_0000;

fn simple(verdict: Verdict) -> (Verdict, String) {
    (verdict, String::new())
}

pub(super) fn not_loaded() -> (Verdict, String) {
    simple(Verdict::NotApplicable("nothing is loaded from this file".to_owned()))
}

/// A process can have its machine.
pub(super) fn is_for_processes(object: Object<'_>) -> bool {
    !matches!(object.facts.machine, Machine::NoProcess(_))
}

/// Something is mapped of it: it is no object, core or separate debug file, and a process can have its machine.
pub(super) fn is_loaded(object: Object<'_>) -> bool {
    !matches!(object.facts.kind, Kind::Relocatable | Kind::DebugFile | Kind::Core)
        && is_for_processes(object)
}

pub(super) fn pie(object: Object<'_>) -> (Verdict, String) {
    match object.facts.kind {
        _ if !is_for_processes(object) => not_loaded(),
        Kind::Pie | Kind::StaticPie => (Verdict::Holds, object.facts.kind.name().to_owned()),
        Kind::SharedLibrary => simple(Verdict::NotApplicable("a shared library".to_owned())),
        Kind::Executable | Kind::StaticExecutable => {
            simple(Verdict::Fails("ET_EXEC: always loaded at the same address".to_owned()))
        }
        Kind::Relocatable | Kind::DebugFile | Kind::Core => not_loaded(),
    }
}

pub(super) fn bind_now(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    if !is_loaded(object) {
        return not_loaded();
    }
    match &facts.dynamic {
        None => simple(Verdict::NotApplicable("static: nothing is bound".to_owned())),
        Some(_) if facts.kind == Kind::StaticPie => {
            simple(Verdict::NotApplicable("static: nothing is bound".to_owned()))
        }
        Some(dynamic) if dynamic.bind_now => simple(Verdict::Holds),
        // Neither musl's ldso/dynlink.c nor bionic's linker implements lazy binding.
        Some(_) if binds_at_start(facts) => {
            let whose = if is_musl(facts) { "musl" } else { "Android" };
            let why = format!("{whose}'s loader binds everything at start, whatever the tags say");
            (Verdict::Holds, why)
        }
        Some(_) => {
            simple(Verdict::Fails("neither DT_BIND_NOW, DF_BIND_NOW nor DF_1_NOW".to_owned()))
        }
    }
}

/// The loader knows no lazy binding.
pub(super) fn binds_at_start(facts: &Facts<'_>) -> bool {
    is_musl(facts) || is_bionic(facts)
}

/// Android's loader loads it: by its interpreter, by the versions of its libc's symbols, or by the note that the NDK's start
/// files bring.
pub(super) fn is_bionic(facts: &Facts<'_>) -> bool {
    if let Some(path) = facts.interpreter.as_deref() {
        return path.starts_with("/system/bin/linker") || path.starts_with("/apex/");
    }
    let Some(dynamic) = facts.dynamic.as_ref() else { return false };
    let note = || facts.sections.named(".note.android.ident").is_some();
    let needs = dynamic.needed.iter().any(|name| name == "libc.so");
    needs && (note() || asks_for_version(facts, &|name| name == "LIBC"))
}

/// musl loads it: by its interpreter, or by what it needs or is; and nothing of it is glibc's. A file asks for versions
/// of glibc's symbols because it was linked with glibc, whatever its names are.
pub(super) fn is_musl(facts: &Facts<'_>) -> bool {
    let Some(dynamic) = facts.dynamic.as_ref() else { return false };
    let libc = |name: &str| name == "libc.so" || name.starts_with("libc.musl-");
    let mut names = dynamic.needed.iter().chain(&dynamic.soname);
    let of_musl = match facts.interpreter.as_deref().and_then(|path| path.rsplit('/').next()) {
        Some(loader) => loader.starts_with("ld-musl-"),
        None => names.any(|name| libc(name)),
    };
    let of_glibc = dynamic.needed.iter().chain(&dynamic.soname).any(|name| {
        let loader = name.starts_with("ld-linux") || name.starts_with("ld64.so");
        loader || name == "libc.so.6"
    });
    of_musl
        && !of_glibc
        && !is_bionic(facts)
        && !asks_for_version(facts, &|name| name.starts_with("GLIBC_"))
}

pub(super) fn textrel(object: Object<'_>) -> (Verdict, String) {
    if !is_loaded(object) {
        return not_loaded();
    }
    match &object.facts.dynamic {
        Some(dynamic) if dynamic.textrel => simple(Verdict::Fails("text relocations".to_owned())),
        Some(_) => simple(Verdict::Holds),
        None => simple(Verdict::NotApplicable("no dynamic section".to_owned())),
    }
}

/// GNU ld drops `DF_1_NOOPEN` from executables; there glibc's own refusal counts: since 2.30 it opens nothing that has
/// `DF_1_PIE` (elf/dl-load.c), and `ET_EXEC` it never opened.
pub(super) fn nodlopen(object: Object<'_>) -> (Verdict, String) {
    if !is_loaded(object) {
        return not_loaded();
    }
    let facts = object.facts;
    if matches!(facts.kind, Kind::Executable | Kind::StaticExecutable) {
        return simple(Verdict::NotApplicable("ET_EXEC cannot be opened".to_owned()));
    }
    match &facts.dynamic {
        Some(dynamic) if dynamic.flags_1 & DF_1_PIE != 0 => {
            (Verdict::Holds, "DF_1_PIE: glibc refuses to open it".to_owned())
        }
        Some(dynamic) if dynamic.flags_1 & DF_1_NOOPEN != 0 => simple(Verdict::Holds),
        Some(_) => simple(Verdict::Fails("DF_1_NOOPEN is not set".to_owned())),
        None => simple(Verdict::NotApplicable("no dynamic section".to_owned())),
    }
}
