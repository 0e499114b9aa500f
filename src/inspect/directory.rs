//! Reads directories and single files with the rights they have here: the shell around `archive`.
//!
//! Of most files four kilobytes are read, of ELF files what the rules look at. Every worker opens files relative to their
//! directory, and no path is put together unless there is something to say of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use rayon::prelude::*;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::archive::{self, Format, Kind, Limits, Member, Visit};
use crate::elf::{Image, Parts};
use crate::finding::{Finding, Place};
use crate::verify::{Examination, Options};

/// What is read of every file at first: enough to tell its format, and of most ELF files all headers.
const HEAD: usize = 4096;
/// What is held of files that are judged at the same time has no more bytes than this; one alone may go beyond.
const AT_ONCE: u64 = 32 << 20;
/// Directories in each other that are gone through on one stack; those below wait until it is free.
const LEVELS: usize = 32;
/// Directories that wait are kept open, so many of them; others are opened anew, name by name.
const KEPT_OPEN: usize = 64;
/// Entries of a directory one worker takes at a time: few, so that no worker is left with the large ones.
const ENTRIES: usize = 8;

/// A path as reports name it.
fn shown(path: &Path) -> String {
    crate::finding::of_bytes(path.as_os_str().as_bytes())
}

/// What tells a file that has several names: device, inode, size, and the moment of its last change, which nobody can set.
type Identity = (u64, u64, i64, i64, i64);

/// What holds for all files below a directory.
struct Walk<'a> {
    /// The directory as the user wrote it.
    name: &'a str,
    digests: bool,
    options: &'a Options<'a>,
    gate: Gate,
    /// Under which name a file with several was judged.
    named: Mutex<BTreeMap<Identity, String>>,
    /// Directories that are too deep to be gone through from where they were met.
    deep: Mutex<BTreeMap<PathBuf, Option<rustix::fd::OwnedFd>>>,
}

/// Every file below a directory. Links are not followed; what cannot be read is a finding.
pub(super) fn examine(directory: &Path, digests: bool, options: &Options<'_>) -> Examination {
    let name = directory.display().to_string();
    let (gate, named, deep) = (Gate::default(), Mutex::default(), Mutex::default());
    let walk = Walk { name: &name, digests, options, gate, named, deep };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut scan = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(opened) => walk.directory(opened, directory, LEVELS),
        Err(error) => walk.unreadable(directory, error).into(),
    };
    // In the order of their paths, whoever met them.
    while let Some((path, opened)) = walk.next_deep() {
        let opened = opened.map_or_else(|| by_name(directory, &path), Ok);
        scan.merge(match opened {
            Ok(opened) => walk.directory(opened, &path, LEVELS),
            Err(error) => walk.unreadable(&path, error).into(),
        });
        scan.examination.forget_what_holds(options);
    }
    let DirectoryScan { examination: mut whole, closed, other_names } = scan;
    // What could not be judged under its first name cannot be under another.
    for path in whole.repeat(&other_names) {
        whole.merge(walk.unreadable(Path::new(&path), Errno::IO));
    }
    whole.forget_what_holds(options);
    whole.closed(closed);
    whole
}

/// An entry of a directory: its name and what kind it is.
type Entry = (Box<[u8]>, FileType);
/// What was found.
struct DirectoryScan {
    examination: Examination,
    /// Archives that were left as they are.
    closed: usize,
    /// Further names of files, and the name under which they are judged.
    other_names: BTreeMap<String, String>,
}

impl From<Examination> for DirectoryScan {
    fn from(examination: Examination) -> Self {
        Self { examination, closed: 0, other_names: BTreeMap::new() }
    }
}

impl DirectoryScan {
    fn merge(&mut self, other: Self) {
        self.examination.merge(other.examination);
        self.closed += other.closed;
        self.other_names.extend(other.other_names);
    }
}

