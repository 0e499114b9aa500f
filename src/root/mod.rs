//! The closed root: a small Debian system of exactly the packages a lock file lists, in which all steps of a build run.
//!
//! Shell. Two phases: the lock is made once, online, from the host's own mirror; from then on `.deb` files in
//! `WORK/debs`, each checked by its digest, are enough. `WORK/roots/KEY/` is the root made of a lock: KEY is the lock's
//! digest, the directory appears by rename. `isolate` runs steps in it; nothing here runs in a build.

mod archive;
mod lock;
mod make;

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Hinted, full_disk};
use crate::record;
use crate::terminal::Terminal;
use crate::{process, source, tool};

pub use lock::{digest, read, text};

/// Packages every root has beside what a plan needs: what `--ccache` and `reproduce` use.
const ALWAYS: [&str; 2] = ["ccache", "faketime"];

/// What `prepare` needs to know.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    pub work: &'a Path,
    /// The lock file, read or written.
    pub lock: PathBuf,
    /// Suite of a new lock; the host's without it.
    pub suite: Option<String>,
    /// Packages the build needs.
    pub wanted: Vec<String>,
    pub offline: bool,
    /// The lock must exist.
    pub locked: bool,
    /// Make the lock anew.
    pub update: bool,
    pub stale_index: bool,
    pub apt_sources: Option<&'a Path>,
}

/// A root that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Where it is unpacked.
    pub directory: PathBuf,
    pub lock: record::RootLock,
    /// sha256 of the lock.
    pub digest: String,
    /// How it was made, for the record.
    pub kind: record::RootKind,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("bad root lock {path}: {message}")]
    Lock { path: String, message: String },
    #[error("{message}")]
    Unavailable { message: String, hint: String },
    /// A `.deb` that is not the locked one.
    #[error("{path} is not what {lock} lists: sha256 {is}, locked {locked}")]
    Changed { path: String, lock: String, is: String, locked: String },
    #[error("{lock} has no {missing}, which this plan needs")]
    Lacking { lock: String, missing: String },
    #[error(transparent)]
    Source(#[from] source::Error),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Changed { .. } => Exit::Program,
            Self::Lock { .. } | Self::Lacking { .. } => Exit::Usage,
            Self::Source(error) => error.exit(),
            Self::Process(error) => error.exit(),
            Self::Tool(error) => error.exit(),
            Self::Unavailable { .. } | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lock { .. } => Some("--update writes it anew".to_owned()),
            Self::Unavailable { hint, .. } => Some(hint.clone()),
            Self::Changed { path, .. } => {
                Some(format!("remove {path}; the next run without --offline fetches it again"))
            }
            Self::Lacking { .. } => Some("--update makes a lock for this plan".to_owned()),
            Self::Source(error) => error.hint(),
            Self::Process(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            Self::Io(error) => full_disk(error),
        }
    }
}

/// The root of a lock, made where it is not there; the lock, too, unless it must exist.
pub fn prepare(options: &Options<'_>, terminal: &Terminal) -> Result<Made, Error> {
    let known = read(&options.lock)?;
    let shown = options.lock.display().to_string();
    let lock = match known.filter(|_| !options.update) {
        Some(lock) => {
            fits(&lock, options)?;
            lock
        }
        None if options.locked => {
            return Err(Error::Unavailable {
                message: format!("--locked, but there is no root lock {shown}"),
                hint: "run once without --locked to write it".to_owned(),
            });
        }
        None if options.offline => {
            return Err(Error::Unavailable {
                message: format!("--offline, and there is no root lock {shown}"),
                hint: "run once without --offline to make it from the host's mirror".to_owned(),
            });
        }
        None => {
            let lock = archive::lock(options, terminal)?;
            lock::write(&lock, &options.lock)?;
            terminal.status("Locking", &format!("{} packages in {shown}", lock.packages.len()));
            lock
        }
    };
    let digest = digest(&lock);
    let place = options.work.join("roots").join(&digest[..16]);
    if let Some(made) = make::find(&place, &lock, &digest) {
        return Ok(made);
    }
    let debs = archive::gather(&lock, options, terminal)?;
    terminal.status(
        "Making",
        &format!("the closed root: {} packages of {}", lock.packages.len(), lock.suite),
    );
    make::make(&lock, &debs, &place, options.work)?;
    make::find(&place, &lock, &digest).ok_or_else(|| Error::Unavailable {
        message: format!("the root in {} is not whole", place.display()),
        hint: format!("remove {}", place.display()),
    })
}

/// A lock must be for this machine and hold what the plan needs.
fn fits(lock: &record::RootLock, options: &Options<'_>) -> Result<(), Error> {
    let shown = options.lock.display().to_string();
    let fault = |message: String| Error::Lock { path: shown.clone(), message };
    if let Some(suite) = options.suite.as_ref().filter(|suite| **suite != lock.suite) {
        return Err(fault(format!("it is of {}, asked for is {suite}", lock.suite)));
    }
    let architecture = archive::architecture()?;
    if lock.architecture != architecture {
        return Err(fault(format!("it is for {}, this is {architecture}", lock.architecture)));
    }
    let missing: Vec<&str> = wanted(options)
        .into_iter()
        .filter(|name| !lock.wanted.iter().any(|known| known == name))
        .collect();
    if !missing.is_empty() {
        return Err(Error::Lacking { lock: shown, missing: missing.join(", ") });
    }
    Ok(())
}

/// Everything asked for, each once, in order.
fn wanted<'a>(options: &'a Options<'_>) -> Vec<&'a str> {
    let mut all: Vec<&str> = options.wanted.iter().map(String::as_str).chain(ALWAYS).collect();
    all.sort_unstable();
    all.dedup();
    all
}
