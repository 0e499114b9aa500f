//! The external programs Quench uses: which package has each, where it is, which version, which bytes.
//!
//! Starts programs only to ask their version, through `process`.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::failure::{Exit, Hinted};
use crate::plan::Invocation;
use crate::process;

/// Where programs are looked for: fixed, so that a build does not depend on the caller's PATH.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program with the packages that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    pub name: &'static str,
    pub debian: &'static str,
    pub fedora: &'static str,
    /// Argument that makes it print its version.
    pub version: &'static str,
}

/// Every program any verb may start.
pub const TOOLS: &[Tool] = &[
    tool("gcc", "gcc", "gcc", "--version"),
    tool("clang", "clang", "clang", "--version"),
    tool("ld", "binutils", "binutils", "--version"),
    tool("objcopy", "binutils", "binutils", "--version"),
    tool("strip", "binutils", "binutils", "--version"),
    tool("make", "make", "make", "--version"),
    tool("ninja", "ninja-build", "ninja-build", "--version"),
    tool("python3", "python3", "python3", "--version"),
    tool("pkg-config", "pkgconf", "pkgconf-pkg-config", "--version"),
    tool("patch", "patch", "patch", "--version"),
    tool("tar", "tar", "tar", "--version"),
    tool("xz", "xz-utils", "xz", "--version"),
    tool("apt-get", "apt", "apt", "--version"),
    tool("apt-cache", "apt", "apt", "--version"),
    tool("dpkg-source", "dpkg-dev", "dpkg-dev", "--version"),
    tool("dpkg-buildpackage", "dpkg-dev", "dpkg-dev", "--version"),
    tool("dh", "debhelper", "debhelper", "--version"),
    tool("rpmbuild", "rpm", "rpm-build", "--version"),
    tool("gpg", "gnupg", "gnupg2", "--version"),
    tool("debsigs", "debsigs", "debsigs", "--version"),
    tool("rpmsign", "rpm", "rpm-sign", "--version"),
    tool("apt-ftparchive", "apt-utils", "apt", "--version"),
    tool("createrepo_c", "createrepo-c", "createrepo_c", "--version"),
    tool("debugedit", "debugedit", "debugedit", "--version"),
    tool("curl", "curl", "curl", "--version"),
    tool("bwrap", "bubblewrap", "bubblewrap", "--version"),
    tool("ccache", "ccache", "ccache", "--version"),
    tool("mmdebstrap", "mmdebstrap", "mmdebstrap", "--version"),
    tool("dpkg-deb", "dpkg", "dpkg", "--version"),
    tool("faketime", "faketime", "libfaketime", "--version"),
    tool("disorderfs", "disorderfs", "disorderfs", "--version"),
    tool("setarch", "util-linux", "util-linux", "--version"),
    tool("diffoscope", "diffoscope-minimal", "diffoscope", "--version"),
    tool("gpgv", "gpgv", "gnupg2", "--version"),
];

const fn tool(
    name: &'static str,
    debian: &'static str,
    fedora: &'static str,
    version: &'static str,
) -> Tool {
    Tool { name, debian, fedora, version }
}

/// A tool as found on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub path: PathBuf,
    /// First line of `--version`.
    pub version: String,
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{name}` is not installed")]
    Missing { name: String, debian: String, fedora: String },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Process(error) => error.exit(),
            Self::Missing { .. } | Self::Io(_) => Exit::Machine,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { debian, fedora, .. } => {
                Some(format!("apt-get install {debian}  (Fedora, RHEL: dnf install {fedora})"))
            }
            Self::Process(error) => error.hint(),
            Self::Io(_) => None,
        }
    }
}

/// The path of a tool; missing ones name the packages that have them.
pub fn path(name: &str) -> Result<PathBuf, Error> {
    which::which_in(name, Some(PATH), "/").map_err(|_| {
        let known = TOOLS.iter().find(|tool| tool.name == name);
        Error::Missing {
            name: name.to_owned(),
            debian: known.map_or(name, |tool| tool.debian).to_owned(),
            fedora: known.map_or(name, |tool| tool.fedora).to_owned(),
        }
    })
}

/// Finds a tool, asks its version and hashes its file.
pub fn find(name: &str) -> Result<Found, Error> {
    let path = path(name)?;
    let argument =
        TOOLS.iter().find(|tool| tool.name == name).map_or("--version", |tool| tool.version);
    let ask =
        Invocation::new(format!("ask the version of {name}"), path.display().to_string(), "/")
            .arg(argument)
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8");
    let output = process::output(&ask)?;
    let version = output.text().lines().next().unwrap_or("").trim().to_owned();
    let sha256 = hex::encode(Sha256::digest(fs_err::read(&path)?));
    Ok(Found { name: name.to_owned(), path, version, sha256 })
}
