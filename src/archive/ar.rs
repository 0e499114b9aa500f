//! ar(5): static libraries, and what a `.deb` is made of. Pure.

use std::io::{Error, Read, Result};
use std::ops::RangeFrom;

use super::opener::{Attributes, Opener};
use super::stream::head;

/// A name in front of a member's contents; a real one has a few hundred bytes.
const MOST_HEADER: usize = 1 << 20;
/// The names of all members of an ar; of a hundred thousand objects they have a few megabytes.
const MOST_NAMES: usize = 64 << 20;

/// ar(5): 60-byte headers, contents padded to even offsets; GNU and BSD long names. Reads the contents of the member that
/// [`Ar::next`] named last.
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

    /// The name of the next member; what was not read of the last one is skipped.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
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
}
