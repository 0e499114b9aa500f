//! Two builds of a profile that differ in everything at once: path, user, host name, clock, locale, order of files, …;
//! digests printed, an error when any byte differs. A part of `cargo xtask test`, which has built the profile before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::sh;
use crate::workspace::{Workspace, given_profile};

/// dpkg writes the time and the machine of the build into these: that is what they are for.
const DATED: [&str; 2] = [".buildinfo", ".changes"];

/// Builds, then lets `quench reproduce` build again and compare. The profile may be named; `cloud-virtio` otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let profile = given_profile(arguments.first().map_or("cloud-virtio", String::as_str));
    sh("cargo", &["build", "--locked"], &[])?;
    let workspace = Workspace::find()?;
    let quench = &workspace.built("debug", "quench");
    let (dist, again) =
        (workspace.below("reproducible/dist"), workspace.below("reproducible/again"));
    let _ = std::fs::remove_dir_all(workspace.target.join("reproducible"));
    let work = workspace.below("test-work");
    let common = ["--stale-index", "--work", &work];
    let build = ["build", &profile, "--install-deps", "--yes", "--output", &dist];
    sh(quench, &[&build[..], &common].concat(), &[])?;
    let made = files(Path::new(&dist))?;
    let path = |end: &'static str| {
        made.iter().filter(move |(name, _)| name.ends_with(end)).map(|(_, path)| path)
    };
    let record = path(".record.json").next().ok_or("the build left no record")?;
    let packages = path(".deb").chain(path(".rpm"));
    let names: Vec<&str> =
        std::iter::once(record).chain(packages).filter_map(|p| p.to_str()).collect();
    let output = ["--output", &again];
    sh(quench, &[&["reproduce"], names.as_slice(), &output, &common].concat(), &[])?;
    evidence(&made, Path::new(&again))?;
    // Gigabytes that nobody needs when all is the same.
    let _ = std::fs::remove_dir_all(workspace.target.join("test-work/reproduce"));
    Ok(())
}

/// What stands beside the packages is the same, too.
fn evidence(made: &BTreeMap<String, PathBuf>, again: &Path) -> Result<(), String> {
    let again = files(again)?;
    let mut other = Vec::new();
    for (name, path) in made.iter().filter(|(name, _)| !DATED.iter().any(|end| name.ends_with(end)))
    {
        let second = again.get(name).map(std::fs::read);
        let same = matches!(second, Some(Ok(bytes)) if std::fs::read(path).is_ok_and(|first| first == bytes));
        println!("{} {name}", if same { "identical" } else { "DIFFERENT" });
        if !same {
            other.push(name.as_str());
        }
    }
    if other.is_empty() { Ok(()) } else { Err(format!("not the same: {}", other.join(", "))) }
}

fn files(directory: &Path) -> Result<BTreeMap<String, PathBuf>, String> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let paths = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    Ok(paths.filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path))).collect())
}
