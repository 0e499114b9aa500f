//! What follows a file that a kernel takes for whole: archives behind ELF files (AppImage, self-extracting programs) and
//! behind scripts (makeself, zipapp). Pure.
//!
//! Sources: gABI, "ELF Header"; makeself's and PyInstaller's documentation.

use std::io::Read;

use super::opener::Opener;
use super::stream::head;
use super::{Attributes, Format, HEAD, Kind, ReadAt, format, zip};

/// A file that is read in pieces.
pub(super) struct Source<'s> {
    pub(super) length: u64,
    pub(super) read_at: &'s ReadAt<'s>,
}

/// Bytes of a table that are looked at: of no file there are more.
const TABLE: u64 = 64 << 20;
/// Fewer bytes hold no ELF file.
const SMALLEST: u64 = 52;
/// What ends a signature of the kernel behind a module, which is no program.
const SIGNED: &[u8] = b"~Module signature appended~\n";
const LONGEST_SIGNATURE: u64 = 64 << 10;
/// What marks PyInstaller's archive, close to the end.
const PYINSTALLER: &[u8] = b"MEI\x0c\x0b\x0a\x0b\x0e";
/// The part of a script in which an archive may begin.
const SCRIPT: usize = 4 << 20;

impl Source<'_> {
    pub(super) fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut out = vec![0; length.min(left)];
        let mut read = 0;
        while read < out.len() {
            match (self.read_at)(at + read as u64, &mut out[read..]) {
                0 => break,
                more => read += more,
            }
        }
        out.truncate(read);
        out
    }

    fn from(&self, at: u64) -> From<'_> {
        From { source: self, at }
    }
}

/// Reads from a place on.
struct From<'s> {
    source: &'s Source<'s>,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left =
            usize::try_from(self.source.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = if most == 0 { 0 } else { (self.source.read_at)(self.at, &mut buffer[..most]) };
        self.at += read as u64;
        Ok(read)
    }
}

/// Where the last thing ends that the headers of an ELF file speak of.
fn end(source: &Source<'_>) -> Option<u64> {
    let start = source.bytes(0, 64);
    let (wide, big) = (start.get(4)? == &2, start.get(5)? == &2);
    let number = |bytes: &[u8], at: usize, width: usize| -> Option<u64> {
        let field = bytes.get(at..at + width)?.iter();
        let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if big { field.fold(0, join) } else { field.rev().fold(0, join) })
    };
    // (place of the table's offset, of its entries' size and count; offset and size in an entry).
    let word = if wide { 8 } else { 4 };
    let (segments, sections) = if wide { ((32, 54), (40, 58)) } else { ((28, 42), (32, 46)) };
    let of_segment = if wide { (8, 32) } else { (4, 16) };
    let of_section = if wide { (24, 32) } else { (16, 20) };
    let mut last = if wide { 64 } else { 52 };
    for ((table, size), (offset, length), is_section) in
        [(segments, of_segment, false), (sections, of_section, true)]
    {
        let at = number(&start, table, word)?;
        let (size, mut count) = (number(&start, size, 2)?, number(&start, size + 2, 2)?);
        if at == 0 || size == 0 {
            continue;
        }
        let width = usize::try_from(size).ok()?;
        // More than fit into the header: the first section says how many.
        if is_section && count == 0 {
            count = number(&source.bytes(at, width), of_section.1, word).unwrap_or(0);
        }
        let whole = size.saturating_mul(count).min(TABLE);
        last = last.max(at.saturating_add(whole));
        let table = source.bytes(at, usize::try_from(whole).ok()?);
        for entry in table.chunks(width) {
            // A section without bytes in the file (SHT_NOBITS) has an offset all the same.
            if is_section && number(entry, 4, 4) == Some(8) {
                continue;
            }
            let (Some(offset), Some(length)) =
                (number(entry, offset, word), number(entry, length, word))
            else {
                break;
            };
            last = last.max(offset.saturating_add(length));
        }
    }
    Some(last)
}

impl Opener<'_> {
    /// What stands behind the end of an ELF file. A signature of a module and padding are nothing to open.
    pub(super) fn appended(&mut self, path: &str, source: &Source<'_>, depth: usize) {
        let Some(start) = end(source).filter(|end| end.saturating_add(SMALLEST) < source.length)
        else {
            return;
        };
        let length = source.length - start;
        let tail = source.bytes(source.length.saturating_sub(HEAD as u64), HEAD);
        if length < LONGEST_SIGNATURE && tail.ends_with(SIGNED) || is_zero(&mut source.from(start))
        {
            return;
        }
        let near_end = source.bytes(source.length.saturating_sub(1 << 17), 1 << 17);
        if zip::at_end(&near_end) {
            return self.held(path, source.length, &mut source.from(0), depth);
        }
        match format(&source.bytes(start, HEAD)) {
            Format::Other | Format::Script => {
                let what = if memchr::memmem::find(&near_end, PYINSTALLER).is_some() {
                    "a PyInstaller archive behind the end of the ELF file".to_owned()
                } else {
                    format!("{length} bytes behind the end of the ELF file, of no known kind")
                };
                self.entry(format!("{path}!appended"), Kind::Closed(what), Attributes::default());
            }
            Format::Elf => {
                let inner = format!("{path}!appended");
                self.stream(inner, Attributes::file(), &mut source.from(start), depth);
            }
            found => self.enter(path, found, &mut source.from(start), depth),
        }
    }

    /// A script, and the archive that it unpacks from itself.
    pub(super) fn script_file(&mut self, path: &str, reader: &mut dyn Read, depth: usize) {
        let start = match head(reader, SCRIPT) {
            Ok(start) => start,
            Err(error) => return self.unreadable(path, &error),
        };
        if start.len() < SCRIPT && std::str::from_utf8(&start).is_ok() && !start.contains(&0) {
            return;
        }
        let lines = memchr::memchr_iter(b'\n', &start).map(|at| at + 1);
        let archive = lines.map(|at| (at, format(head_of(&start[at..])))).find(|(at, found)| {
            // A text may have the words of a magic that is made of letters at the beginning of a line.
            !found.is_plain() && std::str::from_utf8(head_of(&start[*at..])).is_err()
                || *found == Format::Tar
        });
        match archive {
            Some((_, Format::Zip)) => {
                self.held(path, 0, &mut start.as_slice().chain(reader), depth);
            }
            Some((at, found)) => {
                self.enter(path, found, &mut start[at..].chain(reader), depth);
            }
            None => match self.all(&mut start.as_slice().chain(reader)) {
                Ok(Some(bytes)) if zip::at_end(&bytes) => {
                    self.held(path, 0, &mut bytes.as_slice(), depth);
                }
                Ok(Some(bytes)) if !bytes.contains(&0) => {}
                Ok(_) => self.closed(path, "a script with data behind it, of no known kind"),
                Err(error) => self.unreadable(path, &error),
            },
        }
    }
}

fn head_of(bytes: &[u8]) -> &[u8] {
    bytes.get(..HEAD).unwrap_or(bytes)
}

/// Padding, as far as it goes.
fn is_zero(reader: &mut dyn Read) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => return true,
            Ok(read) if buffer[..read].iter().any(|byte| *byte != 0) => return false,
            Ok(_) => {}
        }
    }
}
