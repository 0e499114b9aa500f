//! Which sources were compiled in: the files that the debug information names.
//!
//! Shell: runs objcopy and debugedit in a scratch directory. Source trees and packages are only read.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Error, isolated, text};
use crate::isolate::Isolation;
use crate::licence::{self, Group};
use crate::plan::Plan;
use crate::process;

/// Where the prefix map puts the source tree; the build directory is `build` below it.
pub const MAPPED: &str = "/usr/src/qemu";

/// Paths below the source tree (or below the build directory, as `build/…`), in order, each once.
pub fn compiled(
    plan: &Plan,
    debug: &Path,
    scratch: &Path,
    log: &Path,
    isolation: &Isolation,
) -> Result<BTreeSet<String>, Error> {
    fs_err::create_dir_all(scratch)?;
    let plain = scratch.join("plain.debug");
    let list = scratch.join("sources.list");
    let _ = fs_err::remove_file(&list);
    let unpack = isolated(plan, scratch, "unpack the debug information", "objcopy")
        .arg("--decompress-debug-sections")
        .args([debug.display().to_string(), plain.display().to_string()]);
    process::run(&isolation.wrap(&unpack), Some(log), &mut |_| {})?;
    let ask = isolated(plan, scratch, "list the compiled sources", "debugedit")
        .args(["--base-dir", MAPPED, "--dest-dir", MAPPED, "--list-file"])
        .args([list.display().to_string(), plain.display().to_string()]);
    process::run(&isolation.wrap(&ask), Some(log), &mut |_| {})?;
    let names = fs_err::read(&list)?;
    fs_err::remove_file(&plain)?;
    fs_err::remove_file(&list)?;
    Ok(String::from_utf8_lossy(&names)
        .split('\0')
        .filter(|name| !(name.is_empty() || name.ends_with('/') || name.contains('<')))
        .filter(|name| !name.split('/').any(|part| part == ".."))
        .map(str::to_owned)
        .collect())
}

/// The licences of those that are part of the source tree; generated files have none of their own.
pub fn licences(
    sources: &BTreeSet<String>,
    tree: &Path,
) -> Result<std::collections::BTreeMap<String, Group>, Error> {
    let mut texts = Vec::new();
    for name in sources.iter().filter(|name| !name.starts_with("build/")) {
        let path = tree.join(name);
        if path.is_file() {
            let bytes = fs_err::read(&path)?;
            texts.push((name.as_str(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(licence::groups(texts.iter().map(|(name, text)| (*name, text.as_str()))))
}

/// All licences as one SPDX expression, QEMU's own among them.
pub fn expression(groups: &std::collections::BTreeMap<String, Group>) -> String {
    let all = groups.keys().map(String::as_str).chain([text::WHOLE]);
    licence::together(all)
}
