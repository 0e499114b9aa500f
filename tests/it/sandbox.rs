//! A directory of its own for each test, and the built program in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

/// What a run of quench said.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs quench here, with a work directory of its own.
    pub(crate) fn quench(&self, arguments: &[&str]) -> Ran {
        quench(self.path(), &self.path().join("work"), arguments)
    }

    /// Runs quench with its standard output going to a file.
    pub(crate) fn quench_to(&self, file: &str, arguments: &[&str]) -> Ran {
        let mut command = command(self.path(), &self.path().join("work"), arguments);
        let file = std::fs::File::options().write(true).open(file).unwrap();
        ran(&command.stdout(file).output().unwrap())
    }

    /// Runs quench with a text on its standard input.
    pub(crate) fn quench_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let file = self.write("standard-input", input);
        let mut command = command(self.path(), &self.path().join("work"), arguments);
        ran(&command.stdin(std::fs::File::open(file).unwrap()).output().unwrap())
    }
}

fn command(directory: &Path, work: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quench"));
    command.args(arguments).current_dir(directory).env("QUENCH_WORK", work).env("NO_COLOR", "1");
    command
}

pub(crate) fn quench(directory: &Path, work: &Path, arguments: &[&str]) -> Ran {
    ran(&command(directory, work, arguments).output().unwrap())
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// True when slow tests run; says so when they do not.
pub(crate) fn slow(name: &str) -> bool {
    let on = std::env::var_os("QUENCH_SLOW_TESTS").is_some();
    if !on {
        println!("skipped: {name} (QUENCH_SLOW_TESTS is not set)");
    }
    on
}

/// The unpacked tree of a series, when there is one.
pub(crate) fn tree(series: &str) -> Option<PathBuf> {
    let trees = std::env::var_os("QUENCH_TREES")?;
    let tree = PathBuf::from(trees).join(format!("qemu-{series}"));
    assert!(tree.join("VERSION").is_file(), "QUENCH_TREES has no qemu-{series}");
    Some(tree)
}
