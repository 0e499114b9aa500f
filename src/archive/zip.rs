//! zip: wheels, jars and whatever else is one, also behind a script or a program. Pure.
//!
//! The directory at the end and the headers before the members are read by the `zip` crate, which must find them to say
//! the same; members are unpacked by what unpacks everything else, behind the same budget. Source: APPNOTE.TXT 6.3.10.

use std::io::{Cursor, Error, Read, Result};

use zip::CompressionMethod as Method;

use super::Kind;
use super::entry::{Entry, Members};
use super::opener::{Attributes, Opener, StreamState};
use super::stream::{Budget, bounded, unpack};
use super::tar::rooted;
use super::{Format, cpio};
use crate::finding::of_bytes;

/// Marks the end of the directory, which a comment of up to 64 KiB may follow.
const END: &[u8] = b"PK\x05\x06";
/// Begins each entry of the directory.
const ENTRY: &[u8] = b"PK\x01\x02";
const END_LENGTH: usize = 22;
/// The target of a link.
const MAX_TARGET: u64 = 64 << 10;
/// The kind of a file in its mode.
const KIND: u32 = 0o170_000;

/// True when a zip's directory stands at the end of these bytes.
pub(super) fn at_end(bytes: &[u8]) -> bool {
    let from = bytes.len().saturating_sub(END_LENGTH + usize::from(u16::MAX));
    let tail = &bytes[from..];
    memchr::memmem::rfind_iter(tail, END).any(|at| {
        let comment = tail.get(at + 20..at + 22).map(|two| u16::from_le_bytes([two[0], two[1]]));
        comment.is_some_and(|length| at + END_LENGTH + usize::from(length) <= tail.len())
    })
}

/// Goes through a zip, member by member.
pub(super) struct Zip<'z> {
    bytes: &'z [u8],
    directory: zip::ZipArchive<Cursor<&'z [u8]>>,
    at: usize,
    budget: Budget,
    current: Box<dyn Read + 'z>,
    /// Size and sum of the member, as the directory says, until they were compared.
    promised: Option<(u64, u32)>,
    sum: flate2::Crc,
}

impl<'z> Zip<'z> {
    /// With no more than so many members: the crate holds what the directory says of all of them.
    pub(super) fn new(bytes: &'z [u8], most: usize, budget: &Budget) -> Result<Self> {
        if memchr::memmem::find_iter(bytes, ENTRY).nth(most).is_some() {
            return Err(Error::other(format!("a zip archive with more than {most} members")));
        }
        let mut directory = zip::ZipArchive::new(Cursor::new(bytes))?;
        // Two members of one name, or one that only some unpackers see.
        directory.validate_header_consistency()?;
        Ok(Self {
            bytes,
            directory,
            at: 0,
            budget: budget.clone(),
            current: Box::new(std::io::empty()),
            promised: None,
            sum: flate2::Crc::new(),
        })
    }

    /// Reads the member at a place of the directory next; why it cannot be, else.
    fn enter(&mut self, index: usize) -> Result<(Entry, Option<String>)> {
        let file = self.directory.by_index_raw(index)?;
        let path = of_bytes(file.name_raw());
        // The upper half is what Unix says of it, set-id bits too; other systems leave it empty.
        let mode = match (file.external_attributes() >> 16, path.ends_with('/')) {
            (0, true) => 0o040_755,
            (0, false) => 0o100_644,
            (mode, is_directory) if mode & KIND == 0 => {
                mode | if is_directory { 0o040_000 } else { 0o100_000 }
            }
            (mode, _) => mode,
        };
        let start = file.data_start().ok_or_else(|| Error::other("a zip member without data"))?;
        let range = usize::try_from(start)
            .ok()
            .zip(usize::try_from(file.compressed_size()).ok())
            .and_then(|(start, length)| self.bytes.get(start..start.checked_add(length)?));
        let data = range.ok_or_else(super::stream::short)?;
        let (encrypted, method) = (file.encrypted(), file.compression());
        let mut entry = Entry::new(path, cpio::kind(mode, String::new()), mode & 0o7777);
        entry.fact("mode", format!("{:o}", mode & 0o7777));
        entry.fact("time", file.last_modified().map(|time| time.to_string()).unwrap_or_default());
        entry.fact("packed as", method.to_string());
        self.promised = Some((file.size(), file.crc32()));
        self.sum = flate2::Crc::new();
        let unpacked: Option<Box<dyn Read + 'z>> = match method {
            Method::STORE => Some(bounded(data, &self.budget)),
            Method::DEFLATE => Some(bounded(flate2::read::DeflateDecoder::new(data), &self.budget)),
            Method::BZIP2 => unpack(Format::Bzip2, data, &self.budget).transpose()?,
            Method::ZSTD => unpack(Format::Zstd, data, &self.budget).transpose()?,
            Method::XZ => unpack(Format::Xz, data, &self.budget).transpose()?,
            _ => None,
        };
        let why = if encrypted {
            Some("an encrypted zip member".to_owned())
        } else if unpacked.is_none() {
            Some(format!("a zip member packed as {method}"))
        } else {
            None
        };
        self.current =
            unpacked.filter(|_| !encrypted).unwrap_or_else(|| Box::new(std::io::empty()));
        if why.is_some() {
            self.promised = None;
        }
        Ok((entry, why))
    }
}

impl Members for Zip<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        std::io::copy(self, &mut std::io::sink())?;
        if self.at == self.directory.len() {
            return Ok(None);
        }
        let (mut entry, closed) = self.enter(self.at)?;
        self.at += 1;
        if let Some(why) = closed {
            entry.kind = Kind::Closed(why);
        } else if matches!(entry.kind, Kind::Link(_)) {
            let mut target = Vec::new();
            self.take(MAX_TARGET).read_to_end(&mut target)?;
            entry.kind = Kind::Link(of_bytes(&target));
        }
        Ok(Some(entry))
    }
}

impl Read for Zip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.current.read(buffer)?;
        self.sum.update(&buffer[..read]);
        if read == 0
            && !buffer.is_empty()
            && let Some((size, sum)) = self.promised.take()
        {
            let found = (u64::from(self.sum.amount()), self.sum.sum());
            // `amount` counts as the format's old fields do.
            if found != (size & u64::from(u32::MAX), sum) {
                return Err(Error::other("a zip member is not what the directory says"));
            }
        }
        Ok(read)
    }
}

impl Opener<'_> {
    /// A zip that is held: its directory stands at its end.
    pub(super) fn zip(&mut self, bytes: &[u8], prefix: &str, depth: usize) {
        if let Err(error) = self.each_of_zip(bytes, prefix, depth) {
            self.unreadable(prefix, &error);
        }
    }

    fn each_of_zip(&mut self, bytes: &[u8], prefix: &str, depth: usize) -> Result<()> {
        let mut members = Zip::new(bytes, self.limits().members, &self.budget())?;
        let mut seen = StreamState::default();
        while let Some(entry) = members.next()? {
            let path = rooted(prefix, &entry.path);
            if !self.next(&path) {
                return Ok(());
            }
            if self.check_path(&path, &mut seen) {
                let attributes = Attributes { mode: entry.mode, capabilities: None };
                self.file_or_entry(path, entry.kind, attributes, (&mut members, depth), &mut seen);
            }
        }
        Ok(())
    }
}
