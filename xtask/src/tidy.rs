//! Rules of the house that no compiler keeps: which room may name which, who owns a crate, that pure rooms touch no
//! machine, module docs, and words that must not be in the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::graph::{self, Edges, File, Named};
use crate::workspace::{self, Kind};

/// Who may name a crate.
enum Owner {
    /// It has no state and no format of its own.
    Anyone,
    Rooms(&'static [&'static str]),
}
use Owner::{Anyone, Rooms};

/// Rooms with options of the command line in them.
const CLI: &[&str] = &["cli", "isolate", "pipeline"];

/// Every dependency of the program and the rooms that may name it; held against what cargo says.
const OWNERS: &[(&str, Owner)] = &[
    ("aho_corasick", Rooms(&["catalog"])),
    ("annotate_snippets", Rooms(&["finding"])),
    ("anstream", Rooms(&["cli", "terminal"])),
    ("anstyle", Rooms(&["terminal"])),
    ("base64", Anyone),
    ("bitflags", Anyone),
    // What reads and writes archives and compressed streams is one room.
    ("bzip2", Rooms(&["archive"])),
    ("clap", Rooms(CLI)),
    ("clap_complete", Rooms(&["cli"])),
    ("clap_mangen", Rooms(&["cli"])),
    ("ed25519_dalek", Rooms(&["evidence"])),
    ("fast_glob", Rooms(&["verify"])),
    ("flate2", Rooms(&["archive"])),
    ("fs_err", Anyone),
    // What decodes ELF, DWARF and machine code is one room.
    ("gimli", Rooms(&["elf"])),
    ("goblin", Rooms(&["elf"])),
    ("hex", Anyone),
    ("iced_x86", Rooms(&["elf"])),
    ("indicatif", Rooms(&["terminal"])),
    ("liblzma", Rooms(&["archive"])),
    ("lz4_flex", Rooms(&["archive"])),
    ("memchr", Anyone),
    ("p256", Rooms(&["evidence"])),
    ("packageurl", Rooms(&["evidence"])),
    ("postcard", Rooms(&["scan_cache"])),
    ("pulp", Rooms(&["elf"])),
    ("rayon", Anyone),
    ("rustix", Anyone),
    ("serde", Anyone),
    ("serde_json", Anyone),
    ("sha2", Anyone),
    ("signal_hook", Rooms(&["process"])),
    // `evidence` has a module of that name, for the documents.
    ("spdx", Rooms(&["evidence", "licence"])),
    ("strsim", Anyone),
    ("tar", Rooms(&["archive"])),
    ("tempfile", Rooms(&["files"])),
    ("thiserror", Anyone),
    ("toml", Anyone),
    ("toml_writer", Rooms(&["profile"])),
    ("which", Rooms(&["process", "tool"])),
    ("zip", Rooms(&["archive"])),
    ("zstd", Rooms(&["archive"])),
];

/// Calls that have one place: the rooms that may make them.
const CALLS: &[(&str, &[&str])] =
    &[("std::process::Command", &["process"]), ("std::process::exit", &["process"])];

/// Macros that have one place.
const MACROS: &[(&str, &[&str])] = &[
    ("println", &["terminal"]),
    ("eprintln", &["terminal"]),
    ("todo", &[]),
    ("unimplemented", &[]),
];

/// Paths that touch the machine: no pure room names them. Clippy knows a part of the functions behind them
/// (`clippy.toml`) and sees through renamed imports; this list is whole and sees types, too.
const MACHINE: &[&str] = &[
    "fs_err",
    "rustix",
    "std::env",
    "std::fs",
    "std::net",
    "std::os::unix::fs",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tempfile",
    "which",
];

/// Methods of `Path` that ask the file system.
const ASKING: &[&str] = &[
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "try_exists",
];

pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let lib = std::fs::read_to_string("src/lib.rs").map_err(|error| error.to_string())?;
    let mut faults = Vec::new();
    let house = House::of(&lib, &mut faults);
    let files = read_all(&mut faults)?;
    let edges = edges(&house, &files);
    for (shown, room, file) in &files {
        house.check(shown, room, file, &mut faults);
    }
    dependencies(&mut faults)?;
    words(&mut faults)?;
    match graph::floors(&edges) {
        Ok(floors) => {
            let picture = picture(&floors, &house);
            println!("{picture}");
            map(&picture, &mut faults)?;
        }
        Err(rooms) => faults.push(format!("a circle of rooms below: {}", rooms.join(", "))),
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("\n  {}", faults.join("\n  "))) }
}

/// A file as messages name it, its room (none for `lib.rs` and `main.rs`), and what it names.
type Source = (String, String, File);

