//! Separate debug files as distributions make them: eu-strip's, compressed ones, and what dwz takes out of several.

use std::path::Path;
use std::process::Command;

use quench::elf::{self, Kind};
use quench::verify::{Examination, SeparateFiles};

/// `None` when the tool is not there.
fn run(directory: &Path, words: &str) -> Option<()> {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    let output = command.args(words).current_dir(directory).output();
    let Ok(output) = output else {
        println!("skipped: no {}", command.get_program().display());
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    Some(())
}

fn source(name: &str) -> String {
    format!("{}/tests/fixtures/elf/src/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Evidence of `stack-protector` and verdict of `evidence`, with debug files.
fn told(directory: &Path, name: &str, debug: &[&str]) -> (String, &'static str) {
    let mut files = SeparateFiles::default();
    for name in debug {
        files.read(name, &mut std::fs::File::open(directory.join(name)).unwrap());
    }
    let bytes = std::fs::read(directory.join(name)).unwrap();
    let examination = Examination::of(name, &bytes, &|build_id| files.find(build_id));
    let rules = &examination.objects.first().unwrap().rules;
    let rule = |name: &str| rules.iter().find(|found| found.rule == name).unwrap();
    (rule("stack-protector").evidence.clone(), rule("evidence").verdict.name())
}

#[test]
fn what_eu_strip_made_is_found_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (one, two) = (source("one.c"), source("two.c"));
    let done = || {
        run(directory, &format!("gcc -g -O2 -fPIE -fstack-protector-strong -c {one}"))?;
        run(directory, &format!("gcc -g -O2 -fPIE -fno-stack-protector -c {two}"))?;
        for how in ["none", "zlib-gabi", "zstd"] {
            run(directory, "gcc -pie -Wl,--build-id one.o two.o -o program")?;
            run(directory, &format!("objcopy --compress-debug-sections={how} program"))?;
            run(directory, "eu-strip -f program.debug -o stripped program")?;
            let (evidence, verdict) = told(directory, "stripped", &["program.debug"]);
            assert!(evidence.contains("1 of 2 units") && verdict == "holds", "{how}: {evidence}");
            let debug = std::fs::read(directory.join("program.debug")).unwrap();
            assert_eq!(elf::facts(&debug).unwrap().kind, Kind::DebugFile, "{how}");
        }
        // A file that could be started is none, whatever its sections say.
        let mut program = std::fs::read(directory.join("program")).unwrap();
        without_code(&mut program);
        assert_eq!(elf::facts(&program).unwrap().kind, Kind::Pie);
        run(directory, "ld -r --build-id two.o -o object.o")?;
        for how in ["", "--reloc-debug-sections"] {
            run(directory, &format!("eu-strip {how} -f object.debug -o stripped.o object.o"))?;
            let (evidence, verdict) = told(directory, "stripped.o", &["object.debug"]);
            assert!(evidence.contains("0 of 1 units") && verdict == "holds", "{how}: {evidence}");
        }
        Some(())
    };
    let _ = done();
}

/// Says of all code that it is not in the file.
fn without_code(bytes: &mut [u8]) {
    let number = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
    };
    let (start, count) = (number(bytes, 40), usize::from(bytes[60]));
    for header in (0..count).map(|index| start + index * 64) {
        if bytes[header + 8] & 4 != 0 {
            bytes[header + 4] = 8;
        }
    }
}

#[test]
fn what_dwz_shares_is_found_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let done = || {
        for name in ["p", "level"] {
            let source = source(&format!("{name}.c"));
            run(
                directory,
                &format!("gcc -g -O2 -fPIE -pie -fstack-protector-strong {source} -o {name}"),
            )?;
        }
        run(directory, "dwz -m shared.debug p level")?;
        // Without the other file nobody knows what the compiler was told.
        assert_eq!(told(directory, "level", &[]).1, "not-applicable");
        assert_eq!(told(directory, "level", &["shared.debug"]).1, "holds");
        run(directory, "eu-strip -f level.debug -o stripped level")?;
        let (evidence, verdict) =
            told(directory, "stripped", &["level.debug", "shared.debug", "p"]);
        assert!(evidence.contains("1 of 1 units") && verdict == "holds", "{evidence}");
        Some(())
    };
    let _ = done();
}
