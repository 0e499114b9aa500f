//! Programs that cargo installs: looked for on the machine first, then built once below `target/tools`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::sh;
use crate::workspace::Workspace;

/// Below the target directory.
const ROOT: &str = "tools";

/// A program by its name, installed from its crate when it is nowhere; `words` make it say that it is the one meant.
pub(crate) fn tool(name: &str, package: &str, words: &[&str]) -> Result<PathBuf, String> {
    let root = Workspace::find()?.target.join(ROOT);
    let own = root.join("bin").join(name);
    for program in [PathBuf::from(name), own.clone()] {
        let output = Command::new(&program).arg("--help").stdin(Stdio::null()).output();
        let says = |output: &std::process::Output| {
            let text = [output.stdout.as_slice(), &output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            words.iter().all(|word| text.contains(word))
        };
        if output.as_ref().is_ok_and(says) {
            return Ok(program);
        }
    }
    // The crate's own lock file: what its makers tested.
    sh("cargo", &["install", "--locked", "--root", &root.display().to_string(), package], &[])?;
    Ok(own)
}

/// `PATH` with the directory of these programs in front: cargo finds its subcommands there.
pub(crate) fn path() -> Result<String, String> {
    let bin = Workspace::find()?.target.join(ROOT).join("bin");
    let before = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{before}", bin.display()))
}
