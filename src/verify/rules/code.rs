//! Rules about what the compiler did, as far as symbols and strings tell. Pure.

use super::Object;
use crate::elf::{Facts, Kind};
use crate::verify::Verdict;

/// Functions glibc has a checked twin of. mem* are left out of "unchecked" as lintian does: the compiler removes the
/// check where it can prove the size. Source: glibc debug/Versions.
const FORTIFIABLE: &[&str] = &[
    "asprintf",
    "confstr",
    "dprintf",
    "fdelt",
    "fgets",
    "fgets_unlocked",
    "fprintf",
    "fread",
    "fread_unlocked",
    "getcwd",
    "getdomainname",
    "getgroups",
    "gethostname",
    "getlogin_r",
    "gets",
    "getwd",
    "longjmp",
    "mbsnrtowcs",
    "mbsrtowcs",
    "mbstowcs",
    "poll",
    "ppoll",
    "pread",
    "pread64",
    "printf",
    "ptsname_r",
    "read",
    "readlink",
    "readlinkat",
    "realpath",
    "recv",
    "recvfrom",
    "snprintf",
    "sprintf",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strcpy",
    "strncat",
    "strncpy",
    "swprintf",
    "syslog",
    "ttyname_r",
    "vasprintf",
    "vdprintf",
    "vfprintf",
    "vprintf",
    "vsnprintf",
    "vsprintf",
    "vsyslog",
];

fn loaded(facts: &Facts<'_>) -> bool {
    !matches!(facts.kind, Kind::DebugFile | Kind::Core)
}

fn is_static(facts: &Facts<'_>) -> bool {
    matches!(facts.kind, Kind::StaticExecutable | Kind::StaticPie)
}

pub(super) fn fortify(object: Object<'_>) -> (Verdict, String) {
    let facts = object.facts;
    if !loaded(facts) || facts.kind == Kind::Relocatable {
        return (
            Verdict::NotApplicable("nothing is loaded from this file".to_owned()),
            String::new(),
        );
    }
    if is_static(facts) {
        return (
            Verdict::NotApplicable("static: the C library's functions are not imported".to_owned()),
            String::new(),
        );
    }
    let musl =
        facts.dynamic.iter().flat_map(|dynamic| &dynamic.needed).any(|name| name.contains("musl"));
    if musl {
        return (Verdict::NotApplicable("musl has no checked functions".to_owned()), String::new());
    }
    let imports =
        || facts.symbols.iter().filter(|symbol| !symbol.defined).map(|symbol| symbol.name);
    let base = |name: &'_ str| {
        name.strip_prefix("__").and_then(|name| name.strip_suffix("_chk")).map(str::to_owned)
    };
    // `__my_chk` of somebody's own is not glibc's.
    let checked: Vec<String> = imports()
        .filter_map(base)
        .filter(|name| {
            FORTIFIABLE.contains(&name.as_str())
                || name.starts_with("mem")
                || name == "explicit_bzero"
        })
        .collect();
    let plain: Vec<&str> = imports().filter(|name| FORTIFIABLE.contains(name)).collect();
    let evidence = format!("checked: {}; plain: {}", checked.join(" "), plain.join(" "));
    let verdict = match (checked.len(), plain.len()) {
        (0, 0) => Verdict::NotApplicable("imports no function that has a checked twin".to_owned()),
        (0, n) => {
            Verdict::Fails(format!("none of {n} functions is the checked one: {}", plain.join(" ")))
        }
        // Some plain calls are proven safe at compile time, so a mixture is what FORTIFY looks like.
        _ => Verdict::Holds,
    };
    (verdict, evidence)
}

pub(super) fn build_path(object: Object<'_>) -> (Verdict, String) {
    for mark in ["/home/", "/build/", "/tmp/", "/root/", "/var/tmp/", "/work/"] {
        for at in memchr::memmem::find_iter(object.bytes, mark.as_bytes()) {
            let before =
                at.checked_sub(1).and_then(|at| object.bytes.get(at)).copied().unwrap_or(0);
            let text: String = object.bytes[at..]
                .iter()
                .take(80)
                .take_while(|byte| byte.is_ascii_graphic())
                .map(|byte| char::from(*byte))
                .collect();
            let source = [".c", ".h", ".rs", ".cc"].iter().any(|end| text.ends_with(end));
            if before == 0 && source {
                return (Verdict::Fails(format!("`{text}`")), String::new());
            }
        }
    }
    (Verdict::Holds, String::new())
}
