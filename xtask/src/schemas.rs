//! The JSON Schemas of `schemas/`: written by the test that compares them with the types of `src/wire`.

use std::process::Command;

/// The test; it writes where the variable is set, and compares then.
const TEST: &str = "wire::tests::schemas_are_those_of_the_types";
const WRITE: &str = "QUENCH_WRITE_SCHEMAS";

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut test = Command::new("cargo");
    test.args(["test", "--locked", "--lib", "--", "--exact", TEST]);
    match arguments {
        [] => test.env(WRITE, "1"),
        [one] if one == "--check" => test.env_remove(WRITE),
        _ => return Err("usage: cargo xtask schemas [--check]".to_owned()),
    };
    println!("$ cargo test --locked --lib -- --exact {TEST}");
    let output = test.output().map_err(|error| format!("cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    // A test that is not found does not fail.
    if output.status.success() && said.lines().any(|line| line == format!("test {TEST} ... ok")) {
        return Ok(());
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}
