//! Hardening levels: which flags each asks for, why, and what becomes of them with the compiler at hand.
//!
//! Pure. The compiler is asked by `probe`; this module decides from the answers. A flag that is missing or cannot be
//! meant literally is reported and kept in `left_out`, never silently dropped.

mod levels;
mod proof;

pub use levels::candidates;
pub use proof::{Proof, SWITCHES, proof_of};

use std::collections::BTreeMap;

use crate::finding::{Code, Finding};
use crate::profile::{Compiler, Level};
use crate::tree::Tree;

/// Finding codes of this module.
pub const CODES: &[&Code] = &[&MISSING_FLAG, &CONTRADICTION];

static MISSING_FLAG: Code = Code {
    name: "hardening::missing-flag",
    summary: "the compiler or linker lacks a flag of the level",
    explain: "The message names the level and the first version that has the flag. Use a newer compiler, or a level that \
              does not ask for it.",
};
static CONTRADICTION: Code = Code {
    name: "hardening::contradiction",
    summary: "a flag of the level contradicts what QEMU's own build sets",
    explain: "The last option on the command line wins, and QEMU's code relies on its own: such a flag is left out, and \
              the reason is in the plan and the record.",
};

/// The stage of a build that a hardening flag belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Compile,
    Link,
    /// An argument of `configure`.
    Configure,
    /// Cannot be used as written; `why` says what stands in its place.
    Idle,
}

impl Stage {
    /// One word, as what is kept of probes has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Configure => "configure",
            Self::Idle => "idle",
        }
    }
}

/// One flag of a hardening level, with its reason and source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// One or more words.
    pub text: &'static str,
    pub stage: Stage,
    pub why: &'static str,
    /// The guide or document that asks for it.
    pub source: &'static str,
    /// First versions that have it.
    pub since: &'static str,
    /// What shows in a build that it had its effect; all of these are demanded.
    pub proof: &'static [Proof],
}

/// What the compiler answered about flags, and which compiler it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    /// First line of `--version`.
    pub compiler: String,
    /// Flag text → accepted.
    pub accepted: BTreeMap<String, bool>,
}

/// The hardening flags that a build uses, and those it leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    pub level: String,
    pub cflags: Vec<Flag>,
    pub ldflags: Vec<Flag>,
    pub configure: Vec<Flag>,
    /// With the reason.
    pub left_out: Vec<(Flag, String)>,
}

/// Decides which flags of a level are used with this compiler and this tree.
pub fn select(
    level: Level,
    compiler: Compiler,
    probes: &Probes,
    tree: &Tree,
) -> (Selection, Vec<Finding>) {
    let name = crate::profile::level_name(level);
    let mut selection = Selection { level: name.to_owned(), ..Selection::default() };
    let mut findings = Vec::new();
    for flag in candidates(level, compiler) {
        if let Some(why) = contradicts(&flag, tree) {
            findings
                .push(Finding::note(&CONTRADICTION, format!("`{}` is left out: {why}", flag.text)));
            selection.left_out.push((flag, why));
            continue;
        }
        match flag.stage {
            Stage::Idle => {
                let why = flag.why.to_owned();
                selection.left_out.push((flag, why));
            }
            Stage::Configure => selection.configure.push(flag),
            Stage::Compile | Stage::Link if probes.accepted.get(flag.text) == Some(&false) => {
                let why = format!("{} does not have it (since {})", probes.compiler, flag.since);
                findings.push(
                    Finding::warning(
                        &MISSING_FLAG,
                        format!(
                            "`{}`, asked for by hardening level `{name}`, is missing: {why}",
                            flag.text
                        ),
                    )
                    .with_help(format!("a compiler that has it: {}", flag.since)),
                );
                selection.left_out.push((flag, why));
            }
            Stage::Compile => selection.cflags.push(flag),
            Stage::Link => selection.ldflags.push(flag),
        }
    }
    (selection, findings)
}

/// Flags whose opposite QEMU's own meson.build sets: (ours, QEMU's, what QEMU relies on).
const OPPOSITES: [(&str, &str, &str); 2] = [
    ("-ftrapv", "-fwrapv", "QEMU's code relies on signed overflow that wraps"),
    ("-fstrict-aliasing", "-fno-strict-aliasing", "QEMU's code breaks the aliasing rules"),
];

fn contradicts(flag: &Flag, tree: &Tree) -> Option<String> {
    let (_, theirs, why) = OPPOSITES.iter().find(|(ours, _, _)| *ours == flag.text)?;
    let meson = tree.text("meson.build").unwrap_or_default();
    let configure = tree.text("configure").unwrap_or_default();
    (meson.contains(theirs) || configure.contains(theirs))
        .then(|| format!("QEMU's own build sets {theirs}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        [("meson.build", "qemu_common_flags = ['-fno-strict-aliasing', '-fwrapv']")]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_flag_the_compiler_lacks_is_a_finding_that_names_the_level() {
        let accepted = [("-fstrict-flex-arrays=3".to_owned(), false)].into_iter().collect();
        let probes = Probes { compiler: "gcc 12".to_owned(), accepted };
        let (selection, findings) = select(Level::Strict, Compiler::Gcc, &probes, &tree());
        assert!(selection.cflags.iter().all(|flag| flag.text != "-fstrict-flex-arrays=3"));
        let finding = findings.iter().find(|finding| finding.code == &MISSING_FLAG).unwrap();
        assert!(
            finding.message.contains("strict") && finding.message.contains("GCC 13"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn ftrapv_of_the_openstack_guide_is_left_out_with_a_finding() {
        let (selection, findings) =
            select(Level::Openstack, Compiler::Gcc, &Probes::default(), &tree());
        assert!(
            selection
                .left_out
                .iter()
                .any(|(flag, why)| flag.text == "-ftrapv" && why.contains("-fwrapv"))
        );
        assert!(findings.iter().any(|finding| finding.code == &CONTRADICTION));
        assert!(selection.cflags.iter().any(|flag| flag.text == "-fstack-protector-all"));
    }
}
