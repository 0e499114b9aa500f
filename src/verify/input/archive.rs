//! ar(5) and tar. Pure.

use std::io::{Error, Read, Result};
use std::ops::RangeFrom;

use super::capability::capabilities;
use super::opener::{Attributes, Opener, Seen};
use super::stream::head;
use super::{Kind, UNSAFE};
use crate::finding::of_bytes;

/// Long names and extended headers; a real one has a few hundred bytes.
const MOST_HEADER: usize = 1 << 20;
/// The names of all members of an ar; of a hundred thousand objects they have a few megabytes.
const MOST_NAMES: usize = 64 << 20;

/// ar(5): 60-byte headers, contents padded to even offsets; GNU and BSD long names. Reads the contents of the member that
/// [`Ar::next`] named last.
pub(in crate::verify) struct Ar<'r> {
    reader: &'r mut dyn Read,
    /// GNU's table of long names.
    names: Vec<u8>,
    /// What of the member was not read.
    left: u64,
    padded: bool,
}

impl<'r> Ar<'r> {
    /// From the magic on.
    pub(in crate::verify) fn new(reader: &'r mut dyn Read) -> Result<Self> {
        head(reader, 8)?;
        Ok(Self { reader, names: Vec::new(), left: 0, padded: false })
    }

    /// The name of the next member; what was not read of the last one is skipped.
    pub(in crate::verify) fn next(&mut self) -> Result<Option<String>> {
        loop {
            std::io::copy(self, &mut std::io::sink())?;
            if std::mem::take(&mut self.padded) {
                head(self.reader, 1)?;
            }
            let header = head(self.reader, 60)?;
            // Fewer bytes than a header are padding; anything else after the last member is not ar.
            if header.len() < 60 {
                return if header.len() > 1 { Err(cut_short()) } else { Ok(None) };
            }
            let name = String::from_utf8_lossy(&header[..16]).trim_end().to_owned();
            let size = String::from_utf8_lossy(&header[48..58]).trim().parse::<u64>();
            self.left = size.map_err(|_| Error::other("bad size in an ar header"))?;
            self.padded = self.left % 2 == 1;
            if name == "//" {
                self.names = head(self, MOST_NAMES)?;
            } else if let Some(length) = name.strip_prefix("#1/") {
                let length = length.parse().ok().filter(|length| *length <= MOST_HEADER);
                let length = length.filter(|length| *length as u64 <= self.left);
                let length = length.ok_or_else(|| Error::other("bad name in an ar header"))?;
                return Ok(Some(long(&head(self, length)?)));
            } else if let Some(offset) = name.strip_prefix('/').and_then(|rest| rest.parse().ok()) {
                return Ok(Some(long(self.names.get::<RangeFrom<usize>>(offset..).unwrap_or(b""))));
            } else if !matches!(name.as_str(), "/" | "/SYM64/" | "__.SYMDEF") {
                return Ok(Some(name.trim_end_matches('/').to_owned()));
            }
        }
    }
}

impl Read for Ar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = (&mut *self.reader).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(cut_short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

fn cut_short() -> Error {
    Error::other("the archive is cut short")
}

/// A long name ends with its line, or with zeros.
fn long(from: &[u8]) -> String {
    let text = from.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or(b"");
    String::from_utf8_lossy(text).trim_end_matches('/').to_owned()
}

/// What the extended headers before an entry say of it.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    capabilities: Option<String>,
    sparse: bool,
}