impl Walk<'_> {
    fn nothing(&self) -> Examination {
        Examination::new(self.name)
    }

    fn unreadable(&self, path: &Path, error: Errno) -> Examination {
        let mut one = self.nothing();
        let part = Some(shown(path));
        let place = Place::Object { path: self.name.to_owned(), part };
        let message = format!("cannot read: {}", std::io::Error::from(error));
        one.findings.push(Finding::error(&archive::UNREADABLE, message).at(place, ""));
        one
    }

    fn next_deep(&self) -> Option<(PathBuf, Option<rustix::fd::OwnedFd>)> {
        self.deep.lock().unwrap_or_else(PoisonError::into_inner).pop_first()
    }

    /// Leaves a directory for later.
    fn too_deep(&self, opened: rustix::fd::OwnedFd, path: PathBuf) {
        let mut deep = self.deep.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = Some(opened).filter(|_| deep.len() < KEPT_OPEN);
        deep.insert(path, opened);
    }

    /// All entries in the order of their names, in parallel; `levels` of directories below are entered.
    fn directory(&self, opened: rustix::fd::OwnedFd, path: &Path, levels: usize) -> DirectoryScan {
        let entries = match entries(&opened) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(path, error).into(),
        };
        let opened = std::fs::File::from(opened);
        let nothing = || DirectoryScan::from(self.nothing());
        entries
            .par_iter()
            .with_max_len(ENTRIES)
            .fold(nothing, |mut found, entry| {
                self.entry(&opened, path, entry, levels, &mut found);
                found
            })
            .reduce(nothing, |mut one, other| {
                one.merge(other);
                one.examination.forget_what_holds(self.options);
                one
            })
    }

    fn entry(
        &self,
        directory: &std::fs::File,
        path: &Path,
        (name, kind): &Entry,
        levels: usize,
        found: &mut DirectoryScan,
    ) {
        let name = std::ffi::OsStr::from_bytes(name);
        let place = || path.join(name);
        let result = match kind {
            FileType::Symlink => Ok(()),
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                rustix::fs::openat(directory, name, flags, Mode::empty()).and_then(|opened| {
                    self.rights(&opened, Kind::Directory, &place, &mut found.examination)?;
                    match levels.checked_sub(1) {
                        Some(levels) => found.merge(self.directory(opened, &place(), levels)),
                        None => self.too_deep(opened, place()),
                    }
                    Ok(())
                })
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
                rustix::fs::openat(directory, name, flags, Mode::empty())
                    .and_then(|opened| self.file(opened.into(), &place, found))
            }
            other => {
                let member = Member::file(shown(&place()), 0, Vec::new());
                let member = Member { kind: Kind::Device(device(*other)), ..member };
                found.examination.member(member, self.options);
                Ok(())
            }
        };
        if let Err(error) = result {
            found.examination.merge(self.unreadable(&place(), error));
        }
    }

    /// What the rights of an entry are; a member only where they are unusual.
    fn rights(
        &self,
        opened: &rustix::fd::OwnedFd,
        kind: Kind,
        place: &dyn Fn() -> PathBuf,
        found: &mut Examination,
    ) -> Result<(), Errno> {
        if self.options.selection.needs_rights() {
            let mode = rustix::fs::fstat(opened)?.st_mode & 0o7777;
            if mode & 0o002 != 0 {
                let member = Member::file(shown(&place()), mode, Vec::new());
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
        place: &dyn Fn() -> PathBuf,
        found: &mut DirectoryScan,
    ) -> Result<(), Errno> {
        let mut head = [0; HEAD];
        let length = rustix::io::pread(&opened, &mut head[..], 0)?;
        let head = &head[..length];
        let format = format_of(&opened, head)?;
        let plain = match format {
            Format::Elf => false,
            Format::Other | Format::Closed(_) => true,
            _ => !self.options.archives,
        };
        found.closed += usize::from(!format.is_plain() && !self.options.archives);
        let member = if self.options.selection.needs_rights() {
            let mode = rustix::fs::fstat(&opened)?.st_mode & 0o7777;
            let capabilities = capabilities(&opened, mode);
            if plain && mode & 0o6002 == 0 && capabilities.is_none() && !self.shows(format) {
                found.examination.others += 1;
                return Ok(());
            }
            Member { capabilities, ..Member::file(String::new(), mode, Vec::new()) }
        } else if plain && !self.shows(format) {
            found.examination.others += 1;
            return Ok(());
        } else {
            Member::file(String::new(), 0o644, Vec::new())
        };
        let member = Member { path: shown(&place()), ..member };
        self.judge(&opened, format, head, member, found)
            .map_err(|error| error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error))
    }

    /// The name under which a file was met before; else it is remembered under this one.
    fn first_name(&self, metadata: &std::fs::Metadata, path: &str) -> Option<String> {
        if metadata.nlink() < 2 {
            return None;
        }
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        let size = metadata.size().cast_signed();
        let identity = (metadata.dev(), metadata.ino(), size, changed.0, changed.1);
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = named.get(&identity) {
            return Some(first.clone());
        }
        named.insert(identity, path.to_owned());
        None
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
        found: &mut DirectoryScan,
    ) -> std::io::Result<()> {
        let metadata = opened.metadata()?;
        let DirectoryScan { examination: found, other_names, .. } = found;
        if format == Format::Elf {
            if let Some(first) = self.first_name(&metadata, &member.path) {
                found.placeholder(&member.path);
                other_names.insert(member.path, first);
                return Ok(());
            }
            if self.digests {
                member.sha256 = Some(digest(opened)?);
            }
            let pass = self.gate.pass();
            let hold = |bytes| pass.more(bytes);
            elf(opened, head, &member, self.options, found, &hold)?;
            if self.options.archives {
                appended(
                    self.name,
                    opened,
                    &member.path,
                    &mut Members::new(found, self.options, pass),
                )?;
            }
            return Ok(());
        }
        if !self.options.archives {
            found.member(member, self.options);
            return Ok(());
        }
        if let Format::Closed(what) = format {
            let path = member.path.clone();
            let closed =
                Member { kind: Kind::Closed(what.to_owned()), ..Member::file(path, 0, Vec::new()) };
            found.member(closed, self.options);
            found.member(member, self.options);
            return Ok(());
        }
        let mut members = Members::new(found, self.options, self.gate.pass());
        archive_file(self.name, opened, head, member, &mut members)
    }
}

