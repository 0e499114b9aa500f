//! A bounded run of the fuzz targets, in every run of the tests: the functions libFuzzer calls (`fuzz/targets.rs`), the same
//! seeds, mutations that are the same on every machine. What libFuzzer left in `fuzz/artifacts` is tried, too.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::elf_cases::changed;
use crate::hostile::mutated;
use crate::random::Random;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files of the directories a target is started with, unpacked, in order of their names.
fn seeds(target: &str, longest: usize) -> Vec<(String, Vec<u8>)> {
    let mut places = vec![format!("fuzz/seeds/{target}"), format!("fuzz/artifacts/{target}")];
    match target {
        "elf" | "verify" => places.push("tests/fixtures/elf".to_owned()),
        "profile" => places.push("profiles".to_owned()),
        _ => {}
    }
    let mut out = Vec::new();
    for place in places {
        let Ok(entries) = std::fs::read_dir(root().join(&place)) else { continue };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.is_file());
        paths.sort();
        for path in paths {
            let mut bytes = std::fs::read(&path).unwrap();
            if place.starts_with("tests") && path.extension().is_some_and(|it| it == "xz") {
                let mut whole = Vec::new();
                liblzma::read::XzDecoder::new(bytes.as_slice()).read_to_end(&mut whole).unwrap();
                bytes = whole;
            }
            if bytes.len() <= longest && !bytes.is_empty() {
                out.push((path.strip_prefix(root()).unwrap().display().to_string(), bytes));
            }
        }
    }
    out
}

/// Changes of single bytes, and of pieces.
fn next(seed: &[u8], round: usize, longest: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = match round % 3 {
        0 => mutated(seed, random),
        _ => changed(seed, round, random),
    };
    bytes.truncate(longest);
    if bytes.is_empty() { vec![0] } else { bytes }
}

/// Every seed as it is, then changed ones: 500 per target, 20,000 with the slow tests. An input that stops a target is kept
/// below `target`, to be put into `fuzz/seeds` when it was mended.
#[test]
fn no_input_stops_a_fuzz_target() {
    let rounds =
        if crate::sandbox::slow("20,000 inputs per target (500 are tried)") { 20_000 } else { 500 };
    let mut failed = Vec::new();
    for (number, (target, run, longest)) in (1_u64..).zip(targets::TARGETS) {
        let seeds = seeds(target, *longest);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        let mut random = Random::new(number);
        let (start, mut slowest) = (Instant::now(), Duration::ZERO);
        for round in 0..seeds.len() + rounds {
            let (name, seed) = &seeds[round % seeds.len()];
            let input = match round.checked_sub(seeds.len()) {
                None => seed.clone(),
                Some(round) => next(seed, round, *longest, &mut random),
            };
            let start = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| run(&input)));
            slowest = slowest.max(start.elapsed());
            if result.is_err() {
                let place = root().join("target").join(format!("fuzz-{target}-{round}"));
                std::fs::write(&place, &input).unwrap();
                failed.push(format!("{target}: {name}, round {round}: {}", place.display()));
                break;
            }
        }
        println!(
            "{target:<9} {:>3} seeds, {rounds} changed, {:?}, the slowest {slowest:?}",
            seeds.len(),
            start.elapsed()
        );
        // A second per megabyte is the promise, the longest has 64 KiB. Machines under load get their time.
        assert!(slowest < Duration::from_secs(10), "{target}: {slowest:?}");
    }
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// libFuzzer's programs are those of the list, each calls the function of its name.
#[test]
fn every_target_has_a_program() {
    let manifest = std::fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let programs: Vec<&str> =
        manifest.split("[[bin]]").skip(1).filter_map(|part| part.split('"').nth(1)).collect();
    let targets: Vec<&str> = targets::TARGETS.iter().map(|(target, ..)| *target).collect();
    assert_eq!(programs, targets);
    for target in targets {
        let path = root().join(format!("fuzz/fuzz_targets/{target}.rs"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("targets::{target}(bytes)")), "{target}");
    }
}

/// The files that are made for `dwarf` and `notes` are read: what seeds hold comes out again.
#[test]
fn what_is_put_into_a_file_is_read() {
    let piece = |which: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[which][..], &length, bytes].concat()
    };
    let file = targets::debug_file(&[piece(2, b"texts\0"), piece(0, b"info")].concat());
    let facts = quench::elf::facts(&file).unwrap();
    assert_eq!(facts.sections.raw(".debug_str"), Some(&b"texts\0"[..]));
    assert_eq!(facts.sections.raw(".debug_info"), Some(&b"info"[..]));
    let seed = std::fs::read(root().join("fuzz/seeds/dwarf/mix")).unwrap();
    let file = targets::debug_file(&seed);
    let facts = quench::elf::facts(&file).unwrap();
    let units = quench::elf::units(&facts, None, None);
    assert!(units.iter().any(|unit| unit.producer.contains("-fno-stack-protector")), "{units:?}");
}
