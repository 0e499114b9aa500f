//! FORTIFY: which calls are checked, which of the same name are not, what sizes they are told, and at which level. Pure.

use std::collections::BTreeSet;

use super::Object;
use crate::elf::Kind;
use crate::verify::Verdict;
use crate::verify::libc::{canonical, twin};
use crate::verify::units::{Compiler, options};

type Answer = (Verdict, String);

/// Functions glibc has a checked twin of, `__NAME_chk`. Source: glibc debug/Versions. The names of mem* and of wide
/// strings count as checked, and not as unchecked: the compiler removes the check where it can prove the size.
pub(super) const CHECKED: &[&str] = &[
    "asprintf",
    "confstr",
    "dprintf",
    "explicit_bzero",
    "fdelt",
    "fgets",
    "fgets_unlocked",
    "fgetws",
    "fgetws_unlocked",
    "fprintf",
    "fread",
    "fread_unlocked",
    "fwprintf",
    "getcwd",
    "getdomainname",
    "getgroups",
    "gethostname",
    "getlogin_r",
    "gets",
    "getwd",
    "inet_ntop",
    "inet_pton",
    "longjmp",
    "mbsnrtowcs",
    "mbsrtowcs",
    "mbstowcs",
    "memcpy",
    "memmove",
    "mempcpy",
    "memset",
    "obstack_printf",
    "obstack_vprintf",
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
    "strlcat",
    "strlcpy",
    "strncat",
    "strncpy",
    "swprintf",
    "syslog",
    "ttyname_r",
    "vasprintf",
    "vdprintf",
    "vfprintf",
    "vfwprintf",
    "vprintf",
    "vsnprintf",
    "vsprintf",
    "vswprintf",
    "vsyslog",
    "vwprintf",
    "wcpcpy",
    "wcpncpy",
    "wcrtomb",
    "wcscat",
    "wcscpy",
    "wcslcat",
    "wcslcpy",
    "wcsncat",
    "wcsncpy",
    "wcsnrtombs",
    "wcsrtombs",
    "wcstombs",
    "wctomb",
    "wmemcpy",
    "wmemmove",
    "wmempcpy",
    "wmemset",
    "wprintf",
];

/// Functions Android's C library has a checked twin of. Source: bionic libc/libc.map.txt.
const CHECKED_BY_BIONIC: &[&str] = &[
    "FD_CLR",
    "FD_ISSET",
    "FD_SET",
    "fgets",
    "fread",
    "fwrite",
    "getcwd",
    "memchr",
    "memcpy",
    "memmove",
    "mempcpy",
    "memrchr",
    "memset",
    "poll",
    "ppoll",
    "ppoll64",
    "pread",
    "pread64",
    "pwrite",
    "pwrite64",
    "read",
    "readlink",
    "readlinkat",
    "recvfrom",
    "sendto",
    "snprintf",
    "sprintf",
    "stpcpy",
    "stpncpy",
    "strcat",
    "strchr",
    "strcpy",
    "strlcat",
    "strlcpy",
    "strlen",
    "strncat",
    "strncpy",
    "strrchr",
    "umask",
    "vsnprintf",
    "vsprintf",
    "write",
];

/// Functions whose every call is the checked one from level 2 on: what is checked is the format, not a size, so there is
/// nothing the compiler could prove away. A plain call was compiled without FORTIFY, or at level 1.
pub(crate) const ALWAYS: &[&str] = &[
    "asprintf",
    "dprintf",
    "fprintf",
    "obstack_printf",
    "obstack_vprintf",
    "printf",
    "syslog",
    "vasprintf",
    "vdprintf",
    "vfprintf",
    "vprintf",
    "vsyslog",
];

/// The C library has a checked twin of a function: the file's own, where it is known, else any glibc of today.
fn has_twin(object: Object<'_>, name: &str) -> bool {
    match object.libc {
        Some(libc) => libc.checks(name),
        None if super::link::is_bionic(object.facts) => {
            CHECKED_BY_BIONIC.binary_search(&name).is_ok()
        }
        None => CHECKED.binary_search(&name).is_ok(),
    }
}

