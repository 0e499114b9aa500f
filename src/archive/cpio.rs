//! cpio: SVR4 `newc` and `crc`, POSIX `odc`, the old binary kind in both orders, and the payload of an rpm, whose header has the last word. Pure.
//!
//! Sources: cpio(5); rpm, docs/manual/format_payload.md.

use std::collections::BTreeMap;
use std::io::{Error, Read, Result};

use super::entry::{Entry, Members, SharedFile};
use super::opener::{Attributes, Opener, StreamState};
use super::rpm_header::Listed;
use super::stream::{head, short, unpack};
use super::tar::rooted;
use super::{Format, HEAD, Kind, UNREADABLE, UNSAFE, format};
use crate::finding::of_bytes;

/// A path in a cpio header.
const MAX_NAME: u64 = 64 << 10;
/// Archives one behind the other; an initrd has two or three.
const MAX_CHAIN: usize = 64;
/// The target of a link.
const LONGEST_TARGET: usize = 64 << 10;

/// Goes through a cpio, member by member. Reads the contents of the member that [`Cpio::next`] gave last.
pub(super) struct Cpio<'r> {
    reader: &'r mut dyn Read,
    /// What the header of an rpm lists; `None` for a cpio by itself.
    listed: Option<&'r [Listed]>,
    /// What of the member was not read.
    left: u64,
    padding: u64,
}

/// The fields of a header that say more than name and size.
struct Fields {
    mode: u64,
    size: u64,
    name: u64,
    /// Names of facts and their words.
    facts: Vec<(&'static str, String)>,
    /// Inode and device of a file with several names.
    identity: Option<[u64; 3]>,
    /// What names and contents are padded to.
    align: u64,
    /// Bytes of the header.
    length: u64,
}

impl<'r> Cpio<'r> {
    pub(super) fn new(reader: &'r mut dyn Read, listed: Option<&'r [Listed]>) -> Self {
        Self { reader, listed, left: 0, padding: 0 }
    }

    /// rpm's own for large files: a header has nothing but the number of the file in the package's.
    fn indexed(&mut self) -> Result<Entry> {
        let index = numbers(&head(self.reader, 8)?, 8, 16)?[0];
        // 14 bytes of header, padded to four.
        skip(self.reader, 2)?;
        let listed = self.listed.unwrap_or_default();
        let file = usize::try_from(index).ok().and_then(|index| listed.get(index));
        let file =
            file.ok_or_else(|| Error::other("the payload has a file the header does not list"))?;
        // A directory has a size in the header and no bytes in the payload.
        self.left = if file.mode & 0o170_000 == 0o040_000 { 0 } else { file.size };
        self.padding = pad(self.left, 4);
        Ok(Entry::new(file.path.clone(), kind(file.mode, String::new()), file.mode & 0o7777))
    }

    /// A header that says everything of its member; `None` for the last one.
    fn named(&mut self, fields: Fields) -> Result<Option<Entry>> {
        if fields.name > MAX_NAME {
            return Err(fault("name"));
        }
        let name = head(self.reader, usize::try_from(fields.name).unwrap_or(0))?;
        skip(self.reader, pad(fields.length + fields.name, fields.align))?;
        let name = of_bytes(&name).trim_end_matches('\0').to_owned();
        if name == "TRAILER!!!" {
            return Ok(None);
        }
        (self.left, self.padding) = (fields.size, pad(fields.size, fields.align));
        let mode = u32::try_from(fields.mode).unwrap_or(u32::MAX);
        // In the payload of an rpm the header names the target.
        let is_link = mode & 0o170_000 == 0o120_000 && self.listed.is_none();
        let target = if is_link { of_bytes(&head(self, LONGEST_TARGET)?) } else { String::new() };
        let mut entry = Entry::new(name, kind(mode, target), mode & 0o7777);
        let empty = fields.size == 0;
        entry.shared = fields.identity.map(|identity| SharedFile { identity, empty });
        entry.fact("mode", format!("{:o}", mode & 0o7777));
        for (name, words) in fields.facts {
            entry.fact(name, words);
        }
        Ok(Some(entry))
    }
}

impl Members for Cpio<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        std::io::copy(self, &mut std::io::sink())?;
        skip(self.reader, std::mem::take(&mut self.padding))?;
        match head(self.reader, 6)?.as_slice() {
            b"07070X" => self.indexed().map(Some),
            magic @ (b"070701" | b"070702") => {
                let fields = newc(&head(self.reader, 104)?, magic == b"070702")?;
                self.named(fields)
            }
            b"070707" => {
                let fields = odc(&head(self.reader, 70)?)?;
                self.named(fields)
            }
            [magic @ (0xc7 | 0x71), 0x71 | 0xc7, rest @ ..] => {
                let header = [rest, &head(self.reader, 20)?].concat();
                self.named(binary(&header, *magic == 0xc7)?)
            }
            _ => Err(fault("magic")),
        }
    }
}

