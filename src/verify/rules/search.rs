//! Where the loader looks for libraries: search paths, and names of libraries that are paths. Pure: no path is looked up.

use super::Object;
use super::link::{is_loaded, not_loaded};
use crate::verify::Verdict;

/// Directories in which anybody may place a file, and links to them that systems have.
const OPEN_TO_ALL: &[&str] = &[
    "/tmp",
    "/var/tmp",
    "/usr/tmp",
    "/dev/shm",
    "/run/shm",
    "/var/run/shm",
    "/run/lock",
    "/var/lock",
    "/var/run/lock",
    "/dev/mqueue",
];
const STANDARD: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
/// Directories that packages install programs into: a file there is where it will run.
const INSTALLED: &[&str] =
    &["/usr", "/opt", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

pub(super) fn rpath(object: Object<'_>) -> (Verdict, String) {
    if !is_loaded(object) {
        return not_loaded();
    }
    let Some(dynamic) = &object.facts.dynamic else {
        let why = "no dynamic section".to_owned();
        return (Verdict::NotApplicable(why), String::new());
    };
    let origin = origin(object.path);
    let mut faults = Vec::new();
    let mut evidence = String::new();
    for (tag, paths) in [("DT_RPATH", &dynamic.rpath), ("DT_RUNPATH", &dynamic.runpath)] {
        let Some(paths) = paths else { continue };
        if paths.is_empty() {
            // glibc elf/dl-load.c decompose_rpath; `patchelf --shrink-rpath` leaves it.
            evidence = format!("{tag} is empty as a whole, which the loader ignores");
            continue;
        }
        faults.extend(paths.split(':').filter_map(|path| {
            directory(path, origin).map(|why| format!("{tag} `{path}`: {why}"))
        }));
    }
    let needed = dynamic.needed.iter().map(|name| ("DT_NEEDED", name.as_str()));
    let redirections = dynamic.redirections.iter();
    let redirections =
        redirections.flat_map(|(tag, names)| names.split(':').map(move |name| (*tag, name)));
    // A name with a slash is searched nowhere: it is opened.
    for (tag, name) in needed.chain(redirections).filter(|(_, name)| name.contains('/')) {
        faults.extend(file(name, origin).map(|why| format!("{tag} `{name}`: {why}")));
    }
    if faults.is_empty() {
        (Verdict::Holds, evidence)
    } else {
        (Verdict::Fails(faults.join("; ")), evidence)
    }
}

/// The directory of a file, where its path says that it is installed there.
fn origin(path: &str) -> Option<&str> {
    let path = path.rsplit('!').next().unwrap_or(path);
    let (directory, _) = path.rsplit_once('/')?;
    below(directory, INSTALLED).then_some(directory)
}

fn below(path: &str, directories: &[&str]) -> bool {
    directories.iter().any(|directory| {
        let rest = path.strip_prefix(directory);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Root,
    /// The directory of the file, which is not known.
    Origin,
    Current,
}

/// A path as the loader walks it.
struct Way {
    begin: Begin,
    /// A part is `..`.
    climbs: bool,
    /// Without `.` and `..`, where it begins at the root.
    resolved: String,
}

/// Length of the token at the begin of a text, `$ORIGIN` or `${ORIGIN}`, as glibc's elf/dl-load.c `is_dst` reads it: a
/// longer name is none.
fn origin_token(text: &str) -> Option<usize> {
    if text.starts_with("${ORIGIN}") {
        return Some("${ORIGIN}".len());
    }
    let rest = text.strip_prefix("$ORIGIN")?;
    let longer = rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_');
    (!longer).then_some("$ORIGIN".len())
}

fn way(path: &str, origin: Option<&str>) -> Way {
    let token = origin_token(path);
    let (begin, text) = match (token, origin) {
        (Some(length), Some(origin)) => (Begin::Root, format!("{origin}{}", &path[length..])),
        (Some(length), None) => (Begin::Origin, path[length..].to_owned()),
        (None, _) if path.starts_with('/') => (Begin::Root, path.to_owned()),
        (None, _) => (Begin::Current, path.to_owned()),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut climbs = false;
    for part in text.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            climbs |= token.is_none();
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    Way { begin, climbs, resolved: format!("/{}", parts.join("/")) }
}

/// What is wrong with an element of a search path, in the classes of rpm's check-rpaths-worker.
fn directory(path: &str, origin: Option<&str>) -> Option<String> {
    if path.is_empty() {
        return Some("empty: the current directory".to_owned());
    }
    if STANDARD.contains(&path.trim_end_matches('/')) {
        return Some("a standard path, searched anyway".to_owned());
    }
    file(path, origin)
}

/// What is wrong with a path that the loader opens.
fn file(path: &str, origin: Option<&str>) -> Option<String> {
    let way = way(path, origin);
    let place = &way.resolved;
    match way.begin {
        // Where it is not known where the file will be, nothing is known of its neighbours.
        Begin::Origin => None,
        Begin::Current => Some("relative: the current directory".to_owned()),
        Begin::Root if way.climbs => Some("leads upwards".to_owned()),
        Begin::Root if below(place, OPEN_TO_ALL) => {
            Some(format!("{place} is where anybody may place a file"))
        }
        Begin::Root if below(place, INSTALLED) => None,
        Begin::Root if place == path => Some("outside of /usr".to_owned()),
        Begin::Root => Some(format!("{place} is outside of /usr")),
    }
}

#[cfg(test)]
mod tests {
    use super::{directory, file, origin};

    #[test]
    fn rpath_elements_are_classed_as_rpm_does() {
        for bad in ["", "lib", "/usr/lib/../x", "/tmp/x", "/home/me/build", "/usr/lib", "/lib64/"] {
            assert!(directory(bad, None).is_some(), "{bad}");
        }
        for good in ["$ORIGIN/../lib", "/usr/lib/x86_64-linux-gnu/pulseaudio", "/opt/x/lib"] {
            assert!(directory(good, None).is_none(), "{good}");
        }
    }

    #[test]
    fn tokens_are_those_of_the_loader() {
        for good in [
            "$ORIGIN",
            "${ORIGIN}/../lib",
            "$ORIGIN-x/lib",
            "/usr/lib/gcc-15..16/lib",
            "/usr/$LIB/x",
        ] {
            assert_eq!(directory(good, None), None, "{good}");
        }
        for bad in
            ["$ORIGINAL/lib", "$ORIGIN_LIBS/x", "${ORIGIN/x", "x$ORIGIN/y", "$LIB/x", "${PLATFORM}"]
        {
            let why = directory(bad, None);
            assert_eq!(why.as_deref(), Some("relative: the current directory"), "{bad}");
        }
        assert!(directory("/usr/tmp/x", None).unwrap().contains("anybody"));
        assert_eq!(directory("/usr/tmpfiles", None), None);
    }

    #[test]
    fn a_known_place_decides_where_climbing_ends() {
        let bin = origin("/usr/bin/climb");
        assert_eq!(bin, Some("/usr/bin"));
        assert_eq!(origin("layer!/opt/x/bin/y"), Some("/opt/x/bin"));
        for unknown in ["climb", "build/usr/bin/climb", "/home/me/usr/bin/climb", "/usrx/climb"] {
            assert_eq!(origin(unknown), None, "{unknown}");
        }
        let climbs = "$ORIGIN/../../tmp/x";
        assert_eq!(directory(climbs, None), None);
        assert_eq!(
            directory(climbs, bin).as_deref(),
            Some("/tmp/x is where anybody may place a file")
        );
        assert!(directory("$ORIGIN/../../../../../var/./tmp", bin).is_some());
        assert_eq!(
            directory("${ORIGIN}/../../srv", bin).as_deref(),
            Some("/srv is outside of /usr")
        );
        assert_eq!(directory("$ORIGIN/../lib/x", bin), None);
    }

    #[test]
    fn names_with_a_slash_are_opened_where_they_say() {
        for bad in
            ["./libx.so", "../lib/libx.so", "sub/libx.so", "/tmp/bld/libx.so", "/home/me/libx.so"]
        {
            assert!(file(bad, None).is_some(), "{bad}");
        }
        for good in ["/usr/lib/x/libx.so", "/lib/x86_64-linux-gnu/libx.so", "$ORIGIN/libx.so"] {
            assert_eq!(file(good, None), None, "{good}");
        }
    }
}