/// Reads all sources that are no tests.
fn read_all(faults: &mut Vec<String>) -> Result<Vec<Source>, String> {
    let mut out = Vec::new();
    let mut tests: BTreeSet<Vec<String>> = BTreeSet::new();
    let found = graph::files(Path::new("src"));
    if found.is_empty() {
        return Err("no sources below src".to_owned());
    }
    let mut modules = Vec::new();
    for (path, module) in found {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{shown}: {error}"))?;
        if !text.starts_with("//!") {
            faults.push(format!("{shown}: no module doc"));
        }
        let file = graph::read(&text, &module).map_err(|error| format!("{shown}: {error}"))?;
        for name in &file.test_modules {
            tests.insert([module.as_slice(), std::slice::from_ref(name)].concat());
        }
        modules.push(module.clone());
        out.push((shown, module.first().cloned().unwrap_or_default(), file));
    }
    let mut modules = modules.into_iter();
    out.retain(|_| {
        let module = modules.next().unwrap_or_default();
        !(1..=module.len()).any(|end| tests.contains(&module[..end]))
    });
    Ok(out)
}

/// The rooms that `src/lib.rs` declares, the only list there is: pure ones under the lint, the others below `// Shell`.
#[derive(Debug, Default, PartialEq, Eq)]
struct House {
    pure: BTreeSet<String>,
    shell: BTreeSet<String>,
}

/// What stands before every pure room.
const LINT: &str = "#[deny(clippy::disallowed_methods, clippy::disallowed_types)]";

impl House {
    fn of(lib: &str, faults: &mut Vec<String>) -> Self {
        let mut house = Self::default();
        let (mut section, mut before) = ("", "");
        for line in lib.lines().map(str::trim) {
            if line.starts_with("// Pure") || line.starts_with("// Shell") {
                section = if line.starts_with("// Pure") { "pure" } else { "shell" };
            }
            let declared = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "));
            if let Some(room) = declared.and_then(|rest| rest.strip_suffix(';'))
                && before != "#[cfg(test)]"
            {
                match (section, before == LINT) {
                    ("pure", true) => house.pure.insert(room.to_owned()),
                    ("shell", false) => house.shell.insert(room.to_owned()),
                    _ => {
                        faults.push(format!(
                            "src/lib.rs: `{room}` is neither pure, under the lint, nor below `// Shell`"
                        ));
                        house.shell.insert(room.to_owned())
                    }
                };
            }
            before = line;
        }
        house
    }

    fn has(&self, room: &str) -> bool {
        self.pure.contains(room) || self.shell.contains(room)
    }

    /// The room that a path leads to.
    fn room_of<'a>(&self, path: &'a [String]) -> Option<&'a str> {
        let [root, room, ..] = path else { return None };
        (root == "crate" && self.has(room)).then_some(room.as_str())
    }

    fn check(&self, shown: &str, room: &str, file: &File, faults: &mut Vec<String>) {
        let pure = self.pure.contains(room);
        for (path, line) in &file.paths {
            let text = path.join("::");
            if let Some(other) =
                self.room_of(path).filter(|other| pure && self.shell.contains(*other))
            {
                faults
                    .push(format!("{shown}:{line}: pure room `{room}` names shell room `{other}`"));
            }
            if pure && MACHINE.iter().any(|word| begins(path, word)) {
                faults.push(format!("{shown}:{line}: pure room `{room}` names `{text}`"));
            }
            for (word, rooms) in CALLS.iter().filter(|(word, _)| begins(path, word)) {
                owned(word, rooms, shown, *line, room, faults);
            }
            for (name, owner) in OWNERS {
                if let Rooms(rooms) = owner
                    && path.first().is_some_and(|first| first == name)
                {
                    owned(name, rooms, shown, *line, room, faults);
                }
            }
        }
        for (word, rooms) in MACROS {
            for (_, line) in named(&file.macros, word) {
                owned(word, rooms, shown, *line, room, faults);
            }
        }
        for word in ASKING.iter().filter(|_| pure) {
            for (_, line) in named(&file.methods, word) {
                faults.push(format!("{shown}:{line}: pure room `{room}` calls `.{word}()`"));
            }
        }
    }
}

fn named<'a>(list: &'a [Named], word: &'a str) -> impl Iterator<Item = &'a Named> {
    list.iter().filter(move |(path, _)| path.last().is_some_and(|last| last == word))
}

/// Whether a path begins with the segments of `word`.
fn begins(path: &[String], word: &str) -> bool {
    let mut segments = path.iter();
    word.split("::").all(|part| segments.next().is_some_and(|segment| segment == part))
}

fn owned(
    what: &str,
    rooms: &[&str],
    shown: &str,
    line: usize,
    room: &str,
    faults: &mut Vec<String>,
) {
    if !rooms.contains(&room) {
        let rooms = if rooms.is_empty() { "nobody".to_owned() } else { rooms.join(", ") };
        faults.push(format!("{shown}:{line}: `{what}` belongs to {rooms}"));
    }
}

/// Which room names which.
fn edges(house: &House, files: &[Source]) -> Edges {
    let all = house.pure.iter().chain(&house.shell);
    let mut edges: Edges = all.map(|room| (room.clone(), BTreeSet::new())).collect();
    for (_, room, file) in files.iter().filter(|(_, room, _)| house.has(room)) {
        let named = file.paths.iter().filter_map(|(path, _)| house.room_of(path));
        let others = named.filter(|other| other != room).map(str::to_owned);
        edges.entry(room.clone()).or_default().extend(others);
    }
    edges
}