impl Read for Cpio<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = (&mut *self.reader).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn newc(bytes: &[u8], checked: bool) -> Result<Fields> {
    let fields = numbers(bytes, 8, 16)?;
    let &[inode, mode, uid, gid, links, time, size, major, minor, to_major, to_minor, name, sum] =
        fields.as_slice()
    else {
        return Err(fault("cut short"));
    };
    let mut facts = facts([uid, gid, links, time, inode]);
    facts.push(("device", format!("{to_major},{to_minor}")));
    facts.push(("file system", format!("{major},{minor}")));
    if checked {
        facts.push(("sum", format!("{sum:x}")));
    }
    let identity = (links > 1).then_some([inode, major, minor]);
    Ok(Fields { mode, size, name, facts, identity, align: 4, length: 110 })
}

fn odc(bytes: &[u8]) -> Result<Fields> {
    let (short, rest) = bytes.split_at_checked(42).ok_or_else(|| fault("cut short"))?;
    let (time, rest) = rest.split_at_checked(11).ok_or_else(|| fault("cut short"))?;
    let (name, size) = rest.split_at_checked(6).ok_or_else(|| fault("cut short"))?;
    let (time, name, size) =
        (numbers(time, 11, 8)?[0], numbers(name, 6, 8)?[0], numbers(size, 11, 8)?[0]);
    let fields = numbers(short, 6, 8)?;
    let &[system, inode, mode, uid, gid, links, to] = fields.as_slice() else {
        return Err(fault("cut short"));
    };
    let mut facts = facts([uid, gid, links, time, inode]);
    facts.push(("device", to.to_string()));
    facts.push(("file system", system.to_string()));
    // Every name has contents of its own.
    Ok(Fields { mode, size, name, facts, identity: None, align: 1, length: 76 })
}

