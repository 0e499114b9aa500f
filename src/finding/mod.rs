//! Findings: things we looked for and have something to say about. A failure to do our work is not a finding, it is an
//! error of the module that failed.
//!
//! Pure. Renderers for people, JSON lines (`quench.finding/1`) and SARIF take findings and texts, and return strings.

mod escape;
mod render;
mod wrap;

pub use escape::{escape_controls, lines, of_bytes, without_passwords};
pub use render::{Lines, human, line_and_column, place, reference, wire};
pub use wrap::wrapped;

use std::collections::BTreeMap;
use std::ops::Range;

/// A kind of finding: its stable name and what `quench explain CODE` prints. Names are `area::kebab-case`, unique
/// over the program, never reused.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    pub name: &'static str,
    /// One sentence: what is wrong when this is reported.
    pub summary: &'static str,
    /// Why it matters, what to do, and the source of the rule.
    pub explain: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Note,
    Warning,
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    /// As documents say it.
    pub fn wire(self) -> crate::wire::Severity {
        match self {
            Self::Error => crate::wire::Severity::Error,
            Self::Warning => crate::wire::Severity::Warning,
            Self::Note => crate::wire::Severity::Note,
        }
    }
}

/// Where a finding points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Bytes of a text we have (a profile, a Kconfig file).
    Span { file: String, span: Range<usize> },
    /// A line (counted from 1) of a file whose text the renderer need not have.
    Line { file: String, line: u32 },
    /// A part of a binary or package: a section, a function, a member.
    Object { path: String, part: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub place: Place,
    /// Said at the place; may be empty.
    pub text: String,
}

/// Something we looked for and found. `message` is lower case, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: &'static Code,
    pub severity: Severity,
    pub message: String,
    /// The first label is the primary place.
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Option<String>,
}

impl Finding {
    pub fn new(code: &'static Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    pub fn error(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    pub fn warning(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    pub fn note(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, message)
    }

    #[must_use]
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label { place, text: text.into() });
        self
    }

    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Findings that say the same of several files or packages, as one that names them all; the order stays.
pub fn merge_equal(findings: &[Finding]) -> Vec<Finding> {
    let objects = |finding: &Finding| {
        let is_object = |label: &Label| matches!(label.place, Place::Object { .. });
        !finding.labels.is_empty() && finding.labels.iter().all(is_object)
    };
    let mut out: Vec<Finding> = Vec::new();
    let mut first = BTreeMap::new();
    for finding in findings {
        let key = (finding.code.name, &finding.message, &finding.notes, &finding.help);
        match first.get(&key).filter(|_| objects(finding)).map(|at: &usize| &mut out[*at]) {
            Some(same) if same.severity == finding.severity && objects(same) => {
                same.labels.extend(finding.labels.iter().cloned());
            }
            _ => {
                first.insert(key, out.len());
                out.push(finding.clone());
            }
        }
    }
    out
}

/// True when any finding is an error.
pub fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}

/// The known word that is most like another, when one is.
pub fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(name, word), *name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
