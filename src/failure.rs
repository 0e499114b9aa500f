//! Exit codes, and failures: what could not be done, why, the way out, and the code the program ends with.
//!
//! Pure. A failure is not a finding: a finding is an answer, a failure is that there is none. Each error type answers
//! [`Hinted`] once, so that no caller decides a second time what an error means.

use std::error::Error;

/// Documented exit codes; scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, nothing to object.
    Done,
    /// 1: the work was done and the answer is no (findings, differences).
    No,
    /// 2: bad usage or a bad profile.
    Usage,
    /// 3: an external program failed, or what it delivered was refused.
    Program,
    /// 4: the machine lacks something: a tool, space, permission, a source while offline.
    Machine,
    /// 128+n: ended by signal n.
    Signal(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Program => 3,
            Self::Machine => 4,
            Self::Signal(signal) => 128_u8.saturating_add(signal),
        }
    }
}

/// An error that knows the exit code it ends in, and may know what to do about it.
pub trait Hinted: Error {
    /// The exit code of a program that ends with this error.
    fn exit(&self) -> Exit;

    /// The way out, in words for a person.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// We could not do our work: what, why (source chain), and the way out.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: Box<dyn Error + Send + Sync>,
    pub hint: Option<String>,
    /// What was asked for there: `FILE:LINE:COLUMN`.
    pub place: Option<String>,
}

impl<E: Hinted + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), hint: error.hint(), error: Box::new(error), place: None }
    }
}

impl Failure {
    /// A failure that ends with `exit`.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into(), hint: None, place: None }
    }

    /// What the user gave cannot be used: exit 2.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// The machine does not let us: exit 4. A full disk says what to do about it.
    pub fn machine(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let hint = error.downcast_ref().and_then(full_disk);
        Self { exit: Exit::Machine, error, hint, place: None }
    }

    /// The same failure with the way out.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    /// The same failure with the place that asked for it.
    #[must_use]
    pub fn at(mut self, place: String) -> Self {
        self.place = Some(place);
        self
    }

    /// What failed, each cause on a line of its own, the place that asked for it, and the hint.
    pub fn text(&self) -> String {
        let mut text = self.error.to_string();
        let mut source = self.error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  caused by: {cause}"));
            source = cause.source();
        }
        if let Some(place) = &self.place {
            text.push_str(&format!("\n  --> {place}"));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        text
    }
}

/// What to do when an error says that the disk or the user's share of it is full.
pub fn full_disk(error: &std::io::Error) -> Option<String> {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded).then(|| FULL.to_owned())
}

/// The way out of a full disk.
pub const FULL: &str =
    "the disk is full: free space, or put the work directory elsewhere with --work";
