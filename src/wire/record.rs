//! `quench.record/1`: what was asked, planned, used, built and measured, complete enough to rebuild. `build` writes it
//! beside the packages and, less what a file cannot say of itself, into them. Pure.
//!
//! No absolute path of the machine, host name or time is in it outside of `observed`. Fields keep the order in which
//! version 1 first had them: packages hold the text, and a later Quench must be able to make the same package.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::plan::StepId;
use super::{Error, Installed, NamedDigest, Plan, RootLock, Tag, Verdict};

/// Format name and version. History: 1 = first; `source.authenticated-by` and `observed.steps` came later, older records
/// have neither.
pub(super) const SCHEMA: &str = "quench.record/1";

/// The record of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    pub schema: Tag<Self>,
    /// Version of Quench.
    pub quench: String,
    /// Name of the profile.
    pub name: String,
    /// The profile as it was written, then its parents.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub profile: Vec<ProfileFile>,
    /// What was to be done, each item with its reason.
    pub plan: Plan,
    /// Where the source comes from; its digests are in the plan.
    pub source: SourceOrigin,
    /// Our patches, whole, in the order they were applied.
    pub patches: Vec<PatchText>,
    /// The distribution that ran the build.
    pub host: Host,
    /// Programs of the build.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub tools: Vec<ToolVersion>,
    /// Packages of the host the build stands on, with everything they depend on; empty on hosts without dpkg.
    pub build_dependencies: Vec<Installed>,
    /// Libraries the emulator names, with the package that had each.
    pub libraries: Vec<Library>,
    /// The closed root the build ran in; absent where the host itself was the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootLock>,
    /// `config-host.h` as configure wrote it: what headers and functions of the host decided.
    pub config_host: Vec<String>,
    /// Every staged file but the record itself.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub files: Vec<StagedFile>,
    /// What the built emulator says of itself.
    pub surface: Measured,
    /// What was read back from the packages, `quench.verdict/1`; absent in the copy inside a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Absent in the copy inside a package: a file cannot hold its own digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<NamedDigest>,
    /// How the steps ran: what may differ between machines; absent in the copy inside a package, ignored by
    /// `record diff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

impl Record {
    /// Indented JSON with a newline at its end.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        super::text(self)
    }

    /// Reads a record. One of another version, and one whose plan is empty or of another version, is refused by name.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        super::read(text).map_err(|error| match error {
            Error::Malformed { .. } => plan_fault(text).unwrap_or(error),
            other => other,
        })
    }
}

/// What is wrong with the plan of a record that cannot be read, by its name.
fn plan_fault(text: &str) -> Option<Error> {
    #[derive(Deserialize)]
    struct Within {
        #[expect(clippy::zero_sized_map_values, reason = "only whether there is a key matters")]
        plan: BTreeMap<String, IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Named {
        plan: super::Head,
    }
    let Within { plan } = serde_json::from_str(text).ok()?;
    if plan.is_empty() {
        return Some(Error::EmptyPlan);
    }
    let Named { plan } = serde_json::from_str(text).ok()?;
    match plan.schema {
        Some(found) if found != super::plan::SCHEMA => {
            Some(Error::Unknown { found, wanted: super::plan::SCHEMA })
        }
        _ => None,
    }
}

/// A profile file, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileFile {
    /// File name.
    #[cfg_attr(test, schemars(regex(pattern = "^[^/]+$")))]
    pub file: String,
    pub text: String,
}

/// Where the source comes from, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct SourceOrigin {
    pub kind: SourceKind,
    /// Of `apt`: the source package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Of `apt`: the suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// Of `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who vouched for the bytes, for people.
    pub authentication: String,
    /// Who vouched for the bytes; absent in records of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticated_by: Option<AuthenticatedBy>,
}

/// What kind of source a profile names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A Debian source package.
    Apt,
    /// A release archive.
    Url,
    /// A tree of the machine that built.
    Path,
}

/// Who vouches for the bytes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatedBy {
    /// apt's chain: a signed index names the files by digest.
    ArchiveSignature,
    /// An OpenPGP signature over the archive, by a key that the profile names.
    OpenpgpSignature,
    /// A digest that the profile names, and nobody else.
    ProfileDigest,
    /// Nobody.
    Nobody,
}

