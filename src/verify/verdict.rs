//! Verdicts: what a rule found of one file, and what a policy makes of it. Pure.

use super::policy::Setting;
use super::{Date, FileKind, UnitSummary};

/// What a rule found. The policy decides what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    Fails(String),
    /// `n` of `m`.
    Partial {
        n: usize,
        m: usize,
        what: String,
    },
    NotApplicable(String),
    /// Why, and what would tell.
    CannotTell(String),
}

impl Verdict {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails(_) => "fails",
            Self::Partial { .. } => "partial",
            Self::NotApplicable(_) => "not-applicable",
            Self::CannotTell(_) => "cannot-tell",
        }
    }

    /// The text beside the name.
    pub fn detail(&self) -> String {
        match self {
            Self::Holds => String::new(),
            Self::Fails(why) | Self::NotApplicable(why) | Self::CannotTell(why) => why.clone(),
            Self::Partial { n, m, what } => format!("{n} of {m} {what}"),
        }
    }
}

/// What a policy makes of a verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to object.
    #[default]
    Fine,
    Warns,
    Objects,
    /// It would object or warn, and a waiver lets it pass.
    Waived {
        reason: String,
        expires: Date,
    },
}

impl Outcome {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warns => "warns",
            Self::Objects => "objects",
            Self::Waived { .. } => "waived",
        }
    }
}

/// One rule's verdict on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    pub rule: &'static str,
    pub verdict: Verdict,
    pub evidence: String,
    /// What the policy wants of the rule here.
    pub setting: Setting,
    pub outcome: Outcome,
}

impl RuleVerdict {
    /// Before any policy.
    pub fn new(rule: &'static str, verdict: Verdict, evidence: String) -> Self {
        let (setting, outcome) = (Setting::default(), Outcome::Fine);
        Self { rule, verdict, evidence, setting, outcome }
    }

    /// Required, neither holding nor out of place, and not waived.
    pub fn objects(&self) -> bool {
        self.outcome == Outcome::Objects
    }
}

/// The verdicts on one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectVerdict {
    pub path: String,
    /// Empty when digests were not asked for.
    pub sha256: String,
    pub kind: FileKind,
    pub rules: Vec<RuleVerdict>,
    pub build_id: Option<String>,
    pub needed: Vec<String>,
    pub cet: (bool, bool),
    pub x86: bool,
    /// Start files of the C library that have no landing pad, by what they bring.
    pub start_files: Vec<&'static str>,
    /// Compilation units that have code, when they were asked for and are known.
    pub units: Vec<UnitSummary>,
    /// Set-id or capabilities: the policy's `[privileged]` applies.
    pub privileged: bool,
    /// As policies name it.
    pub machine: &'static str,
    /// Languages the file shows signs of, when its code was looked at.
    pub languages: Vec<&'static str>,
    pub interpreter: Option<String>,
}
