//! Reads packages and archives: `.deb`, `.rpm`, tar, cpio, zip and ar, and streams of gzip, xz, lzma, lzip, zstd, lz4 and
//! bzip2, one in another, and behind scripts and programs. The only room that names the crates for them; it knows nothing of what is done with what it reads.
//!
//! There is one reader of each format ([`entry::Members`], `stream::unpack`, `rpm_header::package`) and there are two
//! ways to go: [`open`] streams everything within everything to a visitor, keeps little, and names what is wrong with an
//! archive; [`contents`] opens one level and keeps all of it, for who compares two.
//!
//! Pure over bytes; nothing is written to disk. Bytes, members and nesting are bounded, so a bomb is a finding and not a
//! full machine. Paths that lead out of the package, devices and links are findings or rules of who judges; an archive
//! that cannot be opened is named.

mod appended;
mod ar;
mod capability;
pub mod compress;
mod cpio;
mod deb;
mod entry;
mod format;
mod layers;
mod limits;
mod lz4;
mod opener;
mod parts;
mod rpm;
mod rpm_header;
mod rpm_tags;
mod stream;
mod tar;
mod zip;

use std::io::Read;

use crate::finding::{Code, Finding};

pub(crate) use ar::Ar;
pub use capability::capabilities;
pub use entry::Facts;
pub use format::{DEEP, Format, HEAD, format, is_image};
pub use layers::{Layer, Layers};
pub use limits::Limits;
use opener::Attributes;
pub use opener::path_leaves;
pub use parts::{Allowance, Contents, Part, contents};
pub(crate) use rpm_header::signed_header;
pub(crate) use stream::{Digesting, head};

pub(crate) static UNREADABLE: Code = Code {
    name: "verify::unreadable",
    summary: "a file or archive member cannot be read",
    explain: "What cannot be read cannot be judged, and what cannot be judged does not pass.",
};
pub(crate) static UNSAFE: Code = Code {
    name: "verify::unsafe-path",
    summary: "an archive member leads out of the package",
    explain: "A path with `..`, a member below a symbolic link of the same archive, a hard link to something the archive \
              does not hold: unpacked as root, these write elsewhere.",
};
pub(crate) static LIMIT: Code = Code {
    name: "verify::limit",
    summary: "an archive is larger or deeper than what is opened",
    explain: "Unpacked bytes, members and nesting are bounded (8 GiB, 400,000, 6), so that a bomb cannot fill the machine. \
              What lies beyond is not judged, so it does not pass.",
};
pub(crate) static TWICE: Code = Code {
    name: "verify::path-twice",
    summary: "two members of an archive have the same path",
    explain: "Unpackers keep the last one, some viewers show the first. Both are judged.",
};
pub(crate) static SCRIPT: Code = Code {
    name: "verify::script-privilege",
    summary: "a maintainer script gives a file more rights when the package is installed",
    explain: "`setcap`, `chmod u+s` and `dpkg-statoverride` in a script are not seen in the file list; the file is \
              privileged all the same. Look at which file it is and judge it as a privileged one.",
};

/// Finding codes of this module.
pub const CODES: &[&Code] = &[&UNREADABLE, &UNSAFE, &LIMIT, &TWICE, &SCRIPT];

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
    /// The contents when they begin like an ELF file, or when the visitor keeps them; else empty.
    pub bytes: Vec<u8>,
}

impl Member {
    /// A file with its contents.
    pub fn file(path: impl Into<String>, mode: u32, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), kind: Kind::File, mode, capabilities: None, sha256: None, bytes }
    }
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
    /// Whether the contents of the file at this path are kept, though it is no ELF file.
    fn keeps(&self, _path: &str) -> bool {
        false
    }

    /// A member that is being read has so many bytes so far, and all of them are kept.
    fn holds(&mut self, _bytes: u64) {}

    /// So many bytes of archives are held now, beside members.
    fn archives(&mut self, _bytes: u64) {}

    fn member(&mut self, member: Member);

    /// Another name of a file that was visited before, under `first`.
    fn again(&mut self, _path: String, _first: &str) {}
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

/// Reads a file from a place on: how many bytes there were.
pub type ReadAt<'a> = dyn Fn(u64, &mut [u8]) -> usize + 'a;

/// Opens what stands behind the end of an ELF file of a directory, if anything does; `read_at` reads the file.
pub fn open_appended(
    name: &str,
    path: &str,
    (length, read_at): (u64, &ReadAt<'_>),
    limits: Limits,
    visit: &mut dyn Visit,
) -> Opened {
    let mut opener = opener::Opener::new(name, limits, false, visit);
    opener.appended(path, &appended::Source { length, read_at }, 1);
    opener.done()
}

/// Reads one member of a tar, compressed or not; false when it is not there.
pub fn with_member(
    reader: &mut dyn Read,
    wanted: &mut dyn FnMut(&str) -> bool,
    read: &mut dyn FnMut(&str, &mut dyn Read) -> std::io::Result<()>,
) -> std::io::Result<bool> {
    let mut found = false;
    each_of_tar(reader, &mut |entry, contents| {
        let path = tar::rooted("", &entry.path);
        if entry.kind == Kind::File && wanted(&path) {
            read(&path, contents)?;
            found = true;
        }
        Ok(!found)
    })?;
    Ok(found)
}

/// What a tar says of a member before it is unpacked, word for word.
#[derive(Debug)]
pub struct Header<'a> {
    pub path: &'a str,
    pub kind: &'a Kind,
    pub mode: u32,
    pub hard_link: Option<&'a str>,
}

/// Goes through the headers of a tar, compressed or not; false when it is none.
pub fn tar_headers(
    reader: &mut dyn Read,
    each: &mut dyn FnMut(&Header<'_>),
) -> std::io::Result<bool> {
    each_of_tar(reader, &mut |entry, _| {
        let hard_link = entry.hard_link.as_deref();
        each(&Header { path: &entry.path, kind: &entry.kind, mode: entry.mode, hard_link });
        Ok(true)
    })
}

/// Goes through a tar until it is told to stop; false when it is none.
fn each_of_tar(
    reader: &mut dyn Read,
    each: &mut dyn FnMut(&entry::Entry, &mut dyn Read) -> std::io::Result<bool>,
) -> std::io::Result<bool> {
    let (start, found) = opener::begin(reader)?;
    let packed = std::io::Cursor::new(start).chain(reader);
    let budget = stream::Budget::new(Limits::default().bytes);
    let mut unpacked: Box<dyn Read + '_> = match found {
        Format::Tar => Box::new(packed),
        _ => match stream::unpack(found, packed, &budget) {
            Some(unpacked) => unpacked?,
            None => return Ok(false),
        },
    };
    let mut members = tar::Tar::new(&mut unpacked);
    while let Some(entry) = entry::Members::next(&mut members)? {
        if !each(&entry, &mut members)? {
            break;
        }
    }
    Ok(true)
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
