//! Two builds of a profile that differ in everything at once: path, user, host name, clock, locale, …; digests printed,
//! an error when any byte differs.

use std::path::PathBuf;

use crate::sh;

/// Builds, then lets `quench reproduce` build again and compare. The profile may be named; `cloud-virtio` otherwise.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let profile = arguments.first().map_or("cloud-virtio", String::as_str);
    sh("cargo", &["build", "--locked"], &[])?;
    let quench = "target/debug/quench";
    let work = "target/test-work";
    let dist = "target/reproducible/dist";
    let _ = std::fs::remove_dir_all("target/reproducible");
    let common = ["--stale-index", "--work", work];
    let build = [quench, "build", profile, "--install-deps", "--yes", "--output", dist];
    sh(build[0], &[&build[1..], &common].concat(), &[])?;
    let mut record = None;
    let mut packages: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dist).map_err(|error| error.to_string())?.flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        if name.ends_with(".record.json") {
            record = Some(name);
        } else if path.extension().is_some_and(|end| end == "deb" || end == "rpm") {
            packages.push(path);
        }
    }
    let record = record.ok_or("the build left no record")?;
    packages.sort();
    let packages: Vec<&str> = packages.iter().filter_map(|path| path.to_str()).collect();
    let output = ["--output", "target/reproducible/again"];
    let words = [&["reproduce", &record], packages.as_slice(), &output, &common].concat();
    sh(quench, &words, &[])
}
