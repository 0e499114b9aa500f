//! The whole test suite, on a machine with nothing but Rust and root or sudo.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::workspace::Workspace;
use crate::{dist, needs, reproducible, schemas, sh, surface, tidy};

/// Profiles whose source trees the tests scan, and the name of the link to each.
const TREES: &[(&str, &str)] = &[
    ("tests/data/trees/qemu-7.2.toml", "qemu-7.2"),
    ("tests/data/trees/qemu-10.0.toml", "qemu-10.0"),
    ("tests/data/trees/qemu-10.2.toml", "qemu-10.2"),
];

/// A part of the suite: its name and what runs it.
type Part<'a> = (&'a str, Box<dyn Fn() -> Result<(), String> + 'a>);

pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let work = work()?;
    let trees = work.join("by-series");
    std::fs::create_dir_all(&trees).map_err(|error| error.to_string())?;
    let work_text = work.display().to_string();
    let trees_text = trees.display().to_string();
    let environment = [
        ("QUENCH_SLOW_TESTS", "1"),
        ("QUENCH_WORK", work_text.as_str()),
        ("QUENCH_TREES", trees_text.as_str()),
    ];
    let parts: Vec<Part<'_>> = vec![
        ("needs", Box::new(|| needs::run(&[]))),
        ("format", Box::new(|| sh("cargo", &["fmt", "--all", "--check"], &[]))),
        ("tidy", Box::new(|| tidy::run(&[]))),
        (
            "clippy",
            Box::new(|| {
                sh(
                    "cargo",
                    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
                    &[],
                )
            }),
        ),
        ("build", Box::new(|| sh("cargo", &["build", "--locked"], &[]))),
        ("schemas", Box::new(|| schemas::run(&["--check".to_owned()]))),
        ("trees", Box::new(|| prepare_trees(&trees, &work_text))),
        (
            "tests",
            Box::new(|| {
                sh("cargo", &["test", "--locked", "--workspace", "--", "--nocapture"], &environment)
            }),
        ),
        ("own package", Box::new(|| dist::check(&Workspace::find()?.target.join("debug/quench")))),
        ("reproducible", Box::new(|| reproducible::run(&[]))),
        ("surface", Box::new(|| surface::build(&work, "10.2", "2", "1"))),
    ];
    let mut times = Vec::new();
    for (name, part) in &parts {
        let start = Instant::now();
        println!("--- {name}");
        part()?;
        times.push(format!("{name} {} s", start.elapsed().as_secs()));
    }
    println!("--- all parts passed: {}", times.join(", "));
    Ok(())
}

/// Where tests and tasks keep trees and builds.
pub(crate) fn work() -> Result<std::path::PathBuf, String> {
    Ok(Workspace::find()?.target.join("test-work"))
}

/// Fetches and unpacks the trees with quench itself; a link per series leads to each.
pub(crate) fn prepare_trees(links: &Path, work: &str) -> Result<(), String> {
    let quench = Workspace::find()?.built("debug", "quench");
    sh(&quench, &["deps", "cloud-virtio", "--install", "--yes", "--work", work], &[])?;
    for (profile, name) in TREES {
        println!("$ quench build {profile} --until source");
        let output = Command::new(&quench)
            // A mirror that CI machines see may be frozen; its signatures are checked all the same.
            .args(["build", profile, "--until", "source", "--stale-index", "--work", work])
            .output()
            .map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("{profile}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let tree = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let link = links.join(name);
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&tree, &link)
            .map_err(|error| format!("{}: {error}", link.display()))?;
        println!("{name}: {tree}");
    }
    Ok(())
}