impl Opener<'_> {
    pub(super) fn ar_members(&mut self, path: &str, reader: &mut dyn Read, depth: usize) {
        if let Err(error) = self.each_of_ar(path, reader, depth) {
            self.unreadable(path, &error);
        }
    }

    fn each_of_ar(&mut self, path: &str, reader: &mut dyn Read, depth: usize) -> Result<()> {
        let mut members = Ar::new(reader)?;
        while let Some(name) = members.next()? {
            let member = format!("{path}!{name}");
            if !self.next(&member) {
                break;
            }
            self.stream(member, Attributes::file(), &mut members, depth);
        }
        Ok(())
    }

    /// A tar whose members stand below `prefix`.
    pub(super) fn tar(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        let mut archive = tar::Archive::new(reader);
        let mut seen = Seen::default();
        let entries = match archive.entries() {
            Ok(entries) => entries.raw(true),
            Err(error) => return self.unreadable(prefix, &error),
        };
        let mut extended = Extended::default();
        for entry in entries {
            // Every header counts: an archive of nothing but extended headers ends, too.
            if !self.next(prefix) {
                return;
            }
            let read = entry.and_then(|mut entry| {
                self.tar_entry(&mut entry, &mut extended, prefix, &mut seen, depth)
            });
            if let Err(error) = read {
                return self.unreadable(prefix, &error);
            }
        }
    }

    fn tar_entry(
        &mut self,
        entry: &mut tar::Entry<'_, &mut dyn Read>,
        extended: &mut Extended,
        prefix: &str,
        seen: &mut Seen,
        depth: usize,
    ) -> Result<()> {
        use tar::EntryType;
        let kind = entry.header().entry_type();
        let text = |entry: &mut tar::Entry<'_, &mut dyn Read>| {
            let bytes = head(entry, MOST_HEADER)?;
            Ok::<_, Error>(of_bytes(&bytes).trim_end_matches('\0').to_owned())
        };
        match kind {
            EntryType::GNULongName => extended.path = Some(text(entry)?),
            EntryType::GNULongLink => extended.link = Some(text(entry)?),
            EntryType::XHeader => return pax(&head(entry, MOST_HEADER)?, extended),
            EntryType::XGlobalHeader => {}
            _ => {
                let extended = std::mem::take(extended);
                self.tar_member(entry, extended, prefix, seen, depth)?;
            }
        }
        Ok(())
    }

    fn tar_member(
        &mut self,
        entry: &mut tar::Entry<'_, &mut dyn Read>,
        extended: Extended,
        prefix: &str,
        seen: &mut Seen,
        depth: usize,
    ) -> Result<()> {
        use tar::EntryType;
        let header = entry.header();
        // Two sizes are how one archive becomes two, each unpacker seeing its own.
        let size = header.entry_size()?;
        if extended.size.is_some_and(|other| other != size) {
            return Err(Error::other("two sizes for one member"));
        }
        let raw = extended.path.unwrap_or_else(|| of_bytes(&header.path_bytes()));
        let path = rooted(prefix, &raw);
        let target =
            extended.link.or_else(|| header.link_name_bytes().map(|bytes| of_bytes(&bytes)));
        let target = target.unwrap_or_default();
        let mode = header.mode().unwrap_or(0o7777) & 0o7777;
        let attributes = Attributes { mode, capabilities: extended.capabilities };
        if !self.check_path(&path, seen) {
            return Ok(());
        }
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous if extended.sparse => {
                Kind::Closed("a sparse member".to_owned())
            }
            EntryType::Regular | EntryType::Continuous => {
                self.stream(path, attributes, entry, depth);
                return Ok(());
            }
            EntryType::Link => {
                let target = rooted(prefix, &target);
                if !seen.paths.contains(&target) {
                    let message =
                        format!("{path} is a hard link to {target}, which is not in the archive");
                    self.fault(&UNSAFE, &path, message);
                }
                return Ok(());
            }
            EntryType::Symlink => {
                seen.links.insert(path.clone());
                Kind::Link(target)
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Block => Kind::Device("block device"),
            EntryType::Char => Kind::Device("character device"),
            EntryType::Fifo => Kind::Device("fifo"),
            EntryType::GNUSparse => Kind::Closed("a sparse member".to_owned()),
            other => Kind::Closed(format!("a tar member of type {:?}", other.as_byte() as char)),
        };
        self.entry(path, kind, attributes);
        Ok(())
    }
}

/// The path of a member below a prefix, with one slash at its beginning and none at its end.
pub(super) fn rooted(prefix: &str, raw: &str) -> String {
    let path = raw.strip_prefix("./").unwrap_or(raw).trim_matches('/');
    let path = if path == "." { "" } else { path };
    format!("{prefix}/{path}")
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`. Values may hold newlines, so lengths count.
fn pax(bytes: &[u8], extended: &mut Extended) -> Result<()> {
    let fault = || Error::other("a pax header cannot be read");
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest.iter().position(|byte| *byte == b' ').ok_or_else(fault)?;
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse().ok());
        let (record, after) =
            length.and_then(|length: usize| rest.split_at_checked(length)).ok_or_else(fault)?;
        let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.ok_or_else(fault)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(fault)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let text = || of_bytes(value);
        match key {
            b"path" => extended.path = Some(text()),
            b"linkpath" => extended.link = Some(text()),
            b"size" => extended.size = Some(text().parse().map_err(|_| fault())?),
            b"SCHILY.xattr.security.capability" => {
                extended.capabilities = Some(capabilities(value));
            }
            key if key.starts_with(b"GNU.sparse.") => extended.sparse = true,
            _ => {}
        }
        rest = after;
    }
    Ok(())
}