impl SourceOrigin {
    /// Who vouched for the bytes; `None` where the record does not say. Of apt's files every Quench checks the chain.
    pub fn vouched_by(&self) -> Option<AuthenticatedBy> {
        self.authenticated_by.or(match self.kind {
            SourceKind::Apt => Some(AuthenticatedBy::ArchiveSignature),
            SourceKind::Path => Some(AuthenticatedBy::Nobody),
            SourceKind::Url => None,
        })
    }
}

/// A patch of ours, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PatchText {
    /// File name.
    #[cfg_attr(test, schemars(regex(pattern = "^[^/]+$")))]
    pub name: String,
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub sha256: String,
    pub text: String,
}

/// The distribution that ran the build; nothing that names the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host {
    /// `ID` of os-release.
    pub distribution: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// As `uname -m` says it.
    pub architecture: String,
}

/// A program the build used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ToolVersion {
    pub name: String,
    /// First line it says of its version.
    pub version: String,
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub sha256: String,
    /// The distribution's package it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Installed>,
}

/// A library the emulator names, and the package that had it where the build ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Library {
    pub soname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Installed>,
}

/// A staged file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StagedFile {
    /// Absolute path where it is installed.
    #[cfg_attr(test, schemars(regex(pattern = "^/")))]
    pub path: String,
    /// Octal, four digits.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-7]{4}$")))]
    pub mode: String,
    /// In bytes.
    pub size: u64,
    #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
    pub sha256: String,
}

/// What a built emulator says of itself over QMP and its help options.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Measured {
    /// `query-version`.
    pub version: String,
    /// Concrete types that implement `device`.
    pub devices: BTreeSet<String>,
    pub machines: BTreeSet<String>,
    /// Concrete types that implement `user-creatable`.
    pub objects: BTreeSet<String>,
    /// `-netdev help`.
    pub netdevs: BTreeSet<String>,
    /// `-chardev help`.
    pub chardevs: BTreeSet<String>,
    /// `-drive format=help`.
    pub block_formats: BTreeSet<String>,
    /// `-accel help`.
    pub accelerators: BTreeSet<String>,
    /// `-display help`, without `none`.
    #[serde(default)]
    pub displays: BTreeSet<String>,
    /// `-audiodev help`, without `none`.
    #[serde(default)]
    pub audio: BTreeSet<String>,
    /// Their number.
    pub qmp_commands: usize,
}

/// How the steps ran. The three texts are for people; `steps` says it for programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Observed {
    /// Null where no step had a compiler cache.
    pub compiler_cache: Option<String>,
    pub isolation: String,
    pub root: String,
    /// The steps whose work is in the packages, in their order; absent in records of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRuns>,
}

/// Every run whose work is in what a step left: compiling goes on where a run that was stopped left off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRuns {
    /// In their order; runs in which nothing was different stand here once.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub runs: Vec<StepRun>,
    pub step: StepId,
}

/// How one run of a step ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct StepRun {
    /// URI of who built.
    pub builder: String,
    /// Null without one.
    pub compiler_cache: Option<CompilerCache>,
    pub isolation: Isolated,
    /// Version of Quench.
    pub quench: String,
    pub root: RootKind,
    /// Programs the step could call.
    pub tools: Vec<NamedDigest>,
}

/// What shut a step in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Isolated {
    /// No network, nothing writable but the build directory, private `/tmp`, cleared environment.
    Bubblewrap {
        /// First line of `bwrap --version`.
        version: String,
    },
    /// Cleared environment, fixed `PATH` and own process group, and nothing more.
    None {
        /// Why, for people.
        why: String,
    },
}

/// The file system a step saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RootKind {
    /// A system of exactly the packages of a lock.
    Closed {
        /// sha256 of the lock.
        #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
        lock: String,
        /// First line of `mmdebstrap --version`.
        mmdebstrap: String,
        /// Mode of mmdebstrap.
        mode: String,
        /// Number of packages.
        packages: usize,
        suite: String,
        /// sha256 of the tarball that mmdebstrap made.
        #[cfg_attr(test, schemars(with = "super::tests::Sha256"))]
        tree: String,
    },
    /// The host's own, with its headers and libraries.
    Host,
}

/// What stood in front of the compiler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CompilerCache {
    Ccache {
        /// First line of `ccache --version`.
        version: String,
    },
}