/// The function a checked name is the twin of. `__my_chk` of somebody's own is none.
fn checked<'n>(object: Object<'_>, name: &'n str) -> Option<&'n str> {
    twin(name).filter(|base| has_twin(object, base))
}

fn countable(object: Object<'_>, name: &str) -> bool {
    has_twin(object, name) && !name.starts_with("mem") && !name.starts_with('w')
}

/// Which list of checked functions counted.
fn judged_by(object: Object<'_>) -> String {
    match object.libc {
        Some(libc) => format!("by what {} exports ({} checked functions)", libc.name, libc.count()),
        None if super::link::is_bionic(object.facts) => {
            "by the built-in list of Android's names; --libc or --sysroot would name the target's own"
                .to_owned()
        }
        None => {
            "by the built-in list of glibc's names; --libc or --sysroot would name the target's own"
                .to_owned()
        }
    }
}

/// Why there is nothing to judge.
fn out_of_place(object: Object<'_>) -> Option<String> {
    let facts = object.facts;
    let needed = || facts.dynamic.iter().flat_map(|dynamic| &dynamic.needed);
    match facts.kind {
        Kind::DebugFile | Kind::Core | Kind::Relocatable => {
            return Some("nothing is loaded from this file".to_owned());
        }
        _ if super::coverage::is_go(object)
            && !needed().any(|name| name.starts_with("libc.so")) =>
        {
            return Some("compiled by Go: calls no C function".to_owned());
        }
        _ if !super::link::is_for_processes(object) => {
            return Some("no process runs this".to_owned());
        }
        _ => {}
    }
    if super::link::is_musl(facts) {
        return Some("musl has no checked functions".to_owned());
    }
    if let Some(libc) = object.libc.filter(|libc| libc.count() == 0) {
        return Some(format!("{} exports no checked function", libc.name));
    }
    None
}

/// Functions that relocations of calls name: all that tells calls from addresses where the code is not read. `None` where
/// it is, and where the file has no such relocation at all: then calls go through the GOT (`-fno-plt`).
fn called(object: Object<'_>) -> Option<BTreeSet<&str>> {
    let dynamic = object.facts.dynamic.as_ref().filter(|_| object.code.is_none())?;
    let names = dynamic.plt_slots.iter().filter_map(|slot| object.facts.symbols.get(slot.symbol));
    let names: BTreeSet<&str> =
        names.map(|symbol| symbol.name).filter(|name| !name.is_empty()).map(canonical).collect();
    (!names.is_empty()).then_some(names)
}

/// Imported names with the number of calls; 0 where the code is not read.
fn imports(object: Object<'_>) -> impl Iterator<Item = (&str, usize)> {
    object.facts.symbols.iter().filter(|symbol| !symbol.defined && !symbol.name.is_empty()).map(
        move |symbol| {
            let calls = object.code.and_then(|code| code.calls.get(symbol.name)).copied();
            (canonical(symbol.name), calls.unwrap_or(0))
        },
    )
}

fn listed(calls: &[(&str, usize)]) -> String {
    let texts: Vec<String> = calls
        .iter()
        .map(
            |(name, count)| {
                if *count > 0 { format!("{name} ({count})") } else { (*name).to_owned() }
            },
        )
        .collect();
    texts.join(" ")
}

fn total(calls: &[(&str, usize)]) -> usize {
    calls.iter().map(|(_, count)| (*count).max(1)).sum()
}

