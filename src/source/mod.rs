//! Gets QEMU's source: fetched, authenticated, unpacked, patched, and pinned in a lock file.
//!
//! Shell. Reads the profile's source, the host's apt configuration and `patches/<series>/`; writes below the work
//! directory only, and the lock file next to the profile. Everything appears by rename when it is whole, so a killed
//! run leaves nothing a later one trusts: `downloads/` holds verified files by digest, `trees/KEY/` patched trees whose
//! key is a digest over everything that went in.

mod apt;
mod lock;
mod patch;
mod read;
mod tarball;
mod url;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::failure::{Exit, Hinted};
use crate::files::Scratch;
use crate::plan::Invocation;
use crate::process;
use crate::profile::{Profile, Source};
use crate::record::AuthenticatedBy;
use crate::terminal::Terminal;
use crate::tool;

pub(crate) use apt::Binaries;
pub use lock::{Lock, Pinned};
pub use read::{Listing, Wanted, digest_of_directory, read_tree};

/// Version of how trees are made; a change makes old trees unused. History: 1 = first.
const TREE_VERSION: &str = "quench.tree/1";

/// What `prepare` needs to know beside the profile.
#[derive(Debug, Clone)]
pub struct Options {
    /// The work directory.
    pub work: PathBuf,
    /// Directory that relative source paths, keys and the lock file are next to.
    pub profile_directory: PathBuf,
    /// Lock file to read and write.
    pub lock: PathBuf,
    /// Our patches for this series, in order: (name, text).
    pub patches: Vec<(String, Vec<u8>)>,
    /// The lock file must exist and must not change.
    pub locked: bool,
    /// Take the newest matching version although the lock pins an older one.
    pub update: bool,
    /// No network.
    pub offline: bool,
    /// Accept an apt index whose `Valid-Until` has passed.
    pub stale_index: bool,
    /// apt sources to use instead of the host's.
    pub apt_sources: Option<PathBuf>,
}

/// A patched tree, ready to be scanned and built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub directory: PathBuf,
    /// Where it came from, for people and the record.
    pub origin: String,
    pub version: String,
    /// Key of the patched tree.
    pub digest: String,
    /// (name, sha256) of what was fetched.
    pub files: Vec<(String, String)>,
    pub patches: Vec<(String, String)>,
    /// The patches themselves, in the same order.
    pub patch_texts: Vec<(String, Vec<u8>)>,
    /// `SOURCE_DATE_EPOCH`.
    pub date: i64,
    /// Who vouched for the bytes, for people.
    pub authentication: String,
    pub authenticated_by: AuthenticatedBy,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was delivered is refused.
    #[error("{0}")]
    Refused(String),
    /// Nothing to take: offline, gone from the archive, not on this machine.
    #[error("{message}")]
    Unavailable { message: String, hint: Option<String> },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Tool(#[from] tool::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("bad lock file {path}: {message}")]
    Lock { path: String, message: String },
}

impl Error {
    pub(crate) fn unavailable(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unavailable { message: message.into(), hint: Some(hint.into()) }
    }
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) => Exit::Program,
            Self::Lock { .. } => Exit::Usage,
            Self::Process(error) => error.exit(),
            Self::Tool(error) => error.exit(),
            Self::Unavailable { .. } | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unavailable { hint, .. } => hint.clone(),
            Self::Process(error) => error.hint(),
            Self::Tool(error) => error.hint(),
            Self::Lock { path, .. } => Some(format!("remove {path} to pin anew")),
            _ => None,
        }
    }
}

/// Fetched files before they are unpacked.
struct Fetched {
    origin: String,
    version: String,
    files: Vec<PathBuf>,
    /// For people.
    authentication: String,
    authenticated_by: AuthenticatedBy,
}

