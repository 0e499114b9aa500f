//! tar: ustar, GNU and pax. Pure.

use std::io::{Error, Read, Result};

use super::capability::capabilities;
use super::opener::{Attributes, Opener, Seen};
use super::stream::head;
use super::{Kind, UNSAFE};
use crate::finding::of_bytes;

/// Long names and extended headers; a real one has a few hundred bytes.
const MOST_HEADER: usize = 1 << 20;

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