pub(super) fn fortify(object: Object<'_>) -> Answer {
    if let Some(why) = out_of_place(object) {
        return (Verdict::NotApplicable(why), String::new());
    }
    if matches!(object.facts.kind, Kind::StaticExecutable | Kind::StaticPie) {
        return super::fortify_static::fortify(object);
    }
    let mut guarded: Vec<(&str, usize)> =
        imports(object).filter_map(|(name, calls)| Some((checked(object, name)?, calls))).collect();
    let mut plain: Vec<(&str, usize)> =
        imports(object).filter(|(name, _)| countable(object, name)).collect();
    guarded.sort_unstable();
    plain.sort_unstable();
    // Where the code is not read, relocations tell whose address is only taken.
    let called = called(object);
    let is_called = |name: &str| called.as_ref().is_none_or(|called| called.contains(name));
    let pointed_to: Vec<&str> =
        plain.iter().map(|(name, _)| *name).filter(|name| !is_called(name)).collect();
    plain.retain(|(name, _)| is_called(name));
    let bionic = super::link::is_bionic(object.facts);
    // A name that is imported and not called has its address taken.
    let must: Vec<(&str, usize)> = plain
        .iter()
        .copied()
        .filter(|(name, calls)| {
            !bionic && ALWAYS.contains(name) && (*calls > 0 || object.code.is_none())
        })
        .collect();
    let mut evidence = format!("checked: {}; plain: {}", listed(&guarded), listed(&plain));
    evidence.push_str(&format!("; judged {}", judged_by(object)));
    if !pointed_to.is_empty() {
        evidence.push_str(&format!("; only their address is taken: {}", pointed_to.join(" ")));
    }
    let foreign: Vec<&str> = imports(object)
        .map(|(name, _)| name)
        .filter(|name| twin(name).is_some_and(|base| !has_twin(object, base)))
        .take(6)
        .collect();
    if !foreign.is_empty() {
        evidence.push_str(&format!("; no function of the C library: {}", foreign.join(" ")));
    }
    if let Some(code) = object.code {
        let sizes = code.sizes;
        evidence.push_str(&format!(
            "; sizes told: {} constant, {} unknown (-1), {} computed, {} not followed",
            sizes.constant, sizes.unknown, sizes.computed, sizes.unseen
        ));
    }
    let unoptimised = unoptimised(object);
    if !unoptimised.is_empty() {
        evidence.push_str(&format!(
            "; compiled with -O0, which undoes FORTIFY: {}",
            unoptimised.join(" ")
        ));
    }
    let calls = |list: &[(&str, usize)]| list.iter().map(|(_, calls)| *calls).sum::<usize>();
    let verdict = match (guarded.len(), plain.len()) {
        (0, 0) => Verdict::NotApplicable(nothing_to_miss(object)),
        (0, _) if bionic || plain.iter().all(|(name, _)| by_size(name)) => {
            match levels(object).iter().map(|(level, _)| *level).min() {
                Some(1..) => Verdict::Holds,
                Some(0) => none_checked(&plain),
                None => Verdict::CannotTell(format!(
                    "no call is checked, nor need one be: FORTIFY leaves {} plain where the compiler proves that the \
                     object is large enough, and where it does not know its size; macros (-g3), annobin notes, GCC 16's \
                     producer or clang's -grecord-command-line would tell",
                    listed(&plain)
                )),
            }
        }
        (0, _) => none_checked(&plain),
        // Somebody may import a name only to have it there.
        (_, n) if calls(&guarded) == 0 && calls(&plain) > 0 => Verdict::Fails(format!(
            "none of {n} functions that are called is the checked one: {}; imported and not called: {}",
            listed(&plain),
            listed(&guarded)
        )),
        _ if !must.is_empty() => Verdict::Partial {
            n: total(&guarded),
            m: total(&guarded) + total(&must),
            what: format!(
                "calls are checked; these cannot be plain where FORTIFY is on (level 2): {}",
                listed(&must)
            ),
        },
        // Some plain calls are proven safe at compile time, so a mixture is what FORTIFY looks like.
        _ => Verdict::Holds,
    };
    (verdict, evidence)
}

pub(super) fn none_checked(plain: &[(&str, usize)]) -> Verdict {
    let count = plain.len();
    Verdict::Fails(format!("none of {count} functions is the checked one: {}", listed(plain)))
}

/// All that is checked is a size: calls stay plain where it is proven or not known, at level 3, too. (`snprintf` stays plain for the
/// simplest formats only.)
fn by_size(name: &str) -> bool {
    !name.contains("printf") && !matches!(name, "fdelt" | "longjmp" | "syslog" | "vsyslog")
}

