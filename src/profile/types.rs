//! The checked profile as other modules see it. Every value knows where it was written.

use std::fmt;

use crate::finding::Place;

/// A place in a profile text; `line` and `column` count from 1 (column in characters).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Origin {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// Bytes of the text the value takes, quotes included.
    pub start: usize,
    pub end: usize,
    /// Dotted key, for instance `devices.allow`; for a default: the rule that gave it.
    pub key: String,
}

impl Origin {
    /// An origin for a value nobody wrote; `rule` says where the default comes from.
    pub fn default_of(rule: &str) -> Self {
        Self { key: rule.to_owned(), ..Self::default() }
    }

    /// The place findings point at.
    pub fn place(&self) -> Place {
        Place::Span { file: self.file.clone(), span: self.start..self.end }
    }

    pub fn is_default(&self) -> bool {
        self.file.is_empty()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_default() {
            write!(f, "default of {}", self.key)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    pub origin: Origin,
}

/// Where the QEMU source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A Debian source package of a suite of the host's mirror.
    Apt {
        package: String,
        suite: String,
    },
    /// An unpacked tree; relative paths are relative to the profile's directory.
    Path {
        path: String,
    },
    Url {
        url: String,
        sha256: String,
        signature: Option<String>,
        keys: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// QEMU's name: the prefix of `-softmmu` targets and of `qemu-system-*`.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Openstack,
    Baseline,
    Strict,
    Cfi,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 4] = [Self::Openstack, Self::Baseline, Self::Strict, Self::Cfi];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compiler {
    Gcc,
    Clang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    Deb,
    Rpm,
}

impl Format {
    /// The ending of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Rpm => "rpm",
        }
    }
}

/// A family of distributions, by what it calls its packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distribution {
    /// Debian and Ubuntu.
    Debian,
    Fedora,
    /// RHEL, CentOS Stream and their rebuilds.
    Rhel,
    Opensuse,
}

impl Distribution {
    pub const ALL: [Self; 4] = [Self::Debian, Self::Fedora, Self::Rhel, Self::Opensuse];

    /// Those an `.rpm` can be made for, by the name a profile writes.
    pub const RPM: [(&'static str, Self); 3] =
        [("fedora", Self::Fedora), ("rhel", Self::Rhel), ("opensuse", Self::Opensuse)];

    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Rhel => "rhel",
            Self::Opensuse => "opensuse",
        }
    }
}

/// What a profile and its parents deny, by list; what a later one allows again is no longer among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denied {
    pub devices: Vec<Sourced<String>>,
    pub backends: Vec<Sourced<String>>,
    pub block: Vec<Sourced<String>>,
    pub features: Vec<Sourced<String>>,
}

/// Allowlists beside devices; empty means nothing beyond QEMU's core.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backends {
    pub objects: Vec<Sourced<String>>,
    pub netdevs: Vec<Sourced<String>>,
    pub chardevs: Vec<Sourced<String>>,
    pub displays: Vec<Sourced<String>>,
    pub audio: Vec<Sourced<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budget {
    pub unrequested_devices: Option<Sourced<u64>>,
    pub stripped_bytes: Option<Sourced<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRequest {
    pub formats: Vec<Sourced<Format>>,
    pub name: Sourced<String>,
    /// Absolute directory that everything is installed below.
    pub prefix: Sourced<String>,
    pub maintainer: Sourced<String>,
    /// Counts packages of the same source and profile name.
    pub revision: Sourced<u64>,
    /// Whose package names the `.rpm` uses.
    pub rpm_target: Sourced<Distribution>,
    /// Names the packages stand for beside their own; none unless asked for.
    pub provides: Vec<Sourced<String>>,
    /// An alternative at `/usr/bin/qemu-system-ARCH`; off unless asked for.
    pub alternatives: Sourced<bool>,
}

/// The text of a profile or of one of its parents, kept for messages and for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileText {
    pub file: String,
    pub text: String,
}

/// A checked, complete profile: inheritance applied, `deny` removed, defaults filled in.
/// Lists keep the order of writing, parents first, without duplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: Sourced<String>,
    pub summary: Sourced<String>,
    /// `major.minor`, for instance `10.0`.
    pub series: Sourced<String>,
    pub source: Sourced<Source>,
    pub arch: Sourced<Arch>,
    pub machines: Vec<Sourced<String>>,
    /// `kvm`, `tcg`.
    pub accelerators: Vec<Sourced<String>>,
    pub devices: Vec<Sourced<String>>,
    pub backends: Backends,
    pub block_read_write: Vec<Sourced<String>>,
    pub block_read_only: Vec<Sourced<String>>,
    pub features: Vec<Sourced<String>>,
    /// What must not be in.
    pub denied: Denied,
    /// `CONFIG_…` symbols of the escape hatch, as written with the prefix.
    pub symbols: Vec<Sourced<String>>,
    pub level: Sourced<Level>,
    pub compiler: Sourced<Compiler>,
    pub budget: Budget,
    pub package: PackageRequest,
    /// `[passthrough] acknowledge`.
    pub passthrough: Option<Sourced<String>>,
    /// The profile itself first, then its parents.
    pub texts: Vec<ProfileText>,
}