/// The old kind, behind its magic: numbers of 16 bits in the writer's order, of larger ones the upper half first.
fn binary(bytes: &[u8], little: bool) -> Result<Fields> {
    let half = |two: &[u8]| {
        let two = [two[0], two[1]];
        u64::from(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let halves: Vec<u64> = bytes.chunks_exact(2).map(half).collect();
    let &[system, inode, mode, uid, gid, links, to, time, time_low, name, size, size_low] =
        halves.as_slice()
    else {
        return Err(fault("cut short"));
    };
    let (time, size) = (time << 16 | time_low, size << 16 | size_low);
    let mut facts = facts([uid, gid, links, time, inode]);
    facts.push(("device", to.to_string()));
    facts.push(("file system", system.to_string()));
    Ok(Fields { mode, size, name, facts, identity: None, align: 2, length: 26 })
}

/// What both kinds say.
fn facts([uid, gid, links, time, inode]: [u64; 5]) -> Vec<(&'static str, String)> {
    vec![
        ("owner", format!("{uid}/{gid}")),
        ("time", time.to_string()),
        ("links", links.to_string()),
        ("inode", inode.to_string()),
    ]
}

/// Numbers of `width` digits one after the other; at least one.
fn numbers(bytes: &[u8], width: usize, radix: u32) -> Result<Vec<u64>> {
    let number = |digits: &[u8]| {
        let text = std::str::from_utf8(digits).ok().filter(|text| text.len() == width);
        // A sign is no digit.
        let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        text.and_then(|text| u64::from_str_radix(text, radix).ok()).ok_or_else(|| fault("number"))
    };
    let all: Result<Vec<u64>> = bytes.chunks(width).map(number).collect();
    all.and_then(|all| if all.is_empty() { Err(fault("cut short")) } else { Ok(all) })
}

fn fault(what: &str) -> Error {
    Error::other(format!("bad cpio header: {what}"))
}

/// Bytes up to the next multiple.
fn pad(length: u64, align: u64) -> u64 {
    (align - length % align) % align
}

fn skip(reader: &mut dyn Read, bytes: u64) -> Result<()> {
    std::io::copy(&mut reader.take(bytes), &mut std::io::sink()).map(|_| ())
}

pub(super) fn kind(mode: u32, target: String) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        0o120_000 => Kind::Link(target),
        0o060_000 => Kind::Device("block device"),
        0o020_000 => Kind::Device("character device"),
        0o010_000 => Kind::Device("fifo"),
        0o140_000 => Kind::Device("socket"),
        other => Kind::Closed(format!("a file of mode {other:o}")),
    }
}

