//! Random allowlists, built and compared with their prediction (`examples/surface.rs`), on the trees the tests use.

use std::path::Path;

use crate::{sh, test};

/// `--series S --random N --seed K`; fetches the trees first.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let value = |name: &str, default: &str| {
        let at = arguments.iter().position(|word| word == name);
        at.and_then(|at| arguments.get(at + 1)).map_or(default.to_owned(), Clone::clone)
    };
    sh("cargo", &["build", "--locked", "--bin", "quench"], &[])?;
    let work = test::work()?;
    let trees = work.join("by-series");
    std::fs::create_dir_all(&trees).map_err(|error| error.to_string())?;
    test::prepare_trees(&trees, &work.display().to_string())?;
    build(&work, &value("--series", "10.2"), &value("--random", "2"), &value("--seed", "1"))
}

/// Builds and compares; the trees are there.
pub(crate) fn build(work: &Path, series: &str, random: &str, seed: &str) -> Result<(), String> {
    let tree = work.join("by-series").join(format!("qemu-{series}")).display().to_string();
    let place = work.join(format!("surface-{series}")).display().to_string();
    let words = ["run", "--quiet", "--locked", "--example", "surface", "--", "--series", series];
    let more = ["--tree", &tree, "--work", &place, "--random", random, "--seed", seed];
    sh("cargo", &[&words[..], &more[..]].concat(), &[("QUENCH_WORK", &work.display().to_string())])
}
