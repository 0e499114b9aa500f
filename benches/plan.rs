//! How fast a plan is made, against QEMU's own `scripts/minikconf.py` in the same session on the same tree and selection:
//!
//! ```text
//! QUENCH_TREES=target/test-work/by-series cargo bench --bench plan
//! ```
//!
//! Prints medians and ratios; asserts no time. `minikconf.py` alone resolves symbols; `quench plan` reads the whole tree,
//! makes the catalog, resolves, predicts the surface and prints the plan.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its terminal")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use quench::catalog;
use quench::source::read_tree;
use quench::tree::Tree;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RUNS: usize = 9;

fn main() -> Result<()> {
    let Some(trees) = std::env::var_os("QUENCH_TREES") else {
        println!("skipped: QUENCH_TREES is not set");
        return Ok(());
    };
    println!("{:<8} {:<34} {:>9} {:>9}", "tree", "what", "median", "ratio");
    for series in ["7.2", "10.0", "10.2"] {
        plans(
            series,
            &fs_err::canonicalize(PathBuf::from(&trees).join(format!("qemu-{series}")))?,
        )?;
    }
    growth(&PathBuf::from(&trees).join("qemu-10.0"))
}

/// The median of several runs.
fn median(mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[RUNS / 2])
}

fn quiet(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

fn plans(series: &str, tree: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let profile = work.path().join("q35.toml");
    fs_err::write(
        &profile,
        format!(
            "schema = 1\nname = \"q\"\n[qemu]\nseries = \"{series}\"\nsource = {{ path = \"/tree\" }}\n[target]\n\
             arch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n[hardening]\nlevel = \"baseline\"\n"
        ),
    )?;
    let devices = work.path().join("devices.mak");
    fs_err::write(&devices, "CONFIG_Q35=y\n")?;
    let peer = median(|| {
        quiet(
            Command::new("python3")
                .arg("-B")
                .arg(tree.join("scripts/minikconf.py"))
                .arg("--allnoconfig")
                .arg(work.path().join("out.mak"))
                .arg(work.path().join("out.d"))
                .arg(&devices)
                .arg(tree.join("Kconfig"))
                .args(["CONFIG_KVM=y", "CONFIG_X86_64=y", "CONFIG_LINUX=y"]),
        )
    })?;
    let quench = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quench"));
        command.arg("plan").arg(&profile).args(["--format", "json", "--source"]).arg(tree);
        command.env("QUENCH_WORK", work.path());
        command
    };
    // The compiler is asked once per machine.
    quiet(&mut quench())?;
    let cold = median(|| {
        fs_err::remove_dir_all(work.path().join("scans"))?;
        quiet(&mut quench())
    })?;
    let warm = median(|| quiet(&mut quench()))?;
    for (what, time) in [
        ("minikconf.py alone", peer),
        ("quench plan, nothing kept", cold),
        ("quench plan, kept scan", warm),
    ] {
        row(series, what, time, peer);
    }
    Ok(())
}

fn row(tree: &str, what: &str, time: Duration, peer: Duration) {
    let ratio = time.as_secs_f64() / peer.as_secs_f64();
    println!("{tree:<8} {what:<34} {:>6} ms {ratio:>8.2}x", time.as_millis());
}

/// The catalog of 1×, 2× and 4× the sources: the ratio to 1× is the growth.
fn growth(tree: &Path) -> Result<()> {
    let tree = read_tree(tree)?;
    let mut first = None;
    for times in [1, 2, 4] {
        let larger = repeated(&tree, times);
        let time = median(|| {
            let entries = catalog::scan(&larger).entries.len();
            if entries == 0 { Err("an empty catalog".into()) } else { Ok(()) }
        })?;
        row("10.0", &format!("catalog of {times}x the sources"), time, *first.get_or_insert(time));
    }
    Ok(())
}

/// The tree with its device directories several times over.
fn repeated(tree: &Tree, times: usize) -> Tree {
    let mut out = tree.clone();
    for copy in 1..times {
        for (path, bytes) in tree.iter() {
            if let Some((top, rest)) = path.split_once('/') {
                out.insert(format!("{top}/copy{copy}/{rest}"), bytes);
            }
        }
    }
    out
}
