//! Files that the program writes from its own tables (`tests/it/generated.rs` lists them), so that this task runner needs
//! nothing of the program.

use std::process::Command;

/// The test that compares the files, and writes them where the variable is set.
const TEST: &str = "generated::generated_files_are_what_the_program_writes";
const WRITE: &str = "QUENCH_GENERATE";

/// Writes the files; with `--check` compares only, as the suite does.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut test = Command::new("cargo");
    test.args(["test", "--locked", "--test", "it", "--", "--exact", TEST]);
    match arguments {
        [] => test.env(WRITE, "1"),
        [check] if check == "--check" => test.env_remove(WRITE),
        _ => return Err("usage: cargo xtask generate [--check]".to_owned()),
    };
    println!("$ cargo test --locked --test it -- --exact {TEST}");
    let output = test.output().map_err(|error| format!("cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    // A test that is not found does not fail.
    if output.status.success() && said.lines().any(|line| line == format!("test {TEST} ... ok")) {
        return Ok(());
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}
