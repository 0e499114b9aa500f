//! What the emulator was linked from: asked of ninja and, by linking once more, of the linker.
//!
//! Shell. Reads the build directory and the static archives of the toolchain; the second link writes one file into the
//! build directory and removes it. What it makes must be the emulator byte for byte, else its account is not that of
//! the one that is shipped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::acceptance::{Commands, Linked, LinkedObject, linked_names, unrepeated};
use crate::archive;
use crate::finding::{Finding, Severity};
use crate::isolate::Isolation;
use crate::plan::Invocation;
use crate::process;
use crate::source::sha256_of;

/// The result of the second link.
const AGAIN: &str = "linked-again";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("what ninja says of its commands cannot be read: {0}")]
    Commands(String),
}

#[derive(Debug, Deserialize)]
struct CompileCommand {
    command: String,
    output: String,
}

/// Objects and commands of a program in a build directory. `None` with a finding where they cannot be told.
pub fn linked(
    build: &Path,
    program: &str,
    isolation: &Isolation,
) -> Result<(Option<Linked>, Vec<Finding>), Error> {
    let inside = isolation.inside(build);
    let ask = |purpose: &str, program: &str, arguments: &[&str]| {
        let invocation =
            Invocation::plain(purpose, program, &inside).args(arguments.iter().copied());
        process::output(&isolation.wrap(&invocation)).map(|output| output.text())
    };
    let text = ask("ask ninja for its commands", "ninja", &["-t", "compdb", "-x"])?;
    let entries: Vec<CompileCommand> =
        serde_json::from_str(&text).map_err(|error| Error::Commands(error.to_string()))?;
    let Some(link) = entries.into_iter().find(|entry| entry.output == program) else {
        return Ok((
            None,
            vec![unrepeated(&format!("ninja knows no command that makes {program}"))],
        ));
    };
    if link.command.contains("-flto") {
        let severity = Severity::Note;
        let finding = Finding { severity, ..unrepeated("it is optimised when it is linked") };
        return Ok((None, vec![finding]));
    }
    // The last -o counts. A file, because the command may be longer than an argument can be.
    let script = format!("{AGAIN}.sh");
    fs_err::write(build.join(&script), format!("{} -o {AGAIN} -Wl,-t,-t\n", link.command))?;
    let trace = ask("link once more", "sh", &[&script]);
    let made = sha256_of(&build.join(AGAIN));
    for left in [AGAIN, &script] {
        let _ = fs_err::remove_file(build.join(left));
    }
    let trace = trace?;
    if made? != sha256_of(&build.join(program))? {
        return Ok((None, vec![unrepeated("linked once more, it is another file")]));
    }
    let commands = Commands::read(&text).map_err(Error::Commands)?;
    let places = Directories { build, inside: &inside, root: isolation.root() };
    let objects = places.objects(&trace, &commands)?;
    Ok((Some(Linked { objects, commands }), Vec::new()))
}

/// Where the linker's paths are on this machine.
struct Directories<'a> {
    build: &'a Path,
    /// The build directory where the linker ran.
    inside: &'a str,
    root: &'a Path,
}

impl Directories<'_> {
    fn outside(&self, name: &str) -> PathBuf {
        let path = Path::new(name);
        match path.strip_prefix(self.inside) {
            Ok(below) => self.build.join(below),
            Err(_) if path.is_absolute() => self.root.join(name.trim_start_matches('/')),
            Err(_) => self.build.join(path),
        }
    }

    fn objects(&self, trace: &str, commands: &Commands) -> Result<Vec<LinkedObject>, Error> {
        let mut archives: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
        let mut out = Vec::new();
        for (name, member) in linked_names(trace) {
            let own = commands.of_output(&name).is_some() || !Path::new(&name).is_absolute();
            let Some(member) = member else {
                let bytes = fs_err::read(self.outside(&name))?;
                out.extend(LinkedObject::read(&plain(&name), own, &bytes));
                continue;
            };
            if !archives.contains_key(&name) {
                let bytes = fs_err::read(self.outside(&name))?;
                let (members, _) = archive::members(&name, &bytes);
                let by_name = members.into_iter().map(|member| {
                    let inner =
                        member.path.rsplit(['!', '/']).next().unwrap_or_default().to_owned();
                    (inner, member.bytes)
                });
                archives.insert(name.clone(), by_name.collect());
            }
            if let Some(bytes) = archives.get(&name).and_then(|archive| archive.get(&member)) {
                out.extend(LinkedObject::read(&format!("{}({member})", plain(&name)), own, bytes));
            }
        }
        Ok(out)
    }
}

/// GCC finds start files by ways like `/usr/lib/gcc/x86_64-linux-gnu/12/../../../x86_64-linux-gnu/crti.o`.
fn plain(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            ".." if parts.last().is_some_and(|last| !matches!(*last, "" | "..")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