/// Makes the patched tree of a profile, or finds it made.
pub fn prepare(
    profile: &Profile,
    options: &Options,
    terminal: &Terminal,
) -> Result<Prepared, Error> {
    let lock = Lock::read(&options.lock)?;
    if options.locked && lock.is_none() {
        return Err(Error::unavailable(
            format!("--locked, but there is no lock file {}", options.lock.display()),
            "run once without --locked to write it",
        ));
    }
    let pinned = lock.as_ref().filter(|_| !options.update);
    let (fetched, in_place) = match &profile.source.value {
        Source::Apt { package, suite } => {
            (apt::fetch(package, suite, &profile.series.value, pinned, options, terminal)?, None)
        }
        Source::Url { url, sha256, signature, keys } => {
            (url::fetch(url, sha256, signature.as_deref(), keys, options, terminal)?, None)
        }
        Source::Path { path } => {
            let directory = options.profile_directory.join(path);
            (path_source(&directory)?, Some(directory))
        }
    };
    let files = match &in_place {
        Some(directory) => vec![("tree".to_owned(), digest_of_directory(directory)?)],
        None => {
            fetched.files.iter().map(|file| named_digest(file)).collect::<Result<_, Error>>()?
        }
    };
    let new = Lock::new(&fetched.version, &files);
    if let Some(lock) = pinned {
        lock.agrees(&new, &options.lock)?;
    }
    let patches: Vec<(String, String)> = options
        .patches
        .iter()
        .map(|(name, text)| (name.clone(), hex::encode(Sha256::digest(text))))
        .collect();
    let digest = key(&files, &patches);
    let directory = options.work.join("trees").join(&digest[..16]);
    if !directory.is_dir() {
        terminal.status("Unpacking", &format!("QEMU {}", fetched.version));
        let trees = options.work.join("trees");
        fs_err::create_dir_all(&trees)?;
        let scratch = Scratch::beside(&trees)?;
        let tree = scratch.path().join("tree");
        unpack(&fetched, in_place.as_deref(), &tree, options)?;
        patch::apply(&tree, &options.patches)?;
        match scratch.release("tree", &directory) {
            // Another run was faster.
            Err(_) if directory.is_dir() => {}
            released => released?,
        }
    }
    let date = date_of(&directory)?;
    if lock.as_ref() != Some(&new) {
        new.write(&options.lock)?;
        terminal.status("Locking", &format!("{} in {}", fetched.version, options.lock.display()));
    }
    Ok(Prepared {
        directory,
        origin: fetched.origin,
        version: fetched.version,
        digest,
        files,
        patches,
        patch_texts: options.patches.clone(),
        date,
        authentication: fetched.authentication,
        authenticated_by: fetched.authenticated_by,
    })
}

fn path_source(directory: &Path) -> Result<Fetched, Error> {
    let version = fs_err::read_to_string(directory.join("VERSION")).map_err(|_| {
        Error::unavailable(
            format!("{} is no QEMU tree: it has no VERSION", directory.display()),
            "qemu.source.path is relative to the profile's directory",
        )
    })?;
    Ok(Fetched {
        origin: "a local tree".to_owned(),
        version: version.trim().to_owned(),
        files: Vec::new(),
        authentication: "none: a local tree is taken as it is".to_owned(),
        authenticated_by: AuthenticatedBy::Nobody,
    })
}

fn unpack(
    fetched: &Fetched,
    in_place: Option<&Path>,
    into: &Path,
    options: &Options,
) -> Result<(), Error> {
    let run = |invocation: Invocation| process::output(&invocation).map(drop);
    let work = options.work.display().to_string();
    if let Some(directory) = in_place {
        let copy = base("copy the source tree", "cp", &work)
            .args(["-a", "--no-target-directory", "--"])
            .arg(directory.display().to_string())
            .arg(into.display().to_string());
        run(copy)?;
        return Ok(());
    }
    let dsc = fetched.files.iter().find(|file| file.extension().is_some_and(|e| e == "dsc"));
    if let Some(dsc) = dsc {
        let unpack = base("unpack the source package", "dpkg-source", &work)
            .args(["-x"])
            .arg(dsc.display().to_string())
            .arg(into.display().to_string());
        run(unpack)?;
        return Ok(());
    }
    let Some(tarball) = fetched.files.first() else {
        return Err(Error::Refused("nothing was fetched".to_owned()));
    };
    tarball::unpack(tarball, into, &work)
}

/// A command of this module: fixed PATH and locale, nothing else.
fn base(purpose: &str, program: &str, directory: &str) -> Invocation {
    Invocation::plain(purpose, program, directory)
}

fn named_digest(file: &Path) -> Result<(String, String), Error> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, sha256_of(file)?))
}

/// sha256 of a file, read in pieces.
pub fn sha256_of(file: &Path) -> Result<String, std::io::Error> {
    let mut hasher = Sha256::new();
    let mut reader = fs_err::File::open(file)?;
    let mut buffer = vec![0_u8; 1 << 20];
    loop {
        let n = std::io::Read::read(&mut reader, &mut buffer)?;
        if n == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

fn key(files: &[(String, String)], patches: &[(String, String)]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(TREE_VERSION);
    for (name, sha256) in files.iter().chain(patches) {
        hasher.update(format!("\n{sha256}  {name}"));
    }
    hex::encode(hasher.finalize())
}

/// Date of the newest `debian/changelog` entry, else of the tree's `VERSION` file.
fn date_of(directory: &Path) -> Result<i64, Error> {
    if directory.join("debian/changelog").is_file() {
        let ask = base(
            "read the changelog's date",
            "dpkg-parsechangelog",
            &directory.display().to_string(),
        )
        .arg("--show-field=Timestamp");
        if let Ok(date) = process::output(&ask)?.text().trim().parse() {
            return Ok(date);
        }
    }
    let modified = fs_err::metadata(directory.join("VERSION"))?.modified()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_secs()).unwrap_or(0))
}