/// Opens a directory name by name, as no link leads anywhere: its whole path may be longer than the kernel takes.
fn by_name(root: &Path, path: &Path) -> Result<rustix::fd::OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut opened = rustix::fs::open(root, flags, Mode::empty())?;
    for name in path.strip_prefix(root).map_err(|_| Errno::NOENT)? {
        opened = rustix::fs::openat(&opened, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(opened)
}

/// What a file is; more than its head is read of what may be a file system.
fn format_of(opened: &std::fs::File, head: &[u8]) -> Result<Format, Errno> {
    let head = head.get(..archive::HEAD).unwrap_or(head);
    let format = archive::format(head);
    if format != Format::Other || !archive::is_image(head) {
        return Ok(format);
    }
    let mut deep = vec![0; archive::DEEP];
    let length = rustix::io::pread(opened, &mut deep[..], 0)?;
    Ok(archive::format(&deep[..length]))
}

/// What is in an archive, and behind a script.
fn archive_file(
    name: &str,
    mut opened: &std::fs::File,
    head: &[u8],
    mut member: Member,
    members: &mut Members<'_>,
) -> std::io::Result<()> {
    // It may have been digested.
    opened.rewind()?;
    member.bytes = head.get(..archive::HEAD).unwrap_or(head).to_vec();
    let path = member.path.clone();
    let mut whole = std::io::BufReader::with_capacity(64 << 10, opened);
    let opened = archive::open_file(name, member, &mut whole, Limits::default(), members);
    members.finish(&path, opened);
    Ok(())
}

/// What stands behind the end of an ELF file.
fn appended(
    name: &str,
    opened: &std::fs::File,
    path: &str,
    members: &mut Members<'_>,
) -> std::io::Result<()> {
    let length = opened.metadata()?.len();
    let read_at = |offset: u64, buffer: &mut [u8]| opened.read_at(buffer, offset).unwrap_or(0);
    let limits = Limits::default();
    let opened = archive::open_appended(name, path, (length, &read_at), limits, members);
    members.finish(path, opened);
    Ok(())
}

/// Members of an archive, judged one by one.
struct Members<'m> {
    found: &'m mut Examination,
    options: &'m Options<'m>,
    pass: Pass<'m>,
    held: u64,
    /// Bytes of archives that are held while their members are read.
    archives: u64,
    /// Further names of members, and the first.
    other_names: BTreeMap<String, String>,
}

