//! Runs the fuzz targets, each for a while, from a corpus made of the fixtures of the tests.
//!
//! It needs cargo-fuzz and a nightly compiler, which fresh machines do not have, and installs both: the compiler with
//! rustup, cargo-fuzz below `target`. The tests' own mutations, which are the same on every machine, need neither.

use std::path::Path;
use std::process::Command;

use crate::{needs, sh, tools};

/// Targets and the largest input each is given.
const TARGETS: &[(&str, &str)] = &[
    ("elf", "65536"),
    ("verify", "65536"),
    ("packages", "65536"),
    ("profile", "16384"),
    ("kconfig", "16384"),
    ("meson", "16384"),
    ("sources", "16384"),
];

/// What libFuzzer is linked with, and what packs the corpus.
const PACKAGES: &[&str] = &["binutils", "bzip2", "cpio", "g++", "xz-utils", "zstd"];

/// What libFuzzer says of a run at its end.
struct Ran {
    target: &'static str,
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
    if let Some(other) = wanted.iter().find(|name| !TARGETS.iter().any(|(it, _)| it == *name)) {
        let names: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
        return Err(format!("no target `{other}`; there are {}", names.join(", ")));
    }
    install()?;
    corpus()?;
    let path = tools::path()?;
    let mut all = Vec::new();
    for (target, length) in
        TARGETS.iter().filter(|(it, _)| wanted.is_empty() || wanted.contains(it))
    {
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

fn install() -> Result<(), String> {
    needs::install(PACKAGES)?;
    let nightly = Command::new("cargo").args(["+nightly", "--version"]).output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        sh("rustup", &["toolchain", "install", "nightly", "--profile", "minimal"], &[])?;
    }
    tools::tool("cargo-fuzz", "cargo-fuzz", &["fuzz"]).map(|_| ())
}

/// Runs a target and shows its last words when it fails.
fn one(target: &'static str, seconds: &str, length: &str, path: &str) -> Result<Ran, String> {
    let (time, length) = (format!("-max_total_time={seconds}"), format!("-max_len={length}"));
    // A second per megabyte is what we promise; ten allow for a machine that does other things.
    let limits = ["-timeout=10", "-rss_limit_mb=2048", "-detect_leaks=0", "-print_final_stats=1"];
    println!("$ cargo +nightly fuzz run {target} -- {time} {length} {}", limits.join(" "));
    let output = Command::new("cargo")
        .args(["+nightly", "fuzz", "run", target, "--", &time, &length])
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
    Ok(Ran { target, runs, covered, peak, failed })
}

/// Fixtures as they are, and packed in every way that is opened.
fn corpus() -> Result<(), String> {
    let script = "set -e
        mkdir -p fuzz/corpus/elf fuzz/corpus/verify fuzz/corpus/packages
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
        cp fuzz/corpus/elf/* fuzz/corpus/verify/
        work=$(mktemp -d)
        mkdir -p \"$work/usr/bin\"
        cp fuzz/corpus/elf/musl_dynamic \"$work/usr/bin/x\"
        ln -s x \"$work/usr/bin/link\"
        chmod u+s \"$work/usr/bin/x\"
        tar -C \"$work\" -cf \"$work/data.tar\" ./usr
        out=$PWD/fuzz/corpus/packages
        cd \"$work\"
        cp data.tar \"$out/tar\"
        gzip -nk data.tar && cp data.tar.gz \"$out/gz\"
        xz -k data.tar && cp data.tar.xz \"$out/xz\"
        bzip2 -k data.tar && cp data.tar.bz2 \"$out/bz2\"
        zstd -q data.tar && cp data.tar.zst \"$out/zst\"
        xz --format=lzma -k data.tar && cp data.tar.lzma \"$out/lzma\"
        find usr | cpio -o -H newc --quiet > \"$out/cpio\"
        ar rc \"$out/ar\" usr/bin/x data.tar.gz
        echo 2.0 > debian-binary
        cp data.tar.xz control.tar.xz
        rm -f \"$out/deb\" && ar rc \"$out/deb\" debian-binary control.tar.xz data.tar.xz
        rm -rf \"$work\"";
    if !Path::new("tests/fixtures/elf").is_dir() {
        return Err("run it at the top of the project".to_owned());
    }
    let status = Command::new("sh").arg("-c").arg(script).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the corpus cannot be made: {status}")) }
}