impl Opener<'_> {
    /// A cpio that is no rpm's payload, and what follows it: kernels go on with the next archive, plain or compressed.
    pub(super) fn cpio_archive(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        let mut reader: Box<dyn Read + '_> = Box::new(reader);
        for _ in 0..MAX_CHAIN {
            if let Err(error) = self.cpio(&mut reader, prefix, depth) {
                return self.unreadable(prefix, &error);
            }
            let start = match after_end(&mut reader) {
                Ok(start) if start.is_empty() => return,
                Ok(start) => start,
                Err(error) => return self.unreadable(prefix, &error),
            };
            let found = format(&start);
            let rest: Box<dyn Read + '_> = Box::new(std::io::Cursor::new(start).chain(reader));
            reader = match found {
                Format::Cpio => rest,
                _ if found.is_stream() => match unpack(found, rest, &self.budget()) {
                    Some(Ok(unpacked)) => unpacked,
                    Some(Err(error)) => return self.unreadable(prefix, &error),
                    None => return,
                },
                _ => break,
            };
            // What is in the stream is an archive again, or nothing a kernel unpacks.
            match head(&mut reader, HEAD) {
                Ok(start) if format(&start) == Format::Cpio => {
                    reader = Box::new(std::io::Cursor::new(start).chain(reader));
                }
                Ok(_) => break,
                Err(error) => return self.unreadable(prefix, &error),
            }
        }
        let kind = Kind::Closed("more after the end of a cpio archive".to_owned());
        self.entry(format!("{prefix}/"), kind, Attributes::default());
    }

    fn cpio(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) -> Result<()> {
        let (mut members, mut seen) = (Cpio::new(reader, None), StreamState::default());
        while let Some(entry) = members.next()? {
            let path = rooted(prefix, &entry.path);
            if !self.next(&path) {
                return Ok(());
            }
            if self.check_path(&path, &mut seen) {
                let attributes = Attributes { mode: entry.mode, capabilities: None };
                let shared = (entry.shared, entry.kind == Kind::File);
                if seen.waits(&path, &attributes, &shared) {
                    continue;
                }
                let of = path.clone();
                self.file_or_entry(path, entry.kind, attributes, (&mut members, depth), &mut seen);
                self.other_names(&of, shared.0.as_ref(), &mut seen);
            }
        }
        self.without_contents(seen, depth);
        Ok(())
    }

    /// Says the names of a file that came before its contents.
    fn other_names(&mut self, path: &str, shared: Option<&SharedFile>, seen: &mut StreamState) {
        let names = shared.and_then(|shared| seen.waiting.remove(&shared.identity));
        for (name, _) in names.unwrap_or_default() {
            self.again(name, path);
        }
    }

    /// Files of several names that have no contents under any.
    fn without_contents(&mut self, seen: StreamState, depth: usize) {
        for (name, attributes) in seen.waiting.into_values().flatten() {
            self.stream(name, attributes, &mut std::io::empty(), depth);
        }
    }

    /// The payload of an rpm. rpm sets what the header says; the payload's own word counts only where there is none.
    pub(super) fn payload(
        &mut self,
        reader: &mut dyn Read,
        listed: &[Listed],
        prefix: &str,
        depth: usize,
    ) -> Result<()> {
        let paths: BTreeMap<String, &Listed> =
            listed.iter().map(|file| (rooted(prefix, &file.path), file)).collect();
        let (mut members, mut seen) = (Cpio::new(reader, Some(listed)), StreamState::default());
        while let Some(entry) = members.next()? {
            let path = rooted(prefix, &entry.path);
            if !self.next(&path) {
                return Ok(());
            }
            if !self.check_path(&path, &mut seen) {
                continue;
            }
            let (kind, attributes) = if let Some(file) = paths.get(&path) {
                let attributes = Attributes {
                    mode: file.mode & 0o7777,
                    capabilities: file.capabilities.clone(),
                };
                (kind(file.mode, file.target.clone()), attributes)
            } else {
                let message = format!("{path} is in the payload and not in the header");
                self.fault(&UNSAFE, &path, message);
                (entry.kind, Attributes { mode: entry.mode, capabilities: None })
            };
            let shared = (entry.shared, kind == Kind::File);
            if seen.waits(&path, &attributes, &shared) {
                continue;
            }
            let of = path.clone();
            self.file_or_entry(path, kind, attributes, (&mut members, depth), &mut seen);
            self.other_names(&of, shared.0.as_ref(), &mut seen);
        }
        for (path, _) in
            paths.iter().filter(|(path, file)| !file.ghost && !seen.paths.contains(*path))
        {
            let message = format!("{path} is in the header and not in the payload");
            self.fault(&UNREADABLE, path, message);
        }
        self.without_contents(seen, depth);
        Ok(())
    }

    pub(super) fn file_or_entry(
        &mut self,
        path: String,
        kind: Kind,
        attributes: Attributes,
        (contents, depth): (&mut dyn Read, usize),
        seen: &mut StreamState,
    ) {
        match kind {
            Kind::File => self.stream(path, attributes, contents, depth),
            kind => {
                if matches!(kind, Kind::Link(_)) {
                    seen.links.insert(path.clone());
                }
                self.entry(path, kind, attributes);
            }
        }
    }
}

impl StreamState {
    /// Keeps a name that comes without the contents of its file, which has more names.
    fn waits(
        &mut self,
        path: &str,
        attributes: &Attributes,
        (shared, is_file): &(Option<SharedFile>, bool),
    ) -> bool {
        let Some(SharedFile { identity, empty: true }) = shared else { return false };
        if *is_file {
            let names = self.waiting.entry(*identity).or_default();
            names.push((path.to_owned(), attributes.clone()));
        }
        *is_file
    }
}

/// What follows the padding, as far as its format is told by; nothing at the end.
fn after_end(reader: &mut dyn Read) -> Result<Vec<u8>> {
    let mut buffer = [0; 4096];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            return Ok(Vec::new());
        }
        if let Some(start) = buffer[..read].iter().position(|byte| *byte != 0) {
            let mut found = buffer[start..read].to_vec();
            found.extend(head(reader, HEAD.saturating_sub(found.len()))?);
            return Ok(found);
        }
    }
}
