//! The closed root as verbs use it: which packages a plan needs in it, and which directories steps see.

use std::path::{Path, PathBuf};

use super::{Ready, SourceOptions};
use crate::build_deps;
use crate::failure::Failure;
use crate::isolate::{self, Closed, Isolation, Place};
use crate::root::{self, RootInstall};
use crate::terminal::Terminal;

/// Which root.
#[derive(Debug, Clone)]
pub struct RootRequest {
    /// The lock file; beside the profile's own where none is named.
    pub lock: Option<PathBuf>,
    pub suite: Option<String>,
    pub locked: bool,
}

/// Makes the root of a profile, or finds it made.
pub fn prepare(
    ready: &Ready,
    wanted: &RootRequest,
    options: &SourceOptions,
    terminal: &Terminal,
) -> Result<RootInstall, Failure> {
    let Some(draft) = ready.draft() else {
        return Err(Failure::usage("no plan can be made of this profile"));
    };
    let needed = build_deps::needed(&draft)?;
    let lock =
        wanted.lock.clone().unwrap_or_else(|| ready.context.lock.with_extension("root.lock"));
    let options = root::Options {
        work: &ready.work,
        lock,
        suite: wanted.suite.clone(),
        wanted: needed.into_iter().map(|dependency| dependency.debian).collect(),
        offline: options.offline,
        locked: wanted.locked,
        update: options.update,
        stale_index: options.stale_index,
        apt_sources: options.apt_sources.as_deref(),
    };
    Ok(root::prepare(&options, terminal)?)
}

fn isolation(made: &RootInstall, places: Vec<Place>) -> Result<Isolation, Failure> {
    let closed = Closed {
        directory: made.directory.clone(),
        kind: made.kind.clone(),
        digest: made.digest.clone(),
        places,
    };
    Ok(isolate::closed(closed)?)
}

fn place(outside: PathBuf, inside: &'static str, writable: bool) -> Place {
    Place { outside, inside, writable }
}

/// For questions to the compiler, and for making the private meson.
pub fn for_questions(made: &RootInstall, work: &Path, meson: &Path) -> Result<Isolation, Failure> {
    isolation(
        made,
        vec![place(work.join("probes"), "probes", true), place(meson.to_owned(), "meson", true)],
    )
}

/// For the steps of a build. `cache` is the directory of a compiler cache.
pub fn for_build(
    made: &RootInstall,
    build: PathBuf,
    source: &Path,
    meson: &Path,
    cache: Option<PathBuf>,
) -> Result<Isolation, Failure> {
    let mut places = vec![
        place(build, "work", true),
        place(source.to_owned(), "source", false),
        place(meson.to_owned(), "meson", false),
    ];
    places.extend(cache.map(|cache| place(cache, "ccache", true)));
    isolation(made, places)
}
