//! Reads directories and single files with the rights they have here: the shell around `verify::input`.
//!
//! Of most files four kilobytes are read, of ELF files what the rules look at. Every worker opens files relative to their
//! directory, and no path is put together unless there is something to say of it.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rayon::prelude::*;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::elf::{Image, Parts};
use crate::finding::{Finding, Place};
use crate::verify::input::{self, Format, Kind, Limits, Member};
use crate::verify::{Examination, Options};

/// What is read of every file at first: enough to tell its format, and of most ELF files all headers.
const HEAD: usize = 4096;
/// Files whose code is read, and archives, at the same time have no more bytes than this, or it is one alone.
const AT_ONCE: u64 = 96 << 20;

/// What holds for all files below a directory.
struct Walk<'a> {
    /// The directory as the user wrote it.
    name: &'a str,
    digests: bool,
    options: &'a Options<'a>,
    gate: Gate,
}

/// Every file below a directory. Links are not followed; what cannot be read is a finding.
pub(super) fn examine(directory: &Path, digests: bool, options: &Options<'_>) -> Examination {
    let name = directory.display().to_string();
    let walk = Walk { name: &name, digests, options, gate: Gate::default() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let (mut whole, closed) = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(opened) => walk.directory(opened, directory),
        Err(error) => (walk.unreadable(directory, error), 0),
    };
    whole.forget_what_holds(options);
    whole.closed(closed);
    whole
}

/// An entry of a directory: its name and what kind it is.
type Entry = (Box<[u8]>, FileType);
/// What was found, and how many archives were left closed.
type Found = (Examination, usize);

impl Walk<'_> {
    fn nothing(&self) -> Examination {
        Examination::new(self.name)
    }

    fn unreadable(&self, path: &Path, error: Errno) -> Examination {
        let mut one = self.nothing();
        let part = Some(path.display().to_string());
        let place = Place::Object { path: self.name.to_owned(), part };
        let message = format!("cannot read: {}", std::io::Error::from(error));
        one.findings.push(Finding::error(&input::UNREADABLE, message).at(place, ""));
        one
    }

    /// All entries in the order of their names, in parallel.
    fn directory(&self, opened: rustix::fd::OwnedFd, path: &Path) -> Found {
        let entries = match entries(&opened) {
            Ok(entries) => entries,
            Err(error) => return (self.unreadable(path, error), 0),
        };
        let opened = std::fs::File::from(opened);
        let nothing = || (self.nothing(), 0);
        entries
            .par_iter()
            .fold(nothing, |mut found, entry| {
                self.entry(&opened, path, entry, &mut found);
                if found.0.objects.len() % 64 == 63 {
                    found.0.forget_what_holds(self.options);
                }
                found
            })
            .reduce(nothing, |mut one, other| {
                one.0.merge(other.0);
                one.0.forget_what_holds(self.options);
                (one.0, one.1 + other.1)
            })
    }

    fn entry(
        &self,
        directory: &std::fs::File,
        path: &Path,
        (name, kind): &Entry,
        found: &mut Found,
    ) {
        let name = std::ffi::OsStr::from_bytes(name);
        let place = || path.join(name);
        let result = match kind {
            FileType::Symlink => Ok(()),
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                rustix::fs::openat(directory, name, flags, Mode::empty()).and_then(|opened| {
                    self.rights(&opened, Kind::Directory, &place, &mut found.0)?;
                    let inner = self.directory(opened, &place());
                    found.0.merge(inner.0);
                    found.1 += inner.1;
                    Ok(())
                })
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                rustix::fs::openat(directory, name, flags, Mode::empty())
                    .and_then(|opened| self.file(opened.into(), &place, found))
            }
            other => {
                let member = Member::file(place().display().to_string(), 0, Vec::new());
                found
                    .0
                    .member(Member { kind: Kind::Device(device(*other)), ..member }, self.options);
                Ok(())
            }
        };
        if let Err(error) = result {
            found.0.merge(self.unreadable(&place(), error));
        }
    }

    /// What the rights of an entry are; a member only where they are unusual.
    fn rights(
        &self,
        opened: &rustix::fd::OwnedFd,
        kind: Kind,
        place: &dyn Fn() -> std::path::PathBuf,
        found: &mut Examination,
    ) -> Result<(), Errno> {
        if self.options.selection.needs_rights() {
            let mode = rustix::fs::fstat(opened)?.st_mode & 0o7777;
            if mode & 0o002 != 0 {
                let member = Member::file(place().display().to_string(), mode, Vec::new());
                found.member(Member { kind, ..member }, self.options);
                return Ok(());
            }
        }
        found.others += 1;
        Ok(())
    }

    fn file(
        &self,
        opened: std::fs::File,
        place: &dyn Fn() -> std::path::PathBuf,
        found: &mut Found,
    ) -> Result<(), Errno> {
        let mut head = [0; HEAD];
        let length = rustix::io::pread(&opened, &mut head[..], 0)?;
        let head = &head[..length];
        let format = input::format(head.get(..input::HEAD).unwrap_or(head));
        let plain = match format {
            Format::Elf => false,
            Format::Other | Format::Closed(_) => true,
            _ => !self.options.archives,
        };
        found.1 += usize::from(plain && format != Format::Other && !self.options.archives);
        let member = if self.options.selection.needs_rights() {
            let mode = rustix::fs::fstat(&opened)?.st_mode & 0o7777;
            let capabilities = capabilities(&opened, mode);
            if plain && mode & 0o6002 == 0 && capabilities.is_none() && !self.shows(format) {
                found.0.others += 1;
                return Ok(());
            }
            Member { capabilities, ..Member::file(String::new(), mode, Vec::new()) }
        } else if plain && !self.shows(format) {
            found.0.others += 1;
            return Ok(());
        } else {
            Member::file(String::new(), 0o644, Vec::new())
        };
        let member = Member { path: place().display().to_string(), ..member };
        self.judge(&opened, format, head, member, &mut found.0)
            .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))
    }

    /// An archive that is not opened is named, unless none is, as asked.
    fn shows(&self, format: Format) -> bool {
        matches!(format, Format::Closed(_)) && self.options.archives
    }

    fn judge(
        &self,
        opened: &std::fs::File,
        format: Format,
        head: &[u8],
        mut member: Member,
        found: &mut Examination,
    ) -> std::io::Result<()> {
        if format == Format::Elf {
            if self.digests {
                member.sha256 = Some(digest(opened)?);
            }
            // Of headers little is read of any file.
            let needs =
                if self.options.selection.needs_code() { opened.metadata()?.len() } else { 0 };
            let _pass = self.gate.pass(needs);
            return elf(opened, head, &member, self.options, found);
        }
        let closed = matches!(format, Format::Other | Format::Closed(_)) || !self.options.archives;
        let mut bytes = head.get(..input::HEAD).unwrap_or(head).to_vec();
        let _pass = self.gate.pass(if closed { 0 } else { opened.metadata()?.len() });
        if !closed {
            bytes.clear();
            opened.take(Limits::default().file).read_to_end(&mut bytes)?;
        }
        member.bytes = bytes;
        if !self.options.archives {
            found.member(member, self.options);
            return Ok(());
        }
        let opened = input::open_file(self.name, member, Limits::default(), &mut |member| {
            found.member(member, self.options);
        });
        found.findings.extend(opened.findings);
        Ok(())
    }
}

