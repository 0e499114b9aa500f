//! `quench.verdict/1`: what `verify --format json` prints, a build leaves beside its packages and a record holds. Pure.

use serde::{Deserialize, Serialize};

use super::{Severity, Tag};

/// Format name and version. History:
/// - 1: first. `comparisons`, and `only` of an input, came later and may be absent. Documents of the first days, which had
///   `required` instead of `demand` and `outcome`, are not read any more.
pub(super) const SCHEMA: &str = "quench.verdict/1";

/// What the rules say of files and packages, and what a policy makes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Verdict {
    /// What other checkers said of the same files, when they were asked.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// What concerns the inputs together: waivers, what was lost since an older version.
    pub findings: Vec<Finding>,
    /// In the order in which they were given.
    pub inputs: Vec<Input>,
    /// Nothing stands against any input.
    pub passes: bool,
    pub schema: Tag<Self>,
}

/// A file, directory, package or archive that was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Input {
    /// Entries that are no ELF file and have something to say.
    pub files: Vec<Object>,
    /// What was found, beside rules also about the input as a whole.
    pub findings: Vec<Finding>,
    /// As it was given, or the name of a package of the build.
    pub name: String,
    /// The ELF files.
    pub objects: Vec<Object>,
    /// The rules that were asked for; empty when all were.
    #[serde(default)]
    pub only: Vec<String>,
    /// Number of entries that are no ELF file.
    pub others: usize,
    /// No finding is an error.
    pub passes: bool,
    /// Name of the policy it was judged by.
    pub policy: String,
    /// Of a file; empty for a directory.
    #[cfg_attr(test, schemars(with = "super::tests::MaybeSha256"))]
    pub sha256: String,
}

/// One file and what each rule says of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Object {
    /// Descriptor of `NT_GNU_BUILD_ID` in hexadecimal digits.
    pub build_id: Option<String>,
    /// The bit `GNU_PROPERTY_X86_FEATURE_1_IBT` of the property note.
    pub ibt: bool,
    pub kind: Kind,
    /// `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// In a package where it is installed; in an archive within, `OUTER!INNER`.
    pub path: String,
    /// Set-user-id, set-group-id or capabilities: the policy's `[privileged]` applies.
    pub privileged: bool,
    /// In the order of `verify --rules`. Of many files only those that do not hold.
    pub rules: Vec<Rule>,
    /// Empty when digests were not asked for.
    #[cfg_attr(test, schemars(with = "super::tests::MaybeSha256"))]
    pub sha256: String,
    /// The bit `GNU_PROPERTY_X86_FEATURE_1_SHSTK` of the property note.
    pub shstk: bool,
}

/// What kind of file it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Kind {
    /// `ET_EXEC` with an interpreter.
    Executable,
    /// `ET_EXEC` without one.
    StaticExecutable,
    /// `ET_DYN` that a kernel starts through an interpreter.
    Pie,
    /// `ET_DYN` that a kernel starts by itself.
    StaticPie,
    /// `ET_DYN` that only programs load.
    SharedLibrary,
    /// `ET_REL`
    Relocatable,
    /// Sections of a program without its code, as `objcopy --only-keep-debug` leaves them.
    DebugFile,
    /// `ET_CORE`
    Core,
    /// It begins like an ELF file and cannot be judged.
    #[default]
    Unreadable,
    /// No ELF file.
    File,
    Directory,
    /// A symbolic link.
    Link,
    /// A device, fifo or socket.
    Device,
    /// One that was not opened.
    Archive,
}

/// What one rule says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rule {
    /// What the policy wants of the rule here.
    pub demand: Demand,
    /// Why, for people; empty when it holds.
    pub detail: String,
    /// What was seen, for people; may be empty.
    pub evidence: String,
    /// With verdict `partial`: out of how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m: Option<usize>,
    /// With verdict `partial`: of how many it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<usize>,
    pub outcome: Outcome,
    /// Name of the rule, as `verify --rules` lists it.
    pub rule: String,
    pub verdict: Answer,
    /// With outcome `waived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// What a rule found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Holds,
    Fails,
    /// It holds of `n` of `m`.
    Partial,
    /// The rule has no meaning for such a file.
    NotApplicable,
    /// The file does not tell; `detail` says what would.
    CannotTell,
}

impl Answer {
    /// The word that stands in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Partial => "partial",
            Self::NotApplicable => "not-applicable",
            Self::CannotTell => "cannot-tell",
        }
    }
}

/// What a policy wants of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Demand {
    /// Shown, never objected to.
    Report,
    /// A warning when it does not hold.
    Warn,
    /// An error when it does not hold.
    Require,
}

/// What the policy makes of a rule's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to object.
    Fine,
    Warns,
    Objects,
    /// It would object or warn, and a waiver lets it pass.
    Waived,
}

/// Why and until when a rule need not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waiver {
    /// `YYYY-MM-DD`, the last day.
    pub expires: String,
    pub reason: String,
}

/// A finding in short; SARIF has its places, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Name of the kind of finding, `area::kebab-case`; `quench explain CODE` says what it means.
    pub code: String,
    /// For people.
    pub message: String,
    pub severity: Severity,
}

/// One other checker's answers held against ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// Number of its answers to questions that a rule asks, too.
    pub answers: usize,
    pub differences: Vec<Difference>,
    /// Number of files it was asked about.
    pub files: usize,
    /// Its name.
    pub peer: String,
    /// The first line it prints of itself; empty where it cannot be asked.
    pub version: String,
}

/// Answers that differ in the same way for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Difference {
    /// Why it says something else; null when nothing explains it.
    pub because: Option<String>,
    /// Number of files.
    pub count: usize,
    /// The first few.
    pub examples: Vec<Example>,
    pub rule: String,
    pub they: Says,
    pub we: Says,
}

/// A file of which two checkers say different things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Our words.
    pub detail: String,
    pub file: String,
    /// Its words.
    pub text: String,
}

/// An answer, whoever gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Says {
    Yes,
    Partial,
    No,
    #[serde(rename = "not applicable")]
    NotApplicable,
    Unknown,
}