/// Why plain imports alone say nothing.
fn nothing_to_miss(object: Object<'_>) -> String {
    let mut names: Vec<&str> =
        imports(object).map(|(name, _)| name).filter(|name| has_twin(object, name)).collect();
    names.sort_unstable();
    if names.is_empty() {
        return "imports no function that has a checked twin".to_owned();
    }
    format!(
        "imports only {} of the functions that have a checked twin: the compiler calls the plain one where it proves the size",
        names.join(" ")
    )
}

fn unoptimised(object: Object<'_>) -> Vec<&str> {
    object
        .units
        .iter()
        .filter(|unit| {
            let options = options(&unit.producer);
            options.recorded() && !options.optimised && !unit.ranges.is_empty()
        })
        .map(|unit| unit.name.as_str())
        .take(6)
        .collect()
}

/// Levels of the units that have code and tell theirs.
pub(super) fn levels(object: Object<'_>) -> Vec<(u8, &String)> {
    let mut levels = Vec::new();
    for unit in object.units {
        let options = options(&unit.producer);
        let known = match options.compiler {
            Compiler::Clang => unit.fortify.or(Some(options.fortify.unwrap_or(0))),
            Compiler::Gcc if !options.optimised => Some(0),
            Compiler::Gcc | Compiler::Silent => unit.fortify.or(options.fortify),
            _ => None,
        };
        levels.extend(known.filter(|_| !unit.ranges.is_empty()).map(|level| (level, &unit.name)));
    }
    levels
}

/// Level 3, where there is evidence of a level at all.
pub(super) fn level(object: Object<'_>) -> Answer {
    let (checked, _) = fortify(object);
    if let Verdict::NotApplicable(why) = checked {
        return (Verdict::NotApplicable(why), String::new());
    }
    let levels = levels(object);
    let sizes = object.code.map(|code| code.sizes).unwrap_or_default();
    let told = sizes.constant + sizes.computed;
    let guess =
        format!("{} of {told} sizes that checked functions are told are computed", sizes.computed);
    let Some(lowest) = levels.iter().min() else {
        if matches!(checked, Verdict::Fails(_)) {
            return (Verdict::Fails("no call is checked: level 0".to_owned()), guess);
        }
        let why = format!(
            "level unknown; macros (-g3), annobin notes, GCC 16's producer or clang's -grecord-command-line would tell ({guess})"
        );
        return (Verdict::CannotTell(why), guess);
    };
    let highest = levels.iter().map(|(level, _)| *level).max().unwrap_or(0);
    let evidence =
        format!("{} units tell their level: {} to {highest}; {guess}", levels.len(), lowest.0);
    let third = levels.iter().filter(|(level, _)| *level >= 3).count();
    let verdict = if lowest.0 >= 3 {
        Verdict::Holds
    } else if third > 0 {
        Verdict::Partial {
            n: third,
            m: levels.len(),
            what: format!("units are of level 3; {} is of level {}", lowest.1, lowest.0),
        }
    } else {
        Verdict::Fails(format!("level {highest}"))
    };
    (verdict, evidence)
}

#[cfg(test)]
mod tests {
    use super::{ALWAYS, CHECKED, CHECKED_BY_BIONIC, twin};

    fn listed(name: &str) -> Option<&str> {
        twin(name).filter(|base| CHECKED.binary_search(base).is_ok())
    }

    #[test]
    fn the_lists_are_sorted_and_nested() {
        assert!(CHECKED.is_sorted() && CHECKED_BY_BIONIC.is_sorted());
        assert!(ALWAYS.iter().all(|name| CHECKED.contains(name)));
    }

    #[test]
    fn only_glibc_s_own_names_are_twins() {
        assert_eq!(listed("__read_chk"), Some("read"));
        assert_eq!(listed("__explicit_bzero_chk"), Some("explicit_bzero"));
        assert_eq!(listed("__my_chk"), None);
        assert_eq!(listed("__stack_chk_fail"), None);
    }
}
