//! A command as a value: `plan` prints it, fingerprints hash it, `process` runs it, a failure shows it so that it can
//! be pasted into a shell.

use std::collections::BTreeMap;
use std::fmt;

/// Where programs are looked for, in a plan and on the machine; the caller's `PATH` plays no part.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program call. `environment` is the whole environment of the child: nothing is inherited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Words before the program that shut it in (`bwrap … --`); empty in a plan, set by `isolate` when a step runs.
    pub wrapper: Vec<String>,
    /// The wrapper leads into a root of its own: program and directory are there, not on this machine.
    pub elsewhere: bool,
    /// What it is for, fit for "failed to {purpose}".
    pub purpose: String,
    /// Program name (looked up on `PATH` of `environment`) or absolute path.
    pub program: String,
    pub arguments: Vec<String>,
    /// Absolute working directory.
    pub directory: String,
    pub environment: BTreeMap<String, String>,
}

impl Invocation {
    pub fn new(
        purpose: impl Into<String>,
        program: impl Into<String>,
        directory: impl Into<String>,
    ) -> Self {
        Self {
            wrapper: Vec::new(),
            elsewhere: false,
            purpose: purpose.into(),
            program: program.into(),
            arguments: Vec::new(),
            directory: directory.into(),
            environment: BTreeMap::new(),
        }
    }

    /// A program that answers the same on every machine: fixed `PATH`, C.UTF-8, UTC.
    pub fn plain(
        purpose: impl Into<String>,
        program: impl Into<String>,
        directory: impl Into<String>,
    ) -> Self {
        Self::new(purpose, program, directory)
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }
}

/// Quotes a word for a POSIX shell; a word that needs no quotes stays as it is.
pub fn shell_quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A line that can be pasted: `cd DIR && env -i A=b program args`.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = if self.elsewhere { "/" } else { &self.directory };
        write!(f, "cd {} && env -i", shell_quote(directory))?;
        for (name, value) in &self.environment {
            write!(f, " {name}={}", shell_quote(value))?;
        }
        let words = self.wrapper.iter().chain([&self.program]).chain(&self.arguments);
        for word in words {
            write!(f, " {}", shell_quote(word))?;
        }
        Ok(())
    }
}
