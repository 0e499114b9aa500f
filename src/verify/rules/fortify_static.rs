//! FORTIFY of static programs: nothing is imported, so units and the names of functions tell. Pure.

use std::collections::BTreeSet;

use super::Object;
use super::fortify::{ALWAYS, CHECKED, levels, none_checked};
use crate::elf::relro::names_protection;
use crate::verify::Verdict;
use crate::verify::libc::{canonical, twin};

type Answer = (Verdict, String);

/// Functions that glibc's own objects bring into a static program, plain or checked: of programs that call none of them,
/// linked with glibc 2.36 and 2.43.
const BROUGHT: &[&str] = &[
    "asprintf",
    "fgets_unlocked",
    "fprintf",
    "fread_unlocked",
    "getcwd",
    "gethostname",
    "getlogin_r",
    "inet_pton",
    "longjmp",
    "mbsrtowcs",
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "poll",
    "read",
    "readlink",
    "recvfrom",
    "snprintf",
    "sprintf",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strcpy",
    "strncpy",
    "ttyname_r",
    "vasprintf",
    "vsnprintf",
    "vsprintf",
];
/// Those of them that glibc calls by their checked names when it was built with FORTIFY itself.
const BROUGHT_CHECKED: &[&str] =
    &["asprintf", "fprintf", "memcpy", "memmove", "mempcpy", "memset", "read", "sprintf"];

pub(super) fn fortify(object: Object<'_>) -> Answer {
    if !names_protection(object.facts) {
        let why = "static, and not with glibc: other C libraries have no checked functions";
        return (Verdict::NotApplicable(why.to_owned()), String::new());
    }
    let names = || object.facts.symbols.iter().filter(|it| it.defined && it.function);
    let checked: BTreeSet<&str> = names().filter_map(|symbol| twin(symbol.name)).collect();
    let is_own = |name: &&str| !BROUGHT_CHECKED.contains(name) && CHECKED.contains(name);
    let own: Vec<&str> = checked.iter().copied().filter(is_own).collect();
    let plain: BTreeSet<&str> = names().map(|symbol| canonical(symbol.name)).collect();
    let must: Vec<(&str, usize)> = ALWAYS
        .iter()
        .filter(|name| !BROUGHT.contains(name) && plain.contains(*name))
        .filter(|name| !checked.contains(*name))
        .map(|name| (*name, 0))
        .collect();
    let told = levels(object);
    let evidence = format!(
        "static: checked functions by .symtab: {}; {} units tell their level",
        own.join(" "),
        told.len()
    );
    let bare: Vec<&str> =
        told.iter().filter(|(level, _)| *level == 0).map(|(_, name)| name.as_str()).collect();
    let verdict = match (told.len(), bare.len()) {
        (1.., 0) => Verdict::Holds,
        (all, off) if off > 0 && off < all => Verdict::Partial {
            n: all - off,
            m: all,
            what: format!("units were compiled with FORTIFY; not: {}", shown(&bare)),
        },
        (_, 1..) => Verdict::Fails(format!("compiled without FORTIFY (level 0): {}", shown(&bare))),
        _ => by_names(object, &own, &must),
    };
    (verdict, evidence)
}

fn shown(names: &[&str]) -> String {
    names.iter().take(6).copied().collect::<Vec<&str>>().join(" ")
}

fn by_names(object: Object<'_>, own: &[&str], must: &[(&str, usize)]) -> Verdict {
    let has_names = object.facts.symbols.iter().any(|symbol| symbol.defined && symbol.function);
    match (own.len(), must.len()) {
        (0, 1..) => none_checked(must),
        (n, 1..) => Verdict::Partial {
            n,
            m: n + must.len(),
            what: format!(
                "functions are checked; these cannot be plain where FORTIFY is on (level 2): {}",
                must.iter().map(|(name, _)| *name).collect::<Vec<&str>>().join(" ")
            ),
        },
        (1.., 0) => Verdict::Holds,
        (0, 0) if has_names => Verdict::CannotTell(
            "static: .symtab names no checked function, nor one that would have to be; debug information of GCC 16 or \
             macros (-g3) would tell"
                .to_owned(),
        ),
        (0, 0) => Verdict::CannotTell(
            "static and stripped: nothing names the functions it calls; .symtab or debug information would".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{BROUGHT, BROUGHT_CHECKED, CHECKED};

    #[test]
    fn what_the_c_library_brings_has_checked_twins() {
        assert!(BROUGHT.iter().all(|name| CHECKED.contains(name)));
        assert!(BROUGHT_CHECKED.iter().all(|name| BROUGHT.contains(name)));
    }
}
