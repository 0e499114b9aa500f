//! Runs the fuzz targets under libFuzzer, each for a while, from the committed seeds and the fixtures of the tests.
//!
//! It needs cargo-fuzz and a nightly compiler, which fresh machines do not have, and installs both: the compiler with
//! rustup, cargo-fuzz below `target`. The tests call the same targets with mutations of the same seeds, which need
//! neither (`tests/it/fuzz.rs`).

use std::path::Path;
use std::process::Command;

use crate::{needs, sh, tools};

/// Where the targets are listed: name, function, largest input.
const LIST: &str = "fuzz/targets.rs";

/// What libFuzzer is linked with, and what unpacks the fixtures.
const PACKAGES: &[&str] = &["binutils", "g++", "xz-utils"];

/// What libFuzzer says of a run at its end.
struct Ran {
    target: String,
    runs: String,
    covered: String,
    peak: String,
    failed: bool,
}

/// `fuzz [SECONDS] [TARGET...]`: 60 seconds each, all targets.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let seconds = arguments.first().map_or("60", String::as_str);
    seconds.parse::<u32>().map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    let wanted: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    let targets = targets()?;
    if let Some(other) = wanted.iter().find(|name| !targets.iter().any(|(it, _)| it == *name)) {
        let names: Vec<&str> = targets.iter().map(|(target, _)| target.as_str()).collect();
        return Err(format!("no target `{other}`; there are {}", names.join(", ")));
    }
    install()?;
    corpus()?;
    let path = tools::path()?;
    let mut all = Vec::new();
    let chosen = |target: &str| wanted.is_empty() || wanted.contains(&target);
    for (target, length) in targets.iter().filter(|(target, _)| chosen(target)) {
        sh("cargo", &["+nightly", "fuzz", "build", target], &[("PATH", &path)])?;
        all.push(one(target, seconds, length, &path)?);
    }
    println!("\n{seconds} s each\n{:<10} {:>10} {:>9} {:>7}", "", "runs", "branches", "MB");
    for Ran { target, runs, covered, peak, failed } in &all {
        let end = if *failed { "   FAILED, see fuzz/artifacts" } else { "" };
        println!("{target:<10} {runs:>10} {covered:>9} {peak:>7}{end}");
    }
    match all.iter().filter(|ran| ran.failed).count() {
        0 => Ok(()),
        failed => Err(format!("{failed} targets failed")),
    }
}

/// Names and largest inputs, as they stand in the list.
fn targets() -> Result<Vec<(String, String)>, String> {
    let text = std::fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
    let of = |line: &str| {
        let (name, rest) = line.trim().strip_prefix("(\"")?.split_once("\", ")?;
        let (_, length) = rest.strip_suffix("),")?.split_once(", ")?;
        Some((name.to_owned(), length.to_owned()))
    };
    let found: Vec<(String, String)> = text.lines().filter_map(of).collect();
    if found.is_empty() { Err(format!("{LIST} lists no target")) } else { Ok(found) }
}

fn install() -> Result<(), String> {
    needs::install(PACKAGES)?;
    let nightly = Command::new("cargo").args(["+nightly", "--version"]).output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        sh("rustup", &["toolchain", "install", "nightly", "--profile", "minimal"], &[])?;
    }
    tools::tool("cargo-fuzz", "cargo-fuzz", &["fuzz"]).map(|_| ())
}

/// Runs a target and shows its last words when it fails.
fn one(target: &str, seconds: &str, length: &str, path: &str) -> Result<Ran, String> {
    let (time, length) = (format!("-max_total_time={seconds}"), format!("-max_len={length}"));
    // A second per megabyte is what we promise; ten allow for a machine that does other things.
    let limits = ["-timeout=10", "-rss_limit_mb=2048", "-detect_leaks=0", "-print_final_stats=1"];
    // What is found goes into the first directory; the others are read only.
    let mut places = vec![format!("fuzz/corpus/{target}")];
    let (own, profiles) = (format!("fuzz/seeds/{target}"), "profiles".to_owned());
    places.extend(Some(own).filter(|place| Path::new(place).is_dir()));
    places.extend(Some(profiles).filter(|_| target == "profile"));
    println!("$ cargo +nightly fuzz run {target} {} -- {time} {length}", places.join(" "));
    std::fs::create_dir_all(&places[0]).map_err(|error| error.to_string())?;
    let output = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", target])
        .args(&places)
        .args(["--", &time, &length])
        .args(limits)
        .env("PATH", path)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let failed = !output.status.success();
    if failed {
        let lines: Vec<&str> = text.lines().collect();
        println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
    }
    let stat = |name: &str| {
        let line = text.lines().rev().find_map(|line| line.strip_prefix(name));
        line.unwrap_or("?").trim().to_owned()
    };
    let covered = text.lines().rev().find_map(|line| line.split_once(" cov: "));
    let covered = covered.and_then(|(_, rest)| rest.split(' ').next()).unwrap_or("?").to_owned();
    let (runs, peak) = (stat("stat::number_of_executed_units:"), stat("stat::peak_rss_mb:"));
    Ok(Ran { target: target.to_owned(), runs, covered, peak, failed })
}

/// Fixtures, unpacked.
fn corpus() -> Result<(), String> {
    let script = "set -e
        mkdir -p fuzz/corpus/elf fuzz/corpus/verify
        for file in tests/fixtures/elf/*; do
            test -f \"$file\" || continue
            name=$(basename \"$file\" .xz)
            case \"$file\" in
                *.txt) continue ;;
                *.xz) xz -dc \"$file\" > \"fuzz/corpus/elf/$name\" ;;
                *) cp \"$file\" \"fuzz/corpus/elf/$name\" ;;
            esac
        done
        find fuzz/corpus/elf -size +64k -delete
        cp fuzz/corpus/elf/* fuzz/corpus/verify/";
    if !Path::new("tests/fixtures/elf").is_dir() {
        return Err("run it at the top of the project".to_owned());
    }
    let status = Command::new("sh").arg("-c").arg(script).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the corpus cannot be made: {status}")) }
}
