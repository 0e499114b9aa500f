//! Files that the program writes from its own tables (`tests/it/generated.rs` lists them), so that this task runner needs
//! nothing of the program.

use crate::sh;

/// Writes the files; with `--check` compares only, as the suite does.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let write: &[(&str, &str)] = match arguments {
        [] => &[("QUENCH_GENERATE", "1")],
        [check] if check == "--check" => &[],
        _ => return Err("usage: cargo xtask generate [--check]".to_owned()),
    };
    sh("cargo", &["test", "--quiet", "--locked", "--test", "it", "generated::"], write)
}
