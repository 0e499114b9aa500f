//! The plan: everything that will be done, as data, each item with its reason. `plan` prints it, `explain` queries it,
//! `build` executes this same value, the record stores it.
//!
//! Pure. Paths of the machine never enter it: commands speak of [`Variable`]s (`$SOURCE`, `$BUILD`, …) that
//! [`Places`] replaces when a step runs, so equal inputs give equal plans on every machine.

mod because;
mod configure;
mod distribution;
mod explain;
mod features;
mod firmware;
mod invocation;
pub mod link;
mod make;
pub mod note;
mod options;
mod places;
mod quirks;
mod select;
pub mod show;
mod steps;
#[cfg(test)]
mod tests;

pub use because::{Because, Clause, Item};
pub use distribution::{Names, emulator as distribution_emulator};
pub use explain::explain;
pub use firmware::{Firmware, Provider};
pub use invocation::{Invocation, PATH, shell_quote};
pub use make::{Inputs, SERIES, make};
pub use options::{Accepts, Options};
pub use places::{Places, Variable};

use crate::catalog::Surface;
use crate::finding::Code;
use crate::hardening;
use crate::profile::{Arch, Compiler, Distribution, Format};
pub use crate::wire::plan::StepId;

/// Tells the files of a tree that making a plan reads: what a kept scan must hold.
pub fn reads() -> impl Fn(&str) -> bool {
    let quirks = quirks::known();
    move |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with("Kconfig")
            || path.starts_with("configs/")
            || matches!(path, "VERSION" | "configure" | "meson.build" | "meson_options.txt")
            || path == options::OPTIONS_FILE
            || quirks.iter().any(|quirk| quirk.reads(path))
    }
}

/// Finding codes of this module.
pub const CODES: &[&Code] = make::CODES;

/// The source the plan was made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Where it comes from, as a person would say it.
    pub origin: String,
    /// QEMU's version as the tree says it (`10.0.13`), distribution suffix included where there is one.
    pub version: String,
    /// Key of the patched tree: digest over source files and patches.
    pub digest: String,
    /// `SOURCE_DATE_EPOCH`: date of the changelog entry or release, seconds since 1970.
    pub date: i64,
    /// (name, sha256) of what was fetched.
    pub files: Vec<(String, String)>,
    /// (name, sha256) of our patches, in order.
    pub patches: Vec<(String, String)>,
}

impl SourceFacts {
    /// Facts of a source of which only the version is known.
    pub fn of_tree(version: &str) -> Self {
        Self {
            origin: "a local tree".to_owned(),
            version: version.to_owned(),
            digest: String::new(),
            date: 0,
            files: Vec::new(),
            patches: Vec::new(),
        }
    }
}

/// The Kconfig device file that QEMU's meson reads, and where it goes below the source tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceFile {
    /// `--with-devices-ARCH=` value; contains a digest of the text, so files of several plans live side by side.
    pub name: String,
    /// Path below the tree.
    pub path: String,
    pub text: String,
}

/// A choice between several selections that would do: what was taken, what not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    pub name: String,
    pub chosen: Vec<String>,
    pub rejected: Vec<String>,
    pub why: String,
}

/// What the packages are called and where they install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    pub name: String,
    pub prefix: String,
    pub maintainer: String,
    pub formats: Vec<Format>,
    /// Counts packages of the same source and profile name; a changed profile raises it.
    pub revision: u64,
    /// Whose package names the `.rpm` uses.
    pub rpm_target: Distribution,
    /// Names the packages stand for beside their own.
    pub provides: Vec<String>,
    /// `/usr/bin/qemu-system-ARCH` leads to this emulator; excludes the distribution's.
    pub alternatives: bool,
}

/// One step of a build, from source to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub id: StepId,
    pub title: String,
    pub because: Because,
    /// Files written before the programs run: path (with variables) and text.
    pub writes: Vec<(String, String)>,
    /// Programs that Quench runs in this step, in order; empty where Quench does the work itself.
    pub commands: Vec<Invocation>,
}

/// The plan of one build.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    pub summary: String,
    pub arch: Arch,
    pub compiler: Compiler,
    pub source: SourceFacts,
    /// Symbols the device file asks for.
    pub asked: Vec<Item>,
    /// All symbols that are `y` in the end, in name order.
    pub symbols: Vec<Item>,
    pub device_file: DeviceFile,
    /// Arguments of `configure`, without compiler flags.
    pub configure: Vec<Item>,
    pub cflags: Vec<Item>,
    pub ldflags: Vec<Item>,
    /// Flags the level asks for that are not used, with the reason.
    pub left_out: Vec<Item>,
    /// Build options that are on.
    pub features: Vec<Item>,
    /// The surface the built binary will report.
    pub surface: Surface,
    pub alternatives: Vec<Alternative>,
    /// Known link-closure trouble of this selection, and what was done about it.
    pub quirks: Vec<Item>,
    pub selection: hardening::Selection,
    /// Firmware the machines and devices load.
    pub firmware: Vec<Firmware>,
    pub package: PackageFacts,
    pub steps: Vec<Step>,
}

impl Plan {
    /// QEMU's target name, for instance `x86_64-softmmu`.
    pub fn target(&self) -> String {
        format!("{}-softmmu", self.arch.qemu())
    }

    /// File name of the emulator.
    pub fn emulator(&self) -> String {
        format!("qemu-system-{}", self.arch.qemu())
    }

    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == id)
    }
}
