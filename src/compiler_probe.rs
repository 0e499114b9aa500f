//! Asks the compiler and linker which flags they have.
//!
//! Shell. Compiles and links a tiny program per flag below a temporary directory; the answers are kept in the work
//! directory under a key of compiler bytes and flags, so a second run asks nothing.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::files::{self, Scratch};
use crate::hardening::{Flag, Probes, Stage};
use crate::isolate::Isolation;
use crate::plan::Invocation;
use crate::process;
use crate::tool;

/// A program that uses what the flags act on: a buffer, a checked function, an indirect call.
const PROGRAM: &str = "#include <string.h>\n#include <stdio.h>\nint (*volatile f)(const char *) = puts;\n\
                       int main(int argc, char **argv) { char b[64]; strncpy(b, argv[0], sizeof b - 1); b[63] = 0; \
                       return f(b) < argc; }\n";

/// Probes every flag of a level with a compiler (`gcc`, `clang`).
///
/// `isolation` says where the compiler is; with a closed root, `WORK/probes` must be one of its writable places.
pub fn run(
    isolation: &Isolation,
    compiler: &str,
    flags: &[Flag],
    work: &Path,
) -> Result<Probes, tool::Error> {
    let found = isolation.find(compiler)?;
    let mut hasher = Sha256::new();
    hasher.update(format!("quench.probe/1 {} {}", found.sha256, found.version));
    for flag in flags {
        hasher.update(format!("\n{} {}", flag.stage.name(), flag.text));
    }
    let directory = work.join("probes");
    let cache = directory.join(format!("{}.json", hex::encode(&hasher.finalize()[..8])));
    if let Ok(text) = fs_err::read_to_string(&cache)
        && let Ok(accepted) = serde_json::from_str(&text)
    {
        return Ok(Probes { compiler: found.version, accepted });
    }
    fs_err::create_dir_all(&directory)?;
    let scratch = Scratch::beside(&directory)?;
    fs_err::write(scratch.path().join("probe.c"), PROGRAM)?;
    let mut probes = Probes { compiler: found.version, ..Probes::default() };
    for flag in flags.iter().filter(|flag| matches!(flag.stage, Stage::Compile | Stage::Link)) {
        let accepted = accepts(isolation, &found.path, flag, scratch.path())?;
        probes.accepted.insert(flag.text.to_owned(), accepted);
    }
    if let Ok(text) = serde_json::to_string(&probes.accepted) {
        files::write(&cache, text)?;
    }
    Ok(probes)
}

fn accepts(
    isolation: &Isolation,
    compiler: &Path,
    flag: &Flag,
    directory: &Path,
) -> Result<bool, tool::Error> {
    let compiler = compiler.display().to_string();
    let command = Invocation::plain(
        format!("probe {}", flag.text),
        compiler,
        directory.display().to_string(),
    )
    .args(["-O2", "-Werror", "-Wno-error=stack-protector", "-o", "probe", "probe.c"])
    .args(flag.text.split(' '));
    match process::output(&isolation.wrap(&command)) {
        Ok(_) => Ok(true),
        Err(process::Error::Failed { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
