//! Files in the tree that the program writes from its own tables. Each must be what the program would write now, so that
//! none is edited by hand and none is forgotten. `cargo xtask generate` writes them.

use std::path::Path;

use quench::{codes, finding};

/// With this variable the files are written, not compared.
const WRITE: &str = "QUENCH_GENERATE";

/// Every generated file: its path from the top of the tree, and what it has to be.
fn files() -> Vec<(&'static str, String)> {
    vec![
        ("docs/findings.md", finding::reference(&codes::codes())),
        ("docs/rules.md", quench::verify::rules_reference()),
    ]
}

#[test]
fn generated_files_are_what_the_program_writes() {
    let mut stale = Vec::new();
    for (path, text) in files() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
            continue;
        }
        if std::env::var_os(WRITE).is_none() {
            stale.push(path);
            continue;
        }
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    assert!(
        stale.is_empty(),
        "run `cargo xtask generate`: {stale:?} are not what the program writes"
    );
}
