//! A date that a patch puts into QEMU: packages differ, the difference is explained, and rebuilds with one variation
//! after the other name its cause. The search itself is simulated beside it; here every answer is a real build.

use std::path::{Path, PathBuf};

use crate::sandbox::{Sandbox, quench, slow};

#[test]
fn a_date_in_a_patch_is_explained_and_its_variation_found() {
    if !slow("a_date_in_a_patch_is_explained_and_its_variation_found") {
        return;
    }
    let work = PathBuf::from(std::env::var_os("QUENCH_WORK").expect("QUENCH_WORK"));
    let sandbox = Sandbox::new();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/seeded"), sandbox.path());
    let run = |words: &[&str]| {
        let ran = quench(sandbox.path(), &work, words);
        println!("{}{}", ran.stderr, ran.stdout);
        ran
    };
    let built = run(&["build", "seeded.toml", "--stale-index", "--install-deps", "--yes"]);
    assert_eq!(built.code, 0);
    let mut words = vec!["reproduce", "dist/qemu-seeded.record.json"];
    words.extend(["--stale-index", "--vary", "clock,locale"]);
    let is_package = |path: &&str| [".deb", ".rpm"].iter().any(|end| path.ends_with(end));
    words.extend(built.stdout.lines().filter(is_package));
    let ran = run(&words);
    assert_eq!(ran.code, 1, "the packages differ");
    for part in [
        "qemu-system-x86_64 > .rodata",
        "+ built on ",
        "likely cause: date",
        "/system/vl.c)",
        "\ncause: clock (",
    ] {
        assert!(ran.stdout.contains(part), "no `{part}`");
    }
    assert!(ran.stdout.trim_end().lines().last().unwrap().starts_with("cause: clock ("));
    for made in ["builds/seeded", "reproduce/seeded"] {
        std::fs::remove_dir_all(work.join(made)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
