//! Build dependencies of exactly one plan: programs, libraries, and a meson new enough for the tree.
//!
//! Shell: asks dpkg and pkg-config what is here; `install` runs apt-get. The table is `packaging/dependencies.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::failure::{Exit, Hinted};
use crate::isolate::Isolation;
use crate::plan::{Invocation, Plan};
use crate::process::signals::Unfinished;
use crate::profile::{Compiler, Format};
use crate::record::ToolVersion;
use crate::{process, tool};

/// The dependency table, part of the program.
const TABLE: &str = include_str!("../packaging/dependencies.toml");
/// Pinned wheels of the private meson environment.
const REQUIREMENTS: &str = include_str!("../packaging/meson/requirements.txt");
/// Version of the private environment; part of its directory's name.
const MESON: &str = "1.8.5";
/// Its name among the tools of a record.
pub const PRIVATE_MESON: &str = "meson (private, pinned wheels)";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// What needs it: `always`, `deb`, `rpm`, `meson`, or the name of a build option.
    pub when: String,
    /// Debian package.
    pub debian: String,
    /// Fedora package.
    pub fedora: String,
    /// How to see that it is here: a program, or `pkg:NAME` for pkg-config, or a header's path.
    pub probe: String,
    pub why: String,
}

impl Dependency {
    /// Nothing before the package step needs it.
    pub fn only_packages(&self) -> bool {
        matches!(self.when.as_str(), "deb" | "rpm")
    }
}

#[derive(Debug, Deserialize)]
struct Table {
    dependency: Vec<Dependency>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the dependency table is broken: {0}")]
    Table(String),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Process(error) => error.exit(),
            Self::Table(_) | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Process(error) => error.hint(),
            _ => None,
        }
    }
}

/// What a plan needs, in the table's order.
pub fn needed(plan: &Plan) -> Result<Vec<Dependency>, Error> {
    let table: Table = toml::from_str(TABLE).map_err(|error| Error::Table(error.to_string()))?;
    let on = |when: &str| match when {
        "always" | "meson" => true,
        "deb" => plan.package.formats.contains(&Format::Deb),
        "rpm" => plan.package.formats.contains(&Format::Rpm),
        "clang" => plan.compiler == Compiler::Clang,
        "gcc" => plan.compiler == Compiler::Gcc,
        option => plan.features.iter().any(|feature| feature.text == option),
    };
    Ok(table.dependency.into_iter().filter(|dependency| on(&dependency.when)).collect())
}

/// The needed ones that are not here.
pub fn missing(plan: &Plan) -> Result<Vec<Dependency>, Error> {
    Ok(needed(plan)?.into_iter().filter(|dependency| !present(&dependency.probe)).collect())
}

/// Whether this machine's Python can make environments with pip.
pub fn has_ensurepip() -> bool {
    present("python:ensurepip")
}

fn present(probe: &str) -> bool {
    if let Some(library) = probe.strip_prefix("pkg:") {
        let ask =
            Invocation::plain("ask pkg-config", "pkg-config", "/").args(["--exists", library]);
        return process::output(&ask).is_ok();
    }
    if let Some(module) = probe.strip_prefix("python:") {
        let ask = Invocation::plain("ask python", "/usr/bin/python3", "/")
            .args(["-c", &format!("import {module}")]);
        return process::output(&ask).is_ok();
    }
    if probe.starts_with('/') {
        return Path::new(probe).exists();
    }
    tool::path(probe).is_ok()
}

/// Installs packages through apt, with sudo when not root.
pub fn install(packages: &[String]) -> Result<(), Error> {
    let root = rustix::process::geteuid().is_root();
    let command = |words: &[&str]| {
        let mut all: Vec<&str> = if root { Vec::new() } else { vec!["sudo"] };
        all.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
        all.extend(words);
        let command = Invocation::plain("install build dependencies", all[0], "/")
            .args(all[1..].iter().copied());
        process::fetching(command, &["HOME", "USER"])
    };
    process::run(&command(&["update"]), None, &mut |_| {})?;
    let mut words = vec!["install", "--no-install-recommends"];
    words.extend(packages.iter().map(String::as_str));
    process::run(&command(&words), None, &mut |_| {})?;
    Ok(())
}

/// The Python that configure gets: the host's where its meson is new enough, else the private one.
pub fn python(work: &Path, tree: &Path) -> PathBuf {
    let wanted = wanted_meson(tree);
    if host_meson().is_some_and(|have| have >= wanted) {
        return PathBuf::from("/usr/bin/python3");
    }
    environment(work).join("bin/python3")
}

