//! Rules of the house that no compiler keeps: module edges, module docs, and words that must not be in the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{self, Kind};

/// Modules that do no I/O; they may not name the others.
const PURE: [&str; 18] = [
    "acceptance",
    "archive",
    "catalog",
    "compare",
    "date",
    "elf",
    "evidence",
    "finding",
    "hardening",
    "hint",
    "kconfig",
    "licence",
    "plan",
    "profile",
    "record",
    "shipped",
    "tree",
    "verify",
];
const SHELL: [&str; 14] = [
    "cli", "deps", "host", "isolate", "measure", "package", "probe", "process", "root", "run",
    "scanned", "source", "stage", "terminal",
];

/// (crate or call, modules that may name it)
const OWNERS: [(&str, &[&str]); 5] = [
    ("goblin::", &["elf"]),
    ("gimli::", &["elf"]),
    ("iced_x86::", &["elf"]),
    ("Command::new", &["process"]),
    ("println!", &["terminal"]),
];

pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    if files.is_empty() {
        return Err("no sources below src".to_owned());
    }
    for file in &files {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        check(file, &text, &mut faults);
    }
    gone(&mut faults)?;
    words(&mut faults)?;
    if faults.is_empty() { Ok(()) } else { Err(format!("\n  {}", faults.join("\n  "))) }
}

fn rust_files(directory: &Path, out: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

fn check(file: &Path, text: &str, faults: &mut Vec<String>) {
    let shown = file.display();
    if !text.starts_with("//!") {
        faults.push(format!("{shown}: no module doc"));
    }
    let module = file
        .components()
        .nth(1)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    let module = module.trim_end_matches(".rs").to_owned();
    let code = text.split("#[cfg(test)]").next().unwrap_or(text);
    if PURE.contains(&module.as_str()) {
        for shell in SHELL.iter().chain(&["tool"]) {
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                if line.contains(&format!("crate::{shell}::"))
                    || line.contains(&format!("use crate::{shell}"))
                {
                    faults.push(format!(
                        "{shown}: pure module `{module}` names shell module `{shell}`"
                    ));
                }
            }
        }
    }
    for (word, owners) in OWNERS {
        let used = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| line.contains(word));
        if used && !owners.contains(&module.as_str()) {
            faults.push(format!("{shown}: `{word}` belongs to {}", owners.join(", ")));
        }
    }
    if code.contains("todo!(") || code.contains("unimplemented!(") {
        faults.push(format!("{shown}: something is left to do"));
    }
}

/// An owner of a crate that quench does not have guards nothing.
fn gone(faults: &mut Vec<String>) -> Result<(), String> {
    let has = workspace::dependencies()?;
    for name in OWNERS.iter().filter_map(|(word, _)| word.strip_suffix("::")) {
        if !has.iter().any(|it| it.kind == Kind::Normal && it.name == name) {
            faults.push(format!("`{name}` has an owner and is no dependency"));
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
    let hosts = ["deb.", "security."].map(|start| format!("{start}debian.org"));
    let more = ["registry.npm", "py"].iter().zip(["js", "pi.org"]).map(|(a, b)| format!("{a}{b}"));
    let words: Vec<String> =
        hosts.into_iter().chain(more).chain([format!("/{}/main", "work")]).collect();
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
