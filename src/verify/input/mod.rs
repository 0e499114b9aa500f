//! Opens packages and archives as they are read: `.deb`, `.rpm`, tar (gzip, xz, lzma, zstd, bzip2), cpio, ar, one in
//! another.
//!
//! Pure over bytes; nothing is written to disk. Bytes, members and nesting are bounded, so a bomb is a finding and not a
//! full machine. Contents are streamed: only what a judge must see (ELF files, the record) is kept. Paths that lead out
//! of the package, devices and links are findings or rules; an archive that cannot be opened is named.

mod archive;
mod capability;
mod deb;
mod opener;
mod rpm;
mod rpm_header;
mod stream;

use std::io::Read;

use crate::finding::{Code, Finding};

pub(super) use archive::Ar;
pub use capability::capabilities;
pub use opener::path_leaves;
pub(super) use rpm_header::signed_header;
pub(super) use stream::{Digesting, head};

pub(crate) static UNREADABLE: Code = Code {
    name: "verify::unreadable",
    summary: "a file or archive member cannot be read",
    explain: "What cannot be read cannot be judged, and what cannot be judged does not pass.",
};
pub(super) static UNSAFE: Code = Code {
    name: "verify::unsafe-path",
    summary: "an archive member leads out of the package",
    explain: "A path with `..`, a member below a symbolic link of the same archive, a hard link to something the archive \
              does not hold: unpacked as root, these write elsewhere.",
};
pub(super) static LIMIT: Code = Code {
    name: "verify::limit",
    summary: "an archive is larger or deeper than what is opened",
    explain: "Unpacked bytes, members and nesting are bounded (8 GiB, 400,000, 6), so that a bomb cannot fill the machine. \
              What lies beyond is not judged, so it does not pass.",
};
pub(super) static TWICE: Code = Code {
    name: "verify::path-twice",
    summary: "two members of an archive have the same path",
    explain: "Unpackers keep the last one, some viewers show the first. Both are judged.",
};
pub(super) static SCRIPT: Code = Code {
    name: "verify::script-privilege",
    summary: "a maintainer script gives a file more rights when the package is installed",
    explain: "`setcap`, `chmod u+s` and `dpkg-statoverride` in a script are not seen in the file list; the file is \
              privileged all the same. Look at which file it is and judge it as a privileged one.",
};

/// How much is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unpacked bytes of one input, all members and levels together.
    pub bytes: u64,
    /// A file that must be held in memory.
    pub file: u64,
    pub members: usize,
    /// Archives in archives.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 8 << 30, file: 2 << 30, members: 400_000, depth: 6 }
    }
}

/// What kind of entry a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    /// A symbolic link and its target.
    Link(String),
    /// A block or character device, a fifo or a socket.
    Device(&'static str),
    /// An archive of a kind that is not opened, or that cannot be.
    Closed(String),
}

/// One entry of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Absolute path of the installed file; in an archive within, `OUTER!INNER`.
    pub path: String,
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits.
    pub mode: u32,
    /// File capabilities in setcap's words.
    pub capabilities: Option<String>,
    /// Of regular files, when digests were asked for.
    pub sha256: Option<String>,
    /// The contents when they begin like an ELF file, or are a record; else empty.
    pub bytes: Vec<u8>,
}

impl Member {
    /// A file with its contents.
    pub fn file(path: impl Into<String>, mode: u32, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), kind: Kind::File, mode, capabilities: None, sha256: None, bytes }
    }
}

/// What an input is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Elf,
    Deb,
    Rpm,
    Ar,
    Tar,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
    Lzma,
    Cpio,
    /// An archive of a kind that is not opened.
    Closed(&'static str),
    Other,
}

/// How many bytes `format` looks at.
pub const HEAD: usize = 512;

/// Tells the format.
pub fn format(bytes: &[u8]) -> Format {
    const MAGIC: &[(&[u8], Format)] = &[
        (b"!<arch>\ndebian-binary", Format::Deb),
        (b"!<arch>\n", Format::Ar),
        (b"!<thin>\n", Format::Closed("a thin archive names files that are not in it")),
        (b"\xed\xab\xee\xdb", Format::Rpm),
        (b"\x1f\x8b\x08", Format::Gzip),
        (b"\xfd7zXZ\0", Format::Xz),
        (b"\x28\xb5\x2f\xfd", Format::Zstd),
        (b"BZh", Format::Bzip2),
        (b"PK\x03\x04", Format::Closed("a zip archive")),
        (b"7z\xbc\xaf\x27\x1c", Format::Closed("a 7z archive")),
        (b"070701", Format::Cpio),
        (b"070702", Format::Cpio),
        (b"hsqs", Format::Closed("a squashfs image")),
        (b"\x04\x22\x4d\x18", Format::Closed("an lz4 stream")),
    ];
    if crate::elf::is_elf(bytes) {
        return Format::Elf;
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Format::Tar;
    }
    if is_lzma(bytes) {
        return Format::Lzma;
    }
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map_or(Format::Other, |(_, format)| *format)
}

/// The old format has no magic: xz's own guess (lzma-file-format.txt) is the usual properties, a dictionary of a power of two,
/// and a size that is unknown or below 256 GiB.
fn is_lzma(bytes: &[u8]) -> bool {
    let (Some(dictionary), Some(size)) = (bytes.get(1..5), bytes.get(5..13)) else { return false };
    let dictionary = dictionary.try_into().map_or(0, u32::from_le_bytes);
    let size = size.try_into().map_or(0, u64::from_le_bytes);
    bytes[0] == 0x5d && dictionary.is_power_of_two() && (size == u64::MAX || size < 1 << 38)
}

/// What opening an input said beside its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// What is wrong with the archive itself.
    pub findings: Vec<Finding>,
    /// Texts of maintainer scripts that give rights to files.
    pub scripts: Vec<String>,
}

/// Who is told of members.
pub trait Visit {
    /// A member that is being read has so many bytes so far, and all of them are kept.
    fn holds(&mut self, _bytes: u64) {}

    fn member(&mut self, member: Member);
}

impl<F: FnMut(Member)> Visit for F {
    fn member(&mut self, member: Member) {
        self(member);
    }
}

/// Visits every member of an input and says what is wrong with the archive itself. `digests` asks for the sha256 of every
/// file.
pub fn open(
    name: &str,
    reader: &mut dyn Read,
    limits: Limits,
    digests: bool,
    visit: &mut dyn Visit,
) -> Opened {
    opener::Opener::new(name, limits, digests, visit).whole(reader)
}

/// Opens one file of a directory: what it is, and what is in it when it is an archive. `member` has its first bytes,
/// `reader` gives all of them.
pub fn open_file(
    name: &str,
    member: Member,
    reader: &mut dyn Read,
    limits: Limits,
    visit: &mut dyn Visit,
) -> Opened {
    opener::Opener::new(name, limits, false, visit).one(member, reader)
}

/// All members of an input at once.
pub fn members(name: &str, mut bytes: &[u8]) -> (Vec<Member>, Vec<Finding>) {
    let mut members = Vec::new();
    let mut keep = |member: Member| members.push(member);
    let opened = open(name, &mut bytes, Limits::default(), true, &mut keep);
    (members, opened.findings)
}

#[cfg(test)]
mod tests;
