//! ar(5): static libraries, and what a `.deb` is made of. Pure.

use std::io::{Error, Read, Result};
use std::ops::{Range, RangeFrom};

use super::Kind;
use super::entry::{Entry, Members};
use super::opener::{Attributes, Opener};
use super::stream::{head, short};

/// A name in front of a member's contents; a real one has a few hundred bytes.
const MAX_HEADER: usize = 1 << 20;
/// The names of all members of an ar; of a hundred thousand objects they have a few megabytes.
const MAX_NAMES: usize = 64 << 20;

/// ar(5): 60-byte headers, contents padded to even offsets; GNU and BSD long names. Reads the contents of the member that
/// [`Ar::next`] gave last.
pub(crate) struct Ar<'r> {
    reader: &'r mut dyn Read,
    /// GNU's table of long names.
    names: Vec<u8>,
    /// What of the member was not read.
    left: u64,
    padded: bool,
}

impl<'r> Ar<'r> {
    /// From the magic on.
    pub(crate) fn new(reader: &'r mut dyn Read) -> Result<Self> {
        head(reader, 8)?;
        Ok(Self { reader, names: Vec::new(), left: 0, padded: false })
    }

    /// The next member, and the index of symbols as one; what was not read of the last one is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        loop {
            std::io::copy(self, &mut std::io::sink())?;
            if std::mem::take(&mut self.padded) {
                head(self.reader, 1)?;
            }
            let header = head(self.reader, 60)?;
            // Fewer bytes than a header are padding; anything else after the last member is not ar.
            if header.len() < 60 {
                return if header.len() > 1 { Err(short()) } else { Ok(None) };
            }
            let field = |range: Range<usize>| String::from_utf8_lossy(&header[range]).into_owned();
            let name = field(0..16).trim_end().to_owned();
            let size = field(48..58).trim().parse::<u64>();
            self.left = size.map_err(|_| Error::other("bad size in an ar header"))?;
            self.padded = self.left % 2 == 1;
            if name == "//" {
                self.names = head(self, MAX_NAMES)?;
                continue;
            }
            let mut entry = Entry::new(self.name(&name)?, Kind::File, 0o644);
            entry.fact("time", field(16..28).trim());
            entry.fact("owner", format!("{}/{}", field(28..34).trim(), field(34..40).trim()));
            entry.fact("mode", field(40..48).trim());
            return Ok(Some(entry));
        }
    }

    /// The name of a member, of which the header says where it stands.
    fn name(&mut self, name: &str) -> Result<String> {
        if let Some(length) = name.strip_prefix("#1/") {
            let length = length.parse().ok().filter(|length| *length <= MAX_HEADER);
            let length = length.filter(|length| *length as u64 <= self.left);
            let length = length.ok_or_else(|| Error::other("bad name in an ar header"))?;
            return Ok(long(&head(self, length)?));
        }
        if let Some(offset) = name.strip_prefix('/').and_then(|rest| rest.parse().ok()) {
            return Ok(long(self.names.get::<RangeFrom<usize>>(offset..).unwrap_or(b"")));
        }
        Ok(if is_index(name) { name } else { name.trim_end_matches('/') }.to_owned())
    }

    /// The table of long names, as far as it was met.
    pub(super) fn names(&self) -> &[u8] {
        &self.names
    }
}

impl Members for Ar<'_> {
    fn next(&mut self) -> Result<Option<Entry>> {
        Ar::next(self)
    }
}

impl Read for Ar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = (&mut *self.reader).take(self.left).read(buffer)?;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(short());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// Names of the index of symbols: GNU's, GNU's for large files, and BSD's.
pub(super) fn is_index(name: &str) -> bool {
    matches!(name, "/" | "/SYM64/" | "__.SYMDEF" | "__.SYMDEF SORTED")
}

/// A long name ends with its line, or with zeros.
fn long(from: &[u8]) -> String {
    let text = from.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or(b"");
    crate::finding::of_bytes(text).trim_end_matches('/').to_owned()
}

impl Opener<'_> {
    pub(super) fn ar_members(&mut self, path: &str, reader: &mut dyn Read, depth: usize) {
        if let Err(error) = self.each_of_ar(path, reader, depth) {
            self.unreadable(path, &error);
        }
    }

    fn each_of_ar(&mut self, path: &str, reader: &mut dyn Read, depth: usize) -> Result<()> {
        let mut members = Ar::new(reader)?;
        while let Some(entry) = members.next()? {
            if is_index(&entry.path) {
                continue;
            }
            let member = format!("{path}!{}", entry.path);
            if !self.next(&member) {
                break;
            }
            self.stream(member, Attributes::file(), &mut members, depth);
        }
        Ok(())
    }
}
