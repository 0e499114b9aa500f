//! The external programs Quench uses: which package has each, where it is, which version, which bytes. All of them
//! print their version for `--version`.
//!
//! Starts programs only to ask their version, through `process`.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::failure::{Exit, Hinted};
use crate::plan::{Invocation, PATH};
use crate::process;

/// A program with the packages that have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    pub name: &'static str,
    pub debian: &'static str,
    pub fedora: &'static str,
}

/// Every program any verb may start.
pub const TOOLS: &[Tool] = &[
    tool("gcc", "gcc", "gcc"),
    tool("clang", "clang", "clang"),
    tool("ld", "binutils", "binutils"),
    tool("objcopy", "binutils", "binutils"),
    tool("strip", "binutils", "binutils"),
    tool("make", "make", "make"),
    tool("ninja", "ninja-build", "ninja-build"),
    tool("python3", "python3", "python3"),
    tool("pkg-config", "pkgconf", "pkgconf-pkg-config"),
    tool("patch", "patch", "patch"),
    tool("tar", "tar", "tar"),
    tool("xz", "xz-utils", "xz"),
    tool("apt-get", "apt", "apt"),
    tool("apt-cache", "apt", "apt"),
    tool("dpkg-source", "dpkg-dev", "dpkg-dev"),
    tool("dpkg-buildpackage", "dpkg-dev", "dpkg-dev"),
    tool("dh", "debhelper", "debhelper"),
    tool("rpmbuild", "rpm", "rpm-build"),
    tool("gpg", "gnupg", "gnupg2"),
    tool("debsigs", "debsigs", "debsigs"),
    tool("rpmsign", "rpm", "rpm-sign"),
    tool("apt-ftparchive", "apt-utils", "apt"),
    tool("createrepo_c", "createrepo-c", "createrepo_c"),
    tool("debugedit", "debugedit", "debugedit"),
    tool("curl", "curl", "curl"),
    tool("bwrap", "bubblewrap", "bubblewrap"),
    tool("ccache", "ccache", "ccache"),
    tool("mmdebstrap", "mmdebstrap", "mmdebstrap"),
    tool("dpkg-deb", "dpkg", "dpkg"),
    tool("faketime", "faketime", "libfaketime"),
    tool("disorderfs", "disorderfs", "disorderfs"),
    tool("setarch", "util-linux", "util-linux"),
    tool("diffoscope", "diffoscope-minimal", "diffoscope"),
    tool("gpgv", "gpgv", "gnupg2"),
];

const fn tool(name: &'static str, debian: &'static str, fedora: &'static str) -> Tool {
    Tool { name, debian, fedora }
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
    let program = path.display().to_string();
    let ask =
        Invocation::plain(format!("ask the version of {name}"), program, "/").arg("--version");
    let output = process::output(&ask)?;
    let version = output.text().lines().next().unwrap_or("").trim().to_owned();
    let sha256 = hex::encode(Sha256::digest(fs_err::read(&path)?));
    Ok(Found { name: name.to_owned(), path, version, sha256 })
}