/// Makes the private meson environment where the tree needs it and it is not there.
pub fn ensure_meson(work: &Path, tree: &Path, offline: bool) -> Result<PathBuf, Error> {
    let python = python(work, tree);
    if python.starts_with(environment(work)) {
        private(work, offline)?;
    }
    Ok(python)
}

/// The private meson for a closed root, whose Python may be another: an environment made inside, with the same wheel.
/// `isolation` must have `WORK/meson` among its writable places. Returns the path outside.
pub fn ensure_meson_inside(
    isolation: &Isolation,
    root: &str,
    work: &Path,
    offline: bool,
) -> Result<PathBuf, Error> {
    let directory = work.join("meson").join(format!("{MESON}-{}", root.get(..16).unwrap_or(root)));
    let python = directory.join("bin/python3");
    if directory.join("complete").is_file() {
        return Ok(python);
    }
    private(work, offline)?;
    let _ = fs_err::remove_dir_all(&directory);
    let _unfinished = Unfinished::path(&directory);
    // The wheel is pure Python: what was unpacked from it is good for every version.
    let script = "python3 -m venv --without-pip \"$1\" && cp -r \"$2\"/lib/python3*/site-packages/mesonbuild \
                  \"$2\"/lib/python3*/site-packages/meson-* \"$1\"/lib/python3*/site-packages/";
    let make = Invocation::plain("make the meson of the closed root", "sh", "/")
        .args(["-c", script, "sh"])
        .args([directory.display().to_string(), environment(work).display().to_string()]);
    process::output(&isolation.wrap(&make))?;
    fs_err::write(directory.join("complete"), MESON)?;
    Ok(python)
}

/// Makes the private environment where it is not there.
fn private(work: &Path, offline: bool) -> Result<(), Error> {
    let directory = environment(work);
    if directory.join("complete").is_file() {
        return Ok(());
    }
    if offline {
        return Err(Error::Io(std::io::Error::new(
            std::io::ErrorKind::NotFound,
            "--offline, and the private meson is not in the work directory; run once without --offline",
        )));
    }
    let _ = fs_err::remove_dir_all(&directory);
    let _unfinished = Unfinished::path(&directory);
    fs_err::create_dir_all(work.join("meson"))?;
    let requirements = work.join("meson/requirements.txt");
    fs_err::write(&requirements, REQUIREMENTS)?;
    let at = directory.display().to_string();
    let make = |program: &str, words: &[&str]| {
        let command = Invocation::plain("make the private meson environment", program, "/")
            .args(words.iter().copied())
            .env("HOME", work.display().to_string())
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        process::fetching(command, &["PIP_"])
    };
    process::output(&make("/usr/bin/python3", &["-m", "venv", &at]))?;
    let pip = format!("{at}/bin/pip");
    let file = requirements.display().to_string();
    let words = [
        "install",
        "--quiet",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
        "-r",
        &file,
    ];
    process::output(&make(&pip, &words))?;
    fs_err::write(directory.join("complete"), MESON)?;
    Ok(())
}

/// The private meson as the record names it: its version, and the digest of the list that pins its wheels by hash.
/// `None` when `python` is the host's.
pub fn private_meson(python: &Path) -> Option<ToolVersion> {
    let private =
        python.components().any(|part| part.as_os_str().to_string_lossy().starts_with(MESON));
    private.then(|| ToolVersion {
        name: PRIVATE_MESON.to_owned(),
        version: MESON.to_owned(),
        sha256: hex::encode(Sha256::digest(REQUIREMENTS)),
        package: None,
    })
}

fn environment(work: &Path) -> PathBuf {
    work.join("meson").join(MESON)
}

/// `meson_version: '>=1.5.0'` of the tree.
fn wanted_meson(tree: &Path) -> Vec<u32> {
    let text = fs_err::read_to_string(tree.join("meson.build")).unwrap_or_default();
    let version = text
        .split_once("meson_version: '>=")
        .map_or("0", |(_, rest)| rest.split('\'').next().unwrap_or("0"));
    numbers(version)
}

fn host_meson() -> Option<Vec<u32>> {
    let ask = Invocation::plain("ask meson's version", "/usr/bin/python3", "/")
        .args(["-c", "import mesonbuild.coredata as c; print(c.version)"]);
    process::output(&ask).ok().map(|output| numbers(output.text().trim()))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}