impl StepRun {
    /// What shut the step in, for people.
    pub fn isolation_text(&self) -> String {
        match (&self.isolation, &self.root) {
            (Isolated::Bubblewrap { version }, RootKind::Closed { .. }) => format!(
                "{version}: no network, nothing of the host, fixed paths, private /tmp, cleared environment"
            ),
            (Isolated::Bubblewrap { version }, RootKind::Host) => {
                format!("{version}: no network, read-only host, private /tmp, cleared environment")
            }
            (Isolated::None { why }, _) => {
                format!("environment cleared, fixed PATH, own process group; no sandbox: {why}")
            }
        }
    }
}

impl fmt::Display for RootKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { lock, mmdebstrap, mode, packages, suite, tree } => write!(
                out,
                "closed root: {packages} packages of {suite}, lock sha256 {lock}, root sha256 {tree}, {mmdebstrap} in \
                 {mode} mode"
            ),
            Self::Host => out.write_str("open host"),
        }
    }
}

impl fmt::Display for CompilerCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ccache { version } => out.write_str(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::failure::Hinted;
    use crate::wire::tests::accepts;

    fn text() -> String {
        crate::evidence::sample().to_text().unwrap()
    }

    /// The sample with another value at a JSON pointer.
    fn with(pointer: &str, new: Value) -> String {
        let mut value: Value = serde_json::from_str(&text()).unwrap();
        *value.pointer_mut(pointer).unwrap() = new;
        value.to_string()
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = crate::evidence::sample();
        assert_eq!(Record::from_text(&text()).unwrap(), record);
        accepts::<Record>(&serde_json::from_str(&text()).unwrap());
    }

    #[test]
    fn a_record_whose_plan_is_empty_or_of_another_version_is_refused_by_name() {
        let refused = |text: &str| {
            let error = Record::from_text(text).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (said, hint) = refused(&with("/plan", json!({})));
        assert_eq!(said, "the record's plan is empty");
        assert!(hint.contains("the record that `build` wrote"), "{hint}");
        let (said, hint) = refused(&with("/plan", json!({ "schema": "quench.plan/2", "new": 1 })));
        assert_eq!(said, "schema `quench.plan/2`; this quench reads `quench.plan/1`");
        assert!(hint.contains("a newer quench"), "{hint}");
        let (said, _) = refused(&with("/plan/source", json!({})));
        assert!(said.contains("missing field"), "{said}");
        let (said, hint) = refused(&with("/schema", json!("quench.record/2")));
        assert_eq!(said, "schema `quench.record/2`; this quench reads `quench.record/1`");
        assert!(hint.contains("a newer quench"), "{hint}");
        for (pointer, new) in [("/source/kind", json!("magic")), ("/plan/steps", json!([{}]))] {
            Record::from_text(&with(pointer, new)).unwrap_err();
        }
    }

    /// Written by the first Quench that had this format, beside the packages of a build and into them.
    #[test]
    fn records_beside_packages_are_read_and_would_be_written_byte_for_byte() {
        let beside = include_str!("../../tests/data/records/record-1.json");
        let inside = include_str!("../../tests/data/records/record-1-inside.json");
        for old in [beside, inside] {
            let record = Record::from_text(old).unwrap();
            assert_eq!(record.source.authenticated_by, None);
            assert!(record.plan.steps.len() == 7 && record.build_dependencies.len() > 50);
            assert_eq!(record.to_text().unwrap(), old);
        }
        let [beside, inside] = [beside, inside].map(|old| Record::from_text(old).unwrap());
        assert!(inside.observed.is_none() && inside.packages.is_empty());
        assert_eq!(beside.observed.as_ref().unwrap().steps, []);
        assert_eq!(beside.plan, inside.plan);
        // The same build, recorded by this Quench.
        let mut new = beside.clone();
        new.source.authenticated_by = new.source.vouched_by();
        new.observed = Some(Observed {
            steps: crate::evidence::sample().observed.unwrap().steps,
            ..Observed::default()
        });
        assert_eq!(crate::record::diff(&beside, &new), [""; 0]);
    }

    #[test]
    fn who_vouches_is_told_of_old_records_only_where_no_other_answer_was_possible() {
        let old = |kind| SourceOrigin {
            kind,
            package: None,
            suite: None,
            url: None,
            authentication: "OpenPGP, says the text".to_owned(),
            authenticated_by: None,
        };
        let vouched = |kind| old(kind).vouched_by();
        assert_eq!(vouched(SourceKind::Apt), Some(AuthenticatedBy::ArchiveSignature));
        assert_eq!(vouched(SourceKind::Url), None);
        assert_eq!(vouched(SourceKind::Path), Some(AuthenticatedBy::Nobody));
    }
}