fn entries(opened: &rustix::fd::OwnedFd) -> Result<Vec<Entry>, Errno> {
    let mut out: Vec<Entry> = Vec::new();
    for entry in rustix::fs::Dir::read_from(opened)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                FileType::from_raw_mode(rustix::fs::statat(opened, name, flags)?.st_mode)
            }
            known => known,
        };
        out.push((name.to_bytes().into(), kind));
    }
    out.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(out)
}

fn device(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::BlockDevice => "block device",
        _ => "character device",
    }
}

/// One file.
pub(super) fn examine_file(path: &Path, options: &Options<'_>) -> std::io::Result<Examination> {
    let name = path.display().to_string();
    let opened = fs_err::File::open(path)?.into_parts().0;
    let mode = opened.metadata()?.mode() & 0o7777;
    let mut head = vec![0; HEAD];
    let length = opened.read_at(&mut head, 0)?;
    head.truncate(length);
    let sha256 = digest(&opened)?;
    let mut one = Examination::new(&name);
    let member = Member {
        sha256: Some(sha256.clone()),
        capabilities: capabilities(&opened, mode),
        ..Member::file(name, mode, Vec::new())
    };
    if crate::elf::is_elf(&head) {
        elf(&opened, &head, &member, options, &mut one)?;
        one.digests.insert(member.path, sha256.clone());
    } else {
        one.member(member, options);
    }
    one.sha256 = sha256;
    Ok(one)
}

fn elf(
    opened: &std::fs::File,
    head: &[u8],
    member: &Member,
    options: &Options<'_>,
    found: &mut Examination,
) -> std::io::Result<()> {
    let length = opened.metadata()?.len();
    let read_at = |offset: u64, buffer: &mut [u8]| opened.read_at(buffer, offset).unwrap_or(0);
    let parts = Parts::new(length, head.to_vec(), &read_at);
    found.elf(member, Image::Parts(&parts), options);
    Ok(())
}

fn digest(mut opened: &std::fs::File) -> std::io::Result<String> {
    use std::io::Seek;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    opened.rewind()?;
    loop {
        let read = opened.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

/// Capabilities of a program; only what may be executed can use any.
fn capabilities(opened: &std::fs::File, mode: u32) -> Option<String> {
    if mode & 0o111 == 0 {
        return None;
    }
    let mut value = [0_u8; 64];
    let length = rustix::fs::fgetxattr(opened, "security.capability", &mut value[..]).ok()?;
    value.get(..length).map(input::capabilities)
}

/// Lets so many bytes of files in at a time that memory has a bound however many workers there are.
#[derive(Default)]
struct Gate {
    inside: Mutex<u64>,
    left: Condvar,
}

struct Pass<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    fn pass(&self, bytes: u64) -> Pass<'_> {
        if bytes > 0 {
            let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
            let full = |inside: &mut u64| *inside > 0 && *inside + bytes > AT_ONCE;
            let mut inside =
                self.left.wait_while(inside, full).unwrap_or_else(PoisonError::into_inner);
            *inside += bytes;
        }
        Pass { gate: self, bytes }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            *self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
            self.gate.left.notify_all();
        }
    }
}
