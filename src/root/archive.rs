//! `.deb` files: chosen and fetched through apt, kept in `WORK/debs`, checked by digest each time a root is made of them.

use std::path::{Path, PathBuf};

use super::{Error, Options, lock, wanted};
use crate::files::Scratch;
use crate::plan::Invocation;
use crate::process;
use crate::record::{RootLock, RootPackage};
use crate::source::{Binaries, sha256_of};
use crate::terminal::Terminal;
use crate::wire::Tag;

/// dpkg's name for this machine.
pub(super) fn architecture() -> Result<String, Error> {
    let ask =
        command("ask dpkg's architecture", "dpkg", Path::new("/")).arg("--print-architecture");
    Ok(process::output(&ask)?.text().trim().to_owned())
}

pub(super) fn command(purpose: &str, program: &str, directory: &Path) -> Invocation {
    Invocation::plain(purpose, program, directory.display().to_string())
}

/// What a minimal system with everything wanted consists of now, according to the host's mirror.
pub(super) fn lock(options: &Options<'_>, terminal: &Terminal) -> Result<RootLock, Error> {
    let suite = match &options.suite {
        Some(suite) => suite.clone(),
        None => host_suite()?,
    };
    terminal.status("Updating", &format!("the package index of {suite}"));
    let binaries = open(options, &suite)?;
    let fresh = fresh(options.work)?;
    let names: Vec<String> = wanted(options).into_iter().map(str::to_owned).collect();
    terminal.status("Fetching", &format!("the packages of a closed root of {suite}"));
    binaries.system(&names, fresh.path())?;
    let mut packages = Vec::new();
    for entry in fs_err::read_dir(fresh.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "deb") {
            let package = described(&path)?;
            fs_err::rename(&path, place(options.work, &package))?;
            packages.push(package);
        }
    }
    packages.sort();
    let root = RootLock {
        schema: Tag::default(),
        suite,
        architecture: architecture()?,
        wanted: names,
        packages,
    };
    lock::check(&root).map_err(|message| Error::Lock { path: "(new)".to_owned(), message })?;
    Ok(root)
}

/// Where packages arrive before they are looked at.
fn fresh(work: &Path) -> Result<Scratch, Error> {
    let debs = work.join("debs");
    fs_err::create_dir_all(&debs)?;
    Ok(Scratch::beside(&debs)?)
}

fn open(options: &Options<'_>, suite: &str) -> Result<Binaries, Error> {
    Ok(Binaries::open(options.work, suite, options.apt_sources, options.stale_index)?)
}

/// The suite this machine runs.
fn host_suite() -> Result<String, Error> {
    let text = fs_err::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.map(|name| name.trim_matches('"').to_owned()).filter(|name| !name.is_empty()).ok_or_else(
        || Error::Unavailable {
            message: "this machine does not say which suite it runs".to_owned(),
            hint: "name one with --root-suite".to_owned(),
        },
    )
}

/// What a `.deb` says of itself, with its digest.
fn described(deb: &Path) -> Result<RootPackage, Error> {
    let ask = command("read a package", "dpkg-deb", Path::new("/"))
        .args(["--show", "--showformat=${Package}\\n${Version}\\n${Architecture}\\n"])
        .arg(deb.display().to_string());
    let text = process::output(&ask)?.text();
    let mut lines = text.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    Ok(RootPackage { name: next(), version: next(), architecture: next(), sha256: sha256_of(deb)? })
}

/// Where a `.deb` is kept.
pub(super) fn place(work: &Path, package: &RootPackage) -> PathBuf {
    let version = package.version.replace(':', "%3a");
    let name = format!("{}_{version}_{}.deb", package.name, package.architecture);
    work.join("debs").join(name)
}

/// All `.deb` files of a lock, each with the locked bytes; missing ones are fetched unless that is not allowed.
pub(super) fn gather(
    root: &RootLock,
    options: &Options<'_>,
    terminal: &Terminal,
) -> Result<Vec<PathBuf>, Error> {
    let missing: Vec<&RootPackage> =
        root.packages.iter().filter(|package| !place(options.work, package).is_file()).collect();
    if !missing.is_empty() {
        fetch(root, &missing, options, terminal)?;
    }
    let mut debs = Vec::new();
    for package in &root.packages {
        let path = place(options.work, package);
        let is = sha256_of(&path)?;
        if is != package.sha256 {
            return Err(Error::Changed {
                path: path.display().to_string(),
                lock: options.lock.display().to_string(),
                is,
                locked: package.sha256.clone(),
            });
        }
        debs.push(path);
    }
    Ok(debs)
}

fn fetch(
    root: &RootLock,
    missing: &[&RootPackage],
    options: &Options<'_>,
    terminal: &Terminal,
) -> Result<(), Error> {
    let first = missing.first().map_or_else(String::new, |p| format!("{} {}", p.name, p.version));
    let debs = options.work.join("debs");
    if options.offline {
        return Err(Error::Unavailable {
            message: format!(
                "--offline, and {} of {} packages of the closed root are not in {}: {first}",
                missing.len(),
                root.packages.len(),
                debs.display()
            ),
            hint: "run once without --offline".to_owned(),
        });
    }
    terminal.status("Fetching", &format!("{} packages of the closed root", missing.len()));
    let binaries = open(options, &root.suite)?;
    let fresh = fresh(options.work)?;
    let exact: Vec<String> =
        missing.iter().map(|package| format!("{}={}", package.name, package.version)).collect();
    binaries.exact(&exact, fresh.path()).map_err(|error| match error {
        crate::source::Error::Process(process::Error::Failed { tail, .. }) => Error::Unavailable {
            message: format!(
                "a package of the closed root left the archive: {}",
                tail.iter().find(|line| line.starts_with("E:")).map_or(first.as_str(), |l| l)
            ),
            hint: "--update makes a lock of what the archive has now".to_owned(),
        },
        other => other.into(),
    })?;
    for entry in fs_err::read_dir(fresh.path())? {
        let path = entry?.path();
        let package = described(&path)?;
        fs_err::rename(&path, place(options.work, &package))?;
    }
    match missing.iter().find(|package| !place(options.work, package).is_file()) {
        None => Ok(()),
        Some(package) => Err(Error::Unavailable {
            message: format!("the mirror did not deliver {} {}", package.name, package.version),
            hint: "--update makes a lock of what the archive has now".to_owned(),
        }),
    }
}
