//! Makes packages out of the staging tree with the standard tools: debhelper and dpkg for `.deb`, rpmbuild for `.rpm`.
//!
//! Shell. Templates are in `packaging/deb` and `packaging/rpm`. Neither tool strips or changes a file: the ELF in every
//! package is the staged one. Library dependencies are computed by `dpkg-shlibdeps` and by rpm's dependency generators
//! from what is packaged; firmware packages come from the plan. Results appear in the output directory by rename, after
//! all of them were made.

pub mod compressors;
pub mod copyright;
mod deb;
mod facts;
pub mod man;
pub mod repo;
mod rpm;
pub mod sign;
pub mod sources;
mod text;

pub use facts::{Facts, facts};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Hinted, full_disk};
use crate::files;
use crate::isolate::Isolation;
use crate::plan::{Invocation, Plan};
use crate::process;
use crate::profile::Format;
use crate::tool;
use crate::wire;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error(transparent)]
    Measure(#[from] crate::inventory::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0} did not make the packages it was asked for")]
    Nothing(&'static str),
    #[error("`{name}`: {found} secret keys, one is needed")]
    Key { name: String, found: usize },
    #[error("signing changed what is in {name}")]
    Altered { name: String },
    #[error("{name} has no signature after it was signed")]
    Unsigned { name: String },
    #[error("cannot read {path}: {message}")]
    Unreadable { path: String, message: String },
    #[error("{path}: {error}")]
    Document { path: String, error: wire::Error },
    #[error("{emulator} has no build-id: its debug information cannot be found by anyone")]
    NoBuildId { emulator: String },
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Process(error) => error.exit(),
            Self::Tool(error) => error.exit(),
            Self::Measure(error) => error.exit(),
            Self::Document { error, .. } => error.exit(),
            Self::Nothing(_)
            | Self::Altered { .. }
            | Self::Unsigned { .. }
            | Self::Unreadable { .. }
            | Self::NoBuildId { .. } => Exit::Program,
            // A key that is not in the keyring is lacking, as a tool is.
            Self::Key { .. } | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Process(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            Self::Measure(error) => error.hint(),
            Self::Key { found: 0, .. } => Some(
                "give a key file, or the id of a key that `gpg --list-secret-keys` shows"
                    .to_owned(),
            ),
            Self::Document { path, error } => {
                let hint = error.hint().unwrap_or_default();
                Some(format!("{hint}; or remove {path}, and everything is signed anew"))
            }
            Self::Key { .. } => Some("give the whole fingerprint".to_owned()),
            Self::Io(error) => full_disk(error),
            _ => None,
        }
    }
}

/// What packaging needs beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub plan: &'a Plan,
    /// The staging tree.
    pub stage: &'a Path,
    /// The staging tree of the debug file.
    pub debug: &'a Path,
    pub build_id: &'a str,
    /// Compiled sources, below `source`, or below `build` as `build/…`.
    pub sources: &'a BTreeSet<String>,
    pub source: &'a Path,
    pub build: &'a Path,
    /// SPDX expression for everything inside.
    pub licence: &'a str,
    /// Private directory that packaging may fill.
    pub scratch: &'a Path,
    pub log: &'a Path,
    /// Where finished packages go.
    pub output: &'a Path,
    /// How the packaging programs run.
    pub isolation: &'a Isolation,
}

/// Where a debug file is installed.
pub fn debug_path(build_id: &str) -> String {
    let (first, rest) = build_id.split_at_checked(2).unwrap_or((build_id, ""));
    format!("/usr/lib/debug/.build-id/{first}/{rest}.debug")
}

/// Everything that decides what is in the packages beside the staged files, as one text.
pub fn description(plan: &Plan, build_id: &str, licence: &str) -> String {
    let mut out = rpm::spec(plan, build_id, licence);
    for (name, text, _) in deb::files(plan, build_id) {
        out.push_str(&format!("{name}\n{text}\n"));
    }
    out
}

/// A package with debug information or sources only.
pub fn is_debug(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    ["-dbgsym_", "-debuginfo-", "-debugsource-"].iter().any(|part| name.contains(part))
}

/// A `.deb` or `.rpm`.
pub fn is_package(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "deb" || extension == "rpm")
}

/// Makes the packages of all formats; returns every file, in the output directory.
pub fn make(formats: &[Format], job: &Job<'_>) -> Result<Vec<PathBuf>, Error> {
    let one = |format: &Format| match format {
        Format::Deb => deb::make(job),
        Format::Rpm => {
            let log = job.log.with_file_name("package-rpm.log");
            let _ = fs_err::remove_file(&log);
            rpm::make(&Job { log: &log, ..*job })
        }
    };
    // Side by side: each format works in a directory of its own, on one core, and only reads what both share.
    let results: Vec<Result<Vec<PathBuf>, Error>> = std::thread::scope(|scope| {
        let running: Vec<_> =
            formats.iter().map(|format| scope.spawn(move || one(format))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(Error::Nothing("a packaging thread"))))
            .collect()
    });
    let made = results.into_iter().collect::<Result<Vec<Vec<PathBuf>>, Error>>()?.concat();
    let mut out = made
        .iter()
        .map(|path| files::place(path, job.output))
        .collect::<Result<Vec<PathBuf>, std::io::Error>>()?;
    out.sort();
    Ok(out)
}

/// Values that both kinds of templates use.
fn common(plan: &Plan) -> Vec<(&'static str, String)> {
    vec![
        ("NAME", plan.package.name.clone()),
        ("MAINTAINER", plan.package.maintainer.clone()),
        ("SUMMARY", man::summary(plan)),
        ("PREFIX", plan.package.prefix.clone()),
        ("EMULATOR", plan.emulator()),
        ("LINK", format!("/usr/bin/{}", plan.emulator())),
    ]
}

fn isolated(plan: &Plan, scratch: &Path, purpose: &str, program: &str) -> Invocation {
    Invocation::plain(purpose, program, scratch.display().to_string())
        .env("HOME", scratch.display().to_string())
        .env("SOURCE_DATE_EPOCH", plan.source.date.to_string())
        .env("DPKG_DEB_THREADS_MAX", compressors::THREADS)
}

/// An empty directory. What a killed run left is moved away first: a program of that run may still be at work in it,
/// and must neither stop us nor write into what is new.
fn fresh(directory: &Path) -> Result<(), Error> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let parent = directory.parent().unwrap_or(Path::new("/"));
    fs_err::create_dir_all(parent)?;
    let old = format!(".old-{name}-");
    if directory.exists() {
        fs_err::rename(directory, parent.join(format!("{old}{}", std::process::id())))?;
    }
    for entry in fs_err::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&old) {
            // Fails while something still writes there; a later run removes it.
            let _ = fs_err::remove_dir_all(entry.path());
        }
    }
    fs_err::create_dir_all(directory)?;
    Ok(())
}
