//! Exit codes, and failures with the code they end in.

use std::error::Error;

use crate::hint::Hinted;
use crate::terminal::Terminal;

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

/// We could not do our work: what, why (source chain), and the way out.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: Box<dyn Error + Send + Sync>,
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into(), hint: None }
    }

    /// With the way out that the error knows.
    pub fn hinted(exit: Exit, error: impl Hinted + Send + Sync + 'static) -> Self {
        let hint = error.hint();
        Self::new(exit, error).with_hint(hint)
    }

    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }

    pub fn report(&self, terminal: &Terminal) {
        let mut text = self.error.to_string();
        let mut source = self.error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  caused by: {cause}"));
            source = cause.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        terminal.error(&text);
    }
}