/// The floors, the highest first: what stands on a line names only what stands below it.
fn picture(floors: &[Vec<String>], house: &House) -> String {
    let line = |(floor, rooms): (usize, &Vec<String>)| {
        let mark = |room: &String| {
            if house.shell.contains(room) { format!("[{room}]") } else { room.clone() }
        };
        let rooms: Vec<String> = rooms.iter().map(mark).collect();
        format!("{floor:>2}  {}", rooms.join("  "))
    };
    let lines: Vec<String> = floors.iter().enumerate().rev().map(line).collect();
    format!("floors (shell rooms in brackets):\n{}", lines.join("\n"))
}

/// The map of the house shows the floors as they are, and stays a map.
fn map(picture: &str, faults: &mut Vec<String>) -> Result<(), String> {
    /// Bytes that a reader takes in at once.
    const LARGEST: usize = 8192;
    let file = "ARCHITECTURE.md";
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    if !text.contains(&format!("```text\n{picture}\n```")) {
        faults.push(format!("{file}: its floors are not those printed here; put these there"));
    }
    if text.len() > LARGEST {
        faults.push(format!("{file}: {} bytes; more than {LARGEST} belong into docs/", text.len()));
    }
    Ok(())
}

/// Every dependency has an owner, every owner's crate is a dependency that somebody names.
fn dependencies(faults: &mut Vec<String>) -> Result<(), String> {
    let normal: BTreeMap<String, Kind> = workspace::dependencies()?
        .into_iter()
        .filter(|dependency| dependency.kind == Kind::Normal)
        .map(|dependency| (dependency.name, dependency.kind))
        .collect();
    for name in normal.keys().filter(|name| !OWNERS.iter().any(|(owned, _)| owned == *name)) {
        faults.push(format!(
            "Cargo.toml: nobody owns `{name}`: add it to OWNERS in xtask/src/tidy.rs"
        ));
    }
    for (name, _) in OWNERS {
        if !normal.contains_key(*name) {
            faults.push(format!("xtask/src/tidy.rs: `{name}` has an owner and is no dependency"));
        }
    }
    Ok(())
}

/// The project names no registry host and no path of the machine it was written on.
fn words(faults: &mut Vec<String>) -> Result<(), String> {
    let list = Command::new("git")
        .args(["ls-files", "-z"])
        .output()
        .map_err(|error| format!("git: {error}"))?;
    // In halves, for this file is one of those that are read.
    let words = [
        ["deb.", "debian.org"],
        ["security.", "debian.org"],
        ["registry.npm", "js"],
        ["py", "pi.org"],
        ["/work", "/main"],
    ]
    .map(|halves| halves.concat());
    for file in String::from_utf8_lossy(&list.stdout)
        .split('\0')
        .filter(|file| !file.is_empty() && *file != "Cargo.lock")
    {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        for word in words.iter().filter(|word| text.contains(word.as_str())) {
            faults.push(format!("{file}: names `{word}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{House, LINT, graph};

    const ROOMS: &str =
        "// Pure: values.\n@L@\npub mod plan;\n@L@\npub mod elf;\n// Shell\npub mod process;\n";

    fn house() -> House {
        let mut faults = Vec::new();
        let house = House::of(&ROOMS.replace("@L@", LINT), &mut faults);
        assert_eq!(faults, Vec::<String>::new());
        house
    }

    /// Faults of a text in a room.
    fn faults(room: &str, text: &str) -> Vec<String> {
        let file = graph::read(text, &[room.to_owned()]).expect("Rust");
        let mut out = Vec::new();
        house().check("x.rs", room, &file, &mut out);
        out
    }

    #[test]
    fn a_room_without_the_lint_is_a_fault() {
        let mut found = Vec::new();
        House::of("// Pure\npub mod plan;\n", &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
        House::of("pub mod plan;\n", &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn grouped_imports_of_a_shell_room_are_seen() {
        assert_eq!(faults("plan", "use crate::{elf, process::{run, Output}};").len(), 2);
        assert_eq!(faults("plan", "use super::super::plan::x; use crate::elf;").len(), 0);
        assert_eq!(faults("process", "use crate::plan;").len(), 0);
    }

    #[test]
    fn pure_rooms_touch_no_machine() {
        for text in [
            "use std::{env, io};",
            "fn f() { std::fs::metadata(\"x\"); }",
            "use fs_err::File;",
            "fn f(p: &Path) -> bool { p.exists() }",
            "fn f() { rustix::process::geteuid(); }",
            "fn f() { std::thread::sleep(d); }",
        ] {
            assert_eq!(faults("plan", text).len(), 1, "{text}");
            assert_eq!(faults("process", text).len(), 0, "{text}");
        }
    }

    #[test]
    fn crates_and_calls_belong_to_rooms() {
        assert_eq!(faults("plan", "use goblin::elf::Elf;").len(), 1);
        assert_eq!(faults("elf", "use goblin::elf::Elf;").len(), 0);
        assert_eq!(faults("elf", "fn f() { println!(\"x\"); }").len(), 1);
    }
}
