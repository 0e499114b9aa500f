//! `.rpm`: the header names the files, the payload is a compressed cpio with their contents. Pure.

use std::io::Read;

use super::opener::Opener;
use super::rpm_header::{Listed, files, package};
use super::stream::{Budget, head, unpack};
use super::{Format, HEAD, format};

impl Opener<'_> {
    pub(super) fn rpm(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        let package = package(reader);
        let read = package.and_then(|package| Ok((files(&package.header)?, package.header)));
        let (listed, header) = match read {
            Ok(read) => read,
            Err(error) => return self.unreadable(prefix, &error),
        };
        for (name, text) in header.scripts() {
            self.script(name, &text);
        }
        if let Err(error) = self.rpm_payload(reader, &listed, prefix, depth) {
            self.unreadable(prefix, &error);
        }
    }

    fn rpm_payload(
        &mut self,
        reader: &mut dyn Read,
        listed: &[Listed],
        prefix: &str,
        depth: usize,
    ) -> std::io::Result<()> {
        let mut unpacked = unpacked_payload(reader, &self.budget())?;
        self.payload(&mut unpacked, listed, prefix, depth)
    }
}

/// The cpio that stands behind the headers, unpacked where it is compressed.
pub(super) fn unpacked_payload<'a>(
    reader: &'a mut dyn Read,
    budget: &Budget,
) -> std::io::Result<Box<dyn Read + 'a>> {
    let start = head(reader, HEAD)?;
    let found = format(&start);
    let packed = std::io::Cursor::new(start).chain(reader);
    if found == Format::Cpio {
        return Ok(Box::new(packed));
    }
    let unpacked = unpack(found, packed, budget);
    unpacked.unwrap_or_else(|| Err(std::io::Error::other("unknown payload compression")))
}
