//! All output of the program. stdout is data, stderr is messages; nothing else prints.
//!
//! Progress is drawn only on a terminal; elsewhere each step is one line.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the one module that prints"
)]

use crate::finding::Finding;

/// What the user asked of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: errors only.
    Quiet,
    Normal,
    /// `-v`: also why steps are skipped, and output of children.
    Verbose,
}

/// The writer that is passed to whatever has something to say.
#[derive(Debug)]
pub struct Terminal {
    verbosity: Verbosity,
}

impl Terminal {
    pub fn new(verbosity: Verbosity) -> Self {
        Self { verbosity }
    }

    pub fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Data on stdout, exactly as given. A closed pipe is not an error.
    pub fn data(&self, text: &str) {
        print!("{text}");
    }

    /// `  Fetching qemu 10.0.13` on stderr.
    pub fn status(&self, verb: &str, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            eprintln!("{verb:>12} {message}");
        }
    }

    /// Shown with `-v` only.
    pub fn detail(&self, message: &str) {
        if self.verbosity >= Verbosity::Verbose {
            eprintln!("{message}");
        }
    }

    pub fn warn(&self, message: &str) {
        eprintln!("warning: {message}");
    }

    pub fn error(&self, message: &str) {
        eprintln!("error: {message}");
    }

    /// Findings for people on stderr; `texts` are the (file, text) pairs that spans point into.
    pub fn findings(&self, findings: &[Finding], texts: &[(String, String)]) {
        let _ = texts;
        for finding in findings {
            eprintln!("{:?}[{}]: {}", finding.severity, finding.code.name, finding.message);
        }
    }
}
