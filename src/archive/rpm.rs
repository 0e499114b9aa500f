//! `.rpm`: the header names the files, the payload is a compressed cpio with their contents. Pure.

use std::io::Read;

use super::opener::Opener;
use super::rpm_header::{Listed, package};
use super::stream::{head, unpack};
use super::tar::rooted;
use super::{Format, HEAD, format};

impl Opener<'_> {
    pub(super) fn rpm(&mut self, reader: &mut dyn Read, prefix: &str, depth: usize) {
        let package = match package(reader) {
            Ok(package) => package,
            Err(error) => return self.unreadable(prefix, &error),
        };
        for (name, text) in &package.scripts {
            self.script(name, text);
        }
        let listed: Vec<Listed> = package
            .files
            .into_iter()
            .map(|file| Listed { path: rooted(prefix, &file.path), ..file })
            .collect();
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
        let start = head(reader, HEAD)?;
        let found = format(&start);
        let mut packed = start.as_slice().chain(reader);
        if found == Format::Cpio {
            return self.cpio(&mut packed, Some(listed), prefix, depth);
        }
        match unpack(found, packed, &self.budget()) {
            Some(unpacked) => self.cpio(&mut unpacked?, Some(listed), prefix, depth),
            None => Err(std::io::Error::other("unknown payload compression")),
        }
    }
}