impl<'m> Members<'m> {
    fn new(found: &'m mut Examination, options: &'m Options<'m>, pass: Pass<'m>) -> Self {
        Self { found, options, pass, held: 0, archives: 0, other_names: BTreeMap::new() }
    }

    fn finish(&mut self, path: &str, opened: archive::Opened) {
        self.found.name_again(&std::mem::take(&mut self.other_names));
        self.found.findings.extend(opened.findings);
        self.found.privilege(&format!("{path}!"), &opened.scripts);
    }
}

impl Visit for Members<'_> {
    fn keeps(&self, path: &str) -> bool {
        self.options.keeps(path)
    }

    fn holds(&mut self, bytes: u64) {
        if bytes > self.held {
            self.pass.more(bytes - self.held);
            self.held = bytes;
        }
    }

    fn archives(&mut self, bytes: u64) {
        self.pass.nothing();
        self.pass.more(bytes);
        self.archives = bytes;
    }

    fn member(&mut self, member: Member) {
        self.held = 0;
        self.found.member(member, self.options);
        self.pass.nothing();
        self.pass.more(self.archives);
    }

    fn again(&mut self, path: String, first: &str) {
        self.other_names.insert(path, first.to_owned());
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
        ..Member::file(name.clone(), mode, Vec::new())
    };
    let gate = Gate::default();
    if crate::elf::is_elf(&head) {
        elf(&opened, &head, &member, options, &mut one, &|_| {})?;
        let mut members = Members::new(&mut one, options, gate.pass());
        appended(&name, &opened, &member.path, &mut members)?;
        drop(members);
        one.digests.insert(member.path, sha256.clone());
    } else {
        let mut members = Members::new(&mut one, options, gate.pass());
        archive_file(&name, &opened, &head, member, &mut members)?;
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
    hold: &dyn Fn(u64),
) -> std::io::Result<()> {
    let length = opened.metadata()?.len();
    let read_at = |offset: u64, buffer: &mut [u8]| opened.read_at(buffer, offset).unwrap_or(0);
    let parts = Parts::new(length, head.to_vec(), &read_at).announcing(hold);
    found.elf(member, Image::Parts(&parts), options);
    Ok(())
}

fn digest(mut opened: &std::fs::File) -> std::io::Result<String> {
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
    value.get(..length).map(archive::capabilities)
}

/// Lets so many bytes of files be held at a time that memory has a bound however many workers there are. One file at a
/// time may go beyond, and never waits: so those that wait for it wait in vain no more than it takes.
#[derive(Default)]
struct Gate {
    held: Mutex<MemoryInUse>,
    left: Condvar,
}

#[derive(Default)]
struct MemoryInUse {
    bytes: u64,
    /// Somebody is beyond the bound.
    beyond: bool,
}

/// What is held of one file.
struct Pass<'a> {
    gate: &'a Gate,
    bytes: Cell<u64>,
    beyond: Cell<bool>,
}

impl Gate {
    fn pass(&self) -> Pass<'_> {
        Pass { gate: self, bytes: Cell::new(0), beyond: Cell::new(false) }
    }
}

impl Pass<'_> {
    fn more(&self, bytes: u64) {
        let held = self.gate.held.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |held: &MemoryInUse| held.bytes.saturating_add(bytes) > AT_ONCE;
        let waits = |held: &mut MemoryInUse| !self.beyond.get() && held.beyond && full(held);
        let mut held =
            self.gate.left.wait_while(held, waits).unwrap_or_else(PoisonError::into_inner);
        if full(&held) {
            held.beyond = true;
            self.beyond.set(true);
        }
        held.bytes = held.bytes.saturating_add(bytes);
        self.bytes.set(self.bytes.get().saturating_add(bytes));
    }
}

impl Pass<'_> {
    /// Nothing is held any more.
    fn nothing(&self) {
        let mut held = self.gate.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes = held.bytes.saturating_sub(self.bytes.take());
        if self.beyond.take() {
            held.beyond = false;
        }
        self.gate.left.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.nothing();
    }
}
